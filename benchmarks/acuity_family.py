"""Plain stripes, read by a small Hugging Face model that learned them.

    python -m benchmarks.acuity_family --checkpoint DIR --name NAME [--resolutions 32 48 64]

shows it the test stripes, and more drawn alike from higher numbers, and keeps its 50 % sizes in
pixels at the encoder in benchmarks/acuity.json. Right is an answer that it would write token for
token, its end included.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.acuity_results import SEED, ends, keep, parser_of
from benchmarks.plate_answers import DrawnPlates, changed_pool, trials
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.statistics.thresholds import SEEN, curves, guessing, misfit
from resolution_eval.training.learner import Learner, written_exactly
from resolution_eval.training.loop import received
from resolution_eval.training.pool import ImagePool
from resolution_eval.training.start import load_learner

SIDE = 128
BLOCKS = 96
"""Of test plates: eight of plain stripes in each."""
KIND = "grating"
BATCH = 32


def written(learner: Learner, pool: ImagePool, r: int) -> Iterator[tuple[Sample, bool]]:
    """Every sample, and whether its answer would be written at `r`.

    Raises:
        ModelError: the encoder received another grid.
    """
    learner.eval()
    for grid, places in pool.in_order(r, BATCH):
        drawn = pool.take(r, grid, places)
        batch = learner.batch(drawn)
        with torch.inference_mode(), learner.prepared(drawn) as grids:
            logits, _ = learner(batch.inputs, batch.labels.shape[1])
        received(drawn, grids)
        right = written_exactly(logits, batch.labels).tolist()
        yield from zip(drawn.samples, right, strict=True)


def measure(folder: Path, resolutions: list[int]) -> dict[str, Any]:
    """Its 50 % sizes of plain stripes."""
    learner = load_learner("reshf", {"pretrained": str(folder)})
    source = PlateSource("acuity", task_cards()["acuity"], AcuityBook(SIDE, {"test": BLOCKS}))
    shown = [s for s in source.samples("test") if s.detail and s.detail.kind == KIND]
    pool = changed_pool(DrawnPlates(source, shown), learner.grid)
    found = {str(r): trials(list(written(learner, pool, r)), scale=r / SIDE) for r in resolutions}
    seeing = {r: each for r, each in found.items() if guessing(each) < SEEN}
    fitted = curves(seeing, seed=SEED)
    return {
        "n": len(shown),
        "resolutions": resolutions,
        "accuracy": {r: round(float(each.right.mean()), 4) for r, each in found.items()},
        "largest": {
            r: round(float(each.right[each.size > each.size.max() * 0.99].mean()), 4)
            for r, each in found.items()
        },
        "smallest": {r: round(float(each.size.min()), 4) for r, each in found.items()},
        "sizes": {r: ends(fitted.interval(r, 0.5)) for r in seeing},
        "fit": {r: round(misfit(seeing[r], fitted.fits[r], seed=SEED), 4) for r in seeing},
    }


def main() -> None:
    """Measure one checkpoint and keep what is found."""
    parser = parser_of(__doc__)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[32, 48, 64])
    given = parser.parse_args()
    found = measure(given.checkpoint, given.resolutions)
    keep("family", given.name, found)
    print(found)


if __name__ == "__main__":
    main()
