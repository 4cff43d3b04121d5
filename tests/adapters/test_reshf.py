"""Whole runs of `--model reshf` through lmms-eval, on a tiny checkpoint in a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import runs
from resolution_eval.models.families.engine import Engine

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = (16, 24, 32, 48, 64)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    LEDGER.adapter = None
    LEDGER.failures.clear()


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_families.save("llava", tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_families.save("gemma3", tmp_path_factory.mktemp("gemma3"))


def _run(
    output: Path, folder: Path, *more: str, batch: int = 4
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The results' row of phantom_res, and the line of every one of ten documents."""
    arguments = ",".join((f"pretrained={folder}", *more))
    command = ["--model", "reshf", "--model_args", arguments, "--tasks", "phantom_res"]
    limits = ["--limit", "10", "--batch_size", str(batch)]
    written = ["--output_path", str(output), "--log_samples", "--verbosity", "WARNING"]
    status = runs.lmms_eval([*command, *limits, *written])
    assert status == 0
    (results,) = output.rglob("*_results.json")
    (samples,) = output.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    return json.loads(results.read_text())["results"]["phantom_res"], lines


def _answers(lines: list[dict[str, Any]]) -> list[Any]:
    return [
        (line["verdict"]["sample"], line["attestation"]["requested"], line["verdict"]["answer"])
        for line in lines
    ]


@pytest.mark.whole
def test_every_sample_is_attested_at_the_grid_of_whole_patches(llava: Path, tmp_path: Path) -> None:
    row, lines = _run(tmp_path / "one", llava, batch=1)
    assert row["attestation,none"] == "10 attested"
    nearest = {16: 14, 24: 28, 32: 28, 48: 42, 64: 70}
    for line in lines:
        attestation = line["attestation"]
        edge = nearest[int(attestation["requested"])]
        assert attestation["grid"] == [edge, edge]
        assert attestation["visual_tokens"] == (edge // 14) ** 2
        assert attestation["training"] == "fixed:56"
    _, batched = _run(tmp_path / "five", llava, batch=5)
    assert _answers(batched) == _answers(lines)


@pytest.mark.whole
def test_restore_keeps_the_training_grid_and_ranks(gemma3: Path, tmp_path: Path) -> None:
    row, lines = _run(tmp_path, gemma3, "scheme=restore", "answer_mode=rank")
    assert row["attestation,none"] == "10 attested"
    assert {tuple(line["attestation"]["grid"]) for line in lines} == {(56, 56)}
    assert {line["attestation"]["answer_mode"] for line in lines} == {"rank"}
    assert all(len(line["verdict"]["choice_scores"]) == 8 for line in lines)
    informed = {tuple(line["attestation"]["information"]) for line in lines}
    assert informed == {(edge, edge) for edge in SIZES}


@pytest.mark.whole
def test_match_is_refused_with_the_reason(gemma3: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        _run(tmp_path, gemma3)
    message = str(stopped.value.code)
    assert "pools exactly 4 x 4 patches" in message and "scheme=restore" in message


@pytest.mark.whole
def test_a_blind_run_shows_no_image_and_says_so(llava: Path, tmp_path: Path) -> None:
    _, lines = _run(tmp_path, llava, "blind=true", "answer_mode=rank")
    shown = {
        (attestation["blind"], tuple(attestation["grid"]), attestation["visual_tokens"])
        for attestation in (line["attestation"] for line in lines)
    }
    assert shown == {("no image", (0, 0), 0)}
    by_sample: dict[str, set[Any]] = {}
    for line in lines:
        scores = tuple(round(score, 4) for score in line["verdict"]["choice_scores"])
        by_sample.setdefault(line["verdict"]["sample"], set()).add(scores)
    assert all(len(scores) == 1 for scores in by_sample.values()), "no resolution may be seen"


@pytest.mark.whole
def test_out_of_memory_fails_its_sample_and_leaves_the_other_resolutions(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, _ = _run(tmp_path / "clean", llava)
    generate = Engine.generate
    poison: list[bytes] = []

    def planted(self: Engine, questions: Any, *rest: Any) -> Any:
        images = [question.image.tobytes() for question in questions]
        if questions[0].image.size == (70, 70):
            poison.extend(images[: 1 - len(poison)])
        if set(images) & set(poison):
            raise torch.cuda.OutOfMemoryError("planted: out of memory")
        return generate(self, questions, *rest)

    monkeypatch.setattr(Engine, "generate", planted)
    row, lines = _run(tmp_path / "planted", llava)
    failed = [line["verdict"] for line in lines if line["verdict"]["failure"]]
    assert {verdict["resolution"] for verdict in failed} == {"64"} and len(failed) == 1
    assert all("planted" in verdict["failure"]["message"] for verdict in failed)
    assert all(verdict["correct"] is None for verdict in failed)
    assert "incomplete (1 of 2 failed)" in row["acc@64,none"]
    others = [f"acc@{edge},none" for edge in SIZES[:-1]]
    assert [row[name] for name in others] == [clean[name] for name in others]


@pytest.mark.whole
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("scheem=match", "did you mean 'scheme'"),
        ("answer_mode=guess", "rank"),
        ("blind=perhaps", "true or false"),
        ("dtype=float8", "float32"),
        ("train_resolution=big", "fixed:224"),
    ],
)
def test_an_impossible_argument_is_one_sentence(
    more: str, said: str, llava: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stopped:
        _run(tmp_path, llava, more)
    assert str(stopped.value.code).startswith("resolution-eval: ")
    assert said in str(stopped.value.code)


def test_a_checkpoint_is_needed() -> None:
    from resolution_eval.adapters.reshf import ResHF

    with pytest.raises(SystemExit, match="pretrained"):
        ResHF()


@pytest.mark.whole
def test_a_blind_flamingo_is_shown_its_mean_colour(tmp_path: Path) -> None:
    command = ["--model", "resflamingo", "--model_args", "blind=true", "--tasks", "phantom_res"]
    written = ["--output_path", str(tmp_path), "--log_samples"]
    status = runs.lmms_eval([*command, "--limit", "10", *written])
    assert status == 0
    (samples,) = tmp_path.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    assert {line["attestation"]["blind"] for line in lines} == {"mean image"}
    assert {line["attestation"]["status"] for line in lines} == {"attested"}
    by_resolution: dict[str, set[Any]] = {}
    for line in lines:
        scores = tuple(round(score, 4) for score in line["verdict"]["choice_scores"])
        by_resolution.setdefault(line["attestation"]["requested"], set()).add(scores)
    assert all(len(scores) == 1 for scores in by_resolution.values()), "no sample may be told apart"
