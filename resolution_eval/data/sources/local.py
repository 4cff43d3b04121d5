"""Local layout: a folder with `labels.csv` beside its images, which is also how users bring data.

Columns: file (several names apart by "|", or file_2, file_3, ... for the images after the first),
label, split, source; for questions also question, and where known qid, choices
(separated by "|"), answer_type (closed or open); where known the finding's box or mask (see
`targets`); of a whole slide the `region` that is shown (see `slide_views`); any further column may
serve as the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.coco import with_boxes
from resolution_eval.data.sources.delimited import TableRow, require_columns
from resolution_eval.data.sources.folder_files import not_found
from resolution_eval.data.sources.labels_row import sample_of, tidy, views_of
from resolution_eval.data.sources.layout import layout_of
from resolution_eval.data.sources.row_faults import refuse_faulty
from resolution_eval.data.sources.slide_views import COLUMN as REGION
from resolution_eval.data.sources.slide_views import refuse_targets, slide_bytes, without_microns
from resolution_eval.data.sources.source import (
    Sample,
    class_of,
    fingerprint,
    listing,
    of_split,
    ordered,
)
from resolution_eval.data.sources.targets import BOX, MASK, with_details
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.ground.files import file_digest
from resolution_eval.pixels import format_of
from resolution_eval.pixels.display_choices import Cut, EncodedImage, Options
from resolution_eval.resolution import in_microns


class LocalSource:
    """The data set in `folder`, in the local layout.

    A sample's id is its `qid` where there is such a column; else the file, with a hash of the
    question added for question tasks. An image that is missing, empty or corrupt keeps its sample:
    `read` or `decode` raises when it is asked for.

    Raises:
        DataError: labels.csv is absent, not UTF-8, not CSV or without a needed column; or it has
            lines with an unknown label or split, an empty cell, a formula, a duplicate id, or a
            file outside the folder. Every such line is named.
    """

    name = "local"

    def __init__(self, folder: Path, card: TaskCard) -> None:
        self._folder = folder.resolve()
        self._card = card
        self._options = _options(card)
        self._layout = layout_of(self._folder, card.cluster)
        self.revision = self._layout.revision
        self.excluded = self._layout.excluded
        rows = [tidy(row, self._folder) for row in self._layout.rows]
        require_columns(rows, _needed(card), self._layout.table)
        refuse_faulty(rows, card, self._folder, self._layout.table)
        rows, self._boxes = with_boxes(rows, self._folder)
        microns = card.microns is not None or in_microns(card.resolutions)
        regions = any(row[REGION] for row in rows)
        refuse_targets([row[BOX] or row[MASK] for row in rows], microns, regions)
        self._views = {name: view for row in rows for name, view in views_of(row)}
        self._slides = microns or regions
        samples = with_details(
            rows, [sample_of(row, card) for row in rows], self._folder, self._layout.table
        )
        self._digests: dict[str, str] = {}
        self._alike = duplicates.groups(self._sized(samples))
        self._refuse_contradictions(samples)
        self._samples = ordered(self._clustered(samples))
        self._spelt = tuple(_spelling_notes(rows, card))
        self._found: dict[str, str] = {}
        self._stamps: dict[str, str] = {}
        """Size and time of each slide, which is too large to be read whole for each sample."""

    def _clustered(self, samples: Sequence[Sample]) -> Iterator[Sample]:
        """The samples with copies in one cluster; regions of copies of a slide are too."""
        for sample in duplicates.clustered(samples, self._alike):
            cluster = sample.cluster
            if sample.image in self._views and cluster == self.file_of(sample.image):
                sample = replace(sample, cluster=self._alike.get(cluster, (cluster,))[0])
            yield sample

    def _refuse_contradictions(self, samples: Sequence[Sample]) -> None:
        if self._card.kind != "classification":
            return
        found = duplicates.contradictions(samples, self._alike, lambda sample: sample.image)
        if found:
            first = self.file_of(next(iter(self._alike)))
            kind = format_of(slide_bytes(self._folder / first, self._options)).name
            raise DataError(
                f"{self._layout.table}: the same {kind} file, byte for byte, has several labels: "
                f"{listing(found)}; keep the right one"
            )

    def file_of(self, locator: str) -> str:
        """Name of the file that a sample's image is in: its own, or the slide's of a region."""
        return self._views.get(locator, (locator, None))[0]

    def _sized(self, samples: Iterable[Sample]) -> dict[str, str]:
        """Content of each image that is not alone in its size: only those can be copies."""
        sizes: dict[int, set[str]] = {}
        for locator in sorted({image for sample in samples for image in sample.images}):
            path = self._folder / self.file_of(locator)
            if path.is_file() and path.stat().st_size:
                sizes.setdefault(path.stat().st_size, set()).update(
                    (locator, self.file_of(locator))
                )
        alike = [file for files in sizes.values() if len(files) > 1 for file in files]
        return {file: self._content(file) for file in sorted(alike)}

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Copies, images that train and test share, questions that stand more than once, and what
        was read otherwise than it was written.
        """
        told = [*self._layout.notes, *self._boxes, *self._spelt, *_notes(self._samples)]
        return (*told, *duplicates.notes(self._samples, self._alike))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and image contents, whatever the order they are stored in."""
        locators = {image for sample in self._samples for image in sample.images}
        if self._slides:
            files = {self.file_of(locator) for locator in locators}
            there = [file for file in files if (self._folder / file).is_file()]
            self._stamps = {file: _stamp(self._folder / file) for file in there}
        self._found = {locator: self._content(locator) for locator in locators}
        return fingerprint(self._samples, self._found)

    def _content(self, locator: str) -> str:
        file, region = self._views.get(locator, (locator, None))
        if file not in self._digests:
            path = self._folder / file
            self._digests[file] = file_digest(path) if path.is_file() else "missing"
        return self._digests[file] + ("" if region is None else f" {region}")

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown or has no line.
        """
        return of_split(self._samples, split, str(self._layout.table))

    def read(self, locator: str) -> bytes:
        """The image file named `locator` in labels.csv, as the fingerprint knows it; of a slide,
        or a region of one, its beginning, with what is to be read of it.

        Raises:
            ImageError: it is missing, cannot be read, or changed since the fingerprint was taken.
        """
        locator, microns = without_microns(locator, self._views)
        file, region = self._views.get(locator, (locator, None))
        path = self._folder / file
        if not path.is_file():
            raise ImageError(f"image file {not_found(file, self._folder)} (No such file)")
        options = replace(self._options, microns=microns or self._options.microns, region=region)
        try:
            if options.microns or region:
                self._refuse_changed(file, _stamp(path), self._stamps)
                return slide_bytes(path, options)
            data = path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ImageError(
                f"image file {file!r} of {self._folder} cannot be read: {reason}"
            ) from error
        if locator in self._found:
            self._refuse_changed(file, sha256(data).hexdigest(), self._found)
        return EncodedImage.of(data, options)

    def _refuse_changed(self, file: str, found: str, known: dict[str, str]) -> None:
        if known.setdefault(file, found) != found:
            raise ImageError(
                f"image file {file!r} of {self._folder} changed while the run was under way; "
                "run again on data that stays as it is"
            )


def _options(card: TaskCard) -> Options:
    return Options(
        window=card.window,
        frame=card.frame,
        slice=Cut.parse(card.slice),
        max_pixels=card.max_pixels,
        microns=card.microns,
    )


def _needed(card: TaskCard) -> list[str]:
    needed = ["file", "label", "split"]
    needed += ["question"] if card.kind == "questions" else []
    return needed + ([card.cluster] if card.cluster != "image" else [])


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _notes(samples: Sequence[Sample]) -> Iterator[str]:
    images = {
        split: {image for sample in samples if sample.split == split for image in sample.images}
        for split in ("train", "test")
    }
    shared = images["train"] & images["test"]
    if shared:
        test = [sample for sample in samples if sample.split == "test"]
        asked = sum(not shared.isdisjoint(sample.images) for sample in test)
        yield (
            f"{len(shared)} of {len(images['test'])} test images are in train too, with {asked} "
            "of the test samples: a model trained on that train split has seen them"
        )
    counts = Counter((sample.images, sample.question.casefold()) for sample in samples)
    repeated = sum(count > 1 for count in counts.values())
    if repeated:
        yield f"{repeated} questions stand more than once about the same image; all are kept"


def _spelling_notes(rows: Sequence[TableRow], card: TaskCard) -> Iterator[str]:
    """Labels that are spelt otherwise than the class that they are taken for."""
    if card.kind != "classification":
        return
    known = {*card.classes, *card.label_names}
    other = Counter(row["label"] for row in rows if row["label"] not in known)
    told = [f"{label!r} as {class_of(label, card)!r}" for label in sorted(other)]
    if told:
        yield (
            f"{sum(other.values())} labels are spelt otherwise than their class and taken for it: "
            f"{listing(told)}"
        )
