"""`resolution-eval leaderboard`: check submissions, and make the board from them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="action")
    build = _action(actions, "build", "make the static site from the records")
    build.add_argument("--output", type=Path, metavar="SITE", required=True, help="folder to write")
    build.set_defaults(act=_build)
    serve = actions.add_parser(
        "serve",
        help="show a built site on this machine",
        description="Show a built site on this machine.",
        allow_abbrev=False,
    )
    serve.add_argument("site", type=Path, metavar="SITE", help="folder that build wrote")
    serve.add_argument("--port", type=int, default=8000, help="of 127.0.0.1 (default: 8000)")
    serve.set_defaults(act=_serve)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
    )
    parser.add_argument(
        "--board",
        type=Path,
        metavar="DIR",
        help="the leaderboard's folder, with records/ in it (default: the repository's)",
    )
    return parser


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    status: int = known.act(known)
    return status


def _build(known: argparse.Namespace) -> int:
    from resolution_eval import paths
    from resolution_eval.board.site import build

    print(build(known.board or paths.leaderboard(), known.output))
    return 0


def _serve(known: argparse.Namespace) -> int:
    from resolution_eval.board.site import serve

    serve(known.site, known.port)
    return 0
