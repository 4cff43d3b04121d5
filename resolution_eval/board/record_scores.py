"""Scores: the curves of a record as the analysis has them, over the card's resolutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from resolution_eval.analysis import CurveFigures, figures
from resolution_eval.analysis.curve import CellFigures
from resolution_eval.analysis.headline import headline
from resolution_eval.analysis.probes import probed
from resolution_eval.analysis.sizes import sizes
from resolution_eval.analysis.sweeps import Setting, Sweep, sweep_of
from resolution_eval.board.board_schema import Budget, Curve, Estimate, Point, fields
from resolution_eval.board.rerun import CellRepeat, Key
from resolution_eval.board.submission import Claim, Facts
from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.ground.files import file_digest
from resolution_eval.records import Cell, Record
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval

BUDGETS = (64, 256, 1024)
"""Visual tokens per image at which accuracies stand beside the score."""


@dataclass(frozen=True, eq=False)
class ScoreEntry:
    """A record with what lies beside it."""

    record: Record
    path: Path
    facts: Facts
    blind: Sequence[Record]
    """The submission's blind runs."""
    trained: Mapping[str, str]
    """Data set to the model that was trained on it: this one, its base, and so on back."""
    repeats: Mapping[Key, CellRepeat]
    """By (task, scheme, filter, answer mode, resolution)."""


def curves(entry: ScoreEntry) -> dict[Setting, Curve]:
    """The record's curves by setting. Where options are ranked, the few closed questions without
    options are answered by generation: they are in the record, and in no curve.
    """
    settings = {cell.key.setting for cell in entry.record.cells}
    return {
        setting: _curve(entry, setting)
        for setting in sorted(settings)
        if not _without_options(setting, settings)
    }


def _without_options(setting: Setting, settings: Set[Setting]) -> bool:
    scheme, filter, mode = setting
    return mode == "generate" and (scheme, filter, "rank") in settings


def _curve(entry: ScoreEntry, setting: Setting) -> Curve:
    # what a record says of its data (the modality weighs) is not taken; the checks know the card
    record, card = entry.record, task_cards()[entry.record.dataset.name]
    shown = figures(_on_card(record, entry.blind, setting, card))
    lacking, at = missing(shown.sweep, card), shown.sweep.reference
    withheld = shown.withheld or lacking
    scored = None if withheld else _at_worst(entry, setting, card, shown)
    if scored is not None and isinstance(scored.figures["gain"], Withheld):
        withheld, scored = scored.figures["gain"].reason, None
    return Curve(
        dataset=card.name,
        **fields(card, "title", "modality", "licence", "citation"),
        task=record.task,
        form="open" if setting[2] == "open" else "closed",
        answer_mode=setting[2],
        training=record.checkpoint.training,
        reference=None if at is None else shown.sweep.resolutions[at],
        trained=tuple(each.cell.resolution for each in shown.cells if each.trained),
        chance=shown.sweep.chance,
        floor=str(shown.floor),
        contaminated=contaminated(record.dataset.name, entry),
        points=tuple(_points(shown, entry)),
        withheld=withheld,
        failed=max(each.left_out for each in shown.cells),
        **_whole(shown, scored),
        n=max(cell.n for cell in shown.sweep.cells),
        clusters=len(set(shown.sweep.scores.clusters)),
        run=record.environment,
        record_path=entry.path,
        record_sha256=file_digest(entry.path),
        sizes=sizes(shown.sweep),
        record=record,
        figures=scored,
    )


def _on_card(record: Record, blind: Sequence[Record], setting: Setting, card: TaskCard) -> Sweep:
    """The sweep over the card's resolutions: others can help no row."""
    sweep = sweep_of(record, setting, blind)
    wanted = {str(r) for r in card.resolutions}
    kept = tuple(cell for cell in sweep.cells if cell.resolution in wanted)
    return replace(sweep, cells=kept or sweep.cells)


def missing(sweep: Sweep, card: TaskCard) -> str | None:
    """Which of the card's resolutions the sweep lacks, in words; None where it has them all."""
    wanted = (str(r) for r in card.resolutions)
    lacking = [name for name in wanted if name not in sweep.resolutions]
    return f"the sweep lacks {', '.join(lacking)}" if lacking else None


def _at_worst(
    entry: ScoreEntry, setting: Setting, card: TaskCard, shown: CurveFigures
) -> CurveFigures:
    """The figures with failed samples wrong, and right without the image: failing helps no row."""
    blind = [filled(record, 1) for record in entry.blind]
    if not shown.left_out and all(new is old for new, old in zip(blind, entry.blind, strict=True)):
        return shown
    return figures(_on_card(filled(entry.record, 0), blind, setting, card))


def filled(record: Record, verdict: int) -> Record:
    """The record with `verdict` (1 right, 0 wrong) for every failed sample; itself without one."""
    column = record.answers.table.column("correct")
    if not column.null_count:
        return record
    answers = record.answers.with_correct(pc.fill_null(column, verdict))
    cells = tuple(_filled(cell, verdict) for cell in record.cells)
    return record.model_copy(update={"answers": answers, "cells": cells})


def _filled(cell: Cell, verdict: int) -> Cell:
    correct = cell.correct + verdict * cell.failed
    return cell.model_copy(
        update={"correct": correct, "failed": 0, "accuracy": correct / cell.n if cell.n else None}
    )


def _whole(shown: CurveFigures, scored: CurveFigures | None) -> dict[str, Any]:
    """Figures over the whole curve; none where it is withheld."""
    names = ("area", "worst_drop", "best_drop", "retention")
    if scored is None:
        nothing: dict[str, Any] = dict.fromkeys(("score", *names, "choice"))
        nothing |= {"choice_why": "", "robust": False, "looks": shown.looks, "budgets": ()}
        return nothing | {"said": str(headline(shown))}
    why = f"shown to lose no more than {100 * scored.margin:g} points against the best"
    return {
        "score": estimate(scored.figures["gain"]),
        **{name: estimate(scored.figures[name]) for name in names},
        "choice": scored.chosen,
        "choice_why": scored.choice.reason if isinstance(scored.choice, Withheld) else why,
        "said": str(headline(shown)),
        "robust": scored.robust,
        "looks": scored.looks,
        "budgets": tuple(_budgets(scored.cells)),
    }


def _budgets(cells: Sequence[CellFigures]) -> Iterator[Budget]:
    """Per budget the resolution with the most visual tokens within it, the largest of equals."""
    known = [(each.tokens, each) for each in cells if each.tokens is not None]
    for most in BUDGETS:
        within = [(tokens, i, each) for i, (tokens, each) in enumerate(known) if tokens <= most]
        if within and len(known) == len(cells):
            tokens, _, best = max(within, key=lambda each: each[:2])
            accuracy = estimate(best.accuracy)
            if accuracy is not None:
                yield Budget(most, tokens, best.cell.resolution, accuracy)


def estimate(figure: object) -> Estimate | None:
    """The figure with its interval; None where it is withheld."""
    if not isinstance(figure, Interval):
        return None
    return Estimate(figure.estimate, figure.low, figure.high)


def contaminated(dataset: str, entry: ScoreEntry) -> str | None:
    """Why a data set's cells are marked, or None: the model or its base was trained on it. A
    declared name is that of the data set, or `NAME:SPLIT` of one split of it.
    """
    for name, model in sorted(entry.trained.items()):
        known, _, split = name.partition(":")
        if known == dataset:
            what = f"the {split} split of this data set" if split else "this data set"
            who = "trained" if model == entry.facts.model else f"its base {model} was trained"
            return f"{who} on {what}"
    return None


def _points(shown: CurveFigures, entry: ScoreEntry) -> Iterator[Point]:
    task = entry.record.task
    blind = [one for one in entry.record.controls.blind if one.accuracy is not None]
    for each, edge in zip(shown.cells, shown.sweep.edges, strict=True):
        yield Point(
            cell=each.cell,
            edge=edge,
            accuracy=estimate(each.accuracy),
            blind=next((one for one in blind if one.key == each.cell.key), None),
            claimed=_claimed(entry.facts.claims, task, each.cell),
            repeat=entry.repeats.get((task, *each.cell.key.setting, each.cell.resolution)),
            probed=probed(entry.record, each.cell),
        )


def _claimed(claims: Sequence[Claim], task: str, cell: Cell) -> float | None:
    place = (task, cell.scheme, cell.resolution)
    said = (c.accuracy for c in claims if (c.task, c.scheme, c.resolution) == place)
    return next(said, None)
