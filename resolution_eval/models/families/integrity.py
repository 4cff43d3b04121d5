"""Whether a model holds every weight of its checkpoint, and nothing but those.

transformers fills what a checkpoint does not hold with random numbers, and passes over what the
model has no place for; both are no more than a line in its log. Here either is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from resolution_eval.ground.errors import ModelError

SHOWN = 3
"""Names that an error lists of each kind."""
CONSTANTS = re.compile(
    r"(^|\.)(rotary_emb|rotary_pos_emb)\.(inv_freq|original_inv_freq)$"
    r"|(^|\.)(position_ids|num_batches_tracked|relative_position_index)$"
    r"|\.(attention\.bias|attention\.masked_bias|attn\.masked_bias)$"
)
"""Tensors that older transformers stored and today's compute: they hold nothing that was learnt."""
SIGNS = {
    r"module\.": "the weights were saved from a wrapped model (DataParallel or DDP): strip the "
    "prefix 'module.' from every name",
    r"base_model\.model\.": "the weights were saved through PEFT: give the adapter's folder with "
    "its adapter_config.json, or merge it with merge_and_unload() and save that",
    r"_orig_mod\.": "the weights were saved from a compiled model: strip the prefix '_orig_mod.'",
    r"_fsdp_wrapped_module\.": "the weights were saved from a sharded model: gather them first",
    r"state_dict\.": "the weights are nested in a training checkpoint: take its state_dict out",
    r"\.lora_(A|B|embedding)": "an adapter's weights lie among the model's: merge them with "
    "merge_and_unload(), or keep them apart with their adapter_config.json",
    r"(qweight|qzeros|scales|weight_scale(_inv)?|weight_packed|absmax|quant_map)$": "the weights "
    "are quantised and config.json has no quantization_config that says how",
}
"""What names without a place in the model tell of how the weights were saved."""


def check(pretrained: str, model: Any, told: Mapping[str, Any]) -> None:
    """Refuse a model that is not exactly its checkpoint; `told` is transformers' loading info.

    Raises:
        ModelError: a weight is missing, has no place, or is of another shape; it names the first,
            how many there are, and the likely cause.
    """
    buffers = {name for name, _ in getattr(model, "named_buffers", lambda: ())()}
    missing = _learnt(told.get("missing_keys", ()))
    strange = [each for each in _learnt(told.get("unexpected_keys", ())) if each not in buffers]
    shapes = sorted(told.get("mismatched_keys", ()), key=str)
    if not (missing or strange or shapes):
        return
    faults = [
        _listed("without a value in the checkpoint", missing),
        _listed("that the model has no place for", strange),
        _listed("of another shape", [_shape(fault) for fault in shapes]),
    ]
    cause = next(_causes(missing, strange, list(map(_name, shapes))))
    raise ModelError(
        f"{pretrained!r} is not whole: {'; '.join(filter(None, faults))}. Likely {cause}; nothing "
        "is scored with weights that were not loaded"
    )


@contextmanager
def watched_loading() -> Iterator[None]:
    """Has every model that anybody loads through transformers refused where weights are missing or
    of another shape; weights without a place are let pass, as a tower is cut out of a larger model.

    Raises:
        ModelError: as `check`.
    """
    from transformers import PreTrainedModel

    original = PreTrainedModel.__dict__["from_pretrained"]

    def loading(cls: Any, name: Any = None, *positional: Any, **named: Any) -> Any:
        wanted = named.pop("output_loading_info", False)
        load = original.__get__(None, cls)
        model, told = load(name, *positional, output_loading_info=True, **named)
        check(str(name), model, {**told, "unexpected_keys": ()})
        return (model, told) if wanted else model

    with patch.object(PreTrainedModel, "from_pretrained", classmethod(loading)):
        yield


def _learnt(names: Iterable[str]) -> list[str]:
    """The names in order, without those of tensors that a model computes by itself."""
    return sorted(str(name) for name in names if not CONSTANTS.search(str(name)))


def _listed(what: str, names: list[str]) -> str | None:
    if not names:
        return None
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    unit = "weight" if len(names) == 1 else "weights"
    return f"{len(names)} {unit} {what} ({', '.join(names[:SHOWN])}{more})"


def _name(fault: Any) -> str:
    """The name of a weight of another shape."""
    return fault if isinstance(fault, str) else str(fault[0])


def _shape(fault: Any) -> str:
    """A weight's name, and both of its shapes, which transformers before 5 does not tell."""
    if isinstance(fault, str):
        return fault
    name, shape, needed = fault
    return f"{name}: {tuple(shape)}, the configuration needs {tuple(needed)}"


def _causes(missing: list[str], strange: list[str], shapes: list[str]) -> Iterator[str]:
    """What most likely happened, and what to do, in a clause each, the likeliest first."""

    def tell(names: list[str], pattern: str, which: Callable[[Iterable[Any]], bool] = any) -> bool:
        return bool(names) and which(re.search(pattern, name) for name in names)

    yield from (cause for pattern, cause in SIGNS.items() if tell(strange, pattern))
    if tell(shapes, "embed_tokens|lm_head|wte|word_embeddings|embed_in"):
        yield (
            "the vocabulary was resized after the configuration was saved: set vocab_size in "
            "config.json to the rows of the embeddings"
        )
    if shapes:
        yield "config.json is that of a model of another size"
    if tell(missing, "lm_head|output", all):
        yield (
            "the output layer was tied to the input embeddings in training: set "
            "tie_word_embeddings to true in config.json if so, otherwise save it"
        )
    if missing and strange:
        yield "the weights are of another architecture, or their names of another version"
    if tell(missing, "project|merger|connector", all):
        yield "the projector was left out when it was saved: save the whole model"
    if tell(missing, "vision|visual|image|siglip|clip", all):
        yield "the vision tower was left out when it was saved: save the whole model"
    if tell(missing, "vision|visual"):
        yield "only the language model was saved: save the whole model"
    if missing:
        yield "a part of it was not saved, or a shard is absent: save the whole model"
    yield "config.json describes a smaller model than the one that was saved"


def _stored_names(files: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """Every safetensors file, open, with each of its names."""
    from safetensors import safe_open

    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  (no mapping)
                yield file, name


def check_ties(pretrained: str, model: Any, files: Iterable[Any]) -> None:
    """Refuse a checkpoint whose output layer is a weight of its own, but is tied in the model.

    A configuration that still says `tie_word_embeddings` after the two were trained apart makes
    older transformers keep one of them, in silence. `files` are the checkpoint's safetensors.

    Raises:
        ModelError: both are stored, differ, and share their memory in the model.
    """
    import torch

    makers = [getattr(model, f"get_{end}_embeddings", None) for end in ("input", "output")]
    ends = [maker() for maker in makers if maker is not None]
    weights = [getattr(end, "weight", None) for end in ends]
    if len(weights) < 2 or weights[0] is None or weights[0] is not weights[1]:
        return
    stored: dict[str, torch.Tensor] = {}
    for file, name in _stored_names(files):
        if re.search(r"(^|\.)(lm_head|embed_tokens)\.weight$", name):
            stored["head" if "lm_head" in name else "embeddings"] = file.get_tensor(name)
    if len(stored) == 2 and not torch.equal(stored["head"], stored["embeddings"]):
        raise ModelError(
            f"{pretrained!r} stores an output layer that differs from its input embeddings, and "
            "its configuration ties the two, so that one would be lost; set tie_word_embeddings "
            "to false in config.json"
        )


def check_scales(pretrained: str, method: str, files: Iterable[Any]) -> None:
    """Refuse weights in eight-bit floats of which a scale is not stored: transformers widens them
    all the same, as if every scale were one. `files` are the checkpoint's safetensors.

    Raises:
        ModelError: a scale is absent; it names the first, and how many there are.
    """
    eight, names = set(), set()
    for file, name in _stored_names(files):
        names.add(name)
        if file.get_slice(name).get_dtype().startswith("F8_") and "scale" not in name:
            eight.add(name)
    absent = sorted(
        name for name in eight if not names & {name + ending for ending in ("_scale_inv", "_scale")}
    )
    if absent:
        raise ModelError(
            f"{pretrained!r} is not whole: {_listed('without their scales', absent)}. Likely a "
            f"shard of the weights quantised with {method} is absent: get it again; nothing is "
            "scored with weights that were not loaded"
        )
