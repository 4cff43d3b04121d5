"""The embedded checkpoints: three small Flamingos, trained on phantoms.

    python -m resolution_eval.training.embedded --strategy native --output DIR

rebuilds one of those in `models/embedded`; `--strategy all` all three.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from resolution_eval.cards import task_cards
from resolution_eval.phantoms import SIDE
from resolution_eval.sources import Source, open_source
from resolution_eval.training.plan import Augmentation, Stage, TrainingPlan
from resolution_eval.training.run import TrainedSummary, sweep, train

Strategy = Literal["native", "low", "mixed"]
LOW = 16
"""The low training resolution, in pixels; the native one is the phantoms' own 64."""

STEPS: dict[Strategy, int] = {"native": 600, "low": 300, "mixed": 2000}
"""Steps of the first stage; mixed training sees each of its two resolutions in half of them."""


def plan(strategy: Strategy, seed: int = 0) -> TrainingPlan:
    """The recipe of the embedded checkpoint `strategy`.

    Half of the images lose their colour: else the tone, right in 14 of 15, is learned first and
    the texture hardly at all.
    """
    return TrainingPlan(
        strategy=strategy,
        low=LOW,
        native=SIDE,
        seed=seed,
        augmentation=Augmentation(greyscale=0.5),
        encoder=Stage(steps=STEPS[strategy], rate=2e-3),
        joint=Stage(steps=300, batch=32, rate=2e-3),
        stored="float16",
    )


def phantoms() -> Source:
    """The phantoms as the task `phantom_res` shows them."""
    return open_source(task_cards()["phantom"])


def rebuild(strategy: Strategy, output: Path, *, seed: int = 0) -> TrainedSummary:
    """Train the embedded checkpoint `strategy` anew into the folder `output`."""
    return train(plan(strategy, seed), phantoms(), output)


def main(arguments: Sequence[str] | None = None) -> None:
    """Rebuild one checkpoint or all, and print their accuracy at every resolution."""
    parser = argparse.ArgumentParser(
        prog="python -m resolution_eval.training.embedded",
        description="Rebuild the embedded checkpoints from generated images.",
    )
    parser.add_argument("--strategy", choices=[*get_args(Strategy), "all"], required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    every = given.strategy == "all"
    for strategy in get_args(Strategy) if every else [given.strategy]:
        folder = given.output / strategy if every else given.output
        summary = rebuild(strategy, folder, seed=given.seed)
        print(_report(strategy, summary))


def _report(strategy: str, summary: TrainedSummary) -> str:
    """One line: what was trained, how long it took, and its accuracy at every resolution."""
    found = sweep(summary.bundle, phantoms(), task_cards()["phantom"].resolutions)
    cells = "  ".join(f"{resolution}: {accuracy:.4f}" for resolution, accuracy in found.items())
    return (
        f"{strategy} ({summary.bundle.config.vision['image_size'][0]} px grid, "
        f"{summary.seconds:.0f} s): test accuracy (n = {summary.samples['test']}) {cells}"
    )


if __name__ == "__main__":
    main()
