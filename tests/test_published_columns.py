"""Loaders against the column names that publishers use, as published_columns.toml has them.

A made-up folder can agree with its loader and with nothing else: so neither may read or write a
column that nobody saw in the published form.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources import open_source
from resolution_eval.data.sources.delimited import TableRow
from resolution_eval.data.sources.published import SETS, questions, radiographs, table_benchmarks

sys.path.insert(0, str(Path(__file__).parent))
from test_published_benchmarks import BUILD

TABLE = tomllib.loads((Path(__file__).parent / "published_columns.toml").read_text("utf-8"))
HUB = {name: card for name, card in task_cards().items() if card.hub is not None}
READERS = ("json_of", "json_lines", "parquet_rows", "tsv_rows")


def columns(name: str) -> set[str]:
    """What was seen, and what a loader may ask for besides, where it is there."""
    return {*TABLE[name]["columns"], *TABLE[name].get("not_seen", ())}


class Watched(dict[str, Any]):
    """A row, which notes the columns that it is asked for."""

    def __init__(self, row: dict[str, Any], asked: set[str]) -> None:
        super().__init__(row)
        self._asked = asked

    def __getitem__(self, column: str) -> Any:
        self._asked.add(column)
        return super().__getitem__(column)

    def get(self, column: str, default: Any = None) -> Any:
        self._asked.add(column)
        return super().get(column, default)


def watched(value: Any, asked: set[str], had: set[str]) -> Any:
    """Rows among lists and mappings of lists, each under watch; a row's own lists of rows too."""
    if isinstance(value, list):
        return [watched(one, asked, had) for one in value]
    if not isinstance(value, dict):
        return value
    inside = {key: watched(one, asked, had) for key, one in value.items()}
    if not is_row(value):
        return inside
    had.update(value)
    return Watched(inside, asked)


def is_row(value: dict[str, Any]) -> bool:
    """Whether it has columns; else its keys are sources, splits, questions or letters."""
    if not value or set(value) == {"bytes", "path"}:  # an image in a cell
        return False
    return not all(isinstance(one, dict | list) or len(key) == 1 for key, one in value.items())


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """The columns that loaders ask for, and those that rows have."""
    asked: set[str] = set()
    had: set[str] = set()

    def rows_of(read: Any) -> Any:
        def reading(*arguments: Any) -> Any:
            found = read(*arguments)
            lazy = isinstance(found, Iterator)
            return (
                (watched(row, asked, had) for row in found) if lazy else watched(found, asked, had)
            )

        return reading

    for module in (questions, table_benchmarks):
        for name in READERS:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, rows_of(getattr(module, name)))
    cell = TableRow.__getitem__

    def celled(row: TableRow, column: str) -> str:
        asked.add(column)
        had.update(row.cells)
        return cell(row, column)

    monkeypatch.setattr(TableRow, "__getitem__", celled)
    assert radiographs.rows_of
    return asked, had


def test_every_set_of_a_publishers_own_form_has_its_columns_with_link_and_date() -> None:
    assert set(TABLE) >= {*SETS, *HUB}
    for name, told in TABLE.items():
        assert name in task_cards(), name
        assert told["link"].startswith("https://") and isinstance(told["seen"], date), name
        assert told["evidence"] in ("direct", "loader", "second-hand"), name
        assert len(set(told["columns"])) == len(told["columns"]) > 2, name
        assert not set(told["columns"]) & set(told.get("not_seen", ())), name


@pytest.mark.parametrize("card", HUB.values(), ids=HUB)
def test_a_card_names_the_columns_of_its_repository(card: TaskCard) -> None:
    hub = card.hub
    assert hub is not None
    named = {hub.image, hub.question, hub.answer, hub.correct, hub.answer_type, hub.id, hub.cluster}
    assert {*filter(None, named), *hub.choices} <= columns(card.name)


def test_a_card_of_chexpert_asks_about_a_column_of_its_table() -> None:
    card = task_cards()["chexpert"].chexpert
    assert card is not None and {card.finding, "Path", "Frontal/Lateral"} <= columns("chexpert")


@pytest.mark.parametrize("name", list(SETS))
def test_a_loader_and_its_made_up_folder_use_the_published_columns_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: tuple[set[str], set[str]]
) -> None:
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    card = task_cards()[name]
    BUILD[name](tmp_path / "data" / card.folder)
    assert open_source(card).samples()
    asked, had = watch
    assert len(asked) >= 2 and len(had) > 2, "the loader was watched"
    assert asked <= columns(name), asked - columns(name)
    assert had <= columns(name), had - columns(name)
