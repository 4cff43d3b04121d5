"""Recipes: small Flamingos from random weights by one plan each, and what their commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources import Source, open_source
from resolution_eval.declaration import Declaration
from resolution_eval.models.flamingo import load_folder
from resolution_eval.resolution import Resolution, label, patch_size_fit
from resolution_eval.training.choice_accuracy import accuracy
from resolution_eval.training.plan import Architecture, Stage, Teaching, TrainingPlan
from resolution_eval.training.pool import ImagePools, open_pool
from resolution_eval.training.start import small_flamingo
from resolution_eval.training.training_run import PLAN, TrainingRun, finetune, write_untrained

Strategy = Literal["native", "low", "mixed"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Recipe = Callable[[Strategy, int], TrainingPlan]
"""The plan for a strategy and a seed."""
VISION = "vision_encoder"


def in_two_stages(
    *,
    encoder: Stage | None,
    joint: Stage,
    rests: Sequence[str] = (VISION,),
    pooled: Literal["mean", "max"] = "mean",
    architecture: Architecture | None = None,
    **others: Any,
) -> TrainingPlan:
    """A plan whose vision encoder first learns the answers as classes, with a head that is thrown
    away, and rests while perceiver, cross-attention and language model learn to answer.

    The last weights are kept: they are validated once. Without `encoder` there is no such stage.
    """
    steps = joint.steps + (0 if encoder is None else encoder.steps)
    teaching = None
    if encoder is not None:
        own = encoder.model_dump(exclude={"clip"})
        teaching = Teaching(**own, pooled=pooled, weight=0.0, rests=tuple(rests))
    return TrainingPlan(
        optimisation=joint.model_copy(update={"steps": steps}),
        teaching=teaching,
        architecture=architecture or Architecture(),
        validate_every=max(1, steps),
        save_every=500,
        **others,
    )


def pools_of(source: Source, plan: TrainingPlan) -> ImagePools:
    """The images of `source` at the grids of the plan's Flamingo."""
    assert plan.architecture is not None
    return ImagePools(source, partial(patch_size_fit, patch=plan.architecture.patch), plan.filter)


def train(
    plan: TrainingPlan,
    source: Source,
    output: Path,
    *,
    pools: ImagePools | None = None,
    progress: bool = True,
) -> Declaration:
    """Train the plan's Flamingo on `source` from scratch, into the folder `output`; what it says of
    itself. A run that was stopped there goes on. Runs that share `pools` render each image once.

    Raises:
        DataError: the source lacks a train or val split.
        TrainingError: the loss is no number.
    """
    run = _run(plan, source, output, pools)
    return finetune(run, resume=(output / PLAN).is_file(), progress=progress)


def save_untrained(
    plan: TrainingPlan, source: Source, output: Path, *, pools: ImagePools | None = None
) -> Declaration:
    """Write the Flamingo that the plan starts from; what it says of itself; errors as `train`."""
    return write_untrained(_run(plan, source, output, pools))


def _run(plan: TrainingPlan, source: Source, output: Path, pools: ImagePools | None) -> TrainingRun:
    pools = pools or pools_of(source, plan)
    learner = small_flamingo(plan, pools)
    origin = f"small Flamingo, random weights of seed {plan.seed}"
    return TrainingRun(
        plan=plan, learner=learner, source=source, output=output, origin=origin, pools=pools
    )


def train_command(
    module: str, task: str, recipe: Recipe, arguments: Sequence[str] | None = None
) -> None:
    """Train one strategy, or all, on the train split of the task's data; print each sweep."""
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
        declared = train(recipe(strategy, given.seed), open_source(card), folder)
        print(report(strategy, card, folder, declared))


def report(name: str, card: TaskCard, folder: Path, declared: Declaration) -> str:
    """One line: what was trained, how long it took, and its accuracy at every resolution."""
    bundle = load_folder(folder)
    grid_of = partial(patch_size_fit, patch=bundle.patch)
    pool = open_pool(open_source(card), "test", grid_of, filter=card.filter)
    accuracies: dict[Resolution, float] = {r: accuracy(bundle, pool, r) for r in card.resolutions}
    cells = "  ".join(f"{label(r)}: {right:.4f}" for r, right in accuracies.items())
    return (
        f"{name}, {declared.extra['seconds']:.0f} s of training: accuracy on {len(pool.samples)} "
        f"test images at each inference resolution: {cells}"
    )
