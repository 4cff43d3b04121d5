"""Memory of the GPUs that hold a model: what is free, and what a batch took of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class BatchMemory:
    """Bytes that each GPU held before a batch, from which its peak is counted."""

    gpus: Sequence[torch.device]
    before: Sequence[int]

    @classmethod
    def begin(cls, gpus: Sequence[torch.device]) -> BatchMemory:
        """Count the peaks of these GPUs anew."""
        for gpu in gpus:
            torch.cuda.reset_peak_memory_stats(gpu)
        return cls(gpus, [int(torch.cuda.memory_allocated(gpu)) for gpu in gpus])

    def peaks(self) -> list[int]:
        """The most bytes that each GPU held since."""
        return [int(torch.cuda.max_memory_allocated(gpu)) for gpu in self.gpus]


def room(gpus: Sequence[torch.device]) -> int | None:
    """Bytes that a batch may take of the fullest of these GPUs; None without a GPU."""
    free = []
    for gpu in gpus:
        unused, _ = torch.cuda.mem_get_info(gpu)
        kept = torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)
        free.append(int(unused + kept))
    return min(free, default=None)


def release() -> None:
    """Give back what PyTorch keeps of the GPUs' memory for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def places_of(model: torch.nn.Module) -> list[torch.device]:
    """The devices that hold a model's weights, the processor last."""
    devices = {weight.device for weight in model.parameters()}
    return sorted(devices, key=lambda device: (device.type == "cpu", str(device)))
