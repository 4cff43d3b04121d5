"""What a server answered, as answers: what it counted, what was sent, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from resolution_eval.evidence.attestation import Failure, Sent
from resolution_eval.evidence.model_answer import Answer, ImageEntry, by_number, facts_of
from resolution_eval.models.providers.usage import read_usage, unsound
from resolution_eval.models.wrapped.base_plan import BasePlan
from resolution_eval.models.wrapped.base_questions import BaseQuestion, BaseRequest
from resolution_eval.models.wrapped.meter import TokenMeter, contradictions, dropped, evidence_of
from resolution_eval.models.wrapped.sight_notes import encoding_notes
from resolution_eval.resolution import Size


def served_answers(
    plan: BasePlan, meter: TokenMeter, asked: BaseRequest, questions: Sequence[BaseQuestion]
) -> list[Answer | Failure]:
    """What a server answered, with what it counted and what was sent."""
    answers: list[Answer | Failure] = []
    for place, exchanges in enumerate(asked.exchanges_of(questions)):
        failure = meter.failure(exchanges, asked.failure(place, visible=False))
        if failure is not None:
            answers.append(failure)
            continue
        images = len(questions[place].images)
        wired: Sequence[Sent | None] = exchanges[-1].images if exchanges else []
        if wired and len(wired) != images:
            answers.append(Failure(kind="dropped", message=_unsent(len(wired), images)))
            continue
        if not wired:
            wired = [asked.sent.get((place, number)) for number in range(images)]
        elif plan.chat:
            wired = by_number(wired, questions[place].order)
        engine = None if asked.engine is None else asked.engine.of(place, len(questions))
        served = meter.served(exchanges, wired, engine)
        entries = [
            ImageEntry(grid=None, visual_tokens=None, sent=sent, predicted_size=_size(one.size))
            for sent, one in zip(wired, meter.forecasts(exchanges, wired, engine), strict=True)
        ]
        noted = [*(n for sent in wired for n in encoding_notes(sent)), *meter.changes(served)]
        said = (exchanges[-1].answer if exchanges else None) or {}
        usage = read_usage(said)
        noted += contradictions(said, served)
        noted += [f"the usage's {each}, which is no count" for each in unsound(said)]
        answers.append(
            dropped(served)
            or Answer(
                text=asked.texts[place].strip(),
                choice=None,
                choice_scores=None,
                evidence=f"{evidence_of(served, wired)}; base {plan.title}",
                notes=tuple(dict.fromkeys(noted)),
                served=served,
                generated_tokens=usage.generated,
                **facts_of(entries),
            )
        )
    return answers


def _unsent(sent: int, images: int) -> str:
    return f"{sent} of the question's {images} images were sent: the base takes fewer"


def _size(size: Size | None) -> tuple[int, int] | None:
    return None if size is None else (size.width, size.height)
