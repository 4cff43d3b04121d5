"""A Hugging Face checkpoint without its weights, and the training resolution known of it."""

from __future__ import annotations

from typing import Any

from resolution_eval.adapters.arguments import declared_training
from resolution_eval.cards import model_cards
from resolution_eval.declaration import read_declaration
from resolution_eval.errors import ModelError
from resolution_eval.families.base import Family, Parts
from resolution_eval.resolution import TrainingResolution


def load_parts(pretrained: str, **arguments: Any) -> Parts:
    """Configuration and processor of a checkpoint, no weights.

    Raises:
        ModelError: they are absent or cannot be read.
    """
    from transformers import AutoConfig, AutoProcessor

    try:
        config = AutoConfig.from_pretrained(pretrained, **arguments)
        processor = AutoProcessor.from_pretrained(pretrained, **arguments)
    except (OSError, ValueError, ImportError) as error:
        what = f"configuration and processor of {pretrained!r}"
        raise ModelError(f"{what} cannot be loaded: {_said(error)}") from error
    if not hasattr(processor, "tokenizer"):
        raise ModelError(f"{pretrained!r} has no processor of images and text")
    return Parts(config, processor)


def load_model(pretrained: str, **arguments: Any) -> Any:
    """The checkpoint's model with its weights.

    Raises:
        ModelError: it cannot be loaded.
    """
    from transformers import AutoModelForImageTextToText

    try:
        return AutoModelForImageTextToText.from_pretrained(pretrained, **arguments)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{pretrained!r} cannot be loaded: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The first sentence of what transformers says, and what to do."""
    said = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
    return f"{said}; give pretrained= a folder here, or the id of a checkpoint that the hub has"


def known_training(
    pretrained: str, family: Family, parts: Parts, given: str | int | None
) -> TrainingResolution:
    """The training resolution: as given, otherwise as our training declared it in the checkpoint's
    folder, otherwise by its card, otherwise as its configuration tells.

    Raises:
        UsageError: what is given is no training resolution.
        ModelError: the folder's declaration is damaged.
    """
    told = read_declaration(pretrained)
    card = model_cards().get(pretrained)
    if told is not None:
        known = TrainingResolution.parse(told.training)
    else:
        known = family.training(parts) if card is None else TrainingResolution.parse(card.training)
    return declared_training(given, known)
