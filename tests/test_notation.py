"""Notation: what is ambiguous, or would become too much, is refused before it is built."""

from __future__ import annotations

import ast
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resolution_eval
from resolution_eval.data.cards.card_files import parse_task_card
from resolution_eval.data.sources.published.table_benchmarks import tsv_rows
from resolution_eval.ground.errors import CardError, DataError, RecordError, UsageError
from resolution_eval.ground.notation import NotationError, json_value, toml_table, yaml_value
from resolution_eval.jobs.sweep_plan import read_plan
from resolution_eval.records.bounded import read_document, read_lines

PACKAGE = Path(resolution_eval.__file__).parent
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine levels of nine aliases: 0.4 kB that stand for 387 million words."""

REFUSED: tuple[tuple[Callable[[str], Any], str, str], ...] = (
    (json_value, '{"a": 1,\n"b": {"c": 1,\n"c": 2}}', "line 3: the key 'c' stands twice"),
    (json_value, '{"a": 1, "\\u0061": 2}', "the key 'a' stands twice"),
    (json_value, '[{"x": {"": 1, "": 1}}]', "the key '' stands twice"),
    (json_value, "[1e999]", "too large for a number"),
    (json_value, '{"a":\nNaN}', "line 2: holds NaN"),
    (json_value, f"[1{'0' * 400}]", "a number above 1e"),
    (json_value, f"[{'9' * 5_000}]", "limit"),
    (toml_table, "a = 1e999", "too large for a number"),
    (toml_table, "a = inf", "too large for a number"),
    (toml_table, "[t]\na = [nan]", "too large for a number"),
    (toml_table, f"a = {'9' * 5_000}", "limit"),
    (toml_table, f"a = 0x{'f' * 5_000}", "a number above 1e"),
    (yaml_value, "a: [.inf]", "is not a number"),
    (yaml_value, "a: {b: .nan}", "is not a number"),
    (yaml_value, "a: 1.0e+999", "is not a number"),
    (yaml_value, f"a: 0b1{'0' * 20_000}", "a number above 1e"),
    (yaml_value, f"a: 1:{':'.join(['59'] * 3_000)}", "a number above 1e"),
    (yaml_value, "1: a\n01: b", "line 1: a key is no text"),
    (yaml_value, "a: 1\nyes: b\ntrue: c", "line 2: a key is no text"),
    (yaml_value, "~: a\nnull: b", "a key is no text"),
    (yaml_value, "? [1]\n: b", "a key is no text"),
    (yaml_value, "- a\n" * 200_000, "stands for more than"),
    (yaml_value, "[" + "a," * 200_000 + "]", "stands for more than"),
    (json_value, "[" * 100_000, "nested deeper"),
    (json_value, "[" * 70 + "]" * 70, "nested deeper"),
    (json_value, '["\\ud800"]', "half a character"),
    (json_value, "[" + "[]," * 1_000_001 + "0]", "lists and tables"),
    (json_value, "[" + "0," * 8_000_001 + "0]", "8,000,0"),
    (toml_table, "a = 1\na = 2", "Cannot overwrite"),
    (toml_table, "[a]\nb = 1\n[a]\n", "twice"),
    (toml_table, "a = " + "[" * 5_000, "nested deeper"),
    (toml_table, ".".join("a" * 90) + " = 1", "nested deeper"),
    (toml_table, "#" * 300_000, "longer than"),
    (yaml_value, "a: 1\na: 2", "line 2: the key 'a' stands twice"),
    (yaml_value, "x: {a: 1, 'a': 2}", "the key 'a' stands twice"),
    (yaml_value, LAUGHS, "stands for more than 100,000 values"),
    (yaml_value, "a: &x [*x]", "stands for what it is part of"),
    (yaml_value, "[" * 2_000, "nested deeper"),
    (yaml_value, "when: 2026-13-45", "month must be"),
    (yaml_value, "!!python/object/apply:os.system ['true']", "could not determine"),
)


@pytest.mark.parametrize(("read", "text", "said"), REFUSED)
def test_an_ambiguous_or_exploding_text_is_refused(
    read: Callable[[str], Any], text: str, said: str
) -> None:
    with pytest.raises(NotationError, match=said):
        read(text)


def test_what_is_plain_is_read_as_the_libraries_read_it() -> None:
    document = {"a": [1, 2.5, None, True, "ü\ud83d\ude00".encode("utf-16", "surrogatepass").hex()]}
    assert json_value(json.dumps(document)) == document
    assert yaml_value("base: &b {p: 1}\nother: {<<: *b, q: 2}")["other"] == {"p": 1, "q": 2}
    assert yaml_value("") is None
    assert toml_table("a.b = 1\n[c]\nd = [1, 2]") == {"a": {"b": 1}, "c": {"d": [1, 2]}}


def test_nothing_of_nested_aliases_is_built() -> None:
    tracemalloc.start()
    with pytest.raises(NotationError):
        yaml_value(LAUGHS)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20


def test_documents_lines_plans_cards_and_tables_refuse_a_second_key(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text('{"trained_on": [],\n"trained_on": ["phantom"]}', encoding="utf-8")
    with pytest.raises(RecordError, match="line 2: the key 'trained_on' stands twice"):
        read_document(file)
    file.write_text('{}\n{"a": 1, "a": 2}\n', encoding="utf-8")
    with pytest.raises(RecordError, match="line 2: the key 'a'"):
        list(read_lines(file))
    file.write_text("output: a\noutput: b\nmodels: []\ntasks: []\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 2: the key 'output' stands twice"):
        read_plan(file)
    file.write_text(LAUGHS, encoding="utf-8")
    with pytest.raises(UsageError, match="stands for more than"):
        read_plan(file)
    with pytest.raises(CardError, match="the key 'name' stands twice"):
        parse_task_card('{"name": "a", "name": "b"}')
    file.write_text("index\tanswer\tanswer\n0\tA\tB\n", encoding="utf-8")
    with pytest.raises(DataError, match="names the column 'answer' twice"):
        list(tsv_rows(file))


OWN = {
    "ground/notation.py": "the reader itself",
    "ground/lines.py": "one text in quotes, of a document that was read before",
    "models/wrapped/predictors.py": "a conversation that this process wrote",
    "report/charts.py": "a template of this package",
    "host/verdicts.py": "a column that this process wrote",
    "host/parcels.py": "a line that this process packed",
}
"""Modules that may parse without the one reader, and why."""


def test_no_module_parses_json_toml_or_yaml_by_another_reader() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _parses(node):
                found.add(name)
    assert found == set(OWN)


def _parses(call: ast.Call) -> bool:
    """Whether a call reads a notation by its library."""
    said = ast.unparse(call.func)
    if said in ("json.loads", "json.load", "yaml.safe_load", "tomllib.loads", "tomllib.load"):
        return True
    checked = call.args and ast.unparse(call.args[0]).startswith(("unambiguous(", "text"))
    return said.endswith(".model_validate_json") and not checked
