"""Chat templates: a conversation in the checkpoint's words, the image in its place, or a refusal.

A template is a program of the checkpoint's. Some take a message's content as a list of parts, some
as a string, some have no place for an image: jinja then drops the image without a word, or writes
Python's spelling of the list into the prompt. So what was rendered is looked at: as many places as
there are images, and every text, or there is no prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from resolution_eval.answers.thinking import without_thinking
from resolution_eval.ground.errors import ModelError

PLACES = (
    "image_token",
    "boi_token",
    "start_image_token",
    "image_seq_token",
    "img_token",
    "image_placeholder_token",
)
"""Attributes of processors and tokenizers that hold the text in an image's place."""


@dataclass(frozen=True)
class ChatTurn:
    """What one side says, with an image before it or not, or several in their places."""

    role: str
    text: str
    image: bool
    pieces: tuple[str | int, ...] = ()
    """The text in pieces, and the images by number where they stand among them, of several."""

    @property
    def content(self) -> tuple[str | int, ...]:
        """Texts, and images by number from 0, in their order."""
        return self.pieces or ((0, self.text) if self.image else (self.text,))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts alone."""
        return tuple(piece for piece in self.content if isinstance(piece, str))

    @property
    def images(self) -> int:
        """Number of its images."""
        return len(self.content) - len(self.texts)

    @property
    def named(self) -> ChatTurn:
        """The same with all images before the text, which names those that stood within it."""
        shown = [piece for piece in self.content if isinstance(piece, int)]
        leading = next(
            (place for place, each in enumerate(self.content) if isinstance(each, str)), 0
        )
        rest = self.content[leading:]
        said = "".join(each if isinstance(each, str) else f"image {each + 1}" for each in rest)
        return replace(self, pieces=(*shown, said))

    @property
    def ascends(self) -> bool:
        """Whether its images are shown in the order of their numbers, as their names then say."""
        shown = [piece for piece in self.content if isinstance(piece, int)]
        return shown == sorted(shown)


def template_of(processor: Any) -> str | None:
    """The chat template of a processor or its tokenizer; None where they have none.

    Raises:
        ModelError: there are several, and none is called default.
    """
    own = getattr(processor, "chat_template", None)
    template = own or getattr(processor.tokenizer, "chat_template", None)
    if not template or isinstance(template, str):
        return template or None
    named = (
        dict(template)
        if isinstance(template, Mapping)
        else {e["name"]: e["template"] for e in template}
    )
    if "default" in named or len(named) == 1:
        return str(named.get("default") or next(iter(named.values())))
    raise ModelError(
        f"the checkpoint has the chat templates {sorted(named)} and none that is called default; "
        "give chat_template=FILE with the one to use"
    )


def rendered(processor: Any, config: Any, turns: Sequence[ChatTurn]) -> str:
    """The conversation by the checkpoint's chat template, up to where the answer begins.

    Raises:
        ModelError: in no form that the template takes are all images and texts in the prompt.
    """
    template = template_of(processor)
    if template is None:
        raise ModelError(NO_TEMPLATE)
    images = sum(turn.images for turn in turns)
    faults = []
    for form in FORMS if images else (_parts, _string):
        conversation = [form(turn, processor, config) for turn in turns]
        try:
            text = _applied(processor, template, conversation)
        except Exception as error:  # noqa: BLE001  (a template is a program, and raises what it likes)
            faults.append(f"it raises {type(error).__name__}: {' '.join(str(error).split())[:120]}")
            continue
        said = [turn.named for turn in turns] if form is _named else turns
        fault = _fault(processor, text, said, images)
        if form is _named and not all(turn.ascends for turn in turns):
            fault = "it puts images before the text, which names them in another order"
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


def _parts(turn: ChatTurn, processor: Any, config: Any) -> dict[str, Any]:
    """A list of parts, as transformers' own templates take it."""
    return {
        "role": turn.role,
        "content": [
            {"type": "text", "text": piece} if isinstance(piece, str) else {"type": "image"}
            for piece in turn.content
        ],
    }


def _named(turn: ChatTurn, processor: Any, config: Any) -> dict[str, Any]:
    """The same for a template that puts all images first: the text names each by its number."""
    return _parts(turn.named, processor, config)


def _string(turn: ChatTurn, processor: Any, config: Any) -> dict[str, Any]:
    """The text alone, for a template that puts the image's mark in by itself."""
    return {"role": turn.role, "content": turn.text}


def _marked(turn: ChatTurn, processor: Any, config: Any) -> dict[str, Any]:
    """The image's mark and the text, for a template of a language model."""
    mark = image_mark(processor, config) if turn.images else ""
    text = ""
    for piece in turn.content:
        if isinstance(piece, str):
            text += piece
        else:  # before the text each on a line of its own, within it as a word
            text += mark if text.replace(f"{mark}\n", "") else f"{mark}\n"
    return {"role": turn.role, "content": text}


FORMS: tuple[Callable[[ChatTurn, Any, Any], dict[str, Any]], ...] = (
    _parts,
    _named,
    _string,
    _marked,
)
"""Forms of a message, in the order in which they are tried."""


def image_mark(processor: Any, config: Any) -> str:
    """What a text holds in an image's place, before the processor repeats it."""
    tokenizer = processor.tokenizer
    marks = (mark for name in ("boi_token", "image_token") for mark in places(processor, (name,)))
    mark = next(marks, None) or str(tokenizer.convert_ids_to_tokens(config.image_token_id))
    ends = [getattr(config, f"vision_{end}_token_id", None) for end in ("start", "end")]
    if all(isinstance(end, int) for end in ends):
        start, stop = (tokenizer.convert_ids_to_tokens(end) for end in ends)
        if start and stop and start != mark:
            return f"{start}{mark}{stop}"
    return mark


def _applied(processor: Any, template: str, conversation: list[dict[str, Any]]) -> str:
    text: str = processor.apply_chat_template(
        conversation, chat_template=template, add_generation_prompt=True, tokenize=False
    )
    return text


def _fault(processor: Any, text: str, turns: Sequence[ChatTurn], images: int) -> str | None:
    """What is wrong with a prompt; None where every image and every text is in it."""
    if "{'type'" in text or '{"type"' in text:
        return "it writes the list of parts into the prompt instead of reading it"
    place = 0
    for turn in turns:
        for said in turn.texts:
            start = text.find(said.strip(), place)
            if start < 0:
                if turn.role == "assistant" and without_thinking(said).strip() in text[place:]:
                    continue
                return f"the text {said[:40]!r} is not in what it makes"
            place = start + len(said.strip())
    counts = {mark: text.count(mark) for mark in set(places(processor))}
    most = max(counts.values(), default=images)
    if most != images:
        return f"it has {most} places for an image where {images} should be"
    return _moved(processor, text, turns)


def _moved(processor: Any, text: str, turns: Sequence[ChatTurn]) -> str | None:
    """Whether an image that should stand between two texts stands elsewhere. One before all text of
    its turn may stand behind it: so some checkpoints were trained.
    """
    marks = set(places(processor))
    place = 0
    for turn in turns:
        begun = False
        for before, said in zip(("", *turn.content), turn.content, strict=False):
            if not isinstance(said, str):
                continue
            start = text.find(said.strip(), place)
            within = any(mark in text[place:start] for mark in marks)
            if begun and isinstance(before, int) and not within:
                return "it moves an image away from its place in the text"
            place = max(place, start + len(said.strip()))
            begun = True
    return None


def places(processor: Any, names: Sequence[str] = PLACES) -> Iterator[str]:
    """The texts that stand in an image's place, by the attributes of those names."""
    for owner in (processor, processor.tokenizer):
        for name in names:
            mark = getattr(owner, name, None)
            if isinstance(mark, str) and mark:
                yield mark


def _worst(faults: Sequence[str]) -> str:
    """The fault of the usual form, and of strings where that is another."""
    told = list(dict.fromkeys(faults))
    return told[0] if len(told) == 1 else f"{told[0]}, and given strings {told[-1]}"
