"""A curve in short: its sentence, a row for each resolution, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resolution_eval.analysis.curve import CellFigures, CurveFigures
from resolution_eval.analysis.headline import Headline, headline
from resolution_eval.ground.tables import Column, Entry, Table, as_text, entry, shorten
from resolution_eval.report.content import known_of_grid
from resolution_eval.report.cost_tables import tokens_text
from resolution_eval.report.entries import figure_entry, notes_of
from resolution_eval.report.task_tables import LEFT_OUT
from resolution_eval.statistics.intervals import Interval

WIDEST = 60
"""Characters of a checkpoint's name."""


def compact(curve: CurveFigures) -> str:
    """What the curve says, then the table that it says it of."""
    return f"{said(curve, headline(curve))}\n\n{as_text([compact_table(curve)])}"


def said(curve: CurveFigures, conclusion: Headline) -> str:
    """The sentence, the notes beside it under it."""
    name = shorten(curve.name, WIDEST)
    notes = "".join(f"\n  {shorten(note, 600)}" for note in conclusion.notes)
    return f"{name}: {shorten(conclusion.sentence, 600)}{notes}"


def said_table(curves: Sequence[CurveFigures]) -> Table:
    """What every curve says, a row each."""
    return Table(
        name="said",
        caption="What it says",
        columns=(Column("checkpoint"), Column("sentence")),
        rows=tuple(
            (entry(curve.name), Entry(shorten(str(headline(curve)), 600))) for curve in curves
        ),
    )


def compact_table(curve: CurveFigures) -> Table:
    """A row for each resolution, in order: it fits a terminal of 80 columns."""
    unseen = any(each.look for each in curve.cells)
    record = curve.sweep.record
    limit = record.environment.limit
    limited = "" if limit is None else f" The run was limited to {_limit(limit)}."
    return Table(
        name=f"{record.task}-compact",
        caption=f"{shorten(curve.name, WIDEST)}: accuracy by inference resolution",
        subject=shorten(record.dataset.title or record.task, WIDEST),
        columns=(
            Column("r", True),
            Column("accuracy", True),
            *([Column("without image", True)] if unseen else []),
            Column("tokens", True),
            Column("n", True),
            Column("status"),
        ),
        rows=tuple(_row(curve, each, unseen) for each in curve.cells),
        remark=f"95 % intervals in brackets; floor {curve.floor}; trained at "
        f"{record.checkpoint.training} (r*).{LEFT_OUT if curve.left_out else ''}{limited}",
    )


def _limit(limit: float) -> str:
    """`--limit` in words: documents are samples times resolutions.

    Example:
        >>> _limit(40.0), _limit(0.25)
        ('40 documents (samples times resolutions)', '25 % of the documents')
    """
    if limit < 1:
        return f"{100 * limit:g} % of the documents"
    return f"{limit:.0f} documents (samples times resolutions)"


def _row(curve: CurveFigures, each: CellFigures, unseen: bool) -> tuple[Entry, ...]:
    trained, left_out = notes_of(each)
    look = [entry(None if each.look is None else each.look.accuracy, digits=3)]
    return (
        entry(each.cell.resolution, note=trained),
        figure_entry(each.accuracy, note=left_out),
        *(look if unseen else []),
        entry(tokens_text(each.cell)),
        entry(each.cell.scored),
        Entry(known_of_grid(curve, each.cell)),
    )


def next_step(curve: CurveFigures, conclusion: Headline, results: str) -> str:
    """What to do next, in one sentence; `results` is the folder of the results."""
    return f"Next: {next(_steps(curve, conclusion, results))}"


def _steps(curve: CurveFigures, conclusion: Headline, results: str) -> Iterator[str]:
    run = curve.sweep.record.environment
    model = f"--model {run.model} --model_args {run.model_args}"
    if conclusion.kind == "unreadable":
        yield (
            "look at the whole answers in the page below; where they are cut, raise "
            "max_new_tokens, and where they are noise, check weights and chat template "
            f"(resolution-eval doctor {model})"
        )
    if conclusion.kind in ("flat", "mismatched", "unseen"):
        yield f"see what each size becomes: resolution-eval doctor {model}"
    if conclusion.kind in ("chance", "blind"):
        served = any(cell.serving is not None for cell in curve.sweep.cells)
        other = "another model" if served else "the checkpoint that it was trained from"
        yield f"score {other} on the same images, and compare"
    if conclusion.kind in ("unscored", "withheld"):
        yield "mend what the first failure says, and run the same command again"
    if curve.looks is None and conclusion.readable:
        yield "run the control without the image: the same command with blind=true in --model_args"
    if conclusion.kind == "uncertain" and isinstance(curve.figures.get("area"), Interval):
        yield "score more samples, or take the best and say how many stand behind it"
    yield f"open {results}/index.html, or resolution-eval report {results}"
