"""Boards of any size, made up: no model answered any of this, and none is ever published.

Every row carries the label `generated`, and the pages say so too. The rows repeat one small record
whose answers are made up likewise; accuracies, intervals and ranks follow from random numbers.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import date
from pathlib import Path

from resolution_eval.board import Board, BoardRow, Curve, Estimate, Facts, Point
from resolution_eval.board.rows import ranked
from resolution_eval.board.schema import BlindPoint
from resolution_eval.records import Answers, Record

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
    return Board(
        rows=ranked(_row(number, datasets, record, chance) for number in range(models)),
        published=(),
        refused=(),
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
    areas = [curve.area for curve in curves if curve.area is not None]
    value = sum(area.value for area in areas) / len(areas)
    half = 0.025 / math.sqrt(len(areas) / 5)
    return BoardRow(
        key=f"generated__model-{number:03}",
        facts=facts,
        status=("claimed", "re-scored", "re-run", "verified")[number % 4],
        scheme="match" if number % 5 else "restore",
        filter="bicubic",
        mode="generate",
        variant=None,
        curves=curves,
        score=Estimate(value, value - half, value + half),
        scored_on=tuple(curve.dataset for curve in curves),
        rank=None,
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
        chance=0.125,
        contaminated="trained on this data set" if chance.random() < 0.03 else None,
        points=points,
        area=Estimate(area, area - 0.03, area + 0.03),
        worst_drop=Estimate(max(values) - min(values), 0.0, 0.5) if reference else None,
        retention=Estimate(min(values) / max(values), 0.3, 1.0) if reference else None,
        withheld=None,
        n=SAMPLES,
        clusters=SAMPLES,
        hardware="none",
        peak_memory=int(chance.uniform(2, 60) * 2**30),
        throughput=chance.uniform(1, 60),
        versions=(("resolution-eval", "generated"),),
        date="20260102_030405",
        record_path=Path("generated/0/generated.record.json"),
        record_sha256="0" * 64,
        record=record,
    )


def _accuracy(
    place: int, strategy: str, skill: float, dataset: int, chance: random.Random
) -> float:
    peak = {"none": 3, "low": 1, "native": 5, "mixed": 4}[strategy]
    logit = skill + 0.15 * (dataset % 7) + 0.9 - 0.45 * abs(place - peak) + chance.gauss(0, 0.15)
    return 0.125 + 0.875 / (1 + math.exp(-logit))


def _point(place: int, accuracy: float) -> Point:
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / SAMPLES)
    edge = EDGES[place]
    return Point(
        resolution=RESOLUTIONS[place],
        edge=edge,
        status="complete",
        accuracy=Estimate(accuracy, accuracy - half, accuracy + half),
        balanced_accuracy=accuracy,
        f1=None,
        n=SAMPLES,
        scored=SAMPLES,
        correct=round(accuracy * SAMPLES),
        failed=0,
        missing=0,
        unparseable=0,
        mismatched=0,
        unattested=0,
        capped=0,
        grid=(edge, edge),
        expected_grid=(edge, edge),
        grids=1,
        tokens=(edge / 14) ** 2,
        throughput=400 / edge,
        evidence=("made up",),
        blind=BlindPoint("no image", SAMPLES, 0.2),
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
