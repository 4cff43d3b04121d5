"""The rooms: which may import which, as `[tool.importlinter]` in pyproject.toml says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import resolution_eval
from resolution_eval import startup
from resolution_eval.ground import registry
from tools import rooms

ROOT = Path(__file__).parents[1]


def _linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the package in `folder`, by that folder's pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    first = {**os.environ, "PYTHONPATH": str(folder)}  # before the installed one
    return subprocess.run(
        command, cwd=folder, env=first, capture_output=True, text=True, timeout=120
    )


def test_every_import_keeps_to_the_rooms() -> None:
    found = _linted(ROOT)
    assert found.returncode == 0, found.stdout
    assert "2 kept, 0 broken" in found.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package beside its contract, to be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    sources = shutil.ignore_patterns("__pycache__", "share")
    shutil.copytree(ROOT / "resolution_eval", tmp_path / "resolution_eval", ignore=sources)
    return tmp_path


def _planted(folder: Path, module: str, line: str) -> str:
    with (folder / "resolution_eval" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    found = _linted(folder)
    assert found.returncode == 1
    return found.stdout


@pytest.mark.whole
def test_an_import_upwards_is_refused_even_for_types_alone(copied: Path) -> None:
    line = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from resolution_eval.report import tables"
    said = _planted(copied, "statistics/strategy_gaps.py", line)
    assert "resolution_eval.statistics is not allowed to import resolution_eval.report" in said


@pytest.mark.whole
def test_a_circle_within_a_room_is_refused(copied: Path) -> None:
    said = _planted(
        copied, "models/families/parts.py", "import resolution_eval.models.families.family_base"
    )
    assert "No modules or rooms import each other in a circle BROKEN" in said


@pytest.mark.whole
def test_a_module_without_a_room_is_refused(copied: Path) -> None:
    (copied / "resolution_eval" / "helpers.py").write_text("")
    assert "resolution_eval.helpers" in _planted(copied, "ground/errors.py", "")


def test_the_page_of_the_rooms_is_what_the_contract_and_the_docstrings_say() -> None:
    assert rooms.PAGE.read_text(encoding="utf-8") == "".join(rooms.page())


def test_a_step_that_is_no_more_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="has no render_at"):
        rooms.said_of("resolution_eval.images.render_at")


def test_the_hosts_module_has_one_name_though_it_is_written_twice() -> None:
    assert startup.HOST_TASKS == registry.HOST_TASKS


def test_the_version_is_the_installed_ones() -> None:
    from importlib.metadata import version

    assert version("resolution-eval") == resolution_eval.__version__


def test_the_version_to_cite_is_this_one() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["version"] == resolution_eval.__version__
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f'"resolution-eval, version {told["version"]}, ' in readme
