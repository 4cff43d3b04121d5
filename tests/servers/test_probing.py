"""The probe's hook: a server is asked before the run and after it, and the facts say so."""

from __future__ import annotations

import random
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from asking import adapter, documents, judged
from PIL import Image
from stand_in import Received, qwen, running

from resolution_eval.models.wrapped.fidelity import STRIPES, encoded, fidelity

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A probe of three questions in place of the real one; what it was answered."""
    said: list[Any] = []

    def ask_three(ask: Any, *, promised: int) -> Any:
        items = [
            SimpleNamespace(
                image=Image.new("RGB", (promised, promised), (shade, 0, 0)),
                question=f"How do the stripes run in {shade}?",
                choices=("upright", "lying"),
            )
            for shade in (10, 20, 30)
        ]
        said.append(ask(items))
        return SimpleNamespace(sentence=f"{len(said)} probes were made")

    module = ModuleType("resolution_eval.data.acuity.probe")
    module.probe = ask_three  # type: ignore[attr-defined]
    package = ModuleType("resolution_eval.data.acuity")
    monkeypatch.setitem(sys.modules, "resolution_eval.data.acuity", package)
    monkeypatch.setitem(sys.modules, "resolution_eval.data.acuity.probe", module)
    return said


def shade(asked: Received) -> str:
    return next((word for word in asked.text.split() if word.strip("?").isdecimal()), "A")


def test_a_server_is_probed_before_and_after_and_the_facts_say_so(probe: list[Any]) -> None:
    with running(qwen, reply=shade) as server:
        made = adapter(server, probe=96, num_concurrent=2)
        found = judged(made, documents(["140x140"]))
        assert len(server.questions) == 1 + 2 * (3 + 48)
    assert probe == [["10?", "20?", "30?"]] * 2, "each question has its own answer, in order"
    facts = made.checkpoint_facts()
    assert [said.partition(";")[0] for said in facts.probes] == [
        "96 px: 1 probes were made",
        "96 px: 2 probes were made",
    ]
    assert all("re-encoded with loss on the way" in said for said in facts.probes), "it sees none"
    assert [attested.status for _, attested in found] == ["counted"]


def test_what_a_server_does_not_answer_is_no_answer_to_the_probe(probe: list[Any]) -> None:
    with running(qwen, faults=["empty"]) as server:
        made = adapter(server, probe=96)
        judged(made, documents(["140x140"]))
    assert probe == [[None] * 3] * 2


def test_the_state_of_replies_does_not_follow_the_probe(probe: list[Any]) -> None:
    with running(qwen, reply=shade) as server:
        plain, probed = adapter(server), adapter(server, probe=96)
        probed.probes = ("said",)
        assert plain.state == probed.state


def test_an_image_re_encoded_as_jpeg_is_named_by_the_probe_alone() -> None:
    outcomes = {}
    for quality in (None, 30, 10):
        found = fidelity(lambda items, q=quality: [_faint_eye(i, q) for i in items], edge=112)
        outcomes[quality] = found.kept
        assert found.lossy < found.images, "JPEG wipes the stripes out"
    assert outcomes == {None: True, 30: False, 10: False}
    assert "re-encoded with loss" in found.sentence


def test_a_guessing_model_is_said_to_see_fidelity_in_at_most_five_of_a_hundred_probes() -> None:
    chance = random.Random(3)
    seen = [
        fidelity(lambda items: [chance.choice(STRIPES) for _ in items], edge=16).kept
        for _ in range(200)
    ]
    assert sum(seen) <= 20  # binom.sf(20, 200, 0.05) is 0.0006


def _faint_eye(item: Any, quality: int | None) -> str:
    """Which way faint differences run, after what a server may do to the image."""
    image = item.image if quality is None else encoded(item.image, quality)
    return _eye(SimpleNamespace(image=image, choices=item.choices), halved=False)


def test_a_model_that_sees_is_told_from_a_server_that_halves() -> None:
    """The real probe, where this version has it: nothing else sees an image re-encoded or halved
    behind an honest count.
    """
    module = pytest.importorskip("resolution_eval.data.acuity.probe")
    outcomes = {}
    for halved in (False, True):
        finding = module.probe(lambda items, h=halved: [_eye(i, h) for i in items], promised=128)
        outcomes[halved] = finding.outcome
    assert outcomes == {False: "finer", True: "coarser"}


def _eye(item: Any, halved: bool) -> str:
    """Which way an image's differences run, after what a server may do to it."""
    import numpy as np

    image = item.image.convert("L")
    if halved:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    grey = np.asarray(image, dtype=float)
    across, down = np.abs(np.diff(grey, axis=1)).sum(), np.abs(np.diff(grey, axis=0)).sum()
    return str(item.choices[0] if across > down else item.choices[1])
