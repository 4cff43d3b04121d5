"""A name means one thing: classes and modules of the package and of the studies."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("resolution_eval", "studies")
FORM = "resolution_eval/robustness/robustness.py"
"""The `evaluate` library wants a metric's file to have its folder's name."""


def _files() -> list[Path]:
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]


def _repeated(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: found for name, found in places.items() if len(found) > 1}


def test_a_class_is_defined_once() -> None:
    places = defaultdict(list)
    for file in _files():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(ROOT)))
    assert len(places) > 300
    assert _repeated(places) == {}


def test_a_module_or_package_has_a_name_of_its_own() -> None:
    """But for commands, whose modules are called as they are, each by the room that it opens."""
    places = defaultdict(list)
    for file in _files():
        place = str(file.relative_to(ROOT))
        if file.stem == "__main__" or place == FORM or file.parent.name == "commands":
            continue
        name = file.parent.name if file.stem == "__init__" else file.stem
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
    assert len(rooms) > 8
    for file, told in rooms.items():
        inside = {one.stem for one in file.parent.glob("*.py")} - {"__init__", "__main__"}
        inside |= {one.parent.name for one in file.parent.glob("*/__init__.py")}
        assert told == inside, file
