"""The eye chart: exact, balanced, and without a cue in its brightness."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resolution_eval.data.acuity.chart_book import GROUNDS, LINES, SMALLEST, AcuityBook, ground
from resolution_eval.data.acuity.optotypes import RING, dots, grating, letter, ring
from resolution_eval.data.cards import task_cards
from resolution_eval.data.plates.canvas import coverage
from resolution_eval.data.plates.plate import PlateTurn
from resolution_eval.data.sources import open_source
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import render

BOOK = AcuityBook(128)
BALANCED = [line.kind for line in LINES if line.kind.startswith(("landolt", "grating"))]
DIGEST = """
from hashlib import sha256
from resolution_eval.data.acuity import AcuityBook
book = AcuityBook(128)
images = (book.draw(book.plate("test", i)).tobytes() for i in range(40, 60))
print(sha256(b"".join(images)).hexdigest())
"""


@pytest.fixture(scope="module")
def source():
    return open_source(task_cards()["acuity"])


def of_kind(kind, split="test", count=24):
    """Plates of one kind."""
    found = (BOOK.plate(split, i) for i in range(BOOK.counts[split]))
    return [plate for plate in found if plate.detail.kind == kind][:count]


def seen_at(resolution, image):
    """The image after the project's own rendering, in 0..255."""
    return np.asarray(render(Image.fromarray(image), resolution, "bicubic"), dtype=float)


@pytest.mark.whole
def test_the_images_are_the_same_in_another_process():
    images = (BOOK.draw(BOOK.plate("test", i)).tobytes() for i in range(40, 60))
    here = sha256(b"".join(images)).hexdigest()
    environment = {"PYTHONHASHSEED": "77", "PATH": ""}
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env=environment
    )
    assert there.stdout.strip() == here


class TestExactness:
    def test_a_half_covered_pixel_is_half(self):
        half_plane = coverage(lambda x, y: (x < 0.0) & (y < 99), 8, (3.5, 4.0), 40.0)
        assert half_plane[4].tolist() == [1, 1, 1, 0.5, 0, 0, 0, 0]

    def test_x_runs_right_and_y_down(self):
        right = coverage(lambda x, y: ((x > 0) & (y > 2.0)) * 1.0, 8, (4.0, 4.0), 40.0)
        assert right[7, 7] == 1
        assert right[7, 0] == right[4, 7] == 0

    @pytest.mark.parametrize("shape", [ring, letter, dots])
    def test_four_times_as_many_points_change_hardly_a_pixel(self, shape, monkeypatch):
        coarse = shape(64, (30.3, 33.8), 3.1, 0.9)
        monkeypatch.setattr(coverage, "__defaults__", (4,))
        error = np.abs(coarse - shape(64, (30.3, 33.8), 3.1, 0.9))
        assert error.max() < 0.15  # of one pixel at an edge
        assert error.sum() / np.abs(coarse).sum() < 0.015

    def test_a_disc_of_dots_has_the_area_of_a_disc(self):
        assert dots(64, (32.2, 31.7), 4.0, 0.4).sum() == pytest.approx(-2 * np.pi * 4, rel=0.01)

    def test_the_letter_has_the_area_of_seventeen_squares(self):
        # 5 + 3 arms x 4 squares, of side 3
        assert letter(96, (48.1, 47.6), 3.0, 0.5).sum() == pytest.approx(-17 * 9, rel=0.01)

    def test_the_gap_is_where_it_is_said_to_be(self):
        image = ring(64, (32.0, 32.0), 4.0, np.pi / 2)  # down
        middle = round(4 * 4.0)
        assert image[32 - middle, 32] < -0.5
        assert image[32, 32 - middle] < -0.5
        assert abs(image[32 + middle, 32]) < 1e-9

    def test_the_gratings_period_is_two_details(self):
        image = grating(128, (64, 64), 4.0, 0.0, 0.3)
        row = image[64, 52:76]  # within the flat part of the window
        assert np.abs(row[:16] - row[8:24]).max() < 0.02
        assert row.max() == pytest.approx(1, abs=0.07)
        assert np.ptp(image[58:70, 64]) < 0.02  # stripes stand upright


class TestNoCueByBrightness:
    @pytest.mark.parametrize("turn", range(8))
    def test_a_ring_and_its_ground_have_one_mean(self, turn):
        assert abs(ring(128, (61.2, 66.9), 3.3, turn * np.pi / 4).sum()) < 1e-9

    @pytest.mark.parametrize("turn", [0, np.pi / 2])
    @pytest.mark.parametrize("phase", [0.0, 0.7, 2.4])
    def test_a_grating_and_its_ground_have_one_mean(self, turn, phase):
        assert abs(grating(128, (61.2, 66.9), 2.3, turn, phase).sum()) < 1e-9

    @pytest.mark.parametrize("kind", BALANCED)
    def test_the_mean_of_the_stored_image_is_that_of_its_ground(self, kind):
        for plate in of_kind(kind, count=40):
            if plate.detail.ground == "plain":
                assert abs(BOOK.draw(plate).mean() - 128) < 0.05

    def test_half_of_the_ring_with_the_gap_is_as_bright_as_the_other_half(self):
        """In an ordinary ring the side of the gap is brighter by a tenth of the ring."""
        image = ring(128, (64.0, 64.0), 4.0, 0.0)
        left, right = image[:, :64].sum(), image[:, 64:].sum()
        ink = np.abs(image).sum()
        assert abs(right - left) / ink < 0.02
        dark = np.minimum(image, 0)
        assert abs(dark[:, 64:].sum() - dark[:, :64].sum()) / np.abs(dark).sum() > 0.05

    @staticmethod
    def twins(kind, level):
        """Images of a plate that differ in the answer alone, at 32 px."""
        plates = [plate for plate in of_kind(kind, count=192) if plate.detail.ground == "plain"]
        plates = [plate for plate in plates if plate.detail.size == BOOK.levels[level]][:6]
        for plate in plates:
            turns = range(len(plate.choices))
            yield [seen_at(32, BOOK.draw(replace(plate, turn=turn))) for turn in turns]

    def difference(self, kind, level):
        """Largest difference of twins in grey levels, averaged over pixels that differ most."""
        found = []
        for images in self.twins(kind, level):
            stack = np.array(images).mean(axis=-1)
            found.append(np.sort((stack.max(0) - stack.min(0)).ravel())[-12:].mean())
        return float(np.mean(found))

    def test_balanced_things_below_the_limit_vanish_and_controls_do_not(self):
        level = BOOK.levels.index(pytest.approx(1.5))  # 0.375 px at 32 px
        assert self.difference("landolt 4", level) < 4
        assert self.difference("grating", level) < 3
        assert self.difference("letter E", level) > 6

    def test_balanced_things_above_the_limit_are_there(self):
        level = len(BOOK.levels) - 1  # 2.1 px at 32 px
        assert self.difference("landolt 4", level) > 25
        assert self.difference("grating", level) > 60


class TestBalance:
    def test_a_block_holds_every_kind_at_every_level_once(self):
        block = len(LINES) * len(BOOK.levels)
        for start in (0, 5 * block):
            details = [BOOK.plate("test", i).detail for i in range(start, start + block)]
            assert Counter((one.kind, one.size) for one in details).most_common(1)[0][1] == 1

    def test_forty_plates_hold_every_kind_from_five_levels_at_least(self):
        found = [BOOK.plate("test", i).detail for i in range(40)]
        for line in LINES:
            assert len({one.size for one in found if one.kind == line.kind}) >= 5

    @pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
    def test_answers_are_equally_frequent_at_every_size(self, line):
        plates = of_kind(line.kind, count=10_000)
        counts = Counter((plate.detail.size, plate.turn) for plate in plates)
        assert len(counts) == len(BOOK.levels) * len(line.choices)
        assert len(set(counts.values())) == 1

    @pytest.mark.parametrize("line", LINES, ids=lambda line: line.kind)
    def test_neither_ground_nor_place_nor_wording_tells_the_answer(self, line):
        plates = of_kind(line.kind, count=10_000)
        for name in ("ground", "quadrant", "question"):
            values = [getattr(p, name, None) or getattr(p.detail, name, "") for p in plates]
            best = Counter()
            for value in set(values):
                turns = Counter(
                    p.turn for p, mine in zip(plates, values, strict=True) if mine == value
                )
                best[value] = max(turns.values())
            assert sum(best.values()) / len(plates) <= 1.35 / len(line.choices)

    def test_every_line_has_three_wordings_and_every_ground(self):
        for line in LINES:
            plates = of_kind(line.kind, count=10_000)
            assert len({plate.question for plate in plates}) >= 3
            assert {plate.detail.ground for plate in plates} == set(GROUNDS)

    def test_there_are_two_four_and_eight_answers(self):
        assert {len(line.choices) for line in LINES} == {2, 4, 8}

    def test_details_reach_from_below_a_pixel_to_two_pixels_at_the_lowest_resolution(self):
        card = task_cards()["acuity"]
        assert BOOK.levels[0] == SMALLEST < 1
        assert BOOK.levels[-1] * card.resolutions[0] / card.source_width > 2
        assert RING * BOOK.levels[-1] < card.source_width


class TestPlaces:
    @pytest.mark.parametrize("kind", [line.kind for line in LINES])
    def test_the_whole_optotype_lies_inside_the_image(self, kind, monkeypatch):
        for plate in of_kind(kind, count=60):
            border = BOOK.draw(plate).astype(float)
            if plate.detail.ground == "plain":
                edge = np.concatenate([border[0], border[-1], border[:, 0], border[:, -1]])
                assert np.abs(edge - 128).max() <= 1

    def test_the_ground_does_not_depend_on_the_answer(self):
        plate = of_kind("landolt 4")[2]
        one, other = (BOOK.draw(replace(plate, turn=turn)).astype(int) for turn in (0, 2))
        assert (one != other).any()
        far = np.abs(one - other).max(axis=-1) > 0
        assert far.mean() < 0.2

    def test_grounds_differ_and_keep_their_mean(self):
        means = {
            name: ground(name, 128, np.random.RandomState(3)).mean(axis=(0, 1)) for name in GROUNDS
        }
        assert means["plain"].tolist() == [128, 128, 128]
        assert np.abs(means["noisy"] - 128).max() < 0.2
        assert means["tissue"].round().tolist() == [148, 118, 138]


class TestSource:
    def test_the_card_says_what_is_drawn(self, source):
        card = task_cards()["acuity"]
        assert source.revision == f"{card.revision}, 128 px"
        chances = [1 / len(line.choices) for line in LINES]
        assert card.chance == pytest.approx(sum(chances) / len(chances), abs=5e-4)

    def test_an_image_is_a_png_of_what_was_drawn_and_carries_its_detail(self, source):
        sample = source.samples("test")[7]
        image = np.asarray(Image.open(BytesIO(source.read(sample.image))))
        assert np.array_equal(image, BOOK.draw(BOOK.plate("test", 7)))
        assert sample.detail == BOOK.plate("test", 7).detail
        assert sample.answer in sample.choices

    @pytest.mark.parametrize("locator", ["test/99999", "exam/00001", "test/1", "../etc", ""])
    def test_a_locator_of_no_plate_is_an_image_error_that_names_it(self, source, locator):
        with pytest.raises(ImageError, match="no plate"):
            source.read(locator)

    def test_an_unknown_split_is_an_error(self, source):
        with pytest.raises(DataError, match="tset"):
            source.samples("tset")

    def test_a_larger_chart_has_more_sizes_and_another_fingerprint(self, source):
        card = task_cards()["acuity"].model_copy(update={"source_width": 256, "source_height": 256})
        larger = open_source(card)
        assert larger.fingerprint != source.fingerprint
        assert Image.open(BytesIO(larger.read("test/00003"))).size == (256, 256)
        assert len(AcuityBook(256).levels) > len(BOOK.levels)

    def test_levels_of_a_block_are_spread(self):
        assert sorted(PlateTurn.of(i, 1, 8).level for i in range(8)) == list(range(8))
