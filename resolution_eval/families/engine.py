"""A loaded checkpoint: batches in, text or the choices' log-likelihoods out, its tower watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from resolution_eval.errors import ModelError
from resolution_eval.families.base import Family, Parts, Received
from resolution_eval.families.decoding import Decoding
from resolution_eval.families.inputs import Inputs, cut, extended, prepare, taken, tokenise
from resolution_eval.families.sharing import Sharing
from resolution_eval.families.tokens import written
from resolution_eval.finite import finite_logits
from resolution_eval.generation import Generation
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Question:
    """A prompt, ready for the processor, and its image at the grid it shall enter at."""

    prompt: str
    image: Image | None
    choices: tuple[str, ...] = ()
    """Continuations to score, each with the space that belongs before it."""
    earlier: tuple[Image, ...] = ()
    """Images that the prompt holds before that: of demonstrations, and of a question with several.
    """

    @property
    def images(self) -> tuple[Image, ...]:
        """All images that shall enter, in order."""
        return () if self.image is None else (*self.earlier, self.image)


KEPT = 4096
"""Tokenised texts that an engine remembers."""

Entered = tuple[Received, int]
"""What entered of one image, and its visual tokens."""


@dataclass(frozen=True)
class Spoken:
    """An answer, and what was read from the tensors on their way."""

    text: str
    scores: tuple[float, ...] | None
    """Log-likelihood of each choice."""
    received: Received | None
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

    def generate(self, questions: Sequence[Question], asked: Generation) -> list[Spoken]:
        """Generated texts, not yet cut at `asked.until`; all images are of one size.

        Raises:
            ModelError: the logits are not finite.
        """
        if len(questions) > 1 and not self.family.batches:
            return [self.generate([question], asked)[0] for question in questions]
        batch = self._batch([self._prepare(question) for question in questions])
        with self._watched(questions) as seen, torch.inference_mode():
            found = self.model.generate(
                **batch,
                generation_config=self.decoding.asked(asked),
                logits_processor=[finite_logits],
            )
        found = self.family.written(self.parts, found, batch)
        tokenizer = self.parts.processor.tokenizer
        rows = found.tolist()
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
        vars(made).update(decoding=self.decoding, _tokenised=self._tokenised)
        return made

    @cached_property
    def decoding(self) -> Decoding:
        """What of the checkpoint's generation settings is used; the rest is taken out of it."""
        found = Decoding.of(self.model, self.parts.processor.tokenizer)
        found.install(self.model)
        return found

    def rank(self, questions: Sequence[Question]) -> list[Spoken]:
        """The log-likelihoods of every question's choices, and the likeliest choice's text.

        Prompt and choice are tokenised together. The image and the prompt go through the model
        once, and all choices continue from there.

        Raises:
            ModelError: a choice has no token of its own, or the prompt's end is lost in the
                processor.
        """
        if not self.family.caches:
            return [self._ranked_whole(question) for question in questions]
        prompts, tails, starts = [], [], []
        for question in questions:
            sample, own_tails, own_starts = self._split(question)
            prompts.append(sample)
            tails.append(own_tails)
            starts.append(own_starts)
        batch = self._batch(prompts)
        with self._watched(questions) as seen, torch.inference_mode():
            scores = self._scores(batch, tails, starts)
        best = [max(range(len(row)), key=row.__getitem__) for row in scores]
        texts = [
            question.choices[place].strip() for question, place in zip(questions, best, strict=True)
        ]
        return self._spoken(batch, seen, list(zip(texts, scores, strict=True)), questions)

    def _ranked_whole(self, question: Question) -> Spoken:
        """The same for one question, every choice with the whole prompt before it: right for any
        decoder, whatever its cache holds and however it counts places. Choices of one length go
        together, so that nothing is padded.
        """
        sample, tails, starts = self._split(question)
        scores = [0.0] * len(tails)
        spoken: Spoken | None = None
        for length in sorted({len(tail) for tail in tails}):
            places = [place for place, tail in enumerate(tails) if len(tail) == length]
            batch = self._batch([extended(sample, tails[place]) for place in places])
            with self._watched([question] * len(places)) as seen, torch.inference_mode():
                logits = self.model(**batch, use_cache=False).logits[:, -length - 1 :]
            found = logits.float().log_softmax(-1)
            for row, place in enumerate(places):
                scores[place] = _sum(found[row], tails[place], starts[place])
            same = [question] * len(places)
            spoken = self._spoken(batch, seen, [("", None)] * len(places), same)[0]
        assert spoken is not None
        best = max(range(len(scores)), key=scores.__getitem__)
        return replace(spoken, text=question.choices[best].strip(), scores=tuple(scores))

    def _prepare(self, question: Question) -> Inputs:
        """The tensors of one question.

        Raises:
            ModelError: its images are of different grids, and the family takes them of one.
        """
        self._refuse_mixture(question)
        return prepare(
            self.family, self.parts, question.prompt, question.image, earlier=question.earlier
        )

    def _batch(self, samples: Sequence[Inputs]) -> Inputs:
        tokenizer = self.parts.processor.tokenizer
        pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        batch = taken(self.family.collated(samples, pad or 0), self.model.forward)
        device, dtype = self.model.device, self.model.dtype
        pinned = device.type == "cuda"

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            kind = dtype if value.is_floating_point() else None
            return (value.pin_memory() if pinned else value).to(device, kind, non_blocking=pinned)

        return {name: moved(value) for name, value in batch.items()}

    def _spoken(
        self,
        batch: Inputs,
        seen: Sequence[Received],
        answers: Sequence[tuple[str, tuple[float, ...] | None]],
        questions: Sequence[Question],
    ) -> list[Spoken]:
        if len(seen) > len(answers):
            return self._spoken_of_several(batch, seen, answers, questions)
        tokens = self.family.counted_tokens(self.parts, batch)
        entered: Sequence[Received | None] = seen or [None] * len(answers)
        return [
            Spoken(text, scores, received, count)
            for (text, scores), received, count in zip(answers, entered, tokens, strict=True)
        ]

    def _spoken_of_several(
        self,
        batch: Inputs,
        seen: Sequence[Received],
        answers: Sequence[tuple[str, tuple[float, ...] | None]],
        questions: Sequence[Question],
    ) -> list[Spoken]:
        """As `_spoken`, of questions with equally many images each."""
        each = len(seen) // len(answers)
        spoken = []
        for row, (text, scores) in enumerate(answers):
            tokens = self._tokens_each(batch["input_ids"][row], questions[row])
            entered = list(zip(seen[row * each : (row + 1) * each], tokens, strict=True))
            *earlier, (received, count) = entered
            spoken.append(Spoken(text, scores, received, count, earlier=tuple(earlier)))
        return spoken

    def _tokens_each(self, ids: Tensor, question: Question) -> list[int]:
        """Visual tokens of each of a prompt's images.

        Where no text parts two images, or the processor set their grids, each its own, they are
        those that were foretold of each, if they are as many together as stand there.

        Raises:
            ModelError: the tokens are not those of so many images.
        """
        sizes = [Size(*image.size) for image in question.images]
        foretold = [self.family.foretold(self.parts, size).tokens for size in sizes]
        if not self.family.own or len(set(sizes)) == 1:
            with suppress(ModelError):
                return self.family.tokens_per_image(self.parts, ids, len(sizes))
        (counted,) = self.family.counted_tokens(self.parts, {"input_ids": ids[None]})
        if sum(foretold) != counted:
            raise ModelError(
                f"{counted} visual tokens stand in the prompt of {len(sizes)} images, of which the "
                f"processor makes {foretold} one by one"
            )
        return foretold

    @contextmanager
    def _watched(self, questions: Sequence[Question]) -> Iterator[list[Received]]:
        """What enters the vision tower, for each image, in order; each different one enters once,
        unless the questions have demonstrations.
        """
        images = [image for question in questions for image in question.images]
        grids = [Size(*image.size) for image in images]
        alone = len(images) == len(questions) and self.family.shares
        sharing = Sharing.of(images) if alone else Sharing(tuple(range(len(images))))
        tower = self.model.get_submodule(self.family.tower)
        with (
            sharing.applied(tower),
            watched(self.family, self.parts, self.model, sharing.firsts(grids)) as seen,
        ):
            yield seen
        if seen:
            seen[:] = [seen[place] for place in sharing.places]

    def _refuse_mixture(self, question: Question) -> None:
        sizes = {image.size for image in question.images}
        if len(sizes) > 1 and not (self.family.grids_may_differ or self.family.own):
            raise ModelError(
                f"{self.family.name} takes the images of one prompt at one grid, and those of this "
                f"one come at {sorted(sizes)} (width, height); use images of one size, "
                "scheme=restore, or run without --num_fewshot"
            )

    def _split(self, question: Question) -> tuple[Inputs, list[list[int]], list[int]]:
        """The prompt's tensors up to where its choices differ, the rest of each, and where in the
        rest the choice itself begins.
        """
        alone, _ = self._tokenised(question.prompt)
        joined = [self._tokenised(question.prompt, choice) for choice in question.choices]
        for choice, (ids, start) in zip(question.choices, joined, strict=True):
            if start == len(ids):
                raise ModelError(f"the choice {choice!r} has no tokens of its own")
        shared = _shared([alone, *(ids[:start] for ids, start in joined)])
        dropped = len(alone) - shared
        sample = self._prepare(question)
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

    def _scores(
        self, batch: Inputs, tails: Sequence[Sequence[list[int]]], starts: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        first, cache, last_position = self._prompt_pass(batch)
        owners = [row for row, own in enumerate(tails) for _ in own]
        flat = [tail for own in tails for tail in own]
        index = torch.tensor(owners, device=first.device)
        logits = first[index, None]
        if max(map(len, flat)) > 1:
            rest = self._tail_pass(batch, cache, index, last_position, flat)
            logits = torch.cat([logits, rest], dim=1)
        log_probabilities = logits.float().log_softmax(-1)
        scores = iter(
            _sum(log_probabilities[place], tail, start)
            for place, (tail, start) in enumerate(
                zip(flat, (start for own in starts for start in own), strict=True)
            )
        )
        return [tuple(next(scores) for _ in own) for own in tails]

    def _prompt_pass(self, batch: Inputs) -> tuple[Tensor, Any, Tensor]:
        """Logits after each prompt's last token, the cache, and that token's position."""
        positions = token_places(self.family, batch)
        last = positions[:, -1:]
        given = place_arguments(self.model, batch, positions)
        outputs = self.model(**batch, **given, use_cache=True, logits_to_keep=1)
        if not given:
            last = last + self.model.model.rope_deltas.to(last.device)
        return outputs.logits[:, -1], self.family.cache(outputs), last

    def _tail_pass(
        self,
        batch: Inputs,
        cache: Any,
        owners: Tensor,
        last_position: Tensor,
        tails: Sequence[Sequence[int]],
    ) -> Tensor:
        """Logits after every token but the last of each tail, which continues a prompt."""
        cache.batch_select_indices(owners)
        length = max(map(len, tails)) - 1
        ids = torch.zeros((len(tails), length), dtype=torch.long, device=owners.device)
        mask = torch.zeros_like(ids)
        for row, tail in enumerate(tails):
            ids[row, : len(tail) - 1] = torch.tensor(tail[:-1], dtype=torch.long)
            mask[row, : len(tail) - 1] = 1
        positions = last_position[owners] + 1 + torch.arange(length, device=owners.device)
        if counts_in_three(self.model):
            positions = positions.expand(3, -1, -1)
        outputs = self.family.decoder(self.model)(
            input_ids=ids,
            attention_mask=torch.cat([batch["attention_mask"][owners], mask], dim=1),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **self.family.continued(batch, owners, length),
        )
        logits: Tensor = outputs.logits
        return logits


@contextmanager
def watched(
    family: Family, parts: Parts, model: Any, grids: Sequence[Size]
) -> Iterator[list[Received]]:
    """Sets the configuration for images of the last of the sizes `grids`, and notes what enters the
    vision tower of each; nothing where no image is shown. Of a tower that runs several times, the
    list is filled at the end.

    Raises:
        ModelError: the tower ran more often than once, and the family's does not.
    """
    seen: list[Received] = []
    if not grids:
        yield seen
        return
    calls: list[dict[str, Any]] = []
    tower = model.get_submodule(family.tower)

    def before(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        if calls and not family.repeats:
            raise ModelError("the vision tower was run a second time for the same images")
        calls.append(family.arguments(module, positional, named))
        if not family.repeats:
            seen.extend(family.received_each(parts, grids, calls))

    handle = tower.register_forward_pre_hook(before, with_kwargs=True)
    settings = family.used_settings(parts, grids[-1])
    try:
        with settings.applied(Parts(model.config, parts.processor)), steered(family, model):
            yield seen
    finally:
        handle.remove()
    if calls and family.repeats:
        seen.extend(family.received_each(parts, grids, calls))


@contextmanager
def steered(family: Family, model: Any) -> Iterator[None]:
    """Has the model take any grid, where its own `forward` does not hand on what that needs."""
    handles = []
    if family.interpolates:

        def interpolating(module: Any, positional: Any, named: dict[str, Any]) -> Any:
            return positional, {**named, "interpolate_pos_encoding": True}

        tower = model.get_submodule(family.tower)
        handles.append(tower.register_forward_pre_hook(interpolating, with_kwargs=True))
    if family.squeezed is not None:
        projector = model.get_submodule(family.squeezed)
        handles.append(projector.register_forward_hook(lambda *found: found[-1][None]))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def token_places(family: Family, batch: Inputs) -> Tensor:
    """Position of every token in its own sequence; padding shares the nearest place."""
    mask: Tensor = batch["attention_mask"]
    return (mask.cumsum(1) - 1).clamp(min=0) + family.first_position()


def counts_in_three(model: Any) -> bool:
    """Whether positions are of time, height and width, which the model finds by itself."""
    return hasattr(getattr(model, "model", None), "rope_deltas")


def place_arguments(model: Any, batch: Inputs, places: Tensor) -> dict[str, Tensor]:
    """What a first pass over `batch` is told of its tokens' places."""
    if not counts_in_three(model):
        return {"position_ids": places}
    model.model.rope_deltas = None
    return {} if "pixel_values" in batch else {"position_ids": places.expand(3, -1, -1)}


def _shared(sequences: Sequence[Sequence[int]]) -> int:
    """Number of tokens that all sequences begin with."""
    count = 0
    for tokens in zip(*sequences, strict=False):
        if len(set(tokens)) > 1:
            break
        count += 1
    return count


def _sum(log_probabilities: Tensor, tail: Sequence[int], start: int) -> float:
    """Log-likelihood of the tokens `tail[start:]`; row i says what follows `tail[:i]`."""
    own = torch.tensor(tail[start:], device=log_probabilities.device)
    return float(log_probabilities[start : len(tail)].gather(1, own[:, None]).sum())
