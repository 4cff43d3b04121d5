"""Pages of the documentation made from the program: `python -m resolution_eval.command_reference`.

It writes docs/commands.md from the command's parser and docs/cards.md from the cards' schemas.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from resolution_eval.cli import build_parser
from resolution_eval.data.cards import ModelCard, TaskCard
from resolution_eval.records.record_reference import section

COMMANDS_HEAD = """# Commands

<!-- Made by `python -m resolution_eval.command_reference`; change the commands, not this page. -->

Every command with its arguments.

`resolution-eval COMMAND --help` says the same on the screen. A mistake is one sentence on stderr
and exit status 1, or 2 where the arguments themselves are wrong.
"""
CARDS_HEAD = """# Cards

<!-- Made by `python -m resolution_eval.command_reference`; change resolution_eval/data/cards/. -->

What is known of a data set or a checkpoint stands in a card, a TOML file. A key that is missing,
unknown or outside its rule is refused with its name. A data set's card is `tasks/NAME/card.toml`
([how to add one](howto/dataset.md)); a checkpoint's is `models/NAME.toml`, from which
`python -m resolution_eval.checkpoint_list` makes [the page of checkpoints](models.md).
"""
PAGES = ("commands.md", "cards.md")


def page(name: str) -> str:
    """The text of the page `name`, one of `PAGES`."""
    return commands_page() if name == "commands.md" else cards_page()


def commands_page() -> str:
    """Every command with its arguments."""
    parser = build_parser()
    parts = [COMMANDS_HEAD]
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


def cards_page() -> str:
    """Every key of the cards."""
    parts = [CARDS_HEAD]
    for model in (TaskCard, ModelCard):
        schema = model.model_json_schema()
        for name, part in {model.__name__: schema, **schema["$defs"]}.items():
            needed = ", ".join(f"`{key}`" for key in part["required"])
            parts += [*section(name, part), f"Needed: {needed}.\n"]
    return "\n".join(parts).rstrip() + "\n"


def main() -> None:
    """Write the pages."""
    for name in PAGES:
        (Path("docs") / name).write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main()
