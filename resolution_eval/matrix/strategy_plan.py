"""A matrix as a sweep plan: a model for each checkpoint, which carries its strategy.

The plan's jobs run, resume and keep records as those of any sweep do. They lie in a folder of this
program's version: another version's records are not taken for its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.jobs import SweepPlan, execute
from resolution_eval.jobs.sweep_plan import Model
from resolution_eval.matrix.strategy_checkpoints import StrategyCheckpoints
from resolution_eval.records import Record, read_record
from resolution_eval.resolution import PixelResolution


class StrategyModel(Model):
    """One checkpoint, and how it was trained."""

    strategy: str


class StrategyPlan(SweepPlan):
    """A sweep over them: a sample without a verdict widens a cell's interval, and fails no job."""

    whole: ClassVar[bool] = False
    models: tuple[StrategyModel, ...]


def strategy_plan(
    entries: Sequence[StrategyCheckpoints],
    task: str,
    resolutions: Sequence[PixelResolution],
    output: Path,
    *,
    model: str,
    model_args: str = "",
    batch_size: int = 32,
    limit: int | None = None,
) -> StrategyPlan:
    """The plan that scores every checkpoint of `entries`, or its first `limit` samples.

    Raises:
        UsageError: a checkpoint's name would be read as several arguments.
    """
    documents = () if limit is None else ("--limit", str(limit * len(resolutions)))
    models = [
        StrategyModel(
            name=_name(checkpoint),
            strategy=entry.strategy,
            model=model,
            model_args=",".join(filter(None, (f"pretrained={_one(checkpoint)}", model_args))),
            batch_size=batch_size,
        )
        for entry in entries
        for checkpoint in entry.checkpoints
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
