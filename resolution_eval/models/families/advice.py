"""What to do about a checkpoint that transformers did not load: one clause, from what it said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OTHERS: Mapping[str, str] = {
    "llava_mistral": "LLaVA-Med's own form: `resolution-eval convert FOLDER OUT` writes it in "
    "transformers' form, which reshf runs; or give --model reswrap --model_args base=llava with "
    "the package llava (github.com/microsoft/LLaVA-Med) installed",
    "llava_llama": "LLaVA's own form: give the twin whose name ends in -hf (llava-hf/...), or "
    "`resolution-eval convert FOLDER OUT`; or --model reswrap --model_args base=llava with the "
    "package llava (github.com/haotian-liu/LLaVA) installed",
    "llava_qwen2": "HuatuoGPT-Vision's own form: give the twin whose name ends in -hf "
    "(FreedomIntelligence/HuatuoGPT-Vision-7B-hf), or `resolution-eval convert FOLDER OUT` where "
    "its tower is CLIP; or --model reswrap --model_args base=llava with its package llava "
    "(github.com/FreedomIntelligence/HuatuoGPT-Vision) installed",
    "llava_qwen": "LLaVA-NeXT's own form: give the twin whose name ends in -hf; or --model reswrap "
    "--model_args base=llava_onevision with the package llava (github.com/LLaVA-VL/LLaVA-NeXT) "
    "installed",
    "internvl_chat": "InternVL's own form: give the twin whose name ends in -hf "
    "(OpenGVLab/InternVL3-8B-hf), which reshf runs; or --model reswrap --model_args "
    "base=internvl2,trust_remote_code=true",
    "phi4mm": "Phi-4-multimodal's own form: the revision refs/pr/70 of its repository is in "
    "transformers' form (revision=refs/pr/70); or --model reswrap --model_args "
    "base=phi4_multimodal,trust_remote_code=true",
    "minicpmv": "MiniCPM-V's own form: --model reswrap --model_args "
    "base=minicpm_v,trust_remote_code=true runs it, with transformers 4.4x where its code needs "
    "that; MiniCPM-V 4.6 and newer are in transformers' form",
    "hulumed_qwen2": "Hulu-Med's own form: give the twin whose name ends in -HF, with "
    "trust_remote_code=true where it asks; or --model reswrap --model_args "
    "base=huggingface,trust_remote_code=true",
}
"""How checkpoints in a form of their own are run, by `model_type`."""


PACKAGES = {
    "gptq": "gptqmodel and optimum",
    "awq": "gptqmodel",
    "auto-round": "auto-round",
    "compressed-tensors": "compressed-tensors",
    "bitsandbytes": "bitsandbytes",
    "aqlm": "aqlm",
    "hqq": "hqq",
    "eetq": "eetq",
    "quanto": "optimum-quanto",
    "torchao": "torchao",
    "fbgemm_fp8": "fbgemm-gpu",
    "higgs": "flute-kernel",
    "vptq": "vptq",
    "spqr": "spqr_quant",
    "quark": "amd-quark",
    "mxfp4": "kernels",
    "fp_quant": "fp-quant",
    "sinq": "sinq",
    "metal": "kernels",
}
"""Packages that load quantised weights, by `quant_method`."""


def advice(error: Exception, pretrained: str, config: Mapping[str, Any] | None) -> str:
    """What to do, in one clause."""
    said = str(error)
    if config is not None and config.get("model_type") in OTHERS:
        return OTHERS[config["model_type"]]
    if re.search(r"flash[_-]?attn|FlashAttention|flash_attention", said, re.IGNORECASE):
        return "give attn_implementation=sdpa, or install flash-attn"
    if "trust_remote_code" in said or "custom code" in said:
        return (
            "its repository holds code: read it, and allow it with trust_remote_code=true; or give "
            "a checkpoint in transformers' own form, its name ending in -hf as a rule"
        )
    method = quantised(config)
    if method is not None and re.search(r"\b(GPU|CUDA|XPU|MPS)\b", said):
        return (
            f"its weights are quantised with {method}, which runs on a GPU alone: run it on one, "
            f"with {PACKAGES.get(method, method)} installed, or give a checkpoint in bfloat16"
        )
    if method is not None and (isinstance(error, ImportError) or "install" in said):
        return f"its weights are quantised with {method}: install {PACKAGES.get(method, method)}"
    if isinstance(error, ImportError):
        return "install what it names"
    return _by_place(said, pretrained, config)


def _by_place(said: str, pretrained: str, config: Mapping[str, Any] | None) -> str:
    folder = Path(pretrained)
    if not folder.is_dir():
        return "give pretrained= a folder here, or the id of a checkpoint that the hub has"
    if config is None:
        return f"{folder} holds no config.json: name the folder that does"
    if re.search(r"model type|Unrecognized configuration|Unrecognized model", said):
        kind = config.get("model_type")
        return (
            f"this version of transformers has no model of image and text of type {kind!r}: "
            "upgrade transformers, give trust_remote_code=true if the folder brings its code, or "
            "use --model reswrap"
        )
    if "automatic conversion" in said:
        return "a weight, or the scale of a quantised one, is absent or does not fit: get it again"
    if any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors")):
        return (
            "transformers reads GGUF for language models alone: give the checkpoint's safetensors, "
            "or serve the file and ask it with --model reswrap --model_args base=openai"
        )
    if not any([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        return f"{folder} holds no weights: put them there, or name the folder that has them"
    return "look at the folder's files, or save the checkpoint again with save_pretrained"


def quantised(config: Mapping[str, Any] | None) -> str | None:
    """The method that a configuration says its weights are quantised with."""
    told = (config or {}).get("quantization_config")
    return str(told.get("quant_method", "")) or None if isinstance(told, Mapping) else None
