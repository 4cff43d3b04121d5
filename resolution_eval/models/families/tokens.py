"""Tokens as they are meant: nothing cut, nothing padded, and the prompt found again among them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

from resolution_eval.answers.reply_text import THINKING
from resolution_eval.ground.errors import ModelError

UNLIMITED = 10**30
"""Length of texts, as transformers writes that there is no limit."""
LEFT_BEHIND = (
    "max_length",
    "truncation",
    "truncation_side",
    "truncation_strategy",
    "stride",
    "padding",
    "padding_strategy",
    "pad_to_multiple_of",
)
"""Arguments of a call that a tokenizer's own files can set for all calls."""
SLACK = 3
"""Tokens beside an image that may be other than in the text alone, where the two meet."""


def plain_tokenizers(processor: Any) -> None:
    """Switches off what a folder's tokenizers cut off and pad by themselves.

    tokenizer.json keeps whatever truncation training last used, and transformers hands it to every
    call: a question behind many image tokens would lose its end.
    """
    for value in list(vars(processor).values()):
        if hasattr(value, "init_kwargs") and hasattr(value, "model_max_length"):
            plain_tokenizer(value)


def plain_tokenizer(tokenizer: Any) -> None:
    """The same of one tokenizer."""
    for name in LEFT_BEHIND:
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.model_max_length = UNLIMITED
    tokenizer.truncation_side = "right"
    inner: Any = getattr(tokenizer, "backend_tokenizer", None)
    if hasattr(inner, "no_truncation"):
        inner.no_truncation()
        inner.no_padding()


def written(tokenizer: Any, row: Sequence[int]) -> str:
    """The text of tokens that a model wrote, without special ones, but with the tags of a thinking
    where those are special: without them, nobody could tell it from the answer.
    """
    kept = _special_tags(tokenizer)
    if not kept.keys() & set(row):
        return str(tokenizer.decode(row, skip_special_tokens=True))
    text, since = "", 0
    for place, token in enumerate(row):
        if token in kept:
            text += tokenizer.decode(row[since:place], skip_special_tokens=True) + kept[token]
            since = place + 1
    return text + str(tokenizer.decode(row[since:], skip_special_tokens=True))


def _special_tags(tokenizer: Any) -> dict[int, str]:
    """The tags of a thinking that are special tokens of the tokenizer, by their id."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    tags = {tag for pair in THINKING for tag in pair} | {"<|channel>"}
    return {
        number: str(token)
        for number, token in added.items()
        if str(token) in tags and getattr(token, "special", False)
    }


def check_text(meant: Sequence[int], ids: Sequence[int], image: int, images: int) -> None:
    """Refuse tokens in which the prompt that was meant is not found again, whole and in order.

    `meant` are the prompt's own tokens, `ids` what the processor made of it. It repeats image
    tokens, and may put other marks around them, but no token of the text may be lost beyond
    `SLACK` beside each of the `images`, where text and image meet.

    Raises:
        ModelError: a part of the prompt is lost.
    """
    text = [token for token in meant if token != image]
    entered = [token for token in ids if token != image]
    begin = shared_start(text, entered)
    end = shared_start(text[begin:][::-1], entered[begin:][::-1])
    if begin + end == len(text):
        return
    kept = _kept(text, entered)
    lost = [place for place in range(len(text)) if place not in kept]
    ends = {0, len(text) - 1} - _marks(meant, image)
    if len(lost) > SLACK * images or ends & set(lost):
        raise ModelError(
            f"{len(lost)} of the prompt's {len(text)} tokens are not among the {len(ids)} that "
            f"the processor made of it, the first at place {lost[0]}; a processor or tokenizer "
            "that cuts or rewrites the text cannot be scored"
        )


def _marks(meant: Sequence[int], image: int) -> set[int]:
    """Places in the text alone that an image stands beside, at its ends."""
    places = set()
    if meant and meant[0] == image:
        places.add(0)
    if meant and meant[-1] == image:
        places.add(sum(token != image for token in meant) - 1)
    return places


def _kept(text: Sequence[int], entered: Sequence[int]) -> set[int]:
    """Places of the tokens of `text` that are found, in order, in `entered`."""
    blocks = SequenceMatcher(None, text, entered, autojunk=False).get_matching_blocks()
    return {place for block in blocks for place in range(block.a, block.a + block.size)}


def shared_start(*sequences: Sequence[int]) -> int:
    """Number of tokens that all sequences begin with."""
    together = zip(*sequences, strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, together))
