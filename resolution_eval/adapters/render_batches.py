"""Batches that one forward pass can take, rendered ahead of the device, the largest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from resolution_eval.resolution import Size

MOST = 512
"""Largest batch that is tried where the batch size is found by doubling."""

CARE = 4
"""How much more memory a pixel of a new grid may take: a text takes the same at every grid."""
SHARE = 0.8
"""Of the free memory that a batch is planned to take: the allocator needs some to itself."""

Waiting = TypeVar("Waiting")
Grid = tuple[Size, ...]
"""Sizes of a view's images."""
Key = tuple[Grid, str, str]
"""Sizes of a view's images, answer mode, generation arguments: what a batch has in common."""


class BatchSizes:
    """How many views fit one forward pass, remembered for each grid.

    Begins at `first`, with `grow` at one view. A batch tells what it took of the memory: as many
    views as `SHARE` of its `room` holds make the next one of its grid. The first of another grid is
    foretold from that by its pixels, with care. Where nobody tells, a full batch that fits doubles
    the next one. One that does not fit halves it for good.
    """

    def __init__(
        self, first: int, *, grow: bool, room: Callable[[], int | None] = lambda: None
    ) -> None:
        self._first = first
        self._grow = grow
        self._room = room
        self._sizes: dict[Grid, int] = {}
        self._settled: set[Grid] = set()
        self._pixel: float | None = None
        """Bytes that a view takes for each of its pixels, at most."""

    def of(self, grid: Grid) -> int:
        """Views of a batch at this grid."""
        if grid in self._sizes or not self._grow:
            return self._sizes.get(grid, self._first)
        if self._pixel is None:
            return 1
        foretold = self._fitting(self._pixel * sum(size.pixels for size in grid) * CARE)
        return foretold or self._first

    def exceeded(self, grid: Grid, count: int) -> bool:
        """Whether a batch of `count` is one that the memory has refused."""
        return count > 1 and grid in self._settled and count > self.of(grid)

    def fitted(self, grid: Grid, count: int, used: int | None = None) -> None:
        """A batch of `count` went through, and took `used` bytes beside the weights."""
        if not self._grow or grid in self._settled:
            return
        fitting = None
        if used:
            pixels = sum(size.pixels for size in grid)
            self._pixel = max(self._pixel or 0.0, used / count / pixels)
            fitting = self._fitting(used / count)
        if fitting is not None:
            self._sizes[grid] = fitting
        elif count >= self.of(grid):
            self._sizes[grid] = min(2 * count, MOST)

    def refused(self, grid: Grid, count: int) -> None:
        """The memory refused a batch of `count`."""
        self._settled.add(grid)
        self._sizes[grid] = max(1, min(self.of(grid), count // 2))

    def _fitting(self, each: float) -> int | None:
        """Views of `each` bytes that fit the memory; None where nobody knows its room."""
        room = self._room()
        if room is None:
            return None
        return max(1, min(MOST, int(SHARE * room / max(each, 1.0))))


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
