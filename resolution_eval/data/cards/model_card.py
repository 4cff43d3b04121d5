"""Cards of checkpoints: the training resolution of each, and where that is known from."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from resolution_eval.data.cards.card_base import CardBase, Commit, Count, Edge, Text, Url
from resolution_eval.resolution import TrainingResolution


def _training(text: str) -> str:
    return str(TrainingResolution.parse(text))


class FlamingoCard(CardBase):
    """What OpenFlamingo needs to be built before its checkpoint can be loaded."""

    vision: Text
    """open_clip model name, for instance ViT-L-14."""
    vision_pretrained: Text
    """open_clip tag of the vision encoder's weights, for instance openai."""
    language: Text
    """Hugging Face id of the language model."""
    cross_attn_every_n_layers: Annotated[int, Field(ge=1)]
    remote_code: bool = False
    """Whether the language model runs code from its Hugging Face repository."""
    weights: Text = "checkpoint.pt"
    """File name of the checkpoint in its repository."""


class ModelCard(CardBase):
    """One checkpoint, its training resolution, and where that is known from."""

    name: Text
    pretrained: Text
    """Hugging Face id, or name of an embedded checkpoint."""
    revision: Commit = ""
    """Full commit hash of the checkpoint that the card describes; empty where none is known."""
    family: Text
    adapter: Text
    """Name of the lmms-eval model that runs it; none where no adapter of ours does."""
    training: Annotated[str, AfterValidator(_training)]
    """Training resolution: fixed:N, native, mixed:[A,B] or unknown."""
    training_range: Annotated[tuple[Count, Count], Field(strict=False)] | None = None
    """Fewest and most pixels of the grid under `native`: of all tiles, without the thumbnail."""
    tile: Edge | None = None
    """Edge in pixels of the square tiles that an image is cut into."""
    tokens: Annotated[tuple[Count, ...], Field(min_length=1, max_length=2, strict=False)] = ()
    """Visual tokens of a square image at the training resolution, or the fewest and the most."""
    evidence: Text
    """What the training resolution is known from."""
    evidence_url: Url | None = None
    licence: Text
    trained_on: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Data sets, by the names of our cards, that it or its base was trained on, as far as known."""
    unconfirmed: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Keys whose values no statement, training code or file of the checkpoint itself confirms."""
    flamingo: FlamingoCard | None = None

    @model_validator(mode="after")
    def _plausible(self) -> ModelCard:
        for fault in (*self._order_faults(), *self._unconfirmed_faults()):
            raise ValueError(fault)
        return self

    def _order_faults(self) -> list[str]:
        faults = []
        if self.training_range and TrainingResolution.parse(self.training).kind != "native":
            faults.append("a training_range goes with native training")
        for key, values in (("training_range", self.training_range), ("tokens", self.tokens)):
            if values and list(values) != sorted(set(values)):
                faults.append(f"{key} must ascend; found {list(values)}")
        return faults

    def _unconfirmed_faults(self) -> list[str]:
        given = {key for key in type(self).model_fields if getattr(self, key)} - {"unconfirmed"}
        return [
            f"unconfirmed names {key!r}, which the card does not give"
            for key in self.unconfirmed
            if key not in given
        ]
