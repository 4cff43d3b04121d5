"""`resolution-eval train`: one small Flamingo, trained from scratch on one task."""

from __future__ import annotations

from argparse import Namespace

from pydantic import ValidationError

from resolution_eval.cards import task_cards
from resolution_eval.errors import UsageError, suggest
from resolution_eval.resolution import parse_resolution
from resolution_eval.sources import open_source
from resolution_eval.taskfiles import SUFFIX
from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.recipes import report
from resolution_eval.training.run import train


def train_task(given: Namespace) -> str:
    """Train as the command's arguments say; one line with the test accuracy at every resolution.

    Raises:
        UsageError: an argument is impossible.
        DataError: the task's data lack a split.
    """
    cards = {name + SUFFIX: card for name, card in task_cards().items()}
    if given.task not in cards:
        raise UsageError(f"no task of ours is named {given.task!r}; {suggest(given.task, cards)}")
    card = cards[given.task]
    summary = train(plan(given, card.filter), open_source(card), given.output)
    return report(str(given.output), card, summary)


def plan(given: Namespace, filter: str) -> TrainingPlan:
    """The plan that the command's arguments describe, images resized with `filter`.

    Raises:
        UsageError: they contradict each other, or a value is impossible.
    """
    try:
        return TrainingPlan(
            strategy=given.strategy,
            low=parse_resolution(given.low),
            native=parse_resolution(given.native),
            filter=filter,
            seed=given.seed,
            architecture=Architecture(patch=given.patch),
            augmentation=Augmentation(flips=given.flips),
            encoder=Stage(steps=given.encoder_steps, batch=given.batch),
            joint=Stage(steps=given.joint_steps, batch=given.batch),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}: {first['msg']}, received {first['input']!r}") from None
