"""Small Flamingos trained on real blood cells, the folder pbc_blood under RESOLUTION_EVAL_DATA.

python -m studies.pbc --strategy native --output DIR
"""

from __future__ import annotations

from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.small_flamingo import Strategy, in_two_stages, train_command

LOW = 56
NATIVE = 224
"""Taken as native: the source has 360 x 363 px, which would take hours on two processor cores."""

STEPS: dict[Strategy, int] = {"native": 1200, "low": 1500, "mixed": 2400}


def plan(strategy: Strategy, seed: int = 0) -> TrainingPlan:
    """The recipe for the strategy: patches of 28 px, and mirrored images for more variety."""
    return in_two_stages(
        strategy=strategy,
        low=LOW,
        native=NATIVE,
        seed=seed,
        architecture=Architecture(patch=28),
        augmentation=Augmentation(flips=True),
        encoder=Stage(steps=STEPS[strategy], rate=1e-3),
        joint=Stage(steps=300, batch=32, rate=2e-3),
    )


if __name__ == "__main__":
    train_command("studies.pbc", "pbc", plan)
