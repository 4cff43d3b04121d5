"""A Flamingo in a folder: weights without pickle, configuration, tokenizer, how it was trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resolution_eval.declaration import FORMAT, Declaration, declared_in
from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.files import replace
from resolution_eval.identity import weights_revision
from resolution_eval.models.families.tokens import plain_tokenizer
from resolution_eval.models.flamingo.bundle import FlamingoBundle, Strategy, build
from resolution_eval.models.flamingo.config import FlamingoConfig
from resolution_eval.resolution import TrainingResolution

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


class _Manifest(Declaration):
    """Contents of the folder's configuration file: what is declared, and the model's shape."""

    format: int
    flamingo: FlamingoConfig
    strategy: Strategy


def save_folder(
    bundle: FlamingoBundle,
    path: Path | str,
    *,
    training: TrainingResolution | str | None = None,
    strategy: Strategy | None = None,
    extra: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write the bundle to the folder `path`, which `load_folder` reads; returns the path.

    `training`, `strategy` and `extra` take the place of the bundle's own where given; `dtype` is
    the type in which weights are stored (the weights' own by default); `weights` are written
    instead of the model's own, under the same names.
    """
    from safetensors.torch import save_file

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    declared = TrainingResolution.parse(str(bundle.training if training is None else training))
    manifest = _Manifest(
        format=FORMAT,
        flamingo=bundle.config,
        training=str(declared),
        strategy=bundle.strategy if strategy is None else strategy,
        extra=dict(bundle.extra if extra is None else extra),
    )
    (folder / CONFIG).unlink(missing_ok=True)  # no half of a checkpoint passes for the one before
    bundle.tokenizer.save_pretrained(folder)
    stored = {
        name: tensor.detach().to("cpu", dtype or tensor.dtype).contiguous()
        for name, tensor in (own_tensors(bundle.model) if weights is None else weights).items()
    }
    save_file(stored, folder / WEIGHTS, metadata={"format": "pt"})
    _write_manifest(folder, manifest)
    return folder


def declare(folder: Path, training: str, strategy: Strategy, extra: Mapping[str, Any]) -> None:
    """Change what the checkpoint in `folder` says of its training; its weights stay.

    Raises:
        ModelError: as `read_manifest`.
    """
    told = {"training": training, "strategy": strategy, "extra": dict(extra)}
    manifest = read_manifest(folder).model_copy(update=told)
    _write_manifest(folder, manifest)


def _write_manifest(folder: Path, manifest: _Manifest) -> None:
    replace(folder / CONFIG, f"{manifest.model_dump_json(indent=2)}\n".encode())


def load_folder(
    path: Path | str,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    identity: str | None = None,
) -> FlamingoBundle:
    """The bundle written to the folder `path` by `save_folder`; `identity` names it in results.

    Raises:
        ModelError: a file is missing, or the weights are not those of the configuration.
    """
    from transformers import AutoTokenizer

    folder = Path(path)
    manifest = read_manifest(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    plain_tokenizer(tokenizer)
    rows = manifest.flamingo.language.get("vocab_size")
    bundle = build(manifest.flamingo, tokenizer, vocabulary=rows)
    _load_weights(bundle.model, folder / WEIGHTS)
    bundle.model.to(device, dtype).eval()
    return dataclasses.replace(
        bundle,
        training=TrainingResolution.parse(manifest.training),
        strategy=manifest.strategy,
        extra=manifest.extra,
        identity=identity or folder.name,
        revision=weights_revision(folder / WEIGHTS),
    )


def own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors by name, each once: no tied weights, none of open_flamingo's aliases."""
    seen: set[int] = set()
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            tensors[name] = tensor
    return tensors


def read_manifest(folder: Path) -> _Manifest:
    """The configuration of the checkpoint in `folder`.

    Raises:
        ModelError: a file is missing, or the configuration is not one of ours.
    """
    for name in (CONFIG, WEIGHTS, "tokenizer.json"):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder} has no {name}; a checkpoint folder of ours holds {CONFIG}, {WEIGHTS} "
                "and tokenizer.json"
            )
    return declared_in(folder / CONFIG, _Manifest, "a checkpoint of ours")


def _load_weights(model: nn.Module, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{path} is not a whole safetensors file: {error}") from error
    targets = own_tensors(model)
    missing = [name for name in targets if name not in weights]
    copy_exactly(targets, weights, missing=missing, origin=str(path))


def copy_exactly(
    targets: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    *,
    missing: Sequence[str],
    origin: str,
) -> None:
    """Copy `weights` into the `targets` of their names.

    Raises:
        ModelError: something is `missing`, a name is unknown, or a shape differs; all are listed.
    """
    faults = [f"missing: {name}" for name in missing]
    faults += [f"unknown: {name}" for name in weights if name not in targets]
    faults += [
        f"shape of {name}: {tuple(tensor.shape)}, expected {tuple(targets[name].shape)}"
        for name, tensor in weights.items()
        if name in targets and tensor.shape != targets[name].shape
    ]
    if faults:
        listed = "\n  ".join(faults)
        raise ModelError(f"{origin} does not fit the model it is for:\n  {listed}")
    with torch.no_grad():
        for name, tensor in weights.items():
            targets[name].copy_(tensor)
