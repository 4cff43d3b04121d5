"""What is known of a checkpoint: its training and where that was read, and which bytes it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from resolution_eval.data.cards import parse_model_card
from resolution_eval.declaration import Declaration, data_line
from resolution_eval.ground.errors import ModelError
from resolution_eval.identity import revision
from resolution_eval.models.families import FAMILIES, Parts, checkpoint
from resolution_eval.models.families.checkpoint import known_of, known_training

PARTS = Parts(SimpleNamespace(vision_config=SimpleNamespace(image_size=56, patch_size=14)), None)
LLAVA = FAMILIES["llava"]
CARD = """
name = "Toy"
pretrained = "{}"
family = "llava"
adapter = "reshf"
training = "fixed:336"
evidence = "its training script"
licence = "MIT"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint's folder that a card names."""
    card = parse_model_card(CARD.format(tmp_path))
    monkeypatch.setattr(checkpoint, "model_cards", lambda: {card.pretrained: card})
    return tmp_path


def test_a_card_goes_before_the_configuration_and_the_evidence_says_so(folder: Path) -> None:
    known = known_of(str(folder), LLAVA, PARTS)
    assert (str(known.training), known.evidence) == ("fixed:336", "its training script")
    other = known_of("nobody/nothing", LLAVA, PARTS)
    assert (str(other.training), other.evidence) == (
        "fixed:56",
        "inferred: configuration and processor of the checkpoint",
    )


def test_our_own_declaration_goes_before_the_card(folder: Path) -> None:
    data = {"name": "pbc", "samples": 2240}
    Declaration(training="mixed:[28,56]", strategy="mixed", extra={"data": data}).write(folder)
    known = known_of(str(folder))
    assert (str(known.training), known.strategy, known.data) == (
        "mixed:[28,56]",
        "mixed",
        "name pbc, samples 2240",
    )
    assert known.evidence is not None and known.evidence.startswith("training.json")
    assert str(known_training(str(folder), LLAVA, PARTS, 28)) == "fixed:28"


def test_of_an_unknown_architecture_nothing_is_guessed() -> None:
    known = known_of("nobody/nothing")
    assert (str(known.training), known.evidence, known.strategy) == ("unknown", None, None)
    assert data_line({}) is None


def test_a_declaration_of_another_format_is_refused(tmp_path: Path) -> None:
    Declaration(format=2, training="native", strategy="native").write(tmp_path)
    with pytest.raises(ModelError, match="format 2, not 1"):
        known_of(str(tmp_path))


def test_a_revision_is_the_folders_bytes_or_a_commit_and_never_a_name(tmp_path: Path) -> None:
    loaded = SimpleNamespace(config=SimpleNamespace(_commit_hash="a" * 40))
    assert revision("somebody/model", loaded) == "a" * 40
    assert revision("somebody/model", SimpleNamespace(config=SimpleNamespace())) is None
    assert revision("gpt-x", None) is None
    (tmp_path / "config.json").write_text("{}")
    first = revision(str(tmp_path), loaded)
    assert first is not None and first.startswith("sha256:")
    (tmp_path / "modeling_own.py").write_text("answer = 1")
    assert revision(str(tmp_path), loaded) != first, "code of its own decides answers too"
