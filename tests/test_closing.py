"""What stands under lmms-eval's table, and in which order its rows are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from synthetic_runs import CLASSES, line

from resolution_eval import closing
from resolution_eval.host import tasks
from resolution_eval.host.tally import Tally


def results(task: str = "synthetic_res") -> dict[str, Any]:
    rows = {f"acc@{r},none": v for r, v in (("224", 0.5), ("28", 0.25), ("native", 0.75))}
    return {
        "results": {
            task: {
                "alias": task,
                **rows,
                "acc@28_stderr,none": 0.1,
                "data,none": "1",
                "attestation,none": "x",
            }
        },
        "higher_is_better": {task: {"acc@28": True, "acc@224": True}},
        "configs": {task: {"task": task, "metadata": {"card": "synthetic"}}},
        "config": {"model": "resflamingo", "model_args": "pretrained=x"},
        "date": "20260101_000000",
    }


def test_resolutions_are_in_numeric_order_and_words_go() -> None:
    given = results()
    shown = closing.ordered(given, "results")["results"]["synthetic_res"]
    names = sorted(name for name in shown if name.startswith("acc@") and "stderr" not in name)
    assert names == ["acc@028,none", "acc@224,none", "acc@native,none"]
    assert "acc@028_stderr,none" in shown and "data,none" not in shown
    assert "acc@28,none" in given["results"]["synthetic_res"]


def test_others_tasks_are_left_as_they_are() -> None:
    given = results("mme")
    assert closing.ordered(given, "results")["results"]["mme"] == given["results"]["mme"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        line(f"s{i}", r, correct=int(i % 3 > 0), target=CLASSES[i % 3])
        for r in ("28", "224")
        for i in range(9)
    ]
    made = Tally()
    made.verdicts([each["verdict"] for each in lines])
    made.attestations([each["attestation"] for each in lines])
    monkeypatch.setattr(closing, "TOLD", made)
    monkeypatch.setattr(tasks, "fingerprint_of", lambda card: "synthetic-fingerprint")


def test_the_sentence_the_table_and_the_next_command_stand_below(told: None) -> None:
    given = results()
    given["results"]["synthetic_res"] |= {f"acc@{r},none": 6 / 9 for r in ("28", "224")}
    utils = SimpleNamespace(make_table=lambda results, column="results", **more: "the host's table")
    closing.add_closing(utils)
    text = utils.make_table(given)
    assert text.startswith("the host's table\n")
    _, _, rest = text.partition("small-flamingo: ")
    assert "Do not trust this" in rest and "Next: " in rest
    assert rest.index("\n 28 ") < rest.index("\n224 ")
    assert utils.make_table(given, "results") == "the host's table"  # told once


def test_a_fault_of_ours_leaves_the_hosts_table(told: None, monkeypatch, capsys) -> None:
    monkeypatch.setattr(closing, "_write", lambda *_: 1 / 0)
    utils = SimpleNamespace(make_table=lambda results, column="results", **more: "the host's table")
    closing.add_closing(utils)
    assert utils.make_table(results()) == "the host's table"
    assert "nothing to say of this run" in capsys.readouterr().err


def test_verdicts_and_attestations_that_do_not_fit_are_not_paired() -> None:
    made = Tally()
    made.verdicts([{}])
    made.attestations([{"fingerprint": "a"}, {"fingerprint": "a"}])
    assert not made.lines
