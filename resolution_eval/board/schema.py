"""What the board shows: rows of curves of points, each figure with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resolution_eval.board.submission import Facts
from resolution_eval.records import Record

Status = Literal["claimed", "re-scored", "re-run", "verified"]

STATUSES: dict[Status, str] = {
    "claimed": "stated by the submitter; no answers to check it with",
    "re-scored": "computed here from the answers of every sample",
    "re-run": "some samples of every cell repeated by the maintainers, with the same verdicts",
    "verified": "every sample of every cell repeated by the maintainers, with the same verdicts",
}
"""The ladder, lowest first, and what each status means."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; accuracies are fractions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BlindPoint:
    """The same model, samples and resolution without the image."""

    kind: str
    """`no image` or `mean image`."""
    n: int
    accuracy: float


@dataclass(frozen=True)
class Repeat:
    """A cell's samples that the maintainers repeated."""

    n: int
    agreeing: int
    """Repeated samples whose verdict is that of the record."""
    accuracy: float
    """Of the repeated samples, as measured by the maintainers."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One cell of a curve."""

    resolution: str
    """Edge in pixels of the square budget, or `native`."""
    edge: int
    """Edge in pixels at which it is drawn; native is the sources' mean."""
    status: str
    """The cell's: complete, incomplete, mismatched or unattested."""
    accuracy: Estimate | None
    balanced_accuracy: float | None
    f1: float | None
    n: int
    scored: int
    correct: int
    failed: int
    missing: int
    unparseable: int
    mismatched: int
    unattested: int
    capped: int
    grid: tuple[int, int] | None
    """Height and width in pixels of the most frequent grid that entered the encoder."""
    expected_grid: tuple[int, int] | None
    grids: int
    """How many different grids; at most eight are told apart."""
    tokens: float | None
    """Mean visual tokens per sample."""
    throughput: float | None
    """Samples per second of this cell, where the run measured it."""
    evidence: tuple[str, ...]
    """Where grids and tokens were read."""
    blind: BlindPoint | None
    claimed: float | None
    repeat: Repeat | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One checkpoint on one data set in one setting, over resolutions."""

    dataset: str
    """Name of the data set's card; the next four are the card's too."""
    title: str
    modality: str
    licence: str
    citation: str
    task: str
    form: Literal["closed", "open"]
    """Open answers are shown and not ranked."""
    answer_mode: str
    training: str
    """Training resolution as the record declares it."""
    reference: str | None
    """Resolution of the points that is the training resolution's; null where none is."""
    chance: float | None
    contaminated: str | None
    """Why the cells are marked: the data set that was trained on; null where it was not."""
    points: tuple[Point, ...]
    area: Estimate | None
    """Mean accuracy over the card's resolutions, trapezoid in log2: the figure that ranks."""
    worst_drop: Estimate | None
    retention: Estimate | None
    """At the end that is farther from training."""
    withheld: str | None
    """Why figures over the whole curve are missing; null where none is."""
    n: int
    clusters: int
    hardware: str | None
    peak_memory: int | None
    """Bytes, of the whole run."""
    throughput: float | None
    """Samples per second of the whole run."""
    versions: tuple[tuple[str, str], ...]
    date: str
    """Of the run, as lmms-eval writes it."""
    record_path: Path
    record_sha256: str
    record: Record
    """With every answer, to be shown sample by sample."""


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One checkpoint in one setting: a line of the board."""

    key: str
    """Unique and stable, of letters, digits, `.`, `_` and `-`: for links and file names."""
    facts: Facts
    status: Status
    scheme: str
    filter: str
    mode: str
    """How closed questions were answered: rank, generate, or open where there is none."""
    variant: str | None
    """What tells this row from its checkpoint's other rows; null where it is the only one."""
    curves: tuple[Curve, ...]
    score: Estimate | None
    """Mean of the closed curves' areas: data sets weigh the same in a modality, then modalities."""
    scored_on: tuple[str, ...]
    """Data sets that the score is over; rows compare only where these are the same."""
    rank: int | None
    """One plus the number of rows on the same data sets whose interval lies wholly above."""


@dataclass(frozen=True)
class Refused:
    """A submission that the board does not show, and why."""

    folder: str
    reason: str
