"""The embedded tissue checkpoint: a small Flamingo, trained on 1,000 real images of 28 px.

    python -m studies.tissue --data DIR --output DIR

rebuilds `models/embedded/tissue` from a folder in the local layout with PathMNIST's images at 28
pixels, the first 1,000 of its training split and any of its test split.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Exclusion, Sample
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.declaration import Declaration
from resolution_eval.ground.errors import DataError
from resolution_eval.models.flamingo import load_folder
from resolution_eval.training.choice_accuracy import accuracy
from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.small_flamingo import in_two_stages, pools_of, train

EDGE = 28
"""The images' own edge, and the training resolution, in pixels."""
HELD_OUT = 100
"""Training images that no step sees: the val split, which PathMNIST's first 1,000 items lack."""


def plan(seed: int = 0) -> TrainingPlan:
    """The recipe: patches of 4 px, and images turned, moved, restained and at times greyed.

    A thousand images are few: without those changes the encoder knows them by heart.
    """
    return in_two_stages(
        strategy="native",
        low=EDGE,
        native=EDGE,
        seed=seed,
        architecture=Architecture(patch=4),
        augmentation=Augmentation(
            greyscale=0.15, flips=True, transposition=True, stain=0.25, shift=3
        ),
        encoder=Stage(steps=4000, rate=1e-3, warmup=200, weight_decay=0.1),
        joint=Stage(steps=600, batch=32, rate=2e-3),
        average=0.998,
        stored="float16",
    )


@dataclass(frozen=True)
class TissueSource:
    """A local folder whose train split gives up its first `HELD_OUT` samples as the val split."""

    folder: LocalSource

    @property
    def name(self) -> str:
        """Kind of source."""
        return self.folder.name

    @property
    def revision(self) -> str:
        """Hash of the table."""
        return self.folder.revision

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and image contents."""
        return self.folder.fingerprint

    @property
    def excluded(self) -> tuple[Exclusion, ...]:
        """What was found and is not a sample."""
        return self.folder.excluded

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of scores should know."""
        return self.folder.notes

    def samples(self, split: str = "test") -> Sequence[Sample]:
        """The samples of one split.

        Raises:
            DataError: the split has none.
        """
        if split == "test":
            return self.folder.samples(split)
        known = self.folder.samples("train")
        if len(known) <= HELD_OUT:
            raise DataError(
                f"the train split has {len(known)} images; more than {HELD_OUT} are needed, which "
                "are held out"
            )
        if split == "train":
            return known[HELD_OUT:]
        return tuple(replace(sample, split="val") for sample in known[:HELD_OUT])

    def read(self, locator: str) -> bytes:
        """The encoded image of a sample."""
        return self.folder.read(locator)


def train_tissue(data: Path, output: Path, seed: int = 0) -> Declaration:
    """Train the checkpoint on the folder `data`, and write it to `output`; what it says of itself.

    Raises:
        DataError: the data is not there, or has too few training images.
    """
    return train(plan(seed), _source(data), output)


def _source(data: Path) -> TissueSource:
    return TissueSource(LocalSource(data, task_cards()["pathmnist"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.tissue",
        description="Train the small tissue Flamingo on real images of 28 px, from scratch.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    train_tissue(given.data, given.output, given.seed)
    bundle = load_folder(given.output)
    pools = pools_of(_source(given.data), plan())
    for split in ("train", "val", "test"):
        pool = pools.open(split)
        right = accuracy(bundle, pool, EDGE)
        print(f"{split} (n = {len(pool.samples)}): {right:.4f} at {EDGE} px")


if __name__ == "__main__":
    main()
