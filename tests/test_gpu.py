"""On a GPU: the CPU's answers and grids, at any batch, out of memory, spread, quantised, shared.

    pytest -o addopts= -m gpu tests/test_gpu.py
    RESOLUTION_EVAL_REHEARSAL=1 pytest -o addopts= -m gpu tests/test_gpu.py    (on the CPU, as if)

In a rehearsal the CPU takes the GPU's place: every test runs, and must pass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from resolution_eval import runs
from resolution_eval.attestation import LEDGER

sys.path.insert(0, str(Path(__file__).parent / "families"))

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]

REHEARSAL = "RESOLUTION_EVAL_REHEARSAL"
PER_TOKEN = 1e-4
"""How far a token's log-likelihood may lie from the CPU's in float32."""
FAMILIES = ("llava", "gemma3", "qwen2_vl", "internvl", "llava_next")
"""Of a fixed tower that interpolates, of one that does not, of native grids, of tiles, and of tiles
with a thumbnail always.
"""
EDGES = (28, 56, 112)
IMAGES = 4
Key = tuple[str, str]
Lines = dict[Key, tuple[dict[str, Any], dict[str, Any]]]
"""Verdict and attestation, by sample and resolution."""


@pytest.fixture(scope="session")
def device() -> str:
    """The GPU; the CPU in a rehearsal."""
    torch = pytest.importorskip("torch")
    if os.environ.get(REHEARSAL):
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip(f"no CUDA device; {REHEARSAL}=1 rehearses on the CPU")
    return "cuda:0"


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    yield
    LEDGER.adapter = None
    LEDGER.failures.clear()


def _lines(output: Path) -> Lines:
    (path,) = output.rglob("*_samples_*.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        (v["sample"], v["resolution"]): (v, line["attestation"])
        for line in found
        for v in [line["verdict"]]
    }


def _told(output: Path) -> Any:
    """What the run's record says of its environment and its checkpoint."""
    from resolution_eval.records import make_records

    (record,) = make_records(output)
    return record


def _run(
    output: Path, model: str, arguments: Mapping[str, Any], *, batch: int | str = 8, limit: int
) -> Lines:
    told = ",".join(f"{name}={value}" for name, value in arguments.items())
    command = ["--model", model, "--model_args", told, "--limit", str(limit)]
    written = ["--batch_size", str(batch), "--output_path", str(output), "--log_samples"]
    resolutions = EDGES if model == "reshf" else None
    assert runs.run(["phantom_res"], [*command, *written], resolutions=resolutions) == 0
    LEDGER.adapter = None
    return _lines(output)


def _reshf(output: Path, folder: Path, device: str, batch: int | str = 8, **more: Any) -> Lines:
    given = {"pretrained": folder, "device": device, "dtype": "float32"} | more
    kept = {name: value for name, value in given.items() if value is not None}
    return _run(output, "reshf", kept, batch=batch, limit=IMAGES * len(EDGES))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each family, with random weights."""
    import tiny_families

    return {name: tiny_families.save(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}


@pytest.fixture(scope="module")
def expected(
    device: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The CPU's answers in float32 at batch 4, made once for each family and mode."""
    known: dict[tuple[str, str], Lines] = {}

    def of(name: str, mode: str) -> Lines:
        if (name, mode) not in known:
            output = tmp_path_factory.mktemp(f"{name}-{mode}")
            scheme = _scheme(name)
            known[name, mode] = _reshf(
                output, folders[name], "cpu", batch=4, answer_mode=mode, scheme=scheme
            )
        return known[name, mode]

    yield of


def _scheme(name: str) -> str:
    return "restore" if name == "gemma3" else "match"


def _agree(found: Lines, expected: Lines, tokenizer: Any) -> None:
    """The same grids everywhere, and each choice's log-likelihood within `PER_TOKEN` a token."""
    assert found.keys() == expected.keys()
    for key, (verdict, attestation) in found.items():
        other, attested = expected[key]
        assert attestation["status"] == "attested", (key, attestation)
        for field in ("grid", "visual_tokens", "tiles"):
            assert attestation[field] == attested[field], (key, field)
        for option, score, own in zip(
            verdict["options"], verdict["choice_scores"], other["choice_scores"], strict=True
        ):
            tokens = len(tokenizer(f" {option}", add_special_tokens=False)["input_ids"])
            assert abs(score - own) <= PER_TOKEN * tokens, (key, option, score, own)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


FLAMINGO = {"limit": 60, "batch": 32}


@pytest.fixture(scope="module")
def flamingo(device: str, tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The embedded Flamingo on the CPU in float32."""
    output = tmp_path_factory.mktemp("flamingo")
    return _run(output, "resflamingo", {"device": "cpu", "dtype": "float32"}, **FLAMINGO)


def test_a_flamingo_in_float32_gives_the_cpus_answers_and_grids(
    device: str, flamingo: Lines, tmp_path: Path
) -> None:
    from resolution_eval.flamingo import load_pretrained

    arguments = {"device": device, "dtype": "float32"}
    found = _run(tmp_path, "resflamingo", arguments, **FLAMINGO)
    _agree(found, flamingo, load_pretrained("embedded/native").tokenizer)


def test_a_flamingo_in_bfloat16_seldom_changes_an_answer(
    device: str, flamingo: Lines, tmp_path: Path
) -> None:
    arguments = {"device": device, "dtype": "bfloat16"}
    found = _run(tmp_path, "resflamingo", arguments, **FLAMINGO)
    changed = [
        key for key in found if found[key][0]["prediction"] != flamingo[key][0]["prediction"]
    ]
    assert len(changed) <= 0.1 * len(flamingo)


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("name", FAMILIES)
def test_ranked_choices_score_as_on_the_cpu(
    name: str, batch: int, device: str, folders: dict[str, Path], expected: Any, tmp_path: Path
) -> None:
    found = _reshf(tmp_path, folders[name], device, batch, answer_mode="rank", scheme=_scheme(name))
    _agree(found, expected(name, "rank"), _tokenizer(folders[name]))


@pytest.mark.parametrize("batch", [1, 32, "auto"])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_written_is_what_the_cpu_writes(
    name: str,
    batch: int | str,
    device: str,
    folders: dict[str, Path],
    expected: Any,
    tmp_path: Path,
) -> None:
    found = _reshf(tmp_path, folders[name], device, batch, scheme=_scheme(name))
    other = expected(name, "generate")
    assert {key: verdict["answer"] for key, (verdict, _) in found.items()} == {
        key: verdict["answer"] for key, (verdict, _) in other.items()
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_two_runs_are_the_same_unless_the_record_says_which_kernels_differ(
    dtype: str, device: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    told = {"dtype": dtype, "answer_mode": "rank"}
    first = _reshf(tmp_path / "1", folders["qwen2_vl"], device, **told)
    second = _reshf(tmp_path / "2", folders["qwen2_vl"], device, **told)
    arithmetic = _told(tmp_path / "1").environment.arithmetic
    if not arithmetic.may_differ:
        assert first == second


def test_the_record_says_what_decided_the_answers(
    device: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    _reshf(tmp_path, folders["qwen2_vl"], device)
    environment = _told(tmp_path).environment
    assert environment.arithmetic.attention == "sdpa, sdpa_by_segment"
    if device == "cpu":
        assert environment.arithmetic.tf32 is None
        return
    assert environment.arithmetic.tf32 is False
    assert environment.arithmetic.deterministic is True
    assert environment.hardware.gpus and environment.hardware.driver


def test_tf32_that_is_asked_for_is_on_and_said(
    device: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    if device == "cpu":
        with pytest.raises(SystemExit, match="tf32=true needs a CUDA device"):
            _reshf(tmp_path, folders["qwen2_vl"], device, tf32="true")
        return
    _reshf(tmp_path, folders["qwen2_vl"], device, tf32="true")
    assert _told(tmp_path).environment.arithmetic.tf32 is True


@pytest.mark.parametrize("mode", ["rank", "generate"])
def test_out_of_memory_at_one_size_fails_that_size_and_no_other(
    mode: str,
    device: str,
    folders: dict[str, Path],
    expected: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than any memory has is asked of the device itself, at 56 pixels."""
    import torch

    from resolution_eval.families.engine import Engine

    own = getattr(Engine, mode)

    def greedy(self: Engine, questions: Any, *rest: Any) -> Any:
        if questions[0].image.size == (56, 56):
            torch.empty(2**50, dtype=torch.uint8, device=self.model.device)
        return own(self, questions, *rest)

    monkeypatch.setattr(Engine, mode, greedy)
    found = _reshf(tmp_path, folders["qwen2_vl"], device, "auto", answer_mode=mode)
    failed = {key for key, (verdict, _) in found.items() if verdict["failure"]}
    assert failed == {key for key in found if key[1] == "56"}
    assert all(found[key][0]["correct"] is None for key in failed)
    others = expected("qwen2_vl", mode)
    for key in found.keys() - failed:
        assert found[key][0]["prediction"] == others[key][0]["prediction"]


def test_a_device_map_places_the_model_and_answers_alike(
    device: str, folders: dict[str, Path], expected: Any, tmp_path: Path
) -> None:
    placed = "cpu" if device == "cpu" else "auto"
    found = _reshf(tmp_path, folders["qwen2_vl"], device, device_map=placed, answer_mode="rank")
    _agree(found, expected("qwen2_vl", "rank"), _tokenizer(folders["qwen2_vl"]))
    assert str(_told(tmp_path).environment.device).startswith(device.partition(":")[0])


def test_weights_in_8_bits_answer_and_are_attested(
    device: str, folders: dict[str, Path], expected: Any, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    found = _reshf(tmp_path, folders["qwen2_vl"], device, load_in_8bit="true", answer_mode="rank")
    other = expected("qwen2_vl", "rank")
    for key, (verdict, attestation) in found.items():
        assert verdict["failure"] is None and attestation["status"] == "attested"
        assert attestation["grid"] == other[key][1]["grid"]
    assert any(
        verdict["choice_scores"] != other[key][0]["choice_scores"]
        for key, (verdict, _) in found.items()
    ), "nothing was rounded"


def test_two_processes_on_one_card_answer_as_one_does(
    device: str, folders: dict[str, Path], expected: Any, tmp_path: Path
) -> None:
    arguments = f"pretrained={folders['qwen2_vl']},device={device},dtype=float32,answer_mode=rank"
    command = [sys.executable, "-m", "resolution_eval", "run", "--tasks", "phantom_res"]
    command += ["--resolutions", ",".join(map(str, EDGES)), "--model", "reshf"]
    command += ["--model_args", arguments, "--limit", str(IMAGES * len(EDGES))]
    command += ["--batch_size", "auto", "--log_samples", "--output_path"]
    outputs = [tmp_path / "one", tmp_path / "two"]
    processes = [
        subprocess.Popen([*command, str(output)], stdout=subprocess.DEVNULL) for output in outputs
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    tokenizer = _tokenizer(folders["qwen2_vl"])
    for output in outputs:
        _agree(_lines(output), expected("qwen2_vl", "rank"), tokenizer)
