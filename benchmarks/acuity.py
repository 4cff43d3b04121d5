"""Acuity of a small trained Flamingo against two observers, and what of it is found again.

    python -m benchmarks.acuity --checkpoint DIR --name NAME --grid 64

shows it a larger eye chart (the test plates and more of their kind) and keeps, per kind of thing,
in benchmarks/acuity.json:

- the 50 % size of the checkpoint, of the rule of one pixel, of an ideal observer of the same
  pixels, and of that observer with as much noise of its own as makes it miss as many faint stripes
  as the checkpoint does; all that too where what is finer than the limit was taken out first;
- the factor of a hidden reduction by 2 in front of the checkpoint, found again; and that of one
  that first takes out what is finer than its own limit.

Plain and faint stripes stand together too, as one thing: whether they are one curve is tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.acuity_results import SEED, ends, keep, parser_of
from benchmarks.ideal_observer import Entrance, IdealObserver
from benchmarks.plate_answers import DrawnPlates, Verdicts, answers, of_kinds, trials
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.acuity.chart_book import LINES
from resolution_eval.data.cards import task_cards
from resolution_eval.data.plates.canvas import Pixels
from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.images import resize
from resolution_eval.models.flamingo import FlamingoBundle, load_folder
from resolution_eval.resolution import Size
from resolution_eval.statistics.psychometric import Trials
from resolution_eval.statistics.thresholds import SEEN, coincidence, curves, guessing, misfit

SIDE = 128
BLOCK = len(LINES) * len(AcuityBook(SIDE).levels)
"""Plates of a block: every line once at every size."""
FACTOR = 2
"""Of the hidden reduction."""
FAINT = "faint grating"
KINDS = {line.kind: (line.kind,) for line in LINES} | {"all stripes": ("grating", FAINT)}
"""What is shown, and the kinds that it consists of."""
PLAIN_TO_SEE = 1.5
"""Pixels of the grid from which on a faint stripe is missed for its contrast alone."""
NOISES = (1.0, 256.0)
"""Least and largest noise of its own, in grey levels."""
BLOCKS = {
    "grating": 192,
    FAINT: 192,
    "letter E": 64,
    "two dots": 64,
    "landolt 4": 48,
    "landolt 8": 48,
}
"""How many blocks are shown of each kind: most of those that are best read."""
OBSERVED = ("grating", FAINT, "all stripes", "letter E", "two dots")
"""What the ideal observer reads, of the first blocks: it is slow."""
OBSERVER_BLOCKS = 36


def reduced(image: Pixels, edge: int) -> Pixels:
    """The image with no more than `edge` pixels of content, at its own size."""
    small = resize(Image.fromarray(image), Size(edge, edge), "bicubic")
    return np.asarray(resize(small, Size(image.shape[1], image.shape[0]), "bicubic"))


def behind(image: Pixels, limit: Entrance) -> Pixels:
    """The image behind a reduction to the grid of `limit`, without what is finer than it shows."""
    return reduced(limit.passed(image), limit.grid)


def by_rule(found: Verdicts, grid: int) -> Verdicts:
    """An observer that sees a detail of one pixel of the grid or more, and guesses below."""
    random = np.random.default_rng(SEED)
    return [
        (s, s.detail.size * grid / SIDE >= 1 or random.random() < (s.detail.chance or 0))
        for s, _ in found
        if s.detail
    ]


def first(found: Verdicts) -> Verdicts:
    """The answers to the blocks that an ideal observer reads."""
    return [pair for pair in found if int(pair[0].id.split("/")[1]) // BLOCK < OBSERVER_BLOCKS]


def by_ideal(
    book: AcuityBook, found: Verdicts, observer: IdealObserver, internal: float = 0.0
) -> Verdicts:
    """The ideal observer's answers to the first blocks."""
    numbers = {int(sample.id.split("/")[1]): sample for sample, _ in first(found)}
    plates = [(s, book.plate("test", number)) for number, s in numbers.items()]
    plates.sort(key=lambda pair: pair[1].detail.size)  # templates are kept for few sizes
    return [(sample, observer.answer(plate, internal) == plate.turn) for sample, plate in plates]


def own_noise(book: AcuityBook, faint: Verdicts, grid: int) -> dict[str, Any]:
    """The noise with which the ideal observer misses as many faint stripes as the checkpoint."""
    large = [
        (s, right)
        for s, right in first(faint)
        if s.detail and s.detail.size * grid / SIDE >= PLAIN_TO_SEE
    ]
    wanted = float(np.mean([right for _, right in large]))
    observer = IdealObserver(book, Entrance(SIDE, grid))
    low, high = np.log(NOISES)
    for _ in range(7):
        middle = (low + high) / 2
        read = by_ideal(book, large, observer, float(np.exp(middle)))
        reached = float(np.mean([right for _, right in read]))
        low, high = (middle, high) if reached > wanted else (low, middle)
    internal = float(np.exp((low + high) / 2))
    return {"noise": round(internal, 2), "n": len(large), "right": round(wanted, 4), "seed": SEED}


def measure(bundle: FlamingoBundle, grid: int, observed: Sequence[str]) -> dict[str, Any]:
    """Everything that is kept of one checkpoint."""
    book = AcuityBook(SIDE, {"test": max(BLOCKS.values())})
    source = PlateSource("acuity", task_cards()["acuity"], book)
    kept = [s for s in source.samples("test") if s.detail and _shown(s)]
    drawn = DrawnPlates(source, kept)
    ways = {"as is": Entrance(SIDE, grid), "cut": Entrance(SIDE, grid, cut=True)}
    coarse = partial(reduced, edge=grid // FACTOR)
    limit = Entrance(SIDE, grid // FACTOR, cut=True)
    plain = answers(bundle, drawn, grid)
    every = {
        "as is": plain,
        "cut": answers(bundle, drawn, grid, ways["cut"].passed),
        "hidden": answers(bundle, drawn, grid, coarse),
        "hidden, cut": answers(bundle, drawn, grid, partial(behind, limit=limit)),
        "rule": by_rule(plain, grid),
    }
    noise = own_noise(book, of_kinds(plain, [FAINT]), grid)
    read = of_kinds(plain, [kind for name in observed for kind in KINDS[name]])
    for way, entrance in ways.items():
        observer = IdealObserver(book, entrance)
        every[f"ideal, {way}"] = by_ideal(book, read, observer)
        every[f"noisy, {way}"] = by_ideal(book, read, observer, noise["noise"])
    kinds = {
        name: _kind({way: chosen for way, each in every.items() if (chosen := of_kinds(each, of))})
        for name, of in KINDS.items()
    }
    return {"grid": grid, "own noise": noise, "kinds": kinds}


def _shown(sample: Sample) -> bool:
    """Whether the plate is of a block that is shown of its kind."""
    assert sample.detail is not None
    return int(sample.id.split("/")[1]) // BLOCK < BLOCKS[sample.detail.kind]


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
    made["fit"] = {
        name: round(misfit(every[name], fitted.fits[name], seed=SEED), 4) for name in seeing
    }
    observers = [
        (way, of) for way in ("as is", "cut") for of in ("rule", f"ideal, {way}", f"noisy, {way}")
    ]
    for one, other in [*observers, ("hidden", "as is"), ("hidden, cut", "cut")]:
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
    parser = parser_of(__doc__)
    parser.add_argument("--grid", type=int, default=64)
    parser.add_argument("--observed", nargs="*", default=OBSERVED, choices=OBSERVED)
    given = parser.parse_args()
    found = measure(load_folder(given.checkpoint), given.grid, given.observed)
    keep("charts", f"{given.name}, {given.grid} px", found)
    print(found["own noise"])
    for kind, each in found["kinds"].items():
        print(kind, each["largest"], each["sizes"].get("as is"), each["fit"], each["ratios"])


if __name__ == "__main__":
    main()
