"""The doctor on lmms-eval's own models: without weights, by the base's own code."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from resolution_eval import cli
from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.diagnosis.examination import diagnose
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.models.wrapped.base_questions import BaseQuestion, ask

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = [28, 64, 130]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    torch.set_num_threads(1)
    yield
    LEDGER.adapter = None


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def folder(name: str) -> str:
        if name not in made:
            made[name] = tiny_families.save(name, tmp_path_factory.mktemp(name))
        return str(made[name])

    return folder


@pytest.mark.parametrize(
    ("base", "family", "simple"),
    [
        ("qwen2_5_vl", "qwen2_5_vl", True),
        ("qwen2_5_vl", "qwen2_5_vl", False),
        ("qwen3_vl", "qwen3_vl", True),
        ("qwen3_vl", "qwen3_vl", False),
        ("llava_hf", "llava", False),
        ("huggingface", "pixtral", False),
        ("huggingface", "internvl", False),
    ],
)
def test_it_foretells_what_a_run_attests(
    base: str, family: str, simple: bool, folders: Any, tmp_path: Path
) -> None:
    light = shutil.copytree(
        folders(family), tmp_path / "light", ignore=shutil.ignore_patterns("*.safetensors")
    )
    told = {"base": base, "pretrained": str(light), "force_simple": str(simple).lower()}
    found = diagnose("reswrap", told, SIZES)
    adapter = ResWrap(base, pretrained=folders(family), force_simple=simple)
    for row in found.rows:
        height, width = row.expected_grid
        noise = Image.effect_noise((width, height), 60).convert("RGB")
        asked = ask(
            adapter.base, adapter.sight, [BaseQuestion("Which?", noise, {"max_new_tokens": 1})]
        )
        (received,) = asked.entered.grids(1)
        assert received is not None
        assert (row.grid, row.tiles or 1) == (received.grid, received.images)
        assert [row.visual_tokens] == asked.entered.tokens
        assert row.match == (row.grid == row.expected_grid)
    assert found.ok == all(row.match for row in found.rows)


def test_flags_that_do_nothing_are_named(folders: Any) -> None:
    told = {"base": "qwen3_vl", "pretrained": folders("qwen3_vl")}
    chat = diagnose("reswrap", told, [64, 128])
    assert [text.split(":")[0] for text in chat.ineffective] == ["min_pixels", "max_pixels"]
    simple = diagnose("reswrap", {**told, "force_simple": "true"}, [64, 128])
    assert simple.ineffective == ()
    assert any("min_pixels = 784" in note for note in simple.notes)


def test_loss_on_the_way_is_noted(folders: Any) -> None:
    told = {"base": "qwen2_5_vl", "pretrained": folders("qwen2_5_vl"), "force_simple": "true"}
    assert any("JPEG" in note for note in diagnose("reswrap", told, [64]).notes)


def test_a_server_is_not_asked_and_what_it_would_be_sent_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = "base_url=http://127.0.0.1:9/v1,api_key=secret"  # nothing listens there
    command = ["doctor", "--model", "reswrap", "--sizes", "28,96", "--json"]
    status = cli.main([*command, "--model_args", f"base=openai,model=m,{address}"])
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert status == 0 and "secret" not in printed
    assert {row["grid"] for row in found["rows"]} == {None}
    assert [row["sent"] for row in found["rows"]] == [row["expected_grid"] for row in found["rows"]]
    assert any("unattested" in note for note in found["notes"])


def test_the_command_fails_where_the_base_makes_the_sweep_flat(
    folders: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = f"base=llava_hf,pretrained={folders('llava')}"
    command = ["doctor", "--model", "reswrap", "--model_args", arguments, "--sizes", "28,56,112"]
    assert cli.main(command) == 3
    printed = capsys.readouterr().out
    assert "flat: 28 and 56" in printed and "mismatched: 112" in printed
    assert cli.main([*command[:-3], f"{arguments},scheme=restore", "--sizes", "28,56,112"]) == 0


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ({"base": "qwen3vl"}, UsageError, "did you mean 'qwen3_vl'"),
        ({"base": "openai", "model": "m", "scheme": "mach"}, UsageError, "did you mean 'match'"),
        ({"base": "batch_gpt4"}, ModelError, "batch_gpt4"),
    ],
)
def test_a_mistake_is_named(told: dict[str, str], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        diagnose("reswrap", told, [28])
