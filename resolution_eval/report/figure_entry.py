"""A figure as an entry of a table: with its interval, or with a mark that it is withheld."""

from __future__ import annotations

from dataclasses import replace

from resolution_eval.analysis.sampling import Figure
from resolution_eval.ground.tables import Entry, entry
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval


def interval_text(interval: Interval | None, digits: int = 3) -> str:
    """Both ends in brackets; nothing where there is no interval."""
    if interval is None:
        return ""
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]".replace("-", "−")


def figure_entry(
    figure: Figure | float | None,
    *,
    digits: int = 3,
    sign: bool = False,
    note: str = "",
    mark: str = "",
    shade: bool = False,
) -> Entry:
    """A figure with its interval, a bare number without, or a mark that it is withheld."""
    if isinstance(figure, Withheld):
        return Entry("–", mark=mark or "withheld", note=note)
    value = figure.estimate if isinstance(figure, Interval) else figure
    if value != value:
        return Entry("–", note="undefined for a constant curve")
    if not isinstance(figure, Interval):
        return entry(value, digits=digits, sign=sign, note=note, mark=mark, shade=shade)
    text = " ".join(part for part in (interval_text(figure, digits), note) if part)
    shown = entry(value, digits=digits, sign=sign, note=text, mark=mark, shade=shade)
    return replace(shown, ends=(figure.low, figure.high))
