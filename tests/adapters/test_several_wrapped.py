"""Questions about several images through `reswrap`, over tiny real checkpoints in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from PIL import Image

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import tasks
from resolution_eval.host.verdicts import verdict_of
from resolution_eval.models.wrapped.base_plan import SINGLE
from resolution_eval.models.wrapped.visibility import TowerInput
from resolution_eval.resolution import Size, budget_size

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")


class _Noise:
    name, revision, fingerprint = "fake", "1", "f1"

    def read(self, locator: str) -> bytes:
        data = io.BytesIO()
        width, height = map(int, locator.split("x"))
        Image.effect_noise((width, height), 80).convert("RGB").save(data, "PNG")
        return data.getvalue()


@pytest.fixture(autouse=True)
def _source(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.set_num_threads(1)
    monkeypatch.setitem(tasks._SOURCES, "fake", _Noise())  # type: ignore[arg-type]
    yield
    LEDGER.adapter = None
    LEDGER.failures.clear()


def _judged(adapter: ResWrap, images: list[str], sizes: tuple[int, ...]) -> list[Any]:
    documents = [
        {
            "dataset": "fake",
            "sample": images[0],
            "image": images[0],
            "more_images": images[1:],
            "resolution": str(size),
            "filter": "bicubic",
            "scheme": "match",
            "question": "Is <image 2> like <image 1>?",
            "choices": ["ring", "disc"],
            "answer": "ring",
            "cluster": "c",
            "fingerprint": "f1",
            "form": "closed",
            "data": "",
        }
        for size in sizes
    ]
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    generation = {"max_new_tokens": 3, "until": ["\n"], "do_sample": False}
    requests = [
        SimpleNamespace(
            metadata={},
            args=(tasks.doc_to_text(doc), dict(generation), tasks.doc_to_visual, n, "task", "test"),
        )
        for n, doc in enumerate(documents)
    ]
    replies = adapter.generate_until(requests)  # type: ignore[arg-type]
    return [verdict_of(doc, reply) for doc, reply in zip(documents, replies, strict=True)]


@pytest.mark.parametrize("simple", [True, False])
def test_each_image_is_attested_at_its_own_grid(simple: bool, tmp_path: Path) -> None:
    folder = tiny_families.save("qwen2_5_vl", tmp_path)
    adapter = ResWrap("qwen2_5_vl", pretrained=str(folder), force_simple=simple)
    images = ["240x240", "300x150", "90x270"]
    sizes = (64, 130)
    for (verdict, attested), size in zip(_judged(adapter, images, sizes), sizes, strict=True):
        assert verdict.failure is None and attested.status == "attested", attested
        assert len(attested.images) == 3
        for one, name in zip(attested.images, images, strict=True):
            width, height = map(int, name.split("x"))
            shown = budget_size(Size(width, height), size)
            assert one.source == (width, height)
            assert one.information == (shown.width, shown.height)
            assert one.grid is not None and one.grid == one.expected_grid
            assert one.visual_tokens == one.grid[0] * one.grid[1] // 28**2
        assert attested.visual_tokens == sum(one.visual_tokens or 0 for one in attested.images)


@pytest.mark.parametrize("name", list(SINGLE))
def test_a_base_is_called_single_by_its_own_code(name: str) -> None:
    module = f"lmms_eval.models.simple.{name}"
    import importlib.util

    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    assert SINGLE[name].shown in Path(spec.origin).read_text()


def test_a_single_base_is_told_before_the_first_question() -> None:
    adapter: Any = SimpleNamespace(
        sight=SimpleNamespace(family=None), plan=SimpleNamespace(name="fuyu", chat=False)
    )
    assert ResWrap.no_several_images(adapter) == "base=fuyu takes the first alone"
    adapter.sight.family = SimpleNamespace(several_images=False, name="f")
    assert "family f take one image" in str(ResWrap.no_several_images(adapter))
    adapter.sight.family, adapter.plan.name = None, "openai"
    assert ResWrap.no_several_images(adapter) is None


def test_tiles_of_images_that_differ_are_not_shared_out() -> None:
    alike = TowerInput(each=2, alike=True, images=[(6, 28, 28)])
    assert [one and one.images for one in alike.grids(1)] == [3, 3]
    assert TowerInput(each=2, alike=False, images=[(6, 28, 28)]).grids(1) == [None, None]
    assert TowerInput(each=2, alike=True, images=[(5, 28, 28)]).grids(1) == [None, None]
    assert TowerInput(each=2, alike=True, images=[(1, 28, 28), (1, 28, 56)]).grids(1) == [
        None,
        None,
    ]


def test_every_single_base_is_known_to_the_host() -> None:
    from lmms_eval import models

    names = models.MODEL_REGISTRY_V2.list_model_names()
    assert set(SINGLE) <= set(names)
