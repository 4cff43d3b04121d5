"""A Flamingo by name: a released checkpoint, a local folder, or the embedded default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from loguru import logger

from resolution_eval.data.cards import ModelCard, model_cards
from resolution_eval.ground import paths, registry
from resolution_eval.ground.errors import ModelError, suggest
from resolution_eval.models.flamingo.bundle import FlamingoBundle
from resolution_eval.models.flamingo.checkpoint_folder import load_folder, read_manifest
from resolution_eval.models.flamingo.released import load_released
from resolution_eval.resolution import TrainingResolution

DEFAULT = "embedded/native"
"""Name of the embedded checkpoint that runs when none is asked for."""
TASKS = {
    "embedded/tissue": frozenset({"pathmnist_res", "pathmnist_sample_res"}),
    "embedded/acuity": frozenset({"acuity_res", "lesion_res"}),
}
"""Tasks on which another embedded checkpoint runs: the default knows phantoms only. The eye chart's
reader runs on the lesion phantoms too, so that both are asked of one; it was not taught them.
"""


def default_checkpoint() -> str:
    """Name of the embedded checkpoint for the tasks that lmms-eval was told in this process."""
    asked = set(registry.ASKED)
    return next((name for name, tasks in TASKS.items() if asked and asked <= tasks), DEFAULT)


def load_pretrained(
    pretrained: str | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> FlamingoBundle:
    """The checkpoint `pretrained`, in evaluation mode.

    `embedded/NAME`, an embedded checkpoint; a local folder written by `save_folder`; the Hugging
    Face id of a checkpoint that has a card; or None for the embedded default, which a log line
    says.

    Raises:
        ModelError: there is no such checkpoint, or it cannot be loaded.
    """
    if pretrained is None:
        pretrained = default_checkpoint()
        logger.info(f"no checkpoint was named (pretrained=...): using {pretrained}")
    here = _here(pretrained)
    if here is not None:
        folder, identity = here
        return load_folder(folder, dtype=dtype, device=device, identity=identity)
    return load_released(
        _card(pretrained),
        dtype=dtype,
        device=device,
        trust_remote_code=trust_remote_code,
        revision=revision,
    )


@dataclass(frozen=True)
class FlamingoDescription:
    """What is known of a checkpoint before its weights are read."""

    identity: str
    patch: int
    """Edge in pixels."""
    training: TrainingResolution


def describe(pretrained: str | None = None) -> FlamingoDescription:
    """The checkpoint that `load_pretrained` would load, its weights left where they are.

    Raises:
        ModelError: there is no such checkpoint.
    """
    name = default_checkpoint() if pretrained is None else pretrained
    here = _here(name)
    if here is None:
        from open_clip import get_model_config

        card = _card(name)
        assert card.flamingo is not None
        patch = get_model_config(card.flamingo.vision)["vision_cfg"]["patch_size"]
        return FlamingoDescription(name, int(patch), TrainingResolution.parse(card.training))
    folder, identity = here
    manifest = read_manifest(folder)
    training = TrainingResolution.parse(manifest.training)
    return FlamingoDescription(identity, int(manifest.flamingo.vision["patch_size"]), training)


def _embedded() -> dict[str, Path]:
    """The embedded checkpoints' names and folders."""
    folders = sorted((paths.models() / "embedded").glob("*"))
    return {f"embedded/{folder.name}": folder for folder in folders if folder.is_dir()}


def _here(name: str) -> tuple[Path, str] | None:
    """Folder of a checkpoint that is here, and what results call it; None of a released one."""
    if name in _embedded():
        return _embedded()[name], name
    return (Path(name), Path(name).name) if Path(name).is_dir() else None


def _card(pretrained: str) -> ModelCard:
    cards = {name: card for name, card in model_cards().items() if card.flamingo is not None}
    if pretrained not in cards:
        advice = suggest(pretrained, [*cards, *_embedded()])
        raise ModelError(
            f"no checkpoint {pretrained!r}: not a folder here, and no model card names it; {advice}"
        )
    return cards[pretrained]
