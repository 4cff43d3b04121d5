"""The command `resolution-eval`.

Only the standard library is imported here: `--help` answers at once, and each command imports what
it needs.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from resolution_eval import __version__
from resolution_eval.commands import COMMANDS, PASSING_ON
from resolution_eval.ground.errors import ResolutionEvalError, printable, suggest, visible

PACKAGES = ("lmms-eval", "open-flamingo", "torch", "transformers", "open-clip-torch")

DISK = {
    errno.ENOSPC: "free some space, or name another folder",
    errno.EDQUOT: "free some of your quota, or name another folder",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or name another folder",
    errno.EROFS: "name a folder that can be written",
    errno.EACCES: "name a folder that you may read and write",
    errno.EPERM: "name a folder that you may read and write",
    errno.ENOTDIR: "name a folder in place of a file",
    errno.EEXIST: "name a folder in place of a file",
    errno.EISDIR: "name a file in place of a folder",
    errno.ENOENT: "check the name",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do where the disk refuses, by the system's error number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 an error that was said, 2 unusable arguments."""
    printable()
    try:
        return _run(arguments)
    except ResolutionEvalError as error:
        print(visible(f"resolution-eval: {error}"), file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in DISK:
            raise
        where = f" ({error.filename})" if error.filename else ""
        said = f"resolution-eval: {error.strerror}{where}; {DISK[error.errno]}"
        print(visible(said), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("resolution-eval: stopped", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    parser = build_parser()
    known, rest = parser.parse_known_args(arguments)
    if known.command is None and not rest:
        parser.error("name a command; resolution-eval --help lists them")
    if rest and known.command not in PASSING_ON:
        known.parser.error(_unknown(rest, known.parser))
    known.rest = rest
    status: int = known.run(known) or 0
    return status


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments; the documentation's reference is made from this."""
    parser = _Parser(
        prog="resolution-eval",
        description="Score multimodal LLMs across inference resolutions, and attest each sample's.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions and stop")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(command=None, parser=parser, whole=parser)
    for name, help in COMMANDS.items():
        module = import_module(f"resolution_eval.commands.{name}")
        command = subparsers.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
        )
        module.arguments(command)
        command.set_defaults(command=name, run=module.run, parser=command)
    return parser


def _unknown(rest: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """What to say of arguments that `parser`, a command's, does not know."""
    options = {text for action in parser._actions for text in action.option_strings}
    said = f"there is no argument {' '.join(rest)!r}"
    if rest[0].startswith("-"):
        return f"{said}; {suggest(rest[0].partition('=')[0], options - {'-h'})}"
    return f"{said}; see {parser.prog} --help"


class _Parser(argparse.ArgumentParser):
    """A parser that says which choice was meant."""

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            advice = suggest(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"there is no {value!r}; {advice}")


class _Version(argparse.Action):
    """Prints our version and those of the packages that a score depends on."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from resolution_eval.installation import version_of

        print(f"resolution-eval {__version__}")
        for package in PACKAGES:
            print(f"  {package} {version_of(package) or 'not installed'}")
        parser.exit()
