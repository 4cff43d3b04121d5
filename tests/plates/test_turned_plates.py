"""Train plates, turned and mirrored: the answer turns with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from resolution_eval.data.acuity.chart_book import LINES, AcuityBook
from resolution_eval.data.lesions import LesionBook
from resolution_eval.resolution import Size
from studies.eye_chart import NODULES, RECIPES, plates
from studies.turned_plates import MIRRORED, QUARTER, plate_pools, turned, turned_image

BOOK = AcuityBook(64)


def optotype(line, answer, centre=(32.0, 32.0), phase=0.0):
    """One optotype in the middle; a grating's phase is such that it is its own mirror image."""
    turn = line.choices.index(answer) / len(line.choices)
    return BOOK.optotype(line.kind, 3.0, turn, centre, phase)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
@pytest.mark.parametrize(("quarters", "mirrored"), [(1, False), (3, False), (0, True), (1, True)])
def test_a_turned_image_is_the_one_of_the_turned_answer(line, quarters, mirrored):
    source = plates("acuity")
    sample = next(s for s in source.samples("val") if s.detail.kind == line.kind)
    for answer in line.choices:
        image = torch.from_numpy(optotype(line, answer, phase=np.pi / 2))[None]
        moved = turned_image(image, quarters, mirrored)[0].numpy()
        other = turned(replace(sample, answer=answer), quarters, mirrored).answer
        meant = optotype(line, other, phase=np.pi / 2)
        assert np.abs(moved - meant).sum() < 0.1 * np.abs(meant).sum(), answer


def test_quadrants_of_a_mirrored_phantom_are_mirrored():
    book = LesionBook(64)
    every = (book.plate("test", index) for index in range(200))
    found = [plate for plate in every if plate.detail.kind == "nodule quadrant"]
    for plate in found[:4]:
        there = book.finding(plate, np.random.RandomState(1))[:, ::-1]
        row, column = np.unravel_index(there.argmax(), there.shape)
        name = f"{'lower' if row >= 32 else 'upper'} {'right' if column >= 32 else 'left'}"
        assert MIRRORED[plate.answer] == name


def test_the_phantoms_that_are_taught_are_the_books_own_of_two_kinds():
    source = plates("lesion")
    assert {sample.detail.kind for sample in source.samples("train")} == set(NODULES)
    assert len(source.samples("train")) == 2 * 8 * RECIPES["lesion"].blocks["train"]
    book = LesionBook(source.book.side)
    for sample in source.samples("train")[:32]:
        plate = book.plate("train", int(sample.id.partition("/")[2]))
        assert (plate.question, plate.answer) == (sample.question, sample.answer)


def test_four_quarters_and_two_mirrors_are_nothing():
    for name in QUARTER:
        assert QUARTER[QUARTER[QUARTER[QUARTER[name]]]] == name
    for name in MIRRORED:
        assert MIRRORED[MIRRORED[name]] == name


def test_what_a_grid_cannot_show_is_left_out_at_that_grid():
    pools = plate_pools(plates("acuity"), lambda size: size, quarters=4, finest=1.0)
    train = pools.open("train")
    least = {
        r: min(
            train.samples[place].detail.size
            for grid, places in train.groups(r).items()
            for place in places
        )
        for r in (32, 64)
    }
    assert 4.0 <= least[32] < 4.2
    assert 2.0 <= least[64] < 2.1


def test_a_batch_is_turned_and_the_same_batch_alike():
    pools = plate_pools(plates("acuity"), lambda size: size, quarters=4, finest=1.0)
    train = pools.open("train")
    grid = Size(32, 32)
    first = train.groups(32)[grid][:12]
    one, again = train.take(32, grid, first), train.take(32, grid, first)
    assert torch.equal(one.pixels, again.pixels)
    assert [s.answer for s in one.samples] == [s.answer for s in again.samples]
    assert [s.answer for s in one.samples] != [train.samples[place].answer for place in first]
    assert all(s.answer in s.choices for s in one.samples)


def test_a_phantom_is_mirrored_and_nothing_else():
    """Its field has an up and a down, and its quadrant is the answer."""
    pools = plate_pools(plates("lesion"), lambda size: size, quarters=1, finest=0.0, limit=96)
    train, grid = pools.open("train"), Size(128, 128)
    every = train.groups(128)[grid][:8]
    ways = set()
    for place, image in zip(every, train.take(128, grid, every).pixels, strict=True):
        stored = torch.from_numpy(np.array(train.stored(train.samples[place].image)))
        stored = stored.permute(2, 0, 1)
        assert torch.equal(image, stored) or torch.equal(image, stored.flip(-1))
        ways.add(torch.equal(image, stored))
    assert ways == {True, False}
