"""The list of bad input, one sentence each, where no other tests hold it already."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Exclusion, Sample, data_summary
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.ground.errors import DataError
from resolution_eval.host import task_metrics, tasks

CARD = task_cards()["vqa_rad"]
HEADER = "file,label,split,question,answer_type,qid\n"


def local(folder: Path, *lines: str) -> LocalSource:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (7, 5), colour).save(folder / "images" / f"{name}.png")
    (folder / "labels.csv").write_text(HEADER + "\n".join(lines) + "\n")
    return LocalSource(folder, CARD)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("images/a.png,=SUM(A1),test,How large?,open,1", "line 2: label '=SUM.A1.' begins like"),
        ("images/a.png,3 cm,test,=HYPERLINK(1),open,1", "line 2: question .* begins like"),
        ("@a.png,3 cm,test,How large?,open,1", "line 2: file '@a.png' begins like"),
    ],
)
def test_a_formula_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        local(tmp_path, line)


@pytest.mark.parametrize("answer", ["-5", "+", "- 3 mm", "<5 cm"])
def test_an_answer_that_only_resembles_a_formula_is_kept(tmp_path: Path, answer: str) -> None:
    (sample,) = local(tmp_path, f"images/a.png,{answer},test,Which?,open,1").samples()
    assert sample.answer == answer


def test_an_image_in_train_and_test_is_kept_and_noted(tmp_path: Path) -> None:
    source = local(
        tmp_path,
        "images/a.png,yes,train,Is it?,closed,1",
        "images/a.png,no,test,Is it big?,closed,2",
        "images/b.png,no,test,Is it big?,closed,3",
    )
    assert len(source.samples()) == 2
    assert source.notes == (
        "1 of 2 test images are in train too, with 1 of the test samples: "
        "a model trained on that train split has seen them",
    )


def test_clean_data_has_no_notes(tmp_path: Path) -> None:
    source = local(tmp_path, "images/a.png,yes,train,Is it?,closed,1", "images/b.png,no,test,Q?,,2")
    assert source.notes == ()


def test_a_question_without_an_image_file_stays_and_fails_by_name(tmp_path: Path) -> None:
    source = local(tmp_path, "images/gone.png,yes,test,Is it?,closed,1")
    (sample,) = source.samples()
    with pytest.raises(Exception, match=r"images/gone\.png"):
        source.read(sample.image)


def test_what_was_excluded_stands_in_the_result() -> None:
    class Some:
        name = revision = fingerprint = "x"
        excluded = (
            Exclusion("r1", "has no image"),
            Exclusion("r2", "has no image"),
            Exclusion("r3", "has no answer"),
            Exclusion("r4", "has no answer", "train"),
        )
        notes = ("a note",)

        def samples(self, split: str = "test") -> tuple[Sample, ...]:
            return (Sample("i", "m", "q", "a", (), "c", split),) * 4

        def read(self, locator: str) -> bytes:
            return b""

    said = data_summary(Some())
    assert said == "4 samples, 3 excluded (1 has no answer, 2 has no image), 1 note"
    assert task_metrics.data_summary([{"data": said}, {"data": said}]) == said


def test_a_document_belongs_to_its_own_data_set_only() -> None:
    assert not tasks.is_document({"resolution": "28", "dataset": "nowhere"})
