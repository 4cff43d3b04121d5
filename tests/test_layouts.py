"""Layouts: every way a folder says what its images show, and the cause named where it does not."""

from __future__ import annotations

import csv
import json
import unicodedata
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.own_folder import folder_card
from resolution_eval.data.sources import data_summary, folder_contents
from resolution_eval.data.sources.archive import ArchiveSource
from resolution_eval.data.sources.delimited import TableRow, json_rows, rows_of
from resolution_eval.data.sources.layout import layout_of
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.medmnist import MedMnistSource
from resolution_eval.data.sources.normal_form import normal
from resolution_eval.data.sources.published.benchmark_folder import BenchmarkFolder
from resolution_eval.ground.errors import DataError, ImageError, UsageError
from resolution_eval.images import decode


def picture(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(values).save(data, "PNG")
    return data.getvalue()


def folder(root: Path, table: str, *files: str) -> Path:
    for seed, name in enumerate(files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(seed))
    if table:
        root.mkdir(parents=True, exist_ok=True)
        (root / "labels.csv").write_text(table, encoding="utf-8")
    return root


def opened(root: Path) -> LocalSource:
    return LocalSource(root, folder_card(root))


AB = ("images/a.png", "images/b.png")
ROWS = [("images/a.png", "benign", "test"), ("images/b.png", "malignant", "test")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["file,label,split", "File,LABEL, Split ", "split,file,label"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_delimiter_case_and_order_of_the_header(tmp_path, delimiter, header, mark):
    names = [name.strip().lower() for name in header.split(",")]
    lines = [delimiter.join(header.split(","))]
    for row in ROWS:
        cells = dict(zip(("file", "label", "split"), row, strict=True))
        lines.append(delimiter.join(cells[name] for name in names))
    source = opened(folder(tmp_path, mark + "\n".join(lines), *AB))
    assert {sample.id: sample.answer for sample in source.samples()} == {
        "images/a.png": "benign",
        "images/b.png": "malignant",
    }


@pytest.mark.parametrize("path", ["images\\{}.png", "./images/{}.png", "images//{}.png"])
def test_any_spelling_of_a_path_is_the_same_file(tmp_path, path):
    rows = "".join(f"{path.format(name)},{name},test\n" for name in "ab")
    source = opened(folder(tmp_path, "file,label,split\n" + rows, *AB))
    assert {sample.image for sample in source.samples()} == set(AB)
    assert decode(source.read("images/a.png")).size.width == 40


def test_one_file_under_two_spellings_is_listed_twice(tmp_path):
    table = "file,label,split\nimages/a.png,x,test\nimages\\a.png,y,test\n"
    with pytest.raises(DataError, match=r"duplicate id 'images/a\.png' on lines \[2, 3\]"):
        opened(folder(tmp_path, table, *AB))


def test_accents_composed_or_not_name_one_file(tmp_path):
    stored, written = (unicodedata.normalize(form, "images/é.png") for form in ("NFD", "NFC"))
    table = f"file,label,split\n{written},x,test\nimages/b.png,y,test\n"
    source = opened(folder(tmp_path, table, stored, "images/b.png"))
    for sample in source.samples():
        assert decode(source.read(sample.image)).size.height == 30


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("file,label,split\nimages/a.PNG,x,test\nimages/b.PNG,y,test\n", "mean 'images/[ab].png'"),
        ("file,label,split\nimages/a,x,test\nimages/b,y,test\n", "mean 'images/[ab].png'"),
        ("file,label,split\na.png,x,test\nb.png,y,test\n", "mean 'images/[ab].png'"),
        ("file,label,split\nimage/a.png,x,test\nimage/b.png,y,test\n", "mean 'images/[ab].png'"),
        ("file,label,label,split\nimages/a.png,x,x,test\n", "names a column twice: 'label'"),
        ("file,Label,label,split\nimages/a.png,x,x,test\n", "names a column twice: 'label'"),
        ("file|label|split\nimages/a.png|x|test\n", "no column 'file', but one column"),
        ("file,lable,split\nimages/a.png,x,test\n", "no column 'label'; did you mean 'lable'"),
        ("file,label,split\nimages/a.png,x,test\nimages/b.png,X.,test\n", "1 different labels"),
    ],
)
def test_the_cause_is_named(tmp_path, table, told):
    with pytest.raises(DataError, match=told):
        opened(folder(tmp_path, table, *AB))


def test_a_table_in_utf_16_is_named(tmp_path):
    root = folder(tmp_path, "", *AB)
    (root / "labels.csv").write_bytes("file,label,split\n".encode("utf-16"))
    with pytest.raises(DataError, match="is UTF-16; save the table as UTF-8"):
        opened(root)


def test_one_missing_file_fails_alone_with_the_nearest_name(tmp_path):
    table = "file,label,split\nimages/a.png,x,test\nimages/B.png,y,test\n"
    source = opened(folder(tmp_path, table, *AB))
    assert len(source.samples()) == 2
    with pytest.raises(ImageError, match=r"'images/B\.png' is not found .*'images/b\.png'"):
        source.read("images/B.png")


def test_no_column_split_is_all_test_and_noted(tmp_path):
    source = opened(folder(tmp_path, "file,label\nimages/a.png,x\nimages/b.png,y\n", *AB))
    assert len(source.samples("test")) == 2
    assert "has no column split: all of its 2 lines are taken as test samples" in source.notes[0]


@pytest.mark.parametrize("split", ["Test", "TEST ", "testing", "test"])
def test_a_split_in_any_case(tmp_path, split):
    table = f"file,label,split\nimages/a.png,x,{split}\nimages/b.png,y,{split}\n"
    assert len(opened(folder(tmp_path, table, *AB)).samples("test")) == 2


def test_labels_of_one_spelling_are_one_class_and_noted(tmp_path):
    labels = ["Benign", "benign", "Benign", "smooth\u00a0muscle", "smooth muscle", "smooth muscle."]
    files = [f"images/{n}.png" for n in range(6)]
    rows = "".join(f"{file},{label},test\n" for file, label in zip(files, labels, strict=True))
    root = folder(tmp_path, "file,label,split\n" + rows, *files)
    card = folder_card(root)
    assert len(card.classes) == 2
    assert card.chance == pytest.approx(0.5)
    source = LocalSource(root, card)
    assert {sample.answer for sample in source.samples()} == set(card.classes)
    assert any("spelt otherwise than their class" in note for note in source.notes)


def test_copies_are_one_cluster_and_noted_across_splits(tmp_path):
    files = ["images/a.png", "images/b.png", "images/c.png", "images/d.png"]
    splits = ["test", "test", "test", "train"]
    labels = ["x", "x", "y", "x"]
    rows = "".join(
        f"{file},{label},{split}\n"
        for file, label, split in zip(files, labels, splits, strict=True)
    )
    root = folder(tmp_path, "file,label,split\n" + rows, *files)
    for copy in ("b", "d"):
        (root / "images" / f"{copy}.png").write_bytes((root / "images" / "a.png").read_bytes())
    source = opened(root)
    clusters = {sample.id: sample.cluster for sample in source.samples()}
    assert clusters["images/a.png"] == clusters["images/b.png"] != clusters["images/c.png"]
    assert "2 of 3 test images are copies, byte for byte, of 1 pictures" in source.notes[0]
    assert "2 of 3 test images are copies, byte for byte, of train images" in source.notes[1]


def test_one_picture_with_two_labels_is_an_error_that_names_both(tmp_path):
    root = folder(tmp_path, "file,label,split\nimages/a.png,x,test\nimages/b.png,y,test\n", *AB)
    (root / "images" / "b.png").write_bytes((root / "images" / "a.png").read_bytes())
    with pytest.raises(DataError, match=r"images/a\.png says 'x' and images/b\.png says 'y'"):
        opened(root)


@pytest.mark.parametrize("choices", ["CT|CT", "CT|ct.", "CT||MRI", "None|NONE"])
def test_an_option_twice_or_empty_is_an_error(tmp_path, choices):
    table = f"file,label,split,question,choices\nimages/a.png,CT,test,What?,{choices}\n"
    with pytest.raises(DataError, match=r"an option (stands twice|is empty)"):
        opened(folder(tmp_path, table, *AB))


def test_options_like_nothing_stay_text_and_answers_match_in_normal_form(tmp_path):
    table = (
        "file,label,split,question,choices\n"
        "images/a.png,none,test,Which?,CT|None|NA\nimages/b.png,nan,test,Which?,null|NaN\n"
    )
    answers = {s.image: s.answer for s in opened(folder(tmp_path, table, *AB)).samples()}
    assert answers == {"images/a.png": "None", "images/b.png": "NaN"}


# --- other layouts


@pytest.mark.parametrize("inside", ["", "test/", "Test/"])
def test_class_folders_run_without_a_table_and_lose_no_file(tmp_path, inside):
    root = folder(
        tmp_path,
        "",
        f"{inside}benign/1.png",
        f"{inside}benign/deep/2.PNG",
        f"{inside}malignant/3.png",
        f"{inside}loose.png",
        ".hidden/4.png",
    )
    (root / inside / "benign" / "notes.txt").write_text("a note")
    source = opened(root)
    assert {sample.answer for sample in source.samples()} == {"benign", "malignant"}
    assert len(source.samples()) == 3
    reasons = {exclusion.reason for exclusion in source.excluded}
    assert reasons == {"not an image by its ending", "not in a class folder"}
    assert "3 samples, 2 excluded" in data_summary(source)


def test_class_folders_in_splits(tmp_path):
    files = [f"{split}/{c}/{n}.png" for split in ("train", "test") for c in "xy" for n in range(2)]
    source = opened(folder(tmp_path, "", *files))
    assert (len(source.samples("train")), len(source.samples("test"))) == (4, 4)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("inside", ["", "test/"])
def test_hugging_face_imagefolder(tmp_path, ending, inside):
    root = folder(tmp_path, "", f"{inside}a.png", f"{inside}b.png", f"{inside}unlisted.png")
    rows = [{"file_name": "a.png", "label": "x"}, {"file_name": "b.png", "label": "None"}]
    table = root / inside / f"metadata.{ending}"
    if ending == "jsonl":
        table.write_text("\n".join(map(json.dumps, rows)))
    else:
        with table.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["file_name", "label"])
            writer.writeheader()
            writer.writerows(rows)
    source = opened(root)
    assert {s.image: s.answer for s in source.samples()} == {
        f"{inside}a.png": "x",
        f"{inside}b.png": "None",
    }
    assert [e.reason for e in source.excluded] == [f"not listed in metadata.{ending}"]


def test_a_folder_without_any_layout_names_the_three(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv.*metadata\.csv.*one folder of images per"):
        folder_card(folder(tmp_path, "", "a.png"))


def test_links_lead_into_a_store_that_the_user_names_and_nowhere_else(tmp_path):
    store, root = tmp_path / "store", tmp_path / "data"
    folder(store, "", "1.png", "2.png")
    (root / "images").mkdir(parents=True)
    for name, target in (("a", "1"), ("b", "2")):
        (root / "images" / f"{name}.png").symlink_to(store / f"{target}.png")
    (root / "labels.csv").write_text("file,label,split\nimages/a.png,x,test\nimages/b.png,y,test\n")
    with pytest.raises(DataError, match=r"leads out of the folder by a link.*--root"):
        folder_card(root)
    with pytest.raises(DataError, match="leads out of the folder by a link"):
        folder_card(root, {"root": str(tmp_path / "data" / "images")})
    card = folder_card(root, {"root": str(store)})
    assert len(LocalSource(root, card).samples()) == 2


def test_the_pixel_limit_is_raised_by_an_argument(tmp_path, monkeypatch):
    root = folder(tmp_path, "file,label,split\nimages/a.png,x,test\nimages/b.png,y,test\n", *AB)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="too large: 40x30 is 1200 pixels, limit 100"):
        folder_card(root)
    source = LocalSource(root, folder_card(root, {"max_pixels": 1200}))
    assert decode(source.read("images/a.png")).size.pixels == 1200


@given(st.text(min_size=1))
def test_the_normal_form_is_settled_by_one_step(text):
    assert normal(normal(text)) == normal(text)


@given(st.text(alphabet="abé ñ.\u00a0Ü", min_size=1, max_size=12))
def test_case_blanks_and_composition_do_not_count(text):
    for other in (text.upper().lower(), f" {text} ", unicodedata.normalize("NFD", text)):
        assert normal(other) == normal(text)


def test_copies_in_an_archive_are_one_cluster_and_told(tmp_path):
    card = task_cards()["pathmnist"]
    file = tmp_path / "tiles.zip"
    with ZipFile(file, "w") as packed:
        for name, seed in (("ADI/1.png", 1), ("ADI/2.png", 1), ("DEB/3.png", 2), ("MUC/4.png", 2)):
            packed.writestr(name, picture(seed))
    assert card.archive is not None
    published = card.archive.model_copy(update={"bytes": None, "md5": None})
    source = ArchiveSource(file, published, card)
    clusters = {sample.id: sample.cluster for sample in source.samples()}
    assert clusters["ADI/1.png"] == clusters["ADI/2.png"] != clusters["DEB/3.png"]
    assert "4 of 4 test images are copies, byte for byte, of 2 pictures" in source.notes[0]
    assert "1 pictures stand under several labels" in source.notes[1]


def test_copies_in_a_medmnist_file_are_one_cluster_and_told(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
    images[1] = images[0]
    file = tmp_path / "pathmnist_28.npz"
    labels = np.array([[0], [1], [2], [3]], np.uint8)
    arrays = {f"{split}_images": images for split in ("train", "val", "test")}
    np.savez(file, **arrays, **{f"{split}_labels": labels for split in ("train", "val", "test")})
    source = MedMnistSource(file, task_cards()["pathmnist"])
    clusters = {sample.id: sample.cluster for sample in source.samples()}
    assert clusters["test/000000"] == clusters["test/000001"] == "test/000000"
    assert len(set(clusters.values())) == 3
    assert "1 pictures stand under several labels" in source.notes[1]


# alike to a person, another to a computer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("T-cell", "T\u2011cell"),
        ("T-cell", "T\u2013cell"),
        ("Crohn's", "Crohn\u2019s"),
        ("Benign", "\uff22\uff45\uff4e\uff49\uff47\uff4e"),
        ("Benign", "B\u0435nign"),
        ("fibrosis", "\ufb01brosis"),
        ("smooth muscle", "smooth_muscle"),
        ("5 \u00b5m", "5 \u03bcm"),
        ("1", "1.0"),
        ("1", "01"),
        ("1", "\uff11"),
        ("benign", "\u202abenign\u202c"),
        ("benign", "benign\u200e"),
        ("benign", "be\x7fnign"),
        ("II", "\u2161"),
    ],
)
def test_labels_that_a_person_reads_alike_are_one_class_with_a_note(tmp_path, one, other):
    table = f"file,label\na.png,{one}\nb.png,{one}\nc.png,{other}\nd.png,third\n"
    source = opened(folder(tmp_path, table, "a.png", "b.png", "c.png", "d.png"))
    assert {sample.answer for sample in source.samples()} == {one, "third"}
    assert any(f"{other!r} as {one!r}" in note for note in source.notes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "10"),
        ("-1", "1"),
        ("1.5", "15"),
        ("grade 1", "grade 10"),
        ("T1", "T2"),
        ("\u03b2", "b"),
        ("II", "\u2162"),
    ],
)
def test_labels_that_a_person_tells_apart_stay_two(tmp_path, one, other):
    assert normal(one) != normal(other)
    assert normal(f"x {one}") != normal(f"x {other}")


@pytest.mark.parametrize(
    "start",
    ["", "sep=;\n", "sep=;\r\n", '"sep=;"\n', "\n\n", "\r\n", "\r\n\r\nsep=;\r\n\n"],
    ids=repr,
)
def test_what_spreadsheets_put_before_the_header_is_passed_over(tmp_path, start):
    table = f"{start}file;label\na.png;x\nb.png;y\n"
    assert len(opened(folder(tmp_path, table, "a.png", "b.png")).samples()) == 2
    file = tmp_path / "labels.csv"
    first = start.count("\n") + 2
    rows = list(rows_of(table.encode(), file, ("file", "label")))
    assert [row.line for row in rows] == [first, first + 1]
    with pytest.raises(DataError, match=f"line {first + 2}: 3 cells"):
        list(rows_of(f"{table}c;d;e\n".encode(), file, ("file", "label")))
    with pytest.raises(DataError, match=f"line {first + 2}: not CSV"):
        list(rows_of(f'{table}"c"d;e\n'.encode(), file, ("file", "label")))


def test_a_line_of_json_ends_where_its_file_ends_it(tmp_path):
    data = '{"file": "a\u2028b.png"}\r\n\r\n{"file": "c"}\n[]\n'.encode()
    rows = json_rows(data, tmp_path / "metadata.jsonl")
    assert [next(rows), next(rows)] == [
        TableRow(1, {"file": "a\u2028b.png"}),
        TableRow(3, {"file": "c"}),
    ]
    with pytest.raises(DataError, match="line 4: not a JSON object"):
        next(rows)


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a/" * 3000 + "x.png", "é" * 130 + ".png"])
def test_a_name_longer_than_any_files_is_an_error_of_its_line(tmp_path, name):
    for column in ("file", "file_2"):
        cells = f"{name},x,b.png" if column == "file" else f"b.png,x,{name}"
        table = f"file,label,file_2\na.png,y,b.png\n{cells}\n"
        with pytest.raises(DataError, match=r"line 3: .*longer than the name of any file"):
            opened(folder(tmp_path, table, "a.png", "b.png"))


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ('a.png, "x, 1"', "x, 1"),
        ('a.png,  "x"', "x"),
        ('a.png, "he said ""x"""', 'he said "x"'),
        ('"a.png" ,x', None),
    ],
)
def test_a_blank_before_a_quote_makes_no_other_label(tmp_path, line, label):
    root = folder(tmp_path, f"file, label\n{line}\nb.png, y\n", "a.png", "b.png")
    if label is None:
        with pytest.raises(DataError, match="line 2: not CSV"):
            opened(root)
    else:
        assert {sample.answer for sample in opened(root).samples()} == {label, "y"}


def test_a_table_with_a_nul_byte_is_no_text(tmp_path):
    root = folder(tmp_path, "file,label\na.png,x\nb.png,y\0\n", "a.png", "b.png")
    with pytest.raises(DataError, match="line 3: holds a NUL byte"):
        opened(root)


def test_files_that_cannot_be_read_are_no_copies_of_each_other(tmp_path, monkeypatch):
    root = folder(tmp_path, "file,label\na.png,x\nb.png,y\n", "a.png", "b.png")
    for name in ("a.png", "b.png"):
        (root / name).write_bytes(picture(1)[:-1] + name[:1].encode())
    card = folder_card(root)

    def digest(path: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(folder_contents, "file_digest", digest)
    source = LocalSource(root, card)
    assert source.fingerprint and len({sample.cluster for sample in source.samples()}) == 2
    assert not any("copies" in note for note in source.notes)


@pytest.mark.parametrize("rows", ["a.png,x\nb.png,\n", "a.png,\nb.png, \n"])
def test_an_empty_label_is_told_before_how_many_labels_there_are(tmp_path, rows):
    with pytest.raises(DataError, match="line 3: label is empty"):
        folder_card(folder(tmp_path, f"file,label\n{rows}", "a.png", "b.png"))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_columns_of_metadata_are_known_in_any_case(tmp_path, ending):
    rows = [{"File_Name": "a.png", " ANSWER": "x"}, {"File_Name": "b.png", " ANSWER": "y"}]
    text = "\n".join(map(json.dumps, rows))
    if ending == "csv":
        text = "File_Name, ANSWER\na.png,x\nb.png,y\n"
    (tmp_path / f"metadata.{ending}").write_text(text)
    for place, name in enumerate(("a.png", "b.png")):
        (tmp_path / name).write_bytes(picture(place))
    source = opened(tmp_path)
    assert {sample.id: sample.answer for sample in source.samples()} == {"a.png": "x", "b.png": "y"}


def test_a_key_twice_in_other_cases_is_named_with_its_line(tmp_path):
    rows = [
        {"file_name": "a.png", "label": "x"},
        {"file_name": "b.png", "label": "y", "Label": "x"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"a column twice: 'label' .* \(line 2\)"):
        folder_card(tmp_path)


def test_each_folder_of_a_tree_is_looked_into_once(tmp_path, monkeypatch):
    for split in ("train", "test"):
        for label in ("well", "ill", "empty"):
            (tmp_path / split / label / "deep").mkdir(parents=True)
            if label != "empty":
                (tmp_path / split / label / "deep" / f"{split}.png").write_bytes(picture(1))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes(picture(2))
    looked: list[Path] = []
    listed = Path.iterdir

    def iterdir(folder: Path):
        looked.append(folder)
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = layout_of(tmp_path)
    assert [row["file"] for row in found.rows] == [
        f"{split}/{label}/deep/{split}.png"
        for split in ("test", "train")
        for label in ("ill", "well")
    ]
    assert [one.item for one in found.excluded] == ["other/x.png"]
    assert sum("empty" in note for note in found.notes) == 2
    deep = [folder for folder in looked if folder.name == "deep"]
    assert len(deep) == len(set(deep)) == 6


def test_a_line_before_the_header_is_named_as_the_cause(tmp_path):
    table = "# made by me\nfile,label\na.png,x\nb.png,y\n"
    with pytest.raises(DataError, match="'# made by me'; the first line must name the columns"):
        opened(folder(tmp_path, table, "a.png", "b.png"))


def test_utf_16_without_a_mark_is_named(tmp_path):
    folder(tmp_path, "", "a.png", "b.png")
    (tmp_path / "labels.csv").write_bytes("file,label\na.png,x\nb.png,y\n".encode("utf-16-le"))
    with pytest.raises(DataError, match="is UTF-16; save the table as UTF-8"):
        opened(tmp_path)


# class folders: nothing in silence


def test_a_class_folder_that_is_a_link_out_is_refused_and_read_from_a_root(tmp_path):
    store = folder(tmp_path / "store", "", "1.png", "2.png")
    mine = folder(tmp_path / "mine", "", "a/x.png", "b/y.png")
    (mine / "a" / "x.png").write_bytes(picture(8))
    (mine / "b" / "y.png").write_bytes(picture(9))
    (mine / "c").symlink_to(store)
    with pytest.raises(DataError, match=r"'c/1.png' leads out of the folder by a link.*--root"):
        opened(mine)
    card = folder_card(mine, {"root": str(store)})
    assert card.classes == ("a", "b", "c")


def test_a_link_to_nowhere_is_a_sample_that_fails_and_a_loop_is_none(tmp_path):
    mine = folder(tmp_path, "", "a/1.png", "b/2.png")
    (mine / "b" / "3.png").symlink_to(mine / "gone.png")
    (mine / "b" / "again").symlink_to(mine / "b")
    source = opened(mine)
    assert sorted(sample.id for sample in source.samples()) == ["a/1.png", "b/2.png", "b/3.png"]
    with pytest.raises(ImageError, match=r"'b/3\.png' is not found"):
        source.read("b/3.png")


def test_an_empty_class_folder_and_images_beside_the_splits_are_told(tmp_path):
    mine = folder(tmp_path, "", "test/a/1.png", "test/b/2.png", "c/3.png")
    (mine / "test" / "d").mkdir()
    source = opened(mine)
    assert any("folders of test that hold no image and are no class: d" in n for n in source.notes)
    assert data_summary(source).startswith(
        "2 samples, 1 excluded (1 lies beside the folders of splits)"
    )


def test_images_of_a_split_without_metadata_are_counted(tmp_path):
    mine = folder(tmp_path, "", "test/a.png", "test/b.png", "train/c.png")
    (mine / "test" / "metadata.csv").write_text("file_name,label\na.png,x\nb.png,y\n")
    assert [(one.item, one.split) for one in opened(mine).excluded] == [("train/c.png", "train")]


def test_dicom_without_an_ending_is_found_in_class_folders(tmp_path):
    mine = folder(tmp_path, "", "well/a.png", "ill/b.png")
    for place, name in enumerate(("well/IM000001", "ill/1.2.840.113619.2.5")):
        (mine / name).write_bytes(bytes(128) + b"DICM" + bytes(40 + place))
    (mine / "ill" / "README").write_text("of no image")
    source = opened(mine)
    assert len(source.samples()) == 4
    assert [one.item for one in source.excluded] == ["ill/README"]


def test_what_a_card_asks_that_cannot_be_is_refused_before_any_image_is_read(tmp_path):
    root = folder(tmp_path, "file,label\na.png,x\nb.png,y\n", "a.png", "b.png")
    card = folder_card(root).model_copy(update={"window": "40-400"})
    with pytest.raises(UsageError, match="no window '40-400'"):
        LocalSource(root, card)
    (tmp_path / "data_v1.json").write_text("[]")
    card = task_cards()["vindr_cxr_vqa"].model_copy(update={"window": "40-400"})
    with pytest.raises(UsageError, match="no window '40-400'"):
        BenchmarkFolder(tmp_path, card)
