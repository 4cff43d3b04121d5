"""The page of grids under two versions of transformers is what the installed one does."""

from __future__ import annotations

import json
from copy import deepcopy
from importlib.metadata import version

import pytest

from benchmarks import versions

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_page_follows_from_the_figures() -> None:
    figures = json.loads(versions.FIGURES.read_text(encoding="utf-8"))
    written = versions.PAGE.read_text(encoding="utf-8")
    assert written == versions.page(figures["old"], figures["new"]), (
        "run python -m benchmarks.versions"
    )
    assert figures["old"]["transformers"].startswith("4.57")


def test_the_figures_are_those_of_the_installed_version() -> None:
    figures = json.loads(versions.FIGURES.read_text(encoding="utf-8"))["new"]
    if figures["transformers"] != version("transformers"):
        pytest.skip(f"measured under transformers {figures['transformers']}")
    assert versions.measure() == figures


def test_a_difference_is_shown_in_its_table() -> None:
    figures = json.loads(versions.FIGURES.read_text(encoding="utf-8"))["new"]
    other = deepcopy(figures)
    other["transformers"] = "9.9"
    other["families"]["llava"]["controlled"]["64 at 3:2"] = "1x1: 7"
    other["qwen3_vl"]["as it is"]["64"] = "64x64"
    page = versions.page(other, figures)
    assert "| llava | 64 at 3:2 | 1x1: 7 |" in page
    assert "**64x64 -> 256x256**" in page
