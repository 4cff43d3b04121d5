"""What a server's answer says that it counted: tokens of the prompt, of its images, of the answer.

Three formats are read: OpenAI's (vLLM, SGLang, llama.cpp, transformers and most others speak it),
Anthropic's and Gemini's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

USAGES = ("usage", "usageMetadata")
"""Where an answer says what it took."""
GIVEN = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED")
"""Gemini's reasons for an end that leave an answer (ai.google.dev/api/generate-content)."""


@dataclass(frozen=True)
class Usage:
    """Tokens by an answer's own word; None where it says nothing."""

    prompt: int | None = None
    image: int | None = None
    image_field: str | None = None
    """Name of the field that `image` was read from."""
    generated: int | None = None
    conflicts: tuple[str, ...] = ()
    """Counts of one thing that differ: none of them is believed."""


def read_usage(answer: Mapping[str, Any]) -> Usage:
    """The usage in an answer's JSON.

    Example:
        >>> details = {"image_tokens": 4}
        >>> found = read_usage({"usage": {"prompt_tokens": 9, "prompt_tokens_details": details}})
        >>> found.prompt, found.image, found.image_field
        (9, 4, 'usage.prompt_tokens_details.image_tokens')
        >>> details = {"multimodal_tokens": {"image": 4}}  # vLLM 0.33
        >>> read_usage({"usage": {"prompt_tokens_details": details}}).image
        4
    """
    if "usageMetadata" in answer:
        return _gemini(table_at(answer, "usageMetadata"))
    usage = table_at(answer, "usage")
    images = _image_counts(usage)
    prompts = _prompt_counts(usage)
    written = _counts(usage, "completion_tokens", "output_tokens")
    return _consistent(
        Usage(
            prompt=_agreed(prompts),
            image=_agreed(images),
            image_field=next(iter(images), None) if _agreed(images) is not None else None,
            generated=next(iter(written.values()), None),
            conflicts=tuple(filter(None, map(_conflict, (images, prompts)))),
        )
    )


def _image_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    """Image tokens by every field that tells them."""
    told: dict[str, int] = {}
    for name in ("prompt_tokens_details", "input_tokens_details"):
        details = table_at(usage, name)
        by_kind = _counts(table_at(details, "multimodal_tokens"), "image")
        fields = {
            **_counts(details, "image_tokens"),
            **{f"multimodal_tokens.{kind}": count for kind, count in by_kind.items()},
        }
        told |= {f"usage.{name}.{field}": count for field, count in fields.items()}
    return told


def _prompt_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    """Tokens of the prompt by every field; Anthropic's `input_tokens` are those not cached."""
    told = _counts(usage, "prompt_tokens", "input_tokens")
    cached = _counts(usage, "cache_creation_input_tokens", "cache_read_input_tokens")
    if "input_tokens" in told:
        told["input_tokens"] += sum(cached.values())
    return told


def _agreed(told: Mapping[str, int]) -> int | None:
    """The count of which all fields speak; None where there is none, or they differ."""
    counts = set(told.values())
    return counts.pop() if len(counts) == 1 else None


def _conflict(told: Mapping[str, int]) -> str | None:
    if len(set(told.values())) < 2:
        return None
    return " and ".join(f"{name} is {count}" for name, count in told.items())


def _consistent(usage: Usage) -> Usage:
    """The usage; without the counts of images and prompt where the part exceeds the whole."""
    if usage.image is None or usage.prompt is None or usage.image <= usage.prompt:
        return usage
    said = f"{usage.image_field} is {usage.image} and the whole prompt's tokens are {usage.prompt}"
    conflicts = (*usage.conflicts, said)
    return replace(usage, prompt=None, image=None, image_field=None, conflicts=conflicts)


def free(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer that was paid for before, with a usage of nothing.

    Example:
        >>> free({"model": "m", "usage": {"prompt_tokens": 9, "details": {"image_tokens": 4}}})
        {'model': 'm', 'usage': {'prompt_tokens': 0, 'details': {'image_tokens': 0}}}
    """
    return {key: _emptied(value) if key in USAGES else value for key, value in answer.items()}


def unsound(answer: Mapping[str, Any]) -> list[str]:
    """Counts of an answer's usage that are none, each with its value.

    Example:
        >>> unsound({"usage": {"prompt_tokens": "9", "details": {"image_tokens": -4}, "x": None}})
        ["prompt_tokens is '9'", 'image_tokens is -4']
    """
    told = (value for key, value in answer.items() if key in USAGES)
    return [f"{name} is {value!r}"[:80] for usage in told for name, value in _unsound(usage)]


def sound(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer without the counts that are none.

    Example:
        >>> sound({"usage": {"prompt_tokens": "9", "completion_tokens": 1}})
        {'usage': {'completion_tokens': 1}}
    """
    return {key: _cleaned(value) if key in USAGES else value for key, value in answer.items()}


def _unsound(told: Any) -> Iterator[tuple[str, Any]]:
    """Of a table and of those in it."""
    for name, value in told.items() if isinstance(told, dict) else ():
        if _is_wrong(told, name):
            yield name, value
        else:
            yield from _unsound(value)


def _cleaned(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    return {name: _cleaned(value) for name, value in told.items() if not _is_wrong(told, name)}


def _is_wrong(told: Mapping[str, Any], name: str) -> bool:
    """Whether a count of that name is none, and no table either."""
    if told[name] is None or isinstance(told[name], dict | list):
        return False
    return name.endswith(("_tokens", "TokenCount", "tokenCount")) and _count(told, name) is None


def _emptied(told: Any) -> Any:
    if isinstance(told, dict):
        return {key: _emptied(value) for key, value in told.items()}
    return 0 if isinstance(told, int | float) and not isinstance(told, bool) else told


def _gemini(usage: Mapping[str, Any]) -> Usage:
    """Gemini counts by modality."""
    listed = _tables(usage, "promptTokensDetails")
    shares = [_count(each, "tokenCount") for each in listed if each.get("modality") == "IMAGE"]
    known = [share for share in shares if share is not None]
    return _consistent(
        Usage(
            prompt=_count(usage, "promptTokenCount"),
            image=sum(known) if known else None,
            image_field="usageMetadata.promptTokensDetails" if known else None,
            generated=_count(usage, "candidatesTokenCount"),
        )
    )


def model_of(answer: Mapping[str, Any]) -> str | None:
    """Name of the model that answered, by the answer's own word."""
    said = answer.get("model") or answer.get("modelVersion")
    return said[:200] if isinstance(said, str) else None


def fingerprint_of(answer: Mapping[str, Any]) -> str | None:
    """The server's word for its own version."""
    said = answer.get("system_fingerprint")
    return said[:200] if isinstance(said, str) and said else None


def refusal_of(answer: Mapping[str, Any]) -> str | None:
    """Why the model would not answer, where the answer says that by a field of its own."""
    for choice in _tables(answer, "choices"):
        refused = table_at(choice, "message").get("refusal")
        if isinstance(refused, str) and refused:
            return refused
        if choice.get("finish_reason") in ("content_filter", "safety"):
            return f"finish_reason {choice['finish_reason']}"
    if answer.get("stop_reason") == "refusal":
        return "stop_reason refusal"
    return _blocked(answer)


def _blocked(answer: Mapping[str, Any]) -> str | None:
    """Gemini's word for an answer that it holds back, or a prompt that it does not take."""
    reason = table_at(answer, "promptFeedback").get("blockReason")
    if isinstance(reason, str):
        return f"blockReason {reason}"
    for candidate in _tables(answer, "candidates"):
        ended = candidate.get("finishReason")
        if isinstance(ended, str) and ended not in GIVEN:
            return f"finishReason {ended}"
    return None


def error_within(answer: Mapping[str, Any]) -> str | None:
    """The error that an answer holds, though its status says that all is well.

    Example:
        >>> error_within({"error": {"message": "out of memory"}})
        "{'message': 'out of memory'}"
        >>> error_within({"error": {"code": 0, "message": ""}, "choices": []}) is None
        True
    """
    told = [answer.get("error"), *(one.get("error") for one in _tables(answer, "choices"))]
    for error in told:
        if any(error.values()) if isinstance(error, dict) else error:
            return str(error)
    ends = (choice.get("finish_reason") for choice in _tables(answer, "choices"))
    return "finish_reason error" if "error" in ends else None


def no_text_of(answer: Mapping[str, Any]) -> str | None:
    """What stands where an answer's text belongs, and is none; nothing of other forms than
    OpenAI's, nor where nothing stands.

    Example:
        >>> no_text_of({"choices": [{"message": {"content": [{"type": "text", "text": "A"}]}}]})
        "its content is [{'type': 'text', 'text': 'A'}], and no text"
        >>> no_text_of({"choices": [{"message": {"content": None}}]}) is None
        True
    """
    choices = answer.get("choices")
    if not choices:
        return None
    if not isinstance(choices, list):
        return f"its choices are {choices!r}, and no list"
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else choice
        if not isinstance(message, dict | None) or not isinstance(choice, dict):
            return f"a choice is {choice!r}"
        content = (message or {}).get("content")
        if not isinstance(content, str | None):
            return f"its content is {content!r}, and no text"
    return None


def words_beside(answer: Mapping[str, Any]) -> str:
    """What stands in a text's place in an answer, and why it ended.

    Example:
        >>> message = {"role": "assistant", "content": None, "reasoning_content": "Hm"}
        >>> words_beside({"choices": [{"finish_reason": "length", "message": message}]})
        ', but reasoning_content (finish_reason length)'
        >>> words_beside({"candidates": [{"content": {}, "finishReason": "MAX_TOKENS"}]})
        ' (finishReason MAX_TOKENS)'
    """
    for choice in _tables(answer, "choices"):
        message = table_at(choice, "message")
        held = [name for name, value in message.items() if value and name != "role"]
        besides = f", but {' and '.join(held)}" if held and not message.get("content") else ""
        return besides + _ended(choice, "finish_reason")
    for candidate in _tables(answer, "candidates"):
        return _ended(candidate, "finishReason")
    return _ended(answer, "stop_reason")


def _ended(told: Mapping[str, Any], key: str) -> str:
    end = told.get(key)
    return f" ({key} {end})" if isinstance(end, str) else ""


def says_something(answer: Mapping[str, Any]) -> bool:
    """Whether an answer has a text, in OpenAI's form, Anthropic's or Gemini's.

    Example:
        >>> says_something({"candidates": [{"content": {"parts": [{"text": "B"}]}}]})
        True
        >>> says_something({"candidates": [{"content": {"role": "model"}}]})
        False
    """
    messages = (table_at(one, "message").get("content") for one in _tables(answer, "choices"))
    turns = (table_at(one, "content") for one in _tables(answer, "candidates"))
    parts = (
        *_tables(answer, "content"),
        *(one for turn in turns for one in _tables(turn, "parts")),
    )
    return any((*messages, *(part.get("text") for part in parts), answer.get("output")))


def related(asked: str, answered: str) -> bool:
    """Whether the name of the model that answered is that of the model asked for.

    A date or revision may be added to it, and the vendor's name before it may differ.

    Example:
        >>> related("gpt-4o", "gpt-4o-2024-08-06"), related("openai/gpt-4o", "gpt-4o")
        (True, True)
        >>> related("gpt-4o", "gpt-4o-mini"), related("gpt-4o", "qwen-vl")
        (False, False)
    """
    wanted, served = (_bare(name) for name in (asked, answered))
    if wanted == served:
        return True
    longer, shorter = max(wanted, served, key=len), min(wanted, served, key=len)
    rest = longer.removeprefix(shorter)
    return rest != longer and rest.lstrip("-@:").replace("-", "").replace(".", "").isdecimal()


def _bare(name: str) -> str:
    """Last part of a name, in lower case, without a revision or the word for the newest."""
    last = name.strip().rstrip("/").rpartition("/")[2].partition("@")[0].lower()
    return last.removesuffix("-latest").removesuffix(":latest")


def _tables(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The tables of the list under a key."""
    value = document.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def table_at(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table under a key; an empty one where there is none."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _counts(document: Mapping[str, Any], *keys: str) -> dict[str, int]:
    """The counts that stand under these keys."""
    counts = {key: _count(document, key) for key in keys}
    return {key: count for key, count in counts.items() if count is not None}


def _count(document: Mapping[str, Any], key: str) -> int | None:
    value = document.get(key)
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if sound else None
