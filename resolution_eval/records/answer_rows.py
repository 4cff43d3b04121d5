"""Rows of answers: the lines of a samples file as rows of a record's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from resolution_eval.evidence.attestation import Attestation, ImageAttestation, Judgement, Sent
from resolution_eval.ground.redaction import redacted
from resolution_eval.records.sample_line import SampleLine

_public = lru_cache(maxsize=4096)(redacted)
"""Of texts that are the same in many rows."""


def _setting(line: SampleLine) -> tuple[str, str, str]:
    attestation = line.attestation
    return attestation.scheme, attestation.filter, attestation.answer_mode


def answer_rows(lines: Sequence[SampleLine]) -> Iterator[dict[str, Any]]:
    """Table rows. A failed sample never met its adapter: it joins its resolution's cell, if one."""
    settings: dict[tuple[str, str | None], set[tuple[str, str, str]]] = defaultdict(set)
    for line in lines:
        if line.attestation.status != "failed":
            for resolution in (line.verdict.resolution, None):  # there, and anywhere
                settings[line.verdict.form, resolution].add(_setting(line))
    for line in lines:
        form, setting = line.verdict.form, _setting(line)
        if line.attestation.status == "failed":
            others = settings[form, line.verdict.resolution] or settings[form, None]
            setting = next(iter(others)) if len(others) == 1 else setting
        yield _row(line, setting)


def _row(line: SampleLine, setting: tuple[str, str, str]) -> dict[str, Any]:
    verdict, attestation = line.verdict, line.attestation
    scheme, filter, answer_mode = setting
    failure = verdict.failure
    return {
        **verdict.model_dump(exclude={"failure", "judgement", "detail"}),
        "options": verdict.options if "options" in verdict.model_fields_set else None,
        "detail": None if verdict.detail is None else verdict.detail.model_dump_json(),
        **_judged(verdict.judgement),
        "failure_kind": None if failure is None else failure.kind,
        "failure_message": None if failure is None else redacted(failure.message),
        "scheme": scheme,
        "filter": filter,
        "answer_mode": answer_mode,
        "status": attestation.status,
        "capped": attestation.capped,
        "visual_tokens": attestation.visual_tokens,
        "evidence": _public(attestation.evidence),
        "notes": [_public(note) for note in attestation.notes],
        "tiles": attestation.tiles,
        "blind": attestation.blind,
        "adapter": attestation.adapter or None,
        "seconds": None if line.cost is None else line.cost.seconds,
        "peak_memory": None if line.cost is None else line.cost.peak_memory,
        **_served(attestation),
        **_sizes(attestation),
        **_pair("microns", ("across", "down"), attestation.microns),
        "images": [_image(image) for image in attestation.images] or None,
    }


def _image(image: ImageAttestation) -> dict[str, Any]:
    """One of several images, by the names of the columns."""
    sent = _sent(image.sent)
    return {
        "capped": image.capped,
        "visual_tokens": image.visual_tokens,
        "tiles": image.tiles,
        **_sizes(image),
        **{name: sent.get(name) for name in ("sent_width", "sent_height", "sent_bytes")},
        **_pair("predicted", ("width", "height"), image.predicted_size),
    }


def _sizes(one: Attestation | ImageAttestation) -> dict[str, Any]:
    return {
        **_pair("source", ("width", "height"), one.source),
        **_pair("information", ("width", "height"), one.information),
        **_pair("expected", ("height", "width"), one.expected_grid),
        **_pair("grid", ("height", "width"), one.grid),
    }


def _sent(sent: Sent | None) -> dict[str, Any]:
    if sent is None:
        return {}
    names = ("width", "height", "format", "bytes", "sha256")
    return {f"sent_{name}": getattr(sent, name) for name in names}


def _served(attestation: Attestation) -> dict[str, Any]:
    """What was sent to a server, and what was predicted and counted of it."""
    served = attestation.served
    row = _sent(attestation.sent)
    if served is None:
        return row
    least, most = served.predicted_tokens or (None, None)
    return {
        **row,
        **_pair("predicted", ("width", "height"), served.predicted_size),
        "rule": None if served.rule is None else _public(served.rule),
        "predicted_least": least,
        "predicted_most": most,
        "counted_tokens": served.counted_tokens,
        "counted_by": served.counted_by,
        "server_model": None if served.model is None else _public(served.model),
        "server_fingerprint": None if served.fingerprint is None else _public(served.fingerprint),
        "attempts": served.attempts,
    }


def _judged(said: Judgement | None) -> dict[str, Any]:
    """What a judge said of an open answer; nothing where none was asked."""
    if said is None:
        return {}
    return {
        "judge": said.judge,
        "judge_model": None if said.model is None else _public(said.model),
        "judged": said.correct,
        "judge_failure": None if said.failure is None else redacted(said.failure),
    }


def _pair(name: str, sides: tuple[str, str], size: tuple[float, float] | None) -> dict[str, Any]:
    first, second = size if size is not None else (None, None)
    return {f"{name}_{sides[0]}": first, f"{name}_{sides[1]}": second}
