"""Batches that one forward pass can take, rendered ahead of the device, the largest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from resolution_eval.resolution import Size

MOST = 512
"""Largest batch that is tried where the batch size is found by doubling."""

Waiting = TypeVar("Waiting")
Key = tuple[tuple[Size, ...], str, str]
"""Sizes of a view's images, answer mode, generation arguments: what a batch has in common."""


class BatchSizes:
    """How many views fit one forward pass, remembered for each grid.

    Begins at `first`. With `grow`, a full batch that fits the memory doubles the next one of its
    grid; one that does not fit halves it for good.
    """

    def __init__(self, first: int, *, grow: bool) -> None:
        self._first = first
        self._grow = grow
        self._sizes: dict[tuple[Size, ...], int] = {}
        self._settled: set[tuple[Size, ...]] = set()

    def of(self, grid: tuple[Size, ...]) -> int:
        """Views of a batch at this grid."""
        return self._sizes.get(grid, self._first)

    def fitted(self, grid: tuple[Size, ...], count: int) -> None:
        """A batch of `count` went through."""
        full = count >= self.of(grid)
        if self._grow and full and grid not in self._settled:
            self._sizes[grid] = min(2 * count, MOST)

    def refused(self, grid: tuple[Size, ...], count: int) -> None:
        """The memory refused a batch of `count`."""
        self._settled.add(grid)
        self._sizes[grid] = max(1, min(self.of(grid), count // 2))


class Batches(Generic[Waiting]):
    """Collects views by key; gives out full batches, those of the most pixels first.

    A sweep brings every image at all its resolutions, so batches of all grids fill up together:
    the largest goes first, and a memory that is too small is found out at once.
    """

    def __init__(self, sizes: BatchSizes, key: Callable[[Waiting], Key]) -> None:
        self._sizes = sizes
        self._key = key

    def of(self, groups: Iterable[Iterable[Waiting]]) -> Iterator[list[Waiting]]:
        """The batches of all views in `groups`, each group's looked at together."""
        waiting: dict[Key, list[Waiting]] = defaultdict(list)
        for group in groups:
            touched: set[Key] = set()
            for view in group:
                key = self._key(view)
                waiting[key].append(view)
                touched.add(key)
            full = [key for key in touched if len(waiting[key]) >= self._sizes.of(key[0])]
            for key in sorted(full, key=_pixels, reverse=True):
                yield from self._cut(waiting, key)
        for key in sorted(waiting, key=_pixels, reverse=True):
            yield waiting[key]

    def _cut(self, waiting: dict[Key, list[Waiting]], key: Key) -> Iterator[list[Waiting]]:
        """Full batches of `key`; its size may change with each that is given out."""
        while len(waiting[key]) >= (size := self._sizes.of(key[0])):
            batch, waiting[key] = waiting[key][:size], waiting[key][size:]
            yield batch
        if not waiting[key]:
            del waiting[key]


def _pixels(key: Key) -> tuple[int, str]:
    """Pixels of one view; keys of as many stay in an order of their own."""
    return sum(size.pixels for size in key[0]), repr(key)
