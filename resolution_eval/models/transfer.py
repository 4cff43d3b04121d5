"""Tensors on their way to a device: pinned, and copied beside what the device computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Shipment:
    """Tensors on a device, or on their way to it; whatever is no tensor goes beside them."""

    values: Mapping[str, Any]
    event: Any = None
    """When the copy is done; None where it is."""
    pinned: tuple[Tensor, ...] = field(default=(), repr=False)
    """What is being copied, which must stay until then."""

    def arrived(self) -> dict[str, Any]:
        """All of it, for the present stream, which waits for the tensors."""
        if self.event is not None:
            tensors = [value for value in self.values.values() if isinstance(value, Tensor)]
            stream = torch.cuda.current_stream(tensors[0].device)
            stream.wait_event(self.event)
            for tensor in tensors:
                tensor.record_stream(stream)
        return dict(self.values)


class Transfer:
    """Sends tensors to one device, on a stream of its own where that is a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        gpu = device.type == "cuda"
        self._stream: Any = torch.cuda.Stream(device) if gpu else None  # type: ignore[no-untyped-call]

    def send(self, values: Mapping[str, Any], dtype: torch.dtype | None = None) -> Shipment:
        """The tensors on the device, floating ones in `dtype`; may be called in any thread."""
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        if self._stream is None or not tensors:
            here = {
                name: tensor.to(self.device, _type(tensor, dtype))
                for name, tensor in tensors.items()
            }
            return Shipment({**values, **here})
        pinned = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        with torch.cuda.stream(self._stream):
            sent = {
                name: tensor.to(self.device, non_blocking=True).to(_type(tensor, dtype))
                for name, tensor in pinned.items()
            }
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
        return Shipment({**values, **sent}, event, tuple(pinned.values()))


def _type(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    return dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
