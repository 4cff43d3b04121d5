"""A loaded checkpoint: batches in, text or the choices' log-likelihoods out, its tower watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from resolution_eval.answers.generation import Generation
from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.finite import finite_logits
from resolution_eval.models.families.decoding import Decoding
from resolution_eval.models.families.family_base import Family, share
from resolution_eval.models.families.inputs import Inputs, extended, taken
from resolution_eval.models.families.normalisation import PIXELS
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.models.families.parts import Parts, TowerGrid
from resolution_eval.models.families.preparation import Material, Preparation
from resolution_eval.models.families.preparation import Question as Question
from resolution_eval.models.families.sharing import Sharing
from resolution_eval.models.families.token_places import (
    counts_in_three,
    last_places,
    place_arguments,
    token_places,
)
from resolution_eval.models.families.tokens import written
from resolution_eval.models.families.tower_hooks import watched
from resolution_eval.models.tails import Rest, Score, Tails, packed, scored
from resolution_eval.models.transfer import Transfer
from resolution_eval.resolution import Size

Entered = tuple[TowerGrid | None, int]
"""What entered of one image, None of one that was withheld, and its visual tokens."""


@dataclass(frozen=True)
class Utterance:
    """An answer, and what was read from the tensors on their way."""

    text: str
    scores: tuple[float, ...] | None
    """Log-likelihood of each choice."""
    received: TowerGrid | None
    """None where no image entered the vision tower."""
    visual_tokens: int
    generated_tokens: int | None = None
    """Tokens written, special ones not counted; None where choices were ranked."""
    ended: bool = True
    """Whether it ended by itself, rather than at the limit of tokens."""
    earlier: tuple[Entered, ...] = ()
    """The same of the images before the last."""


@dataclass(frozen=True)
class Engine:
    """A model with its processor and its family's control."""

    family: Family
    parts: Parts
    model: Any

    def generate(
        self, questions: Sequence[Question], asked: Generation, material: Material | None = None
    ) -> list[Utterance]:
        """Generated texts, not yet cut at `asked.until`; all images are of one size.

        `material` is what was made of the questions ahead, if anything was.

        Raises:
            ModelError: the logits are not finite.
        """
        if len(questions) > 1 and not self.family.batches:
            return [self.generate([question], asked)[0] for question in questions]
        material = material or self.preparation.material(questions, ranking=False)
        batch = self._entering(material)
        with self._watched(questions, material.sharing) as seen, torch.inference_mode():
            sequences = self.model.generate(
                **batch,
                generation_config=self.decoding.asked(asked),
                logits_processor=[finite_logits],
            )
        tokenizer = self.parts.processor.tokenizer
        rows = self.family.written(self.parts, sequences, batch).tolist()
        special = set(tokenizer.all_special_ids)
        told = [(written(tokenizer, row), None) for row in rows]
        spoken = self._spoken(batch, seen, told, questions)
        return [
            replace(
                answer,
                generated_tokens=sum(token not in special for token in row),
                ended=self.decoding.ends(row),
            )
            for answer, row in zip(spoken, rows, strict=True)
        ]

    def of_family(self, family: Family) -> Engine:
        """The same engine under another setting of its family."""
        made = replace(self, family=family)
        vars(made).update(decoding=self.decoding, transfer=self.transfer)
        return made

    @cached_property
    def preparation(self) -> Preparation:
        """What makes tensors of questions in this thread."""
        return Preparation(self.family, self.parts)

    @cached_property
    def transfer(self) -> Transfer:
        """The way to the device that the model begins on."""
        return Transfer(self.model.device)

    def prepares(self, questions: int, *, ranking: bool) -> bool:
        """Whether so many questions enter the model as one batch, which can be made ahead."""
        return self.family.caches if ranking else questions == 1 or self.family.batches

    def shipped(self, material: Material) -> Material:
        """The material on its way to the device; may be called in any thread."""
        sent = self.transfer.send(taken(material.batch, self.model.forward), self.model.dtype)
        return replace(material, batch={}, shipment=sent)

    def _entering(self, material: Material) -> Inputs:
        """The tensors on the device."""
        sent = material.shipment or self.shipped(material).shipment
        assert sent is not None
        batch = sent.arrived()
        if material.normalisation is not None:
            batch[PIXELS] = material.normalisation.applied(batch[PIXELS]).to(self.model.dtype)
        return batch

    @cached_property
    def decoding(self) -> Decoding:
        """What of the checkpoint's generation settings is used; the rest is taken out of it."""
        decoding = Decoding.of(self.model, self.parts.processor.tokenizer)
        decoding.install(self.model)
        return decoding

    def rank(
        self, questions: Sequence[Question], material: Material | None = None
    ) -> list[Utterance]:
        """The log-likelihoods of every question's choices, and the likeliest choice's text.

        Prompt and choice are tokenised together. The image and the prompt go through the model
        once, and all choices continue from there.

        Raises:
            ModelError: a choice has no token of its own, or the prompt's end is lost in the
                processor.
        """
        if not self.family.caches:
            return [self._ranked_whole(question) for question in questions]
        material = material or self.preparation.material(questions, ranking=True)
        assert material.tails is not None
        batch = self._entering(material)
        with self._watched(questions, material.sharing) as seen, torch.inference_mode():
            choice_scores = iter(self._scores(batch, material.tails))
        scores = [
            tuple(next(choice_scores).log_likelihood for _ in each.choices) for each in questions
        ]
        best = [max(range(len(row)), key=row.__getitem__) for row in scores]
        texts = [
            question.choices[place].strip() for question, place in zip(questions, best, strict=True)
        ]
        return self._spoken(batch, seen, list(zip(texts, scores, strict=True)), questions)

    def _ranked_whole(self, question: Question) -> Utterance:
        """The same for one question, every choice with the whole prompt before it: right for any
        decoder, whatever its cache holds and however it counts places. Choices of one length go
        together, so that nothing is padded.
        """
        sample, tails, starts = self.preparation.split(question)
        scores = [0.0] * len(tails)
        spoken: Utterance | None = None
        for length in sorted({len(tail) for tail in tails}):
            places = [place for place, tail in enumerate(tails) if len(tail) == length]
            longer = [extended(sample, tails[place]) for place in places]
            batch = self._entering(self.preparation.collated(longer))
            with self._watched([question] * len(places)) as seen, torch.inference_mode():
                logits = self.model(**batch, use_cache=False).logits[:, -length - 1 :]
            log_probabilities = logits.float().log_softmax(-1)
            for row, place in enumerate(places):
                scores[place] = _sum(log_probabilities[row], tails[place], starts[place])
            same = [question] * len(places)
            spoken = self._spoken(batch, seen, [("", None)] * len(places), same)[0]
        assert spoken is not None
        best = max(range(len(scores)), key=scores.__getitem__)
        return replace(spoken, text=question.choices[best].strip(), scores=tuple(scores))

    def _spoken(
        self,
        batch: Inputs,
        seen: Sequence[TowerGrid],
        answers: Sequence[tuple[str, tuple[float, ...] | None]],
        questions: Sequence[Question],
    ) -> list[Utterance]:
        """The answers with what entered of their questions, each of as many images."""
        entered: Sequence[TowerGrid | None] = seen or [None] * len(answers)
        each = share([len(entered)], len(answers))
        if each == 1:
            tokens = [[count] for count in self.family.counted_tokens(self.parts, batch)]
        else:
            tokens = list(map(self._tokens_each, batch["input_ids"], questions))
        spoken = []
        for row, ((text, scores), counts) in enumerate(zip(answers, tokens, strict=True)):
            own = zip(entered[row * each : (row + 1) * each], counts, strict=True)
            *earlier, (received, count) = own
            spoken.append(Utterance(text, scores, received, count, earlier=tuple(earlier)))
        return spoken

    def _tokens_each(self, ids: Tensor, question: Question) -> list[int]:
        """Visual tokens of each of a prompt's images.

        Where no text parts two images, or the processor set their grids, each its own, they are
        those that were foretold of each, if they are as many together as stand there.

        Raises:
            ModelError: the tokens are not those of so many images.
        """
        sizes = [Size(*image.size) for image in question.images]
        alone = [foretold(self.family, self.parts, size).tokens for size in sizes]
        if not self.family.own or len(set(sizes)) == 1:
            with suppress(ModelError):
                return self.family.tokens_per_image(self.parts, ids, len(sizes))
        (counted,) = self.family.counted_tokens(self.parts, {"input_ids": ids[None]})
        if sum(alone) != counted:
            raise ModelError(
                f"{counted} visual tokens stand in the prompt of {len(sizes)} images, of which the "
                f"processor makes {alone} one by one"
            )
        return alone

    @contextmanager
    def _watched(
        self, questions: Sequence[Question], known: Sharing | None = None
    ) -> Iterator[list[TowerGrid]]:
        """What enters the vision tower, for each image, in order; each different one enters once,
        unless the questions have demonstrations.
        """
        images = [image for question in questions for image in question.images]
        grids = [Size(*image.size) for image in images]
        sharing = known or self.preparation.sharing(questions)
        tower = self.model.get_submodule(self.family.tower)
        with (
            sharing.applied(tower),
            watched(self.family, self.parts, self.model, sharing.firsts(grids)) as seen,
        ):
            yield seen
        if seen:
            seen[:] = [seen[place] for place in sharing.places]

    def _scores(self, batch: Inputs, tails: Tails) -> list[Score]:
        first, cache, last = self._prompt_pass(batch)
        if tails.longest == 1:
            rest = None
        elif self.family.packs and packs(self.model, cache, tails.most):
            rest = self._packed_pass(batch, cache, last, tails)
        else:
            rest = self._tail_pass(batch, cache, last, tails)
        return list(scored(first, rest, tails))

    def _prompt_pass(self, batch: Inputs) -> tuple[Tensor, Any, Tensor]:
        """Logits after each prompt's last token, the cache, and that token's position."""
        positions = token_places(self.family, batch)
        last = positions[:, -1:]
        given = place_arguments(self.model, batch, positions)
        with nullcontext([last]) if given else last_places(self.model) as places:
            outputs = self.model(**batch, **given, use_cache=True, logits_to_keep=1)
        last = places[-1].to(last.device)
        return outputs.logits[:, -1], attrgetter(self.family.cache)(outputs), last

    def _packed_pass(self, batch: Inputs, cache: Any, last: Tensor, tails: Tails) -> Rest:
        """All tails of a question behind each other in one sequence, none of which sees another."""
        rows = torch.arange(len(last), device=last.device)
        together = packed(tails, len(last), device=last.device)
        hidden = together.hidden(batch["attention_mask"], self.model.dtype)
        positions = last + 1 + together.places
        logits = self._continued(batch, cache, rows, together.ids, hidden, positions)
        return Rest(logits, tails.owners, together.columns)

    def _tail_pass(self, batch: Inputs, cache: Any, last: Tensor, tails: Tails) -> Rest:
        """A sequence for each tail, which continues a prompt of which it has a copy."""
        owners = torch.tensor(tails.owners, device=last.device)
        cache.batch_select_indices(owners)
        ids = torch.zeros((len(owners), tails.longest - 1), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tail in enumerate(tails.ids):
            ids[row, : len(tail) - 1] = torch.tensor(tail[:-1], dtype=torch.long)
            mask[row, : len(tail) - 1] = 1
        ids, mask = ids.to(last.device), mask.to(last.device)
        positions = last[owners] + 1 + torch.arange(ids.shape[1], device=last.device)
        seen = torch.cat([batch["attention_mask"][owners], mask], dim=1)
        logits = self._continued(batch, cache, owners, ids, seen, positions)
        return Rest(logits, range(len(tails.ids)), [0] * len(tails.ids))

    def _continued(
        self, batch: Inputs, cache: Any, owners: Tensor, ids: Tensor, mask: Tensor, places: Tensor
    ) -> Tensor:
        """Logits after every token of `ids`, which continue the cache's rows `owners`."""
        if counts_in_three(self.model):
            places = places.expand(3, -1, -1)
        outputs = self.model.get_submodule(self.family.decoder)(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            **self.family.continued(batch, owners, ids.shape[1]),
        )
        logits: Tensor = outputs.logits
        return logits


def packs(model: Any, cache: Any, more: int) -> bool:
    """Whether choices of so many tokens together may continue `cache` behind each other, each kept
    from seeing the others.

    Attention must take a mask of what every token sees, and every layer keep the whole text: one
    with a sliding window drops its beginning, unless all fits in; one that sums up what it read
    cannot leave a choice out again.
    """
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    def whole(layer: Any) -> bool:
        if type(layer) is DynamicSlidingWindowLayer and layer.keys is not None:
            return bool(layer.keys.shape[-2] + more < layer.sliding_window)
        return type(layer) is DynamicLayer

    kind = getattr(model.config.get_text_config(), "_attn_implementation", None)
    layers = getattr(cache, "layers", ())
    return kind in ("sdpa", "eager") and bool(layers) and all(map(whole, layers))


def _sum(log_probabilities: Tensor, tail: Sequence[int], start: int) -> float:
    """Log-likelihood of the tokens `tail[start:]`; row i says what follows `tail[:i]`."""
    own = torch.tensor(tail[start:], device=log_probabilities.device)
    return float(log_probabilities[start : len(tail)].gather(1, own[:, None]).sum())
