"""An adapter's folder answers as the model that it would be merged into, or is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
import tiny_families

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.checkpoint import load_model, load_parts

pytestmark = pytest.mark.filterwarnings("ignore")
Tensors = dict[str, torch.Tensor]
LAYERS = ["q_proj", "v_proj", "down_proj"]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tuned")
    for name in ("qwen2_5_vl", "llava", "qwen2_vl"):
        tiny_families.save(name, root / name)
    return root


def _train(base: Path, folder: Path, **settings: Any) -> Tensors:
    """Writes an adapter of `base` with random weights; the merged model's weights."""
    model = load_model(str(base))
    tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=16, **settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    tuned.save_pretrained(folder)
    told = json.loads((folder / "adapter_config.json").read_text())
    told["base_model_name_or_path"] = str(base)
    (folder / "adapter_config.json").write_text(json.dumps(told))
    merged = tuned.merge_and_unload()
    return {name: tensor.clone() for name, tensor in merged.state_dict().items()}


def _rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def _settings(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _same(model: Any, merged: Tensors) -> None:
    own = model.state_dict()
    assert own.keys() == merged.keys()
    for name, tensor in merged.items():
        torch.testing.assert_close(own[name], tensor, rtol=1e-5, atol=1e-6)


KINDS: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": LAYERS},
    "everything": {"target_modules": "all-linear"},
    "by a pattern": {"target_modules": r".*language_model.*\.(q_proj|o_proj)"},
    "with a head": {"target_modules": LAYERS, "modules_to_save": ["lm_head", "embed_tokens"]},
    "rank-stabilised": {"target_modules": LAYERS, "use_rslora": True},
    "decomposed": {"target_modules": LAYERS, "use_dora": True},
    "other ranks": {
        "target_modules": LAYERS,
        "rank_pattern": {"q_proj": 8},
        "alpha_pattern": {"v_proj": 2},
    },
    "some layers": {
        "target_modules": LAYERS,
        "layers_to_transform": [1],
        "layers_pattern": "layers",
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["qwen2_5_vl", "llava"])
def test_an_adapter_is_its_merged_model(
    name: str, kind: str, folders: Path, tmp_path: Path
) -> None:
    merged = _train(folders / name, tmp_path / "adapter", **KINDS[kind])
    base = load_model(str(folders / name)).state_dict()
    assert any(not torch.equal(base[key], tensor) for key, tensor in merged.items())
    _same(load_model(str(tmp_path / "adapter")), merged)
    parts = load_parts(str(tmp_path / "adapter"))
    assert parts.config.model_type == name and parts.processor.chat_template


def _old_qwen(found: Tensors) -> Tensors:
    """As transformers before 4.52 named its modules."""
    return {
        name.replace("model.language_model.layers", "model.layers"): tensor
        for name, tensor in found.items()
    }


def _old_llava(found: Tensors) -> Tensors:
    renamed = {}
    for name, tensor in found.items():
        name = name.replace("model.model.language_model.", "model.language_model.model.")
        name = name.replace("model.model.vision_tower.", "model.vision_tower.vision_model.")
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize(("name", "older"), [("qwen2_5_vl", _old_qwen), ("llava", _old_llava)])
def test_old_names_are_those_of_the_same_modules(
    name: str, older: Callable[[Tensors], Tensors], folders: Path, tmp_path: Path
) -> None:
    merged = _train(folders / name, tmp_path / "adapter", target_modules=LAYERS)
    before = set(load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    _rewrite(tmp_path / "adapter", older)
    assert before != set(load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    _same(load_model(str(tmp_path / "adapter")), merged)


class Running:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self._mark,)


def test_a_pickled_adapter_that_holds_code_is_refused_and_not_run(
    folders: Path, tmp_path: Path
) -> None:
    _train(folders / "llava", tmp_path / "adapter", target_modules=LAYERS)
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    torch.save({"code": Running(tmp_path / "ran")}, path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(ModelError):
        load_model(str(tmp_path / "adapter"))
    assert not (tmp_path / "ran").exists()


def test_a_pickled_adapter_of_tensors_is_read(folders: Path, tmp_path: Path) -> None:
    merged = _train(folders / "llava", tmp_path / "adapter", target_modules=LAYERS)
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    _same(load_model(str(tmp_path / "adapter")), merged)


def test_a_base_can_be_named(folders: Path, tmp_path: Path) -> None:
    merged = _train(folders / "llava", tmp_path / "adapter", target_modules=LAYERS)
    _settings(tmp_path / "adapter", base_model_name_or_path="/nowhere/at/all")
    with pytest.raises(ModelError, match="nowhere"):
        load_model(str(tmp_path / "adapter"))
    _same(load_model(str(tmp_path / "adapter"), base=str(folders / "llava")), merged)
    with pytest.raises(ModelError, match="is no adapter"):
        load_model(str(folders / "llava"), base=str(folders / "llava"))


def _rank_two(found: Tensors) -> Tensors:
    halves = {"lora_A": lambda t: t[:2], "lora_B": lambda t: t[:, :2]}
    return {n: halves[n.split(".")[-2]](t).contiguous() for n, t in found.items()}


def _drop(part: str) -> Callable[[Tensors], Tensors]:
    return lambda found: {name: tensor for name, tensor in found.items() if part not in name}


def _rename(old: str, new: str) -> Callable[[Tensors], Tensors]:
    return lambda found: {name.replace(old, new): tensor for name, tensor in found.items()}


SPOILT: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "another rank": (_rank_two, "does not fit its base"),
    "a module without weights": (_drop("layers.1.self_attn.v_proj"), "1 are not in its weights"),
    "one half of a pair": (_drop("lora_B"), "no value"),
    "a kind without weights": (_drop("q_proj"), "not in its weights"),
    "modules of another model": (_rename("layers.1", "layers.9"), "modules that the base has not"),
    "nothing": (lambda found: {}, "holds no weights"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_an_adapter_that_does_not_fit_is_refused(what: str, folders: Path, tmp_path: Path) -> None:
    change, said = SPOILT[what]
    _train(folders / "qwen2_5_vl", tmp_path / "adapter", target_modules=LAYERS)
    _rewrite(tmp_path / "adapter", change)
    with pytest.raises(ModelError, match=said):
        load_model(str(tmp_path / "adapter"))


def test_an_adapter_that_is_damaged_is_refused(folders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    _train(folders / "llava", folder, target_modules=LAYERS)
    path = folder / "adapter_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cut short"):
        load_model(str(folder))
    path.unlink()
    with pytest.raises(ModelError, match="adapter_model"):
        load_model(str(folder))
    _settings(folder, base_model_name_or_path=None)
    with pytest.raises(ModelError, match="names no base"):
        load_model(str(folder))
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="no adapter's configuration"):
        load_model(str(folder))


def test_weights_beside_an_adapter_are_its_base_s_or_somebody_must_say(
    folders: Path, tmp_path: Path
) -> None:
    beside = shutil.copytree(folders / "llava", tmp_path / "beside")
    merged = _train(folders / "llava", tmp_path / "adapter", target_modules=LAYERS)
    shutil.copytree(tmp_path / "adapter", beside, dirs_exist_ok=True)
    _same(load_model(str(beside)), merged)
    own = load_file(beside / "model.safetensors")
    other = {name: tensor + 1 if "up_proj" in name else tensor for name, tensor in own.items()}
    save_file(other, beside / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="whole weights and an adapter"):
        load_model(str(beside))
    _same(load_model(str(beside), base=str(folders / "llava")), merged)
    on_them = load_model(str(beside), base=str(beside)).state_dict()
    key = next(name for name in merged if "language_model.layers.0.mlp.up_proj" in name)
    torch.testing.assert_close(on_them[key], merged[key] + 1)
    _settings(beside, base_model_name_or_path=str(beside))
    torch.testing.assert_close(load_model(str(beside)).state_dict()[key], merged[key] + 1)


# Processors


def test_a_processor_is_taken_from_where_it_is_said_to_be(folders: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(folders / "llava", tmp_path / "llava")
    (folder / "processor_config.json").unlink()
    (folder / "chat_template.jinja").write_text("mine: {{ messages[0].content[1].text }}<image>")
    with pytest.raises(ModelError, match="give processor=ID"):
        load_parts(str(folder))
    parts = load_parts(str(folder), processor=str(folders / "llava"))
    assert parts.processor.chat_template.startswith("mine: ")
    with pytest.raises(ModelError, match=r"differs .* in \d+ tokens"):
        load_parts(str(folder), processor=str(folders / "qwen2_vl"))
    with pytest.raises(ModelError, match="processor of '/nowhere'"):
        load_parts(str(folder), processor="/nowhere")


def test_a_chat_template_is_taken_from_a_file_or_left_away(folders: Path, tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text("own")
    assert load_parts(str(folders / "llava"), chat_template=str(template)).processor.chat_template
    assert load_parts(str(folders / "llava"), chat_template="plain").plain
    with pytest.raises(ModelError, match="no file of text"):
        load_parts(str(folders / "llava"), chat_template="/nowhere.jinja")


def test_an_adapter_of_the_hub_is_taken_from_its_copy_here(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub's client keeps it, with no network."""
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--someone--an-adapter"
    merged = _train(folders / "llava", kept / "snapshots" / commit, target_modules=LAYERS)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _same(load_model("someone/an-adapter"), merged)
    _same(load_model("someone/an-adapter", revision=commit), merged)
