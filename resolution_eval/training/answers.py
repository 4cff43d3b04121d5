"""Answers: the tokens that a Flamingo is trained to write, and the loss over them alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from resolution_eval.flamingo import (
    Encoded,
    FlamingoBundle,
    Joined,
    encode,
    join,
    logits,
    pad,
    rank,
)
from resolution_eval.flamingo.language import END_OF_CHUNK
from resolution_eval.prompts import flamingo_prompt, question_text
from resolution_eval.sources import Sample
from resolution_eval.training.examples import Examples, count, in_order, normalise

IGNORED = -100
"""Label of a token that the loss leaves out (torch's own)."""


def prompt(sample: Sample) -> str:
    """The prompt of a sample, the same as at inference."""
    return flamingo_prompt(question_text(sample.question, sample.choices))


def sequence(bundle: FlamingoBundle, sample: Sample) -> Joined:
    """The sample's prompt and answer, tokenised together; the answer ends with <|endofchunk|>."""
    return join(bundle, prompt(sample), f" {sample.answer}{END_OF_CHUNK}")


def labels(
    sequences: Sequence[Joined], ids: Int[Tensor, "batch tokens"]
) -> Int[Tensor, "batch tokens"]:
    """Per token of right-padded `ids` itself, if it is part of an answer, else `IGNORED`."""
    marked = torch.full_like(ids, IGNORED)
    for row, joined in enumerate(sequences):
        answer = slice(joined.start, len(joined.ids))
        marked[row, answer] = ids[row, answer]
    return marked


def answer_loss(
    bundle: FlamingoBundle, encoded: Encoded, samples: Sequence[Sample]
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the answers' tokens, each predicted from those before it."""
    known = {sample: sequence(bundle, sample) for sample in _distinct(samples)}
    sequences = [known[_asked(sample)] for sample in samples]
    batch = pad(bundle, [joined.ids for joined in sequences], "right")
    predicted = logits(bundle, encoded, batch)[:, :-1].float()
    wanted = labels(sequences, batch.ids)[:, 1:]
    return functional.cross_entropy(predicted.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)


def _asked(sample: Sample) -> Sample:
    """The sample without its image: samples of one question and answer become equal."""
    return Sample("", "", sample.question, sample.answer, sample.choices, "", "")


def _distinct(samples: Sequence[Sample]) -> set[Sample]:
    return {_asked(sample) for sample in samples}


def accuracy(bundle: FlamingoBundle, examples: Examples, *, batch: int = 64) -> float:
    """Fraction of samples whose answer ranks first among their choices, as the adapter ranks.

    Samples without choices count as wrong.
    """
    return sum(right for _, right in verdicts(bundle, examples, batch=batch)) / count(examples)


def verdicts(
    bundle: FlamingoBundle, examples: Examples, *, batch: int = 64
) -> Iterator[tuple[Sample, bool]]:
    """Every sample, and whether its answer ranks first among its choices."""
    bundle.model.eval()
    for part in in_order(examples, batch):
        with torch.inference_mode():
            encoded = encode(bundle, normalise(part.pixels, bundle.config))
        choices = [[f" {choice}" for choice in sample.choices] for sample in part.samples]
        scores = rank(bundle, encoded, [prompt(sample) for sample in part.samples], choices)
        for best, sample in zip(scores.argmax(1).tolist(), part.samples, strict=True):
            yield sample, sample.choices[best] == sample.answer
