"""Checkpoints as people publish them, before the doctor: a table and a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_families

from resolution_eval.diagnosis.examination import diagnose, report

pytestmark = [pytest.mark.filterwarnings("ignore")]


def _published(kind: str, folder: Path, change: Any) -> Path:
    """The processor and configuration of a tiny checkpoint, without weights, as `change` leaves
    the processor's file.
    """
    config, processor = tiny_families.BUILDERS[kind]()
    config.save_pretrained(folder)
    processor.save_pretrained(folder)
    file = folder / "processor_config.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    change(told)
    file.write_text(json.dumps(told), encoding="utf-8")
    return folder


def _saved_as_one_file() -> bool:
    """Whether transformers writes image processor and processor into one file (since 5)."""
    import transformers

    return int(transformers.__version__.partition(".")[0]) >= 5


pytestmark.append(
    pytest.mark.skipif(not _saved_as_one_file(), reason="two files before transformers 5")
)


def test_a_processor_that_makes_too_few_image_tokens_is_not_ok(tmp_path: Path) -> None:
    """LLaVA folders without num_additional_image_tokens: the class token is not added."""

    def change(told: dict[str, Any]) -> None:
        told.pop("num_additional_image_tokens")

    found = diagnose("reshf", {"pretrained": str(_published("llava", tmp_path, change))}, [56, 70])
    assert not found.ok
    assert {row.expected_tokens - row.visual_tokens for row in found.rows} == {1}
    assert "15 image tokens in the prompt where its grid makes 16" in report(found)


def test_a_processor_that_pads_to_squares_is_told_not_to(tmp_path: Path) -> None:
    def change(told: dict[str, Any]) -> None:
        told["image_processor"].update(do_pad=True, image_processor_type="LlavaImageProcessor")

    found = diagnose("reshf", {"pretrained": str(_published("llava", tmp_path, change))}, [56, 98])
    assert found.ok, report(found)
    assert any(row.grid and row.grid[0] != row.grid[1] for row in found.rows)


def test_a_processor_that_alone_takes_no_odd_size_still_gets_its_table(tmp_path: Path) -> None:
    def change(told: dict[str, Any]) -> None:
        told["image_processor"]["do_resize"] = False

    folder = _published("qwen2_5_vl", tmp_path, change)
    found = diagnose("reshf", {"pretrained": str(folder)}, [45, 90])
    assert found.ok, report(found)
    assert None in {row.processor_alone for row in found.rows}


@pytest.mark.parametrize("longest", [30, 56, 500])
def test_a_processor_without_an_edge_of_its_tiles_has_its_classs(
    longest: int, tmp_path: Path
) -> None:
    """Idefics3's class says 364; a longest edge below that leaves one tile."""

    def change(told: dict[str, Any]) -> None:
        told["image_processor"].pop("max_image_size")
        told["image_processor"]["size"] = {"longest_edge": longest}

    folder = _published("idefics3", tmp_path, change)
    found = diagnose("reshf", {"pretrained": str(folder)}, [28, 56, 112])
    assert found.ok, report(found)
    assert [row.grid for row in found.rows[:3]] == [(28, 28), (56, 56), (112, 112)]
