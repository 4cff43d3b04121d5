"""An engine in this process, vLLM's: its processed inputs are counted, and never called attested.

There is no GPU here: the engine is a stand-in with the fields of vLLM 0.33.0 that are read, and
nothing else of it (`test_vllm_types.py` holds it against vLLM's own source; last compared with
0.33.0 on 2026-11-28). Where vLLM itself can be imported, its own types are read too.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from asking import MODEL, documents, judged
from PIL import Image

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.models.wrapped import base_plan
from resolution_eval.models.wrapped.engine_inputs import EngineWatch, size_of

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass
class Placeholders:
    """As `vllm.multimodal.inputs.PlaceholderRange`."""

    length: int

    def get_num_embeds(self) -> int:
        return self.length


@dataclass
class Item:
    """As `vllm.multimodal.inputs.MultiModalKwargsItem`."""

    grid: tuple[int, int]

    def get_data(self) -> dict[str, Any]:
        return {"image_grid_thw": torch.tensor([1, *self.grid])}


@dataclass
class Feature:
    """As `vllm.multimodal.inputs.MultiModalFeatureSpec`."""

    data: Item | None
    mm_position: Placeholders
    mm_hash: str
    modality: str = "image"


class StandInProcessor:
    """As `vllm.v1.engine.input_processor.InputProcessor`: Qwen's grid, an image it knows cached."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.seen = fault, set[str]()

    def process_inputs(self, request_id: str, prompt: Any, params: Any) -> Any:
        if self.fault == "dropped":
            return SimpleNamespace(mm_features=None)
        features = [self._feature(image) for image in prompt]
        return SimpleNamespace(mm_features=features)

    def _feature(self, image: Image.Image) -> Feature:
        width, height = image.size
        if self.fault == "halved":
            width, height = width // 2, height // 2
        rows, columns = max(1, round(height / 28)), max(1, round(width / 28))
        key = f"{image.size} {hash(image.tobytes())}"
        item = None if key in self.seen else Item((2 * rows, 2 * columns))
        self.seen.add(key)
        return Feature(item, Placeholders(rows * columns), key)


class StandInEngine:
    """As `vllm.v1.engine.llm_engine.LLMEngine`."""

    def __init__(self, fault: str = "") -> None:
        self.input_processor = StandInProcessor(fault)
        vision = SimpleNamespace(patch_size=14)
        self.model_config = SimpleNamespace(hf_config=SimpleNamespace(vision_config=vision))

    def add_request(self, request_id: str, prompt: Any, params: Any) -> Any:
        return self.input_processor.process_inputs(request_id, prompt, params)


class StandInBase:
    """One of lmms-eval's simple models, with such an engine."""

    is_simple = True
    task_dict: Any = None

    def __init__(self, model: str = MODEL, fault: str = "", batch_size: int = 1) -> None:
        self.client = SimpleNamespace(llm_engine=StandInEngine(fault))

    def generate_until(self, requests: Any) -> list[str]:
        for number, request in enumerate(requests):
            _, _, visuals, place, task, split = request.args
            shown = visuals(self.task_dict[task][split][place])
            for image in shown:
                image.save(io.BytesIO(), format="PNG")  # as they are handed to the engine
            self.client.llm_engine.add_request(str(number), shown, None)
        return ["A"] * len(requests)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_plan, "find", lambda name, force_simple: StandInBase)


SIZES = (84, 140)


def wrapped(**more: Any) -> Any:
    told = {"served_min_pixels": 784, "batch_size": 2, **more}
    return ResWrap("vllm", **{k: v for k, v in told.items() if v is not None})


@pytest.mark.usefixtures("engine")
def test_placeholders_that_agree_with_the_rule_are_counted_and_never_attested() -> None:
    made = wrapped()
    for _ in range(2):  # the second time the engine has every image in its cache
        found = judged(made, documents(["280x280", "420x210"], SIZES))
        assert [attested.status for _, attested in found] == ["counted"] * 4
        for _, attested in found:
            served = attested.served
            assert served is not None and attested.grid is None
            assert served.counted_by == "placeholders of the engine's processed inputs"
            height, width = attested.expected_grid or (0, 0)
            columns, rows = max(1, round(width / 28)), max(1, round(height / 28))
            assert served.predicted_size == (28 * columns, 28 * rows)
            assert served.counted_tokens == columns * rows


@pytest.mark.usefixtures("engine")
def test_an_engine_that_halves_images_is_mismatched_by_its_own_tensors() -> None:
    found = judged(wrapped(fault="halved"), documents(["280x280"], (140,)))
    assert [attested.status for _, attested in found] == ["mismatched"]


@pytest.mark.usefixtures("engine")
def test_an_engine_that_drops_the_image_fails_by_name() -> None:
    ((verdict, _),) = judged(wrapped(fault="dropped"), documents(["280x280"], (140,)))
    assert verdict.failure is not None and verdict.failure.kind == "dropped"


@pytest.mark.usefixtures("engine")
def test_without_a_rule_its_own_size_is_all_that_is_known() -> None:
    made = wrapped(model="some/model", served_min_pixels=None)
    ((_, attested),) = judged(made, documents(["280x280"], (140,)))
    assert attested.status == "predicted" and attested.served is not None
    assert attested.served.predicted_size == (140, 140)


def test_another_number_of_inputs_than_questions_tells_nothing() -> None:
    watch = EngineWatch(StandInEngine())
    with watch.watching():
        watch._engine.add_request("0", [Image.new("RGB", (56, 84))], None)
    assert watch.of(0, 1) is not None and watch.of(0, 2) is None
    assert watch.inputs[0].sizes == ((56, 84),) and watch.inputs[0].tokens == (6,)


@pytest.mark.parametrize(
    ("held", "patch", "size"),
    [
        ({"image_grid_thw": torch.tensor([1, 4, 6])}, 14, (84, 56)),
        ({"image_grid_thw": torch.tensor([[1, 4, 6]])}, 16, (96, 64)),
        ({"image_grid_thw": torch.tensor([1, 4, 6])}, None, None),
        ({"pixel_values": torch.zeros(3, 56, 84)}, None, (84, 56)),
        ({"pixel_values": torch.zeros(1, 3, 56, 84)}, None, (84, 56)),
        ({"pixel_values": torch.zeros(5, 3, 56, 84)}, None, None),
        ({"pixel_values": [torch.zeros(3, 56, 84)]}, None, None),
        ({}, 14, None),
    ],
)
def test_a_size_is_read_where_tensors_tell_it(held: Any, patch: Any, size: Any) -> None:
    assert size_of(held, patch) == size


def test_the_types_of_vllm_are_read_where_it_is_installed() -> None:
    inputs = pytest.importorskip(
        "vllm.multimodal.inputs", reason="vLLM is not installed: its types were not tried"
    )
    held = {
        "image_grid_thw": inputs.MultiModalFieldElem(
            data=torch.tensor([1, 4, 6]), field=inputs.MultiModalSharedField(batch_size=1)
        )
    }
    feature = inputs.MultiModalFeatureSpec(
        data=inputs.MultiModalKwargsItem(held),
        modality="image",
        identifier="a",
        mm_position=inputs.PlaceholderRange(offset=2, length=6),
        mm_hash="a",
    )
    read = EngineWatch(StandInEngine())._read(SimpleNamespace(mm_features=[feature]))
    assert read.tokens == (6,) and read.sizes == ((84, 56),)
