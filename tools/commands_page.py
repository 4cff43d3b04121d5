"""docs/commands.md, from the command's parser: `python -m tools.commands_page`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from resolution_eval.cli import build_parser
from tools import DOCS

HEAD = """# Commands

<!-- Made by `python -m tools.commands_page`; change the commands, not this page. -->

Every command with its arguments.

`resolution-eval COMMAND --help` says the same on the screen. A mistake is one sentence on stderr
and exit status 1, or 2 where the arguments themselves are wrong.
"""


def page() -> str:
    """Every command with its arguments."""
    parser = build_parser()
    parts = [HEAD]
    for name, command in _children(parser).items():
        parts += _command(name, command, level=2)
    return "\n".join(parts).rstrip() + "\n"


def _children(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _command(name: str, parser: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}\n\n{_plain(parser.description or '')}\n"
    children = _children(parser)
    shown = [action for action in parser._actions if _is_shown(action)]
    if shown:
        yield "| argument | meaning |\n| --- | --- |"
        yield from map(_row, shown)
        yield ""
    if parser.epilog:
        yield f"{_plain(parser.epilog)}\n"
    for child, its_parser in children.items():
        yield from _command(f"{name} {child}", its_parser, level=level + 1)


def _is_shown(action: argparse.Action) -> bool:
    hidden = isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    return not hidden and action.help != argparse.SUPPRESS


def _row(action: argparse.Action) -> str:
    """One argument: as it is written, whether it is needed, what it does."""
    value = "" if action.nargs == 0 else _value(action)
    written = " ".join(part for part in (", ".join(action.option_strings), value) if part)
    needed = "**needed**" if action.option_strings and action.required else ""
    told = "; ".join(part for part in (needed, _plain(action.help or "")) if part)
    return f"| `{written}` | {told} |"


def _value(action: argparse.Action) -> str:
    if action.metavar is None and action.choices:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        name = str(action.metavar or action.dest.upper())
    return {"+": f"{name} ...", "*": f"[{name} ...]", "?": f"[{name}]"}.get(
        str(action.nargs), name
    ).replace("|", "\\|")


def _plain(text: str) -> str:
    """Help text as a cell of a table."""
    text = text.replace("%%", "%").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(text.split())


if __name__ == "__main__":
    (DOCS / "commands.md").write_text(page(), encoding="utf-8")
