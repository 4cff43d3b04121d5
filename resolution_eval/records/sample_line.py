"""One line of a samples file: one answer, refused where what it says contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from resolution_eval.evidence.attestation import Attestation, ImageAttestation
from resolution_eval.evidence.facts import RunFacts
from resolution_eval.evidence.ladder import step
from resolution_eval.evidence.run_ledger import Cost
from resolution_eval.evidence.verdict import Verdict
from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.redaction import redacted_within
from resolution_eval.resolution import TrainingResolution, parse_resolution

LARGEST_COUNT = 2**31 - 1
"""Largest size in pixels, and count of tokens, that a column holds."""


class SampleLine(BaseModel):
    """What one line of a samples file holds of ours."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    verdict: Verdict
    attestation: Attestation
    cost: Cost | None = None
    run: RunFacts | None = None

    @field_validator("run", mode="before")
    @classmethod
    def _without_secrets(cls, told: object) -> object:
        return redacted_within(told) if isinstance(told, dict) else told


def read_line(document: Mapping[str, Any], where: str) -> SampleLine:
    """The line that the JSON object `document` is; `where` names it in messages.

    Raises:
        RecordError: it breaks its schema, or contradicts itself.
    """
    try:
        line = SampleLine.model_validate(document)
        _check_names(line.verdict.resolution, line.attestation.training)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecordError(f"{where}: {place}: {first['msg']}") from error
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from error
    for fault in _contradictions(line):
        raise RecordError(f"{where}: {fault}")
    return line


@lru_cache(maxsize=1024)
def _check_names(resolution: str, training: str) -> None:
    """Refuse names that are no resolution or no training resolution; the same few come again."""
    parse_resolution(resolution)
    TrainingResolution.parse(training)


def _contradictions(line: SampleLine) -> Iterator[str]:
    """What in a line cannot be true together."""
    verdict, attestation = line.verdict, line.attestation
    if attestation.requested != verdict.resolution:
        yield f"resolution {verdict.resolution!r}, but {attestation.requested!r} was requested"
    failed = {verdict.correct is None, verdict.failure is not None, attestation.status == "failed"}
    if len(failed) > 1:
        yield (
            f"correct {verdict.correct}, failure {verdict.failure}, status {attestation.status!r}: "
            "a failed sample has no verdict, and any other has one"
        )
    for one in _each(attestation) if attestation.status == "attested" else ():
        if one.grid is None or one.grid != one.expected_grid:
            yield (
                f"status 'attested', but the encoder received {one.grid} "
                f"and {one.expected_grid} was expected"
            )
    yield from _image_contradictions(attestation)
    served = attestation.status in ("counted", "predicted") or attestation.served is not None
    if served and attestation.status != "failed":
        word = step(
            attestation.served, attestation.sent, attestation.expected_grid, attestation.images
        )
        if word != attestation.status or attestation.grid is not None:
            yield (
                f"status {attestation.status!r}, but what was sent, predicted and counted makes it "
                f"{word!r}"
            )
    if (attestation.answer_mode == "open") is not (verdict.form == "open"):
        yield f"answers by {attestation.answer_mode!r} to a question of form {verdict.form!r}"
    if line.cost is not None and (attestation.status == "failed" or not attestation.adapter):
        yield "a cost, but no adapter of ours answered"
    ranked, shown = verdict.choice_scores, verdict.options
    if ranked is not None and "options" in verdict.model_fields_set and len(ranked) != len(shown):
        yield f"{len(ranked)} scores of {len(shown)} options"
    if verdict.f1 is not None and not 0 <= verdict.f1 <= 1:
        yield f"f1 lies between 0 and 1, found {verdict.f1}"
    counts = [n for one in _each(attestation) for n in _counts(one)]
    counts += _served_counts(attestation)
    if any(not 0 <= count <= LARGEST_COUNT for count in counts):
        yield f"sizes and token counts lie between 0 and {LARGEST_COUNT}, found {counts}"


def _each(attestation: Attestation) -> tuple[Attestation | ImageAttestation, ...]:
    """A sample's own sizes and counts, and those of each of several images."""
    return (attestation, *attestation.images)


def _image_contradictions(attestation: Attestation) -> Iterator[str]:
    """What of several images the sample's own fields deny: those of the first, and the sums."""
    images = attestation.images
    if not images:
        return
    if len(images) == 1:
        yield "a list of one image; a question with one has none"
    for name in ("source", "information", "expected_grid", "grid", "capped"):
        own, first = getattr(attestation, name), getattr(images[0], name)
        if own != first:
            yield f"{name} {own}, but its first image has {first}"
    tokens = [image.visual_tokens for image in images]
    if None not in tokens and sum(filter(None, tokens)) != attestation.visual_tokens:
        yield f"{attestation.visual_tokens} visual tokens, but its images have {tokens}"


def _counts(one: Attestation | ImageAttestation) -> list[int]:
    """Sizes in pixels, and counts, of a sample or of one of its images."""
    sizes = (one.source, one.information, one.grid, one.expected_grid)
    sides = [side for size in sizes if size is not None for side in size]
    return sides + [n for n in (one.visual_tokens, one.tiles) if n is not None]


def _served_counts(attestation: Attestation) -> list[int]:
    """Sizes and counts of a sample that a server answered."""
    sent, served = attestation.sent, attestation.served
    counts = [] if sent is None else [sent.width, sent.height, sent.bytes]
    if served is not None:
        known = (served.predicted_size, served.predicted_tokens)
        counts += [value for pair in known if pair is not None for value in pair]
        counts += [served.unit, served.wrapping, served.attempts, served.counted_tokens or 0]
    return counts
