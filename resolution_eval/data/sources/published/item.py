"""Item: one line of a published benchmark, before it is judged to be a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from resolution_eval.data.sources.containers import MOST_UNPACKED, SPARE, Container, open_container
from resolution_eval.data.sources.delimited import read_table, utf8_text
from resolution_eval.data.sources.folder_contents import MISSING, FolderContents
from resolution_eval.data.sources.folder_files import escape, not_found
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.ground.notation import BOM, NotationError, json_value, lines_of

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

ROWS = 64
"""Most rows of a table in memory at once."""
BATCH = 2**28
"""Most bytes of a column's rows in memory at once, as far as its table tells them."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question as a benchmark's file has it."""

    id: str
    images: tuple[str, ...]
    """Locators of its images, for the `Images` of the benchmark."""
    question: str
    answer: str
    options: tuple[str, ...] = ()
    cluster: str | None = None
    """None: the image."""
    split: str = "test"
    boxes: tuple[tuple[float, float], ...] = ()
    """Width and height in pixels of the findings that are marked in its image."""
    kind: str = "box"
    """What the largest of them is: findings of one kind make one curve over sizes."""
    reason: str | None = None
    """Why it is no sample, where the file itself says so."""


class Images:
    """Images of a benchmark: files below a folder, in a zip beside it, or held by its table."""

    def __init__(self, folder: Path, zips: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._held: dict[str, bytes] = {}
        self._contents = FolderContents(folder)
        files = [folder / name for name in zips if (folder / name).is_file()]
        self._members: dict[str, tuple[Container, str, str]] = {
            name: (container, member.name, member.checksum)
            for container in map(open_container, files)
            for member in container.members
            for name in {member.name, PurePosixPath(member.name).name}
        }

    def hold(self, data: bytes) -> str:
        """Keep the bytes of an image that a table holds; its locator, by its content."""
        locator = f"table/{sha256(data).hexdigest()}"
        self._held[locator] = data
        return locator

    def content(self, locator: str) -> str:
        """What tells an image's content without decoding it."""
        if locator in self._held:
            return locator.partition("/")[2]
        member = self._members.get(locator)
        if member is not None:
            return f"{locator} {member[2]}"
        inside = escape(locator, self._folder) is None
        return self._contents.digest(locator) if inside else MISSING

    def read(self, locator: str) -> bytes:
        """The encoded image.

        Raises:
            ImageError: it is missing, damaged, outside the folder, or another than its content was.
        """
        if locator in self._held:
            return self._held[locator]
        try:
            if locator in self._members:
                container, name, _ = self._members[locator]
                return container.read(name)
            if escape(locator, self._folder) is not None:
                raise ImageError(f"{locator!r} leads out of {self._folder}")
            if not (self._folder / locator).is_file():
                raise ImageError(f"image file {not_found(locator, self._folder)}")
            data = (self._folder / locator).read_bytes()
        except OSError as error:
            raise ImageError(f"{locator!r} of {self._folder} cannot be read: {error}") from error
        if data:
            self._contents.refuse_changed(locator, data)
        return data


def json_of(file: Path) -> Any:
    """The value in a file of JSON.

    Raises:
        DataError: it cannot be read, or is no JSON.
    """
    try:
        return json_value(read_table(file).removeprefix(BOM))
    except NotationError as error:
        raise DataError(f"{file} is not JSON in UTF-8; download it again") from error


def json_lines(file: Path) -> Iterator[Mapping[str, Any]]:
    """The objects in a file of one JSON object a line.

    Raises:
        DataError: a line is none, or not in UTF-8.
    """
    for number, line in enumerate(lines_of(utf8_text(read_table(file), file)), start=1):
        if line.strip():
            try:
                value = json_value(line)
            except NotationError as error:
                raise DataError(f"{file}, line {number}: not JSON; download it again") from error
            if not isinstance(value, dict):
                raise DataError(f"{file}, line {number}: not a JSON object")
            yield value


def parquet_rows(files: list[Path]) -> Iterator[Mapping[str, Any]]:
    """The rows of tables in parquet, in the order of their names.

    Raises:
        DataError: one is damaged, or unpacks to too much.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    for file in sorted(files):
        try:
            with parquet.ParquetFile(file) as table:
                for batch in table.iter_batches(batch_size=_rows_at_once(file, table.metadata)):
                    yield from batch.to_pylist()
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{file} is not a whole table; download it again") from error


def _rows_at_once(file: Path, told: FileMetaData) -> int:
    """How many rows of a table fit `BATCH` bytes, were each as long as all of its column: one text
    that a table keeps once may stand in every row.

    Raises:
        DataError: the table unpacks to more than images and questions do.
    """
    groups = [told.row_group(place) for place in range(told.num_row_groups)]
    sizes = [
        int(group.column(place).total_uncompressed_size)
        for group in groups
        for place in range(group.num_columns)
    ]
    most = MOST_UNPACKED * file.stat().st_size + SPARE
    if sum(sizes) > most:
        raise DataError(
            f"{file} unpacks to {sum(sizes):,} bytes, and {most:,} may be; is it a table of images?"
        )
    return max(1, min(ROWS, BATCH // max([1, *sizes])))


def need(row: Mapping[str, Any], columns: tuple[str, ...], where: Path) -> None:
    """Raise where the row lacks one of the published `columns`.

    Raises:
        DataError: it does.
    """
    lacking = [column for column in columns if column not in row]
    if lacking:
        raise DataError(
            f"{where}: no {lacking[0]!r} in its first row, which has {', '.join(map(str, row))}; "
            "is it the published file?"
        )


def text(value: Any) -> str:
    """A cell as text: a word like None stays one; only what is absent is empty."""
    return "" if value is None else str(value).strip()


def letter(value: str, options: tuple[str, ...]) -> str:
    """The option that a letter stands for; empty where it stands for none."""
    place = ord(value.upper()) - ord("A") if len(value) == 1 and value.isascii() else -1
    return options[place] if 0 <= place < len(options) else ""
