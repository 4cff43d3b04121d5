"""The board: every submission's rows, the lists that they stand in, and published rows beside."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resolution_eval.analysis.sweeps import Setting
from resolution_eval.board.board_schema import BoardRow, Curve, Refusal, Status
from resolution_eval.board.checks import CheckedBoard, check_board
from resolution_eval.board.ledger import LEDGER, Acceptance, read_ledger
from resolution_eval.board.published_figures import PublishedRow, read_published
from resolution_eval.board.record_scores import ScoreEntry, curves
from resolution_eval.board.rerun import Rerun, as_repeated, read_rerun
from resolution_eval.board.scopes import Scope, scopes
from resolution_eval.board.submission import RERUN, Facts, Submission, key_of
from resolution_eval.data.cards import model_cards
from resolution_eval.ground import paths
from resolution_eval.ground.files import file_digest
from resolution_eval.records import Record


@dataclass(frozen=True)
class Board:
    """All that the site shows."""

    rows: tuple[BoardRow, ...]
    """In the order of the lists."""
    scopes: tuple[Scope, ...]
    """The lists: data sets and scheme, and a line for every recipe, best first."""
    published: tuple[PublishedRow, ...]
    refused: tuple[Refusal, ...]
    """Submissions that are not shown; `leaderboard validate` says the same."""


def load_board(folder: Path | None = None) -> Board:
    """The board of the leaderboard's folder (`records/` and `published/` in it).

    A submission that is not accepted is left out and named in `refused`: it changes no other row.

    Raises:
        RecordError: there is no folder of records, or a published file breaks its schema.
    """
    home = folder or paths.leaderboard()
    return board_of(check_board(home), home)


def board_of(checked: CheckedBoard, home: Path) -> Board:
    """The board of what was accepted in the leaderboard's folder `home`."""
    ledger = read_ledger(home / LEDGER)
    lineage = _lineage(checked)
    rows: list[BoardRow] = []
    refused: list[Refusal] = []
    for each in checked.submissions:
        name = key_of(each.folder)
        if each.faults or each.submission is None:
            reason = str(each.faults[0]).replace(f"{each.folder}/", "")
            refused.append(Refusal(name, reason))
        elif each.withdrawn is None:
            entry = ledger.submissions.get(name)
            rows += rows_of(each.submission, each.records, entry, lineage)
    published, lists = home / "published", scopes(rows)
    return Board(
        rows=tuple(sorted(rows, key=lambda row: _order(lists, row))),
        scopes=lists,
        published=read_published(published) if published.is_dir() else (),
        refused=tuple(refused),
    )


Lineage = Mapping[str, Sequence[Facts]]
"""The facts of every accepted revision, by model: what its descendants inherit."""


def _lineage(checked: CheckedBoard) -> Lineage:
    lineage: dict[str, list[Facts]] = defaultdict(list)
    for each in checked.submissions:
        if each.submission is not None and not each.faults:
            lineage[each.submission.facts.model].append(each.submission.facts)
    return lineage


def rows_of(
    submission: Submission,
    records: Mapping[Path, Record],
    accepted: Acceptance | None,
    lineage: Lineage,
) -> list[BoardRow]:
    """One row per scheme, filter and answer mode that the submission's records hold."""
    repetition = _counted_rerun(submission, records, accepted)
    repeats = repetition.repeats() if repetition else {}
    trained = inherited(submission.facts, lineage)
    variants: dict[Setting, list[Curve]] = defaultdict(list)
    opened: dict[tuple[str, str], list[Curve]] = defaultdict(list)
    blind = [as_repeated(each, repetition) for each in records.values() if each.blind is not None]
    for path, record in sorted(records.items()):
        if record.blind is not None:
            continue
        ranked = as_repeated(record, repetition)
        entry = ScoreEntry(ranked, path, submission.facts, blind, trained, repeats)
        for (scheme, filter, mode), made in curves(entry).items():
            curve = replace(made, record=record)
            if curve.form == "open":
                opened[scheme, filter].append(curve)
            else:
                variants[scheme, filter, mode].append(curve)
    for (scheme, filter), open_curves in opened.items():
        mine = [key for key in variants if key[:2] == (scheme, filter)]
        variants[min(mine, default=(scheme, filter, "open"))] += open_curves
    keys: list[Setting] = sorted(variants) or [("", "", "")]
    status = _status(submission, repetition)
    return [
        _row(submission, key, variants.get(key, []), status, several=len(keys) > 1) for key in keys
    ]


def _counted_rerun(
    submission: Submission, records: Mapping[Path, Record], accepted: Acceptance | None
) -> Rerun | None:
    """What the maintainers repeated, if the ledger vouches for it and it is of every score there.

    A record that was added since, or changed, was repeated by nobody; another revision, or model,
    counts where the maintainers vouch for it. Version 0.1.0 repeated no blind controls.
    """
    path = submission.folder / RERUN
    if accepted is None or accepted.rerun_sha256 is None or not path.is_file():
        return None
    if file_digest(path) != accepted.rerun_sha256:
        return None
    repetition = read_rerun(submission.folder)
    if repetition is None:
        return None
    scores = {
        path.name: file_digest(path) for path, record in records.items() if record.blind is None
    }
    every = {path.name: file_digest(path) for path in records}
    wanted = scores if repetition.records.keys() == scores.keys() else every
    known = accepted.vouched is not None or repetition.is_of(submission.facts)
    return repetition if known and wanted.items() <= repetition.records.items() else None


def _status(submission: Submission, repeated: Rerun | None) -> Status:
    if not submission.records:
        return "claimed"
    if repeated is None or not repeated.agrees:
        return "re-scored"
    return "verified" if repeated.complete else "re-run"


def inherited(facts: Facts, lineage: Lineage) -> Mapping[str, str]:
    """Data set to the model that was trained on it: the model itself, its base, and so on back.

    Which revision of a base it was made from is not declared: what any of them saw counts.
    """
    model_of = dict.fromkeys(facts.trained_on, facts.model)
    seen, waiting = {facts.model}, [facts]
    while waiting:
        one = waiting.pop(0)
        base = one.base
        if base is None:
            continue
        for name in one.base_trained_on:
            model_of.setdefault(name, base)
        if base not in seen:
            seen.add(base)
            card, known = model_cards().get(base), lineage.get(base, ())
            names = [*(card.trained_on if card else ()), *(n for f in known for n in f.trained_on)]
            for name in names:
                model_of.setdefault(name, base)
            waiting += known
    return model_of


def _row(
    submission: Submission,
    key: Setting,
    row_curves: list[Curve],
    status: Status,
    *,
    several: bool,
) -> BoardRow:
    scheme, filter, mode = key
    facts = submission.facts
    return BoardRow(
        key=_slug(facts.model, facts.revision[:14], scheme, filter, mode),
        facts=facts,
        status=status,
        scheme=scheme,
        filter=filter,
        mode=mode,
        variant=f"{scheme}, {filter}, {mode}" if several else None,
        curves=tuple(sorted(row_curves, key=lambda curve: (curve.task, curve.form))),
    )


def _slug(*parts: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "__".join(parts).replace("/", "__"))


def _order(lists: Sequence[Scope], row: BoardRow) -> tuple[int, int, str]:
    """As the lists have it: by list, by line in it, then by name."""
    for number, scope in enumerate(lists):
        if line := scope.line_of(row):
            return number, scope.lines.index(line), row.key
    return len(lists), 0, row.key
