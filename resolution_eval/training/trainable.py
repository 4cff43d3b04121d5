"""What of a model is trained: frozen parts by name, adapters of low rank, and their merging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.training.plan import Lora

ADAPTER = "default"
"""peft's name for the one adapter that a layer gets."""


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Leave the parameters under each of `names` as they are; all others move.

    A name is that of a module or parameter, `vision_encoder` or `model.visual.blocks.0`.

    Raises:
        UsageError: a name fits no parameter, or nothing is left to train.
    """
    check_named(model, names)
    for own, parameter in model.named_parameters():
        parameter.requires_grad_(not any(_under(own, name) for name in names))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError(f"nothing is left to train: frozen are {', '.join(names)}")


def rest(model: nn.Module, names: Sequence[str]) -> None:
    """Leave the parameters under each of `names` as they are from now on."""
    for own, parameter in model.named_parameters():
        if any(_under(own, name) for name in names):
            parameter.requires_grad_(False)


def check_named(model: nn.Module, names: Sequence[str]) -> None:
    """Raise UsageError of a name that fits no parameter, with those that would."""
    parameters = dict(model.named_parameters())
    for name in names:
        if not any(_under(parameter, name) for parameter in parameters):
            parts = {part for own in parameters for part in _prefixes(own)}
            raise UsageError(f"nothing to freeze is named {name!r}; {suggest(name, parts)}")


def _under(parameter: str, name: str) -> bool:
    return parameter == name or parameter.startswith(f"{name}.")


def _prefixes(parameter: str) -> list[str]:
    """The one or two outermost modules that a parameter lies in."""
    parts = parameter.split(".")
    return [".".join(parts[:count]) for count in range(1, min(3, len(parts)))]


def adapt(model: nn.Module, lora: Lora, *, seed: int) -> list[str]:
    """Give every linear layer that is not frozen an adapter, the only thing that then moves; the
    names of these layers.

    Layers that share their weight with an embedding, or that are used without their forward (in
    torch's own multi-head attention), get none; UsageError where no layer is left.
    """
    from peft import LoraConfig, inject_adapter_in_model

    names = [name for name, module in model.named_modules() if _adaptable(model, module)]
    if not names:
        raise UsageError("no linear layer is left for low-rank adapters; freeze less")
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    return names


def _adaptable(model: Any, module: nn.Module) -> bool:
    if type(module) is not nn.Linear or not module.weight.requires_grad:
        return False
    tied = [part.weight for part in model.modules() if isinstance(part, nn.Embedding)]
    output = getattr(model, "get_output_embeddings", lambda: None)()
    return module is not output and not any(module.weight is weight for weight in tied)


def merged(state: Mapping[str, Tensor], lora: Lora | None) -> dict[str, Tensor]:
    """The weights of the model without adapters: each layer's own plus its adapter's product.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1: W + (alpha / rank) B A.
    """
    if lora is None:
        return dict(state)
    plain = {}
    for name, tensor in state.items():
        if ".lora_" in name:
            continue
        layer = name.removesuffix(".base_layer.weight")
        if layer == name:
            plain[name.replace(".base_layer.", ".")] = tensor
            continue
        down = state[f"{layer}.lora_A.{ADAPTER}.weight"].float()
        up = state[f"{layer}.lora_B.{ADAPTER}.weight"].float()
        product = (up @ down) * (lora.alpha / lora.rank)
        plain[f"{layer}.weight"] = (tensor.float() + product).to(tensor.dtype)
    return plain
