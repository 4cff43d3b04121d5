"""What a sweep says, in sentences: made from its figures, with no judgement beyond them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from resolution_eval.report.content import Estimated
from resolution_eval.report.estimates import Estimates
from resolution_eval.report.sweeps import Sweep
from resolution_eval.report.tables import shorten
from resolution_eval.statistics.curves import Withheld

MOST = 12
"""Checkpoints that are put in words; the tables have all."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Finding:
    """What one sweep says."""

    name: str
    sentences: tuple[str, ...]


def findings(estimated: Estimated) -> tuple[Finding, ...]:
    """What each of the first sweeps says."""
    return tuple(
        Finding(shorten(sweep.name), tuple(_sentences(sweep, estimates)))
        for sweep, estimates in estimated[:MOST]
    )


def _sentences(sweep: Sweep, estimates: Estimates) -> Iterator[str]:
    if sweep.flaw is not None:
        yield f"No figure of the whole curve: {sweep.flaw}."
        return
    yield _ends(sweep)
    yield from _looking(sweep, estimates)
    yield from _noise(estimates)
    yield from _enough(sweep, estimates)
    yield from _classes(sweep, estimates)


def _ends(sweep: Sweep) -> str:
    """Best and worst, of equals the lowest resolution, and where training stands among them."""
    scored = [(cell.accuracy, cell.resolution) for cell in sweep.cells if cell.accuracy is not None]
    (best, top), (worst, bottom) = (pick(scored, key=itemgetter(0)) for pick in (max, min))
    training = sweep.record.checkpoint.training
    if sweep.reference is None:
        trained = f"the training resolution ({training}) is not in this sweep"
    else:
        cell = sweep.cells[sweep.reference]
        trained = f"{cell.accuracy:.3f} at {cell.resolution}, where it was trained"
    return f"Best at {top} ({best:.3f}), worst at {bottom} ({worst:.3f}); {trained}."


def _looking(sweep: Sweep, estimates: Estimates) -> Iterator[str]:
    """Where the score lies on that without the image: no sign there that the model looks."""
    found = {
        place: [
            name
            for name, look in zip(sweep.resolutions, estimates.looks, strict=True)
            if look is not None and look.place == place
        ]
        for place in ("above", "on", "below")
    }
    if found["on"]:
        every = len(found["on"]) == len(sweep.cells)
        where = "every resolution" if every else ", ".join(found["on"])
        flat = " A flat curve there is not robustness." if every else ""
        yield (
            f"Does not look at {where}, as far as these samples tell: its interval lies on its "
            f"score without the image.{flat}"
        )
    if found["below"]:
        yield f"Below its own score without the image at {', '.join(found['below'])}."
    if len(found["above"]) == len(sweep.cells):
        yield "Above its own score without the image at every resolution."


def _noise(estimates: Estimates) -> Iterator[str]:
    floor = estimates.floors.get("ace")
    if floor is not None and floor.p > SIGNIFICANT:
        yield (
            f"Its steps (ACE {floor.raw:.3f}) are not shown to be more than sampling noise, which "
            f"alone gives {floor.floor:.3f} (p = {floor.p:.2f})."
        )


def _enough(sweep: Sweep, estimates: Estimates) -> Iterator[str]:
    knee, cheapest = estimates.knee, estimates.cheapest
    if not isinstance(knee, Withheld) and knee.reached:
        found = knee.resolution
        yield (
            f"More resolution stops paying near {found.estimate:.0f} px "
            f"(95 % interval {found.low:.0f} to {found.high:.0f})."
        )
    if not isinstance(cheapest, Withheld) and cheapest != sweep.resolutions[-1]:
        yield f"{cheapest} is the lowest resolution shown to lose at most 2 points."


def _classes(sweep: Sweep, estimates: Estimates) -> Iterator[str]:
    losses = [found for found in estimates.classes if not isinstance(found.loss, Withheld)]
    if losses and not isinstance(losses[0].loss, Withheld) and losses[0].loss.low > 0:
        name, loss = shorten(losses[0].target), losses[0].loss
        lost = f"{loss.estimate:.3f} [{loss.low:.3f}, {loss.high:.3f}]"
        far = sweep.resolutions[sweep.far_end]
        start = "training" if sweep.reference is not None else sweep.resolutions[-1]
        yield f"The class that loses most from {start} to {far} is “{name}”: {lost}."
