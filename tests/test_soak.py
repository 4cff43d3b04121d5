"""What the soak says of a run follows from what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.soak import Note, Watch, _result

ASKED = 200
LEAKED = {"100 %": 9}


def notes(growth: int = 0, descriptors: Mapping[str, int] | None = None) -> list[Note]:
    """A run of a gigabyte that grows by `growth` bytes an answer beside its replies of 1 KiB."""
    known = {"before": 0, **{f"{n} %": 2 * n for n in range(1, 101)}, "written": ASKED}
    return [
        Note(
            when=when,
            answers=answers,
            seconds=0.1 * answers,
            resident=2**30 + (1024 + growth) * answers,
            peak=2**30 + (1024 + growth) * answers,
            replies=1024 * answers,
            descriptors=(descriptors or {}).get(when, 4),
            threads=1,
        )
        for when, answers in known.items()
    ]


def test_replies_alone_are_no_growth() -> None:
    result = _result(notes(), ASKED, ASKED, {})
    assert result.ratio == 1 and result.met
    assert [row["when"] for row in result.rows][:3] == ["before", "1 %", "10 %"]


def test_growth_with_the_answers_is_seen() -> None:
    result = _result(notes(growth=2**20), ASKED, ASKED, {})
    assert result.ratio == pytest.approx(1.176, abs=0.01) and result.met is False


def test_a_descriptor_left_open_and_an_answer_lost_are_no_result() -> None:
    with pytest.raises(RuntimeError, match="4 descriptors grew to 9"):
        _result(notes(descriptors=LEAKED), ASKED, ASKED, {})
    with pytest.raises(RuntimeError, match="200 answers asked for, 200 given, 199 written"):
        _result(notes(), ASKED, ASKED - 1, {})


def test_the_watch_looks_at_every_percent() -> None:
    watch = Watch(ASKED)
    for _ in range(ASKED):
        watch.count("x" * 100)
    assert [note.answers for note in watch.notes] == list(range(2, ASKED + 1, 2))
    assert watch.notes[-1].replies > 100 * ASKED and watch.notes[-1].descriptors > 0
