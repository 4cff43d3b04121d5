"""Checkpoints as people publish them, each wrong in a way of its own: built here, with what is
right of each.

The names are those of the cases that were collected from public reports; where a folder of them
lies beside the data, `test_case_folders.py` holds it to the same table.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tiny_families
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.census.checkpoints import save as save_of_census
from resolution_eval.models.families.checkpoint import load_model

Build = Callable[["Folders", Path], object]
Weights = dict[str, torch.Tensor]
THOUGHT = ("So it seems", "</think>", "smooth muscle")
"""What the thinking checkpoint writes, token by token, whatever it is shown."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One folder, and what is right of it."""

    build: Build
    model: str = "reshf"
    arguments: str = ""
    """Further ones, in which {NAME} stands for the folder of another case."""
    said: str = ""
    """What a run says that refuses it, or of which every sample fails; empty: it is scored."""
    statuses: frozenset[str] = frozenset({"attested"})
    """Those that its samples may have, where it is scored."""
    examined: str = ""
    """What the doctor finds wrong; empty: nothing."""
    same: str = ""
    """The case whose answers it gives, every one."""
    mended: str = ""
    """Arguments with which it is scored all the same."""
    predicts: str = ""
    """What every answer is read as, where that is known."""


class Folders:
    """The folders of the cases, built once each under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str) -> Path:
        folder = self.root / name
        if not folder.exists():
            CASES[name].build(self, folder)
        return folder


def tiny(kind: str, *changes: Callable[[Path], object]) -> Build:
    """A tiny checkpoint of a family, spoilt by `changes`."""

    def build(folders: Folders, folder: Path) -> None:
        whole = folders.root / f"whole_{kind}"
        if not whole.exists():
            tiny_families.save(kind, whole)
        shutil.copytree(whole, folder)
        for change in changes:
            change(folder)

    return build


def edit(file: str, **changes: Any) -> Callable[[Path], object]:
    """Sets keys of a file of JSON."""

    def change(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def edit_images(absent: tuple[str, ...] = (), **changes: Any) -> Callable[[Path], object]:
    """The same of the image processor's settings."""

    def change(folder: Path) -> None:
        path = folder / "processor_config.json"
        told = json.loads(path.read_text())
        told["image_processor"].update(changes)
        for name in absent:
            told["image_processor"].pop(name)
        path.write_text(json.dumps(told))

    return change


def prefers(**settings: Any) -> Build:
    """The base with generation settings of its own."""
    return tiny("qwen2_5_vl", edit("generation_config.json", **settings))


def without_key(file: str, name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        told = json.loads((folder / file).read_text())
        told.pop(name)
        (folder / file).write_text(json.dumps(told))

    return change


def template(text: str) -> Callable[[Path], object]:
    """Another chat template."""
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def removed(*files: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        for file in files:
            (folder / file).unlink()

    return change


def weights(make: Callable[[Weights], Weights]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(make(load_file(path)), path, metadata={"format": "pt"})

    return change


def lacking(part: str) -> Callable[[Path], object]:
    """Saved without the weights whose names hold `part`."""
    return weights(lambda own: {name: value for name, value in own.items() if part not in name})


def resized(own: Weights) -> Weights:
    """Eight more rows in embeddings and head than the configuration says."""
    longer = {name: value for name, value in own.items() if len(value) == 512 and value.ndim == 2}
    return {**own, **{name: torch.cat([one, one[:8]]) for name, one in longer.items()}}


def of_census(kind: str) -> Build:
    return lambda folders, folder: save_of_census(kind, folder)


def as_older_files(folder: Path) -> None:
    """The image processor's settings alone, as transformers before 4.45 left them."""
    told = json.loads((folder / "processor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(told["image_processor"]))
    (folder / "processor_config.json").unlink()


def tuned(folders: Folders, folder: Path, *, form: str) -> None:
    """LoRA of the base, as `form`: "adapter" alone, "beside" what the base's folder holds but its
    weights, or "merged" into them.
    """
    base = folders("base_qwen2_5_vl")
    layers = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"])
    torch.manual_seed(1)
    model = get_peft_model(load_model(str(base)), layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    if form == "merged":
        shutil.copytree(base, folder)
        model.merge_and_unload().save_pretrained(folder)
        return
    if form == "beside":
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns("model.safetensors"))
    model.save_pretrained(folder)
    edit("adapter_config.json", base_model_name_or_path=str(base))(folder)


def remote(kind: str, *, code: str = "", **told: Any) -> Build:
    """A folder in its makers' own form; its code, if it has any, must not be run unasked."""

    def build(folders: Folders, folder: Path) -> None:
        folder.mkdir()
        if code:
            told["auto_map"] = {"AutoConfig": f"{code}.Own"}
            (folder / f"{code}.py").write_text("raise SystemError('code was run')")
        (folder / "config.json").write_text(json.dumps({"model_type": kind, **told}))
        save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")

    return build


def thinking(folders: Folders, folder: Path) -> None:
    """A checkpoint whose prompt opens a thinking, and that writes `THOUGHT` behind it: every token
    names the next, whatever stands before.
    """
    from transformers import LlamaConfig, LlavaForConditionalGeneration

    config, processor = tiny_families.llava()
    width = tiny_families.TEXT["vocab_size"]
    config.text_config = LlamaConfig(**{**tiny_families.TEXT, "hidden_size": width})
    tokens = processor.tokenizer
    tokens.add_tokens(["<think>", *THOUGHT])
    processor.chat_template = processor.chat_template.replace("assistant:", "assistant:<think>\n")
    model = LlavaForConditionalGeneration(config)
    written = [*tokens.convert_tokens_to_ids(list(THOUGHT)), tokens.eos_token_id]
    follows = [tokens("<think>\n", add_special_tokens=False)["input_ids"][-1], *written]
    head = torch.zeros(width, width)
    for one, other in zip(follows, written, strict=False):
        head[other, one] = 1.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.zero_()
        model.get_input_embeddings().weight.copy_(torch.eye(width))
        model.get_output_embeddings().weight.copy_(head)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}{{ '<|im_start|>assistant\n' }}"
)
FLASH = "flash_attention_2"
PLACE = "<|vision_start|><|image_pad|><|vision_end|>"
OF_PARTS = (
    "{% for m in messages %}{{ m.role }}: {% for c in m.content %}FIRST{% if c.type=='text' %}"
    "{{ c.text }}{% endif %}{% endfor %}\n{% endfor %}assistant:"
)
OTHER_PARTS = OF_PARTS.replace("FIRST", f"{{% if c.type=='image_url' %}}{PLACE}{{% endif %}}")
OF_STRINGS = (
    "{% for m in messages %}{{ 'PLACE' if loop.first }}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "assistant:"
).replace("PLACE", PLACE)
CUT = {"direction": "Right", "max_length": 110, "strategy": "LongestFirst", "stride": 0}
NO_TEMPLATE = "give chat_template=FILE"
NO_PROCESSOR = "give processor=ID"
EITHER = frozenset({"attested", "mismatched"})
SAVED = "template={base_qwen2_5_vl}/chat_template.jinja"

CASES: Mapping[str, Case] = {
    "attest_gemma4": Case(
        build=of_census("gemma4"),
        model="reswrap",
        arguments="base=huggingface",
        statuses=frozenset({"mismatched"}),
        examined="mismatched: 28",
    ),
    "attest_minicpmv4_6": Case(
        build=of_census("minicpmv4_6"),
        model="reswrap",
        arguments="base=huggingface",
        statuses=EITHER,
        examined="mismatched: 28",
    ),
    "attest_perception_lm": Case(
        build=of_census("perception_lm"),
        model="reswrap",
        arguments="base=huggingface",
        said="scheme=match is impossible for perception_lm",
        examined="match is impossible",
        mended="scheme=restore",
    ),
    "attest_qwen3_vl_moe": Case(build=of_census("qwen3_vl_moe")),
    "attest_video_llama_3": Case(
        build=of_census("video_llama_3"),
        model="reswrap",
        arguments="base=huggingface",
        statuses=EITHER,
        examined="mismatched: 28",
    ),
    "attn_flash": Case(
        build=tiny(
            "qwen2_5_vl", edit("config.json", _attn_implementation=FLASH, attn_implementation=FLASH)
        ),
        said="give attn_implementation=sdpa",
        mended="attn_implementation=sdpa",
        same="base_qwen2_5_vl",
    ),
    "base_qwen2_5_vl": Case(build=tiny("qwen2_5_vl")),
    "chat_dict": Case(
        build=tiny("qwen2_5_vl", template(OTHER_PARTS)),
        said=NO_TEMPLATE,
        examined=NO_TEMPLATE,
        mended=f"chat_{SAVED}",
        same="base_qwen2_5_vl",
    ),
    "chat_llm": Case(build=tiny("llava", template(CHATML))),
    "chat_no_image": Case(
        build=tiny("qwen2_5_vl", template(OF_PARTS.replace("FIRST", ""))),
        said=NO_TEMPLATE,
        examined=NO_TEMPLATE,
        mended=f"chat_{SAVED}",
        same="base_qwen2_5_vl",
    ),
    "chat_strings": Case(build=tiny("qwen2_5_vl", template(OF_STRINGS))),
    "gen_dict": Case(
        build=prefers(return_dict_in_generate=True, output_scores=True), same="base_qwen2_5_vl"
    ),
    "gen_minp": Case(build=prefers(do_sample=True, min_p=0.9), same="base_qwen2_5_vl"),
    "gen_penalty_alpha": Case(build=prefers(penalty_alpha=0.6, top_k=4), same="base_qwen2_5_vl"),
    "gen_repetition": Case(
        build=prefers(do_sample=True, temperature=1e-6, repetition_penalty=1.3),
        same="base_qwen2_5_vl",
    ),
    "gen_repetition105": Case(
        build=prefers(do_sample=True, temperature=1e-6, repetition_penalty=1.05),
        same="base_qwen2_5_vl",
    ),
    "gen_stop": Case(build=prefers(stop_strings=["e", "a", "i"]), same="base_qwen2_5_vl"),
    "llava_do_pad": Case(
        build=tiny("llava", edit_images(do_pad=True, image_processor_type="LlavaImageProcessor"))
    ),
    "llava_no_additional": Case(
        build=tiny("llava", without_key("processor_config.json", "num_additional_image_tokens")),
        said="image tokens into the prompt where the grid makes",
        examined="miscounted: 28",
    ),
    "llava_no_procconfig": Case(build=tiny("llava", as_older_files)),
    "lora_full": Case(build=partial(tuned, form="beside"), same="lora_merged_truth"),
    "lora_merged_truth": Case(build=partial(tuned, form="merged")),
    "lora_only": Case(build=partial(tuned, form="adapter"), same="lora_merged_truth"),
    "nochat_llava": Case(
        build=tiny("llava", removed("chat_template.jinja")),
        said="has no chat template",
        examined="has no chat template",
        mended="chat_template=plain",
    ),
    "proc_do_resize_false": Case(
        build=tiny("qwen2_5_vl", edit_images(do_resize=False)), same="base_qwen2_5_vl"
    ),
    "proc_none": Case(
        build=tiny("qwen2_5_vl", removed("processor_config.json")),
        said=NO_PROCESSOR,
        examined=NO_PROCESSOR,
        mended="processor={base_qwen2_5_vl}",
        same="base_qwen2_5_vl",
    ),
    "proc_none_llava": Case(
        build=tiny("llava", removed("processor_config.json")),
        said=NO_PROCESSOR,
        examined=NO_PROCESSOR,
        mended="processor={llava_do_pad}",
    ),
    "remote_huatuo": Case(
        build=remote("llava_qwen2", mm_vision_tower="./vit/clip_vit_large_patch14_336"),
        said="HuatuoGPT-Vision-7B-hf",
        examined="HuatuoGPT-Vision-7B-hf",
    ),
    "remote_hulu": Case(
        build=remote("hulumed_qwen2", code="configuration_hulumed"),
        said="the twin whose name ends in -HF",
        examined="the twin whose name ends in -HF",
    ),
    "remote_llava_llama": Case(
        build=remote("llava_llama", mm_vision_tower="openai/clip-vit-large-patch14-336"),
        said="the twin whose name ends in -hf",
        examined="resolution-eval convert",
    ),
    "remote_llavamed": Case(
        build=remote("llava_mistral", mm_vision_tower="openai/clip-vit-large-patch14-336"),
        said="resolution-eval convert",
        examined="resolution-eval convert",
    ),
    "remote_minicpmv": Case(
        build=remote("minicpmv", code="configuration_minicpm"),
        said="base=minicpm_v,trust_remote_code=true",
        examined="base=minicpm_v,trust_remote_code=true",
    ),
    "remote_phi4": Case(
        build=remote("phi4mm", code="configuration_phi4mm"),
        said="refs/pr/70",
        examined="refs/pr/70",
    ),
    "smol_no_max": Case(build=tiny("smolvlm", edit_images(absent=("max_image_size",)))),
    "thinking_short": Case(build=thinking, predicts="smooth muscle"),
    "tok_truncation_mid": Case(
        build=tiny("qwen2_5_vl", edit("tokenizer.json", truncation=CUT)), same="base_qwen2_5_vl"
    ),
    "weights_no_head": Case(build=tiny("qwen2_5_vl", lacking("lm_head")), said="lm_head.weight"),
    "weights_no_tower": Case(
        build=tiny("llava", lacking("vision_tower")), said="the vision tower was left out"
    ),
    "weights_prefixed": Case(
        build=tiny(
            "qwen2_5_vl", weights(lambda own: {f"module.{name}": one for name, one in own.items()})
        ),
        said="strip the prefix 'module.'",
    ),
    "weights_resized": Case(
        build=tiny("qwen2_5_vl", weights(resized)), said="(520, 32), the configuration needs"
    ),
}
