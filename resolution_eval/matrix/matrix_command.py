"""`resolution-eval matrix`, from its arguments to what it prints."""

from __future__ import annotations

from argparse import Namespace

from resolution_eval.analysis.strategies import MIXED, Matrix
from resolution_eval.ground.errors import UsageError, output_folder, refuse_misspelled, suggest
from resolution_eval.ground.registry import ADAPTERS
from resolution_eval.ground.tables import FORMATS
from resolution_eval.host.taskfiles import card_files
from resolution_eval.matrix.output import write_matrix
from resolution_eval.matrix.strategy_checkpoints import (
    named_adapter,
    named_resolution,
    parse_checkpoints,
)
from resolution_eval.matrix.strategy_plan import strategy_plan, strategy_records
from resolution_eval.report.matrix_tables import matrix_tables
from resolution_eval.resolution import PixelResolution, ascending, label, parse_pixels
from resolution_eval.statistics.gaps import INFER


def matrix_of(given: Namespace) -> str:
    """Score what is not scored yet, write the matrix into `given.output`; its tables as text.

    Raises:
        UsageError: an argument is impossible.
        RecordError: a checkpoint's results cannot be read, or are of other data.
    """
    _check(given)
    entries = parse_checkpoints(given.checkpoints)
    infer = _infer(given.infer)
    low = named_resolution("low", given.low, entries)
    native = named_resolution("native", given.native, entries)
    plan = strategy_plan(
        entries,
        given.task,
        _scored(infer, low, native),
        given.output,
        model=named_adapter(given.model, entries),
        model_args=given.model_args,
        batch_size=given.batch_size,
        limit=given.limit,
    )
    matrix = Matrix(strategy_records(plan), low, native, infer)
    write_matrix(matrix, given.output)
    return FORMATS[given.format](matrix_tables(matrix))


def _check(given: Namespace) -> None:
    if given.format not in FORMATS:
        raise UsageError(f"no format named {given.format!r}; {suggest(given.format, FORMATS)}")
    if given.task not in (tasks := card_files()):
        raise UsageError(f"no task of ours is named {given.task!r}; {suggest(given.task, tasks)}")
    refuse_misspelled("model", given.model or "resflamingo", ADAPTERS)
    output_folder(given.output)
    for name in ("batch_size", "limit"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} is {value}; give 1 or more")


def _infer(text: str) -> tuple[PixelResolution | str, ...]:
    """The columns that `--infer` names, each once, as asked for."""
    columns: list[PixelResolution | str] = []
    for word in (part.strip() for part in text.split(",")):
        try:
            columns.append(word if word in INFER else parse_pixels(word))
        except UsageError as error:
            advice = suggest(word, INFER)
            raise UsageError(f"--infer {word!r} is impossible; {advice}, or give pixels") from error
    return tuple(dict.fromkeys(columns))


def _scored(
    infer: tuple[PixelResolution | str, ...], low: PixelResolution, native: PixelResolution
) -> tuple[PixelResolution, ...]:
    """The resolutions to score, ascending: what the columns stand for, and both ends."""
    if low == native:
        raise UsageError(f"low and native are both {label(low)}; a matrix needs two")
    named = {"low": low, "native": native}
    inner = {named.get(str(at), at) for at in infer if at != MIXED}
    return tuple(sorted({*inner, low, native}, key=ascending))  # type: ignore[arg-type]
