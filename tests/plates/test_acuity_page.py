"""The figures of docs/acuity.md are those that the commands kept, and no others."""

from __future__ import annotations

import pytest

from benchmarks.acuity_page import BLOCKS, PAGE, _outside, figure, page
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
    assert figure({**ends, "estimate": 0.0}, smallest=0.5) == "below 0.50 [3.00, ∞]"


def cell(half, most):
    return {"truth": [2, 3, 0.1], "answers": 72, "images": 18, "half": half, "most": most}


def test_a_coverage_that_is_not_as_wanted_is_said_in_a_sentence():
    assert _outside([cell(0.93, 0.97), cell(0.95, None)]) == "All sizes are held in 0.93 to 0.97."
    said = _outside([cell(0.95, 0.905), cell(0.985, None)])
    assert said == (
        "Held in less than 0.93: the 90 % size at (2, 3, 0.1), 72 answers to 18 images (0.905). "
        "Held in more than 0.97: the 50 % size at (2, 3, 0.1), 72 answers to 18 images (0.985)."
    )
