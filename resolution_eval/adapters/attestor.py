"""A sample's attestation, out of the view that was shown and the answer that came back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from resolution_eval.adapters.views import EncoderView, View
from resolution_eval.evidence.attestation import (
    Attestation,
    DemonstrationAttestation,
    ImageAttestation,
    Status,
)
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.resolution import is_capped, label

Pair = tuple[tuple[int, int] | None, tuple[int, int] | None]
"""An image's grid as it was read, and as it was expected: height and width in pixels."""


def attestation_of(view: View, answer: Answer, **run: Any) -> Attestation:
    """What entered for one sample beside what should have; `run` says by whom it was asked."""
    demonstrations = tuple(_demonstrated(view, answer))
    images = tuple(_each(view, answer))
    entered: list[Pair] = [(answer.grid, view.expected_grid)]
    entered += [(one.grid, one.expected_grid) for one in demonstrations]
    entered += [(one.grid, one.expected_grid) for one in images]
    return Attestation(
        status=_status(entered),
        requested=label(view.job.resolution),
        capped=is_capped(view.source, view.job.resolution),
        filter=view.job.filter,
        scheme=view.job.scheme,
        grid=answer.grid,
        rounding=_rounding(view),
        visual_tokens=answer.visual_tokens,
        evidence=answer.evidence,
        notes=(*_noted(view), *answer.notes),
        tiles=answer.tiles,
        sent=answer.sent,
        served=answer.served,
        demonstrations=demonstrations,
        images=images,
        microns=view.microns,
        **_sizes(view),
        **run,
    )


def _sizes(shown: EncoderView) -> dict[str, Any]:
    """What an image is and should become, in pixels."""
    return {
        "source": (shown.source.width, shown.source.height),
        "information": (shown.information.width, shown.information.height),
        "expected_grid": shown.expected_grid,
    }


def _each(view: View, answer: Answer) -> Iterator[ImageAttestation]:
    """Each image of a question that has several."""
    for shown, entry in zip(view.own, answer.images, strict=True) if view.more else ():
        yield ImageAttestation(
            capped=is_capped(shown.source, view.job.resolution),
            microns=shown.microns,
            grid=entry.grid,
            visual_tokens=entry.visual_tokens,
            tiles=entry.tiles,
            sent=entry.sent,
            predicted_size=entry.predicted_size,
            **_sizes(shown),
        )


def _demonstrated(view: View, answer: Answer) -> Iterator[DemonstrationAttestation]:
    told = zip(view.job.demonstrations, view.demonstrations, answer.demonstrations, strict=True)
    for demonstration, shown, (grid, tokens) in told:
        yield DemonstrationAttestation(
            sample=demonstration.sample, grid=grid, visual_tokens=tokens, **_sizes(shown)
        )


def _rounding(view: View) -> tuple[int, int] | None:
    """Pixels that rounding to whole patches added; none is meant under `restore`."""
    if view.job.scheme == "restore":
        return None
    width, height = view.image.size
    return height - view.information.height, width - view.information.width


def _noted(view: View) -> tuple[str, ...]:
    """What is to be noted of the question's images, each by its number unless true of all."""
    if not view.more:
        return view.notes
    notes = [note for shown in view.own for note in dict.fromkeys(shown.notes)]
    said: list[str] = []
    for note in dict.fromkeys(notes):
        of = [n for n, shown in enumerate(view.own, 1) if note in shown.notes]
        every = len(of) == len(view.own)
        said.append(note if every else f"image {', '.join(map(str, of))}: {note}")
    return tuple(said)


def _status(pairs: Sequence[Pair]) -> Status:
    """What the grids that were read, or None, say of those expected."""
    if any(grid is None for grid, _ in pairs):
        return "unattested"
    return "attested" if all(grid == expected for grid, expected in pairs) else "mismatched"
