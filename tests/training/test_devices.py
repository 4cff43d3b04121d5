"""What several processes are refused, and how long weights are kept while they are trained."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from learners import learner
from test_finetune import lines, losses, plan, start

from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.paths import PACKAGE
from resolution_eval.training import Lora, Teaching, devices, loop

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    AcceleratorState._reset_state(True)


def two(kind: DistributedType, **more: Any) -> SimpleNamespace:
    """What is looked at of an accelerator of two processes."""
    return SimpleNamespace(
        distributed_type=kind, num_processes=2, device=torch.device("cpu"), is_fsdp2=True, **more
    )


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_sharding_that_accelerate_would_pass_over_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices._check_sharding(two(DistributedType.MULTI_CPU))
    monkeypatch.setenv(devices.SHARDING[name], "true")
    devices._check_sharding(two(DistributedType[name]))
    with pytest.raises(UsageError, match=f"{name} is configured, but accelerate does not use it"):
        devices._check_sharding(two(DistributedType.MULTI_CPU))


def test_the_first_version_of_fsdp_is_refused() -> None:
    first = two(DistributedType.FSDP)
    first.is_fsdp2 = False
    with pytest.raises(UsageError, match="fsdp_version: 2"):
        devices._check_sharding(first)


def test_an_output_that_another_machine_does_not_see_is_refused(tmp_path: Path) -> None:
    other = two(DistributedType.MULTI_CPU, reduce=lambda seen, how: seen)
    (tmp_path / "plan.json").touch()
    with pytest.raises(UsageError, match=r"1 of 2 processes see .*file system that all machines"):
        devices.check_shared(other, tmp_path / "plan.json")
    other.reduce = lambda seen, how: 2 * seen
    devices.check_shared(other, tmp_path / "plan.json")


@pytest.mark.parametrize(("name", "lora"), [("llava", Lora(rank=2)), ("resflamingo", None)])
def test_weights_of_16_bits_learn_in_32(name: str, lora: Lora | None, tmp_path: Path) -> None:
    short = learner(name)
    short.model.to(torch.bfloat16)
    frozen = ("model.vision_tower",) if name == "llava" else ("vision_encoder",)
    chosen = plan(steps=3, lora=lora, frozen=frozen, precision="bf16", strategy="low", low=28)
    start(tmp_path / "short", chosen, owner=short, name=name)
    kinds = {
        (p.requires_grad, p.dtype) for p in short.model.parameters()
    }  # what is frozen stays as it was
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    AcceleratorState._reset_state(True)
    start(tmp_path / "whole", chosen, owner=learner(name), name=name)
    assert losses(tmp_path / "short") == pytest.approx(losses(tmp_path / "whole"), rel=0.05)


def test_weights_of_16_bits_need_arithmetic_that_says_so(tmp_path: Path) -> None:
    short = learner("llava")
    short.model.to(torch.bfloat16)
    with pytest.raises(UsageError, match=r"weights in bfloat16 .*--precision bf16"):
        start(tmp_path, plan(precision="no"), owner=short, name="llava")


def test_the_configurations_in_the_docs_are_ones_that_accelerate_reads(tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    text = (PACKAGE.parent / "docs" / "training.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in shown] == ["two-machines.yaml", "fsdp.yaml", "zero2.yaml"]
    kinds = []
    for name, body in shown:
        (tmp_path / name).write_text(body)
        kinds.append(str(load_config_from_file(str(tmp_path / name)).distributed_type.value))
        assert f"--config_file {name}" in text
    assert kinds == ["MULTI_GPU", "FSDP", "DEEPSPEED"]


def test_a_process_without_a_sample_goes_backward_too_while_the_encoder_learns_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = loop.draw_share
    monkeypatch.setattr(loop, "draw_share", lambda *given: replace(draw(*given), idle=True))
    start(tmp_path / "run", plan(steps=2, teaching=Teaching(steps=2)))
    assert [line["head_loss"] for line in lines(tmp_path / "run")] == [0.0, 0.0]


def test_a_state_that_is_begun_changes_no_step_of_the_optimiser() -> None:
    def trained(begun: bool) -> tuple[list[torch.Tensor], torch.optim.AdamW]:
        torch.manual_seed(0)
        moved, still = (torch.nn.Parameter(torch.randn(3, 2)) for _ in range(2))
        optimiser = torch.optim.AdamW([moved, still], lr=0.1, weight_decay=0.1)
        if begun:
            devices.begin(optimiser)
        for step in range(3):
            optimiser.zero_grad()
            (moved * (step + 1)).sin().sum().backward()  # the other never has a gradient
            optimiser.step()
        return [moved, still], optimiser

    alone, lacking = trained(begun=False)
    found, whole = trained(begun=True)
    assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=True))
    assert len(lacking.state) == 1 and len(whole.state) == 2
