"""Gaps of the matrix of training strategies and inference resolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

from resolution_eval.ground.errors import RecordError

TRAIN = ("none", "low", "native", "mixed")
INFER = ("low", "native", "mixed")
IMAGE_DATASETS = ("Subcellular", "Compound", "Cervical", "WSI")
"""The four data sets of arXiv:2510.18304's claims; its other three are questions."""

Matrix = Mapping[tuple[str, str], float]
"""Accuracy in percent by (train, infer)."""


@dataclass(frozen=True)
class Gaps:
    """What the paper reads off a matrix; percentage points, but for the retention, a ratio.

    Source: arXiv:2510.18304; the mixed low gap is ours.
    """

    alignment_gain: float
    """native->native minus low->low."""
    native_trained_mismatch: float
    """native->low minus native->native."""
    low_trained_mismatch: float
    """low->native minus low->low."""
    mixed_retention: float
    """mixed->native divided by native->native."""
    mixed_low_gap: float
    """mixed->low minus low->low."""
    mixed_native_loss: float
    """mixed->native minus native->native: the difference whose ratio is the retention."""


DIFFERENCES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "alignment_gain": (("native", "native"), ("low", "low")),
    "native_trained_mismatch": (("native", "low"), ("native", "native")),
    "low_trained_mismatch": (("low", "native"), ("low", "low")),
    "mixed_low_gap": (("mixed", "low"), ("low", "low")),
    "mixed_native_loss": (("mixed", "native"), ("native", "native")),
}
"""Which (train, infer) cell less which other each gap is: also for intervals on paired answers."""
RATIO = (("mixed", "native"), ("native", "native"))
"""The two cells of `mixed_retention`."""


def gaps(matrix: Matrix) -> Gaps:
    """The gaps of one model on one data set.

    Differences are taken in decimal, as printed: 64.35 - 91.8 is -27.45, not -27.450000000000003,
    which would round to another digit than the paper's -27.4.

    Raises:
        RecordError: a cell that a gap needs is absent, or native->native is 0.

    Example:
        >>> cells = {("low", "low"): 91.8, ("low", "native"): 64.35, ("native", "low"): 48.5}
        >>> cells |= {("native", "native"): 97.2, ("mixed", "low"): 78.55}
        >>> cells |= {("mixed", "native"): 95.2}
        >>> found = gaps(cells)
        >>> found.alignment_gain, found.low_trained_mismatch, round(found.mixed_retention, 4)
        (5.4, -27.45, 0.9794)
    """
    pairs = [*DIFFERENCES.values(), RATIO]
    if absent := sorted({cell for pair in pairs for cell in pair} - matrix.keys()):
        wanted = ", ".join(f"{train}->{infer}" for train, infer in absent)
        raise RecordError(f"cells (train->infer) are missing: {wanted}; the gaps need them")
    exact = {cell: Decimal(str(value)) for cell, value in matrix.items()}
    if exact[RATIO[1]] == 0:
        raise RecordError("native->native is 0 %: nothing can be retained of it")
    differences = {name: float(exact[a] - exact[b]) for name, (a, b) in DIFFERENCES.items()}
    return Gaps(**differences, mixed_retention=float(exact[RATIO[0]] / exact[RATIO[1]]))


def mean_gaps(several: Sequence[Gaps]) -> Gaps:
    """Mean of every gap over data sets, each with equal weight.

    Raises:
        RecordError: there are none.

    Example:
        >>> one, two = Gaps(1, -2, -3, 0.9, -4, -1.0), Gaps(2, -2, -5, 0.8, -4, -2.0)
        >>> mean_gaps([one, two]).mixed_native_loss
        -1.5
    """
    if not several:
        raise RecordError("a mean over data sets needs at least one data set")
    columns = {f.name: [Decimal(str(getattr(g, f.name))) for g in several] for f in fields(Gaps)}
    return Gaps(**{name: float(sum(column) / len(column)) for name, column in columns.items()})
