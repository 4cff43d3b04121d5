"""Small Hugging Face checkpoints with random weights, for training from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch

from resolution_eval.models.families.parts import Parts
from resolution_eval.models.flamingo.config import CLIP_MEAN, CLIP_STD
from resolution_eval.resolution import Size
from resolution_eval.training.tokenizer import learn_tokenizer

PAD = "<pad>"
TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE\n{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}\nAnswer:{% endif %}"
)


class SmallModel(NamedTuple):
    """One architecture: how it is made, and the module whose outputs are an image's tokens."""

    make: Callable[[Any, Size, int], Parts]
    """From a tokenizer, the largest training grid in pixels and the patch in pixels."""
    special: tuple[str, ...]
    features: str
    merge: int
    """Patches a side that become one visual token."""


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": True,
    }


def _llava(tokenizer: Any, grid: Size, patch: int) -> Parts:
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaProcessor,
    )

    edge = max(grid.width, grid.height)
    vision = CLIPVisionConfig(
        hidden_size=96,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=3,
        image_size=edge,
        patch_size=patch,
        projection_dim=96,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(**_text(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": edge},
            crop_size={"height": edge, "width": edge},
            image_mean=CLIP_MEAN,
            image_std=CLIP_STD,
        ),
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    )
    return Parts(config, processor)


def _qwen2_vl(tokenizer: Any, grid: Size, patch: int) -> Parts:
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    def token(name: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(name))

    rope = {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10000.0}
    config = Qwen2VLConfig(
        vision_config={
            "embed_dim": 96,
            "hidden_size": 96,
            "depth": 4,
            "num_heads": 3,
            "mlp_ratio": 4,
            "patch_size": patch,
            "spatial_merge_size": 2,
        },
        text_config={**_text(tokenizer), "rope_parameters": rope},
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=patch),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(patch_size=patch),
        chat_template=TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return Parts(config, processor)


SMALL: dict[str, SmallModel] = {
    "llava": SmallModel(_llava, ("<image>",), "model.multi_modal_projector", 1),
    "qwen2_vl": SmallModel(
        _qwen2_vl,
        ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
        "model.visual.merger",
        2,
    ),
}
"""Architectures by their `model_type`."""


def small_model(
    name: str, texts: Iterable[str], grid: Size, *, patch: int, seed: int, vocabulary: int = 1024
) -> tuple[Parts, Any]:
    """Processor and model of random weights, its tokenizer learned from `texts`.

    About 0.9 million parameters. The caller's random state is left as it was.
    """
    from transformers import AddedToken, AutoModelForImageTextToText

    kind = SMALL[name]
    tokenizer = learn_tokenizer(texts, vocabulary)
    tokenizer.add_tokens([AddedToken(t, special=True) for t in kind.special], special_tokens=True)
    tokenizer.add_special_tokens({"pad_token": PAD})
    parts = kind.make(tokenizer, grid, patch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return parts, AutoModelForImageTextToText.from_config(parts.config)
