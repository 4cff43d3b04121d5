"""The gallery: pictures are what `images.render` makes of the stored image, or there are none."""

from __future__ import annotations

import base64
import weakref
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_runs import line, phantom_lines, phantom_source, sweep, write_run

from resolution_eval import images
from resolution_eval.analysis.changing_samples import changed, chosen
from resolution_eval.analysis.sweeps import TaskSweeps, by_task
from resolution_eval.data.cards import task_cards
from resolution_eval.ground.errors import ImageError
from resolution_eval.images import decode, render
from resolution_eval.records import make_records
from resolution_eval.report import load, write_page
from resolution_eval.report.gallery import gallery, source_of
from resolution_eval.resolution import parse_resolution

CURVE = {"16": 0.3, "32": 0.5, "native": 0.9}
HOSTILE = "<img src=x onerror=alert(1)>"


def task_of(folder: Path, *runs: list, task: str = "phantom_res") -> TaskSweeps:
    for i, lines in enumerate(runs):
        write_run(folder / str(i), lines, task=task, date=f"2026010{i + 1}_000000")
    (found,) = by_task(make_records(folder))
    return found


@pytest.fixture(scope="module")
def source():
    return phantom_source()


def pixels(address: str) -> np.ndarray:
    head, _, data = address.partition(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGB"))


def test_every_picture_is_the_stored_image_rendered_at_its_resolution(tmp_path, source):
    task = task_of(tmp_path, phantom_lines(source, CURVE))
    shown = gallery(task, source_of(task))
    assert len(shown.exhibits) == 8
    known = {sample.id: sample for sample in source.samples("test")}
    for exhibit in shown.exhibits:
        image = decode(source.read(known[exhibit.sample].image)).image
        assert [picture.resolution for picture in exhibit.pictures] == list(CURVE)
        for picture in exhibit.pictures:
            expected = np.asarray(render(image, parse_resolution(picture.resolution), "bicubic"))
            assert np.array_equal(pixels(picture.address), expected)


def test_only_samples_that_change_are_shown_with_what_was_answered(tmp_path, source):
    lines = phantom_lines(source, CURVE)
    task = task_of(tmp_path, lines)
    shown = gallery(task, source)
    said = {
        (one["verdict"]["sample"], one["verdict"]["resolution"]): one["verdict"] for one in lines
    }
    for exhibit in shown.exhibits:
        verdicts = [said[exhibit.sample, name] for name in CURVE]
        assert {verdict["correct"] for verdict in verdicts} == {0, 1}
        ((_, answers),) = exhibit.answers
        assert [answer.text for answer in answers] == [each["prediction"] for each in verdicts]
        marks = ["right" if each["correct"] else "wrong" for each in verdicts]
        assert [answer.mark for answer in answers] == marks
        assert exhibit.target == verdicts[0]["target"]
    assert len({exhibit.target for exhibit in shown.exhibits}) > 4
    assert f"of {len(changed(task.sweeps[0]))} samples" in shown.remark


def test_samples_that_change_for_more_checkpoints_come_first(tmp_path):
    both = [line("both", r, correct=int(r == "64"), target="lymph") for r in ("28", "64")]
    single = [line("a", r, correct=int(r == "64"), target="lymph") for r in ("28", "64")]
    steady = [line("a", r, correct=1, target="lymph") for r in ("28", "64")]
    task = task_of(tmp_path, [*both, *single], [*both, *steady], task="synthetic_res")
    assert chosen(task.sweeps) == ["both", "a"]


def test_a_large_image_is_reduced_for_the_page_and_says_so(tmp_path, source):
    data = BytesIO()
    noise = np.random.default_rng(3).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(data, "PNG")

    class Large(type(source)):
        def read(self, locator):
            return data.getvalue()

    task = task_of(tmp_path, phantom_lines(source, {"32": 0.2, "300": 0.5, "native": 0.9}))
    first = gallery(task, Large(task_cards()["phantom"])).exhibits[0]
    sizes = [(str(picture.rendered), str(picture.shown)) for picture in first.pictures]
    assert sizes == [("37x27", "37x27"), ("346x260", "192x144"), ("400x300", "192x144")]
    assert [pixels(picture.address).shape[:2] for picture in first.pictures][1] == (144, 192)


def test_the_pictures_stay_within_the_budget(tmp_path, source):
    task = task_of(tmp_path, phantom_lines(source, CURVE))
    full = gallery(task, source)
    half = sum(exhibit.size for exhibit in full.exhibits) // 2
    less = gallery(task, source, budget=half)
    assert 0 < len(less.exhibits) < len(full.exhibits)
    assert sum(exhibit.size for exhibit in less.exhibits) <= half


def test_other_data_than_the_records_is_not_shown(tmp_path, source):
    lines = phantom_lines(source, CURVE)
    for each in lines:
        each["attestation"]["fingerprint"] = "another"
    task = task_of(tmp_path, lines)
    shown = gallery(task, source_of(task))
    assert shown.exhibits == ()
    assert "none is shown: the data on this machine is not what the records" in shown.remark


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("synthetic_res", "no data set of that name"),
        ("chexpert_res", "asks for registration"),
        ("slake_res", "not on this machine"),
    ],
)
def test_data_that_is_not_at_hand_is_said_to_be_so(tmp_path, monkeypatch, name, reason):
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path))
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path))
    task = task_of(tmp_path, sweep({"28": 0.2, "64": 0.8}, samples=30), task=name)
    shown = gallery(task, source_of(task))
    assert shown.exhibits == ()
    assert reason in shown.remark
    page = write_page(load([tmp_path]), tmp_path / "site").read_text(encoding="utf-8")
    assert reason in page
    assert "data:image/webp" not in page


def test_an_image_that_cannot_be_decoded_is_counted_and_another_shown(tmp_path, source):
    task = task_of(tmp_path, phantom_lines(source, CURVE))
    first = gallery(task, source).exhibits[0].sample

    class Broken(type(source)):
        def read(self, locator):
            if locator == first:
                raise ImageError("cut short")
            return super().read(locator)

    shown = gallery(task, Broken(task_cards()["phantom"]))
    assert first not in [exhibit.sample for exhibit in shown.exhibits]
    assert "1 images could not be decoded" in shown.remark


def test_of_a_slide_one_view_at_a_time_is_in_memory(tmp_path, source, monkeypatch):
    """Here each resolution is a view of its own, as each number of µm is."""

    class Slides(type(source)):
        def read(self, locator):
            image, _, size = locator.rpartition("@")
            assert size in CURVE
            return super().read(image)

    decoded: list[weakref.ref] = []

    def watched(data):
        assert not [one for one in decoded if one() is not None]
        found = decode(data)
        decoded.append(weakref.ref(found.image))
        return found

    monkeypatch.setattr(images, "decode", watched)
    own_view = "resolution_eval.report.gallery.locator_at"
    monkeypatch.setattr(own_view, lambda image, r: f"{image}@{r}")
    task = task_of(tmp_path, phantom_lines(source, CURVE))
    shown = gallery(task, Slides(task_cards()["phantom"]))
    assert len(decoded) == 3 * len(shown.exhibits) > 3
    assert [one.resolution for one in shown.exhibits[0].pictures] == list(CURVE)


def test_names_and_answers_of_a_stranger_stay_text(tmp_path, source):
    lines = phantom_lines(source, CURVE, checkpoint=f"x/{HOSTILE}".replace("/", ""))
    for each in lines:
        each["verdict"].update(prediction=HOSTILE, answer=HOSTILE)
    shown = gallery(task_of(tmp_path, lines), source)
    hostile = replace(shown, exhibits=tuple(replace(e, sample=HOSTILE) for e in shown.exhibits))
    assert hostile.exhibits
    page = write_page(load([tmp_path]), tmp_path / "site").read_text(encoding="utf-8")
    assert "&lt;img src=x onerror" in page
    assert "<img src=x" not in page


def test_without_images_no_picture_and_no_remark(tmp_path, source):
    task_of(tmp_path, phantom_lines(source, CURVE))
    page = write_page(load([tmp_path]), tmp_path / "site", images=False).read_text(encoding="utf-8")
    assert "data:image/webp" not in page
    assert "Answers that change" not in page


def test_a_page_of_twenty_checkpoints_and_pictures_stays_small(tmp_path, source):
    curve = {"16": 0.3, "native": 0.9}
    for i in range(20):
        lines = phantom_lines(source, curve, samples=16, checkpoint=f"synthetic/{i}")
        write_run(tmp_path / str(i), lines, task="phantom_res", date=f"202601{i + 10}_000000")
    page = write_page(load([tmp_path / str(i) for i in range(20)]), tmp_path / "site")
    assert 500_000 < page.stat().st_size < 2_000_000
