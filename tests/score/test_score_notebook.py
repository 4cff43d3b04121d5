"""The six sentences of `score`, from a shell and from the notebook of the docs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
import rigged
from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from stand_in import running

NOTEBOOK = Path(__file__).parents[2] / "docs" / "score.ipynb"
SERVED = "openai:Qwen/Qwen2.5-VL-7B-Instruct@"
GIVEN = 'OPTIONS = {"output": "scored", "quick": True}'


class Case(NamedTuple):
    """One checkpoint on one folder, and what must be said of it."""

    checkpoint: str
    images: Path
    resolutions: tuple[int, int]
    samples: int
    mode: str | None
    sentence: str


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """Images are real ones where there are any, half of them darkened."""
    home = tmp_path_factory.mktemp("cases")
    cells = rigged.cells(home / "cells", 240)
    asked = rigged.questions(home / "questions", 40)
    noise, good = rigged.untrained(home / "noise"), rigged.good(home / "good")
    blind = rigged.blind(home / "blind")
    with ExitStack() as stack:
        constant = stack.enter_context(running(lambda width, height: 256))
        doubled = stack.enter_context(running(faults=["doubled"]))
        yield {
            "good": Case(str(good), cells, (28, 56), 240, None, "good: Use 28: every resolution"),
            "at chance": Case(str(noise), cells, (28, 56), 40, "rank", "Do not trust this: "),
            "unreadable": Case(str(noise), cells, (28, 56), 6, None, "answers could not be read"),
            "does not look": Case(str(blind), asked, (28, 56), 40, "rank", "Does not look: "),
            "flat": Case(
                f"{SERVED}{constant.url}", cells, (56, 84), 6, None, "Flat by its processor: "
            ),
            "mismatched": Case(
                f"{SERVED}{doubled.url}", cells, (56, 84), 6, None, "Do not trust this: mismatched"
            ),
        }


NAMES = ("good", "at chance", "unreadable", "does not look", "flat", "mismatched")


def test_the_notebook_is_whole_and_holds_no_output() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    assert GIVEN in book.cells[1].source
    assert all(not each.get("outputs") for each in book.cells)


def _timed(always: str) -> list[Any]:
    """The cases, a minute each: one runs in CI, the others by hand (`-m slow`)."""
    marks = {name: pytest.mark.whole if name == always else pytest.mark.slow for name in NAMES}
    return [pytest.param(name, marks=mark) for name, mark in marks.items()]


@pytest.mark.parametrize("name", _timed("good"))
def test_the_shell_says_it(cases: dict[str, Case], name: str, tmp_path: Path) -> None:
    case = cases[name]
    words = ["score", case.checkpoint, str(case.images), "--output", str(tmp_path / "out")]
    words += ["--resolutions", ",".join(map(str, case.resolutions))]
    words += ["--samples", str(case.samples), "--minutes", "600"]
    words += ["--model_args", f"answer_mode={case.mode}"] if case.mode else []
    ran = subprocess.run(
        [sys.executable, "-m", "resolution_eval", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert case.sentence in ran.stdout and "index.html" in ran.stdout
    assert (": Use " in ran.stdout) == (name == "good")
    print(ran.stdout)


@pytest.fixture(scope="module")
def client() -> Iterator[NotebookClient]:
    """One kernel for all cases: importing the host takes long."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    found = NotebookClient(book, timeout=300)
    with found.setup_kernel():
        yield found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _timed("unreadable"))
def test_the_notebook_says_it(
    cases: dict[str, Case], client: NotebookClient, name: str, tmp_path: Path
) -> None:
    case = cases[name]
    options: dict[str, Any] = {
        "output": str(tmp_path / "out"),
        "resolutions": case.resolutions,
        "samples": case.samples,
        "minutes": 600,
        "model_args": {"answer_mode": case.mode} if case.mode else {},
    }
    client.nb.cells[
        1
    ].source = (
        f"CHECKPOINT, IMAGES, OPTIONS = {case.checkpoint!r}, {str(case.images)!r}, {options!r}"
    )
    for number, cell in enumerate(client.nb.cells):
        client.execute_cell(cell, number)
    said = "".join(
        each["text"] for each in client.nb.cells[3].outputs if each.get("name") == "stdout"
    )
    assert case.sentence in said and "index.html" in said
    assert (": Use " in said) == (name == "good")
    assert "accuracy" in str(client.nb.cells[5].outputs[-1]["data"]["text/html"])
    assert "vega" in str(client.nb.cells[7].outputs[-1]["data"])
