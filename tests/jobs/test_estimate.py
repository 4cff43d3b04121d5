"""What a dry run says of a server's tokens: of which data, how surely, and what nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.own_folder import folder_card
from resolution_eval.jobs import estimate
from resolution_eval.jobs.job import Job
from resolution_eval.jobs.sweep_plan import read_plan

SIDES = (28, 56, 84, 112)
"""Of the images: 1, 4, 9 and 16 squares of 28 px, of which the rule makes at least 4."""
RULE = "Qwen/Qwen2.5-VL-7B-Instruct"
Told = Callable[..., list[str]]


def job(folder: Path, *arguments: str, model: str = RULE, task: str = "own_res") -> Job:
    args = f"base=openai,model={model},base_url=http://nowhere/v1"
    document = {
        "output": "out",
        "models": [{"name": "m", "model": "reswrap", "model_args": args}],
        "tasks": [task],
        "resolutions": ["native"],
        "arguments": list(arguments),
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(document))
    (found,) = read_plan(folder / "plan.yaml").jobs()
    return found


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """The lines of a dry run over samples, each given by its images' files."""
    for side, name in zip((*SIDES, 30, 31), (*SIDES, "a", "b"), strict=True):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")

    def lines(samples: list[str], *arguments: str, model: str = RULE) -> list[str]:
        asked = [*((files, "test") for files in samples), ("a.png", "train"), ("b.png", "train")]
        rows = "".join(f"{files},{'ab'[i % 2]},{split}\n" for i, (files, split) in enumerate(asked))
        (tmp_path / "labels.csv").write_text(f"file,label,split\n{rows}")
        card = folder_card(tmp_path)
        monkeypatch.setattr(estimate, "task_cards", lambda: {"own": card})
        estimate._material.cache_clear()
        return list(estimate.told(job(tmp_path, *arguments, model=model), None))

    return lines


def test_where_every_sample_is_looked_at_the_rules_tokens_are_added_up(told: Told) -> None:
    assert told(["28.png", "56.png", "84.png", "112.png"])[:2] == [
        "#   native: 4 samples, 33 image tokens",
        "#   sizes are those of the first 4 samples on this machine",
    ]


def test_where_an_average_stands_in_for_some_it_is_said(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["28.png", "56.png", "84.png", "112.png"]
    assert told(files, "--limit", "2")[0] == "#   native: 2 samples, about 17 image tokens"
    assert told(files, "--limit=2")[0] == "#   native: 2 samples, about 17 image tokens"
    monkeypatch.setattr(estimate, "LOOKED_AT", 2)
    first, _, together = told(["28.png", "56.png", "84.png"])
    assert first.startswith("#   native: 3 samples, about ") and "together: about" in together


def test_a_sample_of_which_one_image_is_broken_is_not_asked_and_not_counted(told: Told) -> None:
    found = told(["28.png|112.png", "56.png|84.png", "112.png|broken.png"])
    assert found[0] == "#   native: 3 samples, 33 image tokens"
    assert "#   sizes are those of 2 of the first 3 samples on this machine" in found
    assert "1 samples have an image that cannot be read: they fail" in found[2]


def test_data_that_is_here_and_cannot_be_read_is_not_said_to_be_elsewhere(
    told: Told, tmp_path: Path
) -> None:
    told(["56.png"])
    (tmp_path / "56.png").write_bytes(b"\x89PNG")
    estimate._material.cache_clear()
    (line,) = estimate.told(job(tmp_path), None)
    assert "is on this machine" in line and "none has images that can be read" in line


def test_data_that_is_not_here_is_said_to_be_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "none"))
    name = next(
        name
        for name, card in task_cards().items()
        if card.source_width is None and not card.refused and "generated" not in card.sources
    )
    (line,) = estimate.told(job(tmp_path, task=f"{name}_res"), None)
    assert line.endswith("its data is not on this machine")


def test_data_that_is_damaged_is_named_and_the_other_jobs_are_told_of(
    told: Told, tmp_path: Path
) -> None:
    told(["28.png"])
    (tmp_path / "labels.csv").write_text("file,label,split\n../outside.png,a,test\n")
    estimate._material.cache_clear()
    (line,) = estimate.told(job(tmp_path), None)
    assert line.startswith("#   tokens are unknown: ") and "outside" in line


def test_a_model_that_no_rule_names_costs_nobody_knows_what(told: Told) -> None:
    found = told(["28.png"], model="nobodys-model")
    assert found[0] == "#   native: 1 samples, tokens unknown"
    assert found[-1].endswith("no rule tells those of this model")


def test_the_data_is_opened_once_for_however_many_jobs(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    own = estimate.at_hand
    monkeypatch.setattr(estimate, "at_hand", lambda card: (opened.append(card.name), own(card))[1])
    first = told(["28.png", "56.png"])
    for _ in range(3):
        assert list(estimate.told(job(tmp_path), None)) == first
    assert len(opened) == 1
