"""Benchmarks in their published form: each loads offline, and every line is accounted for."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import data_summary, open_source
from resolution_eval.data.sources.published import SETS
from resolution_eval.data.sources.published.table_benchmarks import tsv_rows
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode


def picture(seed: int, edge: int = 24, format: str = "PNG") -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(values).save(data, format)
    return data.getvalue()


def put(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, str):
        file.write_text(content, encoding="utf-8")
    else:
        file.write_text(json.dumps(content), encoding="utf-8")


def put_zip(file: Path, names: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(file, "w") as packed:
        for seed, name in enumerate(names):
            packed.writestr(name, picture(seed))


def parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def medxpertqa_mm(root: Path) -> tuple[int, int]:
    stem = "Which bone? Answer Choices: (A) rib (B) hip (C) None (D) skull (E) nan"
    options = {"A": "rib", "B": "hip", "C": "None", "D": "skull", "E": "nan"}
    rows = [
        {"id": f"MM-{n}", "question": stem, "options": options, "label": label, "images": images}
        for n, (label, images) in enumerate(
            [("A", ["a.jpeg"]), ("C", ["b.JPG"]), ("E", ["c.png"]), ("B", ["a.jpeg", "b.JPG"])]
        )
    ]
    put(root / "MM" / "test.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    put_zip(root / "images.zip", ["images/a.jpeg", "images/b.JPG", "images/c.png"])
    return 4, 0


def omnimedvqa(root: Path) -> tuple[int, int]:
    def row(n: int, answer: str, **options: str) -> dict[str, Any]:
        return {
            "question_id": f"q{n}",
            "question_type": "Modality Recognition",
            "question": "Which modality?",
            "gt_answer": answer,
            "image_path": f"Images/Set/{n}.png",
            **options,
        }

    rows = [
        row(0, "CT", option_A="CT", option_B="MRI"),
        row(1, "ct.", option_A="CT", option_B="MRI", option_C="None", option_D="X-ray"),
        row(2, "None", option_A="CT", option_B="None", option_C="MRI"),
        row(3, "PET", option_A="CT", option_B="MRI"),
    ]
    put(root / "OmniMedVQA" / "QA_information" / "Open-access" / "Chest CT Scan.json", rows)
    for n in range(4):
        put(root / "OmniMedVQA" / "Images" / "Set" / f"{n}.png", picture(n))
    return 3, 1


def gmai_mmbench(root: Path) -> tuple[int, int]:
    image = [base64.b64encode(picture(n)).decode() for n in range(3)]
    rows = [
        ["index", "image", "question", "A", "B", "C", "D", "E", "answer", "category", "department"],
        ["0", image[0], "What?", "a", "b", "c", "d", "", "C", "c", "x"],
        ["1", image[1], "What?", "a", "b", "None", "d", "None", "C", "None", "x"],
        ["2", "0", "Which?", "a", "b", "", "", "", "B", "b", "x"],
        ["3", image[2], "What?", "a", "a", "c", "d", "e", "A", "a", "x"],
    ]
    put(root / "GMAI-MMBench_VAL.tsv", "\n".join("\t".join(row) for row in rows) + "\n")
    return 3, 1


def mmmu_med(root: Path) -> tuple[int, int]:
    def row(n: int, options: str, answer: str, images: int = 1, kind: str = "multiple-choice"):
        held = {
            f"image_{place}": {"bytes": picture(10 * n + place), "path": None}
            if place <= images
            else None
            for place in range(1, 8)
        }
        return {
            "id": f"validation_Pharmacy_{n}",
            "question": "<image 1> Which drug?",
            "options": options,
            "answer": answer,
            "question_type": kind,
            **held,
        }

    first = [row(1, "['aspirin', 'None']", "B"), row(2, "[]", "3.5", kind="open")]
    parquet(root / "Pharmacy" / "validation-00000-of-00001.parquet", first)
    second = [row(3, "['a', 'b']", "A", images=2), row(4, "['<image 1>', '<image 2>']", "A")]
    third = row(5, "['<image 1>', '<image 3>', '<image 2>']", "C", images=3)
    parquet(root / "Public_Health" / "validation-00000-of-00001.parquet", [*second, third])
    return 4, 1


def medframeqa(root: Path) -> tuple[int, int]:
    def row(n: int, images: int, answer: str, video: str) -> dict[str, Any]:
        held = {
            f"image_{place}": {"bytes": picture(10 * n + place), "path": None}
            if place <= images
            else None
            for place in range(1, 6)
        }
        asked = {"question": "What changes?", "options": ["a. b", "None", "c"], "modality": "CT"}
        return {"question_id": f"q{n}", **asked, "correct_answer": answer, **held} | {
            "image_url": ["u"] * images,
            "video_id": video,
        }

    rows = [row(1, 2, "B", "v1"), row(2, 5, "A", "v1"), row(3, 3, "E", "v2"), row(4, 2, "C", "v3")]
    parquet(root / "data" / "test-00000-of-00001.parquet", rows)
    return 3, 1


def rexvqa(root: Path) -> tuple[int, int]:
    def record(paths: list[str], label: str) -> dict[str, Any]:
        return {
            "question": "Is there an effusion?",
            "options": ["A. No", "B. Yes, left", "C. Yes, right", "D. None"],
            "correct_answer": label,
            "ImagePath": paths,
            "study_id": "s1",
            "PatientID": "p1",
            "Findings": "an effusion on the left",
        }

    paths = ["../deid_png/p/s/0.png", "../deid_png/p/s/1.png"]
    put(
        root / "metadata" / "test_vqa_data.json",
        {"q1": record(paths[:1], "B"), "q2": record(paths, "A"), "q3": record(paths[1:], "D")},
    )
    for n in range(2):
        put(root / "deid_png" / "p" / "s" / f"{n}.png", picture(n))
    return 3, 0


def vindr_cxr_vqa(root: Path) -> tuple[int, int]:
    asked = [
        {"question": "Is there cardiomegaly?", "answer": "Yes.", "type": "Is_there"},
        {"question": "Where?", "answer": "left lower lung", "type": "Where"},
        {"question": "How many?", "answer": "", "type": "How_many"},
    ]
    put(root / "data_v1.json", [{"image_id": "ab" * 16, "vqa": asked}])
    put(root / "train" / f"{'ab' * 16}.dicom", picture(1))
    return 2, 1


def vindr_cxr(root: Path) -> tuple[int, int]:
    put(
        root / "annotations" / "image_labels_test.csv",
        "image_id,Aortic enlargement,No finding\na,0,1\nb,1,0\n",
    )
    put(root / "test" / "a.dicom", picture(1, 1100))
    put(root / "test" / "b.dicom", picture(2, 1100))
    return 2, 0


def cbis_ddsm(root: Path, edge: int = 1100) -> tuple[int, int]:
    head = "patient_id,breast_density,image view,abnormality id,pathology,image file path\n"
    rows = [
        "P_1,3,CC,1,BENIGN,Mass-Test_P_1_LEFT_CC/1.2/1.3/000000.dcm",
        "P_1,3,CC,2,MALIGNANT,Mass-Test_P_1_LEFT_CC/1.2/1.3/000000.dcm",
        "P_2,3,CC,1,BENIGN_WITHOUT_CALLBACK,Mass-Test_P_2_LEFT_CC/1.4/1.5/000000.dcm",
    ]
    put(root / "csv" / "mass_case_description_test_set.csv", head + "\n".join(rows) + "\n")
    put(root / "jpeg" / "1.3" / "1-1.jpg", picture(1, edge, "JPEG"))
    put(root / "jpeg" / "1.5" / "1-1.jpg", picture(2, edge, "JPEG"))
    return 2, 0


def mammovqa(root: Path) -> tuple[int, int]:
    def record(n: int, topic: str, answer: Any) -> dict[str, Any]:
        path = f"/Benchmark/CBIS-DDSM/{n}/img.jpg"
        kind = "single choice" if isinstance(answer, str) else "multiple choice"
        put(root / path.lstrip("/"), picture(n, 520, "JPEG"))
        return {"Path": path, "Question topic": topic, "Question type": kind, "Answer": answer}

    records = [record(1, "View", "CC"), record(2, "View", "MLO"), record(3, "Abnormality", ["x"])]
    named = {str(n): each for n, each in enumerate(records, 1)}
    put(root / "Benchmark" / "MammoVQA-Image-Bench.json", named)
    return 2, 1


def pathmmu(root: Path) -> tuple[int, int]:
    def row(n: int, answer: str, options: list[str]) -> dict[str, Any]:
        return {
            "No": n,
            "img": f"{n}.jpg",
            "question": "What?",
            "options": options,
            "answer": answer,
        }

    four = ["A) fat", "B) a (small) gland", "C) None", "D) muscle"]
    rows = [row(0, "B) a (small) gland", four), row(1, "C", four), row(2, "A) fat", four[:3])]
    put(root / "data.json", {"PubMed": {"test": rows, "val": rows[:1]}, "SocialPath": {}})
    put_zip(root / "images.zip", ["images/0.jpg", "images/1.jpg"])
    return 3, 0


def quilt_vqa(root: Path) -> tuple[int, int]:
    put(
        root / "quiltvqa_test_w_ans.json",
        [
            {"id": 1, "answer": "Yes, it does.", "answer_type": "CLOSED", "yes_no_answer": "Yes"},
            {"id": 2, "answer": "In the dermis.", "answer_type": "OPEN"},
        ],
    )
    asked = [{"question_id": n, "image": f"{n}.jpg", "text": "Where?"} for n in (1, 2, 3)]
    put(root / "quiltvqa_test_wo_ans.jsonl", "\n".join(map(json.dumps, asked)))
    put_zip(root / "quilt_vqa.zip", ["images/1.jpg", "images/2.jpg"])
    return 2, 1


def kvasir_vqa(root: Path) -> tuple[int, int]:
    def row(n: int, answer: str) -> dict[str, Any]:
        image = {"bytes": picture(n), "path": None}
        return {"image": image, "question": "Polyp?", "answer": answer, "img_id": f"i{n}"}

    rows = [row(1, "Yes"), row(1, "none"), row(2, "")]
    parquet(root / "data" / "00000.parquet", rows)
    return 2, 1


def skincap(root: Path) -> tuple[int, int]:
    put(
        root / "skincap_v240623.csv",
        "id,skincap_file_path,disease,caption_zh_polish_en,Do not consider this image\n"
        '1,1.png,psoriasis,"a plaque, psoriasis",0\n2,2.png,acne,c,1\n3,3.png,none,c,0\n',
    )
    for n in (1, 3):
        put(root / "skincap" / f"{n}.png", picture(n))
    return 2, 1


def mimic_cxr_vqa(root: Path) -> tuple[int, int]:
    def row(n: int, answer: list[str]) -> dict[str, Any]:
        path = f"p10/p1/s1/{n}.jpg"
        put(root / "files" / path, picture(n))
        known = {"idx": n, "subject_id": "1", "image_path": path, "question": "is there edema?"}
        return {**known, "answer": answer}

    rows = [row(0, ["yes"]), row(1, []), row(2, ["a", "b"]), row(3, ["ap"])]
    put(root / "MIMIC-Ext-MIMIC-CXR-VQA" / "dataset" / "test.json", rows)
    return 2, 2


def hrbench(root: Path) -> tuple[int, int]:
    image = base64.b64encode(picture(1)).decode()
    rows = [
        {"index": n, "image": image, "question": "What?", "A": "a", "B": "b", "C": "c", "D": "d"}
        | {"answer": answer, "category": "single", "cycle_category": str(n)}
        for n, answer in enumerate("AB")
    ]
    parquet(root / "hr_bench_4k.parquet", rows)
    return 2, 0


def vstar(root: Path) -> tuple[int, int]:
    text = "What colour is the cup?\n(A) red (dark)\n(B) blue\nAnswer with the letter."
    rows = [
        {"image": {"bytes": picture(n), "path": None}, "text": text, "label": label}
        | {"category": "direct_attributes", "question_id": str(n)}
        for n, label in enumerate("AB")
    ]
    parquet(root / "data" / "test-00000-of-00001.parquet", rows)
    return 2, 0


BUILD = {name: globals()[name] for name in SETS}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("name", list(SETS))
def test_it_loads_in_its_published_form_and_every_line_is_accounted_for(data: Path, name: str):
    card = task_cards()[name]
    with pytest.raises(DataError, match="no data for"):
        open_source(card)
    loaded, excluded = BUILD[name](data / card.folder)
    source = open_source(card)
    assert (len(source.samples()), len(_of_test(source))) == (loaded, excluded), data_summary(
        source
    )
    for sample in source.samples():
        assert sample.answer in sample.choices or (not sample.choices and sample.answer)
        assert sample.question
    assert source.fingerprint == source.fingerprint


def _of_test(source: Any) -> list[Any]:
    return [exclusion for exclusion in source.excluded if exclusion.split == "test"]


@pytest.mark.parametrize("name", [name for name in SETS if name not in ("pathmmu",)])
def test_its_images_decode(data: Path, name: str):
    card = task_cards()[name]
    BUILD[name](data / card.folder)
    source = open_source(card)
    for sample in source.samples():
        for image in sample.images:
            assert decode(source.read(image)).size.width >= 24


def test_a_missing_image_keeps_its_sample_which_fails(data: Path):
    pathmmu(data / "pathmmu")
    source = open_source(task_cards()["pathmmu"])
    assert "1 samples lack an image file: they fail, and are not left out" in source.notes
    with pytest.raises(ImageError, match=r"2\.jpg"):
        source.read("images/2.jpg")


def test_text_that_looks_like_nothing_stays_an_option(data: Path):
    medxpertqa_mm(data / "medxpertqa_mm")
    source = open_source(task_cards()["medxpertqa_mm"])
    samples = {sample.id: sample for sample in source.samples()}
    assert samples["MM-1"].choices == ("rib", "hip", "None", "skull", "nan")
    assert (samples["MM-1"].answer, samples["MM-2"].answer) == ("None", "nan")
    assert samples["MM-1"].question == "Which bone?"
    gmai_mmbench(data / "gmai_mmbench")
    source = open_source(task_cards()["gmai_mmbench"])
    found = {sample.id: sample for sample in source.samples()}
    assert (found["1"].choices, found["1"].answer) == (("a", "b", "None", "d"), "None")
    assert found["2"].image == found["0"].image, "a short cell names the row of the image"


def test_the_report_of_a_record_and_the_letters_of_options_are_never_shown(data: Path):
    rexvqa(data / "rexvqa")
    for sample in open_source(task_cards()["rexvqa"]).samples():
        assert sample.choices == ("No", "Yes, left", "Yes, right", "None")
        assert "effusion on the left" not in sample.question
        assert sample.cluster == "p1"


def test_an_option_with_a_bracket_is_not_cut(data: Path):
    pathmmu(data / "pathmmu")
    samples = {s.id: s for s in open_source(task_cards()["pathmmu"]).samples()}
    assert samples["PubMed/test/0"].answer == "a (small) gland"
    assert samples["PubMed/test/1"].answer == "None", "an answer that is a letter alone"


def test_a_mammogram_with_one_malignant_finding_is_malignant_and_asked_once(data: Path):
    cbis_ddsm(data / "cbis_ddsm")
    samples = open_source(task_cards()["cbis_ddsm"]).samples()
    assert {sample.cluster: sample.answer for sample in samples} == {
        "P_1": "malignant",
        "P_2": "benign",
    }


def test_an_image_that_changes_after_its_digest_was_taken_fails(data: Path):
    cbis_ddsm(data / "cbis_ddsm")
    source = open_source(task_cards()["cbis_ddsm"])
    first, second = source.samples()
    (data / "cbis_ddsm" / first.image).write_bytes(picture(7, 1100, "JPEG"))
    with pytest.raises(ImageError, match="changed while the run was under way"):
        source.read(first.image)
    assert source.read(second.image)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2\tx\ty", "line 3: fewer cells than the 4"),
        ("2\ta\tb\tc\td", "line 3: more cells than the 4"),
    ],
)
def test_a_row_of_a_tsv_that_is_cut_or_torn_is_an_error_of_its_line(tmp_path, row, told):
    table = tmp_path / "GMAI-MMBench_VAL.tsv"
    table.write_text(f"index\timage\tquestion\tanswer\n1\ta\tb\tc\n{row}\n")
    with pytest.raises(DataError, match=told):
        list(tsv_rows(table))


def test_a_reduced_mirror_is_refused_by_its_size(data: Path):
    cbis_ddsm(data / "cbis_ddsm", edge=224)
    with pytest.raises(DataError, match="about 224 px, the published ones 1000 px or more"):
        open_source(task_cards()["cbis_ddsm"])


def test_another_form_is_refused_by_the_column_that_is_absent(data: Path):
    put(data / "medxpertqa_mm" / "MM" / "test.jsonl", '{"id": "x", "question": "q"}\n')
    with pytest.raises(DataError, match="no 'options' in its first row, which has id, question"):
        open_source(task_cards()["medxpertqa_mm"])


def test_lines_of_another_encoding_are_refused_by_the_line(data: Path):
    file = data / "medxpertqa_mm" / "MM" / "test.jsonl"
    put(file, "\n")
    file.write_bytes('\n{"id": "M\xfcnchen"}\n'.encode("latin-1"))
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        open_source(task_cards()["medxpertqa_mm"])


def test_all_images_of_a_question_come_in_order_and_its_marks_are_places(data: Path):
    medxpertqa_mm(data / "medxpertqa_mm")
    expert = {s.id: s for s in open_source(task_cards()["medxpertqa_mm"]).samples()}
    assert [Path(name).name for name in expert["MM-3"].images] == ["a.jpeg", "b.JPG"]
    assert expert["MM-3"].cluster == expert["MM-0"].cluster == expert["MM-1"].cluster
    assert expert["MM-2"].cluster != expert["MM-0"].cluster
    medframeqa(data / "medframeqa")
    source = open_source(task_cards()["medframeqa"])
    frames = {s.id: s for s in source.samples()}
    assert [source.read(one) for one in frames["q2"].images] == [picture(n) for n in range(21, 26)]
    assert (frames["q2"].answer, frames["q1"].answer, frames["q4"].answer) == ("a. b", "None", "c")
    assert [frames[f"q{n}"].cluster for n in (1, 2, 4)] == ["v1", "v1", "v3"]
    mmmu_med(data / "mmmu_med")
    asked = {s.id[-1]: s for s in open_source(task_cards()["mmmu_med"]).samples()}
    assert (asked["1"].question, len(asked["1"].images)) == ("Which drug?", 1)
    assert (asked["3"].question, len(asked["3"].images)) == ("<image 1> Which drug?", 2)
    assert (asked["5"].answer, asked["5"].choices[1]) == ("<image 2>", "<image 3>")


@pytest.mark.parametrize("name", ["ehrxqa"])
def test_what_cannot_be_run_is_refused_with_the_reason(data: Path, name: str):
    with pytest.raises(DataError, match="is refused: "):
        open_source(task_cards()[name])
