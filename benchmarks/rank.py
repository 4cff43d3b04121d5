"""Nine choices ranked in one packed pass, against open_flamingo's evaluation, class by class.

open_flamingo 2.0.1's package leaves out its evaluation's model file. What it does is public: the
context goes through once and is cached with the encoded image; then, for every class name, each of
its tokens goes through on its own. That is done here on a second copy of the model with
open_flamingo's own attention. One thing differs from it: the context's cache is copied for every
class, since under transformers 5 caches grow in place, and without a copy each class would be read
after all classes before it. The copies' time is stated, and is taken off the other's time.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import workload
from benchmarks.host import timed
from benchmarks.result import Result, spread
from resolution_eval.answers.prompts import flamingo_prompt, question_text

TARGET = 2.0
TOLERANCE = 1e-4
"""Largest difference of a mean log-likelihood, in float32."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="proportioned")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repetitions", type=int, default=7)


def measure(given: argparse.Namespace) -> Result:
    """The model in OpenFlamingo's proportions, then one with a smaller language model."""
    first, second = (_measured(name, given) for name in (given.model, "small"))
    return Result(
        name="rank",
        ratio=first.ratio,
        target=TARGET,
        sense="at least",
        rows=[*first.rows(given.model), *second.rows("small")],
        sizes=vars(given) | {"json": None, "choices": len(workload.CLASSES)},
        note="Same predictions; mean log-likelihoods within "
        f"{max(first.difference, second.difference):.1e}. The copies of the cache, "
        f"{first.copying:.3f} s, are not counted. Encoding the images and reading the question, "
        f"which both do once, take {first.shared:.3f} s of either time ({given.model}). The ratio "
        f"is that of the {given.model} model; that of the small one is {second.ratio:.2f}: the "
        "smaller the language model beside the vision encoder, the less there is to save.",
    )


@dataclass(frozen=True)
class _RankTiming:
    """Seconds of both ways, in turn."""

    ours: Sequence[float]
    theirs: Sequence[float]
    shared: float
    """Of encoding and of the pass over the question."""
    copying: float
    difference: float
    """Largest, of a mean log-likelihood."""

    @property
    def ratio(self) -> float:
        return median(b / a for a, b in zip(self.ours, self.theirs, strict=True))

    def rows(self, model: str) -> list[dict[str, str]]:
        return [
            {"model": model, "what": what, "seconds": spread(seconds)}
            for what, seconds in (
                ("all choices in one pass", self.ours),
                ("class by class, token by token", self.theirs),
            )
        ]


def _measured(model: str, given: argparse.Namespace) -> _RankTiming:
    """Both ways in turn on the same pixels; the likeliest classes must be the same.

    Raises:
        RuntimeError: they are not.
    """
    from resolution_eval.models.flamingo import encode, load_folder, rank

    with TemporaryDirectory() as folder:
        # trained at the measured size: open_flamingo itself resamples no position table
        saved = workload.write_flamingo(Path(folder, "model"), model, trained=given.side)
        bundle, other = load_folder(saved), load_folder(saved)
    _unfused(other.model)
    prompt = flamingo_prompt(question_text("Which tissue is shown?", workload.CLASSES))
    texts = [f" {name}" for name in workload.CLASSES]
    torch.manual_seed(0)
    pixels = torch.randn(given.batch, 3, given.side, given.side)

    def ours(choices: Sequence[str] = texts) -> torch.Tensor:
        with torch.inference_mode():
            encoded = encode(bundle, pixels)
            prompts = [prompt] * given.batch
            return rank(bundle, encoded, prompts, [choices] * given.batch, per_token=True)

    expected, _ = _class_by_class(other, pixels, prompt, texts)
    difference = float((ours() - expected).abs().max())
    if difference > TOLERANCE or (ours().argmax(1) != expected.argmax(1)).any():
        raise RuntimeError(f"the two ways differ by {difference:g} in a mean log-likelihood")
    rounds = []
    for _ in range(given.repetitions):
        own, one, start = timed(ours), timed(lambda: ours(["."])), time.perf_counter()
        _, copying = _class_by_class(other, pixels, prompt, texts)
        rounds.append((own, time.perf_counter() - start - copying, one, copying))
    own, theirs, one, copying = zip(*rounds, strict=True)
    return _RankTiming(own, theirs, median(one), median(copying), difference)


@torch.inference_mode()
def _class_by_class(bundle: Any, pixels: torch.Tensor, prompt: str, texts: list[str]) -> Any:
    """Mean log-likelihood of every class's tokens, (batch, classes), and seconds of copying."""
    model, tokenizer = bundle.model, bundle.tokenizer
    context = tokenizer([prompt] * len(pixels), return_tensors="pt")["input_ids"]
    model.cache_media(input_ids=context, vision_x=pixels[:, None, None])
    kept = {"vision_x": None, "clear_conditioned_layers": False, "use_cache": True}
    first = model(lang_x=context, attention_mask=torch.ones_like(context), **kept)
    columns, copying = [], 0.0
    for text in texts:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        start = time.perf_counter()
        cache = copy.deepcopy(first.past_key_values)
        copying += time.perf_counter() - start
        logits = [first.logits[:, -1:]]
        for token in tokens:
            step = torch.full((len(pixels), 1), token)
            logits.append(model(lang_x=step, past_key_values=cache, **kept).logits)
        said = torch.cat(logits, 1)[:, :-1].log_softmax(-1)
        wanted = torch.tensor(tokens).expand(len(pixels), -1)
        columns.append(said.gather(2, wanted[..., None])[..., 0].mean(1))
    model.uncache_media()
    return torch.stack(columns, 1), copying


def _unfused(model: Any) -> Any:
    """The model with open_flamingo's own attention."""
    from resolution_eval.models.flamingo.attention import FUSED

    own = {fused: upstream for upstream, fused in FUSED.items()}
    for module in model.modules():
        module.__class__ = own.get(type(module), type(module))
    return model
