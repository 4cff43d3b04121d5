"""`resolution-eval train`: what its arguments ask for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Source, open_source
from resolution_eval.declaration import Declaration
from resolution_eval.ground.errors import UsageError, output_folder, refuse_misspelled, suggest
from resolution_eval.ground.refusals import told
from resolution_eval.host.taskfiles import SUFFIX
from resolution_eval.models.arguments import model_arguments
from resolution_eval.resolution import parse_pixels
from resolution_eval.training.learner import Learner
from resolution_eval.training.plan import (
    Architecture,
    Augmentation,
    Lora,
    Stage,
    Teaching,
    TrainingPlan,
)
from resolution_eval.training.pool import ImagePools
from resolution_eval.training.small_flamingo import VISION, pools_of
from resolution_eval.training.start import load_learner, small_flamingo, small_learner
from resolution_eval.training.training_run import (
    TrainingRun,
    finetune,
    refuse_folder,
    write_untrained,
)

SCRATCH_ARGUMENTS = ("architecture", "patch")
"""Of `--model_args`, those of a model from scratch."""
UNTRAINED = "none"
"""The strategy that leaves a model from scratch as it begins, which is as for `native`."""


def train_task(given: Namespace) -> str:
    """Train as the command's arguments say; what was found, in one line or a few. UsageError of an
    impossible argument, DataError where the task's data lack a split.
    """
    cards = {name + SUFFIX: card for name, card in task_cards().items()}
    if given.task not in cards:
        raise UsageError(f"no task of ours is named {given.task!r}; {suggest(given.task, cards)}")
    card = cards[given.task]
    output_folder(given.output)
    refuse_folder(given.output, resume=given.resume)
    model_args = model_arguments(given.model_args)
    if given.strategy == UNTRAINED and "pretrained" in model_args:
        raise UsageError(
            f"the strategy none trains nothing; score {model_args['pretrained']} as it is"
        )
    source = open_source(card)
    try:
        chosen = finetune_plan(given, card.filter, model_args)
    except ValidationError as error:
        raise UsageError(told(error, ())[0]) from None
    learner, origin, pools = _start(given, source, model_args, chosen)
    run = TrainingRun(
        plan=chosen, learner=learner, source=source, output=given.output, origin=origin, pools=pools
    )
    if given.strategy == UNTRAINED:
        write_untrained(run)
        return f"{given.output}: random weights"
    return _report(given, finetune(run, resume=given.resume))


def _start(
    given: Namespace, source: Source, model_args: Mapping[str, str], chosen: TrainingPlan
) -> tuple[Learner, str, ImagePools | None]:
    """The model, what it is called, and the images that were opened to make it."""
    if "pretrained" in model_args:
        for name in SCRATCH_ARGUMENTS:
            if name in model_args:
                raise UsageError(f"{name}= belongs to a model from scratch, without pretrained=")
        return load_learner(given.model, model_args), model_args["pretrained"], None
    own = ("patch",) if given.model == "resflamingo" else SCRATCH_ARGUMENTS
    for name in model_args:
        refuse_misspelled("argument", name, [*own, "pretrained"])
        if name not in own:
            raise UsageError(f"a model from scratch has no {name}=; give pretrained= with it")
    origin = f"random weights of seed {given.seed}"
    if given.model == "resflamingo":
        pools = pools_of(source, chosen)
        return small_flamingo(chosen, pools), f"small Flamingo, {origin}", pools
    architecture = model_args.get("architecture", "llava")
    patch, largest = _patch(given, model_args), chosen.sampler.resolutions[-1]
    learner = small_learner(source, architecture, largest, patch=patch, seed=given.seed)
    return learner, f"small {architecture}, patch {patch}, {origin}", None


def _patch(given: Namespace, model_args: Mapping[str, str]) -> int:
    """Edge of the patch in pixels, of a model from scratch."""
    if given.patch is not None:
        return int(given.patch)
    patch = model_args.get("patch", "8" if given.model == "resflamingo" else "14")
    if not patch.isdecimal() or int(patch) < 1:
        raise UsageError(f"patch={patch} is impossible; give a number of pixels")
    return int(patch)


def finetune_plan(given: Namespace, filter: str, model_args: Mapping[str, str]) -> TrainingPlan:
    """The plan that the command's arguments describe.

    Raises:
        UsageError: they contradict each other.
        ValidationError: a value is impossible.
    """
    scratch = "pretrained" not in model_args
    flamingo = scratch and given.model == "resflamingo"
    defaults = TrainingPlan.model_fields["optimisation"].default.model_dump()
    if scratch:
        defaults |= {"batch": 64 if flamingo else 32, "rate": 1e-3}
    names = ("steps", "batch", "rate", "warmup", "weight_decay", "clip")
    run = ("accumulate", "validate_every", "save_every", "validation_limit", "precision")
    lora = None
    if given.lora is not None:
        lora = Lora(rank=given.lora, alpha=given.lora_alpha or 2 * given.lora)
    elif given.lora_alpha is not None:
        raise UsageError("--lora-alpha belongs to --lora")
    teaching = _teaching(given, defaults, scratch=scratch, flamingo=flamingo)
    return TrainingPlan(
        strategy="native" if given.strategy == UNTRAINED else given.strategy,
        low=parse_pixels(given.low),
        native=parse_pixels(given.native),
        mix=given.mix,
        filter=filter,
        seed=given.seed,
        optimisation=Stage.model_validate(defaults | _given(given, names)),
        frozen=tuple(given.freeze or ()),
        lora=lora,
        teaching=teaching,
        architecture=Architecture(patch=_patch(given, model_args)) if flamingo else None,
        augmentation=Augmentation(flips=given.flips),
        checkpointing=given.recompute,
        **_given(given, run),
    )


def _teaching(
    given: Namespace, defaults: dict[str, Any], *, scratch: bool, flamingo: bool
) -> Teaching | None:
    """The first steps of a model from scratch; `defaults` then has the steps of all.

    A Flamingo's vision encoder rests after them; another model goes on with the head.
    """
    if not scratch:
        for name in ("encoder_steps", "joint_steps", "patch"):
            if getattr(given, name) is not None:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} belongs to a model from scratch, without pretrained=")
        return None
    if given.joint_steps is not None and given.steps is not None:
        raise UsageError("--joint-steps are --steps without --encoder-steps; give one of the two")
    encoder = 600 if given.encoder_steps is None else given.encoder_steps
    if flamingo or given.joint_steps is not None:
        defaults["steps"] = encoder + (300 if given.joint_steps is None else given.joint_steps)
    if flamingo:
        return Teaching(steps=encoder, weight=0.0, rests=(VISION,)) if encoder else None
    return Teaching(steps=encoder)


def _given(given: Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}


def _report(given: Namespace, told: Declaration) -> str:
    """One line per resolution of validation; nothing from the other processes of a run."""
    from accelerate import PartialState

    if not PartialState().is_main_process:
        return ""
    lines = [
        f"{given.output}: {told.training}, best after {told.extra['best_step']} steps, "
        f"{told.extra['seconds']:.0f} s of training"
    ]
    for resolution, row in told.extra["validation"].items():
        lines.append(
            f"  validation at {resolution}: {row['accuracy']:.4f} of {row['n']:.0f} answers "
            f"written exactly, loss {row['loss']:.4f}"
        )
    return "\n".join(lines)
