"""LLaVA's own form, converted, gives the logits that its own computation gives."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
import tiny_families

from resolution_eval import cli
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.families import family_of
from resolution_eval.models.families.checkpoint import load_model, load_parts
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.llava_original import convert

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = len(tiny_families.tokenizer())
"""Of the embeddings: none is left for the image's token."""
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
    "projection_dim": 16,
}


def _parts(kind: str) -> tuple[Any, Any, Any]:
    """A language model, a projector and a CLIP tower with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(3)
    text = {**tiny_families.TEXT, "vocab_size": ROWS}
    language = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **text))
    tower = CLIPVisionModel(CLIPVisionConfig(**VISION))
    projector = torch.nn.Sequential(
        torch.nn.Linear(32, 32), torch.nn.GELU(), torch.nn.Linear(32, 32)
    )
    for part in (language, tower, projector):
        for weight in part.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    return language.eval(), tower.eval(), projector


def _write(folder: Path, kind: str, *, with_tower: bool) -> tuple[Any, Any, Any]:
    """The folder as LLaVA's training saves it."""
    parts = language, tower, projector = _parts(kind)
    tower.save_pretrained(folder.parent / "clip")
    weights = {name: t for name, t in language.state_dict().items() if "inv_freq" not in name}
    weights |= {f"model.mm_projector.{name}": t for name, t in projector.state_dict().items()}
    for name, tensor in tower.state_dict().items() if with_tower else ():
        name = name.removeprefix("vision_model.")
        weights[f"model.vision_tower.vision_tower.vision_model.{name}"] = tensor
    folder.mkdir()
    save_file({n: t.contiguous() for n, t in weights.items()}, folder / "model.safetensors")
    told = {
        **language.config.to_dict(),
        "model_type": f"llava_{kind}",
        "architectures": ["LlavaForCausalLM"],
        "mm_vision_tower": str(folder.parent / "clip"),
        "mm_projector_type": "mlp2x_gelu",
        "mm_hidden_size": 32,
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "image_aspect_ratio": "pad",
    }
    (folder / "config.json").write_text(json.dumps(told, default=str))
    tiny_families.tokenizer().save_pretrained(folder)
    return parts


@pytest.mark.parametrize(
    ("kind", "with_tower"),
    [
        ("mistral", True),
        *(
            pytest.param(kind, tower, marks=pytest.mark.whole)
            for kind, tower in (("mistral", False), *product(("llama", "qwen2"), (True, False)))
        ),
    ],
)
def test_the_converted_checkpoint_gives_the_same_logits(
    kind: str, with_tower: bool, tmp_path: Path
) -> None:
    language, tower, projector = _write(tmp_path / "own", kind, with_tower=with_tower)
    assert cli.main(["convert", str(tmp_path / "own"), str(tmp_path / "hf")]) == 0
    parts, model = load_parts(str(tmp_path / "hf")), load_model(str(tmp_path / "hf")).eval()
    family = family_of(parts.config)
    assert str(family.training(parts)) == "fixed:56"
    prompt = family.prompt(parts, "Which disc?", image=True)
    noise = torch.randint(0, 256, (56, 56, 3), dtype=torch.uint8)
    inputs = prepare(family, parts, prompt, Image.fromarray(noise.numpy()))
    with torch.inference_mode():
        found = model(**inputs).logits[0]
        seen = tower(inputs["pixel_values"], output_hidden_states=True).hidden_states[-2][:, 1:]
        ids = inputs["input_ids"][0]
        image = ids == parts.config.image_token_id
        embedded = language.get_input_embeddings()(ids.where(~image, 0))
        embedded[image] = projector(seen)[0]
        expected = language(inputs_embeds=embedded[None]).logits[0]
    assert int(image.sum()) == 16
    torch.testing.assert_close(found[:, :ROWS], expected, rtol=1e-4, atol=1e-5)
    assert found.shape[1] == ROWS + 1 and not (found.argmax(-1) == ROWS).any()


def test_the_question_is_asked_as_llava_med_asks_it(tmp_path: Path) -> None:
    _write(tmp_path / "own", "mistral", with_tower=True)
    parts = load_parts(str(convert(tmp_path / "own", tmp_path / "hf")))
    prompt = family_of(parts.config).prompt(parts, "Which disc?", image=True)
    assert prompt == "<s>[INST] <image>\nWhich disc? [/INST]"


def _spoil(folder: Path, **told: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))


def test_what_cannot_be_converted_is_said(tmp_path: Path) -> None:
    own = tmp_path / "own"
    _write(own, "mistral", with_tower=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="not empty"):
        convert(own, tmp_path / "full")
    with pytest.raises(ModelError, match="no checkpoint in LLaVA's own form"):
        convert(tmp_path / "clip", tmp_path / "out")
    _spoil(own, mm_vision_tower="/nowhere")
    with pytest.raises(ModelError, match="--tower"):
        convert(own, tmp_path / "out")
    assert convert(own, tmp_path / "out", tower=str(tmp_path / "clip")) == tmp_path / "out"
    _spoil(own, mm_projector_type="linear")
    with pytest.raises(ModelError, match="mlp2x_gelu"):
        convert(own, tmp_path / "other")
    _spoil(own, mm_projector_type="mlp2x_gelu")
    weights = load_file(own / "model.safetensors")
    layer = "model.layers.1.mlp.up_proj.weight"
    save_file({n: t for n, t in weights.items() if n != layer}, own / "model.safetensors")
    with pytest.raises(ModelError, match=r"not whole: 1 weight .*layers\.1\.mlp\.up_proj"):
        convert(own, tmp_path / "less", tower=str(tmp_path / "clip"))
    save_file(
        {**weights, "model.strange.weight": weights[layer].clone()}, own / "model.safetensors"
    )
    with pytest.raises(ModelError, match="names that are not LLaVA's"):
        convert(own, tmp_path / "more", tower=str(tmp_path / "clip"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("llava_mistral", "resolution-eval convert"),
        ("llava_llama", "-hf"),
        ("llava_qwen2", "HuatuoGPT-Vision-7B-hf"),
        ("internvl_chat", "InternVL3-8B-hf"),
        ("phi4mm", "refs/pr/70"),
        ("minicpmv", "base=minicpm_v,trust_remote_code=true"),
        ("hulumed_qwen2", "trust_remote_code=true"),
    ],
)
def test_a_checkpoint_in_its_own_form_is_told_the_way_that_works(
    kind: str, said: str, tmp_path: Path
) -> None:
    coded = {"auto_map": {"AutoConfig": "configuration_own.Own"}}
    told = {"model_type": kind, **({} if kind.startswith("llava") else coded)}
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "configuration_own.py").write_text("raise SystemError('code was run')")
    with pytest.raises(ModelError) as refused:
        load_parts(str(tmp_path))
    assert said in str(refused.value)
    assert "pretrained= a folder here" not in str(refused.value)
