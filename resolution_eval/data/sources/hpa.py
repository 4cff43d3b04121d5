"""Human Protein Atlas: its XML entries, and the images of cell lines that the user downloaded.

`proteinatlas.xml.gz`, or any `*.xml` of single genes (`ENSG00000134057.xml`), and the images under
`images/ANTIBODY/FILE`, as the last two parts of their addresses.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast
from xml.etree import ElementTree

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.folder_files import escape
from resolution_eval.data.sources.sample_source import FolderSource
from resolution_eval.data.sources.source import Exclusion, Sample
from resolution_eval.ground.errors import DataError

HEAD = 4096
"""Bytes in which a document type, which the atlas has none of, would stand."""
ASSAY = "antibody/cellExpression/subAssay"


class HpaSource(FolderSource):
    """Every image of a cell line of the card's that is in `folder`.

    A cell line's name counts without case, spaces and signs (U-2 OS, U2OS). Images of other cell
    lines, images that are not there and images listed again are in `excluded`: loaded + excluded =
    images listed. The cluster is the gene. The atlas publishes no split: all are test.

    Raises:
        DataError: an XML is damaged, has a document type, or lists no image of a cell line.
    """

    name = "hpa"

    def __init__(self, folder: Path, card: TaskCard) -> None:
        super().__init__(card, folder)
        self._names = {_plain(name): name for name in card.classes}
        self._names |= {_plain(raw): name for raw, name in card.label_names.items()}
        files = sorted([*self._folder.glob("*.xml"), *self._folder.glob("*.xml.gz")])
        self._keep(self._entries(files))
        if not (self._samples or self.excluded):
            names = [file.name for file in files]
            raise DataError(f"{names} of {self._folder} list no image of a cell line")
        self.revision = ", ".join(f"{file.name} {file.stat().st_size} bytes" for file in files[:20])
        self._known = {
            one.image: str((self._folder / one.image).stat().st_size) for one in self._samples
        }

    def _entries(self, files: list[Path]) -> Iterator[Sample | Exclusion]:
        seen: set[str] = set()
        for gene, line, address in (item for file in files for item in _images(file)):
            locator = "/".join(("images", *PurePosixPath(address).parts[-2:]))
            reason = self._unfit(locator, line, locator in seen)
            seen.add(locator)
            if reason:
                yield Exclusion(f"{gene}: {address}", reason)
            else:
                answer, identity = self._names[_plain(line)], locator.removeprefix("images/")
                yield self._of_class(identity, answer, image=locator, cluster=gene)

    def _unfit(self, locator: str, line: str, repeated: bool) -> str | None:
        if _plain(line) not in self._names:
            return "cell line is none of the classes"
        if repeated:
            return "listed more than once"
        inside = escape(locator, self._folder) is None
        return None if inside and (self._folder / locator).is_file() else "image is not there"


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _images(file: Path) -> Iterator[tuple[str, str, str]]:
    """Gene, cell line and address of every image of a human cell line in an XML of the atlas."""
    try:
        with _opened(file) as stream:
            for _, entry in ElementTree.iterparse(stream):
                if entry.tag == "entry":
                    yield from _of_entry(entry)
                    entry.clear()
    except (ElementTree.ParseError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file} is not a whole XML of the atlas ({error})") from error


def _opened(file: Path) -> IO[bytes]:
    """The XML's bytes; one with a document type, by which entities could grow, is refused."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as stream:
        head = stream.read(HEAD)
    if b"<!DOCTYPE" in head.upper() or b"\0" in head:
        raise DataError(f"{file} has a document type, or is not UTF-8; the atlas's own are plain")
    return cast("IO[bytes]", opener(file, "rb"))


def _of_entry(entry: ElementTree.Element) -> Iterator[tuple[str, str, str]]:
    identifier = entry.find("identifier")
    gene = entry.findtext("name") or "unknown"
    gene = identifier.get("id", gene) if identifier is not None else gene
    for assay in entry.iterfind(ASSAY):
        if assay.get("type", "human") != "human":
            continue
        for data in assay.iterfind("data"):
            line = data.findtext("cellLine")
            for address in data.iterfind("assayImage/image/imageUrl"):
                if line and address.text:
                    yield gene, line.strip(), address.text.strip()
