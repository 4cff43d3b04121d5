"""Checkpoints by training strategy: as the command line names them, and what their folders say of
low, of native, and of the adapter that loads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resolution_eval.analysis.strategies import STRATEGIES
from resolution_eval.declaration import read_declaration
from resolution_eval.ground import paths
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.notation import json_value
from resolution_eval.resolution import NATIVE, PixelResolution, TrainingResolution, parse_pixels

SEPARATOR = "+"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")


@dataclass(frozen=True)
class StrategyCheckpoints:
    """One strategy and its checkpoints, one per seed."""

    strategy: str
    checkpoints: tuple[str, ...]
    """Folders, or Hugging Face ids: what `pretrained=` takes."""


def parse_checkpoints(given: Sequence[str]) -> tuple[StrategyCheckpoints, ...]:
    """The strategies in `given`, each `STRATEGY=CHECKPOINT[+CHECKPOINT...]`, the paper's first.

    A strategy named twice has the checkpoints of both.

    Example:
        >>> for entry in parse_checkpoints(["native=a", "low=b+c", "native=d"]):
        ...     print(entry.strategy, *entry.checkpoints)
        low b c
        native a d

    Raises:
        UsageError: one is not of this form, or a checkpoint is named twice.
    """
    by_strategy: dict[str, list[str]] = {}
    for text in given:
        name, _, rest = text.partition("=")
        checkpoints = rest.split(SEPARATOR)
        if not _NAME.fullmatch(name) or not all(checkpoints):
            raise UsageError(
                f"cannot read the checkpoints {text!r}; write STRATEGY=DIR, or "
                f"STRATEGY=DIR{SEPARATOR}DIR{SEPARATOR}DIR for one checkpoint per seed, where "
                f"STRATEGY is {', '.join(STRATEGIES)} or a name of your own in lower case"
            )
        by_strategy.setdefault(name, []).extend(checkpoints)
    named = [checkpoint for checkpoints in by_strategy.values() for checkpoint in checkpoints]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UsageError(f"the checkpoint {twice[0]!r} is named twice; each counts once")
    order = {name: place for place, name in enumerate(STRATEGIES)}
    names = sorted(by_strategy, key=lambda name: order.get(name, len(STRATEGIES)))
    return tuple(StrategyCheckpoints(name, tuple(by_strategy[name])) for name in names)


def named_resolution(
    name: str, given: str | None, entries: Sequence[StrategyCheckpoints]
) -> PixelResolution:
    """The resolution that `name` (low or native) stands for: as given, or as declared.

    Raises:
        UsageError: nothing is given, and the checkpoints of that strategy do not declare one
            resolution, the same in each.
    """
    if given is not None:
        return parse_pixels(given)
    advice = f"say what {name} is with --{name} R"
    checkpoints = [one for e in entries if e.strategy == name for one in e.checkpoints]
    if not checkpoints:
        raise UsageError(f"no checkpoint is {name}-trained; {advice}")
    trainings = {_declared(checkpoint, advice) for checkpoint in checkpoints}
    if len(trainings) != 1:
        raise UsageError(
            f"the {name}-trained checkpoints declare {sorted(map(str, trainings))}; {advice}"
        )
    (training,) = trainings
    if training.kind == "native":
        return NATIVE
    if training.kind != "fixed":
        raise UsageError(f"the {name}-trained checkpoints declare {training}; {advice}")
    return training.members[0]


def _declared(checkpoint: str, advice: str) -> TrainingResolution:
    """What the checkpoint's folder declares; one of ours, written by training."""
    from resolution_eval.models.flamingo.checkpoint_folder import read_manifest

    shipped = checkpoint.startswith("embedded/")
    folder = paths.models() / checkpoint if shipped else Path(checkpoint)
    try:
        if not folder.is_dir():
            raise ModelError(f"{checkpoint} is no folder")
        told = read_declaration(str(folder)) or read_manifest(folder)
    except ModelError as error:
        raise UsageError(f"{error}; {advice}") from error
    return TrainingResolution.parse(told.training)


def named_adapter(given: str | None, entries: Sequence[StrategyCheckpoints]) -> str:
    """The lmms-eval model that loads the checkpoints: as given, or as their folders tell.

    A folder whose configuration names a `model_type` is a Hugging Face checkpoint.

    Raises:
        UsageError: nothing is given, and the folders need two adapters.
    """
    if given is not None:
        return given
    adapters = {_adapter(Path(one)): one for entry in entries for one in entry.checkpoints}
    if len(adapters) > 1:
        both = ", ".join(f"{adapters[name]} with {name}" for name in sorted(adapters))
        raise UsageError(f"a matrix has one --model, but its checkpoints load as {both}")
    return next(iter(adapters))


def _adapter(folder: Path) -> str:
    try:
        config = json_value((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return "resflamingo"  # a name on the hub, or a folder that the adapter will refuse
    return "reshf" if isinstance(config, dict) and "model_type" in config else "resflamingo"
