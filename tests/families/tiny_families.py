"""Tiny checkpoints of every family: the real classes, random weights, in a folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast

TEXTS = (
    "Which phantom does this image show? striped disc, checked disc, striped ring, checked ring",
    "striped cross, checked cross, striped pair, checked pair",
    "Answer with the letter or the name of one option. Answer:",
)

TEXT = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA = {"model_type": "llama", **TEXT}

CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ message.role }}: "
    "{% for part in message.content %}{% if part.type == 'image' %}IMAGE{% else %}"
    "{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def tokenizer(*special: str, **named: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE with the given special tokens; `named` become attributes."""
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<pad>", "<s>", "</s>", *special, *named.values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=named,
    )


def _of_class(tokens: PreTrainedTokenizerFast, name: str) -> Any:
    """The tokenizer as one of transformers' class `name`, on which processors before 5 insist."""
    import transformers

    if int(transformers.__version__.partition(".")[0]) >= 5:
        return tokens
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    made = getattr(transformers, name)(tokenizer_object=tokens.backend_tokenizer, **special)
    made.add_special_tokens({"additional_special_tokens": tokens.all_special_tokens})
    return made


def _token(tokens: Any, name: str) -> int:
    return int(tokens.convert_tokens_to_ids(name))


def llava() -> tuple[Any, Any]:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, LlavaConfig, LlavaProcessor

    tokens = tokenizer("<image>")
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=56,
        patch_size=14,
        projection_dim=16,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=_llama(),
        image_token_id=_token(tokens, "<image>"),
        vision_feature_layer=-2,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
        ),
        tokenizer=tokens,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT.replace("IMAGE", "<image>\n"),
    )
    return config, processor


def _llama() -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(**TEXT)


def _qwen(kind: str) -> tuple[Any, Any]:
    import transformers

    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}[kind]
    tokens = _of_class(
        tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
        "Qwen2TokenizerFast",
    )
    patch = 16 if kind == "qwen3_vl" else 14
    vision: dict[str, Any] = {
        "qwen2_vl": {
            "embed_dim": 32,
            "hidden_size": 32,
            "depth": 2,
            "num_heads": 4,
            "mlp_ratio": 2,
        },
        "qwen2_5_vl": {
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 48,
            "depth": 2,
            "num_heads": 4,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        "qwen3_vl": {
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 48,
            "depth": 2,
            "num_heads": 4,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
    }[kind]
    sections = [1, 1, 2] if kind != "qwen3_vl" else [2, 1, 1]
    rope = {"rope_type": "default", "mrope_section": sections, "rope_theta": 10000.0}
    text = {**TEXT, "rope_parameters": rope}
    if int(transformers.__version__.partition(".")[0]) < 5:
        text |= {"rope_scaling": {**rope, "type": "default"}, "rope_theta": 10000.0}
    if kind == "qwen3_vl":
        text["head_dim"] = 8
    config = getattr(transformers, f"{name}Config")(
        vision_config={**vision, "patch_size": patch},
        text_config=text,
        image_token_id=_token(tokens, "<|image_pad|>"),
        video_token_id=_token(tokens, "<|video_pad|>"),
        vision_start_token_id=_token(tokens, "<|vision_start|>"),
        vision_end_token_id=_token(tokens, "<|vision_end|>"),
    )
    video = "Qwen3VLVideoProcessor" if kind == "qwen3_vl" else "Qwen2VLVideoProcessor"
    processor = getattr(transformers, f"{name.replace('_5_VL', '_5_VL')}Processor")(
        image_processor=transformers.Qwen2VLImageProcessor(patch_size=patch),
        tokenizer=tokens,
        video_processor=getattr(transformers, video)(patch_size=patch),
        chat_template=CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return config, processor


def _siglip(**more: Any) -> Any:
    from transformers import SiglipVisionConfig

    return SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        **{"image_size": 56, "patch_size": 14, **more},
    )


def llava_next() -> tuple[Any, Any]:
    from transformers import (
        CLIPVisionConfig,
        LlavaNextConfig,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    tokens = tokenizer("<image>")
    points = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=56,
        patch_size=14,
        projection_dim=16,
    )
    config = LlavaNextConfig(
        vision_config=vision,
        text_config=_llama(),
        image_token_id=_token(tokens, "<image>"),
        image_grid_pinpoints=points,
    )
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor(
            size={"shortest_edge": 56},
            crop_size={"height": 56, "width": 56},
            image_grid_pinpoints=points,
        ),
        tokenizer=tokens,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT.replace("IMAGE", "<image>\n"),
    )
    return config, processor


def llava_onevision() -> tuple[Any, Any]:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    tokens = tokenizer("<image>", "<video>")
    points = [[60 * rows, 60 * columns] for rows in range(1, 5) for columns in range(1, 5)]
    config = LlavaOnevisionConfig(
        vision_config=_siglip(image_size=60),
        text_config={"model_type": "qwen2", **TEXT},
        image_token_id=_token(tokens, "<image>"),
        video_token_id=_token(tokens, "<video>"),
        image_grid_pinpoints=points,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    processor = LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(
            size={"height": 60, "width": 60}, image_grid_pinpoints=points
        ),
        tokenizer=tokens,
        video_processor=LlavaOnevisionVideoProcessor(size={"height": 60, "width": 60}),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=CHAT.replace("IMAGE", "<image>\n"),
    )
    return config, processor


def internvl() -> tuple[Any, Any]:
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    tokens = tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": [56, 56],
            "patch_size": [14, 14],
        },
        text_config={"model_type": "qwen2", **TEXT},
        image_token_id=_token(tokens, "<IMG_CONTEXT>"),
    )
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size={"height": 56, "width": 56}, max_patches=12),
        tokenizer=tokens,
        video_processor=InternVLVideoProcessor(),
        image_seq_length=4,
        chat_template=CHAT.replace("IMAGE", "<IMG_CONTEXT>\n"),
    )
    return config, processor


def aya_vision() -> tuple[Any, Any]:
    from transformers import AyaVisionConfig, AyaVisionProcessor, GotOcr2ImageProcessor

    tokens = tokenizer(
        "<image>",
        "<|START_OF_IMG|>",
        "<|END_OF_IMG|>",
        "<|IMG_PATCH|>",
        "<|IMG_LINE_BREAK|>",
        "TILE_GLOBAL",
        "TILE",
    )
    config = AyaVisionConfig(
        vision_config=_siglip(vision_use_head=False),
        text_config={"model_type": "cohere2", **TEXT},
        image_token_index=_token(tokens, "<|IMG_PATCH|>"),
        downsample_factor=2,
    )
    processor = AyaVisionProcessor(
        image_processor=GotOcr2ImageProcessor(size={"height": 56, "width": 56}, max_patches=12),
        tokenizer=tokens,
        patch_size=14,
        img_size=56,
        downsample_factor=2,
        chat_template=CHAT.replace("IMAGE", "<image>"),
    )
    return config, processor


def cohere2_vision() -> tuple[Any, Any]:
    from transformers import (
        Cohere2VisionConfig,
        Cohere2VisionImageProcessor,
        Cohere2VisionProcessor,
    )

    tokens = tokenizer(
        boi_token="<|START_OF_IMG|>",
        eoi_token="<|END_OF_IMG|>",
        image_token="<|IMG_PATCH|>",
        img_line_break_token="<|IMG_LINE_BREAK|>",
    )
    config = Cohere2VisionConfig(
        vision_config=_siglip(vision_use_head=False),
        text_config={"model_type": "cohere2", **TEXT},
        image_token_id=_token(tokens, "<|IMG_PATCH|>"),
        downsample_factor=2,
        alignment_intermediate_size=48,
    )
    processor = Cohere2VisionProcessor(
        image_processor=Cohere2VisionImageProcessor(
            size={"height": 56, "width": 56}, max_patches=12, patch_size=2
        ),
        tokenizer=tokens,
        chat_template=CHAT.replace("IMAGE", "<|IMG_PATCH|>"),
    )
    return config, processor


def _idefics3(kind: str) -> tuple[Any, Any]:
    import transformers

    name = {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}[kind]
    places = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokens = tokenizer(
        "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *places
    )
    tokens.image_token = "<image>"
    tokens.fake_image_token = "<fake_token_around_image>"
    tokens.global_image_token = "<global-img>"
    tokens.end_of_utterance_token = "<end_of_utterance>"
    config = getattr(transformers, f"{name}Config")(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
        },
        text_config=_llama(),
        image_token_id=_token(tokens, "<image>"),
        scale_factor=2,
    )
    own = {"video_processor": transformers.SmolVLMVideoProcessor()} if kind == "smolvlm" else {}
    processor = getattr(transformers, f"{name}Processor")(
        image_processor=getattr(transformers, f"{name}ImageProcessor")(
            size={"longest_edge": 4 * 56}, max_image_size={"longest_edge": 56}
        ),
        tokenizer=tokens,
        image_seq_len=4,
        chat_template=CHAT.replace("IMAGE", "<image>"),
        **own,
    )
    return config, processor


def paligemma() -> tuple[Any, Any]:
    from transformers import PaliGemmaConfig, PaliGemmaProcessor, SiglipImageProcessor

    tokens = _of_class(tokenizer("<image>"), "GemmaTokenizerFast")
    images = SiglipImageProcessor(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(image_processor=images, tokenizer=tokens)
    config = PaliGemmaConfig(
        vision_config=_siglip(projection_dim=32),
        text_config={"model_type": "gemma", **TEXT, "vocab_size": 2048, "head_dim": 8},
        image_token_index=_token(tokens, "<image>"),
        projection_dim=32,
    )
    return config, processor


def gemma3() -> tuple[Any, Any]:
    from transformers import Gemma3Config, Gemma3ImageProcessor, Gemma3Processor

    tokens = tokenizer(
        boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    config = Gemma3Config(
        vision_config=_siglip(),
        text_config={**TEXT, "head_dim": 8, "sliding_window": 16, "layer_types": None},
        mm_tokens_per_image=4,
        boi_token_index=_token(tokens, "<start_of_image>"),
        eoi_token_index=_token(tokens, "<end_of_image>"),
        image_token_index=_token(tokens, "<image_soft_token>"),
    )
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        tokenizer=tokens,
        image_seq_length=4,
        chat_template=CHAT.replace("IMAGE", "<start_of_image>"),
    )
    return config, processor


def _pixtral(kind: str) -> tuple[Any, Any]:
    from transformers import (
        LlavaConfig,
        Mistral3Config,
        PixtralImageProcessor,
        PixtralProcessor,
        PixtralVisionConfig,
    )

    tokens = tokenizer("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    merge = 2 if kind == "mistral3" else 1
    vision = PixtralVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=448,
        patch_size=14,
    )
    text = {"model_type": "mistral", **TEXT, "head_dim": 8}
    image = _token(tokens, "[IMG]")
    if kind == "mistral3":
        config = Mistral3Config(
            vision_config=vision, text_config=text, image_token_index=image, spatial_merge_size=2
        )
    else:
        config = LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_id=image,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
        )
    processor = PixtralProcessor(
        image_processor=PixtralImageProcessor(
            patch_size={"height": 14, "width": 14}, size={"longest_edge": 448}
        ),
        tokenizer=tokens,
        patch_size=14,
        spatial_merge_size=merge,
        chat_template=CHAT.replace("IMAGE", "[IMG]"),
    )
    return config, processor


def mllama() -> tuple[Any, Any]:
    from transformers import MllamaConfig, MllamaImageProcessor, MllamaProcessor

    tokens = tokenizer("<|image|>", "<|python_tag|>")
    shapes = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]
    config = MllamaConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
            "intermediate_layers_indices": [0],
            "vision_output_dim": 64,
            "max_num_tiles": 4,
            "supported_aspect_ratios": shapes,
        },
        text_config={
            **TEXT,
            "num_hidden_layers": 3,
            "cross_attention_layers": [1],
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
        image_token_index=_token(tokens, "<|image|>"),
    )
    processor = MllamaProcessor(
        image_processor=MllamaImageProcessor(size={"height": 56, "width": 56}, max_image_tiles=4),
        tokenizer=tokens,
        chat_template=CHAT.replace("IMAGE", "<|image|>"),
    )
    return config, processor


def _bert() -> Any:
    """A tokenizer of single letters, from a file, as all versions of transformers take it."""
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz:.?,"]
    pieces = Tokenizer(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return BertTokenizerFast(tokenizer_object=pieces)


def instructblip() -> tuple[Any, Any]:
    from transformers import (
        BlipImageProcessor,
        InstructBlipConfig,
        InstructBlipProcessor,
    )

    tokens = tokenizer("<image>")
    config = InstructBlipConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
        },
        qformer_config={
            "vocab_size": 64,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "encoder_hidden_size": 32,
        },
        text_config=LLAMA,
        num_query_tokens=6,
        image_token_index=_token(tokens, "<image>"),
    )
    processor = InstructBlipProcessor(
        image_processor=BlipImageProcessor(size={"height": 56, "width": 56}),
        tokenizer=tokens,
        qformer_tokenizer=_bert(),
        num_query_tokens=6,
    )
    return config, processor


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": llava,
    "llava_next": llava_next,
    "llava_onevision": llava_onevision,
    "qwen2_vl": lambda: _qwen("qwen2_vl"),
    "qwen2_5_vl": lambda: _qwen("qwen2_5_vl"),
    "qwen3_vl": lambda: _qwen("qwen3_vl"),
    "internvl": internvl,
    "aya_vision": aya_vision,
    "cohere2_vision": cohere2_vision,
    "idefics3": lambda: _idefics3("idefics3"),
    "smolvlm": lambda: _idefics3("smolvlm"),
    "paligemma": paligemma,
    "gemma3": gemma3,
    "mistral3": lambda: _pixtral("mistral3"),
    "pixtral": lambda: _pixtral("pixtral"),
    "mllama": mllama,
    "instructblip": instructblip,
}


@functools.cache
def built(name: str) -> tuple[Any, Any]:
    """Model with random weights, large enough that image and prompt matter, and its processor."""
    torch.manual_seed(0)
    config, processor = BUILDERS[name]()
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
            elif parameter.numel() == 1:
                parameter.fill_(0.8)  # a gate, closed at first
    return model, processor


def save(name: str, folder: Path) -> Path:
    """Write the family's checkpoint into `folder`, which `from_pretrained` reads."""
    model, processor = built(name)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
