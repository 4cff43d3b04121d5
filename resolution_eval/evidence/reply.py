"""An answer with its attestation, as one line of text that travels through lmms-eval.

lmms-eval carries nothing from a model to a task but the response's text. So our adapters answer
with a `Reply`, one line of JSON that holds the answer together with its attestation: it passes
through the host's response cache, its sharding and its sample files, and is opened again when the
sample is scored.
"""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ConfigDict, ValidationError

from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.notation import NotationError, unambiguous

MARK = '{"resolution_eval_reply":1,'
"""How a reply's text begins; the 1 is its version."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A string in JSON, quotes included."""
_TELLING = re.compile(r"[^\w\s\"\\.,:;+-]", re.ASCII)
"""Characters that a tag could be made of."""


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class Reply(BaseModel):
    """An adapter's answer to one request, with its attestation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    answer: str
    choice: int | None
    """Index of the choice ranked first; null where text was generated."""
    choice_scores: tuple[float, ...] | None
    attestation: Attestation
    generated_tokens: int | None = None
    state: str | None = None
    """Digest of all that decided the answer beside the image, see `replies.state_of`."""

    def encode(self) -> str:
        """One line of JSON, beginning with `MARK`, in whose texts all but letters, digits and plain
        punctuation is escaped.

        lmms-eval takes what stands before `</think>`, or between any tags that a user or a task
        names, out of every response. An escaped text has no tags.
        """
        line = json.dumps(self.model_dump(mode="json"), separators=(",", ":"))
        return MARK + _STRING.sub(lambda text: _TELLING.sub(_escape, text[0]), line)[1:]


def decode_reply(text: str) -> Reply | None:
    """The reply in `text`, or None where it is a plain answer.

    Only while an adapter of ours answers in this process: any other model could print text that
    merely looks like an attestation.
    """
    if LEDGER.adapter is None or not text.startswith(MARK):
        return None
    try:
        return Reply.model_validate_json(unambiguous("{" + text[len(MARK) :]))
    except (ValidationError, NotationError):
        return None
