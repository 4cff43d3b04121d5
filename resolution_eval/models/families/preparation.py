"""Questions made into the tensors of one batch, in this thread or in several."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.inputs import Inputs, collate, cut, prepare, tokenise
from resolution_eval.models.families.normalisation import PIXELS, Bytes, Normalisation
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.sharing import Sharing
from resolution_eval.models.families.tokens import shared_start
from resolution_eval.models.tails import Tails
from resolution_eval.models.transfer import Shipment

if TYPE_CHECKING:
    from PIL.Image import Image

KEPT = 4096
"""Tokenised texts that are remembered."""


@dataclass(frozen=True)
class Question:
    """A prompt, ready for the processor, and its image at the grid it shall enter at."""

    prompt: str
    image: Image | None
    choices: tuple[str, ...] = ()
    """Continuations to score, each with the space that belongs before it."""
    earlier: tuple[Image, ...] = ()
    """Images that the prompt holds before that: of demonstrations, or others of the question."""

    @property
    def images(self) -> tuple[Image, ...]:
        """All images that shall enter, in order."""
        return () if self.image is None else (*self.earlier, self.image)


Split = tuple[Inputs, list[list[int]], list[int]]
"""A prompt's tensors up to where its choices differ, the rest of each choice's tokens, and where in
the rest the choice itself begins.
"""


@dataclass(frozen=True, eq=False)
class Material:
    """The tensors of a batch, and what follows each prompt where choices are ranked."""

    batch: Inputs
    tails: Tails | None = None
    shipment: Shipment | None = None
    """The tensors on their way to the device, where they were sent."""
    normalisation: Normalisation | None = None
    """What makes pixels of the bytes, where these are bytes."""
    sharing: Sharing | None = None
    """Which questions show the same image, where that was looked for."""


@dataclass(frozen=True)
class Preparation:
    """What a checkpoint's processor makes of questions."""

    family: Family
    parts: Parts
    bytes: Bytes = field(default_factory=Bytes)

    def material(self, questions: Sequence[Question], *, ranking: bool) -> Material:
        """The tensors of a batch."""
        made = [self.split(each) if ranking else self.prepare(each) for each in questions]
        return self.gathered(questions, made, ranking=ranking)

    def gathered(
        self, questions: Sequence[Question], made: Sequence[Any], *, ranking: bool
    ) -> Material:
        """The same, of what `split` or `prepare` made of each question."""
        samples, tails = made, None
        if ranking:
            samples, ids, starts = zip(*made, strict=True)
            tails = Tails.of(ids, starts)
        return replace(self.collated(samples), tails=tails, sharing=self.sharing(questions))

    def sharing(self, questions: Sequence[Question]) -> Sharing:
        """Which of the questions show the same image; with demonstrations all images enter."""
        images = [image for question in questions for image in question.images]
        if len(images) == len(questions) and self.family.shares:
            return Sharing.of(images)
        return Sharing(tuple(range(len(images))))

    def collated(self, samples: Sequence[Inputs]) -> Material:
        """Samples whose images are of one grid, as one batch."""
        tokenizer = self.parts.processor.tokenizer
        pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        batch = collate(self.family, self._alike(samples), pad or 0)
        raw = _in_bytes(batch)
        return Material(batch, normalisation=self.bytes.normalisation if raw else None)

    def _alike(self, samples: Sequence[Inputs]) -> Sequence[Inputs]:
        """The samples, all in bytes or none: the first of a grid is as the processor makes it."""
        raw = [_in_bytes(sample) for sample in samples]
        normalisation = self.bytes.normalisation
        if all(raw) or not any(raw) or normalisation is None:
            return samples
        return [
            {**sample, PIXELS: normalisation.applied(sample[PIXELS])} if bytes_ else sample
            for sample, bytes_ in zip(samples, raw, strict=True)
        ]

    def prepare(self, question: Question) -> Inputs:
        """The tensors of one question.

        Raises:
            ModelError: its images are of different grids, and the family takes them of one.
        """
        self._refuse_mixture(question)

        def made(**call: Any) -> Inputs:
            return prepare(
                self.family, self.parts, question.prompt, question.image,
                earlier=question.earlier, call=call,
            )  # fmt: skip

        if question.image is None:
            return made()
        sizes = tuple(image.size for image in question.images)
        return self.bytes.tried(sizes, made, self.parts.processor.image_processor)

    def split(self, question: Question) -> Split:
        """The prompt's tensors up to where its choices differ, and the rest of each.

        Raises:
            ModelError: a choice has no token of its own, or the prompt's end is lost in the
                processor.
        """
        alone, _ = self._tokenised(question.prompt)
        joined = [self._tokenised(question.prompt, choice) for choice in question.choices]
        for choice, (ids, start) in zip(question.choices, joined, strict=True):
            if start == len(ids):
                raise ModelError(f"the choice {choice!r} has no tokens of its own")
        shared = shared_start(alone, *(ids[:start] for ids, start in joined))
        dropped = len(alone) - shared
        sample = self.prepare(question)
        ending = sample["input_ids"][0, -dropped - 1 :].tolist()
        if shared == 0 or ending != alone[shared - 1 :]:
            raise ModelError(
                f"the processor ends the prompt in tokens {ending}, its tokenizer in "
                f"{alone[shared - 1 :]}; use answer_mode=generate"
            )
        tails = [ids[shared:] for ids, _ in joined]
        return cut(sample, dropped), tails, [start - shared for _, start in joined]

    @cached_property
    def _tokenised(self) -> Callable[..., tuple[list[int], int]]:
        """`tokenise` of this family and its parts, remembered, since a task asks the same again."""
        return lru_cache(KEPT)(partial(tokenise, self.family, self.parts))

    def _refuse_mixture(self, question: Question) -> None:
        sizes = {image.size for image in question.images}
        if len(sizes) > 1 and not (self.family.grids_may_differ or self.family.own):
            raise ModelError(
                f"{self.family.name} takes the images of one prompt at one grid, and those of this "
                f"one come at {sorted(sizes)} (width, height); use images of one size, "
                "scheme=restore, or run without --num_fewshot"
            )


class Workshop:
    """Threads that prepare questions, each with a configuration and a processor of its own: the
    settings of a grid are attributes of theirs, and a tokenizer serves one thread at a time.
    """

    def __init__(self, parts: Parts, workers: int) -> None:
        self._pristine = copied(parts)
        self._own = threading.local()
        self._bytes: dict[str, Bytes] = {}
        self._copying = threading.Lock()
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="prepare")

    def parts(self) -> Parts:
        """Those of the present thread."""
        if not hasattr(self._own, "parts"):
            with self._copying:
                self._own.parts = copied(self._pristine)
        parts: Parts = self._own.parts
        return parts

    def preparation(self, scheme: str, family: Family) -> Preparation:
        """The present thread's own, of the family as it works under a scheme."""
        known: dict[str, Preparation] = vars(self._own).setdefault("preparations", {})
        if scheme not in known:
            shared = self._bytes.setdefault(scheme, Bytes())
            known[scheme] = Preparation(family, self.parts(), shared)
        return known[scheme]


def copied(parts: Parts) -> Parts:
    """The same parts once more, sharing nothing that is ever set.

    Raises:
        Exception: a part cannot be copied, as those of a checkpoint's own code may not be.
    """
    return parts._replace(
        config=copy.deepcopy(parts.config), processor=copy.deepcopy(parts.processor)
    )


def _in_bytes(inputs: Inputs) -> bool:
    """Whether the pixels are bytes."""
    pixels = inputs.get(PIXELS)
    return isinstance(pixels, torch.Tensor) and pixels.dtype == torch.uint8
