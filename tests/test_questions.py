"""Questions through a task: documents, prompt, verdicts and rows, closed and open kept apart."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import accuracy_score

from resolution_eval.data.cards import task_cards
from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.reply import Reply
from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
from resolution_eval.evidence.verdict import Failure
from resolution_eval.host import task_metrics, tasks
from resolution_eval.host.taskfiles import task_yaml
from resolution_eval.host.verdicts import unattested, verdict_of

CLOSED = ("Is there a mass?", ["yes", "no"], "closed", "yes")
OPEN = ("Where is the mass?", [], "open", "right lower lobe")
UNLISTED = ("Is this a CT or an MRI?", [], "closed", "MRI")


def document(asked: tuple[str, list[str], str, str], sample: str = "q1") -> dict[str, Any]:
    question, choices, form, answer = asked
    return {
        "dataset": "toy",
        "sample": sample,
        "image": "1.png",
        "resolution": "28",
        "filter": "bicubic",
        "scheme": "match",
        "question": question,
        "choices": choices,
        "form": form,
        "answer": answer,
        "cluster": "1.png",
        "fingerprint": "f",
        "data": "1 samples, 0 excluded",
    }


def test_an_open_question_is_asked_for_a_phrase_and_a_closed_one_for_an_option() -> None:
    assert tasks.doc_to_text(document(OPEN)).endswith("\nAnswer with one word or a short phrase.")
    assert "A. yes\nB. no\n" in tasks.doc_to_text(document(CLOSED))


@pytest.mark.parametrize(
    ("asked", "said", "prediction", "correct", "f1"),
    [
        (OPEN, "The answer is: the right lower lobe.", "right lower lobe", 1, 1.0),
        (OPEN, "right lobe", "right lobe", 0, 0.8),
        (OPEN, "left lower lobe", "left lower lobe", 0, 0.0),
        (OPEN, "...", None, 0, 0.0),
        (CLOSED, "Yes, there is.", "yes", 1, None),
        (CLOSED, "There is no mass to be sure of either way", None, 0, None),
        (UNLISTED, "mri", "mri", 1, None),
        (UNLISTED, "CT", "ct", 0, None),
    ],
)
def test_an_answer_is_scored_by_the_form_of_its_question(
    asked: Any, said: str, prediction: str | None, correct: int, f1: float | None
) -> None:
    verdict, attestation = verdict_of(document(asked), said)
    assert (verdict.correct, verdict.form, verdict.f1) == (correct, asked[2], pytest.approx(f1))
    assert (verdict.prediction is None) == (prediction is None)
    assert attestation.answer_mode == ("open" if asked[2] == "open" else "generate")


def rows(doc: dict[str, Any], said: str) -> set[str]:
    return set(tasks.process_results(doc, [said]))


def test_closed_and_open_questions_share_no_score() -> None:
    closed, free = rows(document(CLOSED), "yes"), rows(document(OPEN), "yes")
    shared = {"unparseable", "failed", "mismatched", "data", "verdict", "attestation"}
    assert closed & free == shared
    assert {"acc@28", "worst_drop", "area"} <= closed
    assert {"em@28", "f1@28", "em_worst_drop", "em_area"} <= free


def test_every_row_of_a_result_stands_in_the_tasks_yaml() -> None:
    card = task_cards()["vqa_rad"].model_copy(update={"resolutions": (28,)})
    named = {
        line.partition("metric: ")[2]
        for line in task_yaml(card).splitlines()
        if "- metric: " in line
    }
    given = rows(document(CLOSED), "yes") | rows(document(OPEN), "yes")
    assert named == given - {"bacc@train"}


def test_closed_questions_alone_have_no_rows_for_open_ones() -> None:
    text = task_yaml(task_cards()["pmc_vqa"])
    assert "em@" not in text and "f1@" not in text and "bacc@train" not in text


@pytest.mark.parametrize("asked", [CLOSED, OPEN])
def test_a_failed_question_is_neither_right_nor_wrong(asked: Any) -> None:
    doc = document(asked)
    LEDGER.adapter = "toy"
    LEDGER.failures[SampleKey.of(doc)] = Failure(kind="image", message="0 bytes")
    result = tasks.process_results(doc, [""])
    assert result["verdict"]["correct"] is None
    assert result["verdict"]["f1"] is None
    score = "em@28" if asked is OPEN else "acc@28"
    assert "score" not in result[score]
    assert task_metrics.accuracy([result[score]]) == "no sample scored (1 failed)"


def test_an_adapters_reply_to_an_open_question_is_attested_as_open() -> None:
    doc = document(OPEN)
    LEDGER.adapter = "toy"
    attestation = unattested(doc).model_copy(update={"answer_mode": "generate"})
    reply = Reply(
        sample="q1",
        answer="right lower lobe",
        choice=None,
        choice_scores=None,
        attestation=Attestation.model_validate(attestation.model_dump()),
    )
    verdict, attested = verdict_of(doc, reply.encode())
    assert (verdict.correct, attested.answer_mode) == (1, "open")


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_of_random_answers_equals_scikit_learns_for_each_form(seed: int) -> None:
    chance = random.Random(seed)
    places = ["left", "right lower lobe", "3 cm", "liver"]
    cells: dict[str, list[dict[str, Any]]] = {"acc@28": [], "em@28": []}
    truth: dict[str, tuple[list[str], list[str]]] = {"acc@28": ([], []), "em@28": ([], [])}
    for number in range(80):
        free = chance.random() < 0.4
        options = places if free else ["yes", "no"]
        target, said = chance.choice(options), chance.choice(options)
        asked = ("Q?", [] if free else options, "open" if free else "closed", target)
        row = "em@28" if free else "acc@28"
        result = tasks.process_results(document(asked, f"q{number}"), [said])
        cells[row].append(result[row])
        truth[row][0].append(target)
        truth[row][1].append(said)
    for row, items in cells.items():
        assert task_metrics.accuracy(items) == pytest.approx(accuracy_score(*truth[row]))


def test_documents_have_one_schema_whether_their_questions_have_choices_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import Dataset
    from PIL import Image

    folder = tmp_path / "vqa_rad"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (9, 6), "red").save(folder / "images" / "1.png")
    (folder / "labels.csv").write_text(
        "file,label,split,question,answer_type,qid\n"
        "images/1.png,liver,test,Which organ?,OPEN,1\n"
        "images/1.png,lung,test,Which one?,OPEN,2\n"
    )
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path))
    card = (Path(__file__).parent.parent / "tasks" / "vqa_rad" / "card.toml").read_text()
    docs = tasks.documents(Dataset.from_list([{"text": card}]))
    assert len(docs) == 2 * len(task_cards()["vqa_rad"].resolutions)
    assert docs[0]["choices"] == []
    assert json.dumps(docs[0])
    assert tasks.is_document(docs[0])
