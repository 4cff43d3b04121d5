"""The page's one command: a user's own model behind HTTP, and what it sees of the eye chart."""

from __future__ import annotations

import base64
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stand_in import Received, qwen, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "acuity.md"


def documented() -> list[list[str]]:
    """The commands under the page's heading, one a line."""
    section = PAGE.read_text(encoding="utf-8").partition("## Your own model behind HTTP")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [shlex.split(line) for line in block[1].replace("\\\n", " ").splitlines()]


def run(folder: Path, url: str) -> str:
    """Run them as they stand, with the server's address and name; what the last one printed."""
    places = {"NAME": "my/model", "http://localhost:8000/v1": url}
    for words in documented():
        told = dict(word.split("=", 1) for word in words if re.match(r"^[A-Z_]+=", word))
        words = [word for word in words if not re.match(r"^[A-Z_]+=", word)]
        for old, new in places.items():
            words = [word.replace(old, new) for word in words]
        program = Path(sys.executable).with_name(words[0])
        done = subprocess.run(
            [str(program), *words[1:]],
            cwd=folder,
            env={**os.environ, **told, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def eye(asked: Received) -> str:
    """Reads stripes as far as a coarse eye does, and guesses at whatever else it is shown."""
    if "upright" not in asked.text:
        return "A"
    url = next(
        part["image_url"]["url"]
        for part in asked.body["messages"][-1]["content"]
        if part["type"] == "image_url"
    )
    data = base64.b64decode(url.rpartition("base64,")[2])
    with Image.open(io.BytesIO(data)) as image:
        grey = np.asarray(image.convert("L"), dtype=float)
    across, down = np.abs(np.diff(grey, axis=1)).sum(), np.abs(np.diff(grey, axis=0)).sum()
    return "upright" if across > down else "lying"


def rows(said: str) -> list[str]:
    """Those of the table of the smallest detail seen: kind, edge, questions, size."""
    return [
        line for line in said.splitlines() if re.search(r"[a-zE48s] +(32|64|96|128) +\d+ ", line)
    ]


def test_a_model_that_reads_stripes_gets_a_figure_and_an_interval(tmp_path: Path) -> None:
    with running(qwen, reply=eye) as server:
        found = rows(run(tmp_path, server.url))
        assert len(server.questions) == 960
    stripes = [line for line in found if re.search(r"(?<!faint) {2,}grating", line)]
    rings = [line for line in found if "landolt" in line]
    assert any(re.search(r"\d\.\d\d \[\d\.\d\d, \d\.\d\d\]", line) for line in stripes), stripes
    assert rings and all("does not see" in line for line in rings), "it guesses at those"


def test_a_model_that_sees_nothing_is_said_not_to_see_the_chart(tmp_path: Path) -> None:
    with running(qwen) as server:
        found = rows(run(tmp_path, server.url))
    assert len(found) >= 4 and all("does not see" in line for line in found), found
