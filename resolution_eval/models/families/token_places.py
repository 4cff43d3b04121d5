"""Where every token of a batch stands in its own sequence, as a model is told it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.inputs import Inputs


def token_places(family: Family, batch: Inputs) -> Tensor:
    """Position of every token in its own sequence; padding shares the nearest place."""
    mask: Tensor = batch["attention_mask"]
    return (mask.cumsum(1) - 1).clamp(min=0) + family.first_position


def counts_in_three(model: Any) -> bool:
    """Whether positions are of time, height and width, which the model finds by itself."""
    return hasattr(getattr(model, "model", None), "rope_deltas")


def place_arguments(model: Any, batch: Inputs, places: Tensor) -> dict[str, Tensor]:
    """What a first pass over `batch` is told of its tokens' places."""
    if not counts_in_three(model):
        return {"position_ids": places}
    model.model.rope_deltas = None
    return {} if "pixel_values" in batch else {"position_ids": places.expand(3, -1, -1)}


@contextmanager
def last_places(model: Any) -> Iterator[list[Tensor]]:
    """Gathers, for each pass, where the model itself puts every row's last token: rows x 1.

    Its own `rope_deltas` count from the padded length in some versions of transformers, and from
    that of the text in others.
    """
    places: list[Tensor] = []

    def note(_module: Any, _given: Any, named: dict[str, Any]) -> None:
        places.append(named["position_ids"][-3:, :, -1:].amax(dim=0))

    with model.model.language_model.register_forward_pre_hook(note, with_kwargs=True):
        yield places
