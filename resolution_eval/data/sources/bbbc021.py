"""BBBC021: plates of three-channel images as the Broad Bioimage Benchmark Collection has them.

`BBBC021_v1_image.csv`, `BBBC021_v1_moa.csv`, and the plates as zip files
(`BBBC021_v1_images_Week1_22123.zip`) or unpacked (`Week1_22123/`), as many as are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import PIL.Image

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.containers import Container, open_container
from resolution_eval.data.sources.delimited import TableRow, read_table, rows_of
from resolution_eval.data.sources.folder_files import escape
from resolution_eval.data.sources.sample_source import FolderSource, png
from resolution_eval.data.sources.source import Exclusion, Sample, class_of, listing
from resolution_eval.ground.errors import DataError, ImageError, suggest
from resolution_eval.images import decode

IMAGES = "BBBC021_v1_image.csv"
MECHANISMS = "BBBC021_v1_moa.csv"
CHANNELS = ("Actin", "Tubulin", "DAPI")
"""What becomes red, green and blue."""
CONTROL = "DMSO"
NEEDED = (
    *(f"Image_FileName_{channel}" for channel in CHANNELS),
    *(f"Image_PathName_{channel}" for channel in CHANNELS),
    "Image_Metadata_Compound",
    "Image_Metadata_Concentration",
)


class Bbbc021Source(FolderSource):
    """The images of every plate in `folder` whose compound has a known mechanism of action.

    Controls, treatments without a mechanism and images of plates that are not there are listed in
    `excluded`: loaded + excluded = lines of the image table. An image whose channels are damaged
    keeps its sample. A locator is the files of its channels, each as `plate/file`, apart by "|".

    Raises:
        DataError: a table is absent, broken or lacks a column; a mechanism is none of the card's
            classes; or a plate's zip is damaged or unsafe.
    """

    name = "bbbc021"
    _notes = (
        "actin, tubulin and DNA are shown as red, green and blue, each 16-bit channel spread "
        "from its own minimum to its own maximum",
    )

    def __init__(self, folder: Path, card: TaskCard) -> None:
        super().__init__(card, folder, IMAGES)
        self.revision = card.revision
        rows = _table(self._folder / IMAGES, NEEDED)
        self._mechanisms = _mechanisms(self._folder / MECHANISMS, card)
        self._zips: dict[str, Container] = {}
        self._members: dict[str, tuple[str, str]] = {}
        self._open_zips()
        self._keep(self._entries(rows))
        self._known = {one.image: self._checksums(one.image) for one in self._samples}

    def _open_zips(self) -> None:
        for file in sorted(self._folder.glob("BBBC021_v1_images_*.zip")):
            plate = file.stem.removeprefix("BBBC021_v1_images_")
            self._zips[plate] = open_container(file)
            for member in self._zips[plate].members:
                name = f"{plate}/{PurePosixPath(member.name).name}"
                self._members[name] = (member.name, member.checksum)

    def _entries(self, rows: list[TableRow]) -> Iterator[Sample | Exclusion]:
        seen: set[str] = set()
        for row in rows:
            identity = f"{_plate(row)}/{PurePosixPath(row['Image_FileName_DAPI']).stem}"
            reason = self._unfit(row, identity in seen)
            if reason is None:
                seen.add(identity)
            yield Exclusion(identity, reason) if reason else self._sample(row, identity)

    def _unfit(self, row: TableRow, repeated: bool) -> str | None:
        """Why a line is no sample; None where it is one."""
        moa = self._mechanisms.get(_treatment(row))
        if moa is None:
            return "treatment without a known mechanism"
        if moa == CONTROL:
            return "control (DMSO)"
        if repeated:
            return "repeats another line's image"
        plate = _plate(row)
        there = plate in self._zips or self._unpacked(plate) is not None
        return None if there else "plate is not there"

    def _sample(self, row: TableRow, identity: str) -> Sample:
        paths = (
            f"{PurePosixPath(row[f'Image_PathName_{name}']).name}/{row[f'Image_FileName_{name}']}"
            for name in CHANNELS
        )
        answer = class_of(self._mechanisms[_treatment(row)], self._card) or ""
        compound = row["Image_Metadata_Compound"]
        return self._of_class(identity, answer, image="|".join(paths), cluster=compound)

    def _unpacked(self, plate: str) -> Path | None:
        """The plate's folder, also inside its week's."""
        if escape(plate, self._folder):
            return None
        places = (self._folder / plate, self._folder / plate.partition("_")[0] / plate)
        return next((place for place in places if place.is_dir()), None)

    def _checksums(self, locator: str) -> str:
        """Checksums of the channels' members, or sizes of their files."""
        return "|".join(map(self._checksum, locator.split("|")))

    def _checksum(self, file: str) -> str:
        if file in self._members:
            return self._members[file][1]
        path = self._path(file)
        return str(path.stat().st_size) if path is not None and path.is_file() else "missing"

    def _path(self, file: str) -> Path | None:
        plate, _, name = file.partition("/")
        place = self._unpacked(plate)
        return None if place is None or escape(name, place) else place / name

    def read(self, locator: str) -> bytes:
        """The channels of a locator as one RGB image, a PNG.

        Raises:
            ImageError: a channel is missing or damaged, or they differ in size.
        """
        bands = [self._band(file) for file in locator.split("|")]
        if len({band.size for band in bands}) > 1:
            raise ImageError(f"the channels of {locator!r} differ in size")
        return png(PIL.Image.merge("RGB", bands), compress_level=1)

    def _band(self, file: str) -> PIL.Image.Image:
        return decode(self._bytes(file)).image.getchannel(0)

    def _bytes(self, file: str) -> bytes:
        path = self._path(file)
        try:
            if file in self._members:
                return self._zips[file.partition("/")[0]].read(self._members[file][0])
            if path is not None:
                return path.read_bytes()
        except OSError as error:
            raise ImageError(f"{file!r} of {self._folder} cannot be read: {error}") from error
        raise ImageError(f"{file!r} is not in {self._folder}")


def _table(table: Path, needed: tuple[str, ...]) -> list[TableRow]:
    rows = list(rows_of(read_table(table), table))
    if not rows:
        raise DataError(f"{table} has no line below its header")
    for column in needed:
        if column not in rows[0].cells:
            raise DataError(f"{table} has no column {column!r}; {suggest(column, rows[0].cells)}")
    return rows


def _mechanisms(table: Path, card: TaskCard) -> dict[tuple[str, str], str]:
    """Compound and concentration to mechanism, as the table writes it."""
    mechanisms = {}
    unknown = []
    for row in _table(table, ("compound", "concentration", "moa")):
        moa = row["moa"]
        if moa != CONTROL and class_of(moa, card) is None:
            unknown.append(f"line {row.line}: {moa!r}")
        mechanisms[(row["compound"], _number(row["concentration"], row, table))] = moa
    if unknown:
        raise DataError(f"{table}: unknown mechanism {listing(unknown)}")
    return mechanisms


def _number(text: str, row: TableRow, table: Path | str) -> str:
    """A concentration written in one way: 0.10 and 0.1 are the same."""
    try:
        return repr(float(text))
    except ValueError as error:
        raise DataError(f"{table}, line {row.line}: {text!r} is no concentration") from error


def _treatment(row: TableRow) -> tuple[str, str]:
    concentration = _number(row["Image_Metadata_Concentration"], row, IMAGES)
    return row["Image_Metadata_Compound"], concentration


def _plate(row: TableRow) -> str:
    return PurePosixPath(row["Image_PathName_DAPI"]).name
