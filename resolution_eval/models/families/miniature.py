"""A checkpoint's configuration with two layers of a few units, its geometry kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 64
"""Units of every hidden layer, so that whatever must be equal between two parts stays equal."""
HEADS = 4
GROUPS = 2
"""Heads of keys and values."""
HEAD = WIDTH // HEADS
LAYERS = 2

LAYER_COUNTS = (
    "num_hidden_layers",
    "depth",
    "num_layers",
    "n_layers",
    "layers",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
    "n_layer",
)
SIZES: dict[str, int] = {
    **dict.fromkeys(
        (
            "hidden_size",
            "d_model",
            "n_embd",
            "out_hidden_size",
            "text_hidden_size",
            "image_text_hidden_size",
            "vision_hidden_size",
            "encoder_hidden_size",
            "decoder_hidden_size",
            "moe_hidden_size",
            "output_dim",
            "projection_dim",
            "projector_input_dim",
            "projector_output_dim",
            "pooler_output_size",
            "adapter_in_dim",
            "adapter_out_dim",
            "adapter_input_size",
            "word_embed_proj_dim",
            "projection_hidden_size",
            "vision_embed_dim",
            "image_token_embed_dim",
        ),
        WIDTH,
    ),
    **dict.fromkeys(
        (
            "intermediate_size",
            "intermediate_size_mlp",
            "dense_intermediate_size",
            "ffn_dim",
            "encoder_ffn_dim",
            "decoder_ffn_dim",
            "d_ff",
            "mlp_dim",
            "projector_hidden_size",
            "projection_hidden_dim",
            "projection_intermediate_size",
            "projector_intermediate_size",
            "alignment_intermediate_size",
            "moe_shared_expert_intermediate_size",
            "shared_expert_intermediate_size",
            "shared_experts_intermediate_size",
            "shared_intermediate_size",
            "share_expert_dim",
            "hc_lowrank",
        ),
        WIDTH,
    ),
    **dict.fromkeys(
        (
            "num_attention_heads",
            "num_heads",
            "attention_heads",
            "encoder_attention_heads",
            "decoder_attention_heads",
            "swa_num_attention_heads",
            "num_sliding_attention_heads",
            "linear_num_value_heads",
            "linear_num_heads",
            "index_n_heads",
            "resampler_n_heads",
            "n_head",
        ),
        HEADS,
    ),
    **dict.fromkeys(
        ("num_key_value_heads", "swa_num_key_value_heads", "linear_num_key_heads"), GROUPS
    ),
    **dict.fromkeys(
        (
            "head_dim",
            "swa_head_dim",
            "global_head_dim",
            "d_kv",
            "v_head_dim",
            "linear_key_head_dim",
            "linear_value_head_dim",
            "linear_head_dim",
            "kv_lora_rank",
            "q_lora_rank",
            "qk_nope_head_dim",
            "qk_rope_head_dim",
            "resampler_head_dim",
        ),
        HEAD,
    ),
    "qk_head_dim": 2 * HEAD,
    "index_head_dim": 2 * HEAD,
    **dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k"), 2),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace"), 1),
    **dict.fromkeys(("n_shared_experts", "moe_num_shared_experts"), 1),
    **dict.fromkeys(("num_nextn_predict_layers", "num_kv_shared_layers"), 0),
    "hidden_size_per_layer_input": 8,
    "base_channels": 32,
}
"""What is made small, by the names that configurations give it."""
SECTIONS = ("mrope_section", "xdrope_section", "mrope_sections")
"""How a head's rotations are shared between time, height and width."""


FEATURE_LAYERS = ("vision_feature_layer", "spatial_vision_layer")
"""Layers of the vision tower, named outside of its configuration."""
LAYERED = re.compile("layer|index|idx|block|types|pattern")
"""Names of lists of layers, or of one entry per layer."""


def miniature(config: Any, changes: Mapping[str, Any] | None = None) -> Any:
    """A configuration of the same class, small, its image and patch sizes and its tokens kept.

    `changes` are set in the end: "text_config.vocab_size" is the language model's.
    """
    told = shrunken(config.to_dict())
    for path, value in (changes or {}).items():
        owner = told
        *names, last = path.split(".")
        for name in names:
            owner = owner[name]
        owner[last] = value
    return type(config).from_dict(told)


def shrunken(told: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's table with every size in it made small, its parts' tables as well.

    Example:
        >>> small = shrunken({"hidden_size": 4096, "depth": 32, "deepstack_layers": [8, 24]})
        >>> small["hidden_size"], small["depth"], small["deepstack_layers"]
        (64, 2, [0, 1])
    """
    small: dict[str, Any] = dict(told)
    kept = _kept_layers(told)
    old = next((told[name] for name in LAYER_COUNTS if _whole(told.get(name))), None)
    heads = _head(told), _head({**told, **_sized(told)})
    for name, value in told.items():
        if name == "per_layer_config" and isinstance(value, Mapping):
            continue  # below: what differs from the whole table's
        if isinstance(value, Mapping):
            small[name] = _table(name, value, heads)
        elif name in ("dtype", "torch_dtype"):
            small[name] = "float32"
        elif name == "hidden_size" and told.get("architecture"):
            continue  # a tower that is named, as timm's are, is as wide as its name says
        elif name in LAYER_COUNTS and _whole(value):
            small[name] = len(kept)
        elif name in FEATURE_LAYERS and value is not None:
            small[name] = _feature_layers(value)
        elif name == "num_key_value_heads" and value == told.get("num_attention_heads"):
            small[name] = min(value, HEADS)
        elif name == "out_hidden_size" and (merged := _merged(told)):
            small[name] = WIDTH * merged
        elif name == "intermediate_size" and (shuffled := _shuffled(told)):
            small[name] = shuffled
        elif name == "vision_output_dim" and value == told.get("projector_output_dim"):
            small[name] = WIDTH
        elif name in SIZES and _whole(value):
            small[name] = min(value, SIZES[name]) if value > 0 else value
        elif name == "moe_intermediate_size" and isinstance(value, list | tuple):
            small[name] = [WIDTH] * len(value)
        elif name == "intermediate_size" and isinstance(value, list | tuple):
            small[name] = [WIDTH] * len(kept)
        elif name == "moe_intermediate_size" and _whole(value):
            small[name] = WIDTH
        elif isinstance(value, list | tuple) and old is not None:
            small[name] = _layers(name, value, old, kept)
    if isinstance(told.get("per_layer_config"), Mapping):
        small["per_layer_config"] = _own_of_layers(told, small, kept)
    return small


def _own_of_layers(
    told: Mapping[str, Any], small: Mapping[str, Any], kept: Sequence[int]
) -> dict[str, Any]:
    """What the layers `kept` have of their own, beside what is the whole table's, made small."""
    layers = {}
    for layer, inner in told["per_layer_config"].items():
        if int(layer) in kept:
            own = {name: value for name, value in told.items() if _whole(value)} | dict(inner)
            shrunk = shrunken(own)
            if own.get("head_dim") and own["head_dim"] == _latent(own):
                shrunk["head_dim"] = 2 * HEAD
            layers[str(kept.index(int(layer)))] = {
                name: value
                for name, value in shrunk.items()
                if name in inner or (name in SIZES and value != small.get(name))
            }
    return layers


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _merged(told: Mapping[str, Any]) -> int | None:
    """Patches of the vision tower that a projector outside of it joins to one vector."""
    vision = told.get("vision_config")
    width = vision.get("hidden_size") if isinstance(vision, Mapping) else None
    if not width or told["out_hidden_size"] % width:
        return None
    joined = int(told["out_hidden_size"] // width)
    return joined if joined > 1 else None


def _shuffled(told: Mapping[str, Any]) -> int | None:
    """Units of the patches that a tower joins to one by shuffling, where its MLP reads those."""
    ratio, width = told.get("pixel_shuffle_ratio"), told.get("hidden_size")
    if not ratio or not width or round(width / ratio**2) != told["intermediate_size"]:
        return None
    return int(WIDTH / ratio**2)


def _latent(told: Mapping[str, Any]) -> int | None:
    """Units of a head whose rotated and other parts are told apart."""
    plain, rotated = told.get("qk_nope_head_dim"), told.get("qk_rope_head_dim")
    return int(plain) + int(rotated) if plain and rotated else None


def _feature_layers(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_feature_layers(each) for each in value]
    return max(-LAYERS, min(value, LAYERS - 1))


def _sized(told: Mapping[str, Any]) -> dict[str, int]:
    """The sizes of a table, made small."""
    return {
        name: min(told[name], size)
        for name, size in SIZES.items()
        if _whole(told.get(name)) and told[name] > 0
    }


def _head(told: Mapping[str, Any]) -> int | None:
    """Units of a head."""
    if told.get("head_dim"):
        return int(told["head_dim"])
    heads = told.get("num_attention_heads")
    width = told.get("hidden_size")
    return width // heads if _whole(heads) and _whole(width) and heads else None


def _table(
    name: str, value: Mapping[str, Any], heads: tuple[int | None, int | None]
) -> dict[str, Any]:
    """A part's table, or one of rotations, of heads with so many units before and now."""
    if name.endswith("config") or "model_type" in value:
        return shrunken(value)
    small: dict[str, Any] = {
        key: _table(key, inner, heads) if isinstance(inner, Mapping) else inner
        for key, inner in value.items()
    }
    for key in SECTIONS:
        if key in small and all(heads):
            before, now = heads
            small[key] = _sections(small[key], sum(small[key]) * int(now or 1) // int(before or 1))
    return small


def _sections(old: Sequence[int], total: int) -> list[int]:
    """`old`, in the same proportions, with the sum `total`, each at least 1."""
    shares = [max(1, part * total // sum(old)) for part in old]
    shares[-1] += total - sum(shares)
    return shares


def _kept_layers(told: Mapping[str, Any]) -> list[int]:
    """The first layer of every kind, and the last one's, at least two."""
    count = next((told[name] for name in LAYER_COUNTS if _whole(told.get(name))), 0)
    lists = [
        value
        for name, value in told.items()
        if isinstance(value, list | tuple)
        and len(value) == count
        and count > LAYERS
        and all(isinstance(each, str) for each in value)
    ]
    if len(told.get("depths") or ()) == count:
        return list(range(count))  # stages, each with sizes of its own
    kinds: dict[tuple[Any, ...], int] = {}
    for place in range(count):
        kinds.setdefault(tuple(each[place] for each in lists), place)
    kept = sorted(kinds.values())
    while len(kept) < min(LAYERS, count):
        kept.append(next(place for place in range(count) if place not in kept))
    return sorted(kept)


def _layers(name: str, value: Sequence[Any], old: int, kept: Sequence[int]) -> Sequence[Any]:
    """A list of one entry per layer, or of layers, as it is for the layers `kept`."""
    if old <= LAYERS or not value or LAYERED.search(name) is None:
        return value
    layers = all(_whole(each) and -old <= each < old for each in value)
    if len(value) == old:
        entries = [value[place] for place in kept]
        return [min(each, len(kept) - 1) for each in entries] if layers else entries
    if not layers:
        return value
    if any(each < 0 for each in value):
        return [max(each, -len(kept)) for each in value]
    return sorted({each * len(kept) // old for each in value})
