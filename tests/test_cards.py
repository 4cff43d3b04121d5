"""Cards: the shipped ones hold together, and a wrong one is refused by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from resolution_eval.data.cards import (
    model_cards,
    parse_model_card,
    parse_task_card,
    task_cards,
)
from resolution_eval.ground import paths
from resolution_eval.ground.errors import CardError
from resolution_eval.resolution import NATIVE, TrainingResolution

TASK = """
name = "toy"
title = "Toy"
modality = "drawing"
kind = "classification"
folder = "toy_folder"
resolutions = [16, 32, "native"]
classes = ["cat", "dog", "newt", "owl"]
question = "Which animal?"
chance = 0.25
source_width = 40
source_height = 30
licence = "CC0"
licence_url = "https://example.org/cc0"
citation = "Nobody, 2026."
revision = "1f"
sources = ["local", "archive"]
[label_names]
hound = "dog"
[archive]
url = "https://example.org/files/toy.zip?download=1"
bytes = 1_000
md5 = "00000000000000000000000000000000"
[archive.folders]
C = "cat"
"""

MODEL = """
name = "Toy Flamingo"
pretrained = "nobody/toy-flamingo"
family = "openflamingo"
adapter = "resflamingo"
training = "mixed:[native, 64]"
evidence = "its README"
licence = "MIT"
[flamingo]
vision = "ViT-L-14"
vision_pretrained = "openai"
language = "nobody/toy-lm"
cross_attn_every_n_layers = 2
"""


def test_a_task_card_is_read():
    card = parse_task_card(TASK)
    assert card.resolutions == (16, 32, NATIVE)
    assert card.classes == ("cat", "dog", "newt", "owl")
    assert card.label_names == {"hound": "dog"}
    assert card.archive is not None
    assert card.archive.file_name == "toy.zip"
    assert (card.cluster, card.filter, card.scheme) == ("image", "bicubic", "match")
    assert hash(card) == hash(parse_task_card(TASK))


def test_a_card_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        parse_task_card(TASK).name = "other"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "toy"', "", "name: this key is missing"),
        ('name = "toy"', 'name = "To y"', "name: needs the form"),
        ('name = "toy"', 'name = "toy"\ncolour = "red"', "there is no key 'colour'"),
        ('name = "toy"', 'name = "toy', "is not TOML"),
        ("[16, 32,", "[32, 16,", "resolutions must ascend"),
        ("[16, 32,", "[16, 16,", "resolutions must ascend"),
        ("[16, 32,", '[16, "32",', "resolutions.1"),
        ("[16, 32,", "[0, 32,", "greater than or equal to 1"),
        ('[16, 32, "native"]', "[]", "at least 1 item"),
        ("chance = 0.25", "chance = 0.5", "not 1/4 of the classes"),
        ('"dog", "newt"', '"dog", "dog"', "two or more different classes"),
        ('question = "Which animal?"', "", "needs a question"),
        ('hound = "dog"', 'hound = "wolf"', "label_names maps 'hound' to 'wolf'"),
        ('C = "cat"', 'C = "bat"', "archive.folders maps 'C' to 'bat'"),
        ('"local", "archive"', '"local", "ftp"', "sources.1"),
        ('"local", "archive"', '"local", "hub"', "needs the key 'hub'"),
        ('revision = "1f"', 'revision = "1f"\nunconfirmed = ["licens"]', "no keys of a card"),
        ('revision = "1f"', 'revision = "1f"\ncap = 20\ncap_reason = "x"', "above the cap of 20"),
        ('revision = "1f"', 'revision = "1f"\ncap = 40', "cap and cap_reason go together"),
        ('revision = "1f"', 'revision = "1f"\nforms = ["open"]', "a classification is closed"),
        ("[archive.folders]", "cluster = '(a)(b)'\n[archive.folders]", "exactly one group"),
        ('"local", "archive"', '"local", "local"', "named twice"),
        ('"local", "archive"', '"local", "medmnist"', "needs the key 'npz'"),
        ('folder = "toy_folder"', 'folder = "../toy"', "folder: needs the form"),
        ("bytes = 1_000", "bytes = 0", "archive.bytes"),
        ("https://example.org/files", "file:///files", "archive.url"),
        ("00000000000000000000000000000000", "0000", "archive.md5"),
        ('revision = "1f"', 'revision = "1f"\nfilter = "cubic"', "no filter named 'cubic'"),
        ('kind = "classification"', 'kind = "questions"', "has no classes"),
    ],
)
def test_a_wrong_task_card_is_refused_by_key(old, new, complaint):
    assert TASK.count(old) == 1
    with pytest.raises(CardError) as error:
        parse_task_card(TASK.replace(old, new), "toy/card.toml")
    assert complaint in str(error.value)
    assert str(error.value).startswith("toy/card.toml")


def test_a_model_card_is_read_and_its_training_resolution_is_canonical():
    card = parse_model_card(MODEL)
    assert card.training == "mixed:[64,native]"
    assert card.flamingo is not None
    assert card.flamingo.weights == "checkpoint.pt"
    assert not card.flamingo.remote_code


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("mixed:[native, 64]", "224", "no training resolution '224'"),
        ('evidence = "its README"', "", "evidence: this key is missing"),
        ("cross_attn_every_n_layers = 2", "cross_attn_every_n_layers = 0", "flamingo.cross_attn"),
    ],
)
def test_a_wrong_model_card_is_refused_by_key(old, new, complaint):
    with pytest.raises(CardError, match=complaint.replace(".", r"\.")):
        parse_model_card(MODEL.replace(old, new))


@pytest.fixture
def content(tmp_path, monkeypatch):
    """Empty tasks and models folders in place of the shipped ones."""
    monkeypatch.setattr(paths, "tasks", lambda: tmp_path)
    monkeypatch.setattr(paths, "models", lambda: tmp_path)
    task_cards.cache_clear()
    model_cards.cache_clear()
    yield tmp_path
    task_cards.cache_clear()
    model_cards.cache_clear()


def test_cards_are_collected_by_name(content):
    for folder in ("a", "b"):
        (content / folder).mkdir()
    (content / "a" / "card.toml").write_text(TASK)
    (content / "b" / "card.toml").write_text(TASK.replace('"toy"', '"other"'))
    (content / "toy.toml").write_text(MODEL)
    assert set(task_cards()) == {"toy", "other"}
    assert set(model_cards()) == {"nobody/toy-flamingo"}


def test_two_cards_of_one_name_are_refused(content):
    for folder in ("a", "b"):
        (content / folder).mkdir()
        (content / folder / "card.toml").write_text(TASK)
    with pytest.raises(CardError, match=r"b.card\.toml: another card has the name 'toy'"):
        task_cards()


SUITE = {
    "paper": "subcellular compound cervical wsi_vqa vqa_rad path_vqa slake",
    "summary": "pathmnist chexpert pmc_vqa",
    "medmnist": "dermamnist octmnist retinamnist breastmnist chestmnist pneumoniamnist bloodmnist "
    "organamnist organcmnist organsmnist tissuemnist",
    "more": "chestxray14 breakhis pbc isic idrid microvqa",
}


@pytest.mark.parametrize("group", SUITE)
def test_every_data_set_of_the_suite_has_a_card(group):
    assert set(SUITE[group].split()) <= set(task_cards())


@pytest.mark.parametrize("name", sorted(task_cards()))
def test_a_shipped_task_card_holds_together(name):
    card = task_cards()[name]
    assert (paths.tasks() / name / "card.toml").is_file(), "lies in its own folder"
    width, height = card.source_width, card.source_height
    if width and height:
        beyond = [r for r in card.resolutions if r != NATIVE and r * r > width * height]
        assert not beyond, f"asks for more than its source at {beyond}"
    else:
        assert card.source_note or "phantom" in card.sources, "says how its sources vary"
    if card.hub:
        assert card.hub.revision == card.revision or not card.hub.revision or name == "vqa_rad"
    has_rest = card.registration or card.obtain or card.remark or card.refused
    by_itself = any(file and file.md5 for file in (card.npz, card.archive)) or card.hub
    assert by_itself or has_rest or name in AT_HAND, "says how it is had"
    assert card.path is None
    assert set(card.groups) <= {"paper", "summary", "medmnist", "vqa_med"}


AT_HAND = ("pbc", "phantom", "acuity", "lesion")
"""Tasks whose data are generated, or told of elsewhere."""


def test_medmnist_files_are_the_published_224_px_ones():
    cards = [card for card in task_cards().values() if card.npz]
    assert len(cards) == 12
    for card in cards:
        assert card.npz.url.startswith("https://zenodo.org/records/10519652/files/")
        assert card.npz.file_name == f"{card.name}_224.npz"
        assert card.npz.md5 is not None
        assert card.counts["test"] > 100


def test_bloodmnist_is_capped_and_tissuemnist_refused_with_a_reason():
    blood, tissue = task_cards()["bloodmnist"], task_cards()["tissuemnist"]
    assert max(blood.resolutions) == blood.cap == 200
    assert "200 x 200" in (blood.cap_reason or "")
    assert "32 x 32" in (tissue.refused or "")


def test_pathmnist_is_the_published_archive_with_one_folder_per_class():
    card = task_cards()["pathmnist"]
    assert card.resolutions == (28, 64, 128, 224)
    assert card.sources == ("local", "medmnist", "archive")
    assert card.archive is not None
    assert card.archive.file_name == "CRC-VAL-HE-7K.zip"
    assert card.archive.bytes == 800_276_929
    assert card.archive.md5 == "2fd1651b4f94ebd818ebf90ad2b6ce06"
    assert tuple(card.archive.folders.values()) == card.classes
    folders = ["ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"]
    assert list(card.archive.folders) == folders


def test_the_shipped_model_cards_declare_a_readable_training_resolution():
    for card in model_cards().values():
        assert TrainingResolution.parse(card.training)


def test_reading_cards_and_sources_needs_neither_torch_nor_the_host():
    program = (
        "import sys; import resolution_eval.data.sources, resolution_eval.images; "
        "from resolution_eval.data.cards import task_cards; task_cards(); "
        "print([m for m in ('torch', 'lmms_eval', 'transformers', 'requests') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
