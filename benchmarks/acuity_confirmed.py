"""The hidden factor once more, on faint stripes that nothing was chosen by.

    python -m benchmarks.acuity_confirmed --checkpoint DIR --name NAME --grid 64

`benchmarks.acuity` found the factor best from faint stripes, each time without what is finer than
the limit. This shows other images of that one line, drawn from higher numbers than it shows, and
keeps the factor, whatever it is, in benchmarks/acuity.json.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.acuity import BLOCK, BLOCKS, FACTOR, FAINT, SIDE, behind
from benchmarks.acuity_results import SEED, ends, run
from benchmarks.ideal_observer import Entrance
from benchmarks.plate_answers import DrawnPlates, answers, trials
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.models.flamingo import FlamingoBundle
from resolution_eval.statistics.thresholds import coincidence, curves, misfit

SHOWN = max(BLOCKS.values())
"""Blocks from which on none was shown before."""


def measure(bundle: FlamingoBundle, grid: int) -> dict[str, Any]:
    """Both 50 % sizes, and their ratio."""
    book = AcuityBook(SIDE, {"test": 2 * SHOWN})
    source = PlateSource("acuity", task_cards()["acuity"], book)
    others = source.samples("test")[BLOCK * SHOWN :]
    kept = [s for s in others if s.detail and s.detail.kind == FAINT]
    drawn = DrawnPlates(source, kept)
    limit = Entrance(SIDE, grid // FACTOR, cut=True)
    found = {
        "cut": trials(answers(bundle, drawn, grid, Entrance(SIDE, grid, cut=True).passed)),
        "hidden, cut": trials(answers(bundle, drawn, grid, partial(behind, limit=limit))),
    }
    fitted = curves(found, seed=SEED)
    widest = coincidence(fitted, ["hidden, cut", "cut"]).widest
    return {
        "n": len(kept),
        "sizes": {name: ends(fitted.interval(name, 0.5)) for name in found},
        "fit": {n: round(misfit(each, fitted.fits[n], seed=SEED), 4) for n, each in found.items()},
        "factor": widest and ends(widest.interval),
    }


if __name__ == "__main__":
    run("confirmed", __doc__, measure)
