"""Small models that read plates: the embedded eye-chart reader, and its siblings for comparison.

    python -m studies.eye_chart --output DIR

rebuilds the one in `models/embedded/acuity`: charts of 128 px, shown at 64 px. `--task lesion`
trains on the lesion phantoms, `--strategy low` at 32 px, `mixed` at both, `all` each in turn, and
`--architecture qwen2_vl` a small Hugging Face model instead of a Flamingo.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.acuity.chart_book import BLOCKS as CHART_BLOCKS
from resolution_eval.data.cards import task_cards
from resolution_eval.data.lesions import LesionBook
from resolution_eval.data.lesions.lesion_book import BLOCKS as LESION_BLOCKS
from resolution_eval.data.plates.plate import Book
from resolution_eval.data.sources import open_source
from resolution_eval.data.sources.plate_source import PlateSource
from resolution_eval.declaration import Declaration
from resolution_eval.ground.errors import UsageError
from resolution_eval.resolution import PixelResolution, Size, patch_size_fit
from resolution_eval.training.hf_learner import HFLearner
from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.pool import ImagePools
from resolution_eval.training.small_flamingo import (
    STRATEGIES,
    VISION,
    Strategy,
    in_two_stages,
    train,
)
from resolution_eval.training.start import WHITENED, small_learner
from resolution_eval.training.training_run import PLAN, TrainingRun, finetune
from resolution_eval.training.whitening import whiten
from studies.turned_plates import SomePlates, plate_pools

GRID, LOW = 64, 32
"""Training resolutions in pixels."""
PATCH = 8
HF = "qwen2_vl"


@dataclass(frozen=True, kw_only=True)
class PlateRecipe:
    """How a book of plates is taught."""

    steps: int
    """Of the vision encoder alone."""
    rate: float
    joint: int = 500
    """Steps in which the rest learns to answer."""
    plates: int = 6144
    """Train plates that are drawn."""
    shift: int = 0
    """Most pixels that a plate is moved by; a quadrant would not stay the same."""
    quarters: int = 1
    finest: float = 1.0
    """Smallest detail shown, in pixels of the grid."""
    pooled: Literal["mean", "max"] = "mean"
    """Stripes are everywhere in their window; a finding lies in one or two patches."""
    whitened: bool = False
    blocks: Mapping[str, int] = field(default_factory=dict)
    """Of splits that are to be larger than the book's own."""
    kinds: tuple[str, ...] = ()
    """What alone is taught; all, where none is named."""


FRESH = {"train": 256}
NODULES = ("nodule present", "nodule quadrant")
RECIPES = {
    "acuity": PlateRecipe(steps=3500, rate=3e-3, shift=8, quarters=4),
    "lesion": PlateRecipe(
        steps=700, joint=300, rate=1e-3, pooled="max", whitened=True, blocks=FRESH, kinds=NODULES
    ),
}
HF_RECIPES = {
    "acuity": PlateRecipe(
        steps=300,
        joint=300,
        rate=1e-3,
        quarters=4,
        finest=1.5,
        whitened=True,
        blocks={"val": 24},
        kinds=("grating",),
    ),
    "lesion": PlateRecipe(
        steps=400, joint=300, rate=1e-3, pooled="max", whitened=True, blocks=FRESH, kinds=NODULES
    ),
}
"""Of a Hugging Face model, which costs more."""


BOOKS: Mapping[str, tuple[Callable[[int, Mapping[str, int]], Book], Mapping[str, int]]] = {
    "acuity": (AcuityBook, CHART_BLOCKS),
    "lesion": (LesionBook, LESION_BLOCKS),
}
"""Per task, its book and how many blocks each split has."""


def plan(
    task: str = "acuity",
    strategy: Strategy = "native",
    seed: int = 0,
    *,
    taught: PlateRecipe | None = None,
    rests: Sequence[str] = (VISION,),
) -> TrainingPlan:
    """The recipe of a small Flamingo; by default that of the embedded checkpoint `acuity`."""
    taught = taught or RECIPES[task]
    return in_two_stages(
        strategy=strategy,
        rests=rests,
        pooled=taught.pooled,
        low=LOW,
        native=GRID,
        seed=seed,
        architecture=Architecture(
            patch=PATCH,
            vision_layers=3,
            vision_width=64,
            vision_heads=4,
            neighbours=True,
            whitened=taught.whitened,
        ),
        encoder=Stage(steps=taught.steps, batch=32, rate=taught.rate),
        joint=Stage(steps=taught.joint, batch=24, rate=2e-3),
        augmentation=Augmentation(shift=taught.shift),
        stored="float16",
        fused=True,
    )


def train_flamingos(
    task: str, strategies: Sequence[Strategy], seed: int, folders: Sequence[Path]
) -> list[Declaration]:
    """Train one Flamingo per strategy into its folder, or go on there; what each says of itself."""
    source = plates(task)
    pools = turned_pools(RECIPES[task], source, partial(patch_size_fit, patch=PATCH))
    return [
        train(plan(task, strategy, seed), source, folder, pools=pools)
        for strategy, folder in zip(strategies, folders, strict=True)
    ]


def train_hf(
    task: str, strategies: Sequence[Strategy], seed: int, folders: Sequence[Path]
) -> list[Declaration]:
    """The same of small Hugging Face models."""
    taught = HF_RECIPES[task]
    source, declared = plates(task, taught), []
    for strategy, folder in zip(strategies, folders, strict=True):
        learner = small_learner(source, HF, GRID, patch=PATCH, seed=seed, pooled=taught.pooled)
        recipe = plan(task, strategy, seed, taught=taught, rests=("model.visual",))
        pools = turned_pools(taught, source, learner.grid)
        whiten(*patch_layer(learner, pools, recipe.sampler.resolutions[0]))
        run = TrainingRun(
            plan=recipe.model_copy(update={"architecture": None, "stored": None}),
            learner=learner,
            source=source,
            output=folder,
            origin=f"small {HF}, random weights of seed {seed}",
            pools=pools,
        )
        declared.append(finetune(run, resume=(folder / PLAN).is_file()))
    return declared


def patch_layer(
    learner: HFLearner, pools: ImagePools, resolution: PixelResolution
) -> tuple[nn.Conv3d, Tensor]:
    """Where a small Qwen2-VL's patches enter, and patches of the first train images."""
    pool = pools.open("train")
    places = pool.groups(resolution)[pool.grid(resolution, 0)][:WHITENED]
    drawn = pool.take(resolution, pool.grid(resolution, 0), places)
    convolution: nn.Conv3d = learner.model.model.visual.patch_embed.proj
    return convolution, learner.batch(drawn).inputs["pixel_values"]


def turned_pools(
    taught: PlateRecipe, source: PlateSource, grid_of: Callable[[Size], Size]
) -> ImagePools:
    """The plates, turned, of which each grid is shown what it can show."""
    return plate_pools(
        source, grid_of, quarters=taught.quarters, finest=taught.finest, limit=taught.plates
    )


def plates(task: str, taught: PlateRecipe | None = None) -> PlateSource:
    """The plates of the card `task` that `taught`, or else the task's recipe, teaches.

    Raises:
        UsageError: the card names no book of plates.
    """
    card, taught = task_cards()[task], taught or RECIPES.get(task)
    source = open_source(card)
    if taught is None or not isinstance(source, PlateSource):
        raise UsageError(
            f"the card {task} names no book of plates; choose one of {sorted(RECIPES)}"
        )
    if not taught.kinds:
        return source
    book, blocks = BOOKS[task]
    return SomePlates(task, card, book(source.book.side, {**blocks, **taught.blocks}), taught.kinds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train one, and print how long it took."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.eye_chart",
        description="Train a small model on the eye chart or the lesion phantoms, from scratch.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--task", choices=sorted(RECIPES), default="acuity")
    parser.add_argument("--strategy", choices=[*STRATEGIES, "all"], default="native")
    parser.add_argument("--architecture", choices=("flamingo", HF), default="flamingo")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    every = given.strategy == "all"
    strategies = STRATEGIES if every else (given.strategy,)
    folders = [given.output / name if every else given.output for name in strategies]
    trained = train_hf if given.architecture == HF else train_flamingos
    for strategy, declared in zip(
        strategies, trained(given.task, strategies, given.seed, folders), strict=True
    ):
        seconds = declared.extra["processor_seconds"]
        print(f"{given.task}, {strategy}: {seconds:.0f} s of one processor core")


if __name__ == "__main__":
    main()
