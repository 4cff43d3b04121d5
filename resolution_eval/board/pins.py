"""Pins: the test samples of a data set that every submission must have answered, and no other.

    python -m resolution_eval.board.pins NAME ...

writes leaderboard/samples/NAME.json from the data at hand, which must be the whole published test
split. A record on a data set without a pin is not accepted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from resolution_eval.evidence.verdict import Form
from resolution_eval.ground import paths
from resolution_eval.ground.errors import DataError, RecordError
from resolution_eval.records.bounded import Document, read_as
from resolution_eval.records.store import MAX_ROWS

SAMPLES = "samples"
MAX_CELLS = 200
"""Most cells of a record: schemes, filters, answer modes and resolutions of one task."""


@dataclass(frozen=True)
class PinnedSample:
    """What is fixed of one sample."""

    target: str
    cluster: str
    form: Form
    choices: tuple[str, ...]


class _PinRow(Document):
    id: str
    target: str
    cluster: str | None = None
    """Null where it is the id."""
    form: Form = "closed"
    choices: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """Null where they are those of the whole data set."""


class Pin(Document):
    """The test split of one data set."""

    dataset: str
    revision: str
    """Of the card."""
    fingerprint: str
    """SHA-256 over all samples and images, as `resolution_eval.data.sources` gives it."""
    made_from: str
    """Where the samples were read."""
    choices: Annotated[tuple[str, ...], Field(strict=False)]
    samples: Annotated[tuple[_PinRow, ...], Field(strict=False, min_length=1)]

    @cached_property
    def by_id(self) -> dict[str, PinnedSample]:
        """The samples."""
        return {
            row.id: PinnedSample(
                row.target,
                row.id if row.cluster is None else row.cluster,
                row.form,
                self.choices if row.choices is None else row.choices,
            )
            for row in self.samples
        }


def read_pin(dataset: str, folder: Path) -> Pin | None:
    """The pin of `dataset` in the leaderboard's `folder`; None where there is none.

    Raises:
        RecordError: it breaks its schema.
    """
    path = folder / SAMPLES / f"{dataset}.json"
    return _pin(path, _state(path)) if path.is_file() else None


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


@lru_cache(maxsize=64)
def _pin(path: Path, state: tuple[int, int, int]) -> Pin:
    """The pin in `path`, read once for as long as the file stays in one state."""
    return read_as(Pin, path)


def most_answers(folder: Path) -> int:
    """Most answers that one record can have: all samples of the largest pin, in as many cells as a
    record may hold. A pin that breaks its schema bounds nothing, and is a fault of its own.
    """
    most = []
    for path in (folder / SAMPLES).glob("*.json"):
        with suppress(RecordError):
            most.append(len(_pin(path, _state(path)).samples))
    return MAX_CELLS * max(most) if most else MAX_ROWS


def pin_text(dataset: str) -> str:
    """The pin of `dataset` from the data at hand, as JSON, one sample a line.

    Raises:
        DataError: the data is not at hand.
    """
    from resolution_eval.data.sources import at_hand
    from resolution_eval.datasets import find_card

    card = find_card(dataset)
    source = at_hand(card)
    if source is None:
        raise DataError(f"{dataset} is not at hand; see `resolution-eval datasets {dataset}`")
    rows = []
    for sample in sorted(source.samples("test"), key=lambda sample: sample.id):
        row: dict[str, object] = {"id": sample.id, "target": sample.answer}
        if sample.cluster != sample.id:
            row["cluster"] = sample.cluster
        if sample.form != "closed":
            row["form"] = sample.form
        if sample.choices != card.classes:
            row["choices"] = sample.choices
        rows.append("  " + json.dumps(row))
    head = {
        "dataset": card.name,
        "revision": card.revision,
        "fingerprint": source.fingerprint,
        "made_from": source.name,
        "choices": card.classes,
    }
    opening = json.dumps(head, indent=1).removesuffix("\n}")
    return f'{opening},\n "samples": [\n' + ",\n".join(rows) + "\n ]\n}\n"


def main(names: Sequence[str]) -> None:
    """Write the pins of the data sets `names` into the repository."""
    folder = paths.leaderboard() / SAMPLES
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / f"{name}.json"
        path.write_text(pin_text(name), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
