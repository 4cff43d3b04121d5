"""What a cell's samples say of the server that answered them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from resolution_eval.records.schema import Disagreement, Serving, Tokens

MOST = 8
"""Names and disagreements that a cell lists."""


def serving(rows: Sequence[Mapping[str, Any]]) -> Serving | None:
    """What the server and the rule say of `rows`; None where no server answered."""
    known = [row for row in rows if row["attempts"] is not None]
    if not known:
        return None
    return Serving(
        rules=_names(known, "rule"),
        counted_by=_names(known, "counted_by"),
        models=_names(known, "server_model"),
        fingerprints=_names(known, "server_fingerprint"),
        predicted_tokens=tokens([row["predicted_most"] for row in known]),
        counted_tokens=tokens([row["counted_tokens"] for row in known]),
        disagreements=_disagreements(known),
        sent_bytes=tokens([row["sent_bytes"] for row in known]),
        retried=sum(row["attempts"] > 1 for row in known),
    )


def tokens(counts: Sequence[int | None]) -> Tokens | None:
    """Least, mean and most of those that are known; None where none is."""
    known = [count for count in counts if count is not None]
    if not known:
        return None
    return Tokens(least=min(known), mean=sum(known) / len(known), most=max(known))


def _names(rows: Sequence[Mapping[str, Any]], column: str) -> tuple[str, ...]:
    counts = Counter(row[column] for row in rows if row[column] is not None)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:MOST])


def _disagreements(rows: Sequence[Mapping[str, Any]]) -> tuple[Disagreement, ...]:
    counts = Counter(
        (row["counted_tokens"], row["predicted_least"], row["predicted_most"])
        for row in rows
        if row["status"] == "mismatched"
        and row["counted_tokens"] is not None
        and row["predicted_least"] is not None
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    return tuple(
        Disagreement(counted=counted, least=least, most=most, samples=samples)
        for (counted, least, most), samples in ordered
    )
