"""The journal of what was paid for: a half line costs itself alone, and texts keep their signs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resolution_eval.ground.notation import lines_of
from resolution_eval.models.wrapped import batch_services
from resolution_eval.models.wrapped.journal import FILE, Journal

URL = "https://x.org/v1/chat"


def answer(text: str) -> dict[str, object]:
    return {"choices": [{"message": {"content": text}}]}


def test_the_answer_after_a_half_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / FILE
    journal = Journal(path)
    for number in range(2):
        journal.keep(URL, {"n": number}, answer(f"said {number}"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])  # a run that was killed, or whose disk was full
    Journal(path).keep(URL, {"n": 2}, answer("said 2"))
    again = Journal(path)
    assert [again.take(URL, {"n": n}) for n in range(3)] == [
        answer("said 0"),
        None,
        answer("said 2"),
    ]


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85"])
def test_a_sign_that_ends_a_line_elsewhere_ends_none_of_a_batch(sign: str) -> None:
    line = {"custom_id": "q0", "text": f"benign{sign}tumour"}
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in (line, line))
    assert len(text.splitlines()) == 4
    assert list(batch_services._lines(text.encode())) == [line, line]
    assert lines_of(f"a{sign}b\nc") == [f"a{sign}b", "c"]
