"""Checkpoints as open_flamingo's training writes them: `.pt` files of the trained tensors."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.flamingo.checkpoint_folder import copy_exactly

WRAPPERS = ("_checkpoint_wrapped_module.", "_fsdp_wrapped_module.")
"""Parts of a name that activation checkpointing and sharding put in."""

LEGACY_BUFFERS = re.compile(r"\.(attention\.bias|attention\.masked_bias|rotary_emb\.inv_freq)$")
"""Constants that older transformers stored with GPT-NeoX and LLaMA; today's compute them."""


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a `.pt` file, by the names they have in open_flamingo's `Flamingo`.

    No pickled code is run. A training checkpoint's `model_state_dict` is taken out; the prefix
    `module.` and the names of wrappers are removed.

    Raises:
        ModelError: not a checkpoint, or one that holds more than tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = next(iter(str(error).splitlines()), "it ends too early")
        raise ModelError(
            f"{path} is not a checkpoint of tensors alone, and code in a checkpoint is not run: "
            f"{reason}"
        ) from error
    if isinstance(state, Mapping) and "model_state_dict" in state:
        state = state["model_state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ModelError(f"{path} holds no table of tensors (state dict) of a model")
    return {_plain(name): tensor for name, tensor in state.items()}


def _plain(name: str) -> str:
    """`name` without what parallel training put around it."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    while name.startswith("module."):
        name = name.removeprefix("module.")
    return name


def embedding_rows(model: Any, state: Mapping[str, Tensor]) -> int | None:
    """Rows of the checkpoint's input embedding table; None where it has none."""
    weight = model.lang_encoder.get_input_embeddings().weight
    names = (n for n, tensor in model.state_dict(keep_vars=True).items() if tensor is weight)
    return next((len(state[name]) for name in names if name in state), None)


def load_trained(model: Any, state: Mapping[str, Tensor], *, origin: str) -> None:
    """Copy a checkpoint's tensors into `model`; what was frozen in training may be absent.

    open_flamingo trains the perceiver, the cross-attention layers and the input embeddings, and
    saves the cross-attention under its decoder layer, for instance
    `lang_encoder.transformer.blocks.3.gated_cross_attn_layer.attn_gate`; the alias
    `lang_encoder.gated_cross_attn_layers.3.attn_gate` is accepted too.

    Raises:
        ModelError: a trained tensor is missing, a name is unknown or a shape differs; all of them
            are listed.
    """
    targets = model.state_dict(keep_vars=True)
    state = {n: t for n, t in state.items() if n in targets or not LEGACY_BUFFERS.search(n)}
    given = {id(targets[name]) for name in state if name in targets}
    missing = [name for name, tensor in _trained(model).items() if id(tensor) not in given]
    copy_exactly(targets, state, missing=missing, origin=origin)


def _trained(model: Any) -> dict[str, Tensor]:
    """Parameters that open_flamingo trains, by their first name in the model."""
    parts = (
        model.perceiver,
        model.lang_encoder.gated_cross_attn_layers,
        model.lang_encoder.get_input_embeddings(),
    )
    wanted = {id(parameter) for part in parts for parameter in part.parameters()}
    return {name: p for name, p in model.named_parameters() if id(p) in wanted}
