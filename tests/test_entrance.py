"""What enters for one image: foretold without weights, attested with them, and the two agree."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from resolution_eval import attest
from resolution_eval.diagnosis.examination import diagnose
from resolution_eval.ground.errors import ImageError, ModelError, UsageError

sys.path.insert(0, str(Path(__file__).parent / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
IMAGE = Image.effect_noise((90, 60), 60).convert("RGB")
FAMILIES = ("llava", "qwen2_5_vl", "internvl", "gemma3")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        name: tiny_families.save(name, tmp_path_factory.mktemp(name) / name) for name in FAMILIES
    }


def _loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder)
    return model, AutoProcessor.from_pretrained(folder)


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "internvl"])
def test_what_is_foretold_is_what_enters(folders: dict[str, Path], name: str) -> None:
    model, processor = _loaded(folders[name])
    for r in (28, 56, "native"):
        foretold = attest(folders[name], IMAGE, r)
        entered = attest(model, IMAGE, r, processor=processor)
        assert (foretold.attested, entered.attested) == (False, True)
        for field in ("source", "information", "expected_grid", "grid", "tiles", "visual_tokens"):
            assert getattr(foretold, field) == getattr(entered, field), field
        assert foretold.matches is True and entered.matches is True
        assert foretold.evidence != entered.evidence


def test_the_grid_is_what_the_tower_was_called_with(folders: dict[str, Path]) -> None:
    model, processor = _loaded(folders["llava"])
    shapes: list[tuple[int, ...]] = []
    tower = next(module for name, module in model.named_modules() if name.endswith("vision_tower"))
    tower.register_forward_pre_hook(
        lambda _, positional, named: shapes.append(
            tuple((positional or (named["pixel_values"],))[0].shape[-2:])
        ),
        with_kwargs=True,
    )
    settings = model.generation_config.to_dict()
    found = attest(model, IMAGE, 56, processor=processor)
    assert shapes == [found.grid]
    assert model.generation_config.to_dict() == settings
    size = dict(processor.image_processor.size)
    attest(model, IMAGE, 28, processor=processor)
    assert dict(processor.image_processor.size) == size


def test_no_weights_are_needed_to_foretell(folders: dict[str, Path], tmp_path: Path) -> None:
    light = tmp_path / "light"
    shutil.copytree(folders["llava"], light, ignore=shutil.ignore_patterns("*.safetensors"))
    assert attest(light, IMAGE, 56) == attest(folders["llava"], IMAGE, 56)
    row = diagnose("reshf", {"pretrained": str(light)}, [60]).rows[0]
    square = Image.new("RGB", row.source)
    assert attest(light, square, 60).grid == row.grid


def test_an_image_file_is_decoded_by_our_rules(folders: dict[str, Path], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    IMAGE.save(tmp_path / "turned.jpg", exif=exif)
    assert attest(folders["llava"], tmp_path / "turned.jpg", 56).source == (60, 90)
    (tmp_path / "none.png").write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        attest(folders["llava"], tmp_path / "none.png", 56)


@pytest.mark.parametrize("adapter", ["resflamingo"])
def test_other_adapters_foretell_too(adapter: str) -> None:
    found = attest("embedded/low", IMAGE, 32, adapter=adapter)
    assert found.grid == found.expected_grid and not found.attested
    assert "no tensor" in found.evidence


def test_a_grid_that_cannot_follow_is_refused_and_restored(folders: dict[str, Path]) -> None:
    model, processor = _loaded(folders["gemma3"])
    with pytest.raises(UsageError, match="scheme=restore"):
        attest(folders["gemma3"], IMAGE, 28)
    with pytest.raises(UsageError, match="scheme=restore"):
        attest(model, IMAGE, 28, processor=processor)
    foretold = attest(folders["gemma3"], IMAGE, 28, scheme="restore")
    entered = attest(model, IMAGE, 28, scheme="restore", processor=processor)
    assert foretold.grid == entered.grid == entered.expected_grid
    assert entered.information != entered.source


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scheme": "macht"}, "did you mean 'match'"),
        ({"adapter": "reshff"}, "did you mean 'reshf'"),
        ({"trian_resolution": "fixed:28"}, "train_resolution"),
    ],
)
def test_a_mistake_is_named(folders: dict[str, Path], more: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        attest(folders["llava"], IMAGE, 56, **more)


def test_an_image_of_another_mode_is_not_converted_in_silence(folders: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="mode 'L'"):
        attest(folders["llava"], IMAGE.convert("L"), 56)


def test_a_loaded_model_needs_its_processor_and_takes_no_folder_arguments(
    folders: dict[str, Path],
) -> None:
    model, processor = _loaded(folders["llava"])
    with pytest.raises(UsageError, match="give processor="):
        attest(model, IMAGE, 56)
    with pytest.raises(UsageError, match="takes no revision"):
        attest(model, IMAGE, 56, processor=processor, revision="main")


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        attest(tmp_path, IMAGE, 56)
