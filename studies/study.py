"""The study of docs/study.md: small Flamingos, every training strategy, several seeds.

    python -m studies.study --task pbc --output DIR

leaves one checkpoint in DIR per strategy and seed, named STRATEGY-SEED, for `resolution-eval
matrix`. A checkpoint that is there is kept, so a study that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Exclusion, Sample, Source, open_source
from resolution_eval.data.sources.phantoms import SIDE
from resolution_eval.models.flamingo.checkpoint_folder import CONFIG
from resolution_eval.resolution import PixelResolution
from resolution_eval.training.mix import WeightedMix, anchored
from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.pool import ImagePools
from resolution_eval.training.small_flamingo import (
    VISION,
    in_two_stages,
    pools_of,
    save_untrained,
    train,
)

Strategy = Literal["none", "low", "native", "mixed", "spread", "weighted", "anchored"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Share = tuple[PixelResolution, float]
"""A resolution, and the weight with which a batch is drawn at it."""
ARCHITECTURE = Architecture(vision_width=64, vision_layers=3, vision_heads=2)
JOINT_BATCH = 32
HELD_OUT = 10
"""One image in so many of a train split is for validation where the data has no such split."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the strategies share on one task."""

    task: str
    low: int
    native: int
    """Taken as native: the largest edge in pixels that is trained at."""
    patch: int
    steps: int
    """Of the stage that teaches the vision encoder, for the native strategy."""
    joint: int
    """Steps of the stage that teaches to answer, for the native strategy."""
    augmentation: Augmentation
    rests: tuple[str, ...] = (VISION,)
    """Parts that the second stage leaves as they are."""
    architecture: Architecture = ARCHITECTURE
    batch: int = 32
    """Images per step of the stage that teaches the vision encoder."""
    rate: float = 1.5e-3
    average: float = 0.0
    fused: bool = False
    fixed: float = 24.0
    """What a step costs beside its tokens, in tokens per image: from the processor time of steps
    of several resolutions. So a cheap one buys fewer steps than its tokens alone would allow."""
    more_joint: bool = True
    """Whether the second stage, too, takes more steps where the resolutions are cheaper; not where
    the language model costs most of a step."""


RECIPES: dict[str, Recipe] = {
    "phantom": Recipe(
        task="phantom", low=16, native=SIDE, patch=8, steps=600, joint=300,
        augmentation=Augmentation(greyscale=0.5), fixed=8.0, more_joint=False,
        architecture=Architecture(), batch=64, rate=2e-3,
    ),
    "pbc": Recipe(
        task="pbc", low=28, native=56, patch=14, steps=2000, joint=150,
        augmentation=Augmentation(flips=True),
    ),
    "pbc84": Recipe(
        task="pbc", low=42, native=84, patch=14, steps=4000, joint=150,
        augmentation=Augmentation(flips=True, transposition=True), average=0.998, fused=True,
        fixed=8.0, more_joint=False,
    ),
    # yes or no hangs on the question: no image has a class that the first stage could teach
    "vqa_rad": Recipe(
        task="vqa_rad", low=28, native=56, patch=14, steps=0, joint=300,
        augmentation=Augmentation(), rests=(), more_joint=False,
    ),
}  # fmt: skip
"""By name. `pbc`, at 56 px, is that of the first study and of the leaderboard's rows; `phantom` is
that of the embedded checkpoint `native`. `-long` trains every strategy for longer, until native's
specialist gains little more."""
RECIPES |= {
    "phantom-long": replace(
        RECIPES["phantom"], steps=8000, architecture=ARCHITECTURE, batch=32, rate=1.5e-3,
        average=0.998, fused=True, fixed=12.0,
    ),
    "pbc84-long": replace(RECIPES["pbc84"], steps=12000, joint=400),
}  # fmt: skip


def spread(low: int, native: int, patch: int) -> tuple[Share, ...]:
    """Every grid of whole patches from `low` to `native`, all equally likely: no gap between two.

    Example:
        >>> spread(28, 84, 14)
        ((28, 1.0), (42, 1.0), (56, 1.0), (70, 1.0), (84, 1.0))
    """
    return tuple((edge, 1.0) for edge in range(low, native + 1, patch))


def weighted(low: int, native: int, patch: int) -> tuple[Share, ...]:
    """As `spread`, the cheap low end three times and the dear native end twice as likely.

    Example:
        >>> weighted(28, 84, 14)
        ((28, 3.0), (42, 1.0), (56, 1.0), (70, 1.0), (84, 2.0))
    """
    return tuple(
        (edge, {low: 3.0, native: 2.0}.get(edge, 1.0)) for edge in range(low, native + 1, patch)
    )


VARIANTS = {"spread": spread, "weighted": weighted, "anchored": anchored}
"""Mixes that leave no grid out."""


def tokens(shares: Sequence[Share], patch: int) -> float:
    """Tokens in the encoder per square image, the class token counted, on average over batches."""
    weight = sum(share for _, share in shares)
    return sum(((int(r) // patch) ** 2 + 1) * share for r, share in shares) / weight


def plan(name: str, strategy: Strategy, seed: int) -> TrainingPlan:
    """The plan for a strategy by the recipe `name`; not for `none`, which is not trained.

    low and mixed take as many steps as native: the same samples, as in the paper. The variants
    take as many as cost what native does, by the tokens in the encoder and the fixed cost of steps.
    """
    recipe = RECIPES[name]
    grids = (recipe.low, recipe.native, recipe.patch)
    shares = VARIANTS[strategy](*grids) if strategy in VARIANTS else ()
    dearest = tokens([(recipe.native, 1.0)], recipe.patch) + recipe.fixed
    more = dearest / (tokens(shares, recipe.patch) + recipe.fixed) if shares else 1.0
    joint = int(recipe.joint * (more if recipe.more_joint else 1.0))
    steps = int(recipe.steps * more)
    stage = Stage(steps=steps, batch=recipe.batch, rate=recipe.rate)
    return in_two_stages(
        strategy="mixed" if shares else strategy,
        low=recipe.low,
        native=recipe.native,
        mix=str(WeightedMix(tuple(shares))) if shares else "",
        filter=task_cards()[recipe.task].filter,
        seed=seed,
        architecture=recipe.architecture.model_copy(update={"patch": recipe.patch}),
        augmentation=recipe.augmentation,
        encoder=stage if steps else None,
        joint=Stage(steps=joint, batch=JOINT_BATCH, rate=recipe.rate),
        rests=recipe.rests,
        average=recipe.average,
        fused=recipe.fused,
    )


class ClosedQuestions:
    """Another source's samples with choices; validation from its train split if it has none.

    An image is in one of the two only.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name, self.revision, self.fingerprint = (
            source.name, source.revision, source.fingerprint,
        )  # fmt: skip
        self.excluded: tuple[Exclusion, ...] = source.excluded
        self.notes: tuple[str, ...] = source.notes

    def samples(self, split: str = "test") -> Sequence[Sample]:
        """The samples of one split.

        Raises:
            DataError: the split is unknown.
        """
        if split == "test":
            return self._closed("test")
        held = split == "val"
        return [replace(s, split=split) for s in self._closed("train") if _held_out(s) == held]

    def _closed(self, split: str) -> list[Sample]:
        return [sample for sample in self._source.samples(split) if sample.choices]

    def read(self, locator: str) -> bytes:
        """The encoded image that a sample's `image` names.

        Raises:
            ImageError: as the source.
        """
        return self._source.read(locator)


def _held_out(sample: Sample) -> bool:
    return sha256(sample.image.encode()).digest()[0] % HELD_OUT == 0


def data(task: str) -> Source:
    """The task's data; of questions, the closed ones.

    Raises:
        DataError: it is not there.
    """
    card = task_cards()[task]
    source = open_source(card)
    return ClosedQuestions(source) if card.kind == "questions" else source


def run(name: str, strategies: Sequence[Strategy], seeds: Sequence[int], output: Path) -> None:
    """Train every strategy with every seed that has no checkpoint in `output`; one line each."""
    recipe = RECIPES[name]
    source = data(recipe.task)
    pools: ImagePools | None = None
    for seed in seeds:
        for strategy in strategies:
            folder = output / f"{strategy}-{seed}"
            if (folder / CONFIG).is_file():
                continue
            chosen = plan(name, "native" if strategy == "none" else strategy, seed)
            pools = pools or pools_of(source, chosen)
            if strategy == "none":
                save_untrained(chosen, source, folder, pools=pools)
                continue
            told = train(chosen, source, folder, pools=pools, progress=False).extra
            found = {at: row["accuracy"] for at, row in told["validation"].items()}
            print(
                f"{folder.name}: {told['processor_seconds']:.0f} s, validation "
                + "  ".join(f"{at}: {value:.3f}" for at, value in found.items()),
                flush=True,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study on one task, as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.study",
        description="Train small Flamingos from scratch under every strategy.",
    )
    parser.add_argument(
        "--task", required=True, choices=sorted(RECIPES), metavar="RECIPE",
        help="one of %(choices)s: a task, and where there are several, its native size",
    )  # fmt: skip
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    given = parser.parse_args(arguments)
    run(given.task, given.strategies, given.seeds, given.output)


if __name__ == "__main__":
    main()
