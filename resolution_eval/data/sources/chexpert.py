"""CheXpert: the official folder and tables, original or small, never the two mixed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path, PurePosixPath

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.delimited import TableRow, read_table, rows_of
from resolution_eval.data.sources.folder_files import escape
from resolution_eval.data.sources.sample_source import FolderSource
from resolution_eval.data.sources.source import Exclusion, Sample, listing
from resolution_eval.ground.errors import DataError, suggest

FOLDERS = ("CheXpert-v1.0", "CheXpert-v1.0-small")
TABLES = {"train": "train.csv", "test": "valid.csv"}
"""Our split, to the official table: the test set proper was published later, in another form."""
LABELS = {"1.0": 1, "1": 1, "0.0": 0, "0": 0, "": 0, "-1.0": -1, "-1": -1}
"""A finding as written, to present (1), absent (0; blank is not mentioned) or uncertain (-1)."""


def find_chexpert(root: Path) -> Path | None:
    """The one CheXpert folder below `root`; None where there is none.

    Raises:
        DataError: both the original and the small one are there.
    """
    folders = [root / name for name in FOLDERS if (root / name / TABLES["test"]).is_file()]
    if len(folders) > 1:
        raise DataError(
            f"{root} has both {FOLDERS[0]} and {FOLDERS[1]}, which are never mixed; "
            "move one of them elsewhere"
        )
    return folders[0] if folders else None


class ChexpertSource(FolderSource):
    """Frontal radiographs of the official CheXpert `folder`, and one finding of its tables.

    The official validation images (three radiologists' consensus) are the test split. Lateral views
    are listed in `excluded`, and so are images whose label is uncertain, unless the card says
    otherwise.

    Raises:
        DataError: a table is absent or broken, lacks the finding, has an unknown label, or names
            images of the other size or outside the folder.
    """

    name = "chexpert"

    def __init__(self, folder: Path, card: TaskCard) -> None:
        super().__init__(card, folder)
        assert card.chexpert is not None
        self._asked = card.chexpert
        digests = []
        entries: list[Sample | Exclusion] = []
        self._uncertain = 0
        for split, name in TABLES.items():
            table = self._folder / name
            if split == "train" and not table.is_file():
                continue
            data = read_table(table)
            digests.append(f"{name} sha256:{sha256(data).hexdigest()}")
            rows = list(rows_of(data, table))
            self._refuse_faulty(rows, table)
            entries += [self._entry(row, split) for row in rows]
        self.revision = f"{self._folder.name} {', '.join(digests)}"
        self._keep(entries)
        self._notes = (
            f"images of {self._folder.name}",
            f"{self._uncertain} uncertain labels: {self._asked.uncertain}",
        )

    def _refuse_faulty(self, rows: list[TableRow], table: Path) -> None:
        if not rows:
            raise DataError(f"{table} has no line below its header; it must list the images")
        present = rows[0].cells
        for column in ("Path", "Frontal/Lateral", self._asked.finding):
            if column not in present:
                raise DataError(f"{table} has no column {column!r}; {suggest(column, present)}")
        faults = [f"line {row.line}: {text}" for row in rows if (text := self._fault(row))]
        if faults:
            raise DataError(f"{table}: {listing(faults)}")

    def _fault(self, row: TableRow) -> str | None:
        path = row["Path"]
        if row[self._asked.finding] not in LABELS:
            return f"unknown label {row[self._asked.finding]!r}; write 1.0, 0.0, -1.0 or nothing"
        parts = PurePosixPath(path).parts
        if parts[:1] != (self._folder.name,) or len(parts) < 2:
            return f"{path!r} is not an image of {self._folder.name}; the two are never mixed"
        return escape(path, self._folder.parent)

    def _entry(self, row: TableRow, split: str) -> Sample | Exclusion:
        path = row["Path"]
        if row["Frontal/Lateral"] != "Frontal":
            return Exclusion(path, "not a frontal view", split)
        label = LABELS[row[self._asked.finding]]
        if label < 0:
            self._uncertain += 1
            if self._asked.uncertain == "exclude":
                return Exclusion(path, f"uncertain of {self._asked.finding}", split)
            label = int(self._asked.uncertain == "positive")
        parts = PurePosixPath(path).parts
        patient = next((part for part in parts if part.startswith("patient")), parts[-2])
        answer = self._card.classes[label]
        return self._of_class("/".join(parts[1:]), answer, cluster=patient, split=split)

    def _content(self, locator: str) -> str:
        """The size of the image file."""
        path = self._folder / locator
        return f"{self._folder.name}:{path.stat().st_size}" if path.is_file() else "missing"
