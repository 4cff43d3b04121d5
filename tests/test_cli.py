"""The command: answers at once, refuses in one line, imports nothing heavy until it must."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resolution_eval import cli


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from resolution_eval.cli import build_parser; build_parser().format_help();"
        "print([m for m in ('torch', 'lmms_eval', 'numpy', 'pydantic', 'PIL') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


def test_version_names_what_a_score_depends_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert {"resolution-eval", "lmms-eval", "torch", "open-flamingo"} <= set(printed.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["run", "--tasks", "pathmnist_rez", "--resolutions", "28"],
            "did you mean 'pathmnist_res'",
        ),
        (["run", "--resolutions", "28"], "need --tasks"),
        (["run", "--tasks", "pbc_res", "--resolutions", "28,huge"], "huge"),
        (["run", "--tasks", "pbc_res", "--resolutions", "0"], "0"),
        (["run", "--tasks", "pbc_res", "--filter", "bicubik"], "bicubic"),
        (["run", "--tasks", "pbc_res", "--filter", "bicubik"], "did you mean 'bicubic'"),
        (["run", "--tasks", "phantom_rex_res"], "did you mean 'phantom_res'"),
        (["run", "--tasks", "pbc_res", "--scheme", "stretch"], "restore"),
        (["report", "/nowhere"], "/nowhere"),
    ],
)
def test_a_users_mistake_is_one_message_without_traceback(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 1
    printed = capsys.readouterr().err
    assert said in printed and printed.startswith("resolution-eval: ")
    assert "Traceback" not in printed


def test_unknown_arguments_are_refused_except_by_run() -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["demo", "--output", "x", "--nonsense"])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["reprot", "out"], "report"),
        (["leaderboard", "biuld"], "build"),
        (["train", "--task", "pbc_res", "--output", "x", "--strategy", "lwo"], "low"),
    ],
)
def test_a_command_or_choice_that_is_none_says_which_was_meant(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert f"did you mean {meant!r}?" in capsys.readouterr().err


def test_a_name_with_control_characters_cannot_act_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a\x1b[31m\u202eb"
    folder.mkdir()
    assert cli.main(["record", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "\\x1b[31m\\u202eb" in said and "\x1b" not in said and "\u202e" not in said


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """The pipe's reading end is shut before a word is written."""
    code = "import sys; from resolution_eval.cli import main; sys.exit(main(['--version']))"
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
