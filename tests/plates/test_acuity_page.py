"""The figures of docs/acuity.md are those that the commands kept, and no others."""

from __future__ import annotations

import pytest

from benchmarks.acuity_page import BLOCKS, PAGE, figure, page
from benchmarks.acuity_results import load


def test_the_page_is_made_from_what_was_kept():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, load()) == text


def test_every_kept_section_is_on_the_page():
    assert {section for section, _ in BLOCKS.values()} == set(load())


def test_another_figure_is_another_page():
    text, found = PAGE.read_text(encoding="utf-8"), load()
    kept = next(iter(found["coverage"].values()))
    kept["cells"][0]["half"] = 0.123
    assert "0.123" in page(text, found)


def test_a_page_that_lost_its_mark_is_an_error():
    with pytest.raises(ValueError, match="0 blocks named"):
        page("# Acuity", load())


def test_what_lies_beyond_the_sizes_shown_is_said():
    ends = {"estimate": None, "low": 3.0, "high": None}
    assert figure(ends) == "not reached [3.00, ∞]"
    assert figure({**ends, "estimate": 0.0, "low": 0.0}) == "below 0.75 [0.00, ∞]"
    assert figure(None) == "–"
