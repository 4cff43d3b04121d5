r"""Lesion phantoms: whether the curves of different resolutions are one in pixels at the encoder.

    python -m benchmarks.lesions --checkpoint DIR --name NAME [--resolutions 32 40 48 56 64] \
        [--kinds "nodule present" "nodule quadrant"]

shows a small trained Flamingo the test phantoms, and more of their kind drawn alike from higher
numbers, at every resolution and keeps, per kind of finding, its 50 % sizes and the ratios between
resolutions in benchmarks/acuity.json. Where the curves coincide, only the pixels on the finding
matter; where they do not, the resolution does. Compared are resolutions whose 50 % size is among
the sizes that were shown; where none is reached, how probable that would be by the curve of the
lowest resolution that has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from benchmarks.acuity_results import SEED, ends, keep, parser_of
from benchmarks.plate_answers import DrawnPlates, Verdicts, answers, of_kinds, trials
from resolution_eval.data.cards import task_cards
from resolution_eval.data.lesions import LesionBook
from resolution_eval.data.lesions.lesion_book import SEARCHES
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.models.flamingo import FlamingoBundle, load_folder
from resolution_eval.statistics.psychometric import Trials, Weibull
from resolution_eval.statistics.thresholds import SEEN, coincidence, curves, guessing, misfit

SIDE = 128
TOGETHER = "all of these"
BLOCKS = 96
"""Of test plates: eight of a kind in each."""
KINDS = tuple(search.kind for search in SEARCHES)


def measure(
    bundle: FlamingoBundle, resolutions: Sequence[int], kinds: Sequence[str]
) -> dict[str, Any]:
    """Sizes at the encoder, and whether they coincide, of every kind and of all together."""
    book = LesionBook(SIDE, {"test": BLOCKS})
    source = PlateSource("lesion", task_cards()["lesion"], book)
    shown = [s for s in source.samples("test") if s.detail and s.detail.kind in kinds]
    drawn = DrawnPlates(source, shown)
    found = {r: answers(bundle, drawn, r) for r in resolutions}
    return {kind: _kind(found, [kind]) for kind in kinds} | {TOGETHER: _kind(found, kinds)}


def _kind(found: dict[int, Verdicts], kinds: Sequence[str]) -> dict[str, Any]:
    every = {str(r): trials(of_kinds(each, kinds), scale=r / SIDE) for r, each in found.items()}
    seeing = {r: each for r, each in every.items() if guessing(each) < SEEN}
    fitted = curves(seeing, seed=SEED)
    sizes = {r: fitted.interval(r, 0.5) for r in seeing}
    among = [r for r, size in sizes.items() if 0 < size.estimate < np.inf]
    compared = coincidence(fitted, among)
    unseen = [r for r in every if r not in sizes or np.isinf(sizes[r].estimate)]
    return {
        "n": len(next(iter(every.values()))),
        "smallest": {r: round(float(each.size.min()), 4) for r, each in every.items()},
        "accuracy": {r: round(float(each.right.mean()), 4) for r, each in every.items()},
        "guessing": {r: guessing(each) for r, each in every.items()},
        "sizes": {r: ends(size) for r, size in sizes.items()},
        "fit": {r: round(misfit(seeing[r], fitted.fits[r], seed=SEED), 4) for r in seeing},
        "verdict": compared.verdict,
        "ratios": {f"{one.first} / {one.second}": ends(one.interval) for one in compared.ratios},
        "unlike": {r: unlike(every[r], fitted.fits[r0]) for r0 in among[:1] for r in unseen},
        "of": among[0] if among else None,
    }


def unlike(found: Trials, other: Weibull) -> dict[str, float]:
    """Share of right answers, what it were by the curve of another resolution, and how probable so
    few would then be (normal approximation; the other curve is taken as it was fitted).
    """
    p = other.right(found.size, found.chance)
    z = (found.right.sum() + 0.5 - p.sum()) / np.sqrt((p * (1 - p)).sum())
    return {
        "right": round(float(found.right.mean()), 4),
        "expected": round(float(p.mean()), 4),
        "probability": float(norm.cdf(z)),
    }


def main() -> None:
    """Measure one checkpoint and keep what is found."""
    parser = parser_of(__doc__)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[32, 40, 48, 56, 64])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    found = measure(load_folder(given.checkpoint), given.resolutions, given.kinds)
    keep("lesions", given.name, {"resolutions": given.resolutions, "kinds": found})
    for kind, each in found.items():
        print(kind, each["accuracy"], each["sizes"], each["verdict"], each["ratios"])


if __name__ == "__main__":
    main()
