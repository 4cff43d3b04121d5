"""`resolution-eval leaderboard`: check submissions, and make the board from them."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.commands.options import Add

Actions = argparse._SubParsersAction  # argparse names it nowhere else


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for add in (_add, _validate, _rerun, _status, _build, _serve, _export, _publish):
        add(actions)


def run(known: argparse.Namespace) -> int | None:
    from resolution_eval.commands.leaderboard import actions

    status: int | None = getattr(actions, known.action)(known)
    return status


def _action(actions: Actions[argparse.ArgumentParser], name: str, help: str) -> Add:
    """The action `name`, on every board; what adds its own arguments."""
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
    return parser.add_argument


def _add(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "add", "make a submission from lmms-eval's output")
    add(
        "results", nargs="+", type=Path, metavar="OUT", help="lmms-eval's output, blind run and all"
    )
    add("--model", metavar="ID", help="Hugging Face id, or another name")
    add("--revision", metavar="COMMIT", help="full commit, or sha256-DIGEST")
    add("--title", help="name to show")
    add("--parameters", type=int, metavar="N", help="of the whole model")
    add("--strategy", help="none, low, native, mixed, other or unknown")
    add("--training-evidence", metavar="TEXT", help="where training is known from")
    add("--training-evidence-url", metavar="URL")
    add("--base", metavar="ID", help="model that it was made from")
    for option, what in (("--trained-on", "it"), ("--base-trained-on", "its base")):
        add(
            option,
            metavar="NAMES",
            help=f"data sets that {what} was trained on, comma-separated, NAME or NAME:SPLIT; "
            '"" for none',
        )
    add(
        "--recipe",
        metavar="TEXT",
        help="what tells its training from that of your other models of which all else is the same "
        "(default: they are runs of one recipe, and one line of the board)",
    )
    add("--labels", metavar="TEXTS", help="comma-separated, as `from scratch`")
    add("--licence", help="of the weights")
    add("--submitter", help="who answers for it")
    add("--claims", type=Path, metavar="FILE", help="JSON list of claimed scores")


VOUCH = (
    "why the model is what it is called, where pretrained= was given another name; for maintainers"
)


def _validate(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "validate", "check every submission, or one")
    add("path", nargs="?", type=Path, metavar="PATH", help="one submission's folder (default: all)")
    add("--ledger", type=Path, metavar="FILE", help="accepted.json to hold against, as main has it")
    add(
        "--base",
        type=Path,
        metavar="DIR",
        help="the leaderboard's folder of the branch that a request goes to: its ledger and pins "
        "count, and nothing may differ but new submissions",
    )
    add("--vouch", metavar="WHY", help=VOUCH)
    add("--accept", metavar="NAME", help="enter what is valid into the ledger; for maintainers")


def _rerun(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "rerun", "repeat samples of every cell of a submission")
    add("path", type=Path, metavar="PATH", help="the submission's folder")
    add(
        "--samples",
        type=int,
        metavar="K",
        help="of every cell; 0: all (default: as many as find 5 points too many in one cell with "
        "a chance of 90 %%)",
    )
    add(
        "--seed",
        type=int,
        help="of the samples drawn, which the submitter must not know (default: drawn now)",
    )
    add("--by", required=True, metavar="NAME", help="who repeats")
    add("--pretrained", metavar="PATH", help="where the checkpoint lies here")
    add("--vouch", metavar="WHY", help=VOUCH)
    add("--batch-size", type=int, default=16, metavar="N")


def _status(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "status", "list the submissions and how far each is checked")
    add("--level", metavar="STATUS", help="list those of this status")
    add("--json", action="store_true", help="print JSON")


def _build(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "build", "make the static site from the records")
    add("--output", type=Path, metavar="SITE", required=True, help="folder to write")


def _serve(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "serve", "build the site and show it on this machine")
    add("site", nargs="?", type=Path, metavar="SITE", help="a built one (default: build it now)")
    add("--port", type=int, default=8000, help="of 127.0.0.1 (default: 8000)")


def _export(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "export", "write CSV, parquet and the forms of model cards")
    add("--output", type=Path, metavar="DIR", required=True, help="folder to write")
    add("--dataset", metavar="ID", help="hub data set whose tasks `.eval_results` name")


def _publish(actions: Actions[argparse.ArgumentParser]) -> None:
    add = _action(actions, "publish", "send the site and the records to where they are shown")
    add("--site", type=Path, metavar="SITE", help="a built one (default: build it)")
    add("--space", metavar="ID", help="Hugging Face Space for the site")
    add("--dataset", metavar="ID", help="Hugging Face data set for the records")
    add("--pages", metavar="REPOSITORY", help="git repository for GitHub Pages")
    add("--branch", default="gh-pages", help="its branch (default: gh-pages)")
    add("--endpoint", metavar="URL", help="of the hub (default: huggingface.co)")
    add("--dry-run", action="store_true", help="only list what would change")
