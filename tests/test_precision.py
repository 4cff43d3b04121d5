"""What decides an answer's last digits on a GPU: switched, seen, and told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from resolution_eval.evidence.facts import Arithmetic, CheckpointFacts, Hardware
from resolution_eval.ground import nvml
from resolution_eval.ground.errors import UsageError
from resolution_eval.models.arguments import common
from resolution_eval.models.precision import Precision

GPU, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def switches() -> Iterator[None]:
    """torch's switches belong to the process; they are as before once the test is over."""
    matrix, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    kept = (matrix.allow_tf32, convolution.allow_tf32, convolution.deterministic)
    yield
    torch.use_deterministic_algorithms(False)
    matrix.allow_tf32, convolution.allow_tf32, convolution.deterministic = kept


@pytest.mark.parametrize("tf32", [False, True])
def test_both_switches_of_tf32_are_as_asked_whatever_they_were(
    tf32: bool, switches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not tf32
    precision = Precision(GPU, tf32=tf32)
    precision.apply()
    assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is tf32
    told = precision.arithmetic(torch.nn.Linear(1, 1))
    assert (told.tf32, told.deterministic, told.may_differ) == (tf32, True, ())


def test_what_is_told_is_what_the_switches_say_and_not_what_was_asked(switches: None) -> None:
    precision = Precision(GPU)
    precision.apply()
    torch.backends.cudnn.allow_tf32 = True
    assert precision.arithmetic(torch.nn.Linear(1, 1)).tf32 is True


def test_a_kernel_that_promises_nothing_is_named_and_other_warnings_pass(switches: None) -> None:
    precision = Precision(GPU)
    precision.apply()
    with warnings.catch_warnings(record=True) as passed:
        warnings.simplefilter("always", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)  # as lmms-eval's modules do
        with precision.noting():
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
            warnings.warn("something else", RuntimeWarning, stacklevel=1)
    assert precision.arithmetic(torch.nn.Linear(1, 1)).may_differ == ("put_",)
    assert [str(each.message) for each in passed] == ["something else"]


def test_a_processor_is_left_alone() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    precision = Precision(CPU)
    precision.apply()
    assert torch.are_deterministic_algorithms_enabled() is before
    model = SimpleNamespace(
        modules=lambda: [
            SimpleNamespace(config=SimpleNamespace(_attn_implementation=name))
            for name in ("sdpa", "eager", "sdpa", None)
        ]
    )
    assert precision.arithmetic(model) == Arithmetic(attention="sdpa, eager")


@pytest.mark.parametrize(
    ("device", "override", "said"),
    [(CPU, "1", "needs a CUDA device"), (GPU, "0", "NVIDIA_TF32_OVERRIDE=0")],
)
def test_tf32_that_cannot_be_is_refused(
    device: torch.device, override: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    with pytest.raises(UsageError, match=said):
        Precision(device, tf32=True)


def test_tf32_is_off_unless_asked_for_and_nothing_but_true_or_false() -> None:
    assert common({}).tf32 is False
    assert common({"tf32": "True"}).tf32 is True
    with pytest.raises(UsageError, match="tf32='yes' is impossible; give true or false"):
        common({"tf32": "yes"})


def test_facts_of_older_versions_are_read() -> None:
    assert (
        Hardware.model_validate({"cpu": None, "cores": 1, "memory": None, "gpus": []}).driver
        is None
    )
    older = dict.fromkeys(
        ("revision", "declared", "evidence", "overridden", "strategy", "training_data", "dtype")
    )
    assert CheckpointFacts.model_validate({**older, "device": "cpu"}).arithmetic is None


@pytest.mark.parametrize(
    ("arithmetic", "said"),
    [
        (Arithmetic(), "attention not told"),
        (Arithmetic(tf32=True, deterministic=False), "TF32 on, not deterministic"),
        (
            Arithmetic(tf32=False, deterministic=True, may_differ=("cumsum", "put_")),
            "TF32 off, may differ from run to run: cumsum, put_",
        ),
    ],
)
def test_a_report_says_it_in_one_line(arithmetic: Arithmetic, said: str) -> None:
    assert arithmetic.summary.endswith(said)


class _Nvml:
    """NVML as its header has it: one GPU of a known UUID, in millijoules."""

    def __init__(self, status: int = 0) -> None:
        self.status, self.used = status, 1500

    def nvmlSystemGetDriverVersion(self, text: Any, length: Any) -> int:  # noqa: N802
        text.value = b"570.86.15"
        return self.status

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:  # noqa: N802
        return self.status if uuid == b"GPU-12ab" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, used: Any) -> int:  # noqa: N802
        used._obj.value = self.used
        self.used += 2000
        return self.status


def test_the_driver_and_the_energy_are_those_of_nvml() -> None:
    assert nvml.driver(_Nvml()) == "570.86.15"
    read = nvml.joules("12ab", _Nvml())
    assert read is not None
    assert (read(), read()) == (3.5, 5.5)


def test_what_nvml_does_not_know_is_not_told() -> None:
    assert nvml.driver(_Nvml(status=3)) is None
    assert nvml.joules("12ab", _Nvml(status=3)) is None
    assert nvml.joules("another", _Nvml()) is None
