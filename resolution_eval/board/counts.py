"""Counts: whether what a row says of a server (image sent, rule, tokens) agrees with its status.

A row has neither the rule's unit nor the tokens around an image, so each is taken at its widest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from resolution_eval.ground.likeness import hostile

MAX_NAME = 500
"""Longest text of an answer's row, the answer itself excepted."""
LARGEST = 2**20
"""Largest side of an image or grid in pixels, and most visual tokens."""
MOST_BYTES = 2**40
UNIT = 64
"""Largest edge in pixels of what a model cuts an image into."""
AROUND = 8
"""Most tokens that stand around an image in a prompt."""
TEXTS = ("rule", "counted_by", "server_model", "server_fingerprint", "sent_format", "sent_sha256")
SIZES = (
    *("sent_width", "sent_height", "predicted_width", "predicted_height"),
    *("predicted_least", "predicted_most", "counted_tokens"),
)
SAID = (*TEXTS[:4], *SIZES[2:], "attempts")
"""What is there only of a sample that a server answered."""
UNSEEN = ("counted", "predicted", "unattested")

Row = Mapping[str, Any]


def count_faults(row: Row) -> Iterator[str]:
    """What contradicts itself in what the row says of a server."""
    yield from _text_faults(row)
    outside = [row[name] for name in SIZES if row[name] is not None]
    if any(not 0 <= size <= LARGEST for size in outside):
        yield f"a size sent or predicted, or a count, is outside 0 to {LARGEST}: {outside}"
        return
    if not 0 <= (row["sent_bytes"] or 0) <= MOST_BYTES:
        yield f"{row['sent_bytes']} bytes sent, outside 0 to {MOST_BYTES}"
    yield from _told_faults(row)
    if row["status"] in UNSEEN:
        yield from _step_faults(row)


def _text_faults(row: Row) -> Iterator[str]:
    for name in TEXTS:
        if fault := hostile(row[name] or "", MAX_NAME):
            yield f"{name}: {fault}"
    if row["sent_sha256"] is not None and not re.fullmatch("[0-9a-f]{64}", row["sent_sha256"]):
        yield f"sent_sha256: {row['sent_sha256']!r:.100} is no SHA-256"


def _told_faults(row: Row) -> Iterator[str]:
    """Whether a server's word is there where it answered, and nowhere else."""
    told = [name for name in SAID if row[name] is not None]
    if told and row["status"] == "attested":
        yield f"attested, yet answered by a server ({', '.join(told)}): nobody sees a tensor there"
    elif told and (row["attempts"] is None or row["attempts"] < 1):
        yield f"{row['attempts']} requests, yet {', '.join(told)}: no answer comes without one"


def _step_faults(row: Row) -> Iterator[str]:
    """Whether a row that nobody saw is of the step that it says."""
    status = row["status"]
    predicted = row["predicted_width"] is not None or row["predicted_most"] is not None
    if status == "unattested":
        if predicted:
            yield f"unattested, yet {row['rule']!r} predicts: it is predicted, or mismatched"
        return
    if row["rule"] is None or not predicted:
        yield f"{status}, and no rule is named that tells a size or tokens"
    if row["sent_width"] is None:
        yield f"{status}, and nothing was sent"
        return
    if status == "counted" and (row["counted_by"] is None or row["predicted_most"] is None):
        yield "counted, and not by whom, or not against which number of tokens"
    yield from _size_faults(row)
    yield from _token_faults(row)


def _size_faults(row: Row) -> Iterator[str]:
    sent, asked, ruled = (
        (row[f"{of}_width"], row[f"{of}_height"]) for of in ("sent", "expected", "predicted")
    )
    if sent != asked:
        yield f"sent at {sent[0]}x{sent[1]} px, and {asked[0]}x{asked[1]} px was asked"
    if None in ruled:
        return
    unit = min(math.gcd(*ruled), UNIT)
    if any(2 * abs(a - b) > max(2, unit) for a, b in zip(ruled, sent, strict=True)):
        yield (
            f"{row['rule']} makes {ruled[0]}x{ruled[1]} px of {sent[0]}x{sent[1]} px: mismatched"
        )


def _token_faults(row: Row) -> Iterator[str]:
    least, most, counted = (
        row[name] for name in ("predicted_least", "predicted_most", "counted_tokens")
    )
    if (least is None) != (most is None) or (least is not None and least > most):
        yield f"{row['rule']} makes {least} to {most} tokens"
    elif counted is not None and least is not None and not least <= counted <= most + AROUND:
        due = least if least == most else f"{least} to {most}"
        yield f"{counted} image tokens were counted, {due} were due by {row['rule']}: mismatched"
