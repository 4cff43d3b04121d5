"""Answers: what a row said to every sample, in files of a hundred, read only when looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resolution_eval.board.board_schema import BoardRow, Curve
from resolution_eval.board.scopes import dataset_id
from resolution_eval.records.answer_table import Answers

PAGE = 100
"""Samples per file."""
LONGEST = 200
"""Characters of an answer or target that are kept."""

COLUMNS = ("sample", "target", "resolution", "prediction", "answer", "correct", "failure_kind")
SIZES = ("grid_height", "grid_width")
SETTING = ("scheme", "filter", "answer_mode")


@dataclass(frozen=True)
class Sheet:
    """The answers of one curve."""

    folder: str
    """Where its files lie under `data/answers/`, up to their number."""
    resolutions: tuple[str, ...]
    samples: tuple[list[Any], ...]
    """[sample, target, one entry per resolution or null]; those whose verdict changes first."""
    flips: int
    """Samples whose verdict changes with the resolution."""

    def summary(self) -> dict[str, Any] | None:
        """Where the answers are and how many; None where the board has none."""
        if not self.samples:
            return None
        return {
            "folder": self.folder,
            "pages": -(-len(self.samples) // PAGE),
            "samples": len(self.samples),
            "flips": self.flips,
            "resolutions": list(self.resolutions),
        }

    def pages(self) -> Iterator[tuple[str, list[list[Any]]]]:
        """Every file, by its path under `data/`."""
        for start in range(0, len(self.samples), PAGE):
            name = f"answers/{self.folder}-{start // PAGE}.json"
            yield name, list(self.samples[start : start + PAGE])


def sheet(row: BoardRow, curve: Curve) -> Sheet:
    """The answers of `curve`, in the setting of `row`."""
    names = tuple(point.resolution for point in curve.points)
    answers = Answers(curve.record.answers.table.select([*COLUMNS, *SIZES, *SETTING]))
    wanted = (row.scheme, row.filter, curve.answer_mode)
    place = {name: number for number, name in enumerate(names)}
    lines: dict[str, list[Any]] = {}
    for one in answers.each():  # a stranger decides how many there are
        if tuple(one[name] for name in SETTING) == wanted and one["resolution"] in place:
            new = [_cut(one["sample"]), _cut(one["target"]), [None] * len(names)]
            line = lines.setdefault(one["sample"], new)
            line[2][place[one["resolution"]]] = _entry(one)
    changing = {name: _changes(line) for name, line in lines.items()}
    order = sorted(lines, key=lambda name: (not changing[name], name))
    samples = tuple(lines[name] for name in order)
    return Sheet(f"{row.key}/{dataset_id(curve)}", names, samples, sum(changing.values()))


def _entry(answer: Mapping[str, Any]) -> list[Any]:
    """[1 right, 0 wrong, null failed; what was answered; grid or null]."""
    said = answer["prediction"] or answer["answer"] or answer["failure_kind"] or ""
    height, width = (answer[name] for name in SIZES)
    return [answer["correct"], _cut(said), None if height is None else [height, width]]


def _changes(line: list[Any]) -> bool:
    return len({entry[0] for entry in line[2] if entry and entry[0] is not None}) > 1


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
