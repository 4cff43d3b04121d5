"""Table source: one whose samples were gathered from published tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from resolution_eval.data.sources.source import Exclusion, Sample, fingerprint, of_split, ordered


@dataclass(frozen=True, eq=False, kw_only=True)
class GatheredSource:
    """What one of the loaders of published forms found."""

    name: str
    revision: str
    where: str
    """The folder or table, for errors."""
    gathered: tuple[Sample, ...]
    excluded: tuple[Exclusion, ...]
    contents: Mapping[str, str]
    """What is known of each image's content without decoding it, by locator."""
    reader: Callable[[str], bytes]
    """The encoded image of a locator; raises ImageError."""
    notes: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and what is known of the images' contents."""
        return fingerprint(self.gathered, self.contents)

    @cached_property
    def _ordered(self) -> tuple[Sample, ...]:
        return ordered(self.gathered)

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no sample.
        """
        return of_split(self._ordered, split, self.where)

    def read(self, locator: str) -> bytes:
        """The encoded image that a sample's `image` names.

        Raises:
            ImageError: it is missing or cannot be read.
        """
        return self.reader(locator)
