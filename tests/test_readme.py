"""What the README promises is what CI does, and what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_calls_the_test_command_to_the_letter() -> None:
    (command,) = re.findall(r"^.*python3 -m pip .*pytest$", README, re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_every_page_that_is_linked_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links and all((ROOT / link).is_file() for link in links)


def test_every_command_of_the_program_is_on_its_page() -> None:
    from resolution_eval.cli import build_parser

    (commands,) = (
        action.choices for action in build_parser()._actions if isinstance(action.choices, dict)
    )
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in commands if f"\n## {name}\n" not in page] == []


def test_it_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) <= 60
