"""A Hugging Face checkpoint without its weights, and the training resolution known of it."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

from resolution_eval.adapters.arguments import declared_training
from resolution_eval.cards import model_cards
from resolution_eval.declaration import Known, read_declaration
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
        ModelError: it cannot be loaded, is cut short, or holds code.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText

    try:
        return AutoModelForImageTextToText.from_pretrained(pretrained, **arguments)
    except UnpicklingError as error:
        raise ModelError(
            f"{pretrained!r} has weights that are no table of tensors, and code in a checkpoint is "
            "not run; get its weights as safetensors"
        ) from error
    except (EOFError, SafetensorError) as error:
        raise ModelError(
            f"{pretrained!r} cannot be loaded: {error}; its weights are cut short or damaged, get "
            "them again"
        ) from error
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{pretrained!r} cannot be loaded: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The first sentence of what transformers says, and what to do."""
    said = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
    return f"{said}; give pretrained= a folder here, or the id of a checkpoint that the hub has"


def known_of(pretrained: str, family: Family | None = None, parts: Parts | None = None) -> Known:
    """What is known of a checkpoint's training: as our own training declared it in the checkpoint's
    folder, otherwise by its card, otherwise as its configuration tells, if its family is known.

    Raises:
        ModelError: the folder's declaration is damaged.
    """
    told, card = read_declaration(pretrained), model_cards().get(pretrained)
    if told is not None:
        return told.known
    if card is not None:
        return Known(training=TrainingResolution.parse(card.training), evidence=card.evidence)
    if family is None or parts is None:
        return Known(training=TrainingResolution("unknown"))
    evidence = "configuration and processor of the checkpoint"
    return Known(training=family.training(parts), evidence=evidence)


def known_training(
    pretrained: str, family: Family | None, parts: Parts | None, given: str | int | None
) -> TrainingResolution:
    """The training resolution: as given, otherwise as `known_of` says.

    Raises:
        UsageError: what is given is no training resolution.
        ModelError: as `known_of`.
    """
    return declared_training(given, known_of(pretrained, family, parts).training)
