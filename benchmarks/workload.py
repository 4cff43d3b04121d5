"""What is measured on: generated images in the local layout, and models with random weights.

Random weights at real sizes are as fast as trained ones; nothing here is an accuracy.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = (
    "adipose tissue",
    "background",
    "debris",
    "lymphocytes",
    "mucus",
    "smooth muscle",
    "normal colon mucosa",
    "cancer-associated stroma",
    "colorectal adenocarcinoma epithelium",
)
"""Nine names of one to three words: what ranking choices costs depends on their length."""


QUESTIONS = (
    "Which tissue is shown?",
    "Is the tissue normal?",
    "Which stain was used?",
    "What is seen in the middle of the image?",
)


def write_images(
    folder: Path,
    count: int,
    side: int,
    *,
    format: str = "JPEG",
    questions: int = 0,
    classes: Sequence[str] = CLASSES,
) -> Path:
    """A folder in the local layout with `count` generated images of `side` x `side` pixels.

    With `questions` each is asked so many open ones, four at most; otherwise it is classified.
    """
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", *(["question"] if questions else [])])
        for number in range(count):
            name = f"images/{number:06d}.{format.lower()}"
            (folder / name).write_bytes(_encoded(random, side, format))
            row = [name, classes[number % len(classes)], "test"]
            table.writerows([*row, asked] for asked in QUESTIONS[:questions])
            if not questions:
                table.writerow(row)
    return folder


def _encoded(random: np.random.Generator, side: int, format: str) -> bytes:
    """Coarse colour with fine noise: it compresses about as a photograph does."""
    coarse = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    noise = random.normal(0, 12, (side, side, 1))
    image = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    data = BytesIO()
    image.save(data, format, **({"quality": 90} if format == "JPEG" else {}))
    return data.getvalue()


FLAMINGOS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 48, "layers": 2, "language": 48, "language_layers": 2, "latents": 8},
    "small": {"width": 384, "layers": 8, "language": 256, "language_layers": 4, "latents": 32},
    "proportioned": {
        "width": 320,
        "layers": 6,
        "language": 512,
        "language_layers": 8,
        "latents": 64,
        "every": 1,
    },
    "3b": {
        "width": 1024,
        "layers": 24,
        "language": 2048,
        "language_layers": 24,
        "latents": 64,
        "every": 1,
        "perceiver": {"depth": 6, "heads": 8, "dim_head": 64},
    },
    "base": {"width": 768, "layers": 12, "language": 768, "language_layers": 8, "latents": 64},
}
"""Vision width and layers (patch 14), language width and layers, perceiver latents, and after how
many layers a cross-attention stands. `proportioned` is OpenFlamingo-3B made small: the language
model with its cross-attentions has some seven times the vision encoder's weights. `3b` has
OpenFlamingo-3B's sizes.
"""


def write_flamingo(folder: Path, size: str, *, patch: int = 14, trained: int = 224) -> Path:
    """A Flamingo with random weights, in a folder that `resflamingo` loads."""
    from resolution_eval.models.flamingo import save_folder
    from resolution_eval.resolution import TrainingResolution

    bundle = build_flamingo(size, patch=patch, trained=trained)
    save_folder(bundle, folder, training=TrainingResolution("fixed", (trained,)), strategy="native")
    return folder


def build_flamingo(size: str, *, patch: int = 14, trained: int = 224) -> Any:
    """The same in memory, on the default device."""
    import torch

    from resolution_eval.answers.prompts import flamingo_prompt, question_text
    from resolution_eval.models.flamingo import FlamingoConfig, build
    from resolution_eval.training.small_models import learn_tokenizer

    sizes = FLAMINGOS[size]
    config = FlamingoConfig(
        vision={
            "image_size": trained,
            "patch_size": patch,
            "width": sizes["width"],
            "layers": sizes["layers"],
            "heads": max(1, sizes["width"] // 64),
            "output_dim": sizes["width"],
        },
        language={
            "model_type": "llama",
            "hidden_size": sizes["language"],
            "intermediate_size": 4 * sizes["language"],
            "num_hidden_layers": sizes["language_layers"],
            "num_attention_heads": max(1, sizes["language"] // 64),
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
        },
        perceiver={
            **sizes.get("perceiver", {"depth": 2, "heads": 4, "dim_head": 32}),
            "num_latents": sizes["latents"],
        },
        cross_attn_every_n_layers=sizes.get("every", 2),
    )
    texts = [flamingo_prompt(question_text("Which tissue is shown?", CLASSES)), *CLASSES]
    torch.manual_seed(0)
    bundle = build(config, learn_tokenizer(texts, 512), seed=0)
    with torch.no_grad():
        for name, gate in bundle.model.lang_encoder.named_parameters():
            if name.endswith("gate"):
                gate.fill_(0.5)  # built closed: images would not change the answers
    return bundle


CHAT = (
    "{% for message in messages %}"
    "{% if loop.first and message.role != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen2-VL's own, in short: without a system turn, the usual one is put first."""


MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def write_qwen2_vl(folder: Path, *, width: int = 256, layers: int = 6) -> Path:
    """A Qwen2-VL of random weights with a tokenizer of bytes, as `from_pretrained` loads it."""
    import torch
    from transformers import Qwen2VLForConditionalGeneration

    tokenizer = _tokenizer()
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(_qwen2_vl(tokenizer, width, layers))
    return _with_processor(model, tokenizer, folder)


def write_sized_qwen2_vl(folder: Path, sizes: Mapping[str, Any], device: str) -> Path:
    """One of the sizes that `benchmarks.gpu.SIZES` has, in bf16 on a GPU: made there, which takes
    seconds.
    """
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer = _tokenizer()
    start, end, image, video = tokenizer.convert_tokens_to_ids(list(MARKS))
    theta, sections = 1_000_000.0, sizes["sections"]
    text = {
        **sizes["text"],
        "rope_parameters": {
            "rope_type": "default", "mrope_section": sections, "rope_theta": theta
        },
        "max_position_embeddings": 32768,
        "bos_token_id": 0,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": 0,
    }  # fmt: skip
    config = Qwen2VLConfig(
        vision_config=sizes["vision"], text_config=text, image_token_id=image,
        video_token_id=video, vision_start_token_id=start, vision_end_token_id=end,
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2VLForConditionalGeneration(config)
    if device != "cpu":
        model = model.to(torch.bfloat16)
    return _with_processor(model, tokenizer, folder)


def _with_processor(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Writes the model with a processor of the tokenizer."""
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    model.eval().save_pretrained(folder)
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT,
    ).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """One of bytes, and of the pieces that our questions are made of."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from resolution_eval.answers.prompts import question_text

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", *MARKS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator([CHAT, question_text(QUESTIONS[0], CLASSES), *QUESTIONS], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<|endoftext|>", eos_token="<|im_end|>"
    )


def _qwen2_vl(tokenizer: Any, width: int, layers: int) -> Any:
    """The configuration of a small one."""
    from transformers import Qwen2VLConfig

    start, end, image, video = tokenizer.convert_tokens_to_ids(list(MARKS))
    rope = {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 10000.0}
    return Qwen2VLConfig(
        vision_config={"embed_dim": width, "hidden_size": width, "depth": layers, "num_heads": 4},
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": width // 64,
            "num_key_value_heads": width // 64,
            "max_position_embeddings": 4096,
            "bos_token_id": 0,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": 0,
            "rope_parameters": rope,
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
