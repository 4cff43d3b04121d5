"""Batches of equal grid: full ones, the largest first, of a size that the memory allows."""

from __future__ import annotations

import pytest

from resolution_eval.adapters.render_batches import MOST, Batches, BatchSizes, Key
from resolution_eval.resolution import Size


def key(view: tuple[int, int]) -> Key:
    return (Size(view[1], view[1]),), "rank", "[]"


def sweep(images: int, *sides: int) -> list[list[tuple[int, int]]]:
    """Every image at every side, as a sweep brings them."""
    return [[(image, side) for side in sides] for image in range(images)]


def test_full_batches_of_one_grid_come_largest_first() -> None:
    batches = list(Batches(BatchSizes(2, grow=False), key).of(sweep(4, 16, 64, 32)))
    assert [{side for _, side in batch} for batch in batches] == [{64}, {32}, {16}] * 2
    assert [len(batch) for batch in batches] == [2] * 6
    assert batches[0] == [(0, 64), (1, 64)]


def test_every_view_is_in_one_batch_the_rest_at_the_end() -> None:
    batches = list(Batches(BatchSizes(4, grow=False), key).of(sweep(6, 16, 32)))
    assert sorted(view for batch in batches for view in batch) == sorted(
        view for group in sweep(6, 16, 32) for view in group
    )
    assert [len(batch) for batch in batches] == [4, 4, 2, 2]


def test_a_group_larger_than_a_batch_is_cut() -> None:
    one_image = [[(question, 32) for question in range(7)]]
    assert [len(batch) for batch in Batches(BatchSizes(3, grow=False), key).of(one_image)] == [
        3,
        3,
        1,
    ]


def test_only_so_many_views_wait_as_batches_hold() -> None:
    taken = 0

    def groups():
        nonlocal taken
        for group in sweep(1000, 16, 32):
            taken += 1
            yield group

    batches = Batches(BatchSizes(8, grow=False), key).of(groups())
    next(batches)
    assert taken == 8


def test_a_batch_that_does_not_fit_is_remembered_for_its_grid_alone() -> None:
    small, large = (Size(16, 16),), (Size(64, 64),)
    sizes = BatchSizes(8, grow=False)
    sizes.refused(large, 8)
    assert (sizes.of(large), sizes.of(small)) == (4, 8)
    sizes.refused(large, 4)
    sizes.fitted(large, 2)
    assert sizes.of(large) == 2
    for _ in range(20):
        sizes.refused(large, sizes.of(large))
    assert sizes.of(large) == 1


def test_full_batches_that_fit_double_up_to_a_bound() -> None:
    grid = (Size(16, 16),)
    sizes = BatchSizes(32, grow=True)
    sizes.fitted(grid, 5)
    assert sizes.of(grid) == 10
    for _ in range(20):
        sizes.fitted(grid, sizes.of(grid))
    assert sizes.of(grid) == MOST


def test_a_size_that_was_given_does_not_grow() -> None:
    sizes = BatchSizes(32, grow=False)
    sizes.fitted((Size(16, 16),), 32)
    assert sizes.of((Size(16, 16),)) == 32


class _Card:
    """A card of so many bytes, on which a view takes some at all and some for every pixel."""

    def __init__(self, memory: int, each: int, pixel: float, fixed: int = 0) -> None:
        self.memory, self.each, self.pixel, self.fixed = memory, each, pixel, fixed
        self.refusals = 0

    def bytes(self, grid: tuple[Size, ...], count: int) -> int:
        return self.fixed + count * int(self.each + self.pixel * sum(size.pixels for size in grid))

    def largest(self, grid: tuple[Size, ...]) -> int:
        return max(count for count in range(1, MOST + 1) if self.bytes(grid, count) <= self.memory)

    def run(self, sizes: BatchSizes, grid: tuple[Size, ...], batches: int) -> list[int]:
        """Sizes of so many full batches of one grid, one after another."""
        counts = []
        for _ in range(batches):
            count = sizes.of(grid)
            counts.append(count)
            if self.bytes(grid, count) > self.memory:
                self.refusals += 1
                sizes.refused(grid, count)
            else:
                sizes.fitted(grid, count, self.bytes(grid, count))
        return counts


@pytest.mark.parametrize(
    ("memory", "each", "pixel", "fixed"),
    [
        (140 * 2**30, 2**20, 1000.0, 0),
        (80 * 2**30, 2**22, 4000.0, 2**28),
        (24 * 2**30, 2**24, 4000.0, 2**27),
        (8 * 2**30, 2**20, 800.0, 2**26),
    ],
)
def test_a_batch_is_found_within_two_of_each_grid_and_nothing_is_refused(
    memory: int, each: int, pixel: float, fixed: int
) -> None:
    card = _Card(memory, each, pixel, fixed)
    sizes = BatchSizes(32, grow=True, room=lambda: memory)
    for side in (2048, 1024, 448, 224, 56):  # as a sweep brings them, the largest first
        grid = (Size(side, side),)
        *_, found = card.run(sizes, grid, 3)
        assert 0.5 * card.largest(grid) <= found <= card.largest(grid), side
    assert card.refusals == 0


def test_another_program_that_takes_memory_costs_a_refusal_and_no_answer() -> None:
    room = [64 * 2**30]
    card = _Card(room[0], 2**20, 1000.0)
    sizes, grid = BatchSizes(32, grow=True, room=lambda: room[0]), (Size(448, 448),)
    card.run(sizes, grid, 2)
    card.memory = room[0] = 4 * 2**30
    counts = card.run(sizes, grid, 6)
    assert counts == sorted(counts, reverse=True)
    assert card.bytes(grid, counts[-1]) <= card.memory


def test_a_batch_made_before_the_memory_refused_its_size_is_cut_and_not_tried() -> None:
    grid = (Size(64, 64),)
    sizes = BatchSizes(32, grow=False)
    assert not sizes.exceeded(grid, 32)
    sizes.refused(grid, 32)
    assert sizes.exceeded(grid, 32) and not sizes.exceeded(grid, 16)
    assert not sizes.exceeded((Size(16, 16),), 32)


def test_one_view_goes_first_where_the_memory_is_still_to_be_looked_at() -> None:
    grid = (Size(64, 64),)
    assert BatchSizes(32, grow=True).of(grid) == 1
    assert BatchSizes(32, grow=False).of(grid) == 32
