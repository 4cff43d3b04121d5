"""`score` from the first name to the sentence: real runs on tiny Qwen2.5-VL checkpoints."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import rigged

from resolution_eval.records import read_record
from resolution_eval.score import verdict
from resolution_eval.score.session import Step

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from stand_in import running

pytestmark = [pytest.mark.whole, pytest.mark.filterwarnings("ignore")]
SERVED = "openai:Qwen/Qwen2.5-VL-7B-Instruct@"


def scored(checkpoint: object, images: Path, output: Path, **wishes: object) -> list[Step]:
    steps = list(verdict(str(checkpoint), images, output, minutes=600, **wishes))  # type: ignore[arg-type]
    if len(steps) > 2:
        assert (output / "index.html").is_file()
        records = [read_record(path) for path in (output / "records").glob("*.record.json")]
        assert {record.blind is None for record in records} == {True, False}
        assert all(cell.failed == 0 for record in records for cell in record.cells)
    return steps


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rigged.images(tmp_path_factory.mktemp("squares"), 240)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rigged.untrained(tmp_path_factory.mktemp("untrained"))


def test_a_good_model_is_told_which_resolution_to_use(squares: Path, tmp_path: Path) -> None:
    checkpoint = rigged.good(tmp_path / "good")
    steps = scored(checkpoint, squares, tmp_path / "out", resolutions=(28, 56))
    assert steps[1].text.startswith("240 of 240 samples at 28, 56 px, with and without the image: ")
    assert "good: Use 28: every resolution from 28 to 56 is within 2 points" in steps[-1].text
    assert "Next: " in steps[-1].text and "index.html" in steps[-1].text
    assert "limited" not in steps[-1].text  # every sample was asked


def test_noise_is_quoted(squares: Path, untrained: Path, tmp_path: Path) -> None:
    steps = scored(untrained, squares, tmp_path, resolutions=(28, 56), samples=6)
    assert re.search(r": 1[0-2] of 12 answers could not be read; the first three: ", steps[-1].text)
    assert "234 of 240 samples (--samples 240)" in steps[1].text
    assert "Use" not in steps[-1].text


def test_random_weights_that_rank_are_at_chance(
    squares: Path, untrained: Path, tmp_path: Path
) -> None:
    steps = scored(
        untrained,
        squares,
        tmp_path,
        resolutions=(28, 56),
        samples=40,
        model_args={"answer_mode": "rank"},
    )
    assert ": Do not trust this: " in steps[-1].text and "Use" not in steps[-1].text


def test_answers_that_need_no_image_are_called_so(tmp_path: Path) -> None:
    steps = scored(
        rigged.blind(tmp_path / "blind"),
        rigged.questions(tmp_path / "questions", 40),
        tmp_path / "out",
        resolutions=(28, 56),
        model_args={"answer_mode": "rank"},
    )
    assert "blind: Does not look: " in steps[-1].text and "Use" not in steps[-1].text


def test_a_server_that_makes_one_size_of_all_is_flat(squares: Path, tmp_path: Path) -> None:
    with running(lambda width, height: 256) as server:
        steps = scored(f"{SERVED}{server.url}", squares, tmp_path, resolutions=(56, 84), samples=6)
    assert "Flat by its processor: of every size from 56 to 84 the server counted 256 image " in (
        steps[-1].text
    )


def test_a_server_that_counts_other_sizes_is_mismatched(squares: Path, tmp_path: Path) -> None:
    with running(faults=["doubled"]) as server:
        steps = scored(f"{SERVED}{server.url}", squares, tmp_path, resolutions=(56, 84), samples=6)
    assert "Do not trust this: mismatched at 56, 84" in steps[-1].text
