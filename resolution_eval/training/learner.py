"""Learners: what the training loop asks of a model, whatever its architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from resolution_eval.data.sources import Sample
from resolution_eval.declaration import Declaration
from resolution_eval.ground.errors import UsageError
from resolution_eval.resolution import Size
from resolution_eval.training.pool import ImageBatch

IGNORED = -100
"""Label of a token that the loss leaves out (torch's own)."""


@dataclass(frozen=True, eq=False)
class TrainBatch:
    """Samples as the tensors that a model takes, and the tokens that it should have written."""

    inputs: Mapping[str, Tensor]
    labels: Int[Tensor, "batch tokens"]
    """Of the last tokens of every sequence; `IGNORED` outside the answers."""
    visual_tokens: int
    """Per sample, before the language model."""
    classes: Int[Tensor, " batch"] | None = None
    """Places of the answers among the task's, where a head is taught."""


class Learner(nn.Module, ABC):
    """A model that is trained, with what belongs to it, behind the one forward that is run by every
    process.

    Anything else that is done with the model, outside of `forward`, would not be seen by the
    wrappers that keep processes alike.
    """

    adapter: ClassVar[str]
    """The lmms-eval model that loads the checkpoint."""

    def __init__(
        self, model: Any, *, classes: Sequence[str], width: int, seed: int, largest: bool
    ) -> None:
        """A linear head, its weights from the seed alone, tells `classes`, the answers, apart by
        the tokens of an image, of `width` channels: by their mean or, if `largest`, by those where
        each is likeliest. Without classes there is none.
        """
        super().__init__()
        self.model = model
        self.head: nn.Module | None = None
        if classes:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.head = nn.Linear(width, len(classes))
        self.classes = {name: place for place, name in enumerate(classes)}
        self._largest = largest
        # a family names layers of all its towers, and accelerate refuses one that is not there
        there = {type(module).__name__ for module in model.modules()}
        self._no_split_modules = sorted(
            there & {*(getattr(model, "_no_split_modules", None) or ())}
        )

    def tie_weights(self) -> None:
        """Join what the model joins; accelerate asks for it after it moved the weights."""
        self.model.tie_weights()

    @abstractmethod
    def forward(
        self, inputs: Mapping[str, Tensor], answer_tokens: int, *, encoder_only: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        """Logits that predict the last `answer_tokens` tokens, and the head's, or None."""

    def _class_logits(
        self, tokens: Float[Tensor, "batch tokens width"] | None
    ) -> Float[Tensor, "batch classes"] | None:
        """The head's logits of the mean of an image's tokens or, per class, the largest of all
        theirs: what lies in few of them is lost in their mean.
        """
        if self.head is None or tokens is None:
            return None
        logits: Tensor = self.head(tokens).amax(1) if self._largest else self.head(tokens.mean(1))
        return logits

    def _places(self, samples: Sequence[Sample]) -> Int[Tensor, " batch"] | None:
        """The samples' answers as places among the head's classes; None where it has none."""
        if not self.classes:
            return None
        return torch.tensor([self.classes[sample.answer] for sample in samples])

    @abstractmethod
    def grid(self, information: Size) -> Size:
        """Size in pixels at which an image of size `information` enters the encoder."""

    @abstractmethod
    def batch(self, drawn: ImageBatch) -> TrainBatch:
        """The samples ready for `forward`.

        Raises:
            ModelError: where the answer lies among the tokens cannot be told.
        """

    @contextmanager
    def prepared(self, drawn: ImageBatch) -> Iterator[list[tuple[int, int]]]:
        """Around forward and backward of one batch; notes the grids (height, width) received."""
        yield []

    def recompute(self) -> None:
        """Have the backward pass compute activations a second time, instead of keeping them;
        UsageError where the model cannot.
        """
        raise UsageError(f"{self.adapter} cannot compute activations a second time")

    @abstractmethod
    def write(self, folder: Path, weights: Mapping[str, Tensor], told: Declaration) -> None:
        """Write the checkpoint that `adapter` loads, with the model's `weights`, by the names they
        had before adapters were put in.
        """

    def tell(self, folder: Path, told: Declaration) -> None:
        """Write what the checkpoint in `folder` says of itself, in place of what it said."""
        told.write(folder)


def answer_loss(
    logits: Float[Tensor, "batch tokens vocabulary"], labels: Int[Tensor, "batch tokens"]
) -> Float[Tensor, ""]:
    """Sum of the answers' tokens' cross-entropy, in nats; logits stand one token before labels."""
    told = labels != IGNORED
    return functional.cross_entropy(logits[told].float(), labels[told], reduction="sum")


def written_exactly(
    logits: Float[Tensor, "batch tokens vocabulary"], labels: Int[Tensor, "batch tokens"]
) -> Bool[Tensor, " batch"]:
    """Which answers the model would write greedily, token for token, their end included."""
    return ((logits.argmax(-1) == labels) | (labels == IGNORED)).all(1)


def right_aligned(answers: Sequence[Sequence[int]]) -> Int[Tensor, "batch tokens"]:
    """Labels of sequences that end in these tokens, all ending together."""
    longest = max(map(len, answers))
    return torch.tensor([[IGNORED] * (longest - len(ids)) + list(ids) for ids in answers])
