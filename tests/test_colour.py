"""No colour codes with NO_COLOR, nor in a file, whatever the host tells its logger."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from loguru import logger

from resolution_eval.ground.colour import is_plain, plain_logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("form", [io.StringIO, Terminal])
@pytest.mark.parametrize("variable", ["", "1"])
def test_colour_needs_a_terminal_and_no_wish_against_it(form, variable, monkeypatch) -> None:
    stream = form()
    monkeypatch.setenv("NO_COLOR", variable)
    coloured = isinstance(stream, Terminal) and not variable
    assert is_plain(stream) is not coloured
    plain_logs()
    number = logger.add(stream, colorize=True, format="<red>{message}</red>")
    logger.warning("read me")
    logger.remove(number)
    assert "read me" in stream.getvalue()
    assert ("\x1b[" in stream.getvalue()) is coloured


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_is_told_every_command(shell: str) -> None:
    program = [sys.executable, "-m", "resolution_eval", "completion", shell]
    ran = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert "score" in ran.stdout and "leaderboard" in ran.stdout
