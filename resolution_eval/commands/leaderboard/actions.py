"""What the actions of `resolution-eval leaderboard` do, each named as on the command line."""

from __future__ import annotations

import argparse
import datetime
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from resolution_eval.board.checks import CheckedBoard, CheckResult, check_board, check_submission
from resolution_eval.board.ledger import LEDGER, BoardLedger, accept, read_ledger, write_ledger
from resolution_eval.board.rows import board_of, load_board
from resolution_eval.board.submission import RERUN
from resolution_eval.ground import paths
from resolution_eval.ground.errors import RecordError, UsageError, suggest
from resolution_eval.ground.files import replace
from resolution_eval.ground.notation import json_value
from resolution_eval.ground.printing import as_json

if TYPE_CHECKING:
    from resolution_eval.board.rerun import Rerun


DECLARED = (
    *("model", "revision", "title", "parameters", "strategy", "base", "licence", "submitter"),
    *("training_evidence", "training_evidence_url", "recipe"),
)
"""What a submission says as it is given."""


def _home(known: argparse.Namespace) -> Path:
    return known.board or paths.leaderboard()


def add(known: argparse.Namespace) -> None:
    from resolution_eval.board.add import add as add_submission

    declared = {name: getattr(known, name) for name in DECLARED}
    for name in ("trained_on", "base_trained_on", "labels"):
        text = getattr(known, name)
        declared[name] = None if text is None else [n.strip() for n in text.split(",") if n.strip()]
    declared["claims"] = None if known.claims is None else _list(known.claims)
    print(add_submission(known.results, _home(known), declared))


def _list(path: Path) -> list[Any]:
    try:
        claims = json_value(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: no JSON list of claims ({error})") from error
    if not isinstance(claims, list):
        raise UsageError(f"{path}: expected a JSON list of claims, found {type(claims).__name__}")
    return claims


def validate(known: argparse.Namespace) -> None:
    """Check; every fault on a line of its own."""
    home, today = _home(known), datetime.datetime.now(datetime.UTC).date().isoformat()
    if known.vouch and not (known.accept and known.path):
        raise UsageError("--vouch is for one submission that is accepted; give PATH and --accept")
    if known.path is not None:
        _refuse_missing(known.path, home)
    checked = check_board(home, known.ledger, base=known.base, apart=True)
    if known.path is not None:
        checked = _only(checked, known.path, home, known.vouch)
    faults = checked.all_faults
    for fault in faults:
        print(fault)
    records = sum(len(each.records) for each in checked.submissions)
    valid = sum(not each.faults for each in checked.submissions)
    print(f"{valid} of {len(checked.submissions)} submissions valid, {records} records read")
    if known.accept:
        _accept(checked, home, known.accept, today, known.vouch)
    if faults:
        raise RecordError(f"{len(faults)} faults, listed above")


def _only(
    checked: CheckedBoard, path: Path, home: Path, vouched: str | None = None
) -> CheckedBoard:
    wanted = path.resolve()
    submissions = tuple(each for each in checked.submissions if each.folder.resolve() == wanted)
    if vouched is not None or not submissions:
        ledger = read_ledger(home / LEDGER)
        submissions = (check_submission(path, home, ledger, vouched=vouched),)
    return CheckedBoard(submissions)


def _refuse_missing(path: Path, home: Path) -> None:
    """Refuse a submission that is not there, and name the one that was meant."""
    if not path.is_dir():
        names = [str(each.relative_to(home)) for each in home.glob("records/*/*") if each.is_dir()]
        asked, root = path.resolve(), home.resolve()
        inside = asked.is_relative_to(root)
        close = suggest(str(asked.relative_to(root)) if inside else f"records/{path}", names)
        advice = close if close.startswith("did") else "pass a submission's, MODEL/REVISION"
        raise UsageError(f"{path} is no folder; {advice}")


def _accept(
    checked: CheckedBoard, home: Path, by: str, date: str, vouched: str | None = None
) -> None:
    """Enter what is valid and new; what was accepted keeps its re-run, and what it has it for."""
    entries = dict(read_ledger(home / LEDGER).submissions)
    for each in checked.submissions:
        if each.submission is None or each.faults or each.withdrawn is not None:
            continue
        key, old = each.submission.key, entries.get(each.submission.key)
        new = accept(each.submission, each.records, by=by, date=date, vouched=vouched)
        if old is None or old.records.keys() != new.records.keys():
            entries[key] = new
            print(f"accepted {key}")
        elif vouched is not None:
            entries[key] = old.model_copy(update={"vouched": vouched})
            print(f"vouched for {key}")
    write_ledger(BoardLedger(submissions=entries), home / LEDGER)


def rerun(known: argparse.Namespace) -> int:
    """Repeat samples; 1 where a cell does not agree."""
    from resolution_eval.board.rerun import RerunPlan
    from resolution_eval.board.rerun import rerun as repeat
    from resolution_eval.statistics.agreement import needed

    home = _home(known)
    _refuse_missing(known.path, home)
    ledger = read_ledger(home / LEDGER)
    checked = check_submission(known.path, home, ledger, vouched=known.vouch)
    if checked.faults or checked.submission is None:
        raise RecordError(f"{known.path} is not valid: {checked.faults[0]}")
    cells = sum(len(record.cells) for record in checked.records.values())
    samples = needed(cells) if known.samples is None else known.samples or 10**9
    plan = RerunPlan(
        samples=samples,
        seed=secrets.randbelow(2**53) if known.seed is None else known.seed,
        by=known.by,
        pretrained=known.pretrained or checked.submission.facts.pretrained,
        batch_size=known.batch_size,
    )
    with _all_or_none(checked.submission.folder / RERUN):
        repetition = repeat(checked.submission, checked.records, plan)
        _tell(repetition)
        _enter_rerun(checked, home, known.by, known.vouch)
    return 0 if repetition.agrees else 1


@contextmanager
def _all_or_none(path: Path) -> Iterator[None]:
    """Where the ledger cannot be written, the re-run goes too: one that it does not name would keep
    the submission from the board.
    """
    before = path.read_bytes() if path.is_file() else None
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        if before is not None:
            replace(path, before)
        raise


def _tell(repetition: Rerun) -> None:
    """Print what was found of every cell."""
    for cell in repetition.cells:
        verdict = "agrees" if cell.agrees else "DIFFERS"
        print(
            f"{' '.join(cell.key)}, shown {cell.shown}: {verdict}, {cell.agreeing} of {cell.n} "
            f"verdicts and {cell.same_grid} grids the same; right {cell.recorded_correct} -> "
            f"{cell.correct}; consistent with the claim within {100 * cell.flips.within:.1f} points"
        )
    if repetition.leans:
        print("the disagreements lie on one side: more of the record's verdicts are in its favour")


def _enter_rerun(checked: CheckResult, home: Path, by: str, vouched: str | None) -> None:
    """Enter the re-run that was just made into the ledger, and its submission with it."""
    assert checked.submission is not None
    entries = dict(read_ledger(home / LEDGER).submissions)
    key, today = checked.submission.key, datetime.datetime.now(datetime.UTC).date().isoformat()
    old = entries.get(key)
    new = accept(
        checked.submission,
        checked.records,
        by=by if old is None else old.by,
        date=today if old is None else old.date,
        vouched=vouched or (old.vouched if old else None),
        repeated=True,
    )
    entries[key] = new
    write_ledger(BoardLedger(submissions=entries), home / LEDGER)


def status(known: argparse.Namespace) -> None:
    from tabulate import tabulate

    home = _home(known)
    checked = check_board(home)
    board = board_of(checked, home)
    reached = {f"{row.facts.model}@{row.facts.revision}": row.status for row in board.rows}
    rows = [_line(each, reached) for each in checked.submissions]
    levels = {str(row["status"]) for row in rows}
    if known.level is not None and known.level not in levels:
        raise UsageError(
            f"no submission has the status {known.level!r}; {suggest(known.level, levels)}"
        )
    shown = [row for row in rows if known.level in (None, row["status"])]
    print(as_json(shown) if known.json else tabulate(shown, headers="keys"))


def _line(each: CheckResult, reached: dict[str, Any]) -> dict[str, object]:
    level = "refused" if each.faults else "withdrawn"
    if each.submission is not None:
        facts = each.submission.facts
        level = reached.get(f"{facts.model}@{facts.revision}", level)
    return {
        "submission": f"{each.folder.parent.name}/{each.folder.name[:14]}",
        "status": level,
        "records": len(each.records),
        "faults": len(each.faults),
    }


def build(known: argparse.Namespace) -> None:
    from resolution_eval.board.site.build import build as build_site

    print(build_site(_home(known), known.output))


@contextmanager
def _built(known: argparse.Namespace) -> Iterator[Path]:
    """The site named on the command line, or one built for now."""
    if known.site is not None:
        yield known.site
        return
    from resolution_eval.board.site.build import build as build_site

    with TemporaryDirectory(prefix="resolution-eval-") as folder:
        output = Path(folder) / "site"
        build_site(_home(known), output)
        yield output


def serve(known: argparse.Namespace) -> None:
    from resolution_eval.board.site.serve import refuse_unusable
    from resolution_eval.board.site.serve import serve as show

    refuse_unusable(known.port)
    with _built(known) as site:
        show(site, known.port)


def export(known: argparse.Namespace) -> None:
    from resolution_eval.board.export import DATASET
    from resolution_eval.board.export import export as write

    for path in write(load_board(_home(known)), known.output, known.dataset or DATASET):
        print(path)


def publish(known: argparse.Namespace) -> None:
    from huggingface_hub import HfApi

    from resolution_eval.board.publish import Hub, publish_pages, record_files, site_files

    if not (known.space or known.dataset or known.pages):
        raise UsageError("nowhere to publish to; give --space, --dataset or --pages")
    home = _home(known)
    checked = check_board(home)
    if checked.all_faults:
        raise RecordError(f"not published, the board has faults: {checked.all_faults[0]}")
    api = HfApi(endpoint=known.endpoint)
    dry_run = known.dry_run
    if known.dataset:
        files = record_files(board_of(checked, home), checked)
        print(Hub(api, known.dataset, "dataset").publish(files, dry_run=dry_run))
    if known.space or known.pages:
        with _built(known) as site:
            files = site_files(site)
        if known.space:
            print(Hub(api, known.space, "space").publish(files, dry_run=dry_run))
        if known.pages:
            print(publish_pages(files, known.pages, known.branch, dry_run=dry_run))
