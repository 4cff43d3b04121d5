"""Archives: a published zip or tar with one folder of images per class, read in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from resolution_eval.data.cards import ArchiveCard, TaskCard
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.checksum import check_size
from resolution_eval.data.sources.containers import open_container
from resolution_eval.data.sources.sample_source import SampleSource
from resolution_eval.data.sources.source import Exclusion, Sample, ordered
from resolution_eval.ground.errors import DataError, ImageError

IMAGE_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


class ArchiveSource(SampleSource):
    """The test split in the archive `file`, whose class folders `archive` names.

    A sample's id is its class folder and all below it. Members that are no image of a class (a
    readme, what an operating system left behind) are listed in `excluded`.

    Raises:
        DataError: the file is not the published one (size), is damaged or unsafe, or has an image
            without a cluster.
    """

    name = "archive"

    def __init__(self, file: Path, archive: ArchiveCard, card: TaskCard) -> None:
        super().__init__(card, file)
        self._archive = archive
        check_size(file, archive)
        self._container = open_container(file)
        members = self._container.members
        self._known = {one.name: one.checksum for one in members if self._below(one.name)}
        self.excluded = tuple(
            Exclusion(member.name, "not an image in a class folder")
            for member in members
            if member.name not in self._known
        )
        # published MD5 of the file, which was verified, or its size where none is published
        identity = f"md5:{archive.md5}" if archive.md5 else f"{file.stat().st_size} bytes"
        self.revision = f"{file.name} {identity}"
        samples = list(self._make_samples())
        # a CRC and the size tell contents apart; the size alone, all that a tar holds, does not
        alike = duplicates.groups({name: c for name, c in self._known.items() if ":" in c})
        same = {sample.image: sample.id for sample in samples}
        self._samples = ordered(
            replace(sample, cluster=same[alike[sample.image][0]])
            if archive.cluster is None and sample.image in alike
            else sample
            for sample in samples
        )
        contradictions = duplicates.contradictions(samples, alike, lambda sample: sample.id)
        self._notes = tuple(duplicates.notes(samples, alike, contradictions))
        self._refuse_duplicates()

    def _below(self, member: str) -> tuple[str, ...]:
        """The parts of an image's path from its class folder on; none where it is no such image."""
        path = PurePosixPath(member)
        if path.suffix.lower() not in IMAGE_ENDINGS or path.name.startswith("."):
            return ()
        if "__MACOSX" in path.parts:
            return ()
        for depth in range(len(path.parts) - 2, -1, -1):
            if path.parts[depth] in self._archive.folders:
                return path.parts[depth:]
        return ()

    def _make_samples(self) -> Iterator[Sample]:
        for member in self._known:
            parts = self._below(member)
            identity = "/".join(parts)
            cluster = self._cluster(member, identity)
            answer = self._archive.folders[parts[0]]
            yield self._of_class(identity, answer, image=member, cluster=cluster)

    def _cluster(self, member: str, identity: str) -> str:
        if self._archive.cluster is None:
            return identity
        match = re.search(self._archive.cluster, member)
        if match is None:
            raise DataError(
                f"{self._where}: no {self._card.cluster} in the name {member!r}; "
                f"it should match {self._archive.cluster!r}"
            )
        return match[1]

    def _refuse_duplicates(self) -> None:
        seen: set[str] = set()
        for sample in self._samples:
            if sample.id in seen:
                raise DataError(f"{self._where}: two images are called {sample.id!r}")
            seen.add(sample.id)

    def read(self, locator: str) -> bytes:
        """The image file that is the member `locator`.

        Raises:
            ImageError: the member is damaged, or missing.
        """
        try:
            return self._container.read(locator)
        except OSError as error:
            raise ImageError(
                f"member {locator!r} of {self._where} cannot be read: {error}"
            ) from error
