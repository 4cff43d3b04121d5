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
from pathlib import Path

from resolution_eval.data.cards import TaskCard, display_options
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.coco import with_boxes
from resolution_eval.data.sources.delimited import TableRow, require_columns
from resolution_eval.data.sources.folder_contents import FolderContents
from resolution_eval.data.sources.folder_files import not_found
from resolution_eval.data.sources.labels_row import sample_of, tidy, views_of
from resolution_eval.data.sources.layout import layout_of
from resolution_eval.data.sources.row_faults import refuse_faulty
from resolution_eval.data.sources.sample_source import SampleSource
from resolution_eval.data.sources.slide_views import COLUMN as REGION
from resolution_eval.data.sources.slide_views import refuse_targets, slide_bytes, without_microns
from resolution_eval.data.sources.source import Sample, class_of, listing, ordered
from resolution_eval.data.sources.targets import BOX, MASK, with_details
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.pixels import format_of
from resolution_eval.pixels.display_choices import EncodedImage
from resolution_eval.resolution import in_microns


class LocalSource(SampleSource):
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
        self._options = display_options(card)
        layout = layout_of(self._folder, card.cluster)
        table = layout.table
        super().__init__(card, table)
        self.revision = layout.revision
        self.excluded = layout.excluded
        rows = [tidy(row, self._folder) for row in layout.rows]
        require_columns(rows, _needed(card), table)
        refuse_faulty(rows, card, self._folder, table)
        rows, boxes = with_boxes(rows, self._folder, self._options)
        microns = card.microns is not None or in_microns(card.resolutions)
        regions = any(row[REGION] for row in rows)
        refuse_targets([row[BOX] or row[MASK] for row in rows], microns, regions)
        self._views = views_of(rows, card, table)
        plain = [sample_of(row, card) for row in rows]
        samples = with_details(rows, plain, self._folder, table, self._options)
        self._contents = FolderContents(self._folder)
        self._alike = duplicates.groups(self._sized(samples))
        self._refuse_contradictions(samples)
        self._samples = ordered(self._clustered(samples))
        self._notes = (*layout.notes, *boxes, *_spelling_notes(rows, card), *self._copies())

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
        contradictions = duplicates.contradictions(samples, self._alike, lambda one: one.image)
        if contradictions:
            first = self.file_of(next(iter(self._alike)))
            kind = format_of(slide_bytes(self._folder / first, self._options)).name
            raise DataError(
                f"{self._where}: the same {kind} file, byte for byte, has several labels: "
                f"{listing(contradictions)}; keep the right one"
            )

    def file_of(self, locator: str) -> str:
        """Name of the file that a sample's image is in: its own, or the slide's of a region."""
        return self._views.get(locator, (locator, None))[0]

    def _sized(self, samples: Iterable[Sample]) -> dict[str, str]:
        """Content of each image, and file of regions, that has another's size and may be a copy."""
        sizes: dict[int, dict[str, set[str]]] = {}
        for locator in {image for sample in samples for image in sample.images}:
            file = self.file_of(locator)
            path = self._folder / file
            if path.is_file() and (size := path.stat().st_size):
                sizes.setdefault(size, {}).setdefault(file, {file}).add(locator)
        alike = [files for files in sizes.values() if len(files) > 1]
        names = sorted(set().union(*(files[file] for files in alike for file in files)))
        return {name: self._content(name) for name in names}

    def _copies(self) -> Iterator[str]:
        """Copies, images that train and test share, and questions that stand more than once."""
        whole = [self._of_files(sample) for sample in self._samples]
        noun = "images" if whole == list(self._samples) else "files"
        yield from (*_shared(whole, noun), *_repeated(self._samples))
        yield from duplicates.notes(whole, self._alike, noun=noun)

    def _of_files(self, sample: Sample) -> Sample:
        """The sample as if it showed its files whole: who saw a region of a slide saw the slide."""
        image, *more = map(self.file_of, sample.images)
        return replace(sample, image=image, more=tuple(more))

    def _content(self, locator: str) -> str:
        file, region = self._views.get(locator, (locator, None))
        return self._contents.digest(file) + ("" if region is None else f" {region}")

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
                self._contents.refuse_changed(file)
                return slide_bytes(path, options)
            data = path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ImageError(
                f"image file {file!r} of {self._folder} cannot be read: {reason}"
            ) from error
        if data:  # an empty one fails for that, whenever it was emptied
            self._contents.refuse_changed(file, data)
        return EncodedImage.of(data, options)


def _needed(card: TaskCard) -> list[str]:
    needed = ["file", "label", "split"]
    needed += ["question"] if card.kind == "questions" else []
    return needed + ([card.cluster] if card.cluster != "image" else [])


def _shared(samples: Sequence[Sample], noun: str) -> Iterator[str]:
    """That images, or files of them, are in train and test."""
    images = {
        split: {image for sample in samples if sample.split == split for image in sample.images}
        for split in ("train", "test")
    }
    shared = images["train"] & images["test"]
    if shared:
        test = [sample for sample in samples if sample.split == "test"]
        asked = sum(not shared.isdisjoint(sample.images) for sample in test)
        yield (
            f"{len(shared)} of {len(images['test'])} test {noun} are in train too, with {asked} "
            "of the test samples: a model trained on that train split has seen them"
        )


def _repeated(samples: Sequence[Sample]) -> Iterator[str]:
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
