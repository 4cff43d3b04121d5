"""What the tiny checkpoints want otherwise where transformers is of version 4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import transformers

VERSION_4 = transformers.__version__.startswith("4.")
IMAGE_PROCESSORS = {
    "aya_vision": "GotOcr2ImageProcessorFast",
    "emu3": "Emu3ImageProcessor",
    "florence2": "CLIPImageProcessor",
    "internvl": "GotOcr2ImageProcessorFast",
    "llava_next_video": "LlavaNextImageProcessor",
}
"""Those of types for which its list has none, or another's: as published checkpoints name them."""
TOKENS = {"lfm2_vl": {"image_thumbnail": "<|img_thumbnail|>"}}
CONFIGURATIONS = {
    "mllama": {"text_config": {"rope_scaling": {"rope_type": "default"}}},
    **{
        name: {
            "text_config": {"rope_scaling": {"rope_type": "default", "mrope_section": [24, 20, 20]}}
        }
        for name in ("qwen3_vl", "qwen3_vl_moe")
    },
}


def image_processor(model_type: str) -> str:
    """The name of the type's image processor, where version 4 has another; empty otherwise."""
    return IMAGE_PROCESSORS.get(model_type, "") if VERSION_4 else ""


def tokens(model_type: str) -> Mapping[str, str]:
    """Tokens that the type's tokenizers name in version 4 alone."""
    return TOKENS.get(model_type, {}) if VERSION_4 else {}


def configuration(model_type: str) -> Mapping[str, Any]:
    """Arguments of the type's configuration that version 4 has no defaults for."""
    return CONFIGURATIONS.get(model_type, {}) if VERSION_4 else {}


def spelled(small: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Paths of a configuration by their names of version 4, where it has them under others."""
    return dict(_spelled(path, value, whole) for path, value in small.items())


def _spelled(path: str, value: Any, whole: Mapping[str, Any]) -> tuple[str, Any]:
    *names, last = path.split(".")
    if not VERSION_4 or "rope_parameters" not in (*names, last):
        return path, value
    place = (*names, last).index("rope_parameters")
    if place == len(names):
        return ".".join([*names, "rope_scaling"]), value
    owner: Any = whole
    for name in names[:place]:
        owner = owner[name]
    before = owner.get("rope_scaling") or {"rope_type": "default"}
    return ".".join([*names[:place], "rope_scaling"]), {**before, last: value}


@contextmanager
def any_parts() -> Iterator[None]:
    """Version 4's processors demand a tokenizer of one class; what is saved is read as that class."""
    if not VERSION_4:
        yield
        return
    from transformers.processing_utils import ProcessorMixin

    with patch.object(ProcessorMixin, "check_argument_for_proper_class", lambda *_: None):
        yield
