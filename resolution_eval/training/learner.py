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


class Learner(ABC):
    """A model that is trained, with what belongs to it."""

    adapter: ClassVar[str]
    """The lmms-eval model that loads the checkpoint."""
    module: Learning
    """What is trained, moved, wrapped and sharded."""

    @abstractmethod
    def grid(self, information: Size) -> Size:
        """Size in pixels at which an image of size `information` enters the encoder."""

    @abstractmethod
    def batch(self, drawn: ImageBatch) -> TrainBatch:
        """The samples ready for `module`, on the CPU.

        Raises:
            ModelError: where the answer lies among the tokens cannot be told.
        """

    @contextmanager
    def prepared(self, drawn: ImageBatch) -> Iterator[list[tuple[int, int]]]:
        """Around forward and backward of one batch; notes the grids (height, width) received."""
        yield []

    def recompute(self) -> None:
        """Have the backward pass compute activations a second time, instead of keeping them.

        Raises:
            UsageError: the model cannot.
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


class Learning(nn.Module, ABC):
    """A model behind the one forward that is run by every process.

    Anything else that is done with the model, outside of `forward`, would not be seen by the
    wrappers that keep processes alike.
    """

    def __init__(self, model: Any, head: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self.head = head
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


def new_head(width: int, classes: int, seed: int) -> nn.Module:
    """A linear head over features of `width` channels, its weights from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, classes)


def class_logits(
    head: nn.Module, tokens: Float[Tensor, "batch tokens width"], *, largest: bool
) -> Float[Tensor, "batch classes"]:
    """The head's logits of the mean of an image's tokens or, per class, the largest of all theirs:
    what lies in few of them is lost in their mean.
    """
    logits: Tensor = head(tokens).amax(1) if largest else head(tokens.mean(1))
    return logits


def places(classes: Mapping[str, int], samples: Sequence[Sample]) -> Int[Tensor, " batch"] | None:
    """The samples' answers as places among the head's classes; None where it has none."""
    return torch.tensor([classes[sample.answer] for sample in samples]) if classes else None


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
