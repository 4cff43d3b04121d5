"""Logits that are numbers: a model that overflowed has not answered, though it wrote something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from resolution_eval.ground.errors import ModelError


def finite_logits(input_ids: Tensor, scores: Tensor) -> Tensor:
    """The scores of the next token, unchanged; serves `generate` as a logits processor.

    A token may be ruled out by minus infinity. NaN anywhere, plus infinity, or a row without any
    finite score is no answer: greedy decoding would go on with the first token of the vocabulary.

    Raises:
        ModelError: a row's largest score is not finite.
    """
    if not bool(scores.amax(-1).isfinite().all()):
        raise ModelError(
            f"the model's logits are not finite at token {input_ids.shape[1]}; "
            "try another dtype (bfloat16 or float32 in place of float16)"
        )
    return scores


@contextmanager
def watched_logits(model: Any) -> Iterator[None]:
    """Has `model` raise ModelError where its output layer gives no finite logits for the next
    token; nothing is watched of a model that names no output layer.
    """
    named = getattr(model, "get_output_embeddings", None)
    layer = named() if callable(named) else None
    if layer is None:
        yield
        return
    handle = layer.register_forward_hook(lambda module, given, logits: _look(logits))
    try:
        yield
    finally:
        handle.remove()


def _look(logits: Any) -> None:
    if isinstance(logits, Tensor) and logits.dim() == 3:
        finite_logits(logits[..., 0], logits[:, -1])
