"""Sources: samples and image bytes from folders, npz files and zips, and what each refuses."""

from __future__ import annotations

import csv
import os
import random
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from resolution_eval.data.cards import TaskCard, parse_task_card, task_cards
from resolution_eval.data.sources import at_hand, data_summary, open_source
from resolution_eval.data.sources.archive import ArchiveSource
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.medmnist import MedMnistSource
from resolution_eval.data.sources.roots import cache_root, data_root
from resolution_eval.data.sources.source import fingerprint
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode
from resolution_eval.resolution import Size

CLASSES = ("cat", "dog", "newt")

CARD = parse_task_card("""
name = "toy"
title = "Toy"
modality = "drawing"
kind = "classification"
folder = "toy"
resolutions = [4, 8]
classes = ["cat", "dog", "newt"]
question = "Which animal?"
chance = 0.3333333
licence = "CC0"
licence_url = "https://example.org/cc0"
citation = "Nobody, 2026."
revision = "1f"
sources = ["local", "medmnist", "archive"]
label_names = { hound = "dog" }
[npz]
url = "https://nowhere.invalid/toy_8.npz"
[archive]
url = "https://nowhere.invalid/toy.zip"
bytes = 1
md5 = "00000000000000000000000000000000"
folders = { C = "cat", D = "dog", N = "newt" }
""")

QUESTIONS = parse_task_card("""
name = "asks"
title = "Asks"
modality = "drawing"
kind = "questions"
folder = "asks"
resolutions = [4, 8]
chance = 0.5
licence = "CC0"
licence_url = "https://example.org/cc0"
citation = "Nobody, 2026."
revision = "1f"
sources = ["local"]
""")


def picture(seed: int, format: str = "PNG") -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(values).save(data, format)
    return data.getvalue()


def with_keys(card: TaskCard, **keys: object) -> TaskCard:
    return card.model_copy(update=keys)


def local(folder: Path, rows: list[dict[str, str]], card: TaskCard = CARD) -> LocalSource:
    """A folder in the local layout with `rows`, and an image for each file that they name."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for index, row in enumerate(rows):
        file = folder / row["file"]
        if not file.exists() and file.parent == folder / "images":
            file.write_bytes(picture(index))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return LocalSource(folder, card)


def row(number: int, label: str = "cat", split: str = "test", **more: str) -> dict[str, str]:
    return {"file": f"images/{number}.png", "label": label, "split": split, "source": "s", **more}


# local layout


def test_rows_become_samples(tmp_path):
    source = local(tmp_path, [row(1, "hound"), row(2, "newt", "train"), row(3, "cat", "val")])
    (sample,) = source.samples("test")
    assert (sample.id, sample.image, sample.cluster) == ("images/1.png",) * 3
    assert (sample.question, sample.answer, sample.choices) == ("Which animal?", "dog", CLASSES)
    assert source.read(sample.image) == picture(0)
    assert [s.id for s in source.samples("train")] == ["images/2.png"]
    assert [s.id for s in source.samples("val")] == ["images/3.png"]
    assert (source.name, source.excluded) == ("local", ())


@pytest.mark.parametrize("split", ["unsplit", "unknown"])
def test_data_that_nobody_split_is_test(tmp_path, split):
    assert len(local(tmp_path, [row(1, split=split), row(2, split=split)]).samples("test")) == 2


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.randoms(use_true_random=False))
def test_row_order_changes_neither_samples_nor_fingerprint(tmp_path, shuffler: random.Random):
    rows = [row(number, CLASSES[number % 3]) for number in range(9)]
    (tmp_path / "images").mkdir(exist_ok=True)
    for entry in rows:
        (tmp_path / entry["file"]).write_bytes(entry["file"].encode())
    first = local(tmp_path, rows)
    shuffler.shuffle(rows)
    second = local(tmp_path, rows)
    assert first.samples() == second.samples()
    assert first.fingerprint == second.fingerprint


def test_a_fingerprint_is_of_a_set_of_samples(tmp_path):
    samples = local(tmp_path, [row(1), row(2, "dog"), row(3, "newt")]).samples()
    contents = {sample.image: sample.id[::-1] for sample in samples}
    assert fingerprint(samples, contents) == fingerprint(samples[::-1], contents)
    swapped = contents | {"images/1.png": "gnp.2/segami", "images/2.png": "gnp.1/segami"}
    assert fingerprint(samples, contents) != fingerprint(samples, swapped)


def test_samples_are_not_in_row_order_so_that_a_limit_mixes_the_classes(tmp_path):
    rows = [row(number, CLASSES[number // 30]) for number in range(90)]
    answers = Counter(sample.answer for sample in local(tmp_path, rows).samples()[:30])
    assert min(answers[name] for name in CLASSES) >= 4


def test_the_fingerprint_follows_labels_splits_and_image_contents(tmp_path):
    rows = [row(1), row(2, "dog"), row(3, "newt")]
    prints = {local(tmp_path, rows).fingerprint}
    prints.add(local(tmp_path, [row(1, "newt"), *rows[1:]]).fingerprint)
    prints.add(local(tmp_path, [row(1, split="val"), *rows[1:]]).fingerprint)
    image = tmp_path / "images" / "2.png"
    image.write_bytes(image.read_bytes()[:-1] + b"X")
    prints.add(local(tmp_path, rows).fingerprint)
    image.unlink()
    prints.add(LocalSource(tmp_path, CARD).fingerprint)
    assert len(prints) == 5


def test_a_missing_image_keeps_its_sample_and_fails_when_read(tmp_path):
    source = local(tmp_path, [row(1), row(2)])
    (tmp_path / "images" / "1.png").unlink()
    assert len(source.samples()) == 2
    with pytest.raises(ImageError, match=r"'images/1\.png'.*No such file"):
        source.read("images/1.png")


def test_an_empty_image_keeps_its_sample_and_fails_when_decoded(tmp_path):
    source = local(tmp_path, [row(1), row(2)])
    (tmp_path / "images" / "1.png").write_bytes(b"")
    assert len(source.samples()) == 2
    with pytest.raises(ImageError, match="0 bytes"):
        decode(source.read("images/1.png"))


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row(1), row(2, "catt")], "line 3: unknown label 'catt'; did you mean 'cat'?"),
        ([row(1, "=1+1")], "line 2: unknown label '=1+1'"),
        ([row(1), row(2), row(1)], "duplicate id 'images/1.png' on lines [2, 4]"),
        ([row(1, split="tset")], "line 2: unknown split 'tset'; did you mean 'test'?"),
        ([row(1, split="")], "line 2: unknown split ''"),
        ([row(1, label=" ")], "line 2: label is empty"),
        ([{**row(1), "file": ""}], "line 2: file is empty"),
        ([{**row(1), "file": "/etc/passwd"}], "'/etc/passwd' is not a plain path"),
        ([{**row(1), "file": "images/../../x.png"}], "not a plain path"),
        ([{**row(1), "file": "C:x.png"}], "not a plain path"),
        ([{**row(1), "file": "C:\\images\\x.png"}], "not a plain path"),
        ([{**row(1), "file": "\\\\server\\x.png"}], "not a plain path"),
        ([{"file": "images/1.png", "split": "test"}], "no column 'label'"),
        ([{"file": "images/1.png", "lable": "cat", "split": "test"}], "did you mean 'lable'?"),
        ([row(n, "x") for n in range(9)], "and 4 more"),
    ],
)
def test_a_faulty_table_is_refused_by_line(tmp_path, rows, complaint):
    with pytest.raises(DataError) as error:
        local(tmp_path, rows)
    assert complaint in str(error.value)
    assert "labels.csv" in str(error.value)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"file,label,split\nimages/1.png,caf\xe9,test\n", "line 2: not UTF-8 (byte 0xe9)"),
        (b"file,label,split\nimages/1.png,cat\n", "line 2: 2 cells, but the header has 3"),
        (b'file,label,split\nimages/1.png,"cat,test\n', "not CSV"),
        (b"", "no line below its header"),
        (b"file,label,split\n", "no line below its header"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, data, complaint):
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(DataError) as error:
        LocalSource(tmp_path, CARD)
    assert complaint in str(error.value)


def test_a_table_saved_with_a_byte_order_mark_and_blank_lines_is_read(tmp_path):
    text = "\ufefffile,label,split\r\n\r\nimages/1.png,cat,test\r\n\r\n"
    (tmp_path / "labels.csv").write_bytes(text.encode())
    assert [sample.answer for sample in LocalSource(tmp_path, CARD).samples()] == ["cat"]


def test_an_absent_table_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        LocalSource(tmp_path, CARD)


def test_an_empty_or_unknown_split_is_refused(tmp_path):
    source = local(tmp_path, [row(1, split="train"), row(2, split="train")])
    with pytest.raises(DataError, match=r"no sample in its test split; found \{'train': 2\}"):
        source.samples("test")
    with pytest.raises(DataError, match="did you mean 'train'"):
        source.samples("trian")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(picture(1))
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"line 2: 'images/1\.png' leads out of the folder"):
        local(folder, [row(1)])
    (folder / "images" / "1.png").unlink()
    (folder / "images" / "1.png").symlink_to(folder / "images" / "2.png")
    assert local(folder, [row(2), row(1)]).read("images/1.png") == picture(0)
    (folder / "images" / "3.png").symlink_to(folder / "images" / "3.png")
    (folder / "labels.csv").write_text("file,label,split\nimages/3.png,cat,test\n")
    with pytest.raises((DataError, ImageError), match=r"images/3\.png"):
        LocalSource(folder, CARD).read("images/3.png")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_the_data_folder_itself_may_be_a_link(tmp_path):
    local(tmp_path / "real", [row(1)])
    (tmp_path / "linked").symlink_to(tmp_path / "real", target_is_directory=True)
    assert len(LocalSource(tmp_path / "linked", CARD).samples()) == 1


def test_a_column_may_name_the_cluster(tmp_path):
    card = with_keys(CARD, cluster="patient")
    source = local(tmp_path, [row(1, patient="p7"), row(2, patient="p7")], card)
    assert {sample.cluster for sample in source.samples()} == {"p7"}
    with pytest.raises(DataError, match="line 3: patient is empty"):
        local(tmp_path, [row(1, patient="p7"), row(2, patient="")], card)
    with pytest.raises(DataError, match="no column 'patient'"):
        local(tmp_path, [row(1), row(2)], card)


# questions


def question(number: int, text: str, answer: str, **more: str) -> dict[str, str]:
    return row(number, answer, "test", question=text, **more)


def test_questions_keep_their_text_and_answer(tmp_path):
    rows = [
        question(1, "Is it round?", "Yes", answer_type="CLOSED", qid="a", choices=""),
        question(1, "Where is it?", "Left lobe", answer_type="OPEN", qid="b", choices=""),
        question(2, "Which one?", "mri", answer_type="", qid="c", choices="CT | MRI"),
    ]
    samples = {sample.id: sample for sample in local(tmp_path, rows, QUESTIONS).samples()}
    assert (samples["a"].answer, samples["a"].choices) == ("yes", ("yes", "no"))
    assert (samples["b"].answer, samples["b"].choices) == ("Left lobe", ())
    assert (samples["c"].answer, samples["c"].choices) == ("MRI", ("CT", "MRI"))
    assert [samples[name].form for name in "abc"] == ["closed", "open", "closed"]
    assert samples["a"].cluster == samples["b"].cluster == "images/1.png"


def test_without_a_qid_a_question_asked_twice_of_one_image_is_refused(tmp_path):
    rows = [question(1, "Where?", "left"), question(2, "Where?", "top"), question(1, "Why?", "x")]
    ids = {sample.id for sample in local(tmp_path, rows, QUESTIONS).samples()}
    assert len(ids) == 3
    with pytest.raises(DataError, match=r"duplicate id .* on lines \[2, 5\].*column qid"):
        local(tmp_path, [*rows, question(1, "Where?", "left")], QUESTIONS)


def test_with_a_qid_a_question_asked_twice_is_two_samples(tmp_path):
    rows = [question(1, "Where?", "left", qid=qid) for qid in ("4", "9")]
    assert {s.id for s in local(tmp_path, rows, QUESTIONS).samples()} == {"4", "9"}
    with pytest.raises(DataError, match=r"duplicate id '4' on lines \[2, 3\]"):
        local(tmp_path, [rows[0], rows[0]], QUESTIONS)


@pytest.mark.parametrize(
    ("faulty", "complaint"),
    [
        (question(1, "", "left"), "line 2: question is empty"),
        (question(1, "Which?", "PET", choices="CT|MRI"), "answer 'PET' is not one of the choices"),
        (row(1, "left"), "no column 'question'"),
    ],
)
def test_a_faulty_question_is_refused(tmp_path, faulty, complaint):
    with pytest.raises(DataError, match=complaint):
        local(tmp_path, [faulty], QUESTIONS)


# MedMNIST+ files


def npz(file: Path, **replaced: object) -> Path:
    generator = np.random.default_rng(3)
    arrays: dict[str, object] = {}
    for split, count in (("train", 5), ("val", 2), ("test", 4)):
        arrays[f"{split}_images"] = generator.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = generator.integers(0, 3, (count, 1), dtype=np.uint8)
    arrays.update(replaced)
    np.savez_compressed(
        file, **{name: value for name, value in arrays.items() if value is not None}
    )
    return file


def test_every_image_of_an_npz_is_a_sample_of_the_numbered_class(tmp_path):
    file = npz(tmp_path / "toy_8.npz")
    source = MedMnistSource(file, CARD)
    arrays = np.load(file)
    for split, count in (("train", 5), ("val", 2), ("test", 4)):
        samples = source.samples(split)
        assert len(samples) == count
        for sample in samples:
            index = int(sample.id.removeprefix(f"{split}/"))
            assert sample.answer == CLASSES[arrays[f"{split}_labels"][index, 0]]
            image = np.asarray(decode(source.read(sample.image)).image)
            assert np.array_equal(image, arrays[f"{split}_images"][index])


def test_grey_npz_images_are_read(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    source = MedMnistSource(npz(tmp_path / "a.npz", test_images=images), CARD)
    decoded = decode(source.read("test/000002"))
    assert np.array_equal(np.asarray(decoded.image)[..., 0], images[2])
    assert decoded.notes == ("greyscale",)


@pytest.mark.parametrize(
    ("replaced", "complaint"),
    [
        ({"test_labels": np.array([[0], [1], [2], [3]])}, "test has the labels 3"),
        ({"test_labels": np.array([[0], [1], [-1], [2]])}, "test has the labels -1"),
        ({"test_labels": np.array([[0], [1]])}, "4 images, but labels of"),
        ({"test_labels": np.array([[0, 1]] * 4)}, "4 images, but labels of"),
        ({"test_labels": np.array([0.0, 1.0, 2.0, 0.5])}, "4 images, but labels of float64"),
        ({"test_labels": np.array(2)}, "4 images, but labels of"),
        ({"test_labels": None}, "not a whole MedMNIST+ file"),
        ({"test_images": None}, "not a whole MedMNIST+ file"),
        ({"test_images": np.zeros((4, 8, 8), np.uint16)}, "not 8-bit grey or RGB"),
        ({"test_images": np.zeros((4, 8, 8, 4), np.uint8)}, "not 8-bit grey or RGB"),
        ({"test_labels": np.array([[0], [1], [None], [2]], object)}, "not a whole MedMNIST"),
    ],
)
def test_a_faulty_npz_is_refused(tmp_path, replaced, complaint):
    with pytest.raises(DataError) as error:
        MedMnistSource(npz(tmp_path / "a.npz", **replaced), CARD)
    assert complaint in str(error.value)


@pytest.mark.parametrize("percent", [0, 10, 50, 99])
def test_a_truncated_npz_is_refused(tmp_path, percent):
    file = npz(tmp_path / "a.npz")
    file.write_bytes(file.read_bytes()[: file.stat().st_size * percent // 100])
    with pytest.raises(DataError, match="not a whole MedMNIST"):
        MedMnistSource(file, CARD)


def test_an_npz_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path):
    zeros = np.zeros(100 * 2**20, np.uint8)
    with pytest.raises(DataError, match=r"unpacks to 1048.* bytes, more than 20 times its size"):
        MedMnistSource(npz(tmp_path / "a.npz", train_labels=zeros), CARD)


def test_an_npz_that_claims_more_than_the_memory_holds_is_refused(tmp_path):
    header = BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (2**46, 1)}
    np.lib.format.write_array_header_1_0(header, described)
    file = npz(tmp_path / "a.npz", test_labels=None)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("test_labels.npy", header.getvalue())
    with pytest.raises(DataError, match="not a whole MedMNIST"):
        MedMnistSource(file, CARD)


def test_a_damaged_npz_is_refused_when_the_damage_is_read(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    file = npz(tmp_path / "a.npz", test_images=images)
    with zipfile.ZipFile(file) as archive:
        start = archive.getinfo("test_images.npy").header_offset
    data = bytearray(file.read_bytes())
    data[start + 40_000] ^= 0xFF
    file.write_bytes(data)
    source = MedMnistSource(file, CARD)
    assert len(source.samples("test")) == 4
    with pytest.raises(DataError, match="not a whole MedMNIST"):
        source.read("test/000001")


def test_the_npz_fingerprint_follows_pixels_and_labels(tmp_path):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    files = {
        "same": {},
        "again": {},
        "images": {"test_images": images},
        "labels": {"val_labels": np.array([[2], [2]])},
    }
    prints = {
        name: MedMnistSource(npz(tmp_path / f"{name}.npz", **replaced), CARD).fingerprint
        for name, replaced in files.items()
    }
    assert prints["same"] == prints["again"]
    assert len(set(prints.values())) == 3


# zip archives


def archived(file: Path, members: dict[str, bytes]) -> ArchiveSource:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert CARD.archive is not None
    card = CARD.archive.model_copy(update={"bytes": file.stat().st_size})
    return ArchiveSource(file, card, CARD)


TILES = {f"TOY/{folder}/t{n}.tif": picture(n, "TIFF") for n, folder in enumerate("CDNCDN")}


def test_tiles_are_read_from_the_zip_in_place(tmp_path):
    source = archived(tmp_path / "toy.zip", TILES)
    samples = {sample.id: sample for sample in source.samples()}
    assert {name: sample.answer for name, sample in samples.items()} == {
        "C/t0.tif": "cat",
        "D/t1.tif": "dog",
        "N/t2.tif": "newt",
        "C/t3.tif": "cat",
        "D/t4.tif": "dog",
        "N/t5.tif": "newt",
    }
    decoded = decode(source.read(samples["D/t1.tif"].image))
    assert decoded.size == Size(9, 6)
    assert decoded.image.tobytes() == decode(picture(1)).image.tobytes()
    assert [file.name for file in tmp_path.iterdir()] == ["toy.zip"]


def test_the_zip_has_a_test_split_only(tmp_path):
    with pytest.raises(DataError, match=r"no sample in its train split; found \{'test': 6\}"):
        archived(tmp_path / "toy.zip", TILES).samples("train")


def test_what_is_no_tile_of_a_class_is_excluded_by_name(tmp_path):
    stray = {
        "TOY/README.txt": b"hello",
        "TOY/X/t9.tif": picture(9),
        "__MACOSX/TOY/C/t0.tif": b"junk",
        "TOY/C/._t0.tif": b"junk",
        "TOY/C/.DS_Store": b"junk",
        "TOY/C/Thumbs.db": b"junk",
    }
    source = archived(tmp_path / "toy.zip", TILES | stray)
    assert {exclusion.item for exclusion in source.excluded} == set(stray)
    assert len(source.samples()) == 6


@pytest.mark.parametrize("name", ["../C/t.tif", "/C/t.tif", "TOY/../../C/t.tif", "D:/C/t.tif"])
def test_a_member_that_leads_out_of_the_zip_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="leads out of the archive"):
        archived(tmp_path / "toy.zip", TILES | {name: picture(1)})


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("resolution_eval.data.sources.containers.LARGEST_MEMBER", 99_999)
    with pytest.raises(DataError, match=r"'TOY/C/big\.tif' is too large"):
        archived(tmp_path / "toy.zip", TILES | {"TOY/C/big.tif": bytes(100_000)})


def test_an_encrypted_member_is_refused(tmp_path):
    file = tmp_path / "toy.zip"
    archived(file, TILES)
    data = bytearray(file.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match="is encrypted"):
        ArchiveSource(file, CARD.archive.model_copy(update={"bytes": len(data)}), CARD)


def test_two_tiles_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"two images are called 'C/t0\.tif'"):
        archived(tmp_path / "toy.zip", TILES | {"COPY/C/t0.tif": picture(3)})


def test_a_damaged_tile_fails_alone(tmp_path):
    file = tmp_path / "toy.zip"
    source = archived(file, TILES)
    with zipfile.ZipFile(file) as archive:
        start = archive.getinfo("TOY/D/t1.tif").header_offset
    data = bytearray(file.read_bytes())
    data[start + 60] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(ImageError, match=r"TOY/D/t1\.tif"):
        source.read("TOY/D/t1.tif")
    assert source.read("TOY/N/t2.tif") == picture(2, "TIFF")
    with pytest.raises(ImageError, match=r"TOY/D/no\.tif"):
        source.read("TOY/D/no.tif")


def test_a_zip_of_another_size_or_cut_short_is_refused(tmp_path):
    file = tmp_path / "toy.zip"
    archived(file, TILES)
    with pytest.raises(DataError, match="the published file has 1"):
        ArchiveSource(file, CARD.archive, CARD)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a whole zip file"):
        ArchiveSource(file, CARD.archive.model_copy(update={"bytes": file.stat().st_size}), CARD)


def test_member_order_changes_neither_samples_nor_fingerprint(tmp_path):
    first = archived(tmp_path / "a.zip", TILES)
    second = archived(tmp_path / "b.zip", dict(reversed(TILES.items())))
    assert first.samples() == second.samples()
    assert first.fingerprint == second.fingerprint
    third = archived(tmp_path / "c.zip", TILES | {"TOY/C/t0.tif": picture(8, "TIFF")})
    assert third.fingerprint != first.fingerprint


def test_threads_read_one_zip_together(tmp_path):
    source = archived(tmp_path / "toy.zip", TILES)
    with ThreadPoolExecutor(4) as pool:
        names = list(TILES) * 20
        assert list(pool.map(source.read, names)) == [TILES[name] for name in names]


# which source is opened


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty RESOLUTION_EVAL_DATA folder, an empty cache, and no way to the network."""

    def offline(remote, target):
        raise DataError(f"no connection to {remote.url}")

    monkeypatch.setattr("resolution_eval.data.sources.download.download", offline)
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def put_zip(file: Path) -> TaskCard:
    archived(file, TILES)
    archive = CARD.archive.model_copy(
        update={"bytes": file.stat().st_size, "md5": md5(file.read_bytes()).hexdigest()}
    )
    return with_keys(CARD, archive=archive)


def test_the_first_source_that_has_the_data_is_opened(data):
    card = put_zip(data / "toy.zip")
    assert open_source(with_keys(card, title="1")).name == "archive"
    npz(data / "toy_8.npz")
    assert open_source(with_keys(card, title="2")).name == "medmnist"
    local(data / "toy", [row(1)])
    assert open_source(with_keys(card, title="3")).name == "local"
    assert open_source(with_keys(card, title="4", sources=("archive", "local"))).name == "archive"


def test_files_are_found_in_the_data_sets_own_folder_too(data):
    (data / "toy").mkdir()
    npz(data / "toy" / "toy_8.npz")
    assert open_source(CARD).name == "medmnist"


def test_a_source_is_opened_once(data):
    local(data / "toy", [row(1)])
    assert open_source(CARD) is open_source(parse_task_card_again())


def parse_task_card_again() -> TaskCard:
    return TaskCard.model_validate(CARD.model_dump())


def test_a_download_is_read_from_the_cache(data, monkeypatch):
    monkeypatch.setattr(
        "resolution_eval.data.sources.download.download",
        lambda remote, target: target if target.is_file() else pytest.fail("not in the cache"),
    )
    cache_root().mkdir()
    card = put_zip(cache_root() / "toy.zip")
    assert len(open_source(card).samples()) == 6


def test_a_part_of_a_download_is_not_at_hand_and_nothing_is_got_for_it(data, monkeypatch):
    monkeypatch.setattr(
        "resolution_eval.data.sources.download.download",
        lambda remote, file: file.stat().st_size == remote.bytes or pytest.fail("downloaded"),
    )
    cache_root().mkdir()
    file = cache_root() / "toy.zip"
    card = put_zip(file)
    assert at_hand(card) is not None
    file.write_bytes(file.read_bytes()[:-9])
    assert at_hand(card) is None


@pytest.mark.parametrize("named", [True, False])
def test_no_data_is_one_error_that_names_the_three_ways(data, monkeypatch, named):
    if not named:
        monkeypatch.delenv("RESOLUTION_EVAL_DATA")
    with pytest.raises(DataError) as error:
        open_source(CARD)
    message = str(error.value)
    for way in ("toy with labels.csv", "toy_8.npz", "https://nowhere.invalid/toy.zip (1 bytes)"):
        assert way in message
    assert "no connection" in message
    assert (str(data) in message) == named
    assert ("RESOLUTION_EVAL_DATA is not set" in message) != named


def test_no_data_without_a_download_names_the_ways_there_are(data):
    with pytest.raises(DataError) as error:
        open_source(QUESTIONS)
    assert "asks with labels.csv" in str(error.value)
    assert "npz" not in str(error.value)


def test_damaged_data_is_an_error_and_not_a_reason_to_look_elsewhere(data):
    npz(data / "toy_8.npz")
    local(data / "toy", [row(1)])
    (data / "toy" / "labels.csv").write_text("nonsense\n1\n")
    with pytest.raises(DataError, match="no column 'file'"):
        open_source(CARD)


def test_a_data_variable_that_names_no_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="which is not a folder"):
        data_root()
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", "")
    assert data_root() is None


def test_the_cache_is_the_users_own_unless_named(tmp_path, monkeypatch):
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("RESOLUTION_EVAL_CACHE")
    assert cache_root().name == "resolution-eval"


# real data

REAL = os.environ.get("RESOLUTION_EVAL_DATA")
REAL_CARDS = {
    "pathmnist": ({"test": 32}, {"test": 32}),
    "pbc": ({"train": 2240, "val": 160, "test": 320}, {"test": 320}),
    "chestxray14": ({"test": 36}, {"test": 36}),
    "vqa_rad": ({"train": 1797, "test": 451}, {"test": 203}),
}
OTHERS = {
    "chestxray14": with_keys(
        CARD,
        name="chestxray14",
        folder="chestxray14",
        classes=("no finding", "pneumonia"),
        label_names={},
        sources=("local",),
        cluster="patient_id",
    ),
    "vqa_rad": with_keys(QUESTIONS, name="vqa_rad", folder="vqa_rad"),
}


@pytest.mark.skipif(not REAL, reason="RESOLUTION_EVAL_DATA names no folder with the real data")
@pytest.mark.parametrize("name", REAL_CARDS)
def test_the_real_data_is_complete_and_decodes(name):
    card = {**OTHERS, **task_cards()}[name]
    if not (Path(REAL) / card.folder / "labels.csv").is_file():
        pytest.skip(f"{card.folder} is not in RESOLUTION_EVAL_DATA")
    counts, clusters = REAL_CARDS[name]
    source = open_source(card)
    assert source.name == "local"
    for split, count in counts.items():
        assert len(source.samples(split)) == count
    for split, count in clusters.items():
        assert len({sample.cluster for sample in source.samples(split)}) == count
    for sample in source.samples("test")[:12]:
        decoded = decode(source.read(sample.image))
        if card.source_width:
            assert decoded.size == Size(card.source_width, card.source_height)
    if name == "vqa_rad":
        kinds = Counter(sample.form for sample in source.samples("test"))
        assert kinds == {"closed": 272, "open": 179}


def test_images_with_several_findings_are_excluded_and_counted(tmp_path):
    findings = CARD.npz.model_copy(update={"labels": "findings"})
    card = with_keys(CARD, npz=findings)  # cat and dog are findings, newt stands for neither
    labels = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], np.uint8)
    others = {"train_labels": np.zeros((5, 2), np.uint8), "val_labels": np.ones((2, 2), np.uint8)}
    source = MedMnistSource(npz(tmp_path / "a.npz", test_labels=labels, **others), card)
    answers = {sample.id: sample.answer for sample in source.samples()}
    assert answers == {"test/000000": "cat", "test/000001": "dog", "test/000002": "newt"}
    assert [(e.item, e.split) for e in source.excluded] == [
        ("val/000000", "val"),
        ("val/000001", "val"),
        ("test/000003", "test"),
    ]
    assert data_summary(source) == "3 samples, 1 excluded (1 has several findings)"
    with pytest.raises(DataError, match="a 0 or 1 for each of 2 findings is needed"):
        MedMnistSource(npz(tmp_path / "b.npz", test_labels=labels + 1, **others), card)
