"""Sample source: one that knows all its samples once it is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path

from PIL.Image import Image

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.source import Exclusion, Sample, fingerprint, of_split, ordered
from resolution_eval.ground.errors import ImageError


class SampleSource(ABC):
    """What such sources share; each sets its samples and its revision, and reads its images."""

    name: str
    revision: str
    excluded: tuple[Exclusion, ...] = ()
    _notes: tuple[str, ...] = ()
    _samples: tuple[Sample, ...]
    """In the order in which they are given."""
    _known: Mapping[str, str]
    """What is known of each image's content without decoding it, by locator."""

    def __init__(self, card: TaskCard, where: Path | str) -> None:
        """`where` is the folder, file or book, for errors."""
        self._card = card
        self._where = where

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of scores on this data should know, each a sentence with its count."""
        return self._notes

    def _keep(self, entries: Iterable[Sample | Exclusion]) -> None:
        """Take samples, which are given in the order of their hashes, and what is none."""
        both = tuple(entries)
        self._samples = ordered(one for one in both if isinstance(one, Sample))
        self.excluded = tuple(one for one in both if isinstance(one, Exclusion))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and the contents of images, as far as they are known.

        Raises:
            DataError: an image file changed while it was read, or since.
        """
        locators = {image for sample in self._samples for image in sample.images}
        return fingerprint(self._samples, {one: self._content(one) for one in locators})

    def _content(self, locator: str) -> str:
        return self._known[locator]

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, as a rule ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no sample.
        """
        return of_split(self._samples, split, str(self._where))

    @abstractmethod
    def read(self, locator: str) -> bytes:
        """The encoded image that a sample's `image` names.

        Raises:
            ImageError: it is missing or cannot be read.
        """

    def _of_class(
        self,
        id: str,
        answer: str,
        *,
        image: str | None = None,
        cluster: str | None = None,
        split: str = "test",
    ) -> Sample:
        """A sample of a classification; its image and its cluster are its id, unless named."""
        return Sample(
            id=id,
            image=id if image is None else image,
            question=self._card.question or "",
            answer=answer,
            choices=self._card.classes,
            cluster=id if cluster is None else cluster,
            split=split,
        )


class FolderSource(SampleSource):
    """Samples whose images are files below one folder."""

    def __init__(self, card: TaskCard, folder: Path, table: str = ".") -> None:
        """`table` is the file in `folder` that errors name, in place of the folder itself."""
        self._folder = folder.resolve()
        super().__init__(card, self._folder / table)

    def read(self, locator: str) -> bytes:
        """The image file `locator`, by its path below the folder.

        Raises:
            ImageError: it is missing or cannot be read.
        """
        try:
            return (self._folder / locator).read_bytes()
        except OSError as error:
            raise ImageError(f"{locator!r} of {self._folder} cannot be read: {error}") from error


def png(image: Image, **options: int) -> bytes:
    """The file of an image in PNG, with Pillow's `options`."""
    encoded = BytesIO()
    image.save(encoded, "PNG", **options)
    return encoded.getvalue()
