"""One run of the vision tower for each different image of a batch, however many ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from resolution_eval.ground.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image


Value = TypeVar("Value")


@dataclass(frozen=True)
class Sharing:
    """Which samples of a batch show the same image.

    A sample's part of a tensor is a block of rows, as large as every other's: all are of one grid.
    """

    places: tuple[int, ...]
    """Per sample, which of the different images it shows."""

    @classmethod
    def of(cls, images: Sequence[Image]) -> Sharing:
        """The sharing of samples with these images, told apart by size and pixels.

        Example:
            >>> from PIL import Image
            >>> Sharing.of([Image.new("RGB", (1, 1), name) for name in ("red", "blue", "red")])
            Sharing(places=(0, 1, 0))
        """
        seen: dict[tuple[tuple[int, int], bytes], int] = {}
        return cls(
            tuple(seen.setdefault((each.size, each.tobytes()), len(seen)) for each in images)
        )

    @property
    def different(self) -> int:
        """Number of different images."""
        return max(self.places, default=-1) + 1

    def firsts(self, each: Sequence[Value]) -> list[Value]:
        """Of one entry per sample, those of the different images."""
        return [each[self.places.index(place)] for place in range(self.different)]

    @contextmanager
    def applied(self, tower: nn.Module) -> Iterator[None]:
        """Has `tower` see each image once, and give every sample what it made of its image.

        Hooks registered later see the tensors that really enter.
        """
        if self.different == len(self.places):
            yield
            return
        first = self.firsts(range(len(self.places)))

        def before(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
            return _mapped((positional, named), _picked(len(self.places), first))

        def after(_: Any, __: Any, output: Any) -> Any:
            return _mapped(output, _picked(self.different, self.places))

        with (
            tower.register_forward_pre_hook(before, with_kwargs=True),
            tower.register_forward_hook(after),
        ):
            yield


def _picked(samples: int, chosen: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Takes the blocks `chosen` out of a tensor of `samples` blocks of rows.

    A tensor of one row holds the images behind each other in that row, as Pixtral's tower does.
    """

    def pick(tensor: Tensor) -> Tensor:
        if not tensor.dim():
            return tensor
        if samples > 1 and len(tensor) == 1 and tensor.dim() > 1:
            return pick(tensor[0])[None]
        rows, rest = divmod(len(tensor), samples)
        if rest:
            raise ModelError(
                f"{len(tensor)} rows at the vision tower are no equal parts of {samples} images"
            )
        index = torch.tensor(chosen, device=tensor.device)
        return tensor.reshape(samples, rows, *tensor.shape[1:])[index].flatten(0, 1)

    return pick


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in it changed; the rest as it is."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return type(value)(**{name: _mapped(each, change) for name, each in value.items()})
    if isinstance(value, tuple | list):
        return type(value)(_mapped(each, change) for each in value)
    return value
