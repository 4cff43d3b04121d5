"""Chat templates: a conversation in the checkpoint's words, the image in its place, or a refusal.

A template is a program of the checkpoint's. Some take a message's content as a list of parts, some
as a string, some have no place for an image: jinja then drops the image without a word, or writes
Python's spelling of the list into the prompt. So what was rendered is looked at: as many places as
there are images, and every text, or there is no prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resolution_eval.errors import ModelError
from resolution_eval.thinking import without_thinking

PLACES = ("image_token", "boi_token", "start_image_token", "image_seq_token", "img_token")
"""Attributes of processors and tokenizers that hold the text in an image's place."""


@dataclass(frozen=True)
class Turn:
    """What one side says, with an image before it or not."""

    role: str
    text: str
    image: bool


def template_of(processor: Any) -> str | None:
    """The chat template of a processor or its tokenizer; None where they have none.

    Raises:
        ModelError: there are several, and none is called default.
    """
    own = getattr(processor, "chat_template", None)
    found = own or getattr(processor.tokenizer, "chat_template", None)
    if not found or isinstance(found, str):
        return found or None
    named = dict(found) if isinstance(found, Mapping) else {e["name"]: e["template"] for e in found}
    if "default" in named or len(named) == 1:
        return str(named.get("default") or next(iter(named.values())))
    raise ModelError(
        f"the checkpoint has the chat templates {sorted(named)} and none that is called default; "
        "give chat_template=FILE with the one to use"
    )


def rendered(processor: Any, config: Any, turns: Sequence[Turn]) -> str:
    """The conversation by the checkpoint's chat template, up to where the answer begins.

    Raises:
        ModelError: in no form that the template takes are all images and texts in the prompt.
    """
    template = template_of(processor)
    if template is None:
        raise ModelError(NO_TEMPLATE)
    images = sum(turn.image for turn in turns)
    faults = []
    for form in FORMS if images else FORMS[:2]:
        conversation = [form(turn, processor, config) for turn in turns]
        try:
            text = _applied(processor, template, conversation)
        except Exception as error:  # noqa: BLE001  (a template is a program, and raises what it likes)
            faults.append(f"it raises {type(error).__name__}: {' '.join(str(error).split())[:120]}")
            continue
        fault = _fault(processor, text, turns, images)
        if fault is None:
            return text
        faults.append(fault)
    raise ModelError(
        f"the checkpoint's chat template cannot be used: {_worst(faults)}; give chat_template=FILE "
        "with the template that the checkpoint was trained with, or processor=ID of its base"
    )


NO_TEMPLATE = (
    "the checkpoint has no chat template, so that nobody can know how it was asked in training; "
    "give processor=ID of its base, chat_template=FILE, or chat_template=plain for the plain "
    "prompt '<image> QUESTION Answer:'"
)


def _parts(turn: Turn, processor: Any, config: Any) -> dict[str, Any]:
    """A list of parts, as transformers' own templates take it."""
    shown = [{"type": "image"}] if turn.image else []
    return {"role": turn.role, "content": [*shown, {"type": "text", "text": turn.text}]}


def _string(turn: Turn, processor: Any, config: Any) -> dict[str, Any]:
    """The text alone, for a template that puts the image's mark in by itself."""
    return {"role": turn.role, "content": turn.text}


def _marked(turn: Turn, processor: Any, config: Any) -> dict[str, Any]:
    """The image's mark and the text, for a template of a language model."""
    mark = f"{image_mark(processor, config)}\n" if turn.image else ""
    return {"role": turn.role, "content": f"{mark}{turn.text}"}


FORMS: tuple[Callable[[Turn, Any, Any], dict[str, Any]], ...] = (_parts, _string, _marked)
"""Forms of a message, in the order in which they are tried."""


def image_mark(processor: Any, config: Any) -> str:
    """What a text holds in an image's place, before the processor repeats it."""
    tokenizer = processor.tokenizer
    for name in ("boi_token", "image_token"):
        mark = getattr(processor, name, None) or getattr(tokenizer, name, None)
        if isinstance(mark, str) and mark:
            break
    else:
        mark = str(tokenizer.convert_ids_to_tokens(config.image_token_id))
    ends = [getattr(config, f"vision_{end}_token_id", None) for end in ("start", "end")]
    if all(isinstance(end, int) for end in ends):
        start, stop = (tokenizer.convert_ids_to_tokens(end) for end in ends)
        if start and stop and start != mark:
            return f"{start}{mark}{stop}"
    return str(mark)


def _applied(processor: Any, template: str, conversation: list[dict[str, Any]]) -> str:
    text: str = processor.apply_chat_template(
        conversation, chat_template=template, add_generation_prompt=True, tokenize=False
    )
    return text


def _fault(processor: Any, text: str, turns: Sequence[Turn], images: int) -> str | None:
    """What is wrong with a prompt; None where every image and every text is in it."""
    if "{'type'" in text or '{"type"' in text:
        return "it writes the list of parts into the prompt instead of reading it"
    place = 0
    for turn in turns:
        found = text.find(turn.text.strip(), place)
        if found < 0:
            if turn.role == "assistant" and without_thinking(turn.text).strip() in text[place:]:
                continue
            return f"the text {turn.text[:40]!r} is not in what it makes"
        place = found + len(turn.text.strip())
    counts = {mark: text.count(mark) for mark in set(places(processor))}
    most = max(counts.values(), default=images)
    if most != images:
        return f"it has {most} places for an image where {images} should be"
    return None


def places(processor: Any) -> Iterator[str]:
    """The texts that stand in an image's place."""
    for owner in (processor, processor.tokenizer):
        for name in PLACES:
            mark = getattr(owner, name, None)
            if isinstance(mark, str) and mark:
                yield mark


def _worst(faults: Sequence[str]) -> str:
    """The fault of the usual form, and of strings where that is another."""
    told = list(dict.fromkeys(faults))
    return told[0] if len(told) == 1 else f"{told[0]}, and given strings {told[-1]}"
