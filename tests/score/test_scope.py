"""What `score` takes and leaves out: never hours, and everything left out is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.resolution import TrainingResolution
from resolution_eval.score.pace import Pace, parameters
from resolution_eval.score.reach import FEWEST, MOST, SAMPLES, reachable, scope, words
from resolution_eval.score.subject import subject
from resolution_eval.score.wishes import Wishes, checked_resolutions


def within(edges: list[float], training: str) -> list[object]:
    return list(reachable(sorted(edges), TrainingResolution.parse(training))[0])


def test_radiographs_of_a_model_trained_at_64_px_never_go_to_native() -> None:
    assert within([1800.0, 2000.0, 2000.0, 2048.0], "fixed:64") == [14, 28, 56, 64, 112]


def test_a_training_resolution_off_the_ladder_is_part_of_the_sweep() -> None:
    assert 336 in within([1024.0] * 4, "fixed:336")
    assert within([1024.0] * 4, "fixed:336")[-1] == 448


def test_small_images_end_at_native() -> None:
    assert within([28.0] * 9, "fixed:336") == [14, "native"]


def test_training_at_native_reaches_the_source() -> None:
    assert within([224.0] * 4, "native") == [14, 28, 56, 112, "native"]


@given(
    st.lists(st.floats(8, 4000), min_size=1, max_size=9),
    st.sampled_from(("native", "unknown", "fixed:64", "fixed:448", "mixed:[56,224]")),
)
def test_the_reach_and_what_is_beyond_it_are_all_that_the_images_have(
    edges: list[float], training: str
) -> None:
    kept, beyond = reachable(sorted(edges), TrainingResolution.parse(training))
    assert 1 <= len(kept) <= MOST + 1 and not set(kept) & set(beyond)
    assert "native" in [*kept, *beyond]
    largest = max(edges)
    assert all(
        each == "native" or each < largest for each in kept if each not in (64, 448, 56, 224)
    )


def pixels(resolutions: list[int], samples: int) -> float:
    """A clock on which a pixel takes a microsecond."""
    return samples * sum(edge**2 for edge in resolutions) * 1e-6


def test_fewer_samples_come_first_then_fewer_large_resolutions() -> None:
    found = scope([112, 224, 448], [], 1000, pixels, budget=100)
    assert found.resolutions == (112, 224, 448)
    assert (
        pixels([112, 224, 448], found.samples) <= 100 < pixels([112, 224, 448], found.samples + 1)
    )
    assert found.left_out == (f"{1000 - found.samples} of 1,000 samples (--samples 1000)",)
    short = scope([112, 224, 448], [896, "native"], 1000, pixels, budget=10)
    assert short.resolutions == (112, 224) and short.samples >= SAMPLES[False]
    assert "--resolutions 112,224,448" in short.left_out[0]
    assert "--resolutions 112,224,896,native" in short.left_out[1]


def test_what_was_told_is_run_whatever_it_takes() -> None:
    found = scope([448, 896], [], 1000, pixels, budget=1, wanted=500, told=True)
    assert found.resolutions == (448, 896) and found.samples == 500


@given(st.integers(1, 5000), st.floats(1, 1e5), st.booleans())
def test_at_least_two_resolutions_and_never_more_samples_than_there_are(
    samples: int, budget: float, quick: bool
) -> None:
    found = scope([28, 56, 112, 224], [], samples, pixels, budget=budget, quick=quick)
    assert len(found.resolutions) >= FEWEST and 1 <= found.samples <= samples
    if found.seconds > budget:
        assert len(found.resolutions) == FEWEST and found.samples == min(samples, SAMPLES[quick])


def test_a_larger_image_takes_longer_and_a_server_waits() -> None:
    here = Pace(parameters=2e9, rate=1e11)
    assert here.seconds(64, 224**2) < here.seconds(256, 448**2) < here.seconds(4096, 1792**2)
    served = Pace(parameters=0, rate=float("inf"), served=True)
    assert served.seconds(64, 224**2) == served.seconds(4096, 1792**2)


def test_weights_are_counted_from_the_files_and_guessed_from_a_name(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(7)}, tmp_path / "model.safetensors")
    assert parameters(tmp_path, "anything") == 22
    assert parameters(None, "Qwen/Qwen2.5-VL-7B-Instruct") == 7e9
    assert parameters(None, "some/model") == 3e9


def test_times_are_told_in_words() -> None:
    assert words(3) == "under a minute" and words(61) == "about 1 minute"


def test_a_folder_is_told_apart_by_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no checkpoint"):
        subject(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(ModelError, match="no weights"):
        subject(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert subject(str(tmp_path)).model == "reshf"
    (tmp_path / "config.json").write_text(json.dumps({"flamingo": {}}))
    assert subject(str(tmp_path)).model == "resflamingo"
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="no JSON"):
        subject(str(tmp_path))
    (tmp_path / "config.json").unlink()
    (tmp_path / "adapter_config.json").write_text("{}")
    assert subject(str(tmp_path), {"dtype": "float32"}).written() == (
        f"pretrained={tmp_path},dtype=float32"
    )


def test_a_checkpoint_in_the_hubs_cache_needs_no_hub(tmp_path, monkeypatch) -> None:
    copy = tmp_path / "models--some--model" / "snapshots" / "abc"
    copy.mkdir(parents=True)
    (copy / "config.json").write_text("{}")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert subject("some/model").folder == copy
    with pytest.raises(ModelError, match="turned off"):
        subject("some/other")


def test_a_comma_would_part_arguments() -> None:
    with pytest.raises(UsageError, match="a comma parts arguments"):
        subject("embedded/native", {"dtype": "a,b"})


def test_wishes_are_checked() -> None:
    assert checked_resolutions("28,native,28") == (28, "native")
    assert checked_resolutions(None) is None
    with pytest.raises(UsageError, match="--batch-size"):
        Wishes(batch=0)


def test_a_folder_of_class_folders_is_opened_as_material(tmp_path: Path) -> None:
    from PIL import Image

    from resolution_eval.score.material import material, named

    for number in range(6):
        place = tmp_path / ("bright" if number % 2 else "dark")
        place.mkdir(exist_ok=True)
        Image.new("RGB", (84, 84), (30 * number,) * 3).save(place / f"{number}.png")
    found = material(named(str(tmp_path)))
    assert (found.samples, found.typical, found.task) == (6, 84, "folder_res")
    assert found.card.classes == ("bright", "dark") and found.card.chance == 0.5
