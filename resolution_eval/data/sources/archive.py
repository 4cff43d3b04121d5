"""Archives: a published zip or tar with one folder of images per class, read in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from resolution_eval.data.cards import ArchiveCard, TaskCard
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.checksum import check_size
from resolution_eval.data.sources.containers import open_container
from resolution_eval.data.sources.source import Exclusion, Sample, fingerprint, of_split, ordered
from resolution_eval.ground.errors import DataError, ImageError

IMAGE_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


class ArchiveSource:
    """The test split in the archive `file`, whose class folders `archive` names.

    A sample's id is its class folder and all below it. Members that are no image of a class (a
    readme, what an operating system left behind) are listed in `excluded`.

    Raises:
        DataError: the file is not the published one (size), is damaged or unsafe, or has an image
            without a cluster.
    """

    name = "archive"
    notes: tuple[str, ...] = ()

    def __init__(self, file: Path, archive: ArchiveCard, card: TaskCard) -> None:
        self._file = file
        self._archive = archive
        self._card = card
        check_size(file, archive)
        self._container = open_container(file)
        images = [member for member in self._container.members if self._class(member.name)]
        self.excluded = tuple(
            Exclusion(member.name, "not an image in a class folder")
            for member in self._container.members
            if not self._class(member.name)
        )
        self._checksums = {member.name: member.checksum for member in images}
        samples = list(self._make_samples())
        # a CRC and the size tell contents apart; the size alone, all that a tar holds, does not
        alike = duplicates.groups({name: c for name, c in self._checksums.items() if ":" in c})
        same = {sample.image: sample.id for sample in samples}
        self._samples = ordered(
            replace(sample, cluster=same[alike[sample.image][0]])
            if archive.cluster is None and sample.image in alike
            else sample
            for sample in samples
        )
        contradictions = duplicates.contradictions(samples, alike, lambda sample: sample.id)
        self.notes = tuple(duplicates.notes(samples, alike, contradictions))
        self._refuse_duplicates()

    def _class(self, member: str) -> str | None:
        parts = self._class_folder(member)
        return None if parts is None else self._archive.folders[parts[-1]]

    def _class_folder(self, member: str) -> tuple[str, ...] | None:
        """The parts of an image's path down to its class folder; None where it is no such image."""
        path = PurePosixPath(member)
        if path.suffix.lower() not in IMAGE_ENDINGS or path.name.startswith("."):
            return None
        if "__MACOSX" in path.parts:
            return None
        for depth in range(len(path.parts) - 1, 0, -1):
            if path.parts[depth - 1] in self._archive.folders:
                return path.parts[:depth]
        return None

    def _make_samples(self) -> Iterator[Sample]:
        for member in self._checksums:
            above = len(self._class_folder(member) or ()) - 1
            identity = "/".join(PurePosixPath(member).parts[above:])
            yield Sample(
                id=identity,
                image=member,
                question=self._card.question or "",
                answer=self._class(member) or "",
                choices=self._card.classes,
                cluster=self._cluster(member, identity),
                split="test",
            )

    def _cluster(self, member: str, identity: str) -> str:
        if self._archive.cluster is None:
            return identity
        match = re.search(self._archive.cluster, member)
        if match is None:
            raise DataError(
                f"{self._file}: no {self._card.cluster} in the name {member!r}; "
                f"it should match {self._archive.cluster!r}"
            )
        return match[1]

    def _refuse_duplicates(self) -> None:
        seen: set[str] = set()
        for sample in self._samples:
            if sample.id in seen:
                raise DataError(f"{self._file}: two images are called {sample.id!r}")
            seen.add(sample.id)

    @property
    def revision(self) -> str:
        """Published MD5 of the file, which was verified, or its size where none is published."""
        size = self._file.stat().st_size
        identity = f"md5:{self._archive.md5}" if self._archive.md5 else f"{size} bytes"
        return f"{self._file.name} {identity}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and what the archive holds of each image: checksum or size."""
        return fingerprint(self._samples, self._checksums)

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of the test split, ordered by the SHA-256 of their id.

        Raises:
            DataError: another split is asked for, or the archive has no image of a class.
        """
        return of_split(self._samples, split, str(self._file))

    def read(self, locator: str) -> bytes:
        """The image file that is the member `locator`.

        Raises:
            ImageError: the member is damaged, or missing.
        """
        try:
            return self._container.read(locator)
        except OSError as error:
            raise ImageError(
                f"member {locator!r} of {self._file} cannot be read: {error}"
            ) from error
