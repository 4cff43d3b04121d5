"""Every command in README and docs: run where it takes seconds, else checked to be one that exists.

`pytest -v tests/test_documented_commands.py` lists each with why it is not run. The slow part runs
whole pages in a shell, as a reader would.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from resolution_eval import cli
from resolution_eval.data import own_folder
from resolution_eval.data.cards import model_cards, task_cards
from resolution_eval.ground.registry import ADAPTERS
from resolution_eval.host.taskfiles import groups

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    ((?:python3? -m|resolution-eval|lmms-eval|export) .*)$", re.MULTILINE)
INLINE = re.compile(r"`(resolution-eval (?!train|matrix)[a-z][^`]*)`")
"""In a sentence a command may lack its arguments: those of the two that need several are left."""
ASSIGNED = re.compile(r"^[A-Z_]+=")
PLACEHOLDER = re.compile(
    r"\.\.\.|(?:^|[/=+])(?:ID|COMMIT|NAME|YOU|OUT|DIR|SITE|MODEL|REVISION|FILE|BASE)\b"
)
OTHERS = {
    "accelerate", "bash", "cd", "cp", "export", "git", "llama-server", "mkdir", "mkdocs", "pip",
    "pytest", "sglang", "source", "tensorboard", "transformers", "vllm",
}  # fmt: skip
AFTER_A_RUN = ("report", "record", "compare", "rank", "gaps", "metrics", "leaderboard", "power")
MINUTES = ("run", "score", "demo", "sweep", "matrix", "train")
RUNNABLE = (
    "tutorial.md",
    "sweep.md",
    "records.md",
    "matrix.md",
    "report.md",
    "attestation.md",
    "adapters.md",
    "explain/grid.md",
    "explain/intervals.md",
)
"""Pages of docs/ that need neither hub nor GPU, but minutes."""


@dataclass(frozen=True)
class Command:
    """One command as documented."""

    page: str
    words: tuple[str, ...]
    """Without the variables set before it."""

    @property
    def why_not(self) -> str | None:
        """Why it is not run here; None where it is."""
        arguments = ours(self)
        if any(PLACEHOLDER.search(word) for word in self.words):
            return "a placeholder"
        if any(is_on_hub(word) for word in self.words):
            return "needs the hub"
        if arguments is None:
            return "takes minutes" if hosts(self) is not None else "not a command of ours"
        if arguments[0] in MINUTES:
            return "takes minutes"
        if arguments[0] == "convert":
            return "needs a checkpoint"
        if arguments[0] == "datasets" and not {*arguments[1:]} <= {*task_cards()}:
            return "an example's name"
        needs_results = arguments[0] in AFTER_A_RUN and "--discordance" not in arguments
        return "needs results" if needs_results else None

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)} ({self.why_not or 'run'})"


def commands() -> Iterator[Command]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shell = [body for language, body in FENCED.findall(text) if language == "sh"]
        words = FENCED.sub("", text)
        inline = [" ".join(span.split()) for span in INLINE.findall(words)]
        for block in [*shell, *INDENTED.findall(words), *inline]:
            yield from (Command(page.name, command) for command in split(block))


def split(block: str) -> Iterator[tuple[str, ...]]:
    """The commands of a block: one a line, a backslash goes on, && parts."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and ASSIGNED.match(words[0]):
            words.pop(0)
        while "&&" in words:
            yield tuple(words[: words.index("&&")])
            words = words[words.index("&&") + 1 :]
        if words:
            yield tuple(words)


def inner(command: Command) -> tuple[str, ...]:
    """The command itself, without what launches it."""
    words = command.words
    if words[1:4] == ("-m", "uv", "run"):
        words = words[4:]
    if words[:2] == ("accelerate", "launch"):
        words = ("python", *words[words.index("-m") :])
    launched = {("-m", "lmms_eval"): "lmms-eval", ("-m", "resolution_eval"): "resolution-eval"}
    name = launched.get(words[1:3])
    return (name, *words[3:]) if name else words


def ours(command: Command) -> tuple[str, ...] | None:
    words = inner(command)
    return words[1:] if words[0] == "resolution-eval" else None


def hosts(command: Command) -> tuple[str, ...] | None:
    words = inner(command)
    return words[1:] if words[0] == "lmms-eval" else None


def is_on_hub(word: str) -> bool:
    """Whether the word names a checkpoint of the hub, one of our cards'."""
    named = {value.partition("=")[2] or value for value in word.split(",")}
    return any(name in named for name in model_cards() if not name.startswith("embedded/"))


COMMANDS = list(dict.fromkeys(commands()))
HOST_FLAGS = set(
    re.findall(
        r"\"(--[a-z_]+)\"",
        (Path(find_spec("lmms_eval").origin).parent / "__main__.py").read_text(encoding="utf-8"),
    )
)
TASKS = {f"{name}_res" for name in task_cards()} | set(groups(task_cards().values()))


def faults(command: Command) -> Iterator[str]:
    """What a reader who types it would be refused for."""
    own, host, words = ours(command), hosts(command), inner(command)
    if own is not None:
        if "..." in own:
            own = tuple(word for word in own if word != "...")
        try:
            known, rest = cli.build_parser().parse_known_args(own)
        except SystemExit:
            if "..." not in words:
                yield "the parser refuses it"
            return
        host = tuple(rest) if known.command == "run" else None
        unknown = () if host is not None else (word for word in rest if word.startswith("-"))
        yield from (f"unknown: {word}" for word in unknown)
    if host is not None:
        flags = {word for word in host if word.startswith("--")}
        yield from (f"lmms-eval has no {flag}" for flag in flags - HOST_FLAGS)
    elif own is None:
        yield from other_faults(words)
    for flag, value in pairwise(words):
        if flag in ("--task", "--tasks") and (own is not None or host is not None):
            names = set(value.split(",")) - TASKS - {own_folder.TASK}
            yield from (f"no task {name}" for name in names)
        if flag == "--model" and (own is not None or host is not None):
            yield from () if value in ADAPTERS else (f"no model {value}",)


def other_faults(words: tuple[str, ...]) -> Iterator[str]:
    if words[0] in ("python", "python3") and words[1] == "-m":
        if words[2] not in ("uv", "pip", "mkdocs") and find_spec(words[2]) is None:
            yield f"no module {words[2]}"
    elif words[0] not in OTHERS:
        yield f"no program {words[0]}"


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) > 60
    assert {"README.md", "tutorial.md", "data.md", "sweep.md"} <= {each.page for each in COMMANDS}
    assert sum(each.why_not is None for each in COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_and_flag_exists(command: Command) -> None:
    assert list(faults(command)) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("resolution-eval reprot out", "the parser refuses it"),
        ("resolution-eval report out --fromat md", "unknown: --fromat"),
        ("resolution-eval run --tasks pbc_res --bach_size 2", "lmms-eval has no --bach_size"),
        ("lmms-eval --model resflamingo --tasks pbc_rez", "no task pbc_rez"),
        ("lmms-eval --model reshv --tasks pbc_res", "no model reshv"),
        ("python -m resolution_eval.nothing", "no module resolution_eval.nothing"),
        ("resolution-evil report out", "no program resolution-evil"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, fault: str) -> None:
    (words,) = split(line)
    assert list(faults(Command("page", words))) == [fault]


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.why_not], ids=str)
def test_commands_of_seconds_run(command: Command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESOLUTION_EVAL_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    arguments = ours(command)
    assert arguments is not None
    try:
        assert cli.main(arguments) == 0
    except SystemExit as stopped:  # --help and --version end so
        assert stopped.code == 0


def test_the_size_that_the_page_on_servers_warns_of_ends_with_status_3(capsys) -> None:
    page = (ROOT / "docs" / "howto" / "vllm.md").read_text(encoding="utf-8")
    (kept,) = re.findall(r"model_version=gpt-4o --sizes ([\d,]+)\n", page)
    command = "doctor --model reswrap --model_args base=openai,model_version=gpt-4o --sizes"
    assert cli.main([*command.split(), f"{kept},1120"]) == 3
    printed = capsys.readouterr().out
    assert "flat: 768 and 1120 at aspect 1.00: both 768x768" in printed
    assert "mismatched: 1120" in printed and "mismatched: 768" not in printed


def test_the_json_in_the_page_about_figures_is_read(tmp_path, capsys) -> None:
    text = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    curves, cells = (body for language, body in FENCED.findall(text) if language == "json")
    (tmp_path / "curves.json").write_text(curves)
    assert cli.main(["metrics", str(tmp_path / "curves.json")]) == 0
    assert "a classifier" in capsys.readouterr().out
    (cell,) = json.loads(cells.replace(", ...", ""))["cells"]
    pairs = [(a, b) for a in ("low", "native", "mixed") for b in ("low", "native")]
    table = [{**cell, "train": train, "infer": infer} for train, infer in pairs]
    (tmp_path / "cells.json").write_text(json.dumps({"cells": table}))
    assert cli.main(["gaps", str(tmp_path / "cells.json")]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE)
def test_pages_that_take_minutes_run(page: str, tmp_path) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for language, body in FENCED.findall(text):
        if language == "yaml" and body.startswith("# plan.yaml"):
            (tmp_path / "plan.yaml").write_text(body)
        if language == "sh" and not any(left_out(Command(page, each)) for each in split(body)):
            script = f"set -e\nexport PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n"
            environment = {k: v for k, v in os.environ.items() if k != "RESOLUTION_EVAL_DATA"}
            subprocess.run(["bash", "-c", script + body], cwd=tmp_path, env=environment, check=True)


def left_out(command: Command) -> bool:
    """Whether a block with this command is not for this machine, or sets it up."""
    other = command.why_not in ("a placeholder", "needs the hub", "not a command of ours")
    return other or "uv" in command.words
