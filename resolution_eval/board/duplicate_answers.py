"""Copies: answers that another submission has too, byte by byte or score by score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from resolution_eval.ground.files import file_digest
from resolution_eval.records import Record
from resolution_eval.records.store import answers_of

SHARED = 0.5
"""Share of a record's ranked answers whose scores another one has to the sixth decimal, from which
it is a copy: two models agree on the choice, never on half of the likelihoods."""


class Originals:
    """The answers seen so far, and where they stood first."""

    def __init__(self) -> None:
        self._files: dict[str, Path] = {}
        self._answers: dict[str, Path] = {}

    def original(self, path: Path, record: Record) -> Path | None:
        """Whose answers those of the record `path` are; None where they are its own. Controls are
        compared byte by byte alone: without the image, two models may say the same to everything.
        """
        first = self._files.setdefault(file_digest(answers_of(path)), path)
        if first != path:
            return first
        if record.blind is not None:
            return None
        marks = list(_marks(record))
        known = Counter(self._answers[mark] for mark in marks if mark in self._answers)
        for mark in marks:
            self._answers.setdefault(mark, path)
        ((other, shared),) = known.most_common(1) or ((path, 0),)
        return other if shared >= SHARED * len(marks) and shared else None


def _marks(record: Record) -> Iterator[str]:
    """A digest per ranked answer; where none was ranked, one of all that was said."""
    names = ("sample", "resolution", "scheme", "choice_scores", "answer")
    rows = zip(*map(record.answers.column, names), strict=True)
    said = []
    ranked = False
    for sample, resolution, scheme, scores, answer in rows:
        said.append((sample, resolution, scheme, answer))
        if scores is not None:
            ranked = True
            rounded = [round(score, 6) for score in scores]
            yield _digest((record.task, sample, resolution, scheme, rounded))
    if not ranked:
        yield _digest((record.task, said))


def _digest(what: object) -> str:
    return sha256(repr(what).encode("utf-8", "surrogatepass")).hexdigest()
