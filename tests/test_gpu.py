"""On a GPU: the CPU's answers and grids, at any batch, out of memory, spread, quantised, shared.

    pytest -o addopts= -m gpu tests/test_gpu.py
    RESOLUTION_EVAL_REHEARSAL=1 pytest -o addopts= -m gpu tests/test_gpu.py    (on the CPU, as if)

In a rehearsal the CPU takes the GPU's place: every test runs, and must pass.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import runs, tasks
from resolution_eval.host.verdicts import verdict_of

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
CHOICES = ("striped disc", "ring", "checked cross pair")
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


class _Source:
    """Noise of three shapes, as a data set."""

    name, revision, fingerprint = "noise", "1", "f1"
    sizes: ClassVar = {
        "square": (112, 112),
        "wide": (140, 70),
        "tall": (84, 126),
        "small": (40, 40),
    }

    def read(self, locator: str) -> bytes:
        width, height = self.sizes[locator]
        seed = sorted(self.sizes).index(locator)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        return data.getvalue()


def _documents(scheme: str) -> list[dict[str, Any]]:
    """Every image at every size, with three choices."""
    same = {"dataset": "noise", "filter": "bicubic", "scheme": scheme, "question": "Which?"}
    same |= {"form": "closed", "fingerprint": "f1", "data": "4", "option_order": "fixed"}
    same |= {"judge": "", "detail": "", "answer": CHOICES[0], "choices": list(CHOICES)}
    return [
        same | {"sample": name, "image": name, "cluster": name, "resolution": str(edge)}
        for name in _Source.sizes
        for edge in EDGES
    ]


def _adapter(folder: Path, device: str, batch: int | str = 8, **more: Any) -> Any:
    from resolution_eval.adapters.reshf import ResHF

    given = {"device": device, "dtype": "float32", "batch_size": batch} | more
    return ResHF(str(folder), **given)


def _asked(adapter: Any, scheme: str) -> Lines:
    """The adapter's answers to every document, as lmms-eval would ask for them."""
    documents = _documents(scheme)
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    requests = [
        SimpleNamespace(
            metadata={},
            args=(
                tasks.doc_to_text(doc),
                {"max_new_tokens": 6},
                tasks.doc_to_visual,
                place,
                "task",
                "test",
            ),
        )
        for place, doc in enumerate(documents)
    ]
    replies = adapter.generate_until(requests)
    found = (verdict_of(doc, reply) for doc, reply in zip(documents, replies, strict=True))
    return {
        (verdict.sample, verdict.resolution): (
            verdict.model_dump(mode="json"),
            attestation.model_dump(mode="json"),
        )
        for verdict, attestation in found
    }


@pytest.fixture(autouse=True)
def _noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks._SOURCES, "noise", _Source())


def _lines(output: Path) -> Lines:
    (path,) = output.rglob("*_samples_*.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        (v["sample"], v["resolution"]): (v, line["attestation"])
        for line in found
        for v in [line["verdict"]]
    }


def _run(output: Path, model: str, arguments: Mapping[str, Any], limit: int = 12) -> Lines:
    """A whole run of lmms-eval."""
    told = ",".join(f"{name}={value}" for name, value in arguments.items())
    command = ["--model", model, "--model_args", told, "--limit", str(limit)]
    written = ["--batch_size", "32", "--output_path", str(output), "--log_samples"]
    assert runs.run(["phantom_res"], [*command, *written]) == 0
    LEDGER.adapter = None
    return _lines(output)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each family, with random weights."""
    import tiny_families

    return {name: tiny_families.save(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}


@pytest.fixture(scope="module")
def expected(folders: dict[str, Path]) -> Any:
    """The CPU's answers in float32 at batch 4, made once for each family and mode."""
    known: dict[tuple[str, str], Lines] = {}

    def of(name: str, mode: str) -> Lines:
        if (name, mode) not in known:
            adapter = _adapter(folders[name], "cpu", 4, answer_mode=mode)
            known[name, mode] = _asked(adapter, _scheme(name))
        return known[name, mode]

    return of


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


@pytest.fixture(scope="module")
def flamingo(device: str, tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The embedded Flamingo on the CPU in float32, through lmms-eval."""
    return _run(
        tmp_path_factory.mktemp("flamingo"),
        "resflamingo",
        {"device": "cpu", "dtype": "float32"},
        60,
    )


def test_a_flamingo_in_float32_gives_the_cpus_answers_and_grids_and_the_record_says_how(
    device: str, flamingo: Lines, tmp_path: Path
) -> None:
    from resolution_eval.models.flamingo import load_pretrained
    from resolution_eval.records import make_records

    found = _run(tmp_path, "resflamingo", {"device": device, "dtype": "float32"}, 60)
    _agree(found, flamingo, load_pretrained("embedded/native").tokenizer)
    (record,) = make_records(tmp_path)
    environment = record.environment
    assert str(environment.device).startswith(device.partition(":")[0])
    assert environment.arithmetic is not None and environment.arithmetic.attention == "sdpa"
    if device == "cpu":
        assert environment.arithmetic.tf32 is None
        return
    assert environment.arithmetic.tf32 is False
    assert environment.arithmetic.deterministic is True
    assert environment.hardware.gpus and environment.hardware.driver


def test_a_flamingo_in_bfloat16_seldom_changes_an_answer(
    device: str, flamingo: Lines, tmp_path: Path
) -> None:
    found = _run(tmp_path, "resflamingo", {"device": device, "dtype": "bfloat16"}, 60)
    changed = sum(
        verdict["prediction"] != flamingo[key][0]["prediction"]
        for key, (verdict, _) in found.items()
    )
    assert changed <= 0.1 * len(flamingo)


@pytest.mark.parametrize("name", FAMILIES)
def test_any_batch_scores_and_writes_as_the_cpu_does(
    name: str, device: str, folders: dict[str, Path], expected: Any
) -> None:
    """At batches of 1 and 32, and at one that is found."""
    tokenizer, scheme = _tokenizer(folders[name]), _scheme(name)
    for batch in (1, 32, "auto"):
        ranked = _asked(_adapter(folders[name], device, batch, answer_mode="rank"), scheme)
        _agree(ranked, expected(name, "rank"), tokenizer)
        wrote = _asked(_adapter(folders[name], device, batch), scheme)
        assert {key: verdict["answer"] for key, (verdict, _) in wrote.items()} == {
            key: verdict["answer"] for key, (verdict, _) in expected(name, "generate").items()
        }, batch


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_two_runs_are_the_same_unless_the_record_says_which_kernels_differ(
    dtype: str, device: str, folders: dict[str, Path]
) -> None:
    adapters = [
        _adapter(folders["qwen2_vl"], device, dtype=dtype, answer_mode="rank") for _ in range(2)
    ]
    first, second = (_asked(adapter, "match") for adapter in adapters)
    arithmetic = adapters[1].checkpoint_facts().arithmetic
    assert arithmetic.attention == "sdpa, sdpa_by_segment"
    if not arithmetic.may_differ:
        assert first == second


def test_tf32_that_is_asked_for_is_on_and_said(device: str, folders: dict[str, Path]) -> None:
    if device == "cpu":
        with pytest.raises(SystemExit, match="tf32=true needs a CUDA device"):
            _adapter(folders["qwen2_vl"], device, tf32="true")
        return
    adapter = _adapter(folders["qwen2_vl"], device, tf32="true")
    _asked(adapter, "match")
    assert adapter.checkpoint_facts().arithmetic.tf32 is True
    _asked(_adapter(folders["qwen2_vl"], device), "match")  # and off again


@pytest.mark.parametrize("mode", ["rank", "generate"])
def test_out_of_memory_at_one_size_fails_that_size_and_no_other(
    mode: str,
    device: str,
    folders: dict[str, Path],
    expected: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than any memory has is asked of the device itself, at 56 x 56 pixels."""
    import torch

    from resolution_eval.models.families.engine import Engine

    own = getattr(Engine, mode)

    def greedy(self: Engine, questions: Any, *rest: Any) -> Any:
        if questions[0].image.size == (56, 56):
            torch.empty(2**50, dtype=torch.uint8, device=self.model.device)
        return own(self, questions, *rest)

    others = expected("qwen2_vl", mode)
    monkeypatch.setattr(Engine, mode, greedy)
    found = _asked(_adapter(folders["qwen2_vl"], device, "auto", answer_mode=mode), "match")
    failed = {key for key, (verdict, _) in found.items() if verdict["failure"]}
    assert failed == {key for key in found if others[key][1]["grid"] == [56, 56]} and failed
    assert all(found[key][0]["correct"] is None for key in failed)
    for key in found.keys() - failed:
        assert found[key][0]["prediction"] == others[key][0]["prediction"]


def test_a_device_map_places_the_model_and_answers_alike(
    device: str, folders: dict[str, Path], expected: Any
) -> None:
    placed = "cpu" if device == "cpu" else "auto"
    folder = folders["qwen2_vl"]
    adapter = _adapter(folder, device, device_map=placed, answer_mode="rank")
    _agree(_asked(adapter, "match"), expected("qwen2_vl", "rank"), _tokenizer(folder))
    assert str(adapter.checkpoint_facts().device).startswith(device.partition(":")[0])


def test_weights_in_8_bits_answer_and_are_attested(
    device: str, folders: dict[str, Path], expected: Any
) -> None:
    pytest.importorskip("bitsandbytes")
    adapter = _adapter(folders["qwen2_vl"], device, load_in_8bit="true", answer_mode="rank")
    found, other = _asked(adapter, "match"), expected("qwen2_vl", "rank")
    for key, (verdict, attestation) in found.items():
        assert verdict["failure"] is None and attestation["status"] == "attested"
        assert attestation["grid"] == other[key][1]["grid"]
    assert any(
        verdict["choice_scores"] != other[key][0]["choice_scores"]
        for key, (verdict, _) in found.items()
    ), "nothing was rounded"


def test_one_command_twice_gives_the_same_lines_or_a_record_that_names_the_kernels(
    device: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    from resolution_eval.records import make_records

    told = {"pretrained": folders["qwen2_vl"], "answer_mode": "rank", "device": device}
    lines = [_run(tmp_path / name, "reshf", told) for name in ("first", "second")]
    (record,) = make_records(tmp_path / "second")
    arithmetic = record.environment.arithmetic
    assert arithmetic is not None
    if not arithmetic.may_differ:
        assert lines[0] == lines[1]


def test_two_processes_on_one_card_answer_as_one_does(
    device: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = folders["qwen2_vl"]
    told = {"pretrained": folder, "dtype": "float32", "answer_mode": "rank"}
    one = _run(tmp_path / "cpu", "reshf", told | {"device": "cpu"})
    arguments = ",".join(f"{name}={value}" for name, value in (told | {"device": device}).items())
    command = [sys.executable, "-m", "resolution_eval", "run", "--tasks", "phantom_res"]
    command += ["--model", "reshf", "--model_args", arguments, "--limit", "12"]
    command += ["--batch_size", "auto", "--log_samples", "--output_path"]
    outputs = [tmp_path / "one", tmp_path / "two"]
    processes = [
        subprocess.Popen([*command, str(output)], stdout=subprocess.DEVNULL) for output in outputs
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    for output in outputs:
        _agree(_lines(output), one, _tokenizer(folder))
