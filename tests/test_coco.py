"""COCO's boxes beside a table: they become targets of their own images, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.own_folder import folder_card
from resolution_eval.data.sources import open_source
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.ground.errors import DataError

SIZE = (80, 60)


def folder(root: Path, document: Any, name: str = "annotations.json", table: str = "") -> Path:
    (root / "images").mkdir(parents=True)
    for seed, file in enumerate("abc"):
        values = np.random.default_rng(seed).integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)
        Image.fromarray(values).save(root / "images" / f"{file}.png")
    lines = ["file,label,split", "images/a.png,lesion,test", "images/b.png,lesion,test"]
    (root / "labels.csv").write_text(table or "\n".join([*lines, "images/c.png,none,test"]))
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return root


def coco(*boxes: tuple[int, Any], size: tuple[int, int] = SIZE, prefix: str = "") -> dict[str, Any]:
    images = [
        {"id": n, "file_name": f"{prefix}{file}.png", "width": size[0], "height": size[1]}
        for n, file in enumerate("abcz")
    ]
    annotations = [{"id": n, "image_id": i, "bbox": b} for n, (i, b) in enumerate(boxes)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}


def details(root: Path) -> dict[str, Any]:
    source = LocalSource(root, folder_card(root))
    return {
        sample.image[-5]: sample.detail and (sample.detail.width, sample.detail.height)
        for sample in source.samples()
    }


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("annotations.json", "images/"),
        ("annotations.json", ""),
        ("_annotations.coco.json", ""),
        ("annotations/instances_test.json", ""),
    ],
)
def test_the_largest_box_of_each_image_is_its_target(tmp_path: Path, name: str, prefix: str):
    boxes = coco((0, [1, 2, 10, 20]), (0, [0, 0, 30.5, 9]), (1, [5, 5, 7, 3]), prefix=prefix)
    root = folder(tmp_path / "f", boxes, name)
    assert details(root) == {"a": (30.5, 9), "b": (7, 3), "c": None}
    notes = LocalSource(root, folder_card(root)).notes
    assert f"{name}: boxes of 2 of 3 listed images" in notes


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (coco((0, [0, 0, 5, 5]), size=(640, 480)), "640x480 px there and 80x60 px as stored"),
        (coco((0, [70, 0, 20, 5])), "outside its image"),
        (coco((0, [1, 2, 3])), "annotation 0: bbox .* is not x, y, width, height"),
        (coco((0, [1, 2, 3, "4"])), "is not x, y, width, height"),
        (coco((0, [1, 2, 0, 4])), "no extent"),
        (coco((9, [1, 2, 3, 4])), "annotation 0 is of no image"),
        ("{", "not JSON"),
        ([1], "not in COCO's form"),
        ({"images": [{"id": 1}], "annotations": []}, "not in COCO's form"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(tmp_path: Path, document: Any, said: str):
    root = folder(tmp_path / "f", document)
    with pytest.raises(DataError, match=said):
        details(root)


def test_a_target_of_the_table_besides_is_a_contradiction(tmp_path: Path):
    table = 'file,label,split,target\nimages/a.png,lesion,test,"1,1,2,2"\nimages/c.png,none,test,\n'
    root = folder(tmp_path / "f", coco((0, [0, 0, 5, 5])), table=table)
    with pytest.raises(DataError, match="both give a target: line 2"):
        details(root)


def test_a_name_that_could_be_two_images_is_refused(tmp_path: Path):
    table = "file,label,split\nimages/a.png,lesion,test\nmore/a.png,none,test\n"
    root = folder(tmp_path / "f", coco((0, [0, 0, 5, 5])), table=table)
    with pytest.raises(DataError, match=r"could be images/a\.png; more/a\.png"):
        details(root)


def test_vindr_boxes_become_details_of_images_with_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path))
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "vindr_cxr"
    (root / "annotations").mkdir(parents=True)
    (root / "test").mkdir()
    labels = "image_id,Cardiomegaly,No finding\na,1,0\nb,0,1\nc,1,0\n"
    (root / "annotations" / "image_labels_test.csv").write_text(labels)
    boxes = "image_id,class_name,x_min,y_min,x_max,y_max\na,Mass,10,20,40,30\n"
    boxes += "a,Cardiomegaly,100.5,200,300.5,260\nb,No finding,,,,\n"
    (root / "annotations" / "annotations_test.csv").write_text(boxes)
    for seed, name in enumerate("abc"):
        values = np.random.default_rng(seed).integers(0, 255, (1100, 1100), dtype=np.uint8)
        with (root / "test" / f"{name}.dicom").open("wb") as stream:
            Image.fromarray(values).save(stream, "PNG")
    found = {s.id: s.detail for s in open_source(task_cards()["vindr_cxr"]).samples()}
    assert found["a"] is not None and (found["a"].width, found["a"].height) == (200, 60)
    assert found["a"].chance == 0.5
    assert found["b"] is None and found["c"] is None
