"""A base that crops its image and looks again: every look is attested with its grid."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from test_reswrap import _documents, _judged, _Source
from test_reswrap_probed import _by_hand

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import tasks

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.census.checkpoints import save

pytestmark = pytest.mark.filterwarnings("ignore")
CROP = (0, 0, 84, 56)
"""Left, top, right and bottom in pixels: 56 x 84 as height and width."""


@pytest.fixture(autouse=True)
def _source(monkeypatch: pytest.MonkeyPatch) -> Any:
    torch.set_num_threads(1)
    monkeypatch.setitem(tasks._SOURCES, "fake", _Source())  # type: ignore[arg-type]
    yield
    LEDGER.adapter = None
    LEDGER.failures.clear()


def _cropping(request: Any) -> Any:
    """The same question about a crop of its image."""
    asked = copy.copy(request)
    simple = isinstance(request.args[1], dict)
    place = 2 if simple else 1
    shown = request.args[place]

    def crop(question: Any, **more: Any) -> Any:
        if simple:
            return [image.crop(CROP) for image in shown(question)]
        (message,) = shown(question, **more)
        for part in message["content"]:
            if part["type"] == "image":
                part["url"] = part["url"].crop(CROP)
        return [message]

    asked.arguments = (*request.args[:place], crop, *request.args[place + 1 :])
    return asked


def _looking(adapter: ResWrap, looks: int) -> ResWrap:
    """The base's own way to answer, gone several times for each question."""
    once = adapter.base.generate_until

    def several(requests: list[Any]) -> list[Any]:
        found = once(requests)
        for _ in range(looks):
            found = once([_cropping(request) for request in requests])
        return list(found)

    adapter.base.generate_until = several
    return adapter


@pytest.mark.parametrize("looks", [1, 3])
def test_every_look_of_a_written_family_is_attested(looks: int, tmp_path: Path) -> None:
    folder = str(tiny_families.save("qwen2_5_vl", tmp_path))
    adapter = ResWrap("qwen2_5_vl", pretrained=folder, force_simple=True, batch_size=1)
    plain = _judged(adapter, _documents(sizes=(112,)))
    again = _judged(_looking(adapter, looks), _documents(sizes=(112,)))
    assert not LEDGER.failures
    times = "1 time" if looks == 1 else "3 times"
    told = f"looked again, {times}: at {'; at '.join(['56x84'] * looks)} (height x width)"
    for place, (_, found) in again.items():
        assert found.status == "attested" and told in found.notes
        assert told not in plain[place][1].notes
        assert (found.grid, found.visual_tokens) == (
            plain[place][1].grid,
            plain[place][1].visual_tokens,
        ), "the question's own image is what is compared with the resolution"


def test_questions_of_one_batch_are_no_looks_of_each_other(tmp_path: Path) -> None:
    folder = str(tiny_families.save("qwen2_5_vl", tmp_path))
    adapter = ResWrap("qwen2_5_vl", pretrained=folder, force_simple=True, batch_size=4)
    judged = _judged(adapter, _documents(sizes=(64, 112)))
    assert {found.status for _, found in judged.values()} == {"attested"}
    assert not any("looked" in note for _, found in judged.values() for note in found.notes)


@pytest.mark.whole
def test_every_look_of_a_family_that_nobody_wrote_is_attested(tmp_path: Path) -> None:
    adapter = ResWrap("huggingface", pretrained=str(save("video_llama_3", tmp_path)), batch_size=1)
    judged = _judged(_looking(adapter, 2), _documents(sizes=(112,)))
    assert not LEDGER.failures
    assert adapter.sight.parts is not None
    height, width = _by_hand(adapter.sight.parts.processor, "video_llama_3", (56, 84))
    look = f"{height}x{width}"
    for _, found in judged.values():
        assert found.status == "attested"
        assert f"looked again, 2 times: at {look}; at {look} (height x width)" in found.notes
