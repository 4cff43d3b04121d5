"""What fine-tuning tools leave of a training's resolution is read, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resolution_eval.models.families.checkpoint import known_of, known_training
from resolution_eval.models.families.traces import traced

LOW = 50_176
FILES = {
    "ms-swift": ("args.json", json.dumps({"model_kwargs": {}, "max_pixels": LOW})),
    "ms-swift, by its variable": (
        "args.json",
        json.dumps({"model_kwargs": json.dumps({"MAX_PIXELS": str(LOW)}), "max_pixels": None}),
    ),
    "LLaMA-Factory": ("training_args.yaml", f"stage: sft\nimage_max_pixels: {LOW}\n"),
    "LLaMA-Factory, its board": ("llamaboard_config.yaml", f"train.image_max_pixels: {LOW}\n"),
    "LLaMA-Factory, of old": ("training_args.yaml", "image_resolution: 224\n"),
    "axolotl": ("axolotl.yaml", "base_model: x\nimage_size: 224\n"),
    "axolotl, its card": (
        "README.md",
        "<summary>See axolotl config</summary>\n```yaml\nimage_size: 224\n```\n",
    ),
}


@pytest.mark.parametrize("tool", FILES)
def test_a_tools_file_says_the_training_resolution(tool: str, tmp_path: Path) -> None:
    name, text = FILES[tool]
    (tmp_path / name).write_text(text, encoding="utf-8")
    known = known_of(str(tmp_path))
    assert str(known.training) == "fixed:224"
    assert name in str(known.evidence)
    assert str(known_training(str(tmp_path), None, None, "native")) == "native", "told goes before"


def test_ms_swift_is_also_read_beside_the_checkpoint_of_one_step(tmp_path: Path) -> None:
    (tmp_path / "args.json").write_text(json.dumps({"max_pixels": LOW}), encoding="utf-8")
    (tmp_path / "checkpoint-20").mkdir()
    assert str(known_of(str(tmp_path / "checkpoint-20")).training) == "fixed:224"


def test_a_limit_that_no_image_reaches_is_native(tmp_path: Path) -> None:
    (tmp_path / "args.json").write_text(json.dumps({"max_pixels": 12_845_056}), encoding="utf-8")
    assert str(known_of(str(tmp_path)).training) == "native"


@pytest.mark.parametrize("limit", [LOW, 12_845_056, 28 * 28 * 1280])
@pytest.mark.parametrize("form", ["max_pixels", "size"])
def test_a_processor_with_a_lower_limit_than_its_bases_was_trained_at_it(
    limit: int, form: str, tmp_path: Path
) -> None:
    value = limit if form == "max_pixels" else {"shortest_edge": 3136, "longest_edge": limit}
    told = json.dumps({form: value})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}), "utf-8")
    (tmp_path / "preprocessor_config.json").write_text(told, encoding="utf-8")
    known = traced(tmp_path)
    if limit != LOW:
        assert known is None, "the base's own limit, and that of the class, say nothing"
        return
    assert known is not None and str(known.training) == "fixed:224"
    assert "changed from its base's 12845056" in str(known.evidence)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", json.dumps({"max_pixels": "many"}), json.dumps({"max_pixels": True})]
)
def test_what_is_no_number_of_pixels_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "args.json").write_text(text, encoding="utf-8")
    (tmp_path / "training_args.yaml").write_text("image_max_pixels: [\n", encoding="utf-8")
    assert traced(tmp_path) is None
    assert str(known_of(str(tmp_path)).training) == "unknown"


def test_what_was_only_inferred_says_so() -> None:
    from types import SimpleNamespace

    from resolution_eval.models.families import FAMILIES, Parts

    config = SimpleNamespace(vision_config=SimpleNamespace(image_size=336, patch_size=14))
    known = known_of("nobody/nothing", FAMILIES["llava"], Parts(config, None))
    assert (str(known.training), str(known.evidence).split(":")[0]) == ("fixed:336", "inferred")
