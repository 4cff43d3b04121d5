"""The ideal observer: it reads what is in the pixels, and nothing that is not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ideal_observer import MEANS, WEIGHTS, Entrance, IdealObserver
from resolution_eval.data.acuity.chart_book import AcuityBook, ground

BOOK = AcuityBook(64)


def plates_of(kind, sizes, count=8):
    every = (BOOK.plate("test", index) for index in range(BOOK.counts["test"]))
    low, high = sizes
    found = [p for p in every if p.detail.kind == kind and low <= p.detail.size <= high]
    return found[:count]


def test_the_matrix_is_the_projects_own_resize():
    entrance = Entrance(64, 24)
    image = BOOK.draw(plates_of("landolt 4", (3, 9))[0])
    smooth = np.stack([entrance.matrix @ image[..., c] @ entrance.matrix.T for c in range(3)], -1)
    assert np.abs(entrance.pixels(image).astype(float) - smooth).max() < 1.01  # two roundings


def test_the_noise_is_what_empty_grounds_have():
    entrance = Entrance(64, 32)
    for name in ("noisy", "tissue"):
        spectra = []
        for seed in range(60):
            image = np.rint(ground(name, 64, np.random.RandomState(seed))).astype(np.uint8)
            entered = entrance.pixels(image) @ WEIGHTS[name] - MEANS[name]
            spectra.append(np.abs(np.fft.fft2(entered)) ** 2 / entered.size)
        ratio = np.mean(spectra, axis=0)[1:, 1:] / entrance.noise(name)[1:, 1:]
        assert np.median(ratio) == pytest.approx(1, abs=0.12), name


def test_the_cut_leaves_what_the_grid_can_show_and_nothing_finer():
    entrance = Entrance(64, 32, cut=True)
    across = np.arange(64)
    for period, left in ((8, 1.0), (3.2, 0.0)):  # the limit is a period of 4 px
        waves = np.broadcast_to(60 * np.cos(2 * np.pi * across / period), (64, 64))
        image = np.repeat((128 + waves)[..., None], 3, axis=2).round().astype(np.uint8)
        spread = entrance.passed(image).astype(float).std() / image.astype(float).std()
        assert spread == pytest.approx(left, abs=0.03)


@pytest.mark.whole
@pytest.mark.parametrize("kind", ["grating", "landolt 4", "landolt 8", "letter E", "two dots"])
def test_it_reads_every_line_where_it_is_large(kind):
    observer = IdealObserver(BOOK, Entrance(64, 64))
    found = plates_of(kind, (2.0, 9.0))
    assert [observer.answer(plate) for plate in found] == [plate.turn for plate in found]


@pytest.mark.whole
def test_it_guesses_where_nothing_is_left():
    """Of stripes three times finer than the limit no more than chance is read."""
    observer = IdealObserver(BOOK, Entrance(64, 8, cut=True))
    found = plates_of("grating", (0.7, 1.1), count=40)
    noisy = [plate for plate in found if plate.detail.ground == "noisy"]
    right = sum(observer.answer(plate) == plate.turn for plate in noisy)
    assert len(noisy) >= 12
    assert right / len(noisy) <= 0.85
