"""Boards of any size, made up: no model answered any of this, and none is ever published.

Every row carries the label `generated`, and the pages say so too. The rows repeat one small record
whose answers are made up likewise; accuracies, intervals and ranks follow from random numbers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from resolution_eval.board.board_schema import BoardRow, Budget, Curve, Estimate, Point
from resolution_eval.board.rows import Board
from resolution_eval.board.scopes import Kind, RankLine, Scope, slug
from resolution_eval.board.submission import Facts
from resolution_eval.records import Answers, Cell, Record
from resolution_eval.records.schema import BlindControl

SAYS = "Random numbers, made by benchmarks/site.py to measure the pages. No model was run."
RESOLUTIONS = ("28", "56", "112", "224", "448", "native")
EDGES = (28, 56, 112, 224, 448, 720)
MODALITIES = ("histopathology", "radiography", "dermatoscopy", "fundus", "cytology")
STRATEGIES = (
    ("none", "unknown"),
    ("low", "fixed:56"),
    ("native", "native"),
    ("mixed", "mixed:[56,native]"),
)
SIZES = (5e8, 2e9, 4e9, 7e9, 13e9, 34e9, 72e9, 235e9)
SAMPLES = 400


def generated_board(record: Record, *, models: int = 300, datasets: int = 20) -> Board:
    """A board of `models` rows on `datasets` data sets at six resolutions; the same every time."""
    chance = random.Random(0)
    rows = tuple(_row(number, datasets, record, chance) for number in range(models))
    return Board(rows=rows, scopes=tuple(_scopes(rows)), published=(), refused=())


def _scopes(rows: Sequence[BoardRow]) -> Iterator[Scope]:
    """Per scheme the lists over all data sets, one modality, and one data set."""
    for scheme in ("match", "restore"):
        mine = [row for row in rows if row.scheme == scheme]
        if not mine:
            continue
        every = range(len(mine[0].curves))
        yield _scope("mean-all", "mean", f"{len(every)} data sets", mine, every)
        for modality in sorted({mine[0].curves[i].modality for i in every}):
            some = [i for i in every if mine[0].curves[i].modality == modality]
            yield _scope(f"modality-{slug(modality)}", "modality", modality, mine, some)
        for i in every:
            curve = mine[0].curves[i]
            yield _scope(f"dataset-{curve.dataset}", "dataset", curve.title, mine, [i])


def _scope(
    key: str, kind: Kind, label: str, rows: Sequence[BoardRow], which: Sequence[int]
) -> Scope:
    scheme = rows[0].scheme
    ordered = sorted(rows, key=lambda row: -_mean(row, which).value)
    return Scope(
        key=key if scheme == "match" else f"{key}-{scheme}",
        kind=kind,
        label=label,
        step="attested",
        scheme=scheme,
        datasets=tuple(rows[0].curves[i].dataset for i in which),
        lines=tuple(_line(row, which, place, len(rows)) for place, row in enumerate(ordered, 1)),
    )


def _mean(row: BoardRow, which: Sequence[int]) -> Estimate:
    values = [row.curves[i].score.value for i in which if row.curves[i].score]
    value, half = sum(values) / len(values), 0.06 / math.sqrt(len(values))
    return Estimate(value, value - half, value + half)


def _line(row: BoardRow, which: Sequence[int], place: int, among: int) -> RankLine:
    curves = [row.curves[i] for i in which]
    return RankLine(
        rows=(row,),
        curves=tuple((curve,) for curve in curves),
        place=place,
        rank=(max(1, place - among // 10), min(among, place + among // 10)),
        why=None,
        score=_mean(row, which),
        area=curves[0].area,
        drop=curves[0].best_drop,
        budgets=curves[0].budgets if len(curves) == 1 else (),
        accuracies=tuple(p.accuracy for p in curves[0].points) if len(curves) == 1 else (),
    )


def _row(number: int, datasets: int, record: Record, chance: random.Random) -> BoardRow:
    strategy, training = STRATEGIES[number % len(STRATEGIES)]
    skill = chance.gauss(0, 0.5)
    model = f"generated/model-{number:03}"
    facts = Facts(
        model=model,
        revision=f"{number:040x}",
        title=f"Generated model {number}",
        parameters=int(SIZES[number % len(SIZES)]),
        strategy=strategy,
        training=training,
        training_evidence="made up",
        base=None if number % 3 else "generated/base",
        trained_on=(),
        labels=("generated",),
        licence="none",
        submitter="nobody",
        submitted=date(2026, 1, 2),
        pretrained=model,
    )
    curves = tuple(_curve(i, strategy, training, skill, record, chance) for i in range(datasets))
    return BoardRow(
        key=f"generated__model-{number:03}",
        facts=facts,
        status=("claimed", "re-scored", "re-run", "verified")[number % 4],
        scheme="match" if number % 5 else "restore",
        filter="bicubic",
        mode="generate",
        variant=None,
        curves=curves,
    )


def _curve(
    number: int,
    strategy: str,
    training: str,
    skill: float,
    record: Record,
    chance: random.Random,
) -> Curve:
    reference = {"none": None, "low": "56", "native": "native", "mixed": "native"}[strategy]
    points = tuple(
        _point(i, _accuracy(i, strategy, skill, number, chance)) for i in range(len(RESOLUTIONS))
    )
    values = [point.accuracy.value for point in points if point.accuracy]
    area = sum(values) / len(values)
    return Curve(
        dataset=f"generated_{number:02}",
        title=f"Generated data set {number}",
        modality=MODALITIES[number % len(MODALITIES)],
        licence="none",
        citation="none",
        task=f"generated_{number:02}_res",
        form="closed",
        answer_mode="generate",
        training=training,
        reference=reference,
        trained=(reference,) if reference else (),
        chance=0.125,
        floor="0.125 (chance)",
        contaminated="trained on this data set" if chance.random() < 0.03 else None,
        points=points,
        score=Estimate((area - 0.125) / 0.875, (area - 0.16) / 0.875, (area - 0.09) / 0.875),
        area=Estimate(area, area - 0.03, area + 0.03),
        worst_drop=Estimate(max(values) - min(values), 0.0, 0.5) if reference else None,
        best_drop=Estimate(max(values) - min(values), 0.0, 0.5),
        choice=RESOLUTIONS[2],
        choice_why="made up",
        robust=False,
        looks=True,
        budgets=tuple(_budget(most, points) for most in (64, 256, 1024)),
        failed=0,
        retention=Estimate(min(values) / max(values), 0.3, 1.0) if reference else None,
        withheld=None,
        n=SAMPLES,
        clusters=SAMPLES,
        run=record.environment.model_copy(
            update={
                "hardware": None,
                "peak_memory": int(chance.uniform(2, 60) * 2**30),
                "samples_per_second": chance.uniform(1, 60),
                "versions": {"resolution-eval": "generated"},
                "date": "20260102_030405",
            }
        ),
        record_path=Path("generated/0/generated.record.json"),
        record_sha256="0" * 64,
        record=record,
        figures=None,
    )


def _accuracy(
    place: int, strategy: str, skill: float, dataset: int, chance: random.Random
) -> float:
    peak = {"none": 3, "low": 1, "native": 5, "mixed": 4}[strategy]
    logit = skill + 0.15 * (dataset % 7) + 0.9 - 0.45 * abs(place - peak) + chance.gauss(0, 0.15)
    return 0.125 + 0.875 / (1 + math.exp(-logit))


def _budget(most: int, points: Sequence[Point]) -> Budget:
    within = [point for point in points if point.tokens and point.tokens <= most]
    last = within[-1]
    assert last.tokens is not None and last.accuracy is not None
    return Budget(most, last.tokens, last.resolution, last.accuracy)


def _point(place: int, accuracy: float) -> Point:
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / SAMPLES)
    edge = EDGES[place]
    tokens = (edge / 14) ** 2
    cell = Cell.model_validate(
        {
            **dict.fromkeys(("failed", "missing", "unparseable", "mismatched", "unattested"), 0),
            **dict.fromkeys(("f1", "generated_tokens", "source_edge"), None),
            "resolution": RESOLUTIONS[place],
            "scheme": "match",
            "filter": "bicubic",
            "answer_mode": "generate",
            "status": "complete",
            "n": SAMPLES,
            "correct": round(accuracy * SAMPLES),
            "capped": 0,
            "accuracy": accuracy,
            "balanced_accuracy": accuracy,
            "grids": [
                {
                    **dict.fromkeys(("expected_height", "expected_width", "height", "width"), edge),
                    "samples": SAMPLES,
                }
            ],
            "other_grids": 0,
            "visual_tokens": {"least": int(tokens), "mean": tokens, "most": math.ceil(tokens)},
            "cost": {
                "timed": SAMPLES,
                "seconds": SAMPLES * edge / 400,
                "samples_per_second": 400 / edge,
                "peak_memory": None,
            },
            "evidence": ["made up"],
        }
    )
    return Point(
        cell=cell,
        edge=edge,
        accuracy=Estimate(accuracy, accuracy - half, accuracy + half),
        blind=BlindControl.model_validate(
            {
                "resolution": cell.resolution,
                "scheme": "match",
                "filter": "bicubic",
                "answer_mode": "generate",
                "kind": "no image",
                "n": SAMPLES,
                "failed": 0,
                "correct": SAMPLES // 5,
                "accuracy": 0.2,
                "results_sha256": "0" * 64,
            }
        ),
        claimed=None,
        repeat=None,
    )


def answerless(record: Record) -> Record:
    """The record without its answers: thousands of rows of one board share it."""
    return record.model_copy(update={"answers": Answers(record.answers.table.slice(0, 0))})


def relabelled(board: Board, record: Record) -> Board:
    """The board whose first row has the answers of `record`, for pages that show them."""
    first, *rest = board.rows
    curves = tuple(replace(curve, record=record) for curve in first.curves)
    return replace(board, rows=(replace(first, curves=curves), *rest))
