"""Nine choices ranked in one packed pass, against open_flamingo's evaluation, class by class.

open_flamingo 2.0.1's package leaves out its evaluation's model file. What it does is public: the
context goes through once and is cached with the encoded image; then, for every class name, each of
its tokens goes through on its own. That is done here on open_flamingo's own `Flamingo.forward`. One
thing differs from it: the context's cache is copied for every class, since under transformers 5
caches grow in place, and without a copy each class would be read after all classes before it.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks import workload
from benchmarks.host import timed
from benchmarks.result import Result, spread

TARGET = 2.0
TOLERANCE = 1e-4
"""Largest difference of a mean log-likelihood, in float32."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--model", choices=sorted(workload.FLAMINGOS), default="small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--repetitions", type=int, default=7)


def measure(given: argparse.Namespace) -> Result:
    """Both ways in turn on the same pixels; the likeliest classes must be the same.

    Raises:
        RuntimeError: they are not.
    """
    from resolution_eval.flamingo import load_folder, rank
    from resolution_eval.flamingo.vision import encode
    from resolution_eval.prompts import flamingo_prompt, question_text

    with TemporaryDirectory() as folder:
        bundle = load_folder(workload.write_flamingo(Path(folder, "model"), given.model))
    prompt = flamingo_prompt(question_text("Which tissue is shown?", workload.CLASSES))
    texts = [f" {name}" for name in workload.CLASSES]
    torch.manual_seed(0)
    pixels = torch.randn(given.batch, 3, given.side, given.side)

    def ours() -> torch.Tensor:
        with torch.inference_mode():
            encoded = encode(bundle, pixels)
            choices = [texts] * given.batch
            return rank(bundle, encoded, [prompt] * given.batch, choices, per_token=True)

    def theirs() -> torch.Tensor:
        return _class_by_class(bundle, pixels, prompt, texts)

    difference = float((ours() - theirs()).abs().max())
    if difference > TOLERANCE or (ours().argmax(1) != theirs().argmax(1)).any():
        raise RuntimeError(f"the two ways differ by {difference:g} in a mean log-likelihood")
    pairs = [(timed(ours), timed(theirs)) for _ in range(given.repetitions)]
    return Result(
        name="rank",
        ratio=median(b / a for a, b in pairs),
        target=TARGET,
        sense="at least",
        rows=[
            {"what": "all choices in one pass", "seconds": spread([a for a, _ in pairs])},
            {"what": "class by class, token by token", "seconds": spread([b for _, b in pairs])},
        ],
        sizes=vars(given) | {"json": None, "choices": len(texts)},
        note=f"Same predictions; mean log-likelihoods within {difference:.1e}.",
    )


@torch.inference_mode()
def _class_by_class(bundle: Any, pixels: torch.Tensor, prompt: str, texts: list[str]) -> Any:
    """Mean log-likelihood of every class's tokens, (batch, classes)."""
    from resolution_eval.flamingo.language import conditioned
    from resolution_eval.flamingo.vision import patch_tokens

    language_model, tokenizer = bundle.model.lang_encoder, bundle.tokenizer
    context = tokenizer([prompt] * len(pixels), return_tensors="pt")["input_ids"]
    latents = bundle.model.perceiver(patch_tokens(bundle, pixels)[:, None, None])
    columns = []
    with conditioned(language_model, latents, cached=True):
        first = language_model(context, use_cache=True)
        for text in texts:
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            cache = copy.deepcopy(first.past_key_values)
            logits = [first.logits[:, -1:]]
            for token in tokens:
                step = torch.full((len(pixels), 1), token)
                out = language_model(step, past_key_values=cache, use_cache=True)
                logits.append(out.logits)
            said = torch.cat(logits, 1)[:, :-1].log_softmax(-1)
            wanted = torch.tensor(tokens).expand(len(pixels), -1)
            columns.append(said.gather(2, wanted[..., None])[..., 0].mean(1))
    return torch.stack(columns, 1)
