"""The registry as people read it, and folders of one's own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resolution_eval import cli, datasets
from resolution_eval.data import own_folder
from resolution_eval.data.cards import parse_task_card, task_cards
from resolution_eval.data.sources import at_hand
from resolution_eval.datasets import dataset_page
from resolution_eval.datasets.sheet import TILE
from resolution_eval.ground.errors import DataError, UsageError
from resolution_eval.host import runs, taskfiles
from resolution_eval.resolution import NATIVE


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty RESOLUTION_EVAL_DATA folder and cache."""
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def bring(path: Path, rows: list[dict[str, str]], size: tuple[int, int] = (50, 40)) -> Path:
    """A folder in the local layout, one image of `size` per file that `rows` name."""
    (path / "images").mkdir(parents=True)
    for seed, row in enumerate(rows):
        values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(values).save(path / row["file"])
    with (path / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def classified(count: int = 6, labels: tuple[str, ...] = ("cat", "newt")) -> list[dict[str, str]]:
    return [
        {"file": f"images/{i}.png", "label": labels[i % len(labels)], "split": "test"}
        for i in range(count)
    ]


QUESTIONS = [
    {"file": "images/a.png", "label": "yes", "split": "test", "question": "Big?", "choices": ""},
    {"file": "images/a.png", "label": "left", "split": "test", "question": "Where?", "choices": ""},
    {"file": "images/b.png", "label": "c", "split": "test", "question": "Who?", "choices": "a|b|c"},
]


# the page and the commands


def test_the_page_of_data_sets_is_what_the_cards_make() -> None:
    written, _, _ = dataset_page.PAGE.read_text(encoding="utf-8").partition(dataset_page.MEASURED)
    assert written == f"{dataset_page.page()}\n", "run `python -m resolution_eval.datasets`"


def test_every_data_set_is_listed_with_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["datasets"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    states = {line.split()[0]: line.rpartition("  ")[2].strip() for line in lines}
    assert set(states) == set(task_cards())
    assert states["phantom"] == "at hand"
    assert states["chexpert"] == "registration needed"
    assert states["tissuemnist"] == "refused"
    assert states["vqa_rad"] == "downloaded when run"
    assert states["microvqa"] == "to be brought"


def test_damaged_data_does_not_hide_the_list(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bring(data / "pbc_blood", classified())
    assert cli.main(["datasets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("  ")[2] for line in lines if line.startswith("pbc ")] == ["damaged"]
    assert cli.main(["datasets", "pbc"]) == 1
    assert "unknown label 'cat'" in capsys.readouterr().err


def test_a_sweep_of_a_group_is_one_of_each_of_its_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resolution_eval.ground import registry

    written: list[str] = []

    def host(arguments: list[str], *, ours: bool) -> int:
        written.extend(path.stem for path in Path(registry.FOLDERS[0]).rglob("*.yaml"))
        return 0

    monkeypatch.setattr(runs, "lmms_eval", host)
    monkeypatch.setattr(registry, "FOLDERS", [])
    assert runs.run(["vqa_med_res", "pbc_res"], [], resolutions=[20]) == 0
    assert sorted(written) == [
        "microvqa_res",
        "path_vqa_res",
        "pbc_res",
        "pmc_vqa_res",
        "slake_res",
        "vqa_rad_res",
    ]


def test_a_data_set_at_hand_is_measured_and_drawn_at_every_resolution(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheets" / "phantom.png"
    assert cli.main(["datasets", "phantom_res", "--sheet", str(sheet)]) == 0
    said = capsys.readouterr().out
    assert "240 clusters in test" in said and "4,800 train" in said
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert image.width > len(task_cards()["phantom"].resolutions) * TILE


def test_exclusions_and_notes_of_the_data_at_hand_are_told(data: Path) -> None:
    rows = [
        {**row, "qid": str(number), "split": split}
        for split in ("train", "test")
        for number, row in enumerate(QUESTIONS[:2], start=10 if split == "train" else 0)
    ]
    bring(data / "vqa_rad", rows)
    said = datasets.describe(task_cards()["vqa_rad"])
    assert "1 of 1 test images are in train too, with 2 of the test samples" in said
    assert "2 questions stand more than once" in said
    assert "1 closed and 1 open test questions" in said


def test_a_data_set_that_is_not_at_hand_is_told_with_the_ways_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["datasets", "bloodmnist"]) == 0
    said = capsys.readouterr().out
    assert "1. a folder $RESOLUTION_EVAL_DATA/bloodmnist" in said
    assert "center crops of 200 x 200" in said
    assert not list(tmp_path.glob("*.png"))


def test_a_misspelt_data_set_is_told_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["datasets", "bloodminst"]) == 1
    assert "did you mean 'bloodmnist'" in capsys.readouterr().err


# folders of one's own


def test_a_folder_with_labels_becomes_a_classification(tmp_path: Path) -> None:
    card = own_folder.folder_card(bring(tmp_path / "My data!", classified()))
    assert (card.kind, card.classes, card.chance) == ("classification", ("cat", "newt"), 0.5)
    assert card.resolutions == (14, 28, NATIVE)
    assert card.cluster == "image"
    (sample, *_) = at_hand(card).samples()  # type: ignore[union-attr]
    assert sample.answer in ("cat", "newt")


def test_a_folder_with_a_question_column_becomes_questions(tmp_path: Path) -> None:
    card = own_folder.folder_card(bring(tmp_path / "asks", QUESTIONS))
    assert (card.kind, card.forms) == ("questions", ("closed", "open"))
    assert card.chance == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert "em@native" in taskfiles.task_yaml(card)


def test_a_column_named_cluster_is_what_the_intervals_resample(tmp_path: Path) -> None:
    rows = [{**row, "cluster": f"p{i % 2}"} for i, row in enumerate(classified())]
    card = own_folder.folder_card(bring(tmp_path / "d", rows))
    source = at_hand(card)
    assert source is not None
    assert {sample.cluster for sample in source.samples()} == {"p0", "p1"}


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([10.0], ["native"]),
        ([64.0, 64.0], [14, 28, 56, "native"]),
        ([2000.0] * 3 + [100.0], [224, 448, 896, 1792, "native"]),
        ([100.0] * 3 + [2000.0], [14, 28, 56, "native"]),
    ],
)
def test_the_sweep_follows_the_sizes_found(edges: list[float], expected: list[object]) -> None:
    assert own_folder.sweep(edges) == expected


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (classified(labels=("cat",)), "1 different labels"),
        ([{**row, "split": "train"} for row in classified()], "no sample in its test split"),
        ([{**row, "file": "../x.png"} for row in classified(2)], "not a plain path"),
    ],
)
def test_a_folder_that_is_no_task_is_refused(
    tmp_path: Path, rows: list[dict[str, str]], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        own_folder.folder_card(bring(tmp_path / "data" / "d", rows))


def test_a_folder_without_a_table_or_a_whole_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no labels\.csv"):
        own_folder.folder_card(tmp_path)
    path = bring(tmp_path / "d", classified())
    for image in (path / "images").iterdir():
        image.write_bytes(b"")
    with pytest.raises(DataError, match="none of the 6 test images can be decoded"):
        own_folder.folder_card(path)


@pytest.mark.parametrize(
    ("tasks", "given"), [(["folder_res"], False), (["phantom_res"], True), ([], True)]
)
def test_the_task_and_its_folder_go_together(tmp_path: Path, tasks: list[str], given: bool) -> None:
    with pytest.raises(UsageError, match="--tasks folder_res and --data PATH go together"):
        runs.run(tasks, [], data=tmp_path if given else None)


def test_a_folder_is_run_with_the_sweep_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resolution_eval.ground import registry

    written: dict[str, str] = {}

    def host(arguments: list[str], *, ours: bool) -> int:
        (place,) = registry.FOLDERS
        written.update({path.name: path.read_text() for path in Path(place).rglob("*.*")})
        assert arguments == ["--tasks", "folder_res", "--model", "toy"]
        return 0

    monkeypatch.setattr(runs, "lmms_eval", host)
    monkeypatch.setattr(registry, "FOLDERS", [])
    path = bring(tmp_path / "d", classified())
    assert runs.run(["folder_res"], ["--model", "toy"], resolutions=[20, "native"], data=path) == 0
    assert parse_task_card(written["card.json"]).resolutions == (20, NATIVE)
    assert "metric: acc@20" in written["folder_res.yaml"]


@pytest.mark.parametrize("name", ["𠮷 tiles", 'a "quoted" one', "back\\slash", "tab\tbed"])
def test_a_folder_of_any_name_is_run_with_a_sweep_of_its_own(tmp_path: Path, name: str) -> None:
    path = bring(tmp_path / name, classified())
    card = taskfiles.Variation(resolutions=[20, "native"]).applied(own_folder.folder_card(path))
    taskfiles.write_task(tmp_path / "task", card)
    read = parse_task_card((tmp_path / "task" / "card.json").read_text(encoding="utf-8"))
    assert read == card
    assert (read.path, read.resolutions) == (str(path), (20, NATIVE))
