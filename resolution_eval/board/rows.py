"""The board: every submission's rows, ranked by interval, and the published rows beside them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resolution_eval import paths
from resolution_eval.board.published import PublishedRow, read_published
from resolution_eval.board.schema import BoardRow, Estimate, Refused, Status
from resolution_eval.board.scores import Given, Scored, scored
from resolution_eval.board.submission import Submission, read_submission, submissions
from resolution_eval.errors import RecordError
from resolution_eval.records import read_record
from resolution_eval.statistics.hierarchy import Part, means


@dataclass(frozen=True)
class Board:
    """All that the site shows."""

    rows: tuple[BoardRow, ...]
    """Ranked rows first, by rank and then by score; then the others by title."""
    published: tuple[PublishedRow, ...]
    refused: tuple[Refused, ...]
    """Submissions that are not shown; `leaderboard validate` says the same."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets that a row has a curve of."""
        return tuple(sorted({curve.dataset for row in self.rows for curve in row.curves}))


def load_board(folder: Path | None = None) -> Board:
    """The board of the leaderboard's folder (`records/` and `published/` in it).

    A submission that cannot be read is left out and named in `refused`: it changes no other row.

    Raises:
        RecordError: there is no folder of records, or a published file breaks its schema.
    """
    home = folder or paths.leaderboard()
    rows: list[BoardRow] = []
    refused: list[Refused] = []
    for place in submissions(home / "records"):
        name = f"{place.parent.name}/{place.name}"
        try:
            rows += rows_of(read_submission(place))
        except RecordError as error:
            refused.append(Refused(name, str(error).replace(f"{place}/", "")))
    published = home / "published"
    return Board(
        rows=ranked(rows),
        published=read_published(published) if published.is_dir() else (),
        refused=tuple(refused),
    )


def rows_of(submission: Submission) -> list[BoardRow]:
    """One row per scheme, filter and answer mode that the submission's records hold.

    Raises:
        RecordError: a record cannot be read or does not follow from its answers; or two hold the
            same curve.
    """
    variants: dict[tuple[str, str, str], list[Scored]] = defaultdict(list)
    opened: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for path in submission.records:
        for found in scored(Given(read_record(path), path, submission.facts, {})):
            scheme, filter = _setting(found)
            if found.curve.form == "open":
                opened[scheme, filter].append(found)
            else:
                variants[scheme, filter, found.curve.answer_mode].append(found)
    for (scheme, filter), curves in opened.items():
        mine = [key for key in variants if key[:2] == (scheme, filter)]
        variants[min(mine, default=(scheme, filter, "open"))] += curves
    return [
        _row(submission, key, found, several=len(variants) > 1)
        for key, found in sorted(variants.items())
    ]


def _setting(found: Scored) -> tuple[str, str]:
    cell = next(
        cell for cell in found.curve.record.cells if cell.answer_mode == found.curve.answer_mode
    )
    return cell.scheme, cell.filter


def _row(
    submission: Submission, key: tuple[str, str, str], found: list[Scored], *, several: bool
) -> BoardRow:
    scheme, filter, mode = key
    facts = submission.facts
    parts = [each.part for each in found if each.part is not None]
    return BoardRow(
        key=_slug(facts.model, facts.revision[:14], scheme, filter, mode),
        facts=facts,
        status=_status(submission),
        scheme=scheme,
        filter=filter,
        mode=mode,
        variant=f"{scheme}, {filter}, {mode}" if several else None,
        curves=tuple(
            sorted((each.curve for each in found), key=lambda curve: (curve.task, curve.form))
        ),
        score=_mean(parts),
        scored_on=tuple(sorted(part.dataset for part in parts)),
        rank=None,
    )


def _mean(parts: Sequence[Part]) -> Estimate | None:
    if not parts:
        return None
    (mean,) = means(parts)
    return Estimate(mean.estimate, max(0.0, mean.low), min(1.0, mean.high))


def _slug(*parts: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "__".join(parts).replace("/", "__"))


def _status(submission: Submission) -> Status:
    return "re-scored" if submission.records else "claimed"


def ranked(rows: Iterable[BoardRow]) -> tuple[BoardRow, ...]:
    """`rows` with their ranks among the rows scored on the same data sets, in the board's order."""
    groups: dict[tuple[str, ...], list[Estimate]] = defaultdict(list)
    given = list(rows)
    for row in given:
        if row.score is not None:
            groups[row.scored_on].append(row.score)
    placed = [
        replace(row, rank=rank(row.score, groups[row.scored_on])) if row.score else row
        for row in given
    ]
    return tuple(sorted(placed, key=_order))


def rank(mine: Estimate, all: Iterable[Estimate]) -> int:
    """One plus the number of intervals that lie wholly above `mine`.

    Example:
        >>> rank(Estimate(0.5, 0.4, 0.6), [Estimate(0.7, 0.65, 0.75), Estimate(0.65, 0.6, 0.7)])
        2
    """
    return 1 + sum(other.low > mine.high for other in all)


def _order(row: BoardRow) -> tuple[bool, int, int, float, str]:
    score = row.score.value if row.score else 0.0
    return (row.rank is None, -len(row.scored_on), row.rank or 0, -score, row.key)
