"""Closed questions without options, beside ranked ones: each in its own cell, none in the rank."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from synthetic_runs import line, write_run

from resolution_eval.board.pins import PinnedSample
from resolution_eval.board.record_scores import _without_options
from resolution_eval.board.rescore import _coverage
from resolution_eval.records import make_records

PINNED = {
    "a": PinnedSample("adipose", "a", "closed", ("adipose", "mucosa", "lymph")),
    "b": PinnedSample("mucosa", "b", "closed", ("adipose", "mucosa", "lymph")),
    "c": PinnedSample("MRI", "c", "closed", ()),
}
ANSWERED = {"a": "rank", "b": "rank", "c": "generate"}


def faults(folder: Path, answered: dict[str, str]) -> list[str]:
    lines = [
        line(sample, "28", target=PINNED[sample].target, answer_mode=mode)
        for sample, mode in answered.items()
    ]
    write_run(folder, lines)
    (record,) = make_records(folder)
    pin: Any = SimpleNamespace(dataset="synthetic", by_id=PINNED)
    return list(_coverage(record, pin))


def test_each_cell_holds_the_questions_that_belong_to_it(tmp_path: Path) -> None:
    assert faults(tmp_path, ANSWERED) == []


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ({"a": "rank", "c": "generate"}, "sample 'b' at 28: absent"),
        ({"a": "rank", "b": "rank"}, "sample 'c' at 28: absent"),
        ({"a": "rank", "b": "generate", "c": "generate"}, "sample 'b' at 28: absent"),
        ({"a": "generate", "b": "generate"}, "sample 'c' at 28: absent"),
    ],
)
def test_a_question_that_is_left_out_is_named(
    tmp_path: Path, answered: dict[str, str], said: str
) -> None:
    assert any(said in fault for fault in faults(tmp_path, answered))


def test_generated_answers_alone_hold_all_questions(tmp_path: Path) -> None:
    assert faults(tmp_path, dict.fromkeys(PINNED, "generate")) == []


def test_generated_answers_are_a_curve_only_where_nothing_is_ranked() -> None:
    generated, ranked = ("match", "bicubic", "generate"), ("match", "bicubic", "rank")
    assert _without_options(generated, {generated, ranked})
    assert not _without_options(generated, {generated, ("restore", "bicubic", "rank")})
    assert not _without_options(ranked, {generated, ranked})
