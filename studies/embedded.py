"""The embedded checkpoints: three small Flamingos, trained on phantoms.

    python -m studies.embedded --strategy native --output DIR

rebuilds one of those in `models/embedded`; `--strategy all` rebuilds all three.
"""

from __future__ import annotations

from resolution_eval.data.sources.phantoms import SIDE
from resolution_eval.training.plan import Augmentation, Stage, TrainingPlan
from resolution_eval.training.small_flamingo import Strategy, in_two_stages, train_command

LOW = 16
"""The low training resolution, in pixels; the native one is the phantoms' own 64."""

STEPS: dict[Strategy, int] = {"native": 600, "low": 300, "mixed": 3600}
"""Steps of the first stage; mixed training sees each of its two resolutions in half of them."""


def plan(strategy: Strategy, seed: int = 0) -> TrainingPlan:
    """The recipe of the embedded checkpoint `strategy`.

    Half of the images lose their colour: else the tone, right in 14 of 15, is learned first and
    the texture hardly at all.
    """
    return in_two_stages(
        strategy=strategy,
        low=LOW,
        native=SIDE,
        seed=seed,
        augmentation=Augmentation(greyscale=0.5),
        encoder=Stage(steps=STEPS[strategy], rate=2e-3),
        joint=Stage(steps=300, batch=32, rate=2e-3),
        stored="float16",
    )


if __name__ == "__main__":
    train_command("studies.embedded", "phantom", plan)
