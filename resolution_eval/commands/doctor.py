"""`resolution-eval doctor`: check the installation, or show a model's grids without its weights."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path

from resolution_eval.commands.options import price
from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.printing import as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = (
        "Without --model: versions, GPU, data folders, disk, hub, browser, and what to do about "
        "each. Exit status 3: something needs mending; or the model's sweep would be flat, "
        "mismatched, or is impossible."
    )
    add("--model", help="reshf, resflamingo or reswrap: show its sweep's grids")
    add("--model_args", metavar="ARGS", help="as for lmms-eval: pretrained=DIR,...")
    add("--sizes", help="comma-separated (default: 28,64,112,224,448,896)")
    add(
        "--price",
        type=price,
        metavar="MONEY",
        help="of a million prompt tokens, in your currency: what 1,000 images cost of a server",
    )
    add(
        "--against",
        type=Path,
        metavar="RECORD",
        help="what changed since that record was made, and which of its cells that touches",
    )
    add(
        "--ask",
        action="store_true",
        help="with --against: ask the server about one image of each size, at its price, and "
        "compare its count, model and fingerprint",
    )
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> int:
    if known.against is not None:
        return _against(known)
    if known.ask:
        raise UsageError("--ask needs --against RECORD, whose server is asked")
    if known.model is not None:
        return _model(known)
    if known.model_args is not None or known.sizes is not None:
        raise UsageError("--model_args and --sizes need --model; name reshf, say")
    from resolution_eval.installation import examine, table

    with redirect_stdout(sys.stderr):
        findings = examine()
    print(as_json(findings) if known.json else table(findings))
    return 3 if any(finding.state == "fault" for finding in findings) else 0


def _against(known: argparse.Namespace) -> int:
    from resolution_eval.drift import drift, told
    from resolution_eval.records import read_record

    with redirect_stdout(sys.stderr):
        changes = drift(read_record(known.against), known.model_args, ask=known.ask)
    print(as_json(changes) if known.json else told(changes))
    return 3 if changes else 0


def _model(known: argparse.Namespace) -> int:
    from resolution_eval.diagnosis.examination import diagnose, report
    from resolution_eval.models.arguments import model_arguments
    from resolution_eval.resolution import parse_pixels

    sizes = (known.sizes or "28,64,112,224,448,896").split(",")
    with redirect_stdout(sys.stderr):  # lmms-eval and its models print what they please
        diagnosis = diagnose(
            known.model, model_arguments(known.model_args or ""), list(map(parse_pixels, sizes))
        )
    print(as_json(diagnosis) if known.json else report(diagnosis, known.price))
    return 0 if diagnosis.ok else 3
