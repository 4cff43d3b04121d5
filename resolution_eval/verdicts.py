"""Verdicts: what one response to a document is worth, and at which resolution it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolution_eval.answers import exact_match, final_answer, normalise, parse_choice, token_f1
from resolution_eval.attestation import (
    LEDGER,
    Attestation,
    Failure,
    Reply,
    SampleKey,
    Verdict,
    decode_reply,
)
from resolution_eval.details import Detail
from resolution_eval.judge import judgement_of
from resolution_eval.replies import stale

Document = Mapping[str, Any]
"""A sample at one resolution, as a task hands it to lmms-eval."""


def verdict_of(doc: Document, response: str) -> tuple[Verdict, Attestation]:
    """Score one response, and say at which resolution it was given.

    A response that no adapter of ours vouches for is `unattested`. A failed sample has no verdict:
    not right, not wrong.
    """
    reply = decode_reply(response)
    failure = _failure(doc, response, reply)
    if failure is not None:
        attestation = unattested(doc).model_copy(update={"status": "failed"})
        return _verdict(doc, None, None, failure), attestation
    if reply is None:
        known = LEDGER.renderings.get(SampleKey.of(doc))
        return _verdict(doc, response, None, None), known or unattested(doc)
    mode = "open" if doc["form"] == "open" else reply.attestation.answer_mode
    attested = reply.attestation.model_copy(update={"answer_mode": mode})
    return _verdict(doc, reply.answer, reply, None), attested


def _failure(doc: Document, response: str, reply: Reply | None) -> Failure | None:
    """Why this response is no answer, or None where it is one."""
    if reply is not None:
        return stale(doc, reply)
    if LEDGER.adapter is None:
        message = "the model's answer is empty; many adapters of lmms-eval answer so after an error"
        return None if response.strip() else Failure(kind="empty", message=message)
    if response == "":
        lost = Failure(kind="lost", message="the adapter gave no answer and no reason")
        return LEDGER.failures.get(SampleKey.of(doc), lost)
    return Failure(
        kind="unreadable", message="the stored reply cannot be read; delete the response cache"
    )


def _verdict(
    doc: Document, answer: str | None, reply: Reply | None, failure: Failure | None
) -> Verdict:
    prediction = _prediction(doc, answer, reply)
    correct = None
    if failure is None:
        equal = prediction == doc["answer"] if doc["choices"] else _matches(answer, doc)
        correct = int(equal)
    return Verdict(
        sample=doc["sample"],
        resolution=doc["resolution"],
        cluster=doc["cluster"],
        target=doc["answer"],
        prediction=prediction,
        correct=correct,
        answer=answer,
        failure=failure,
        choice_scores=None if reply is None else reply.choice_scores,
        form=doc["form"],
        generated_tokens=None if reply is None else reply.generated_tokens,
        options=tuple(doc["choices"]),
        f1=None if failure or doc["form"] == "closed" else token_f1(answer or "", doc["answer"]),
        judgement=None if failure else judgement_of(doc, answer),
        detail=Detail.model_validate_json(doc["detail"]) if doc.get("detail") else None,
    )


def _matches(answer: str | None, doc: Document) -> bool:
    return answer is not None and exact_match(answer, doc["answer"])


def _prediction(doc: Document, answer: str | None, reply: Reply | None) -> str | None:
    """The choice that was ranked first or is said in `answer`; without choices, its phrase."""
    choices = doc["choices"]
    if reply is not None and reply.choice is not None:
        return str(choices[reply.choice])
    if answer is None:
        return None
    if not choices:
        return normalise(final_answer(answer)) or None
    said = parse_choice(answer, choices)
    return None if said is None else str(choices[said])


def unattested(doc: Document) -> Attestation:
    """What can be said of a sample whose encoder nobody could look into."""
    return Attestation(
        status="unattested",
        source=None,
        requested=doc["resolution"],
        information=None,
        capped=False,
        filter=doc["filter"],
        scheme=doc["scheme"],
        expected_grid=None,
        grid=None,
        rounding=None,
        visual_tokens=None,
        evidence="none",
        training="unknown",
        answer_mode="open" if doc["form"] == "open" else "generate",
        fingerprint=doc["fingerprint"],
        adapter="",
        checkpoint="",
    )
