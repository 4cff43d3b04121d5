"""Asking a base: our questions as lmms-eval's requests, and its answers, errors undone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from loguru import logger

from resolution_eval.answers.prompts import pieces, shown_order
from resolution_eval.evidence.attestation import Sent
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.finite import watched_logits
from resolution_eval.models.wrapped.engine_inputs import EngineWatch, engine_watch
from resolution_eval.models.wrapped.exchange import Exchange
from resolution_eval.models.wrapped.traffic import Channel, watched
from resolution_eval.models.wrapped.visibility import Sight, TowerInput
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    from PIL.Image import Image

TAG = "resolution_eval_question"
"""Key in an image's `info`, copied with it: its question's place, and its own in that."""
SENTINELS = {
    "[LMMS_EVAL_REQUEST_FAILED": "request",
    "[LMMS_EVAL_BUDGET_EXCEEDED": "budget",
    "[SAFETY_BLOCKED": "empty",  # of `gemini`, whatever left its answer without a text
}
"""How a base's answers begin that are none, and what kind of failure each is."""
TASK, SPLIT = "reswrap", "test"


def _asks(exchange: Exchange, digests: Sequence[str | None], question: BaseQuestion) -> bool:
    """Whether an exchange asks `question`, whose images have `digests`, those that are known."""
    sent = {image.sha256 for image in exchange.images}
    known = {digest for digest in digests if digest is not None}
    texts = [piece for piece in question.pieces if isinstance(piece, str)]
    return known <= sent and (
        question.prompt.strip() in exchange.text
        or (bool(question.more) and all(text.strip() in exchange.text for text in texts))
    )


@dataclass(frozen=True)
class BaseQuestion:
    """A prompt and its images, as a rule one, of the sizes at which they shall enter."""

    prompt: str
    image: Image
    generation: Mapping[str, Any]
    more: tuple[Image, ...] = ()
    """The images after the first."""

    @property
    def images(self) -> tuple[Image, ...]:
        """All of them, in order."""
        return (self.image, *self.more)

    @property
    def pieces(self) -> tuple[str | int, ...]:
        """The prompt, with its images by number from 0 where they are to stand."""
        return pieces(self.prompt, len(self.images)) if self.more else (0, self.prompt)

    @property
    def order(self) -> tuple[int, ...]:
        """The images by number, in the order in which messages show them."""
        return shown_order(self.pieces)


@dataclass
class BaseRequest:
    """A batch's answers, and what was seen on the way."""

    texts: list[str]
    entered: TowerInput
    sent: dict[tuple[int, int], Sent] = field(default_factory=dict)
    """Each image as it was encoded last, by its question's place in the batch and its own there."""
    errors: list[str] = field(default_factory=list)
    """What the base logged as an error."""
    exchanges: list[Exchange] = field(default_factory=list)
    """What was sent to a server, and answered, in order."""
    engine: EngineWatch | None = None
    """What an engine in this process made of the questions, where one tells."""

    def sent_of(self, place: int, images: int) -> list[Sent | None]:
        """How each of the images of the question at `place` was encoded; None where it was not."""
        return [self.sent.get((place, number)) for number in range(images)]

    def exchanges_of(self, questions: Sequence[BaseQuestion]) -> list[list[Exchange]]:
        """Those of each question, told by its image's bytes and its prompt.

        Questions that are equal share them equally: each has its own last one.
        """
        by_question: list[list[Exchange]] = [[] for _ in questions]
        same: dict[tuple[tuple[str | None, ...], str], list[int]] = {}
        for place, question in enumerate(questions):
            sent = self.sent_of(place, len(question.images))
            digests = tuple(one.sha256 if one else None for one in sent)
            same.setdefault((digests, question.prompt), []).append(place)
        for (digests, _), places in same.items():
            question = questions[places[0]]
            own = [each for each in self.exchanges if _asks(each, digests, question)]
            answered = [each for each in own if each.answer is not None]
            for turn, place in enumerate(places):
                if len(places) == 1:
                    by_question[place] = own
                elif turn < len(answered):
                    by_question[place] = [answered[turn]]
        return by_question

    def failure(self, place: int, *, visible: bool) -> Failure | None:
        """Why the answer at `place` is none; None where it is one.

        lmms-eval's models answer an empty text after many an error. An empty text is an answer only
        where the model was seen to come back from generating it.
        """
        text = self.texts[place]
        for sentinel, kind in SENTINELS.items():
            if text.startswith(sentinel):
                return Failure(kind=kind, message=text)
        if text.strip() or (visible and self.entered.finished and not self.errors):
            return None
        reason = self.errors[-1] if self.errors else "many adapters answer so after an error"
        return Failure(kind="empty", message=f"the base's answer is empty; {reason}")


def ask(
    base: Any,
    sight: Sight,
    questions: Sequence[BaseQuestion],
    channel: Channel | None = None,
) -> BaseRequest:
    """The base's answers to questions with equally many images, of one size place by place.

    A server is asked through the `channel`: nothing that it answered before, nor within its pauses.
    A base that stumbles over what its server said of the only question, as `claude` over a refusal
    (0.7.3), has no answer: the server's word is the reason, not the stumbling.

    Raises:
        ModelError: the base gave another number of answers than it was asked for.
        Exception: what its model raised, though the base may have hidden it.
    """
    sent: dict[tuple[int, int], Sent] = {}
    errors: list[str] = []
    exchanges: list[Exchange] = []
    engine = engine_watch(base)
    sizes = [Size(*image.size) for image in questions[0].images]
    with ExitStack() as stack:
        entered = stack.enter_context(sight.watching(sizes, len(questions)))
        stack.enter_context(_encodings(sent))
        stack.enter_context(watched(exchanges, channel or Channel()))
        if engine is not None:
            stack.enter_context(engine.watching())
        stack.enter_context(_logged(errors))
        stack.enter_context(_silent(type(base)))
        stack.enter_context(watched_logits(sight.model))
        base.task_dict = {TASK: {SPLIT: dict(enumerate(questions))}}
        try:
            answers = base.generate_until(_requests(base, questions))
        except Exception as error:
            if len(questions) > 1 or not (exchanges and exchanges[-1].explained):
                raise
            answers = [""]
            errors.append(f"{type(error).__name__}: {error}")
    if entered.raised:
        raise entered.raised[0]
    if len(answers) != len(questions):
        raise ModelError(f"the base gave {len(answers)} answers to {len(questions)} questions")
    texts = [str(getattr(answer, "text", answer) or "") for answer in answers]
    return BaseRequest(texts, entered, sent, errors, exchanges, engine)


def _requests(base: Any, questions: Sequence[BaseQuestion]) -> list[Any]:
    """One request per question, simple or chat, as the base takes them."""
    from lmms_eval.api.instance import Instance

    images = {id(one): list(_tagged(one.images, place)) for place, one in enumerate(questions)}

    def visuals(question: BaseQuestion) -> list[Any]:
        return images[id(question)]

    def messages(question: BaseQuestion, **_: Any) -> list[Any]:
        shown = images[id(question)]
        content = [
            {"type": "text", "text": piece}
            if isinstance(piece, str)
            else {"type": "image", "url": shown[piece]}
            for piece in question.pieces
        ]
        return [{"role": "user", "content": content}]

    instances = []
    for place, question in enumerate(questions):
        generation, where = deepcopy(dict(question.generation)), (place, TASK, SPLIT)
        simple = (question.prompt, generation, visuals, *where)
        arguments = simple if base.is_simple else (question.prompt, messages, generation, *where)
        known = {"task": TASK, "doc_id": place, "repeats": 1}
        instances.append(
            Instance(request_type="generate_until", arguments=arguments, idx=place, metadata=known)
        )
    return instances


def _tagged(images: Sequence[Image], place: int) -> Iterator[Image]:
    """Copies of a question's images that say whose they are."""
    for number, image in enumerate(images):
        copy = image.copy()
        copy.info[TAG] = (place, number)
        yield copy


@contextmanager
def _encodings(sent: dict[tuple[int, int], Sent]) -> Iterator[None]:
    """Notes every image of ours that is encoded for sending; of several attempts the last one."""
    import PIL.Image

    original = PIL.Image.Image.save

    def save(image: Any, target: Any, format: str | None = None, **more: Any) -> None:
        begin = target.tell() if hasattr(target, "tell") else 0
        original(image, target, format, **more)
        if TAG in image.info:
            stream = hasattr(target, "tell")
            length = target.tell() - begin if stream else Path(target).stat().st_size
            kind = format or Path(target).suffix.lstrip(".")
            sent[image.info[TAG]] = Sent(
                width=image.width,
                height=image.height,
                format=kind.upper(),
                bytes=length,
                sha256=_digest(target, begin),
            )

    with patch.object(PIL.Image.Image, "save", save):
        yield


def _digest(target: Any, begin: int) -> str | None:
    """Digest of the bytes that were written; None where they cannot be read back."""
    if hasattr(target, "getvalue"):
        return sha256(target.getvalue()[begin:]).hexdigest()
    return None if hasattr(target, "tell") else sha256(Path(target).read_bytes()).hexdigest()


@contextmanager
def _logged(errors: list[str]) -> Iterator[None]:
    """Collects what lmms-eval's models log as errors, which is where hidden exceptions go."""
    handler = logger.add(
        lambda message: errors.append(str(message.record["message"])),
        level="ERROR",
        filter=lambda record: str(record["name"]).startswith("lmms_eval.models"),
    )
    try:
        yield
    finally:
        logger.remove(handler)


@contextmanager
def _silent(maker: type) -> Iterator[None]:
    """Keeps the base from drawing a progress bar for every batch."""
    with ExitStack() as stack:
        for parent in maker.__mro__:
            module = sys.modules.get(parent.__module__)
            bar = getattr(module, "tqdm", None)
            if parent.__module__.startswith("lmms_eval.models") and bar is not None:
                stack.enter_context(patch.object(module, "tqdm", _Quiet(bar)))
        yield


class _Quiet:
    """A progress bar's class that draws nothing, whatever it is told."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self._bar(*positional, **{**named, "disable": True})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bar, name)
