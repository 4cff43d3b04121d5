"""The processes of a run: what accelerate's configuration asks for, and what is refused of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from resolution_eval.ground.errors import UsageError
from resolution_eval.training.plan import TrainingPlan

SHARDING = {"FSDP": "ACCELERATE_USE_FSDP", "DEEPSPEED": "ACCELERATE_USE_DEEPSPEED"}
"""accelerate's name of what shards, and the variable by which its launcher asks for it."""
HALF = (torch.bfloat16, torch.float16)


def open_accelerator(plan: TrainingPlan) -> Any:
    """accelerate as its own configuration says: one process or several, alike or sharded.

    Raises:
        UsageError: the configuration asks for what this loop, or accelerate, would not do.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs

    accelerator = Accelerator(
        mixed_precision=plan.precision,
        gradient_accumulation_steps=plan.accumulate,
        # a tower's last layer, or a head, may have no part in a step's loss
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    _check_sharding(accelerator)
    plugin = accelerator.state.deepspeed_plugin
    if plugin is not None:
        if plugin.zero_stage == 3:
            raise UsageError(
                "ZeRO-3 is not supported; take zero_stage: 2, or FSDP with fsdp_version: 2, which "
                "shards the parameters too"
            )
        # it would ask a data loader for the first, and does the others by itself
        plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = plan.optimisation.batch
        plugin.deepspeed_config["gradient_accumulation_steps"] = plan.accumulate
        plugin.deepspeed_config["gradient_clipping"] = plan.optimisation.clip
    return accelerator


def _check_sharding(accelerator: Any) -> None:
    """Refuse what accelerate would pass over in silence, and what would clip wrongly."""
    kind = str(accelerator.distributed_type.value)
    if kind == "FSDP" and not accelerator.is_fsdp2:
        raise UsageError(
            "FSDP version 1 clips each process's part of the gradient by itself where parts are "
            "frozen; write fsdp_version: 2 in accelerate's configuration"
        )
    for name, variable in SHARDING.items():
        asked = os.environ.get(variable, "false").lower() == "true"
        if asked and kind != name and accelerator.num_processes > 1:
            raise UsageError(
                f"{name} is configured, but accelerate does not use it on "
                f"{accelerator.device.type}: train on GPUs, or with another configuration"
            )


def refuse_sharded(accelerator: Any, what: str) -> None:
    """Raise UsageError of `what` where a run's weights are sharded."""
    kind = str(accelerator.distributed_type.value)
    if kind in SHARDING:
        raise UsageError(f"{what} cannot be had with {kind}; train in plain processes")


def check_shared(accelerator: Any, file: Path) -> None:
    """Raise UsageError, in all processes, where some do not see `file`, which one of them wrote."""
    seen = torch.tensor([int(file.is_file())], device=accelerator.device)
    number = int(accelerator.reduce(seen, "sum"))
    if number < accelerator.num_processes:
        raise UsageError(
            f"{number} of {accelerator.num_processes} processes see {file}; --output must lie on a "
            "file system that all machines share"
        )


def keep_whole(trained: Iterable[nn.Parameter], accelerator: Any) -> None:
    """Hold the parameters that are trained in 32 bits, where a small step is not rounded away.

    Raises:
        UsageError: they are in 16 bits, and the arithmetic is not.
    """
    short = [parameter for parameter in trained if parameter.dtype in HALF]
    if short and accelerator.mixed_precision == "no":
        raise UsageError(
            f"weights in {str(short[0].dtype).removeprefix('torch.')} are trained in 32 bits and "
            "computed with in 16; say so with --precision bf16"
        )
    for parameter in short:
        parameter.data = parameter.data.float()


def begin(optimiser: Any) -> None:
    """Give every parameter the state that AdamW makes at its first gradient: no step, no moments.

    A sharded state loads only where each parameter has one, those without a gradient too (a tower's
    last layer, say). They stay as they are: AdamW passes over a parameter that has no gradient.
    """
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            optimiser.state[parameter] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
