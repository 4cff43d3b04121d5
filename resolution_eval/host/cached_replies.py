"""Cached replies, out of a response cache: whether one is this run's answer to this document.

lmms-eval's cache knows a task, a document and a model by name. What a name does not tell, a reply
carries: the sample, the data, and a digest of all that decided the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from resolution_eval.evidence.reply import Reply
from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
from resolution_eval.evidence.verdict import Failure

Document = Mapping[str, Any]


def state_of(doc: Document) -> str | None:
    """Digest of all that decides an answer to `doc` beside its image: the adapter's state, and how
    the document asks; None where no adapter of ours answers.
    """
    if LEDGER.state is None:
        return None
    asked = [doc[name] for name in ("filter", "scheme", "question", "form")]
    said = json.dumps([LEDGER.state(), *asked, list(doc["choices"])])
    return sha256(said.encode()).hexdigest()


def stale(doc: Document, reply: Reply) -> Failure | None:
    """A reply that belongs to another document, as a response cache may serve it."""
    attested = reply.attestation
    before = tuple(one.sample for one in attested.demonstrations)
    shown = tuple(one["sample"] for one in LEDGER.demonstrated.get(SampleKey.of(doc), ()))
    given = (reply.sample, attested.requested, attested.fingerprint, before)
    wanted = (doc["sample"], doc["resolution"], doc["fingerprint"], shown)
    if given != wanted:
        return Failure(
            kind="stale",
            message=f"the stored reply answers (sample, resolution, data, demonstrations) {given}, "
            f"not {wanted}; delete the response cache",
        )
    if reply.state != state_of(doc):
        return Failure(
            kind="stale",
            message="the stored reply was given with other weights, processor, arguments, filter, "
            "scheme, wording or package versions than this run's; delete the response cache",
        )
    return _impossible(doc, reply)


def _impossible(doc: Document, reply: Reply) -> Failure | None:
    """A reply whose ranked choice is none of the options shown, as a damaged cache may serve it."""
    choices, choice, ranked = doc["choices"], reply.choice, reply.choice_scores
    if choice is None and ranked is None:
        return None
    if (
        choice is not None
        and ranked is not None
        and len(ranked) == len(choices)
        and all(map(math.isfinite, ranked))
        and 0 <= choice < len(choices)
        and choices[choice] == reply.answer
        and ranked[choice] == max(ranked)
    ):
        return None
    return Failure(
        kind="unreadable",
        message=f"the stored reply ranks choice {choice} ({reply.answer!r}) first, which the "
        f"{len(choices)} options and their scores contradict; delete the response cache",
    )
