"""`resolution-eval leaderboard`: check submissions, and make the board from them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

Actions = argparse._SubParsersAction  # argparse names it nowhere else


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for add in (_add, _validate, _rerun, _status, _build, _serve, _export, _publish):
        add(actions)


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.commands.leaderboard import actions

    status: int = getattr(actions, known.action)(known)
    return status


def _action(
    actions: Actions[argparse.ArgumentParser], name: str, help: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
    )
    parser.add_argument(
        "--board",
        type=Path,
        metavar="DIR",
        help="the leaderboard's folder, with records/ in it (default: this repository's)",
    )
    parser.set_defaults(action=name, parser=parser)
    return parser


def _add(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "add", "make a submission from lmms-eval's output")
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="OUT", help="lmms-eval's output, blind run and all"
    )
    parser.add_argument("--model", metavar="ID", help="Hugging Face id, or another name")
    parser.add_argument("--revision", metavar="COMMIT", help="full commit, or sha256-DIGEST")
    parser.add_argument("--title", help="name to show")
    parser.add_argument("--parameters", type=int, metavar="N", help="of the whole model")
    parser.add_argument("--strategy", help="none, low, native, mixed, other or unknown")
    parser.add_argument("--training-evidence", metavar="TEXT", help="where training is known from")
    parser.add_argument("--training-evidence-url", metavar="URL")
    parser.add_argument("--base", metavar="ID", help="model that it was made from")
    for option, what in (("--trained-on", "it"), ("--base-trained-on", "its base")):
        parser.add_argument(
            option,
            metavar="NAMES",
            help=f"data sets that {what} was trained on, comma-separated, NAME or NAME:SPLIT; "
            '"" for none',
        )
    parser.add_argument(
        "--recipe",
        metavar="TEXT",
        help="what tells its training from that of your other models of which all else is the same "
        "(default: they are runs of one recipe, and one line of the board)",
    )
    parser.add_argument("--labels", metavar="TEXTS", help="comma-separated, as `from scratch`")
    parser.add_argument("--licence", help="of the weights")
    parser.add_argument("--submitter", help="who answers for it")
    parser.add_argument("--claims", type=Path, metavar="FILE", help="JSON list of claimed scores")


VOUCH = (
    "why the model is what it is called, where pretrained= was given another name; for maintainers"
)


def _validate(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "validate", "check every submission, or one")
    parser.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="one submission's folder (default: all)"
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="accepted.json to hold against, as main has it"
    )
    parser.add_argument(
        "--base",
        type=Path,
        metavar="DIR",
        help="the leaderboard's folder of the branch that a request goes to: its ledger and pins "
        "count, and nothing may differ but new submissions",
    )
    parser.add_argument("--vouch", metavar="WHY", help=VOUCH)
    parser.add_argument(
        "--accept", metavar="NAME", help="enter what is valid into the ledger; for maintainers"
    )


def _rerun(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "rerun", "repeat samples of every cell of a submission")
    parser.add_argument("path", type=Path, metavar="PATH", help="the submission's folder")
    parser.add_argument(
        "--samples",
        type=int,
        metavar="K",
        help="of every cell; 0: all (default: as many as find 5 points too many in one cell with "
        "a chance of 90 %%)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="of the samples drawn, which the submitter must not know (default: drawn now)",
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="who repeats")
    parser.add_argument("--pretrained", metavar="PATH", help="where the checkpoint lies here")
    parser.add_argument("--vouch", metavar="WHY", help=VOUCH)
    parser.add_argument("--batch-size", type=int, default=16, metavar="N")


def _status(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "status", "list the submissions and how far each is checked")
    parser.add_argument("--level", metavar="STATUS", help="list those of this status")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _build(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "build", "make the static site from the records")
    parser.add_argument(
        "--output", type=Path, metavar="SITE", required=True, help="folder to write"
    )


def _serve(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "serve", "build the site and show it on this machine")
    parser.add_argument(
        "site", nargs="?", type=Path, metavar="SITE", help="a built one (default: build it now)"
    )
    parser.add_argument("--port", type=int, default=8000, help="of 127.0.0.1 (default: 8000)")


def _export(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "export", "write CSV, parquet and the forms of model cards")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="folder to write")
    parser.add_argument(
        "--dataset", metavar="ID", help="hub data set whose tasks `.eval_results` name"
    )


def _publish(actions: Actions[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "publish", "send the site and the records to where they are shown")
    parser.add_argument("--site", type=Path, metavar="SITE", help="a built one (default: build it)")
    parser.add_argument("--space", metavar="ID", help="Hugging Face Space for the site")
    parser.add_argument("--dataset", metavar="ID", help="Hugging Face data set for the records")
    parser.add_argument("--pages", metavar="REPOSITORY", help="git repository for GitHub Pages")
    parser.add_argument("--branch", default="gh-pages", help="its branch (default: gh-pages)")
    parser.add_argument("--endpoint", metavar="URL", help="of the hub (default: huggingface.co)")
    parser.add_argument("--dry-run", action="store_true", help="only list what would change")
