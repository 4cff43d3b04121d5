"""NVML, NVIDIA's library of its driver: the driver's release, and the energy a GPU has used.

It comes with the driver, so that nothing needs to be installed; without it nothing is known.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

LIBRARIES = ("libnvidia-ml.so.1", "nvml.dll")
SUCCESS = 0
LONGEST = 96
"""Bytes of the longest version that NVML writes, its end included."""


@lru_cache(maxsize=1)
def library() -> Any | None:
    """NVML, begun; None where there is no driver or it does not answer."""
    for name in LIBRARIES:
        try:
            nvml = ctypes.CDLL(name)
        except OSError:
            continue
        return nvml if nvml.nvmlInit_v2() == SUCCESS else None
    return None


def driver(nvml: Any | None = None) -> str | None:
    """Release of the GPUs' driver, e.g. 570.86.15; None where nothing tells."""
    nvml = library() if nvml is None else nvml
    if nvml is None:
        return None
    text = ctypes.create_string_buffer(LONGEST)
    status = nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(LONGEST))
    return text.value.decode("ascii", "replace") or None if status == SUCCESS else None


def joules(uuid: str, nvml: Any | None = None) -> Callable[[], float] | None:
    """Reads the energy in joules that the GPU `uuid` has used since its driver was loaded; None
    where it does not count.

    The counter steps about every 20 to 100 ms: measure seconds, not milliseconds.
    """
    nvml = library() if nvml is None else nvml
    if nvml is None:
        return None
    handle, used = ctypes.c_void_p(), ctypes.c_ulonglong()
    named = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
    if nvml.nvmlDeviceGetHandleByUUID(named.encode(), ctypes.byref(handle)) != SUCCESS:
        return None

    def read() -> float:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(used))
        return used.value / 1000

    answers = nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(used)) == SUCCESS
    return read if answers else None
