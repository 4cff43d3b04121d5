"""A name means one thing: classes and modules of the package and of the studies."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("resolution_eval", "studies")
FORM = "resolution_eval/robustness/robustness.py"
"""The `evaluate` library wants a metric's file to have its folder's name."""


def _files() -> list[Path]:
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]


def _repeated(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: files for name, files in places.items() if len(files) > 1}


def _classes() -> dict[str, list[str]]:
    """Every class, and the files that define one of its name."""
    places = defaultdict(list)
    for file in _files():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(ROOT)))
    return places


def test_a_class_is_defined_once() -> None:
    places = _classes()
    assert len(places) > 300
    assert _repeated(places) == {}


def test_no_public_class_is_called_by_a_participle() -> None:
    """`Bounded`, `Served`: what such a thing is, its name does not say."""
    names = {name for name in _classes() if re.fullmatch(r"[A-Z][a-z]+(?:ed|en)|Shown", name)}
    assert not names


def test_a_module_or_package_has_a_name_of_its_own() -> None:
    """A command's module may be called by the room that it opens."""
    places = defaultdict(list)
    for file in _files():
        place = str(file.relative_to(ROOT))
        if file.stem == "__main__" or place == FORM:
            continue
        name = file.parent.name if file.stem == "__init__" else file.stem
        if not (file.parent.name == "commands" and any(ROOT.glob(f"resolution_eval/{name}/"))):
            places[name].append(place)
    assert len(places) > 200
    assert _repeated(places) == {}


def test_no_public_name_is_also_a_modules() -> None:
    import resolution_eval

    folder = ROOT / "resolution_eval"
    modules = {file.stem for file in folder.glob("*.py")} | {
        file.parent.name for file in folder.glob("*/__init__.py")
    }
    assert not modules & {*resolution_eval.__all__, "run", "doctor"}


ROWS = re.compile(r"^\|(.*?)\|", re.MULTILINE)


def _told(file: Path) -> set[str]:
    """The names in the first column of the table of modules in a package's docstring."""
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return {name for row in ROWS.findall(told) for name in re.findall(r"`(\w+)`", row)}


def test_a_rooms_table_names_every_module_of_it_and_no_other() -> None:
    rooms = {file: _told(file) for file in _files() if file.stem == "__init__" and _told(file)}
    assert len(rooms) >= 8
    for file, told in rooms.items():
        inside = {one.stem for one in file.parent.glob("*.py")} - {"__init__", "__main__"}
        inside |= {one.parent.name for one in file.parent.glob("*/__init__.py")}
        assert told == inside, file


VAGUE = frozenset({"found"})
"""Words that say nothing of what a variable holds: its noun stands instead."""


def _locals(function: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that a function binds (parameters and comprehensions too), with its line."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, node.lineno


def _vague(source: str) -> list[int]:
    """The lines that call a local variable by a vague word."""
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    )
    return sorted({line for one in functions for name, line in _locals(one) if name in VAGUE})


@pytest.mark.parametrize(
    "line",
    [
        "found = 1",
        "found: int = 1",
        "first, *found = one",
        "if (found := one): pass",
        "for found in one: pass",
        "one = [found for found in one]",
        "with one as found: pass",
        "def inner(*, found): pass",
        "one = lambda found: one",
        "try: pass\n  except OSError as found: pass",
    ],
)
def test_a_vague_word_is_seen_wherever_it_is_bound(line: str) -> None:
    assert _vague(f"def outer(one):\n  {line}\n") in ([2], [3])


def test_a_field_and_a_keyword_are_no_local_variables() -> None:
    assert _vague("class One:\n  found: int\ndef two(one): return one.found, One(found=1)") == []


def test_no_local_variable_is_called_by_a_vague_word() -> None:
    files = sorted((ROOT / "resolution_eval").rglob("*.py"))
    assert len(files) > 400
    lines = {str(file): _vague(file.read_text(encoding="utf-8")) for file in files}
    assert {name: numbers for name, numbers in lines.items() if numbers} == {}
