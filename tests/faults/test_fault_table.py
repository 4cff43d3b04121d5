"""The table of planted faults names tests that exist, and the page shows how each one ended."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import fault_page
import pytest
from fault_table import FAULTS, Fault

TESTS = Path(__file__).parents[1]


@cache
def slow_by_name(file: str) -> dict[str, bool]:
    """Names of the tests in a file, and whether each is marked slow."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    whole = any("slow" in ast.unparse(node) for node in tree.body if _assigns_mark(node))
    found: dict[str, bool] = {}
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for each in inside:
            if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
                marks = [ast.unparse(mark) for mark in each.decorator_list]
                found[prefix + each.name] = whole or "pytest.mark.slow" in marks
    return found


def _assigns_mark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.planted[:40])
def test_the_test_of_a_fault_is_there(fault: Fault) -> None:
    file, _, name = fault.test.partition("::")
    assert slow_by_name(file).get(name) is fault.slow


def test_at_least_fifty_faults_along_the_whole_way_and_none_twice() -> None:
    assert len(FAULTS) >= 50
    assert (
        min(Counter(fault.where for fault in FAULTS).values()) >= 10
        and len({fault.where for fault in FAULTS}) == 5
    )
    assert len({fault.planted for fault in FAULTS}) == len({f.test for f in FAULTS}) == len(FAULTS)


def test_the_page_has_a_result_for_every_fault() -> None:
    results = fault_page.read_results()
    assert set(results) == {fault.test for fault in FAULTS}
    assert {result["ended"] for result in results.values()} <= {"passed", "not run"}
    page = fault_page.PAGE.read_text(encoding="utf-8")
    assert page == fault_page.page(results), "run `python tests/faults/fault_page.py`"


@pytest.mark.slow
def test_pytest_collects_every_one_of_them() -> None:
    nodes = [f"tests/{fault.test}" for fault in FAULTS]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-m", "", *nodes]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert all(node in done.stdout for node in nodes)
