"""Recipes: what their command lines share. Train one strategy or all, print the sweep of each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from resolution_eval.cards import TaskCard, task_cards
from resolution_eval.resolution import label
from resolution_eval.sources import open_source
from resolution_eval.training.plan import TrainingPlan
from resolution_eval.training.run import TrainedSummary, sweep, train

Strategy = Literal["native", "low", "mixed"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Recipe = Callable[[Strategy, int], TrainingPlan]
"""The plan for a strategy and a seed."""


def train_command(
    module: str, task: str, recipe: Recipe, arguments: Sequence[str] | None = None
) -> None:
    """Train one strategy, or all, on the train split of the task's data; print each sweep.

    Raises:
        DataError: the data is not there.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=f"Train small Flamingos on {task}, from scratch."
    )
    parser.add_argument("--strategy", choices=[*STRATEGIES, "all"], required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    card = task_cards()[task]
    every = given.strategy == "all"
    for strategy in STRATEGIES if every else [given.strategy]:
        folder = given.output / strategy if every else given.output
        summary = train(recipe(strategy, given.seed), open_source(card), folder)
        print(report(strategy, card, summary))


def report(name: str, card: TaskCard, summary: TrainedSummary) -> str:
    """One line: what was trained, how long it took, and its accuracy at every resolution."""
    found = sweep(summary.bundle, open_source(card), card.resolutions, filter=card.filter)
    cells = "  ".join(f"{label(r)}: {accuracy:.4f}" for r, accuracy in found.items())
    return (
        f"{name}, {summary.seconds:.0f} s of training: accuracy on {summary.samples['test']} "
        f"test images at each inference resolution: {cells}"
    )
