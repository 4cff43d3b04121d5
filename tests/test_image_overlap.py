"""Test images in other sets' train splits: found by their pixels, and never zero where unknown."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resolution_eval import cli, datasets
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Sample
from resolution_eval.datasets import dataset_page
from resolution_eval.datasets.image_overlap import (
    ImageOverlap,
    PixelDigests,
    overlaps,
    read_overlaps,
    told,
    write_overlaps,
)
from resolution_eval.ground.errors import DataError

SIZE = (50, 40)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def picture(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def bring(folder: Path, split: str, label: str, files: dict[str, Image.Image]) -> None:
    """Images of one split in the local layout."""
    folder.mkdir()
    for name, image in files.items():
        image.save(folder / name)
    rows = (f"{name},{label},{split},what is it?,x|{label},{n}" for n, name in enumerate(files))
    head = "file,label,split,question,choices,qid"
    (folder / "labels.csv").write_text("\n".join((head, *rows)) + "\n")


def found(test: str, train: str) -> ImageOverlap:
    (one,) = (one for one in overlaps() if (one.test, one.train) == (test, train))
    return one


def sets(data: Path, train: dict[str, Image.Image], test: dict[str, Image.Image]) -> ImageOverlap:
    bring(data / "vqa_rad", "train", "yes", train)
    bring(data / "slake", "test", "yes", test)
    return found("slake", "vqa_rad")


def test_the_same_pixels_under_other_names_and_in_another_file_are_found(data):
    train = {f"{seed}.png": picture(seed) for seed in range(5)}
    test = {"a.tif": picture(1), "b.bmp": picture(4), "c.png": picture(77), "d.png": picture(78)}
    one = sets(data, train, test)
    assert (one.images, one.compared, one.shared, one.train_images) == (4, 4, 2, 5)
    assert one.told.startswith("not known, at least 2 of 4 images (5 train images were at hand")


def test_an_image_of_another_size_or_compression_is_not_compared_and_so_not_known(data):
    train = {f"{seed}.png": picture(seed) for seed in range(3)}
    test = {"small.png": picture(0).resize((25, 20)), "a.jpg": picture(1), "c.png": picture(9)}
    one = sets(data, train, test)
    assert (one.images, one.compared, one.shared) == (3, 1, 0)
    assert one.told.startswith("not known (2 of 3 images have no train image of their kind, 3")
    assert "0 of" not in one.told and "0.0" not in one.told


@pytest.fixture
def published(monkeypatch) -> None:
    """As if vqa_rad were published with four train images."""
    card = task_cards()["vqa_rad"].model_copy(update={"counts": {"train": 4, "test": 1}})
    cards = {**task_cards(), "vqa_rad": card}
    monkeypatch.setattr("resolution_eval.datasets.image_overlap.task_cards", lambda: cards)


FOUR = {f"{seed}.png": picture(seed) for seed in range(4)}


@pytest.mark.usefixtures("published")
def test_a_share_is_told_where_the_whole_train_split_was_at_hand(data):
    one = sets(data, FOUR, {"a.png": picture(1), "b.png": picture(8)})
    assert one.whole and one.told.startswith("0.500 (1 of 2 images), 20")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("broken", ["vqa_rad/3.png", "slake/b.png"])
def test_a_broken_image_is_no_image_of_either_and_withholds_the_share(data, broken):
    bring(data / "vqa_rad", "train", "yes", FOUR)
    bring(data / "slake", "test", "yes", {"a.png": picture(1), "b.png": picture(8)})
    (data / broken).write_bytes(b"no image")
    one = found("slake", "vqa_rad")
    if broken.startswith("vqa_rad"):
        assert (one.images, one.failed, one.train_images, one.train_failed) == (2, 0, 3, 1)
        assert not one.whole
        assert "3 train images were at hand, not shown to be all, 1 train images cannot" in one.told
    else:
        assert (one.images, one.failed, one.train_images, one.train_failed) == (1, 1, 4, 0)
        assert "(1 more cannot be decoded)" in one.told
    assert one.shared == 1 and one.told.startswith(f"not known, at least 1 of {one.images} images")
    assert "0.5" not in one.told and "1.0" not in one.told


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("name", "image"),
    [("3.png", picture(3).resize((100, 80))), ("3.jpg", picture(3))],
    ids=["size", "compression"],
)
def test_a_train_image_of_another_kind_was_not_compared_and_the_share_is_not_known(
    data, name, image
):
    train = {**{key: one for key, one in FOUR.items() if key != "3.png"}, name: image}
    one = sets(data, train, {"a.png": picture(1), "b.png": picture(3)})
    assert (one.images, one.compared, one.shared, one.train_apart) == (2, 2, 1, 1)
    assert one.whole
    assert one.told.startswith(
        "not known, at least 1 of 2 images (1 of 4 train images are of another kind than some test"
    )


@pytest.mark.usefixtures("published")
def test_two_kinds_in_both_splits_are_not_compared_across(data):
    small = {f"{seed}.png": picture(seed, (25, 20)) for seed in (2, 3)}
    one = sets(data, {**FOUR, **small}, {"a.png": picture(1), "b.png": picture(9, (25, 20))})
    assert (one.compared, one.train_apart) == (2, 4)
    assert one.told.startswith("not known, at least 1 of 2 images (4 of 4 train images are of")


def test_nothing_to_compare_is_said(data):
    bring(data / "slake", "test", "yes", {"a.png": picture(1)})
    with pytest.raises(DataError, match="no train split of one data set and test split of another"):
        overlaps()


ROW = ImageOverlap(
    test="slake",
    train="vqa_rad",
    images=3,
    failed=0,
    compared=3,
    shared=1,
    train_images=9,
    train_failed=0,
    train_apart=0,
    whole=True,
    date=date(2026, 1, 2),
    test_fingerprint="a" * 16,
    train_fingerprint="b" * 16,
)


def test_a_table_keeps_what_was_not_compared_now(tmp_path):
    file = tmp_path / "table.toml"
    old = ImageOverlap(**{**vars(ROW), "test": "path_vqa"})
    write_overlaps([old, ROW], file)
    new = ImageOverlap(**{**vars(ROW), "shared": 2})
    write_overlaps([new], file)
    assert read_overlaps(file) == [old, new]
    file.write_text("[[pair]]\ntest = 1\n")
    with pytest.raises(DataError, match="is no table of image overlaps"):
        read_overlaps(file)


def test_every_other_train_split_is_named_and_none_is_zero_by_default():
    lines = told("slake", [ROW])
    assert lines[0] == "vqa_rad: 0.333 (1 of 3 images), 2026-01-02"
    assert lines[1].startswith("not known, no copies were at hand: ")
    assert {"path_vqa", "pathmnist", "dermamnist"} <= set(lines[1].split(": ")[1].split(", "))
    assert "slake" not in lines[1] and "vqa_rad" not in lines[1]


def test_the_command_writes_the_table_and_a_copy_can_lie_elsewhere(data, tmp_path, capsys):
    bring(tmp_path / "elsewhere", "train", "yes", {"1.png": picture(1)})
    bring(data / "slake", "test", "yes", {"a.png": picture(1)})
    table = tmp_path / "table.toml"
    copy = f"vqa_rad={tmp_path / 'elsewhere'}"
    assert cli.main(["datasets", "--overlap", str(table), "--copy", copy, "--json"]) == 0
    rows = {
        (one["test images of"], one["in train of"]): one
        for one in json.loads(capsys.readouterr().out)
    }
    assert "at least 1 of 1 images" in rows["slake", "vqa_rad"]["share"]
    assert [one.shared for one in read_overlaps(table) if one.test == "slake"] == [1]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--overlap", "t.toml", "--copy", "vqa_red=."], "names no data set 'vqa_red'"),
        (["--overlap", "t.toml", "--copy", "vqa_rad=nowhere"], "write NAME=FOLDER"),
        (["--overlap", "t.toml", "--copy", "vqa_rad"], "write NAME=FOLDER"),
        (["--copy", "vqa_rad=."], "--copy goes with --overlap TABLE"),
        (["slake", "--overlap", "t.toml"], "leave the NAME out"),
    ],
)
def test_a_mistake_is_told(words, advice, capsys):
    assert cli.main(["datasets", *words]) != 0
    assert advice in capsys.readouterr().err


def test_the_committed_table_is_shown_where_its_reader_looks(capsys):
    table = read_overlaps()
    assert table, "the project's own table has what could be compared"
    names = set(task_cards())
    assert all({one.test, one.train} <= names and one.test != one.train for one in table)
    one = table[0]
    assert f"{one.train}: {one.told}" in datasets.describe(task_cards()[one.test])
    assert one.told in dataset_page.page()


def test_a_damaged_store_of_images_is_an_error_and_no_split_without_images():
    class Damaged:
        def samples(self, split):
            if split == "test":
                return [Sample("1", "a", "?", "b", (), "c", split)]
            raise DataError(f"no sample in its {split} split")

        def read(self, locator):
            raise DataError("its images are cut short")

    assert PixelDigests.of(Damaged(), "train").kinds == {}
    with pytest.raises(DataError, match="cut short"):
        PixelDigests.of(Damaged(), "test")
