"""Tensors on their way to a device: pinned, and copied beside what the device computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Shipment:
    """Tensors on a device, or on their way to it."""

    tensors: Mapping[str, Tensor]
    event: Any = None
    """When the copy is done; None where it is."""
    pinned: tuple[Tensor, ...] = field(default=(), repr=False)
    """What is being copied, which must stay until then."""

    def arrived(self) -> dict[str, Tensor]:
        """The tensors, for the present stream, which waits for them."""
        if self.event is not None:
            stream = torch.cuda.current_stream(next(iter(self.tensors.values())).device)
            stream.wait_event(self.event)
            for tensor in self.tensors.values():
                tensor.record_stream(stream)
        return dict(self.tensors)


class Transfer:
    """Sends tensors to one device, on a stream of its own where that is a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        gpu = device.type == "cuda"
        self._stream: Any = torch.cuda.Stream(device) if gpu else None  # type: ignore[no-untyped-call]

    def send(self, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> Shipment:
        """The tensors on the device, those of floating point in `dtype`; may be called in any
        thread.
        """
        if self._stream is None:
            return Shipment(
                {
                    name: tensor.to(self.device, _type(tensor, dtype))
                    for name, tensor in tensors.items()
                }
            )
        pinned = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        with torch.cuda.stream(self._stream):
            sent = {
                name: tensor.to(self.device, non_blocking=True).to(_type(tensor, dtype))
                for name, tensor in pinned.items()
            }
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
        return Shipment(sent, event, tuple(pinned.values()))


def _type(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    return dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
