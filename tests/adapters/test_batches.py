"""Batches of equal grid: full ones, the largest first, of a size that the memory allows."""

from __future__ import annotations

from resolution_eval.adapters.batches import MOST, Batches, BatchSizes, Key
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
    sizes = BatchSizes(8, grow=True)
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
    assert sizes.of(grid) == 32
    for _ in range(20):
        sizes.fitted(grid, sizes.of(grid))
    assert sizes.of(grid) == MOST


def test_a_size_that_was_given_does_not_grow() -> None:
    sizes = BatchSizes(32, grow=False)
    sizes.fitted((Size(16, 16),), 32)
    assert sizes.of((Size(16, 16),)) == 32
