"""What changed since a record was made: rules, processor, packages, and the server's word.

Each change names the cells of the record that it touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resolution_eval.evidence.facts import versions
from resolution_eval.records import Record
from resolution_eval.records.schema import Cell
from resolution_eval.resolution import Size

WATCHED = ("lmms-eval", "transformers", "vllm", "sglang", "pillow")
"""Packages that can change what becomes of an image on its way."""


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was."""

    what: str
    before: str
    now: str
    cells: tuple[str, ...]
    """Resolutions of the record that it touches."""


def drift(record: Record, model_args: str | None = None) -> list[Change]:
    """Everything that changed since `record`; `model_args` take the place of those it keeps.

    Raises:
        UsageError: an argument names no rule.
        ModelError: the processor cannot be loaded.
    """
    return [*_packages(record), *_rules(record, model_args), *_server(record)]


def _packages(record: Record) -> Iterator[Change]:
    """Installed packages of another version than the run had."""
    present, then = versions(), record.environment.versions
    everywhere = tuple(cell.resolution for cell in record.cells)
    for name in WATCHED:
        before, now = then.get(name), present.get(name)
        if before is not None and now is not None and before != now:
            yield Change(f"version of {name}", before, now, everywhere)


def _rules(record: Record, model_args: str | None) -> Iterator[Change]:
    """The rule, or the processor's files, that predicts today; and what it makes of each grid."""
    from resolution_eval.models.arguments import model_arguments
    from resolution_eval.models.wrapped.predictors import predictor

    served = [cell for cell in record.cells if cell.serving is not None]
    if not served or record.checkpoint.name is None:
        return
    told = model_arguments(model_args if model_args is not None else _kept(record))
    who = predictor(record.checkpoint.name, told)
    title = "unknown" if who is None else who.title
    changed = tuple(cell.resolution for cell in served if _rule(cell) != title)
    if changed:
        yield Change("rule that predicts", _rule(served[0]), title, changed)
    for cell in served if who is not None else ():
        yield from _tokens(cell, who)


def _tokens(cell: Cell, who: object) -> Iterator[Change]:
    """Tokens of a cell whose images were all of one size, by the rule of today."""
    from resolution_eval.jobs.estimate import TURNS
    from resolution_eval.models.wrapped.predictors import Predictor

    assert cell.serving is not None
    before = cell.serving.predicted_tokens
    sizes = {(grid.expected_width, grid.expected_height) for grid in cell.grids}
    ((width, height), *others) = sizes or {(None, None)}
    if before is None or others or cell.other_grids or width is None or height is None:
        return
    predicts: Predictor = who  # type: ignore[assignment]
    forecast = predicts.forecast(Size(width, height), TURNS)
    now = None if forecast.tokens is None else forecast.tokens[1]
    if now != before.most:
        named = "unknown" if now is None else str(now)
        yield Change(f"tokens of {width}x{height} px", str(before.most), named, (cell.resolution,))


def _server(record: Record) -> Iterator[Change]:
    """Names and fingerprints that a server changed within the record itself."""
    served = [(cell.resolution, cell.serving) for cell in record.cells if cell.serving is not None]
    for what, column in (("model that answered", "models"), ("fingerprint", "fingerprints")):
        names = list(dict.fromkeys(name for _, one in served for name in getattr(one, column)))
        if len(names) > 1:
            touched = tuple(at for at, one in served if getattr(one, column)[:1] != (names[0],))
            everywhere = tuple(at for at, _ in served)
            yield Change(what, names[0], ", ".join(names[1:]), touched or everywhere)


def _rule(cell: Cell) -> str:
    assert cell.serving is not None
    return cell.serving.rules[0] if cell.serving.rules else "unknown"


def _kept(record: Record) -> str:
    """The arguments of reswrap in the record, without the base's."""
    from resolution_eval.models.wrapped.predictors import OWN

    parts = (record.environment.model_args or "").split(",")
    return ",".join(part for part in parts if part.partition("=")[0] in OWN)


def told(changes: Sequence[Change]) -> str:
    """The changes in lines."""
    if not changes:
        return "nothing that we watch changed since the record was made"
    return "\n".join(
        f"{change.what}: {change.before} then, {change.now} now; touches {', '.join(change.cells)}"
        for change in changes
    )
