"""Questions: benchmarks whose questions stand in JSON beside their images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resolution_eval.data.sources.labels_row import YES_NO
from resolution_eval.data.sources.option_letters import unlettered
from resolution_eval.data.sources.published.item import (
    Images,
    Item,
    json_lines,
    json_of,
    letter,
    need,
    text,
)
from resolution_eval.ground.errors import DataError

_CHOICES = re.compile(r"\s*Answer Choices:\s*\(A\).*\Z", re.DOTALL)


def medxpertqa(folder: Path, images: Images) -> Iterator[Item]:
    """MedXpertQA-MM: MM/test.jsonl; the options that its questions repeat are taken off them."""
    file = folder / "MM" / "test.jsonl"
    for row in json_lines(file):
        need(row, ("id", "question", "options", "label", "images"), file)
        options = tuple(text(row["options"][key]) for key in sorted(row["options"]))
        yield Item(
            id=text(row["id"]),
            images=tuple(row["images"]),
            question=_CHOICES.sub("", text(row["question"])),
            options=options,
            answer=letter(text(row["label"]), options),
        )


def omnimedvqa(folder: Path, images: Images) -> Iterator[Item]:
    """OmniMedVQA: QA_information/Open-access/*.json; options are two to four, the answer a text."""
    files = sorted(folder.rglob("QA_information/Open-access/*.json"))
    for file in files:
        root = file.parents[2].relative_to(folder)
        for row in json_of(file):
            need(row, ("question_id", "question", "gt_answer", "image_path"), file)
            keys = [f"option_{c}" for c in "ABCD"]
            options = tuple(text(row[key]) for key in keys if row.get(key) is not None)
            yield Item(
                id=f"{file.stem}/{text(row['question_id'])}",
                images=((root / text(row["image_path"])).as_posix(),),
                question=text(row["question"]),
                options=options,
                answer=text(row["gt_answer"]),
            )


def rexvqa(folder: Path, images: Images) -> Iterator[Item]:
    """ReXVQA: metadata/test_vqa_data.json; the report in a record is never shown."""
    file = folder / "metadata" / "test_vqa_data.json"
    for name, row in json_of(file).items():
        need(row, ("question", "options", "correct_answer", "ImagePath", "study_id"), file)
        options = unlettered(map(text, row["options"]))
        paths = tuple(re.sub(r"\A(?:\.\./|\./)+", "", text(path)) for path in row["ImagePath"])
        yield Item(
            id=text(name),
            images=paths,
            question=text(row["question"]),
            options=options,
            answer=letter(text(row["correct_answer"]), options),
            cluster=text(row.get("PatientID")) or text(row["study_id"]),
        )


def vindr_vqa(folder: Path, images: Images) -> Iterator[Item]:
    """VinDr-CXR-VQA: data_v1.json beside VinDr-CXR's test/ or train/ DICOM files."""
    file = folder / "data_v1.json"
    for row in json_of(file):
        need(row, ("image_id", "vqa"), file)
        name = text(row["image_id"])
        for number, asked in enumerate(row["vqa"]):
            answer = text(asked.get("answer"))
            plain = answer.rstrip(".").lower()
            yield Item(
                id=f"{name}/{number}",
                images=(_dicom(folder, name),),
                question=text(asked.get("question")),
                options=YES_NO if plain in YES_NO else (),
                answer=plain if plain in YES_NO else answer,
            )


def _dicom(folder: Path, name: str) -> str:
    known = (f"{part}/{name}.{end}" for part in ("test", "train") for end in ("dicom", "dcm"))
    return next((path for path in known if (folder / path).is_file()), f"test/{name}.dicom")


def pathmmu(folder: Path, images: Images) -> Iterator[Item]:
    """PathMMU: data.json, splits test and test_tiny together as its authors score them, and val."""
    file = folder / "data.json"
    for source, splits in json_of(file).items():
        for split, rows in splits.items():
            for row in rows:
                need(row, ("No", "img", "question", "options", "answer"), file)
                options = unlettered(map(text, row["options"]))
                yield Item(
                    id=f"{source}/{split}/{row['No']}",
                    images=(f"images/{text(row['img'])}",),
                    question=text(row["question"]),
                    options=options,
                    answer=letter(text(row["answer"])[:1], options),
                    split={"val": "val", "train": "train"}.get(split, "test"),
                )


def quilt_vqa(folder: Path, images: Images) -> Iterator[Item]:
    """Quilt-VQA: questions and answers in two files, paired by id; closed ones by yes_no_answer."""
    answers: dict[str, Mapping[str, Any]] = {}
    table = folder / "quiltvqa_test_w_ans.json"
    for row in json_of(table):
        need(row, ("id", "answer", "answer_type"), table)
        if text(row["id"]) in answers:
            raise DataError(f"{table}: the id {row['id']!r} stands twice")
        answers[text(row["id"])] = row
    file = folder / "quiltvqa_test_wo_ans.jsonl"
    for row in json_lines(file):
        need(row, ("question_id", "image", "text"), file)
        known = answers.get(text(row["question_id"]), {})
        closed = text(known.get("answer_type")).upper() == "CLOSED"
        answer = text(known.get("yes_no_answer" if closed else "answer"))
        yield Item(
            id=text(row["question_id"]),
            images=(text(row["image"]),),
            question=text(row["text"]),
            options=YES_NO if closed else (),
            answer=answer.lower() if closed else answer,
        )


def mammovqa(folder: Path, images: Images) -> Iterator[Item]:
    """MammoVQA's image benchmark: the options of a question are all answers of its topic."""
    file = folder / "Benchmark" / "MammoVQA-Image-Bench.json"
    rows = json_of(file)
    topics: dict[str, set[str]] = {}
    for row in rows.values():
        need(row, ("Path", "Question topic", "Question type", "Answer"), file)
        if isinstance(row["Answer"], str):
            topics.setdefault(text(row["Question topic"]), set()).add(text(row["Answer"]))
    for name, row in rows.items():
        topic, single = text(row["Question topic"]), isinstance(row["Answer"], str)
        asked = text(row.get("Question")) or f"Which is right for this mammogram ({topic})?"
        yield Item(
            id=text(name),
            images=(text(row["Path"]).lstrip("/"),),
            question=asked,
            options=tuple(sorted(topics.get(topic, set()))),
            answer=text(row["Answer"]) if single else "",
            reason=None if single else "has several answers",
        )


def mimic_cxr_vqa(folder: Path, images: Images) -> Iterator[Item]:
    """MIMIC-CXR-VQA: dataset/test.json; an answer is a set, of which one member is asked here."""
    file = next(iter(sorted(folder.rglob("dataset/test.json"))), folder / "dataset" / "test.json")
    for row in json_of(file):
        need(row, ("idx", "question", "image_path", "answer", "subject_id"), file)
        answers = [text(one) for one in row["answer"]]
        alone = answers[0] if len(answers) == 1 else ""
        yield Item(
            id=text(row["idx"]),
            images=(f"files/{text(row['image_path'])}",),
            question=text(row["question"]),
            options=YES_NO if alone in YES_NO else (),
            answer=alone,
            cluster=text(row["subject_id"]),
            reason=None if len(answers) == 1 else f"has {len(answers)} answers; one is asked",
        )
