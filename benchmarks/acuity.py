"""Acuity of a small trained Flamingo against two observers, and what of it is found again.

    python -m benchmarks.acuity --checkpoint DIR --name NAME --grid 64 [--blocks 36]

shows it a larger eye chart (the test plates, and as many more) and keeps, per kind of thing, in
benchmarks/acuity.json:

- the 50 % size of the checkpoint, of the rule of one pixel, and of an ideal observer of the same
  pixels; the same where all that is finer than the sampling limit was taken out of the image first;
- the factor of a hidden reduction by 2 in front of the checkpoint, found again;
- the ratio of the 50 % sizes of two charts of other images.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.acuity_results import SEED, ends, keep
from benchmarks.ideal_observer import Entrance, IdealObserver
from benchmarks.plate_answers import DrawnPlates, Verdicts, answers, of_kinds, trials
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.acuity.chart_book import LINES
from resolution_eval.data.cards import task_cards
from resolution_eval.data.plates.canvas import Pixels
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.images import resize
from resolution_eval.models.flamingo import FlamingoBundle, load_folder
from resolution_eval.resolution import Size
from resolution_eval.statistics.psychometric import Trials
from resolution_eval.statistics.thresholds import SEEN, coincidence, curves, guessing, misfit

SIDE = 128
FACTOR = 2
"""Of the hidden reduction."""
KINDS = tuple(line.kind for line in LINES if line.kind != "faint grating")
OBSERVED = ("grating", "landolt 4", "letter E", "two dots")
"""Kinds that the ideal observer reads, of the first blocks: it is slow."""
OBSERVER_BLOCKS = 24


def reduced(image: Pixels, edge: int) -> Pixels:
    """The image with no more than `edge` pixels of content, at its own size."""
    small = resize(Image.fromarray(image), Size(edge, edge), "bicubic")
    return np.asarray(resize(small, Size(image.shape[1], image.shape[0]), "bicubic"))


def by_rule(found: Verdicts, grid: int) -> Verdicts:
    """An observer that sees a detail of one pixel of the grid or more, and guesses below."""
    random = np.random.default_rng(SEED)
    return [
        (s, s.detail.size * grid / SIDE >= 1 or random.random() < (s.detail.chance or 0))
        for s, _ in found
        if s.detail
    ]


def by_ideal(book: AcuityBook, found: Verdicts, entrance: Entrance) -> Verdicts:
    """The ideal observer's answers to the first blocks."""
    observer = IdealObserver(book, entrance)
    ordered = sorted(found, key=lambda pair: pair[0].detail.size if pair[0].detail else 0)
    read = []
    for sample, _ in ordered:
        number = int(sample.id.split("/")[1])
        if number < OBSERVER_BLOCKS * len(LINES) * len(book.levels):
            plate = book.plate("test", number)
            read.append((sample, observer.answer(plate) == plate.turn))
    return read


def half(found: Verdicts, blocks: int, odd: bool) -> Verdicts:
    """Every second block of the chart: a chart of its own, with other images."""
    return [pair for pair in found if int(pair[0].id.split("/")[1]) // blocks % 2 == int(odd)]


def measure(
    bundle: FlamingoBundle, grid: int, blocks: int, observed: Sequence[str]
) -> dict[str, Any]:
    """Everything that is kept of one checkpoint."""
    book = AcuityBook(SIDE, {"test": blocks})
    source = PlateSource("acuity", task_cards()["acuity"], book)
    samples = [s for s in source.samples("test") if s.detail and s.detail.kind in KINDS]
    drawn = DrawnPlates(source, samples)
    block = len(LINES) * len(book.levels)
    cut = Entrance(SIDE, grid, cut=True)
    plain = answers(bundle, drawn, grid)
    hidden = answers(bundle, drawn, grid, partial(reduced, edge=grid // FACTOR))
    without = answers(bundle, drawn, grid, cut.passed)
    return {
        kind: _kind(
            {
                "as is": of_kinds(plain, [kind]),
                "cut": of_kinds(without, [kind]),
                "hidden": of_kinds(hidden, [kind]),
                "even": half(of_kinds(plain, [kind]), block, odd=False),
                "odd": half(of_kinds(plain, [kind]), block, odd=True),
                "rule": by_rule(of_kinds(plain, [kind]), grid),
            }
            | (_ideal(book, of_kinds(plain, [kind]), grid, cut) if kind in observed else {})
        )
        for kind in KINDS
    }


def _ideal(book: AcuityBook, found: Verdicts, grid: int, cut: Entrance) -> dict[str, Verdicts]:
    return {
        "ideal": by_ideal(book, found, Entrance(SIDE, grid)),
        "ideal, cut": by_ideal(book, found, cut),
    }


def _kind(found: Mapping[str, Verdicts]) -> dict[str, Any]:
    """Sizes of every set of answers that is shown to see, and the ratios between them."""
    every = {name: trials(each) for name, each in found.items()}
    seeing = {name: each for name, each in every.items() if guessing(each) < SEEN}
    fitted = curves(seeing, seed=SEED)
    plain = every["as is"]
    largest = plain.size >= plain.size.max() * 0.99
    made: dict[str, Any] = {
        "n": {name: len(each) for name, each in every.items()},
        "chance": float(plain.chance[0]),
        "largest": round(float(plain.right[largest].mean()), 4),
        "guessing": {name: guessing(each) for name, each in every.items()},
        "sizes": {name: ends(fitted.interval(name, 0.5)) for name in seeing},
        "shares": {name: _shares(each) for name, each in every.items()},
        "ratios": {},
    }
    if "as is" in seeing:
        made["fit"] = round(misfit(plain, fitted.fits["as is"], seed=SEED), 4)
    pairs = [("as is", "rule"), ("as is", "ideal"), ("cut", "rule"), ("cut", "ideal, cut")]
    for one, other in [*pairs, ("hidden", "as is"), ("even", "odd")]:
        if one in seeing and other in seeing:
            widest = coincidence(fitted, [one, other]).widest
            made["ratios"][f"{one} / {other}"] = widest and ends(widest.interval)
    return made


def _shares(found: Trials) -> dict[str, float]:
    """Share of right answers by size."""
    sizes = np.unique(found.size.round(3))
    return {
        f"{size:g}": round(float(found.right[np.isclose(found.size, size, 1e-3)].mean()), 4)
        for size in sizes
    }


def main() -> None:
    """Measure one checkpoint and keep what is found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--grid", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=36)
    parser.add_argument("--observed", nargs="*", default=OBSERVED, choices=OBSERVED)
    given = parser.parse_args()
    found = measure(load_folder(given.checkpoint), given.grid, given.blocks, given.observed)
    keep("charts", f"{given.name}, {given.grid} px", {"grid": given.grid, "kinds": found})
    for kind, each in found.items():
        print(kind, each["largest"], each["sizes"].get("as is"), each["ratios"])


if __name__ == "__main__":
    main()
