"""Position-embedding tables, resampled to another grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Grid = tuple[int, int]
"""Rows and columns of a grid of patches."""


def resample(
    table: Float[Tensor, "tokens dim"], old: Grid, new: Grid, *, prefix: int = 1
) -> Float[Tensor, "resampled dim"]:
    """Position table for the `new` grid, resampled bicubically (antialiased) from `old`.

    The first `prefix` rows (class and register tokens) have no place on the grid and are kept. The
    arithmetic is in float32, the result in the table's own type; it is differentiable in `table`.
    Where the grids agree the table itself is returned.

    Source: Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.2 (bicubic as timm).

    Raises:
        ValueError: `table` is not `prefix` rows followed by one row per patch of `old`, or `new`
            is empty.
    """
    rows, columns = old
    if len(table) != prefix + rows * columns:
        raise ValueError(
            f"position table has {len(table)} rows, but {prefix} prefix tokens and "
            f"a {rows}x{columns} grid need {prefix + rows * columns}"
        )
    if min(new) < 1:
        raise ValueError(f"a grid has at least 1x1 patches, received {new[0]}x{new[1]}")
    if new == old:
        return table
    patches = table[prefix:].float().reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    moved = functional.interpolate(patches, size=new, mode="bicubic", antialias=True)
    return torch.cat([table[:prefix], moved[0].flatten(1).T.to(table.dtype)])


@dataclass(eq=False)
class PositionCache:
    """Resampled tables of one parameter, one per grid, kept until the parameter changes.

    A change is seen by the tensor's storage, version counter, type or device (writing through
    `.data` hides from the version counter). While gradients flow to the table, and for a table made
    in inference mode, which has no version counter, nothing is kept.
    """

    _stamp: tuple[object, ...] = ()
    _tables: dict[Grid, Tensor] = field(default_factory=dict)

    def forget(self) -> None:
        """Keep nothing: where a sharded parameter is gathered anew, its change does not show."""
        self._stamp, self._tables = (), {}

    def table(self, table: Tensor, old: Grid, new: Grid, *, prefix: int = 1) -> Tensor:
        """As `resample`, from the cache where it holds the `new` grid."""
        flowing = torch.is_grad_enabled() and table.requires_grad
        if flowing or table.is_inference():
            return resample(table, old, new, prefix=prefix)
        stamp = (table.data_ptr(), table._version, table.dtype, table.device, old, prefix)
        if stamp != self._stamp:
            self._stamp, self._tables = stamp, {}
        if new not in self._tables:
            with torch.inference_mode(False), torch.no_grad():
                self._tables[new] = resample(table, old, new, prefix=prefix)
        return self._tables[new]
