"""Verdicts: what one response to a document is worth, and at which resolution it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resolution_eval.answers import judge
from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.details import Detail
from resolution_eval.evidence.reply import Reply, decode_reply
from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
from resolution_eval.evidence.verdict import Failure, Verdict
from resolution_eval.host.cached_replies import stale
from resolution_eval.host.judge import judgement_of

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
    scores = None if reply is None else reply.choice_scores
    mark = (
        None
        if failure is not None
        else judge(answer, scores, doc["choices"], doc["answer"], doc["form"])
    )
    return Verdict(
        sample=doc["sample"],
        resolution=doc["resolution"],
        cluster=doc["cluster"],
        target=doc["answer"],
        prediction=mark and mark.prediction,
        correct=mark and mark.correct,
        answer=answer,
        failure=failure,
        choice_scores=scores,
        form=doc["form"],
        generated_tokens=None if reply is None else reply.generated_tokens,
        options=tuple(doc["choices"]),
        f1=mark and mark.f1,
        judgement=None if failure else judgement_of(doc, answer),
        detail=Detail.model_validate_json(doc["detail"]) if doc.get("detail") else None,
    )


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
