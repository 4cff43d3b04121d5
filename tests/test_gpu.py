"""On a CUDA device: the answers and grids of the CPU. Run by hand: `uv run pytest -m gpu`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from resolution_eval import runs
from resolution_eval.attestation import LEDGER

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]


def _verdicts(output: Path, device: str, dtype: str) -> dict[tuple[str, str], Any]:
    arguments = ["--model", "resflamingo", "--model_args", f"device={device},dtype={dtype}"]
    arguments += ["--tasks", "phantom_res", "--limit", "200", "--batch_size", "32"]
    assert runs.lmms_eval([*arguments, "--output_path", str(output), "--log_samples"]) == 0
    LEDGER.adapter = None
    (path,) = output.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        (v["sample"], v["resolution"]): (v, line["attestation"])
        for line in lines
        for v in [line["verdict"]]
    }


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """Verdicts and attestations of the CPU in float32."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return _verdicts(tmp_path_factory.mktemp("cpu"), "cpu", "float32")


def test_float32_gives_the_cpus_answers_and_grids(
    on_cpu: dict[tuple[str, str], Any], tmp_path: Path
) -> None:
    on_gpu = _verdicts(tmp_path, "cuda:0", "float32")
    assert on_gpu.keys() == on_cpu.keys()
    for key, (verdict, attestation) in on_gpu.items():
        assert verdict["choice_scores"] == pytest.approx(on_cpu[key][0]["choice_scores"], abs=1e-3)
        assert attestation["grid"] == on_cpu[key][1]["grid"]


def test_bfloat16_seldom_changes_an_answer(
    on_cpu: dict[tuple[str, str], Any], tmp_path: Path
) -> None:
    on_gpu = _verdicts(tmp_path, "cuda:0", "bfloat16")
    changed = [
        key for key in on_gpu if on_gpu[key][0]["prediction"] != on_cpu[key][0]["prediction"]
    ]
    assert len(changed) <= 0.1 * len(on_cpu)
