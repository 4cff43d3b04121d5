"""Image limit: a source without the questions that are about more images than a run asks about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256

from resolution_eval.data.sources.source import SPLITS, Exclusion, Sample, Source
from resolution_eval.ground.errors import DataError


def limited(source: Source, most: int | None) -> Source:
    """`source` without its questions about more than `most` images; itself where that is None."""
    return source if most is None else LimitedSource(source, most)


class LimitedSource:
    """The questions of `whole` that are about at most `most` images; the others are `excluded`."""

    def __init__(self, whole: Source, most: int) -> None:
        self.whole, self.most = whole, most
        self.name, self.revision, self.read = whole.name, whole.revision, whole.read
        self._most = f"{most} image{'s' if most > 1 else ''}"

    @cached_property
    def fingerprint(self) -> str:
        """The whole's, where nothing is left out; else another, since other questions are asked."""
        told = f"{self.whole.fingerprint}\x1fat most {self.most} images"
        return sha256(told.encode()).hexdigest() if self._beyond else self.whole.fingerprint

    @cached_property
    def _beyond(self) -> tuple[Exclusion, ...]:
        return tuple(
            Exclusion(sample.id, f"is about more than {self._most}", sample.split)
            for sample in self.whole.samples("test")
            if len(sample.images) > self.most
        )

    @property
    def excluded(self) -> tuple[Exclusion, ...]:
        """What was found and is no sample, and the test questions about more images."""
        return (*self.whole.excluded, *self._beyond)

    @property
    def notes(self) -> tuple[str, ...]:
        """The whole's, and how many questions were left out as the run asked."""
        if not self._beyond:
            return self.whole.notes
        count = len(self.whole.samples("test"))
        left_out = (
            f"{len(self._beyond)} of {count} questions are about more than {self._most} and were "
            "left out, as the run asked: the score is not of the whole set"
        )
        return (*self.whole.notes, left_out)

    def samples(self, split: str = "test") -> Sequence[Sample]:
        """Those of one split, in the whole's order.

        Raises:
            DataError: the split is unknown, or none of its questions is left.
        """
        kept = [one for one in self.whole.samples(split) if len(one.images) <= self.most]
        if not kept and split in SPLITS:
            raise DataError(
                f"no {split} question is about at most {self._most}; raise --most-images, or leave "
                "it out"
            )
        return kept
