"""A sample's attestation, out of the view that was shown and the answer that came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resolution_eval.adapters.views import EncoderView, View
from resolution_eval.evidence.attestation import (
    AnswerMode,
    Attestation,
    Blind,
    Demonstrated,
    ImageAttestation,
    Status,
)
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.resolution import TrainingResolution, is_capped, label

Pair = tuple[tuple[int, int] | None, tuple[int, int] | None]
"""An image's grid as it was read, and as it was expected: height and width in pixels."""


@dataclass(frozen=True, kw_only=True)
class Attestor:
    """What all attestations of a run have in common."""

    adapter: str
    checkpoint: str
    training: TrainingResolution
    blind: Blind | None

    def attest(self, view: View, answer: Answer, mode: AnswerMode, fingerprint: str) -> Attestation:
        """What entered for one sample beside what should have, and how it was asked."""
        expected = self._expected(view)
        demonstrations = tuple(self._demonstrated(view, answer))
        images = tuple(self._each(view, answer))
        others: list[Pair] = [(one.grid, one.expected_grid) for one in demonstrations]
        others += [(one.grid, one.expected_grid) for one in images]
        return Attestation(
            status=_status([(answer.grid, expected), *others]),
            source=(view.source.width, view.source.height),
            requested=label(view.job.resolution),
            information=(view.information.width, view.information.height),
            capped=is_capped(view.source, view.job.resolution),
            filter=view.job.filter,
            scheme=view.job.scheme,
            expected_grid=expected,
            grid=answer.grid,
            rounding=_rounding(view),
            visual_tokens=answer.visual_tokens,
            evidence=answer.evidence,
            training=str(self.training),
            answer_mode=mode,
            fingerprint=fingerprint,
            adapter=self.adapter,
            checkpoint=self.checkpoint,
            notes=(*_noted(view), *answer.notes),
            tiles=answer.tiles,
            blind=self.blind,
            sent=answer.sent,
            served=answer.served,
            demonstrations=demonstrations,
            images=images,
            microns=view.microns,
        )

    def _each(self, view: View, answer: Answer) -> Iterator[ImageAttestation]:
        """Each image of a question that has several."""
        for shown, entry in zip(view.own, answer.images, strict=True) if view.more else ():
            yield ImageAttestation(
                source=(shown.source.width, shown.source.height),
                information=(shown.information.width, shown.information.height),
                capped=is_capped(shown.source, view.job.resolution),
                microns=shown.microns,
                expected_grid=self._expected(shown),
                grid=entry.grid,
                visual_tokens=entry.visual_tokens,
                tiles=entry.tiles,
                sent=entry.sent,
                predicted_size=entry.predicted_size,
            )

    def _demonstrated(self, view: View, answer: Answer) -> Iterator[Demonstrated]:
        told = zip(view.job.demonstrations, view.demonstrations, answer.demonstrations, strict=True)
        for demonstration, shown, (grid, tokens) in told:
            yield Demonstrated(
                sample=demonstration.sample,
                source=(shown.source.width, shown.source.height),
                information=(shown.information.width, shown.information.height),
                expected_grid=self._expected(shown),
                grid=grid,
                visual_tokens=tokens,
            )

    def _expected(self, shown: EncoderView) -> tuple[int, int]:
        """Height and width that the encoder should receive of an image; 0 x 0 of one withheld."""
        return (0, 0) if self.blind == "no image" else shown.expected_grid


def _rounding(view: View) -> tuple[int, int] | None:
    """Pixels that rounding to whole patches added; none is meant under `restore`."""
    if view.job.scheme == "restore":
        return None
    width, height = view.image.size
    return height - view.information.height, width - view.information.width


def _noted(view: View) -> tuple[str, ...]:
    """What is to be noted of the question's images: of each of several by its number, except for
    what is true of all.
    """
    if not view.more:
        return view.notes
    notes = [note for shown in view.own for note in dict.fromkeys(shown.notes)]
    said: list[str] = []
    for note in dict.fromkeys(notes):
        of = [n for n, shown in enumerate(view.own, 1) if note in shown.notes]
        every = len(of) == len(view.own)
        said.append(note if every else f"image {', '.join(map(str, of))}: {note}")
    return tuple(said)


def _status(grids: Iterable[Pair]) -> Status:
    """What the grids that were read, or None, say of those expected."""
    pairs = list(grids)
    if any(grid is None for grid, _ in pairs):
        return "unattested"
    return "attested" if all(grid == expected for grid, expected in pairs) else "mismatched"
