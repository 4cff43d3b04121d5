"""`--model reshf` loads as it is told: device map, attention, quantisation."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from resolution_eval.adapters.reshf import ResHF
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.engine import Question

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    LEDGER.adapter = None


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_families.save("llava", tmp_path_factory.mktemp("llava"))


def _answer(adapter: ResHF) -> tuple[str, Any]:
    prompt = adapter.family.prompt(adapter.parts, "Which?", image=True)
    question = Question(prompt, Image.effect_noise((42, 28), 60).convert("RGB"), (" ring", " disc"))
    (spoken,) = adapter.engine.rank([question])
    assert spoken.received is not None
    return spoken.text, spoken.received.grid


@pytest.mark.parametrize("device_map", ["cpu", "auto"])
def test_a_device_map_is_handed_on_and_the_grid_attested(
    device_map: str, llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForImageTextToText

    load = AutoModelForImageTextToText.from_pretrained
    told: list[Any] = []

    def noting(*positional: Any, **named: Any) -> Any:
        told.append(named.get("device_map"))
        return load(*positional, **named)

    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", noting)
    adapter = ResHF(str(llava), device_map=device_map)
    assert told == [device_map]
    assert str(adapter.engine.model.device) == "cpu"
    adapter.device = torch.device("cuda:7")  # where it would be without the map
    assert adapter.checkpoint_facts().device == "cpu"
    assert _answer(adapter)[1] == (28, 42)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_asked_for_is_used(attention: str, llava: Path) -> None:
    adapter = ResHF(str(llava), attn_implementation=attention)
    config = adapter.engine.model.config
    assert config._attn_implementation == attention
    assert config.vision_config._attn_implementation == attention
    assert _answer(adapter)[1] == (28, 42)


@pytest.mark.parametrize(("dtype", "kind"), [("bfloat16", torch.bfloat16), (None, torch.float32)])
def test_float32_on_a_processor_unless_told_otherwise(
    dtype: str | None, kind: torch.dtype, llava: Path
) -> None:
    adapter = ResHF(str(llava), dtype=dtype)
    assert adapter.engine.model.dtype == kind
    assert _answer(adapter)[1] == (28, 42)


def test_attention_that_is_not_there_is_one_sentence(llava: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        ResHF(str(llava), attn_implementation="no_such_attention")
    assert "no_such_attention" in str(stopped.value.code)


def test_eight_bits_really_quantise_and_the_grid_is_attested(llava: Path) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    adapter = ResHF(str(llava), load_in_8bit="true")
    kinds = [type(module) for module in adapter.engine.model.modules()]
    assert bitsandbytes.nn.Linear8bitLt in kinds
    assert _answer(adapter)[1] == (28, 42)


def test_four_bits_really_quantise_and_the_grid_is_attested(tmp_path: Path) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    from transformers import AutoModelForImageTextToText

    config, processor = tiny_families.llava()
    for part in (config.text_config, config.vision_config):  # blocks of 64 weights
        part.hidden_size, part.intermediate_size = 64, 128
    config.text_config.head_dim = 32
    AutoModelForImageTextToText.from_config(config).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    adapter = ResHF(str(tmp_path), load_in_4bit=True, bnb_4bit_quant_type="nf4")
    kinds = [type(module) for module in adapter.engine.model.modules()]
    assert bitsandbytes.nn.Linear4bit in kinds
    assert _answer(adapter)[1] == (28, 42)


@pytest.mark.whole
def test_quantisation_without_its_package_is_one_sentence(
    llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "transformers.quantizers.quantizer_bnb_8bit.is_bitsandbytes_available", lambda *_: False
    )
    with pytest.raises(SystemExit) as stopped:
        ResHF(str(llava), load_in_8bit=True)
    message = str(stopped.value.code)
    assert message.startswith("resolution-eval: ") and "bitsandbytes" in message


@pytest.mark.parametrize("name", ["paligemma", "instructblip"])
def test_a_family_that_refuses_a_prompt_alone_is_blinded_by_its_mean_colour(
    name: str, tmp_path: Path
) -> None:
    adapter = ResHF(str(tiny_families.save(name, tmp_path)), blind="true")
    assert adapter.family.needs_image and adapter.blind == "mean image"
    mean = adapter.parts.processor.image_processor.image_mean
    assert adapter.mean_colour == tuple(round(255 * value) for value in mean)


class _Code:
    """Opens a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_pickled_code_in_a_hugging_face_folder_is_refused_and_not_run(
    llava: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(llava, tmp_path / "checkpoint")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    torch.save({"lm_head.weight": _Code(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises((SystemExit, ModelError), match="code in a checkpoint is not run"):
        ResHF(str(folder))
    assert not (tmp_path / "ran").exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)["lm_head.weight"].close()
    assert (tmp_path / "ran").exists(), "the code would have run"


@pytest.mark.parametrize("percent", [0, 50, 99])
def test_weights_that_are_cut_short_are_one_error(
    llava: Path, tmp_path: Path, percent: int
) -> None:
    folder = shutil.copytree(llava, tmp_path / "checkpoint")
    (weights,) = folder.glob("*.safetensors")
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) * percent // 100])
    with pytest.raises((SystemExit, ModelError), match="cannot be loaded"):
        ResHF(str(folder))
