"""Lesion phantoms: known size, contrast and place, and no cue but the finding itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from resolution_eval.data.cards import task_cards
from resolution_eval.data.lesions.fields import FIELDS
from resolution_eval.data.lesions.lesion_book import (
    LEVELS,
    PITCH,
    PRESENCE,
    SEARCHES,
    LesionBook,
    cluster,
    dot,
    mitosis,
    nodule,
)
from resolution_eval.data.plates.plate import QUADRANTS
from resolution_eval.data.sources import open_source

BOOK = LesionBook(128)
RANDOM = np.random.RandomState


def of_kind(kind, count=10_000):
    found = (BOOK.plate("test", i) for i in range(BOOK.counts["test"]))
    return [plate for plate in found if plate.detail.kind == kind][:count]


def changed(plate):
    """What the finding adds to its field, absolute and summed over the colours."""
    absent = replace(plate, detail=plate.detail.model_copy(update={"present": False}))
    drawn, bare = (BOOK.draw(one).astype(float) for one in (plate, absent))
    return np.abs(drawn - bare).sum(axis=-1)


class TestFindings:
    @pytest.mark.parametrize("size", [0.75, 1.0, 5.0, 11.3])
    def test_a_dot_has_the_area_of_its_disc(self, size):
        area = dot(64, (31.3, 30.8), size, RANDOM(0)).sum()
        assert area == pytest.approx(np.pi * size**2 / 4, rel=0.02)

    def test_a_nodule_is_as_wide_as_it_is_said_to_be(self):
        image = nodule(64, (32.0, 32.0), 20.0, RANDOM(0))
        rows, columns = np.nonzero(image > 0.01)
        assert np.ptp(rows) + 1 == pytest.approx(20, abs=1)
        assert np.ptp(columns) + 1 == pytest.approx(20, abs=1)

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_a_cluster_has_so_many_specks_a_pitch_apart(self, count):
        image = cluster(128, (64.0, 64.0), 6.0, RANDOM(5), count=count)
        assert image.sum() == pytest.approx(count * np.pi * 9, rel=0.02)
        assert image.max() == 1  # no two of them overlap
        if count > 1:
            rows, columns = np.nonzero(image > 0.99)
            points = np.column_stack([rows, columns])
            apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
            between = apart[(apart > 6) & (apart < 6 * PITCH * 1.2)]
            assert between.mean() == pytest.approx(6 * PITCH, rel=0.05)

    def test_a_mitosis_is_three_times_as_long_as_wide(self):
        image = mitosis(128, (64.0, 64.0), 40.0, RANDOM(2)) > 0.5
        rows, columns = np.nonzero(image)
        spread = np.sqrt(np.linalg.eigvalsh(np.cov(rows, columns)))
        assert spread[1] / spread[0] == pytest.approx(3, rel=0.15)


class TestPlates:
    @pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.kind)
    def test_answers_are_equally_frequent_at_every_size(self, search):
        counts = Counter((p.detail.size, p.turn) for p in of_kind(search.kind))
        assert len(counts) == LEVELS * len(search.choices)
        assert len(set(counts.values())) == 1

    def test_half_of_the_questions_for_presence_have_nothing_to_find(self):
        asked = [p for s in SEARCHES if s.choices == PRESENCE for p in of_kind(s.kind)]
        assert sum(plate.detail.present for plate in asked) * 2 == len(asked)
        assert all((plate.answer == "yes") == plate.detail.present for plate in asked)

    def test_what_is_absent_is_not_drawn(self):
        plate = next(p for p in of_kind("nodule present") if not p.detail.present)
        assert changed(plate).sum() == 0

    @pytest.mark.parametrize("kind", ["nodule quadrant", "dot quadrant"])
    def test_the_finding_lies_in_the_quadrant_that_is_the_answer(self, kind):
        for plate in of_kind(kind, 32):
            rows, columns = np.nonzero(changed(plate))
            place = 2 * (rows.mean() > 63.5) + (columns.mean() > 63.5)
            assert QUADRANTS[place] == plate.answer

    def test_every_finding_lies_inside_the_image_and_is_as_large_as_it_is_said_to_be(self):
        for search in SEARCHES:
            if "calcifications" in search.kind:
                continue
            largest = [p for p in of_kind(search.kind) if p.detail.present][-6:]
            for plate in largest:
                rows, columns = np.nonzero(changed(plate) > 20)
                extent = max(np.ptp(rows), np.ptp(columns)) + 1
                assert extent == pytest.approx(plate.detail.size, abs=max(2, extent * 0.25))
                assert 0 < rows.min() <= rows.max() < 127

    def test_the_field_does_not_tell_whether_there_is_a_finding(self):
        """Yes and no have the same fields: their brightness differs by chance alone."""
        plates = of_kind("dot present", 120)
        smallest = [p for p in plates if p.detail.size <= 1.5]
        means = {
            there: [BOOK.draw(p).mean() for p in smallest if p.detail.present == there]
            for there in (True, False)
        }
        gap = abs(np.mean(means[True]) - np.mean(means[False]))
        spread = np.hypot(*(np.std(one) / np.sqrt(len(one)) for one in means.values()))
        assert gap < 4 * spread + 0.05

    def test_every_search_has_three_wordings(self):
        for search in SEARCHES:
            assert len({p.question for p in of_kind(search.kind)}) == 3

    @pytest.mark.parametrize("name", FIELDS)
    def test_a_field_leaves_room_for_findings(self, name):
        image = FIELDS[name](128, RANDOM(4))
        assert image.shape == (128, 128, 3)
        assert 15 < image.min() < image.max() < 255


def test_the_task_says_that_these_are_phantoms():
    card = task_cards()["lesion"]
    assert "phantom" in card.title.lower()
    assert "not medical" in card.title
    assert open_source(card).revision == f"{card.revision}, 128 px"
    chances = [1 / len(search.choices) for search in SEARCHES]
    assert card.chance == pytest.approx(sum(chances) / len(chances), abs=5e-4)
