"""Rows of answers: the lines of a samples file as rows of a record's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from resolution_eval.evidence.attestation import Attestation, ImageAttestation, Sent
from resolution_eval.ground.redaction import redacted
from resolution_eval.records.sample_line import SampleLine

_public = lru_cache(maxsize=4096)(redacted)
"""Of texts that are the same in many rows."""


SETTING = ("scheme", "filter", "answer_mode")


def _setting(line: SampleLine) -> tuple[str, ...]:
    return tuple(getattr(line.attestation, name) for name in SETTING)


def answer_rows(lines: Sequence[SampleLine]) -> Iterator[dict[str, Any]]:
    """Table rows. A failed sample never met its adapter: it joins its resolution's cell, if one."""
    settings: dict[tuple[str, str | None], set[tuple[str, ...]]] = defaultdict(set)
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


_OF_OTHERS = (
    *("failure_message", "judge_model", "judge_failure", "evidence", "rule"),
    *("server_model", "server_fingerprint"),
)
"""Columns of texts that are somebody else's, and may hold a secret."""


def _row(line: SampleLine, setting: tuple[str, ...]) -> dict[str, Any]:
    """Columns of the line; those that it does not name are null."""
    verdict, attestation, served = line.verdict, line.attestation, line.attestation.served
    least, most = (served.predicted_tokens if served else None) or (None, None)
    row = {
        **verdict.model_dump(exclude={"failure", "judgement", "detail"}),
        "options": verdict.options if "options" in verdict.model_fields_set else None,
        "detail": None if verdict.detail is None else verdict.detail.model_dump_json(),
        **_columns(verdict.judgement, "judge", judge_model="model", judged="correct"),
        **_columns(verdict.judgement, judge_failure="failure"),
        **_columns(verdict.failure, failure_kind="kind", failure_message="message"),
        **dict(zip(SETTING, setting, strict=True)),
        **_columns(attestation, "status", "capped", "visual_tokens", "evidence", "tiles", "blind"),
        "notes": [_public(note) for note in attestation.notes],
        "adapter": attestation.adapter or None,
        **_columns(line.cost, "seconds", "peak_memory"),
        **_sent(attestation.sent, "width", "height", "format", "bytes", "sha256"),
        **_pair("predicted", ("width", "height"), served.predicted_size if served else None),
        "predicted_least": least,
        "predicted_most": most,
        **_columns(served, "rule", "counted_tokens", "counted_by", "attempts"),
        **_columns(served, server_model="model", server_fingerprint="fingerprint"),
        **_sizes(attestation),
        **_pair("microns", ("across", "down"), attestation.microns),
        "images": [_image(image) for image in attestation.images] or None,
    }
    told = {name: _public(row[name]) for name in _OF_OTHERS if row.get(name) is not None}
    return row | told


def _columns(of: object, *same: str, **names: str) -> dict[str, Any]:
    """Columns of what `of` calls the same, or by another name; none where it is not there."""
    names = dict(zip(same, same, strict=True)) | names
    return {} if of is None else {column: getattr(of, name) for column, name in names.items()}


def _image(image: ImageAttestation) -> dict[str, Any]:
    """One of several images, by the names of the columns."""
    return {
        **_columns(image, "capped", "visual_tokens", "tiles"),
        **_sizes(image),
        **_sent(image.sent, "width", "height", "bytes"),
        **_pair("predicted", ("width", "height"), image.predicted_size),
    }


def _sizes(one: Attestation | ImageAttestation) -> dict[str, Any]:
    return {
        **_pair("source", ("width", "height"), one.source),
        **_pair("information", ("width", "height"), one.information),
        **_pair("expected", ("height", "width"), one.expected_grid),
        **_pair("grid", ("height", "width"), one.grid),
    }


def _sent(sent: Sent | None, *names: str) -> dict[str, Any]:
    return _columns(sent, **{f"sent_{name}": name for name in names})


def _pair(name: str, sides: tuple[str, str], size: tuple[float, float] | None) -> dict[str, Any]:
    first, second = size if size is not None else (None, None)
    return {f"{name}_{sides[0]}": first, f"{name}_{sides[1]}": second}
