"""`--model resflamingo`: what is asked of its text is done, and one image is one image."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from resolution_eval.adapters.adapter import View
from resolution_eval.adapters.requests import SampleRequest
from resolution_eval.adapters.resflamingo import ResFlamingo
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.resolution import Size

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def adapter() -> Iterator[ResFlamingo]:
    torch.set_num_threads(1)
    yield ResFlamingo(answer_mode="generate")
    LEDGER.adapter = None


def _view(generation: dict[str, Any]) -> View:
    image = Image.effect_noise((32, 16), 60).convert("RGB")
    job = SampleRequest(
        index=0,
        prompt="Which?",
        choices=("ring", "disc"),
        resolution=28,
        filter="bicubic",
        scheme="match",
        document={"sample": "a"},
        load=lambda: None,  # type: ignore[arg-type,return-value]
        generation=generation,
    )
    return View(job=job, source=Size(32, 16), notes=(), information=Size(32, 16), image=image)


def test_beams_and_sampling_reach_the_model(
    adapter: ResFlamingo, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    generate = adapter.bundle.model.lang_encoder.generate

    def noting(**arguments: Any) -> Any:
        told.append(arguments["generation_config"])
        return generate(**arguments)

    monkeypatch.setattr(adapter.bundle.model.lang_encoder, "generate", noting)
    adapter.answer([_view({"num_beams": 3, "max_new_tokens": 2})])
    adapter.answer([_view({"do_sample": True, "top_p": 0.5, "max_new_tokens": 2})])
    assert told[0].num_beams == 3 and told[0].do_sample is False
    assert (told[1].top_p, told[1].temperature) == (0.5, 1.0)


def test_an_argument_that_would_do_nothing_stops_the_run(adapter: ResFlamingo) -> None:
    with pytest.raises(SystemExit, match="does nothing without sampling"):
        adapter.answer([_view({"temperature": 0.7})])


@pytest.mark.parametrize("images", [0, 2])
def test_a_likelihood_behind_several_images_is_refused(adapter: ResFlamingo, images: int) -> None:
    adapter.task_dict = {"task": {"test": [{}]}}
    shown = [Image.new("RGB", (32, 32), (40 * place, 9, 9)) for place in range(images)]
    request = SimpleNamespace(args=("Which?", " ring", lambda doc: shown, 0, "task", "test"))
    with pytest.raises(SystemExit, match=f"the task gives {images}"):
        adapter.loglikelihood([request])  # type: ignore[list-item]


def test_a_likelihood_behind_one_image_is_that_of_its_text(adapter: ResFlamingo) -> None:
    adapter.task_dict = {"task": {"test": [{}]}}
    image = Image.effect_noise((32, 32), 60)
    asked = [("Which?", text, lambda doc: [image], 0, "task", "test") for text in (" a", " a b")]
    requests = [SimpleNamespace(args=args) for args in asked]
    (short, _), (long, _) = adapter.loglikelihood(requests)  # type: ignore[arg-type]
    assert long < short < 0
