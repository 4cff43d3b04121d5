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

from resolution_eval.attestation import Failure, Sent
from resolution_eval.bases.journal import Journal
from resolution_eval.bases.sight import Entered, Sight
from resolution_eval.bases.traffic import Exchange, watched
from resolution_eval.errors import ModelError
from resolution_eval.finite import watched_logits
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    from PIL.Image import Image

TAG = "resolution_eval_question"
"""Key in an image's `info`, which Pillow copies with the image, of its place in the batch."""
SENTINELS = {
    "[LMMS_EVAL_REQUEST_FAILED": "request",
    "[LMMS_EVAL_BUDGET_EXCEEDED": "budget",
}
"""How a base's answers begin that are none, and what kind of failure each is."""
TASK, SPLIT = "reswrap", "test"


def _asks(exchange: Exchange, digest: str | None, prompt: str) -> bool:
    """Whether an exchange asks `prompt` of the image with `digest`; of any, where that is None."""
    digests = {image.sha256 for image in exchange.images}
    return (digest is None or digest in digests) and prompt.strip() in exchange.text


@dataclass(frozen=True)
class Question:
    """A prompt and its image, of the size at which it shall enter."""

    prompt: str
    image: Image
    generation: Mapping[str, Any]


@dataclass
class Asked:
    """A batch's answers, and what was seen on the way."""

    texts: list[str]
    entered: Entered
    sent: dict[int, Sent] = field(default_factory=dict)
    """The image as it was encoded last, by its place in the batch."""
    errors: list[str] = field(default_factory=list)
    """What the base logged as an error."""
    exchanges: list[Exchange] = field(default_factory=list)
    """What was sent to a server, and answered, in order."""

    def exchanges_of(self, questions: Sequence[Question]) -> list[list[Exchange]]:
        """Those of each question, told by its image's bytes and its prompt.

        Questions that are equal share them equally: each has its own last one.
        """
        found: list[list[Exchange]] = [[] for _ in questions]
        same: dict[tuple[str | None, str], list[int]] = {}
        for place, question in enumerate(questions):
            sent = self.sent.get(place)
            same.setdefault((sent.sha256 if sent else None, question.prompt), []).append(place)
        for (digest, prompt), places in same.items():
            own = [each for each in self.exchanges if _asks(each, digest, prompt)]
            answered = [each for each in own if each.answer is not None]
            for turn, place in enumerate(places):
                if len(places) == 1:
                    found[place] = own
                elif turn < len(answered):
                    found[place] = [answered[turn]]
        return found

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
    base: Any, sight: Sight, questions: Sequence[Question], journal: Journal | None = None
) -> Asked:
    """The base's answers to questions whose images are of one size.

    A server is not asked again what the `journal` holds an answer to.

    Raises:
        ModelError: the base gave another number of answers than it was asked for.
        Exception: what its model raised, though the base may have hidden it.
    """
    sent: dict[int, Sent] = {}
    errors: list[str] = []
    exchanges: list[Exchange] = []
    grid = Size(*questions[0].image.size)
    with ExitStack() as stack:
        entered = stack.enter_context(sight.watching(grid, len(questions)))
        stack.enter_context(_encodings(sent))
        stack.enter_context(watched(exchanges, journal or Journal(None)))
        stack.enter_context(_logged(errors))
        stack.enter_context(_silent(type(base)))
        stack.enter_context(watched_logits(sight.model))
        base.task_dict = {TASK: {SPLIT: dict(enumerate(questions))}}
        answers = base.generate_until(_requests(base, questions))
    if entered.raised:
        raise entered.raised[0]
    if len(answers) != len(questions):
        raise ModelError(f"the base gave {len(answers)} answers to {len(questions)} questions")
    texts = [str(getattr(answer, "text", answer) or "") for answer in answers]
    return Asked(texts, entered, sent, errors, exchanges)


def _requests(base: Any, questions: Sequence[Question]) -> list[Any]:
    """One request per question, simple or chat, as the base takes them."""
    from lmms_eval.api.instance import Instance

    tagged = []
    for place, question in enumerate(questions):
        image = question.image.copy()
        image.info[TAG] = place
        tagged.append(image)
    images = {id(question): image for question, image in zip(questions, tagged, strict=True)}

    def visuals(question: Question) -> list[Any]:
        return [images[id(question)]]

    def messages(question: Question, **_: Any) -> list[Any]:
        shown = {"type": "image", "url": images[id(question)]}
        content = [shown, {"type": "text", "text": question.prompt}]
        return [{"role": "user", "content": content}]

    found = []
    for place, question in enumerate(questions):
        generation, where = deepcopy(dict(question.generation)), (place, TASK, SPLIT)
        simple = (question.prompt, generation, visuals, *where)
        arguments = simple if base.is_simple else (question.prompt, messages, generation, *where)
        known = {"task": TASK, "doc_id": place, "repeats": 1}
        found.append(
            Instance(request_type="generate_until", arguments=arguments, idx=place, metadata=known)
        )
    return found


@contextmanager
def _encodings(sent: dict[int, Sent]) -> Iterator[None]:
    """Notes every image of ours that is encoded for sending: size in pixels, format and bytes.

    Of several attempts, as under a limit of bytes, the last one stands.
    """
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
