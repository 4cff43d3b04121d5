"""What the board shows: rows of curves of points, each figure with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resolution_eval.analysis import CurveFigures
from resolution_eval.analysis.sizes import Sizes
from resolution_eval.board.rerun import CellRepeat
from resolution_eval.board.submission import Facts
from resolution_eval.evidence.ladder import Step, weakest
from resolution_eval.records import Cell, Record
from resolution_eval.records.schema import BlindControl, Environment

Status = Literal["claimed", "re-scored", "re-run", "verified"]

STATUSES: dict[Status, str] = {
    "claimed": "stated by the submitter; no answers to check it with",
    "re-scored": "computed here from the answers of every sample",
    "re-run": "some samples of every cell repeated by the maintainers: consistent with the claim, "
    "within the points that stand beside each cell",
    "verified": "every sample of every cell repeated by the maintainers; where their verdicts are "
    "on file, the score is made from them",
}
"""The ladder, lowest first, and what each status means."""


def fields(of: object, *names: str) -> dict[str, Any]:
    """What `of` holds under `names`."""
    return {name: getattr(of, name) for name in names}


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; accuracies are fractions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """One cell of a curve."""

    cell: Cell
    """As the record has it: what was asked for, received, counted and spent."""
    edge: int
    """Edge in pixels at which it is drawn; native is the sources' mean."""
    accuracy: Estimate | None
    blind: BlindControl | None
    """The same model, samples and resolution without the image."""
    claimed: float | None
    repeat: CellRepeat | None
    """Its samples that the maintainers repeated."""
    probed: str | None = None
    """What a probe found of images of that size, in a word; None where none was made."""

    @property
    def resolution(self) -> str:
        """Edge in pixels of the square budget, or `native`."""
        return self.cell.resolution

    @property
    def grid(self) -> tuple[int, int] | None:
        """Height and width in pixels of the most frequent grid that entered the encoder."""
        return self.cell.grids[0].received if self.cell.grids else None

    @property
    def expected_grid(self) -> tuple[int, int] | None:
        """Height and width in pixels of the grid that was asked for most often."""
        return self.cell.grids[0].asked if self.cell.grids else None

    @property
    def tokens(self) -> float | None:
        """Mean visual tokens per sample; None where nobody counted."""
        return self.cell.image_tokens.mean if self.cell.image_tokens else None

    @property
    def throughput(self) -> float | None:
        """Samples per second of this cell, where the run measured it."""
        return self.cell.cost.samples_per_second if self.cell.cost else None


@dataclass(frozen=True)
class Budget:
    """Accuracy at so many visual tokens, or as many as the data set's resolutions have below."""

    most: int
    """Visual tokens that are allowed."""
    tokens: float
    """Those of the resolution taken."""
    resolution: str
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One checkpoint on one data set in one setting, over the card's resolutions."""

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
    trained: tuple[str, ...]
    """Resolutions of the points that were trained at."""
    chance: float | None
    floor: str
    """What could be scored without looking, and how."""
    contaminated: str | None
    """Why the cells are marked: the data set that was trained on; null where it was not."""
    points: tuple[Point, ...]
    score: Estimate | None
    """Area over log2 r of (A - B) / (1 - B), B the floor, failed samples wrong: what ranks."""
    area: Estimate | None
    """Mean accuracy over the card's resolutions, trapezoid in log2 r."""
    worst_drop: Estimate | None
    """Below the training resolution."""
    best_drop: Estimate | None
    """Below the best resolution."""
    retention: Estimate | None
    """At the end that is farther from training."""
    choice: str | None
    """The smallest resolution shown to lose no more than the margin; null where none is."""
    choice_why: str
    """What is shown, or what these samples cannot tell."""
    said: str
    """What the curve says, in one sentence, and what to know beside it."""
    robust: bool
    """Whether the whole curve is shown to be within the margin."""
    looks: bool | None
    """Whether it is shown to look at the image; null where no blind run says so."""
    budgets: tuple[Budget, ...]
    withheld: str | None
    """Why figures over the whole curve are missing; null where none is."""
    failed: int
    """Most failed samples at a resolution: wrong in the score."""
    n: int
    clusters: int
    run: Environment
    record_path: Path
    record_sha256: str
    sizes: Sizes | None
    """How small a thing is still seen; null where no answer says what had to be seen."""
    record: Record
    """With every answer, to be shown sample by sample."""
    figures: CurveFigures | None
    """What ranks, by sample; null where the score is withheld."""


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """One checkpoint in one setting."""

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

    @property
    def step(self) -> Step:
        """The step of the ladder of tensors, rules and counts that its weakest cell has."""
        cells = (point.cell for curve in self.curves for point in curve.points)
        return weakest(cell.step for cell in cells) or "unattested"

    @property
    def scored_on(self) -> tuple[str, ...]:
        """Data sets that it has a score on; rows compare only where these are the same."""
        return tuple(
            sorted(c.dataset for c in self.curves if c.form == "closed" and c.score is not None)
        )


@dataclass(frozen=True)
class Refusal:
    """A submission that the board does not show, and why."""

    folder: str
    reason: str
