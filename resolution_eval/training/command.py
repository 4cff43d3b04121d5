"""`resolution-eval train`: what its arguments ask for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from resolution_eval.arguments import model_arguments
from resolution_eval.cards import TaskCard, task_cards
from resolution_eval.declaration import Declaration
from resolution_eval.errors import UsageError, output_folder, refuse_misspelled, suggest
from resolution_eval.refusals import told
from resolution_eval.resolution import parse_resolution
from resolution_eval.sources import Source, open_source
from resolution_eval.taskfiles import SUFFIX
from resolution_eval.training.plan import Architecture, Augmentation, Stage, TrainingPlan
from resolution_eval.training.recipes import report
from resolution_eval.training.run import save_untrained, train

Made = TypeVar("Made")

ONE_LOOP = (
    "mix",
    "steps",
    "accumulate",
    "rate",
    "warmup",
    "weight_decay",
    "clip",
    "freeze",
    "lora",
    "lora_alpha",
    "precision",
    "recompute",
    "resume",
    "validate_every",
    "save_every",
    "validation_limit",
)
"""Arguments that a Flamingo from scratch, which is trained in two stages, does not take."""
TWO_STAGES = ("joint_steps", "patch")
"""Arguments that only such a Flamingo takes."""
UNTRAINED = "none"
"""The strategy that leaves a model from scratch as it begins."""


def train_task(given: Namespace) -> str:
    """Train as the command's arguments say; what was found, in one line or a few.

    Raises:
        UsageError: an argument is impossible.
        DataError: the task's data lack a split.
    """
    cards = {name + SUFFIX: card for name, card in task_cards().items()}
    if given.task not in cards:
        raise UsageError(f"no task of ours is named {given.task!r}; {suggest(given.task, cards)}")
    card = cards[given.task]
    output_folder(given.output)
    model_args = model_arguments(given.model_args)
    if given.strategy == UNTRAINED and "pretrained" in model_args:
        raise UsageError(
            f"the strategy none trains nothing; score {model_args['pretrained']} as it is"
        )
    if given.model == "resflamingo" and "pretrained" not in model_args:
        return _flamingo_from_scratch(given, card)
    _refuse(given, TWO_STAGES, "this training, which has one loop,")
    return _in_one_loop(given, card, model_args)


def _flamingo_from_scratch(given: Namespace, card: TaskCard) -> str:
    _refuse(given, ONE_LOOP, "a Flamingo from scratch, which is trained in two stages,")
    if given.model_args:
        refuse_misspelled("argument", given.model_args.partition("=")[0], ["pretrained"])
        raise UsageError(
            f"--model_args {given.model_args} say nothing of a pretrained= checkpoint; a "
            "Flamingo from scratch takes --patch instead"
        )
    chosen, source = plan(given, card.filter), open_source(card)
    if given.strategy == UNTRAINED:
        return f"{save_untrained(chosen, source, given.output)}: random weights"
    return report(str(given.output), card, train(chosen, source, given.output))


def _refuse(given: Namespace, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if getattr(given, name):
            raise UsageError(f"{what} has no --{name.replace('_', '-')}")


def _in_one_loop(given: Namespace, card: TaskCard, model_args: Mapping[str, str]) -> str:
    from resolution_eval.training.finetune import Run, finetune, write_untrained

    source = open_source(card)
    scratch = "pretrained" not in model_args
    chosen = _built(lambda: finetune_plan(given, card.filter, scratch=scratch))
    learner, origin = _start(given, source, model_args, chosen)
    run = Run(plan=chosen, learner=learner, source=source, output=given.output, origin=origin)
    if given.strategy == UNTRAINED:
        write_untrained(run)
        return f"{given.output}: random weights"
    told = finetune(run, resume=given.resume)
    return _report(given, told)


def _start(
    given: Namespace, source: Source, model_args: Mapping[str, str], chosen: Any
) -> tuple[Any, str]:
    """The model, and what it is called."""
    from resolution_eval.training.finetune.start import load_learner, small_learner

    if "pretrained" in model_args:
        for name in ("architecture", "patch"):
            if name in model_args:
                raise UsageError(f"{name}= belongs to a model from scratch, without pretrained=")
        if given.encoder_steps:
            raise UsageError("--encoder-steps belong to a model from scratch, without pretrained=")
        return load_learner(given.model, model_args), model_args["pretrained"]
    unknown = set(model_args) - {"architecture", "patch"}
    if unknown:
        raise UsageError(f"a model from scratch has no {unknown.pop()}=; give pretrained= with it")
    architecture = model_args.get("architecture", "llava")
    patch = model_args.get("patch", "14")
    if not patch.isdecimal() or int(patch) < 1:
        raise UsageError(f"patch={patch} is impossible; give a number of pixels")
    largest = chosen.sampler.resolutions[-1]
    learner = small_learner(source, architecture, largest, patch=int(patch), seed=given.seed)
    return learner, f"small {architecture}, patch {patch}, random weights of seed {given.seed}"


def finetune_plan(given: Namespace, filter: str, *, scratch: bool) -> Any:
    """The plan of the one loop that the command's arguments describe."""
    from resolution_eval.training.finetune.plan import FinetunePlan, Lora, Teaching

    defaults = {"steps": 1000, "batch": 8, "rate": 2e-5, "warmup": 50}
    if scratch:
        defaults |= {"batch": 32, "rate": 1e-3}
    names = ("steps", "batch", "rate", "warmup", "weight_decay", "clip")
    run = ("accumulate", "validate_every", "save_every", "validation_limit", "precision")
    lora = None
    if given.lora is not None:
        lora = Lora(rank=given.lora, alpha=given.lora_alpha or 2 * given.lora)
    elif given.lora_alpha is not None:
        raise UsageError("--lora-alpha belongs to --lora")
    teaching = None
    if scratch:
        teaching = Teaching(steps=600 if given.encoder_steps is None else given.encoder_steps)
    return FinetunePlan(
        strategy=_strategy(given),
        low=parse_resolution(given.low),
        native=parse_resolution(given.native),
        mix=given.mix,
        filter=filter,
        seed=given.seed,
        optimisation=Stage.model_validate(defaults | _given(given, names)),
        frozen=tuple(given.freeze or ()),
        lora=lora,
        teaching=teaching,
        augmentation=Augmentation(flips=given.flips),
        checkpointing=given.recompute,
        **_given(given, run),
    )


def _strategy(given: Namespace) -> Any:
    """The plan's strategy; a model that is left untrained begins as a native-trained one does."""
    return "native" if given.strategy == UNTRAINED else given.strategy


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


def plan(given: Namespace, filter: str) -> TrainingPlan:
    """The plan of a Flamingo from scratch that the command's arguments describe, images resized
    with `filter`.

    Raises:
        UsageError: they contradict each other, or a value is impossible.
    """
    batch = 64 if given.batch is None else given.batch
    encoder_steps = 600 if given.encoder_steps is None else given.encoder_steps
    joint_steps = 300 if given.joint_steps is None else given.joint_steps
    return _built(
        lambda: TrainingPlan(
            strategy=_strategy(given),
            low=parse_resolution(given.low),
            native=parse_resolution(given.native),
            filter=filter,
            seed=given.seed,
            architecture=Architecture(patch=8 if given.patch is None else given.patch),
            augmentation=Augmentation(flips=given.flips),
            encoder=Stage(steps=encoder_steps, batch=batch),
            joint=Stage(steps=joint_steps, batch=batch),
        )
    )


def _built(make: Callable[[], Made]) -> Made:
    """What `make` makes, a value that it refuses told as the user's mistake."""
    try:
        return make()
    except ValidationError as error:
        raise UsageError(told(error, ())[0]) from None
