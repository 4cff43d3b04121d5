"""Answers of the study: every sample's, kept as records, and the intervals that follow again.

studies/NAME/ holds the records of a matrix whose answers were kept, of two studies those that the
leaderboard has not. Of the others only docs/study/NAME.json was kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolution_eval.analysis.strategies import MIXED, Matrix
from resolution_eval.jobs.matrix_output import document
from resolution_eval.records import Record, read_record
from resolution_eval.records.store import SUFFIX
from resolution_eval.resolution import Resolution, parse_resolution

Document = Mapping[str, Any]

ROOT = Path(__file__).parent.parent
STUDIES = ROOT / "studies"
RECORDS = ROOT / "leaderboard" / "records"
ON_THE_BOARD = {"pbc56": "*pbc56-*", "phantom": "*embedded-*"}
"""Studies whose answers stand in the leaderboard's records, and under which names."""
PARTS = {
    "cells": ("train", "infer"),
    "further_cells": ("train", "infer"),
    "gaps": ("name", "strategy"),
}
"""Lists of a matrix's document, and what names an entry."""
SAME = 1e-9


def keep(name: str, matrix: Path) -> Path:
    """Copy the records that `resolution-eval matrix` left in `matrix` to studies/NAME."""
    kept = sorted(matrix.glob(f"checkpoints/*/records/*{SUFFIX}"))
    if not kept:
        raise SystemExit(f"{matrix} holds no record of a checkpoint; give the matrix's own folder")
    folder = STUDIES / name
    shutil.rmtree(folder, ignore_errors=True)
    for record in kept:
        place = folder / read_record(record).label
        place.mkdir(parents=True)
        for file in record.parent.glob(f"{record.name.removesuffix(SUFFIX)}.*"):
            shutil.copyfile(file, place / file.name)
    return folder


def records(name: str) -> dict[str, dict[int, Record]]:
    """The scored records of a study at hand, by strategy and seed; empty where none was kept.

    What stands in studies/NAME goes before what the leaderboard has.
    """
    found: dict[str, dict[int, Record]] = {}
    for path in (*_board_s(name), *sorted((STUDIES / name).glob(f"*/*{SUFFIX}"))):
        record = read_record(path)
        if record.blind is None:
            strategy, _, seed = record.label.removeprefix(f"{name}-").partition("-")
            found.setdefault(strategy, {})[int(seed or 0)] = record
    return found


def trained_again(name: str) -> set[str]:
    """The strategies whose answers stand in studies/NAME."""
    return {path.name.rpartition("-")[0] for path in (STUDIES / name).glob("*-*")}


def _board_s(name: str) -> list[Path]:
    """The leaderboard's records of a study."""
    pattern = ON_THE_BOARD.get(name)
    return [] if pattern is None else sorted(RECORDS.glob(f"{pattern}/**/*{SUFFIX}"))


@dataclass(frozen=True)
class Recomputation:
    """What the answers at hand say of one study again."""

    name: str
    checkpoints: int
    """With answers, and in the study."""
    of: int
    compared: int
    """Cells and gaps that could be computed again."""
    different: tuple[str, ...]
    """Those whose figure or interval is another one than docs/study has."""


def recomputed(name: str, kept: Document) -> Recomputation:
    """The study's cells and gaps, computed from its answers by `matrix`, beside those kept."""
    every = {k: len(v) for k, v in kept["matrix"]["checkpoints"].items()}
    found = _whole(name, every)
    compared: list[tuple[str, Document, Document]] = []
    if found:
        again = document(_matrix(kept["matrix"], found))
        compared = list(_pairs(kept["matrix"], again))
    return Recomputation(
        name=name,
        checkpoints=sum(map(len, found.values())),
        of=sum(every.values()),
        compared=len(compared),
        different=tuple(key for key, old, new in compared if not _same(old, new)),
    )


def _whole(name: str, every: Mapping[str, int]) -> dict[str, dict[int, Record]]:
    """The strategies of which every seed's answers are here."""
    return {k: v for k, v in records(name).items() if len(v) == every.get(k)}


def renewed(name: str, kept: Document) -> dict[str, Any]:
    """What was kept of the study, with every cell and gap that its answers give computed anew."""
    matrix = kept["matrix"]
    found = _whole(name, {k: len(v) for k, v in matrix["checkpoints"].items()})
    if not found:
        return dict(kept)
    again = document(_matrix(matrix, found))
    parts = {part: _replaced(matrix[part], again[part], names) for part, names in PARTS.items()}
    runs = {k: v for k, v in again["checkpoints"].items() if k in trained_again(name)}
    return {**kept, "matrix": {**matrix, **parts, "checkpoints": matrix["checkpoints"] | runs}}


def _replaced(
    old: Sequence[Document], new: Sequence[Document], names: tuple[str, str]
) -> list[Document]:
    """`old` with the entries of `new` that are not withheld in place of those of their name."""
    sound = {tuple(e[n] for n in names): e for e in new if "withheld" not in e}
    return [sound.get(tuple(each[n] for n in names), each) for each in old]


def _matrix(kept: Document, found: Mapping[str, Mapping[int, Record]]) -> Matrix:
    """The matrix of what was kept, over the resolutions that every record has."""
    low, native = (parse_resolution(kept[end]) for end in ("low", "native"))
    every = [record for seeds in found.values() for record in seeds.values()]
    scored = set.intersection(*({c.resolution for c in record.cells} for record in every))
    asked = {cell["infer"] for cell in (*kept["cells"], *kept["further_cells"])}
    between: list[Resolution | str] = [parse_resolution(r) for r in sorted(scored & asked)]
    by_seed = {name: tuple(seeds[s] for s in sorted(seeds)) for name, seeds in found.items()}
    return Matrix(by_seed, low, native, ("low", "native", MIXED, *between))


def _pairs(old: Document, new: Document) -> Iterator[tuple[str, Document, Document]]:
    """Every cell and gap that both have, with its name."""
    for part, names in PARTS.items():
        before = {tuple(each[n] for n in names): each for each in old[part]}
        for each in new[part]:
            key = tuple(each[n] for n in names)
            if key in before and "withheld" not in each:
                yield " ".join(key), before[key], each


def _same(old: Document, new: Document) -> bool:
    return all(
        _close(old[name], new[name])
        for name in ("accuracy_percent", "interval_percent", "estimate", "low", "high", "per_seed")
        if name in new
    )


def _close(old: Any, new: Any) -> bool:
    if isinstance(new, list):
        return len(old) == len(new) and all(map(_close, old, new))
    return bool(abs(old - new) <= SAME * max(1.0, abs(new)))
