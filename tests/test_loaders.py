"""Loaders of data in its publishers' own forms: CheXpert's folder, tar files, hub repositories."""

from __future__ import annotations

import gzip
import io
import tarfile
from hashlib import md5
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources import containers, open_source
from resolution_eval.data.sources.archive import ArchiveSource
from resolution_eval.data.sources.checksum import verify_md5
from resolution_eval.data.sources.chexpert import ChexpertSource
from resolution_eval.data.sources.containers import open_container
from resolution_eval.data.sources.hub import HubSource
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode


def picture(seed: int, size: tuple[int, int] = (6, 9), format: str = "PNG") -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(values).save(data, format)
    return data.getvalue()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch) -> Path:
    """An empty RESOLUTION_EVAL_DATA folder, a cache of its own, and no way to the network."""

    def offline(*arguments):
        raise DataError("no connection")

    monkeypatch.setattr("resolution_eval.data.sources.download.download", offline)
    monkeypatch.setattr("resolution_eval.data.sources.download.published", offline)
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# CheXpert

HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA,Edema,Pleural Effusion\n"
CHEXPERT = task_cards()["chexpert"]
ROWS = (
    ("patient64541/study1/view1_frontal.jpg", "Frontal", "1.0"),
    ("patient64541/study1/view2_lateral.jpg", "Lateral", "1.0"),
    ("patient64542/study1/view1_frontal.jpg", "Frontal", "0.0"),
    ("patient64543/study2/view1_frontal.jpg", "Frontal", "-1.0"),
    ("patient64544/study1/view1_frontal.jpg", "Frontal", ""),
)


def chexpert(root: Path, name: str = "CheXpert-v1.0-small", prefix: str | None = None) -> Path:
    """An official folder with a validation table of `ROWS`; its first image alone is there."""
    folder = root / name
    first = folder / "valid" / ROWS[0][0]
    first.parent.mkdir(parents=True)
    first.write_bytes(picture(1, format="JPEG"))
    lines = [f"{prefix or name}/valid/{p},Female,50,{view},AP,0.0,{x}" for p, view, x in ROWS]
    (folder / "valid.csv").write_text(HEADER + "\n".join(lines) + "\n")
    return folder


def test_the_official_table_becomes_samples_and_counted_exclusions(data):
    chexpert(data)
    source = open_source(CHEXPERT)
    answers = {sample.id.split("/")[1]: sample.answer for sample in source.samples()}
    assert answers == {
        "patient64541": "pleural effusion",
        "patient64542": "no pleural effusion",
        "patient64544": "no pleural effusion",
    }
    assert sorted(exclusion.reason for exclusion in source.excluded) == [
        "not a frontal view",
        "uncertain of Pleural Effusion",
    ]
    assert len(source.samples()) + len(source.excluded) == len(ROWS)
    assert {sample.cluster for sample in source.samples()} == set(answers)
    assert source.notes == ("images of CheXpert-v1.0-small", "1 uncertain labels: exclude")
    assert decode(source.read("valid/" + ROWS[0][0])).size.width == 9
    with pytest.raises(ImageError, match="No such file"):
        source.read("valid/" + ROWS[2][0])


@pytest.mark.parametrize(
    ("policy", "answer"), [("positive", "pleural effusion"), ("negative", "no pleural effusion")]
)
def test_uncertain_labels_follow_the_cards_policy(data, policy, answer):
    asked = CHEXPERT.chexpert.model_copy(update={"uncertain": policy})
    source = ChexpertSource(chexpert(data), CHEXPERT.model_copy(update={"chexpert": asked}))
    answers = {sample.cluster: sample.answer for sample in source.samples()}
    assert answers["patient64543"] == answer
    assert source.notes[1] == f"1 uncertain labels: {policy}"


def test_original_and_small_are_never_mixed(data):
    chexpert(data)
    chexpert(data, "CheXpert-v1.0")
    with pytest.raises(DataError, match=r"both CheXpert-v1\.0 and CheXpert-v1\.0-small"):
        open_source(CHEXPERT.model_copy(update={"title": "both"}))


def test_a_table_of_the_other_size_is_refused(data):
    folder = chexpert(data, "CheXpert-v1.0", prefix="CheXpert-v1.0-small")
    with pytest.raises(DataError, match=r"line 2: .* is not an image of CheXpert-v1\.0;"):
        ChexpertSource(folder, CHEXPERT)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (",1.0\n", ",2.0\n", "line 2: unknown label '2.0'"),
        ("Pleural Effusion", "Effusion", "no column 'Pleural Effusion'"),
        ("valid/patient64541", "../patient64541", "not a plain path"),
        (f"/valid/{ROWS[0][0]}", "", "line 2: 'CheXpert-v1.0-small' is not an image of"),
        ("Female", "Fem\xe4le", "not UTF-8"),
    ],
)
def test_a_faulty_official_table_is_refused(data, old, new, complaint):
    folder = chexpert(data)
    table = folder / "valid.csv"
    table.write_bytes(table.read_text().replace(old, new, 1).encode("latin-1"))
    with pytest.raises(DataError, match=complaint):
        ChexpertSource(folder, CHEXPERT)


def test_without_registration_the_error_says_where_to_register():
    with pytest.raises(DataError) as error:
        open_source(CHEXPERT.model_copy(update={"title": "absent"}))
    message = str(error.value)
    assert "registration and agreement to a Research Use Agreement: https://stanfordml" in message
    assert "CheXpert-v1.0-small" in message


# tar

BREAKHIS = task_cards()["breakhis"]
SLIDES = {
    "BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/"
    "SOB_B_A-14-22549AB-40-001.png": picture(1),
    "BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/"
    "SOB_B_A-14-22549AB-40-002.png": picture(2),
    "BreaKHis_v1/histology_slides/breast/malignant/SOB/ductal/SOB_M_DC_14-2523/100X/"
    "SOB_M_DC-14-2523-100-006.png": picture(3),
    "BreaKHis_v1/README.txt": b"read me",
}


def tar(file: Path, members: dict[str, bytes], links: tuple[str, ...] = ()) -> Path:
    with tarfile.open(file, "w:gz" if file.suffix == ".gz" else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return file


@pytest.mark.parametrize("name", ["BreaKHis_v1.tar", "BreaKHis_v1.tar.gz"])
def test_a_tar_is_read_in_place_with_its_patients_as_clusters(tmp_path, name):
    source = ArchiveSource(tar(tmp_path / name, SLIDES), BREAKHIS.archive, BREAKHIS)
    samples = {sample.id: sample for sample in source.samples()}
    assert {sample.answer for sample in samples.values()} == {"benign", "malignant"}
    assert {sample.cluster for sample in samples.values()} == {"14-22549AB", "14-2523"}
    assert len(samples) + len(source.excluded) == len(SLIDES)
    for sample in samples.values():
        assert source.read(sample.image) == SLIDES[sample.image]
    assert not any(tmp_path.rglob("*.png"))


def test_a_tar_by_hand_is_found_under_its_published_name(data):
    tar(data / "BreaKHis_v1.tar.gz", SLIDES)
    assert open_source(BREAKHIS).name == "archive"


def test_an_image_without_a_patient_in_its_name_is_refused(tmp_path):
    file = tar(tmp_path / "a.tar", {"breast/benign/1.png": picture(1)})
    with pytest.raises(DataError, match=r"no patient in the name 'breast/benign/1\.png'"):
        ArchiveSource(file, BREAKHIS.archive, BREAKHIS)


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "C:evil.png"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name, kind):
    file = tmp_path / f"a.{kind}"
    if kind == "zip":
        with ZipFile(file, "w") as archive:
            archive.writestr(name, b"x")
    else:
        tar(file, {name: b"x"})
    with pytest.raises(DataError, match="leads out of the archive"):
        open_container(file)
    assert not any(tmp_path.rglob("evil.png"))


def test_a_link_in_a_tar_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"'benign/x\.png' is a link or a device"):
        open_container(tar(tmp_path / "a.tar", {}, links=("benign/x.png",)))


def test_a_tar_cut_short_is_refused(tmp_path):
    file = tar(tmp_path / "a.tar.gz", SLIDES)
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(DataError, match="not a whole"):
        open_container(file)


def test_a_tar_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "SPARE", 0)
    bomb = tmp_path / "a.tar.gz"
    bomb.write_bytes(gzip.compress(bytes(3 * 1024**2)))
    with pytest.raises(DataError, match="20 times its size"):
        open_container(bomb)
    assert not any(containers.cache_root().rglob("*.part"))


# checksums


def test_a_file_by_hand_with_a_wrong_checksum_is_refused(data):
    card = task_cards()["breastmnist"]
    (data / "breastmnist_224.npz").write_bytes(b"not the published file")
    with pytest.raises(DataError, match=r"wrong checksum: MD5 is [0-9a-f]{32}, the published file"):
        open_source(card)


def test_a_checksum_is_computed_again_when_the_file_changes(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    known = md5(b"one").hexdigest()
    verify_md5(file, known)
    verify_md5(file, known)
    file.write_bytes(b"other")
    with pytest.raises(DataError, match="wrong checksum"):
        verify_md5(file, known)


def test_a_download_without_a_connection_names_every_way():
    with pytest.raises(DataError) as error:
        open_source(task_cards()["octmnist"])
    message = str(error.value)
    assert "no connection" in message
    assert "https://zenodo.org/records/10519652/files/octmnist_224.npz" in message
    assert "octmnist with labels.csv" in message


def test_tissuemnist_is_refused_with_its_reason():
    with pytest.raises(DataError, match="tissuemnist is refused: its source images are 32 x 32"):
        open_source(task_cards()["tissuemnist"])


# Hugging Face hub

SLAKE = task_cards()["slake"]


def repository(folder: Path, rows: list[dict[str, object]], split: str = "test") -> Path:
    """A repository in the hub's own format: parquet with image bytes, written by `datasets`."""
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    text = Value("string")
    features = Features({"image": ImageFeature(), "question": text, "answer": text})
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = Dataset.from_list(rows, features=features)
    table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def asked(seed: int | None, question: str | None, answer: str | None) -> dict[str, object]:
    image = None if seed is None else {"bytes": picture(seed, format="JPEG"), "path": None}
    return {"image": image, "question": question, "answer": answer}


TABLE = [
    asked(1, "Is this CT?", "Yes"),
    asked(1, "Which organ is this?", "Liver"),
    asked(2, "Is this CT?", "no"),
    asked(2, "Is this CT?", "no"),
    asked(2, "Where is the lesion?", "left"),
    asked(2, "Where is the lesion?", "right"),
    asked(None, "Is this MRI?", "yes"),
    asked(3, "", "yes"),
    asked(3, "What is this?", None),
]


def hub(tmp_path: Path, rows: list[dict[str, object]], card: TaskCard = SLAKE) -> HubSource:
    return HubSource(card, repository(tmp_path / "repository", rows), tmp_path / "hub-cache")


def test_a_hub_table_becomes_closed_and_open_questions(tmp_path):
    source = hub(tmp_path, TABLE)
    samples = {sample.id: sample for sample in source.samples()}
    closed, free = samples["test/000000"], samples["test/000001"]
    assert (closed.answer, closed.choices, closed.form) == ("yes", ("yes", "no"), "closed")
    assert (free.answer, free.choices, free.form) == ("Liver", (), "open")
    assert source.read(free.image) == picture(1, format="JPEG")
    other = samples["test/000002"]
    assert closed.cluster == free.cluster != other.cluster
    assert closed.image == free.image != other.image, "one image is one, however often it is asked"
    assert source.read(other.image) == picture(2, format="JPEG")


def test_every_hub_row_is_a_sample_or_a_named_exclusion(tmp_path):
    source = hub(tmp_path, TABLE)
    assert {exclusion.item: exclusion.reason for exclusion in source.excluded} == {
        "test/000003": "repeats another row word for word",
        "test/000006": "has no image",
        "test/000007": "has no question",
        "test/000008": "has no answer",
    }
    assert len(source.samples()) + len(source.excluded) == len(TABLE)
    assert source.notes == (
        "1 questions stand more than once about the same image",
        "the train table was not read: whether test images stand in it too is not known",
    )


def test_train_rows_that_are_no_samples_are_counted_aloud_and_the_test_notes_stay(tmp_path):
    from loguru import logger

    train = [*TABLE[:2], TABLE[6], TABLE[7], asked(7, "What is this?", "x")]
    repository(tmp_path / "repository", train, "train")
    source = hub(tmp_path, TABLE)
    notes, excluded, said = source.notes, source.excluded, []
    handler = logger.add(said.append, level="WARNING", format="{message}")
    try:
        first = source.samples("train")
        assert source.samples("train") == first
    finally:
        logger.remove(handler)
    assert [sample.id for sample in sorted(first, key=lambda each: each.id)] == [
        "train/000000",
        "train/000001",
        "train/000004",
    ]
    (line,) = said
    assert "train: 2 of 5 rows excluded (1 has no image, 1 has no question)" in line
    assert (source.notes, source.excluded) == (notes, excluded)
    assert {exclusion.split for exclusion in source.excluded} == {"test"}


def test_the_hub_fingerprint_follows_the_images(tmp_path):
    first = hub(tmp_path / "a", TABLE).fingerprint
    assert hub(tmp_path / "b", TABLE).fingerprint == first
    assert hub(tmp_path / "c", [asked(9, "Is this CT?", "Yes"), *TABLE[1:]]).fingerprint != first


def test_a_hub_table_without_a_needed_column_is_refused(tmp_path):
    renamed = SLAKE.hub.model_copy(update={"question": "questions"})
    with pytest.raises(DataError, match="no column 'questions'; did you mean 'question'"):
        hub(tmp_path, TABLE, SLAKE.model_copy(update={"hub": renamed}))


@pytest.mark.parametrize("percent", [10, 50, 99])
def test_a_truncated_hub_table_is_refused(tmp_path, percent):
    folder = repository(tmp_path / "copy", TABLE)
    (table,) = (folder / "data").glob("*.parquet")
    data = table.read_bytes()
    table.write_bytes(data[: len(data) * percent // 100])
    with pytest.raises(DataError, match=r"test table of .* cannot be loaded .*whole"):
        HubSource(SLAKE, copy=folder, cache=tmp_path / "cache")


def test_a_local_copy_of_the_repository_is_found(data, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hub-cache")
    repository(data / "slake", TABLE)
    source = open_source(SLAKE)
    assert (source.name, source.revision) == (
        "hub",
        "local copy of mdwiratathya/SLAKE-vqa-english",
    )


def test_without_a_pinned_commit_nothing_is_loaded_from_the_hub():
    with pytest.raises(DataError, match="no commit of jmhb/microvqa is pinned in its card"):
        HubSource(task_cards()["microvqa"])


def test_a_commit_that_is_gone_is_one_error_that_names_it(monkeypatch):
    import datasets

    def gone(where, **how):
        assert (where, how["revision"]) == (SLAKE.hub.repository, SLAKE.hub.revision)
        raise datasets.exceptions.DatasetNotFoundError("Revision doesn't exist")

    monkeypatch.setattr(datasets, "load_dataset", gone)
    with pytest.raises(DataError, match=f"is the commit {SLAKE.hub.revision} still in the repos"):
        HubSource(SLAKE)


def test_a_question_about_several_images_has_them_in_order(tmp_path):
    from datasets import Dataset, Features, List, Value
    from datasets import Image as ImageFeature

    card = task_cards()["microvqa"]
    text = Value("string")
    features = Features(
        {
            "images_list": List(ImageFeature()),
            "question": text,
            "answer": text,
            "choices": List(text),
            "correct_index": Value("int64"),
        }
    )
    shared = {"answer": None, "choices": ["actin", "tubulin", "lamin"], "correct_index": 2}
    images = [{"bytes": picture(seed), "path": None} for seed in (1, 2, 3)]
    rows = [
        {"images_list": images[:1], "question": "Which protein?", **shared},
        {"images_list": images[1::-1], "question": "Which differs?", **shared},
        {"images_list": images[2:], "question": "Which protein?", **shared},
        {"images_list": [], "question": "Which protein?", **shared},
        {"images_list": images[:2], "question": "Like <image 3>?", **shared},
    ]
    (tmp_path / "r" / "data").mkdir(parents=True)
    table = Dataset.from_list(rows, features=features)
    table.to_parquet(tmp_path / "r" / "data" / "train-00000-of-00001.parquet")
    source = HubSource(card, tmp_path / "r", tmp_path / "hub-cache")
    samples = {tuple(map(source.read, sample.images)): sample for sample in source.samples()}
    pictures = {seed: picture(seed) for seed in (1, 2, 3)}
    one, two, other = (pictures[1],), (pictures[2], pictures[1]), (pictures[3],)
    assert set(samples) == {one, two, other}
    assert samples[two].answer == "lamin"
    assert samples[two].cluster == samples[one].cluster != samples[other].cluster
    assert {exclusion.reason for exclusion in source.excluded} == {
        "has no image",
        "the text names image 3, and the question has 2 images",
    }


PMC = task_cards()["pmc_vqa"]
PMC_HEADER = "Figure_path,Question,Anwser,Choice A,Choice B,Choice C,Choice D,Answer_label\n"


def pmc(folder: Path, line: str, seed: int = 4) -> HubSource:
    folder.mkdir()
    (folder / "test_clean.csv").write_text(PMC_HEADER + line + "\n")
    with ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("images/PMC1_F1.jpg", picture(seed, format="JPEG"))
    return HubSource(PMC, folder, folder / "cache")


def test_figures_in_a_zip_and_lettered_choices_are_read(tmp_path):
    line = "PMC1_F1.jpg,What is it?,Focal, A:Diffuse , B:Focal , C:C:D ratio , D:None ,B"
    source = pmc(tmp_path / "r", line)
    (sample,) = source.samples()
    assert (sample.answer, sample.choices) == ("Focal", ("Diffuse", "Focal", "C:D ratio", "None"))
    assert source.read(sample.image) == picture(4, format="JPEG")


def test_the_answers_text_is_held_against_the_letter_under_the_publishers_spelling(tmp_path):
    """Version 1 of PMC-VQA names the column `Anwser`."""
    with pytest.raises(DataError, match="'Diffuse' is not the choice 'Focal' that is marked right"):
        pmc(tmp_path / "r", "PMC1_F1.jpg,What is it?,Diffuse,A:Diffuse,B:Focal,C:c,D:d,B")


def test_a_table_without_the_answers_text_says_that_nothing_was_held_against_it(tmp_path):
    folder = tmp_path / "r"
    source = pmc(folder, "PMC1_F1.jpg,What is it?,Focal,A:Diffuse,B:Focal,C:c,D:d,B")
    assert not any("Anwser" in note for note in source.notes)
    table = (folder / "test_clean.csv").read_text().replace("Anwser", "Answer")
    (folder / "test_clean.csv").write_text(table)
    other = HubSource(PMC, folder, folder / "other")
    assert any("no column 'Anwser'" in note for note in other.notes)


def test_another_figure_under_the_same_name_is_other_data(tmp_path):
    line = "PMC1_F1.jpg,What is it?,Focal,A:Diffuse,B:Focal,C:None,D:All,B"
    first, again, other = (
        pmc(tmp_path / name, line, seed).fingerprint
        for name, seed in (("first", 4), ("again", 4), ("other", 5))
    )
    assert first == again != other


def test_a_figure_that_the_zip_lacks_fails_when_it_is_read(tmp_path):
    source = pmc(tmp_path / "r", "PMC2_F1.jpg,What is it?,Focal,A:a,B:b,C:c,D:d,B")
    (sample,) = source.samples()
    with pytest.raises(ImageError, match=r"'PMC2_F1\.jpg' is not in images\.zip"):
        source.read(sample.image)


def test_a_right_choice_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(DataError, match="row 0: 'E' names none of 4 choices"):
        pmc(tmp_path / "r", "PMC1_F1.jpg,What is it?,Focal,A:a,B:b,C:c,D:d,E")


def test_an_answer_that_contradicts_the_marked_choice_is_refused_as_published(tmp_path):
    with pytest.raises(DataError, match=r"row 0: .*'b' is not the choice 'a' that is marked right"):
        pmc(tmp_path / "r", "PMC1_F1.jpg,What is it?,b,A:a,B:b,C:c,D:d,A")


@pytest.mark.parametrize("name", ["Anwser", "Answer"])
def test_a_table_without_the_text_that_confirms_says_so(name, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PMC_HEADER", PMC_HEADER.replace("Anwser", name))
    source = pmc(tmp_path / "r", "PMC1_F1.jpg,What is it?,a,A:a,B:b,C:c,D:d,A")
    told = [note for note in source.notes if note.startswith("no column")]
    assert len(told) == (name == "Answer")
    assert all("no text confirms" in note for note in told)
