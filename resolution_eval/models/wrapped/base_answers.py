"""What a base answered, as answers: what was seen, counted or sent, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resolution_eval.evidence.attestation import Sent
from resolution_eval.evidence.model_answer import Answer, ImageEntry, by_number, facts_of
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.parts import TowerGrid
from resolution_eval.models.providers.usage import read_usage, unsound
from resolution_eval.models.wrapped.base_plan import BasePlan
from resolution_eval.models.wrapped.base_questions import BaseQuestion, BaseRequest
from resolution_eval.models.wrapped.exchange import Exchange
from resolution_eval.models.wrapped.meter import (
    TokenMeter,
    contradictions,
    dropped,
    evidence_of,
    told_of,
)
from resolution_eval.models.wrapped.visibility import Sight


def served_answers(
    plan: BasePlan, meter: TokenMeter, asked: BaseRequest, questions: Sequence[BaseQuestion]
) -> list[Answer | Failure]:
    """What a server answered, with what it counted and what was sent."""
    return [
        meter.failure(exchanges, asked.failure(place, visible=False))
        or _served(plan, meter, asked, questions, place, exchanges)
        for place, exchanges in enumerate(asked.exchanges_of(questions))
    ]


def _served(
    plan: BasePlan,
    meter: TokenMeter,
    asked: BaseRequest,
    questions: Sequence[BaseQuestion],
    place: int,
    exchanges: list[Exchange],
) -> Answer | Failure:
    question, last = questions[place], exchanges[-1] if exchanges else None
    images = len(question.images)
    wired: Sequence[Sent | None] = [] if last is None else last.images
    if wired and len(wired) != images:
        said = f"{len(wired)} of the question's {images} images were sent: the base takes fewer"
        return Failure(kind="dropped", message=said)
    if not wired:
        wired = asked.sent_of(place, images)
    elif plan.chat:
        wired = by_number(wired, question.order)
    engine = None if asked.engine is None else asked.engine.of(place, len(questions))
    served = meter.served(exchanges, wired, engine)
    entries = [
        ImageEntry(
            grid=None,
            visual_tokens=None,
            sent=sent,
            predicted_size=None if one.size is None else (one.size.width, one.size.height),
        )
        for sent, one in zip(wired, meter.forecasts(exchanges, wired, engine), strict=True)
    ]
    document = (None if last is None else last.answer) or {}
    noted = [*encoding_notes(wired), *meter.changes(served), *contradictions(document, served)]
    noted += [f"the usage's {each}, which is no count" for each in unsound(document)]
    evidence, written = evidence_of(served, wired), read_usage(document).generated
    return dropped(served) or _answer(
        plan, asked.texts[place], evidence, noted, entries, served=served, generated_tokens=written
    )


def seen_answers(
    plan: BasePlan, sight: Sight, asked: BaseRequest, questions: Sequence[BaseQuestion]
) -> list[Answer | Failure]:
    """What a base answered with the model that it has here, with the grids that were seen.

    Raises:
        ModelError: nothing entered a tower that we watch.
    """
    grids = asked.entered.grids(len(asked.texts))
    return [
        asked.failure(place, visible=sight.model is not None)
        or _seen(plan, sight, asked, question, place, grids)
        for place, question in enumerate(questions)
    ]


def _seen(
    plan: BasePlan,
    sight: Sight,
    asked: BaseRequest,
    question: BaseQuestion,
    place: int,
    grids: Sequence[TowerGrid | None],
) -> Answer:
    """The answer at a place; its images entered in the order in which messages show them."""
    each, counted = asked.entered.each, asked.entered.tokens
    own = slice(place * each, (place + 1) * each)
    order = question.order if plan.chat else range(each)
    received, sent = by_number(grids[own], order), asked.sent_of(place, each)
    tokens = by_number(counted[own] if counted else [None] * each, order)
    if None in received and sight.family is not None:
        raise ModelError("no image entered the vision tower")
    entries = [
        ImageEntry(
            grid=None if one is None else one.grid,
            visual_tokens=count,
            tiles=None if one is None else one.tiles,
            sent=way if one is None else None,
        )
        for one, count, way in zip(received, tokens, sent, strict=True)
    ]
    if None in received:
        return _answer(plan, asked.texts[place], f"none: {told_of(sent)}", (), entries)
    noted = [*encoding_notes(sent), *(n for one in received for n in tile_notes(one))]
    noted += look_notes(asked.entered.again)
    return _answer(plan, asked.texts[place], sight.evidence, noted, entries)


def _answer(
    plan: BasePlan,
    text: str,
    evidence: str,
    notes: Iterable[str],
    entries: Sequence[ImageEntry],
    **served: Any,
) -> Answer:
    return Answer(
        text=text.strip(),
        choice=None,
        choice_scores=None,
        evidence=f"{evidence}; base {plan.title}",
        notes=tuple(dict.fromkeys(notes)),
        **facts_of(entries),
        **served,
    )


def tile_notes(received: TowerGrid | None) -> tuple[str, ...]:
    """What is not read of an image that the base cut into tiles."""
    if received is None or received.tiles is None:
        return ()
    return ("tiles were counted and measured; that they lie as expected was not read",)


def look_notes(again: Sequence[Sequence[TowerGrid]]) -> tuple[str, ...]:
    """What entered when the model looked again before it answered, look by look.

    Example:
        >>> look_notes([[TowerGrid(grid=(56, 84)), TowerGrid(grid=(112, 28))]])
        ('looked again, 1 time: at 56x84 and 112x28 (height x width)',)
    """
    if not any(again):
        return ()
    looks = [
        " and ".join(f"{one.grid[0]}x{one.grid[1]}" for one in look) or "nothing" for look in again
    ]
    times = "1 time" if len(looks) == 1 else f"{len(looks)} times"
    return (f"looked again, {times}: at {'; at '.join(looks)} (height x width)",)


def encoding_notes(sent: Iterable[Sent | None]) -> list[str]:
    """That the base encodes images with loss on their way to its own model."""
    lossy: Mapping[str, str] = {"JPEG": "JPEG", "JPG": "JPEG", "WEBP": "WebP"}
    kinds = [lossy.get(one.format) for one in sent if one is not None]
    return [f"the base encoded the image as {kind}" for kind in kinds if kind is not None]
