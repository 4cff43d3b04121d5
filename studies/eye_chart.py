"""Small models that read plates, the eye chart and the lesion phantoms together.

    python -m studies.eye_chart --output DIR

rebuilds the one in `models/embedded/acuity`: plates of 128 px, shown at 64 px. `--strategy low`
shows them at 32 px, `mixed` at both, `all` trains each in turn, and `--architecture qwen2_vl` a
small Hugging Face model instead of a Flamingo.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.declaration import Declaration
from resolution_eval.resolution import patch_size_fit
from resolution_eval.training.plan import Architecture, Stage, TrainingPlan
from resolution_eval.training.small_flamingo import (
    STRATEGIES,
    VISION,
    Strategy,
    in_two_stages,
    train,
)
from resolution_eval.training.start import small_learner
from resolution_eval.training.training_run import PLAN, TrainingRun, finetune
from studies.joint_book import JointBook
from studies.turned_plates import plate_pools

GRID, LOW = 64, 32
"""Training resolutions in pixels."""
PATCH = 8
SIDE = 128
STEPS, HF_STEPS = 1800, 700
"""Of the vision encoder alone; a Hugging Face model, which costs more per step, gets fewer."""
PLATES = 6144
"""Train plates that are drawn, half of them of the eye chart."""
HF = "qwen2_vl"


def plan(
    strategy: Strategy = "native",
    seed: int = 0,
    *,
    steps: int = STEPS,
    rests: Sequence[str] = (VISION,),
) -> TrainingPlan:
    """The recipe of a small Flamingo; by default that of the embedded checkpoint `acuity`."""
    return in_two_stages(
        strategy=strategy,
        rests=rests,
        low=LOW,
        native=GRID,
        seed=seed,
        architecture=Architecture(
            patch=PATCH, vision_layers=3, vision_width=64, vision_heads=4, neighbours=True
        ),
        encoder=Stage(steps=steps, batch=32, rate=3e-3),
        joint=Stage(steps=400, batch=24, rate=2e-3),
        stored="float16",
        fused=True,
    )


def train_flamingos(
    strategies: Sequence[Strategy], seed: int, folders: Sequence[Path]
) -> list[Declaration]:
    """Train one Flamingo per strategy into its folder, or go on there; what each says of itself."""
    source = plates()
    pools = plate_pools(source, partial(patch_size_fit, patch=PATCH), PLATES)
    return [
        train(plan(strategy, seed), source, folder, pools=pools)
        for strategy, folder in zip(strategies, folders, strict=True)
    ]


def train_hf(
    strategies: Sequence[Strategy], seed: int, folders: Sequence[Path]
) -> list[Declaration]:
    """The same of small Hugging Face models."""
    source, declared = plates(), []
    for strategy, folder in zip(strategies, folders, strict=True):
        learner = small_learner(source, HF, GRID, patch=PATCH, seed=seed)
        recipe = plan(strategy, seed, steps=HF_STEPS, rests=("model.visual",))
        run = TrainingRun(
            plan=recipe.model_copy(update={"architecture": None, "stored": None}),
            learner=learner,
            source=source,
            output=folder,
            origin=f"small {HF}, random weights of seed {seed}",
            pools=plate_pools(source, learner.grid, PLATES),
        )
        declared.append(finetune(run, resume=(folder / PLAN).is_file()))
    return declared


def plates() -> PlateSource:
    """The eye chart and the lesion phantoms as one data set."""
    return PlateSource("plates", task_cards()["acuity"], JointBook(SIDE))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train one, and print how long it took."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.eye_chart",
        description="Train a small model on the eye chart and lesion phantoms, from scratch.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--strategy", choices=[*STRATEGIES, "all"], default="native")
    parser.add_argument("--architecture", choices=("flamingo", HF), default="flamingo")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    every = given.strategy == "all"
    strategies = STRATEGIES if every else (given.strategy,)
    folders = [given.output / name if every else given.output for name in strategies]
    trained = train_hf if given.architecture == HF else train_flamingos
    for strategy, declared in zip(
        strategies, trained(strategies, given.seed, folders), strict=True
    ):
        seconds = declared.extra["processor_seconds"]
        print(f"{strategy}: {seconds:.0f} s of one processor core")


if __name__ == "__main__":
    main()
