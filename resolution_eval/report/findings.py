"""What a sweep says, in sentences: made from its figures, with no judgement beyond them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from resolution_eval.analysis import CurveFigures, Sweep
from resolution_eval.analysis.headline import headline
from resolution_eval.evidence.ladder import STEPS
from resolution_eval.ground.tables import shorten
from resolution_eval.report.content import Curves, points_of
from resolution_eval.report.entries import interval_text
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval
from resolution_eval.statistics.margin import Unshown

MOST = 12
"""Checkpoints that are put in words; the tables have all."""
SIGNIFICANT = 0.05
LONGEST = 1000
"""Characters of one sentence: it may name what a stranger's file says."""


@dataclass(frozen=True)
class Finding:
    """What one sweep says."""

    name: str
    sentences: tuple[str, ...]


def findings(curves: Curves) -> tuple[Finding, ...]:
    """What each of the first curves says."""
    return tuple(
        Finding(shorten(curve.name), tuple(shorten(said, LONGEST) for said in _sentences(curve)))
        for curve in curves[:MOST]
    )


def _sentences(curve: CurveFigures) -> Iterator[str]:
    if curve.withheld is not None:
        yield f"No figure of the whole curve: {curve.withheld}."
        return
    said = headline(curve)
    yield str(said)
    if said.readable:
        yield _ends(curve.sweep)
    yield from _step(curve.sweep)
    yield from _floor(curve)
    yield from _looking(curve)
    yield from _noise(curve)
    yield from _enough(curve)
    yield from _classes(curve)


def _step(sweep: Sweep) -> Iterator[str]:
    """What is known of the resolutions, where the encoder was not seen."""
    if sweep.step not in (None, "attested"):
        yield f"Its resolutions are {sweep.step}, not attested: {STEPS[sweep.step]}."


def _ends(sweep: Sweep) -> str:
    """Best and worst, of equals the lowest resolution, and where training stands among them."""
    scored = [(cell.accuracy, cell.resolution) for cell in sweep.cells if cell.accuracy is not None]
    (best, top), (worst, bottom) = (pick(scored, key=itemgetter(0)) for pick in (max, min))
    at = [sweep.cells[index] for index in sorted(sweep.trained)]
    trained = " and ".join(f"{cell.accuracy:.3f} at {cell.resolution}" for cell in at)
    where = (
        f"{trained}, where it was trained"
        if at
        else f"the training resolution ({sweep.record.checkpoint.training}) is not in this sweep"
    )
    return f"Best at {top} ({best:.3f}), worst at {bottom} ({worst:.3f}); {where}."


def _floor(curve: CurveFigures) -> Iterator[str]:
    """What of the way from the floor to 1 is reached, or that the floor is not left."""
    gain = curve.figures["gain"]
    if not isinstance(gain, Interval):
        return
    if gain.low > 0:
        yield (
            f"Over all resolutions it gets {gain.estimate:.3f} {interval_text(gain)} of the way "
            f"from its floor, {curve.floor}, to 1."
        )
    else:
        yield f"Over the curve it is not shown to be above its floor {curve.floor}."


def _looking(curve: CurveFigures) -> Iterator[str]:
    """Where the score lies on that without the image: no sign there that the model looks."""
    by_place: dict[str, list[str]] = {"above": [], "on": [], "below": []}
    for each in curve.cells:
        if each.look is not None:
            by_place[each.look.place].append(each.cell.resolution)
    if by_place["on"]:
        every = len(by_place["on"]) == len(curve.cells)
        where = "every resolution" if every else ", ".join(by_place["on"])
        flat = " A flat curve there is not robustness." if every else ""
        yield (
            f"Does not look at {where}, as far as these samples tell: its score is not shown to "
            f"differ from that without the image.{flat}"
        )
    if by_place["below"]:
        yield f"Below its own score without the image at {', '.join(by_place['below'])}."
    if len(by_place["above"]) == len(curve.cells):
        yield "Above its own score without the image at every resolution."


def _noise(curve: CurveFigures) -> Iterator[str]:
    floor = curve.noise.get("ace")
    if floor is not None and floor.p > SIGNIFICANT:
        yield (
            f"Its steps (ACE {floor.raw:.3f}) are not shown to be more than sampling noise, which "
            f"alone gives {floor.floor:.3f} (p = {floor.p:.2f})."
        )


def _enough(curve: CurveFigures) -> Iterator[str]:
    """How much resolution is enough: only what the samples show."""
    knee, choice, margin = curve.knee, curve.choice, points_of(curve)
    if not isinstance(knee, Withheld) and knee.reached:
        interval = knee.resolution
        yield (
            f"More resolution stops paying near {interval.estimate:.0f} px "
            f"(95 % interval {interval.low:.0f} to {interval.high:.0f})."
        )
    if curve.robust:
        yield f"Robust: every resolution is shown to be within {margin} points of the best."
    if isinstance(choice, Unshown):
        yield f"No resolution is shown to lose no more than {margin} points: {choice.reason}."
    elif isinstance(choice, Withheld):
        yield f"No resolution is recommended: {choice.reason}."
    else:
        yield (
            f"{curve.chosen} is the smallest resolution shown to lose no more than {margin} points "
            "against the best."
        )


def _classes(curve: CurveFigures) -> Iterator[str]:
    if not curve.classes:
        return
    first, sweep = curve.classes[0], curve.sweep
    if isinstance(first.loss, Interval) and first.loss.low > 0:
        lost = f"{first.loss.estimate:.3f} {interval_text(first.loss)}"
        far = sweep.resolutions[sweep.far_end]
        start = "training" if sweep.reference is not None else sweep.resolutions[-1]
        yield (
            f"The class that loses most from {start} to {far} is “{shorten(first.target)}”: "
            f"{lost} of sensitivity."
        )
