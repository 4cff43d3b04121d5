"""What changed since a record was made: rules, processor, packages, and the server's word.

Each change names the cells of the record that it touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolution_eval.evidence.attestation import ServerFacts
from resolution_eval.evidence.facts import versions
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.redaction import STRUCK
from resolution_eval.models.arguments import flag, model_arguments
from resolution_eval.models.wrapped.predictors import LONE, OWN, Predictor, predictor
from resolution_eval.records import Record
from resolution_eval.records.schema import Cell
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    from resolution_eval.adapters.reswrap import ResWrap
    from resolution_eval.models.wrapped.base_plan import BasePlan

USUAL = ("batch_size", "device", "device_map", "min_pixels", "max_pixels")
"""Arguments that reswrap gives a base by itself, so that none was left to it."""
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


def drift(record: Record, model_args: str | None = None, *, ask: bool = False) -> list[Change]:
    """Everything that changed since `record`; each of `model_args` takes the place of the one of
    that name which it keeps.

    Nothing leaves the machine, unless `ask` has the server asked about one image of each size.

    Raises:
        UsageError: one of `model_args` is impossible; or a server is to be asked, and none answered
            then, or the record does not hold what it was asked with.
        ModelError: what `model_args` name cannot be loaded; or lmms-eval's model not be built.
    """
    checks = (_packages(record), _defaults(record), _rules(record, model_args), _server(record))
    changes = [change for check in checks for change in check]
    return [*changes, *_asked(record, model_args)] if ask else changes


def _at(cells: Iterable[Cell]) -> tuple[str, ...]:
    return tuple(cell.resolution for cell in cells)


def _packages(record: Record) -> Iterator[Change]:
    """Installed packages of another version than the run had."""
    present, then = versions(), record.environment.versions
    everywhere = _at(record.cells)
    for name in WATCHED:
        before, now = then.get(name), present.get(name)
        if before is not None and now is not None and before != now:
            yield Change(f"version of {name}", before, now, everywhere)


def _defaults(record: Record) -> Iterator[Change]:
    """Arguments that the run left to lmms-eval's model, and that are others today."""
    then = record.environment.model_defaults
    told = _kept(record)
    if not then or "base" not in told:
        return
    everywhere = _at(record.cells)
    try:
        planned = _plan(told)
    except (UsageError, ModelError) as error:
        yield Change(f"lmms-eval's model {told['base']}", "fit the run", str(error), everywhere)
        return
    now, given = planned.defaults, _base_arguments(told)
    for name in sorted({*then, *now}):
        before, after = then.get(name, "not there"), now.get(name, "not there")
        if before != after and not (name in given or name in USUAL):
            yield Change(f"lmms-eval's default of {name}", before, after, everywhere)


def _plan(told: Mapping[str, str]) -> BasePlan:
    """How the base would be built today.

    Raises:
        UsageError: there is no such base any more, or it has no such argument.
        ModelError: the base's packages are absent.
    """
    from resolution_eval.models.wrapped.base_plan import plan

    simple = flag("force_simple", told.get("force_simple", False))
    return plan(told.get("base"), _base_arguments(told), force_simple=simple)


def _misfit(record: Record, told: Mapping[str, str]) -> str | None:
    """Why the base cannot be built, or predicted, so today; None where it can."""
    try:
        _plan(told)
        _predictor(record, told)
    except (UsageError, ModelError) as error:
        return str(error)
    return None


def _base_arguments(told: Mapping[str, str]) -> dict[str, str]:
    """Those that are the base's, and not reswrap's own."""
    from resolution_eval.adapters.reswrap import OWN

    return {name: value for name, value in told.items() if name not in OWN}


def _rules(record: Record, model_args: str | None) -> Iterator[Change]:
    """The rule, or the processor's files, that predicts today; and what it makes of each grid."""
    served = [cell for cell in record.cells if cell.serving is not None]
    if not served or record.checkpoint.name is None:
        return
    told = {name: value for name, value in _merged(record, model_args).items() if name in OWN}
    _refuse_struck(told)
    try:
        who = _predictor(record, told)
        title = "unknown" if who is None else who.title
    except (UsageError, ModelError) as error:
        if not set(OWN).isdisjoint(model_arguments(model_args or "")):
            raise
        who, title = None, f"none: {error}"
    changed = _at(cell for cell in served if _rule(cell) != title)
    if changed:
        yield Change("rule that predicts", _rule(served[0]), title, changed)
    if who is not None:
        for cell in served:
            yield from _tokens(cell, who)


def _predictor(record: Record, told: Mapping[str, str]) -> Predictor | None:
    """Who predicts for the record's model today; None where nobody does.

    Raises:
        UsageError: an argument names no rule any more, or does not fit.
        ModelError: the processor cannot be loaded.
    """
    own = {name: value for name, value in told.items() if name in OWN}
    return predictor(str(record.checkpoint.name), own)


def _kept(record: Record) -> dict[str, str]:
    """The arguments that the run was given."""
    return model_arguments(record.environment.model_args or "")


def _merged(record: Record, model_args: str | None) -> dict[str, str]:
    """The arguments of the run, each replaced by the one of that name in `model_args`."""
    return _kept(record) | model_arguments(model_args or "")


def _absent_key(name: str, value: str) -> bool:
    """Whether it is the key, which the base takes from the environment where none is given."""
    return name.lower().endswith("api_key") and value == STRUCK


def _refuse_struck(told: Mapping[str, str]) -> None:
    """Raise UsageError where a value is not in the record, as it may hold a secret."""
    struck = [name for name, value in told.items() if STRUCK in value]
    if struck:
        names = " and ".join(f"{name}=" for name in struck)
        raise UsageError(
            f"the record keeps {names} without what may be a secret in it; give it again by "
            f"--model_args {','.join(f'{name}=...' for name in struck)}"
        )


def _tokens(cell: Cell, who: Predictor) -> Iterator[Change]:
    """Tokens of a cell whose images were all of one size, by the rule of today."""
    assert cell.serving is not None
    before, size = cell.serving.predicted_tokens, _one_size(cell)
    if before is None or size is None:
        return
    forecast = who.forecast(size, LONE)
    now = None if forecast.tokens is None else forecast.tokens[1]
    if now != before.most:
        named = "unknown" if now is None else str(now)
        yield Change(f"tokens of {size} px", str(before.most), named, (cell.resolution,))


def _server(record: Record) -> Iterator[Change]:
    """Names and fingerprints that a server changed within the record itself."""
    served = [(cell.resolution, cell.serving) for cell in record.cells if cell.serving is not None]
    for what, column in (("model that answered", "models"), ("fingerprint", "fingerprints")):
        names = list(dict.fromkeys(name for _, one in served for name in getattr(one, column)))
        if len(names) > 1:
            touched = tuple(at for at, one in served if getattr(one, column)[:1] != (names[0],))
            everywhere = tuple(at for at, _ in served)
            yield Change(what, names[0], ", ".join(names[1:]), touched or everywhere)


def _asked(record: Record, model_args: str | None) -> Iterator[Change]:
    """What the server says today of one image of each cell's size."""
    from lmms_eval.utils import simple_parse_args_string

    from resolution_eval.adapters.reswrap import ResWrap

    served = [cell for cell in record.cells if cell.serving is not None]
    if not served:
        raise UsageError("--ask: no server answered in this record, so that none can be asked")
    told = {
        name: value
        for name, value in _merged(record, model_args).items()
        if name not in ("batch", "probe") and not _absent_key(name, value)
    }
    _refuse_struck(told)
    misfit = _misfit(record, told)
    if misfit is not None and _misfit(record, _kept(record)) is None:
        raise UsageError(misfit)
    if misfit is not None:
        yield Change("the server's answer", "answered", f"not asked: {misfit}", _at(served))
        return
    adapter = ResWrap(**simple_parse_args_string(",".join(f"{n}={v}" for n, v in told.items())))
    for cell in served:
        yield from _answered(cell, adapter)


def _answered(cell: Cell, adapter: ResWrap) -> Iterator[Change]:
    size, then = _one_size(cell), cell.serving
    assert then is not None
    served = _served_now(adapter, size or Size(224, 224))
    touched = (cell.resolution,)
    if isinstance(served, Failure):
        yield Change("the server's answer", "answered", f"{served.kind}: {served.message}", touched)
        return
    for what, before, now in (
        ("model that answers", then.models, served.model),
        ("fingerprint of the server", then.fingerprints, served.fingerprint),
        ("where tokens are counted", then.counted_by, served.counted_by),
    ):
        if (before or now is not None) and now not in before:
            yield Change(what, ", ".join(before) or "not told", now or "not told", touched)
    counted, today = then.counted_tokens, served.counted_tokens
    if size is None or counted is None or today is None:
        return
    if not counted.least <= today <= counted.most:
        yield Change(f"tokens counted of {size} px", str(counted.most), str(today), touched)


def _served_now(adapter: ResWrap, size: Size) -> ServerFacts | Failure:
    """What the server says now of a grey image of `size`.

    Raises:
        UsageError: the base asks no server.
    """
    from PIL import Image

    from resolution_eval.models.wrapped.base_answers import served_answers
    from resolution_eval.models.wrapped.base_questions import BaseQuestion, ask
    from resolution_eval.models.wrapped.probing import GENERATION

    if adapter.meter is None:
        raise UsageError(f"{adapter.plan.title} runs here: there is no server to ask")
    image = Image.new("RGB", (size.width, size.height), adapter.mean_colour)
    questions = [BaseQuestion("Which?", image, GENERATION)]
    asked = ask(adapter.base, adapter.sight, questions, adapter.channel)
    (answer,) = served_answers(adapter.plan, adapter.meter, asked, questions)
    if isinstance(answer, Failure):
        return answer
    assert answer.served is not None
    return answer.served


def _one_size(cell: Cell) -> Size | None:
    """Size of the cell's images, where all are of one."""
    sizes = {(grid.expected_width, grid.expected_height) for grid in cell.grids}
    ((width, height), *others) = sizes or {(None, None)}
    if others or cell.other_grids or width is None or height is None:
        return None
    return Size(width, height)


def _rule(cell: Cell) -> str:
    assert cell.serving is not None
    return cell.serving.rules[0] if cell.serving.rules else "unknown"


def told(changes: Sequence[Change]) -> str:
    """The changes in lines."""
    if not changes:
        return "nothing that we watch changed since the record was made"
    return "\n".join(
        f"{change.what}: {change.before} then, {change.now} now; touches {', '.join(change.cells)}"
        for change in changes
    )
