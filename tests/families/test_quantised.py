"""Quantised checkpoints: loaded whole through transformers, or one sentence that says what for."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
import tiny_families

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.checkpoint import load_model

pytestmark = pytest.mark.filterwarnings("ignore")
Weights = dict[str, torch.Tensor]
BLOCK = 16
"""Edge of a block of weights that have one scale."""
PLAIN = ["lm_head", "vision_tower", "multi_modal_projector"]
FP8 = {
    "quant_method": "fp8",
    "activation_scheme": "dynamic",
    "weight_block_size": [BLOCK, BLOCK],
    "modules_to_not_convert": PLAIN,
}
EIGHT = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["re:.*lm_head", "re:.*vision_tower.*", "re:.*multi_modal_projector.*"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"},
        }
    },
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


@pytest.fixture
def llava(tmp_path: Path) -> Path:
    return tiny_families.save("llava", tmp_path / "llava")


def _quantise(
    folder: Path, told: dict[str, Any], made: Callable[[torch.Tensor], Weights]
) -> Weights:
    """Has the language model's linear weights replaced by what `made` makes of each; the originals
    in float32.
    """
    path = folder / "model.safetensors"
    own = load_file(path)
    linear = {
        name: weight
        for name, weight in own.items()
        if name.endswith("_proj.weight") and "language_model" in name
    }
    rest = {name: weight for name, weight in own.items() if name not in linear}
    for name, weight in linear.items():
        rest |= {name + ending: tensor for ending, tensor in made(weight).items()}
    save_file(rest, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": told}))
    return linear


def _blocks(weight: torch.Tensor) -> Weights:
    """Eight-bit floats, with one scale per block."""
    rows, columns = weight.shape
    cut = weight.float().reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    scale = cut.abs().amax((1, 3)).clamp(min=1e-8) / torch.finfo(torch.float8_e4m3fn).max
    whole = (cut / scale[:, None, :, None]).reshape(rows, columns)
    return {"": whole.to(torch.float8_e4m3fn), "_scale_inv": scale}


def _channels(weight: torch.Tensor) -> Weights:
    """Eight-bit integers, with one scale per row."""
    scale = weight.float().abs().amax(1, keepdim=True) / 127
    return {"": (weight / scale).round().to(torch.int8), "_scale": scale}


def _close(model: Any, linear: Weights, tolerance: float) -> None:
    own = model.state_dict()
    for name, weight in linear.items():
        torch.testing.assert_close(own[name].float(), weight.float(), rtol=tolerance, atol=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU keeps the eight bits")
def test_eight_bit_floats_are_widened_on_a_processor(llava: Path) -> None:
    linear = _quantise(llava, FP8, _blocks)
    _close(load_model(str(llava), dtype=torch.float32), linear, 0.07)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU keeps the eight bits")
def test_eight_bit_floats_without_a_scale_are_refused(llava: Path) -> None:
    _quantise(llava, FP8, lambda weight: {"": _blocks(weight)[""]})
    with pytest.raises(ModelError):
        load_model(str(llava), dtype=torch.float32)


def test_compressed_tensors_are_loaded_whole_where_the_package_is(llava: Path) -> None:
    pytest.importorskip("compressed_tensors", reason="compressed-tensors is not installed")
    linear = _quantise(llava, EIGHT, _channels)
    model = load_model(str(llava), dtype=torch.float32)
    assert len(linear) == 14
    own = model.state_dict()
    for name, weight in linear.items():
        scale = own.get(name + "_scale", 1.0)
        torch.testing.assert_close(own[name].float() * scale, weight.float(), rtol=0.02, atol=0.01)


def _named(method: str, llava: Path, tmp_path: Path) -> str:
    """What is said of a folder that says it is quantised by `method`."""
    folder = shutil.copytree(llava, tmp_path / method)
    config = json.loads((folder / "config.json").read_text())
    told = {**config, "quantization_config": {"quant_method": method, "bits": 4}}
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(ModelError) as refused:
        load_model(str(folder))
    return str(refused.value)
