"""Retest: the size that a small trained Flamingo sees, on two eye charts of other images.

    python -m benchmarks.acuity_retest --checkpoint DIR --name NAME --grid 64

shows it stripes of the first and of the second half of a larger chart's blocks and keeps both 50 %
sizes and their ratio in benchmarks/acuity.json. Halves are whole runs of eight blocks: within them
every answer, ground and place has its turn at every size.
"""

from __future__ import annotations

from typing import Any

from benchmarks.acuity import BLOCK, FAINT, SIDE
from benchmarks.acuity_results import SEED, ends, run
from benchmarks.plate_answers import DrawnPlates, Verdicts, answers, of_kinds, trials
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.models.flamingo import FlamingoBundle
from resolution_eval.statistics.thresholds import coincidence, curves

BLOCKS = 192
THINGS = ("grating", FAINT)


def measure(bundle: FlamingoBundle, grid: int) -> dict[str, Any]:
    """Both sizes of plain and of faint stripes, and their ratio."""
    source = PlateSource("acuity", task_cards()["acuity"], AcuityBook(SIDE, {"test": BLOCKS}))
    samples = [s for s in source.samples("test") if s.detail and s.detail.kind in THINGS]
    found = answers(bundle, DrawnPlates(source, samples), grid)
    return {name: _halves(of_kinds(found, [name])) for name in THINGS}


def _halves(found: Verdicts) -> dict[str, Any]:
    edge = f"test/{BLOCK * BLOCKS // 2:05d}"
    halves = {
        "first": trials([pair for pair in found if pair[0].id < edge]),
        "second": trials([pair for pair in found if pair[0].id >= edge]),
    }
    fitted = curves(halves, seed=SEED)
    widest = coincidence(fitted, list(halves)).widest
    return {
        "n": {name: len(each) for name, each in halves.items()},
        "sizes": {name: ends(fitted.interval(name, 0.5)) for name in halves},
        "ratio": widest and ends(widest.interval),
    }


if __name__ == "__main__":
    run("retest", __doc__, measure)
