"""A matrix as a sweep plan: a model for each checkpoint, which carries its training strategy.

The plan's jobs run, resume and keep records as those of any sweep do. They lie in a folder of this
program's version: another version's records are not taken for its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from resolution_eval.analysis.strategies import STRATEGIES
from resolution_eval.declaration import read_declaration
from resolution_eval.ground import paths
from resolution_eval.ground.errors import ModelError, RecordError, UsageError
from resolution_eval.ground.notation import json_value
from resolution_eval.jobs.execution import execute
from resolution_eval.jobs.sweep_plan import Model, SweepPlan
from resolution_eval.records import Record, read_record
from resolution_eval.resolution import NATIVE, PixelResolution, TrainingResolution, parse_pixels

SEPARATOR = "+"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")

Checkpoints = Mapping[str, tuple[str, ...]]
"""By strategy, one per seed: folders, or Hugging Face ids, as `pretrained=` takes them."""


class StrategyModel(Model):
    """One checkpoint, and how it was trained."""

    strategy: str


class StrategyPlan(SweepPlan):
    """A sweep over them: a sample without a verdict widens a cell's interval, and fails no job."""

    whole: ClassVar[bool] = False
    models: tuple[StrategyModel, ...]


def parse_checkpoints(given: Sequence[str]) -> Checkpoints:
    """The checkpoints in `given`, each `STRATEGY=CHECKPOINT[+CHECKPOINT...]`, the paper's first.

    A strategy named twice has the checkpoints of both.

    Example:
        >>> parse_checkpoints(["native=a", "low=b+c", "native=d"])
        {'low': ('b', 'c'), 'native': ('a', 'd')}

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
    order = dict.fromkeys((*STRATEGIES, *by_strategy))
    return {name: tuple(by_strategy[name]) for name in order if name in by_strategy}


def named_resolution(name: str, given: str | None, checkpoints: Checkpoints) -> PixelResolution:
    """The resolution that `name` (low or native) stands for: as given, or as declared.

    Raises:
        UsageError: nothing is given, and the checkpoints of that strategy do not declare one
            resolution, the same in each.
    """
    if given is not None:
        return parse_pixels(given)
    advice = f"say what {name} is with --{name} R"
    if name not in checkpoints:
        raise UsageError(f"no checkpoint is {name}-trained; {advice}")
    trainings = {_declared(checkpoint, advice) for checkpoint in checkpoints[name]}
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


def named_adapter(given: str | None, checkpoints: Checkpoints) -> str:
    """The lmms-eval model that loads the checkpoints: as given, or as their folders tell.

    Raises:
        UsageError: nothing is given, and the folders need two adapters.
    """
    if given is not None:
        return given
    adapters = {_adapter(Path(one)): one for seeds in checkpoints.values() for one in seeds}
    if len(adapters) > 1:
        both = ", ".join(f"{adapters[name]} with {name}" for name in sorted(adapters))
        raise UsageError(f"a matrix has one --model, but its checkpoints load as {both}")
    return next(iter(adapters))


def _adapter(folder: Path) -> str:
    """A folder whose configuration names a `model_type` is a Hugging Face checkpoint."""
    try:
        config = json_value((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return "resflamingo"  # a name on the hub, or a folder that the adapter will refuse
    return "reshf" if isinstance(config, dict) and "model_type" in config else "resflamingo"


def strategy_plan(
    checkpoints: Checkpoints,
    task: str,
    resolutions: Sequence[PixelResolution],
    output: Path,
    *,
    model: str,
    model_args: str = "",
    batch_size: int = 32,
    limit: int | None = None,
) -> StrategyPlan:
    """The plan that scores every checkpoint, or its first `limit` samples.

    Raises:
        UsageError: a checkpoint's name would be read as several arguments.
    """
    documents = () if limit is None else ("--limit", str(limit * len(resolutions)))
    models = [
        StrategyModel(
            name=_name(checkpoint),
            strategy=strategy,
            model=model,
            model_args=",".join(filter(None, (f"pretrained={_one(checkpoint)}", model_args))),
            batch_size=batch_size,
        )
        for strategy, seeds in checkpoints.items()
        for checkpoint in seeds
    ]
    return StrategyPlan(
        output=output / "checkpoints" / version("resolution-eval"),
        models=tuple(models),
        tasks=(task,),
        resolutions=tuple(resolutions),
        arguments=documents,
    )


def _one(checkpoint: str) -> str:
    if "," in checkpoint:
        raise UsageError(f"the checkpoint {checkpoint!r} has a comma in its name; rename it")
    return checkpoint


def _name(checkpoint: str) -> str:
    """Its last part, and what tells it from others of the same last part."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(checkpoint).name)
    digest = hashlib.sha256(checkpoint.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{plain[:40].strip('-') or 'checkpoint'}-{digest[:6]}"


def strategy_records(plan: StrategyPlan) -> dict[str, tuple[Record, ...]]:
    """The records by strategy, those of finished jobs read and all others scored first.

    Raises:
        RecordError: a checkpoint could not be scored.
    """
    strategies = {model.name: model.strategy for model in plan.models}
    records: dict[str, tuple[Record, ...]] = {}
    for outcome in execute(plan):
        state = outcome.job.finished
        if state is None:
            raise RecordError(f"not scored: {outcome.error}")
        record = read_record(outcome.job.records / state["record"])
        strategy = strategies[outcome.job.model]
        records[strategy] = (*records.get(strategy, ()), record)
    return records
