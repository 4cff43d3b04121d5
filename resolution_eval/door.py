"""The door for Python: what the commands do, as functions that return what the commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from resolution_eval.analysis.curve import curve
from resolution_eval.analysis.ranking import Ranking, ranking
from resolution_eval.analysis.sweeps import Setting
from resolution_eval.collection import Collection
from resolution_eval.records import Record
from resolution_eval.resolution import Resolution
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.margin import MARGIN


def load(*paths: str | PathLike[str]) -> Collection:
    """The records in `paths`: lmms-eval's output folders, records, or folders of records.

    A blind run in any of them is the control of the records that it fits.

    Raises:
        RecordError: a path holds neither, or a file in it cannot be read.
    """
    from resolution_eval.records.store import load as records_in

    return Collection(records_in([Path(path) for path in paths]))


def choose(
    record: Record,
    setting: Setting | None = None,
    *,
    blind: Sequence[Record] = (),
    margin: float = MARGIN,
    by: Literal["resolution", "tokens"] = "resolution",
) -> str | Withheld:
    """The smallest resolution shown to lose no more than `margin` (a fraction) against the best.

    With `by="tokens"`, the one of fewest visual tokens. Withheld, with why, where the samples show
    none; other arguments as in `curve`.

    Raises:
        RecordError: as `curve`.
    """
    figures = curve(record, setting, blind=blind, margin=margin)
    choice = figures.choice if by == "resolution" else figures.fewest
    return choice if isinstance(choice, Withheld) else figures.sweep.resolutions[choice.column]


def rank(records: Sequence[Record], *, mix_steps: bool = False) -> Ranking:
    """The models of `records` by their mean over the tasks that all were scored on.

    Models of different steps of the ladder are ranked together where `mix_steps` says so.

    Raises:
        RecordError: fewer than two models, a model twice on a task, or no task that all share.
    """
    return ranking(records, mix_steps=mix_steps)


def run(
    model: str,
    model_args: Mapping[str, object],
    task: str,
    output: str | PathLike[str],
    *,
    resolutions: Sequence[Resolution] | None = None,
    batch_size: int = 1,
    limit: int | None = None,
) -> Collection:
    """Score one model on one of our tasks by lmms-eval, in this process; the records in `output`.

    `model` and `model_args` are those of `lmms-eval --model` and `--model_args`; `resolutions` take
    the place of the task's own; `limit` is the most documents (samples times resolutions) asked.

    Raises:
        UsageError: no task of ours has that name, or a value holds a comma.
    """
    from resolution_eval.ground.errors import UsageError
    from resolution_eval.host.runs import evaluate

    commas = [name for name, value in model_args.items() if "," in str(value)]
    if commas:
        raise UsageError(f"{', '.join(commas)}: a comma parts arguments; give values without one")
    written = ",".join(f"{name}={value}" for name, value in model_args.items())
    folder = evaluate(
        model,
        written,
        task,
        Path(output),
        batch_size=batch_size,
        resolutions=resolutions,
        limit=limit,
    )
    return load(folder)
