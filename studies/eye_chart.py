"""The embedded eye-chart reader: a small Flamingo, trained on the eye chart's own train plates.

    python -m studies.eye_chart --output DIR

rebuilds the one in `models/embedded/acuity`: charts of 128 px, shown at 64 px.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import open_source
from resolution_eval.training.plan import Architecture, Stage, TrainingPlan
from resolution_eval.training.small_flamingo import in_two_stages, report, train

GRID = 64
"""The training resolution, in pixels."""


def plan(seed: int = 0) -> TrainingPlan:
    """The recipe of the embedded checkpoint `acuity`."""
    return in_two_stages(
        strategy="native",
        low=32,
        native=GRID,
        seed=seed,
        architecture=Architecture(vision_layers=3, vision_width=64, vision_heads=2),
        encoder=Stage(steps=1500, batch=32, rate=3e-3),
        joint=Stage(steps=300, batch=24, rate=2e-3),
        stored="float16",
        fused=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train it, and print its accuracy at every resolution of the chart."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.eye_chart",
        description="Train a small Flamingo on the eye chart, from scratch.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    card = task_cards()["acuity"]
    declared = train(plan(given.seed), open_source(card), given.output)
    print(report("acuity", card, given.output, declared))


if __name__ == "__main__":
    main()
