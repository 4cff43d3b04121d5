"""What training costs at each resolution: time, memory and visual tokens, measured."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class Meter:
    """Wall time and peak memory between `start` and `stop`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuda = device.type == "cuda"
        resident = None if self._cuda or not _reset_resident() else "resident set of the process"
        self.memory_kind = "allocated on the device" if self._cuda else resident

    def start(self) -> None:
        """Begin, the device's earlier work done."""
        if self._cuda:
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _reset_resident()
        self._begun = time.perf_counter()

    def stop(self) -> tuple[float, int | None]:
        """Seconds since `start`, and the peak in bytes; None where it cannot be measured."""
        if self._cuda:
            torch.cuda.synchronize(self._device)
        seconds = time.perf_counter() - self._begun
        if self._cuda:
            return seconds, torch.cuda.max_memory_allocated(self._device)
        return seconds, _peak_resident() if self.memory_kind else None


def _reset_resident() -> bool:
    """Set the kernel's record of the largest resident set to the present one, if it lets us."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _peak_resident() -> int:
    """The largest resident set since, in bytes (proc(5), VmHWM)."""
    lines = _STATUS.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def by_resolution(batches: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Per resolution: batches, samples, median samples per second of forward and backward, largest
    peak memory in bytes, visual tokens per sample (mean) and the grids received.

    The first batch of a resolution also pays for what is prepared once, and is left out of the
    median where there are more; so are batches in which the encoder learned alone.
    """
    groups = defaultdict(list)
    for batch in batches:
        groups[batch["resolution"]].append(batch)
    return {resolution: _summary(rows) for resolution, rows in sorted(groups.items())}


def _summary(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    whole = [row for row in rows if not row.get("encoder_only")] or rows
    timed = whole[1:] or whole
    samples = sum(row["samples"] for row in rows)
    peaks = [row["peak_memory"] for row in rows if row["peak_memory"] is not None]
    grids = sorted({tuple(row["grid"]) for row in rows})
    return {
        "batches": len(rows),
        "samples": samples,
        "samples_per_second": statistics.median(row["samples"] / row["seconds"] for row in timed),
        "peak_memory": max(peaks) if peaks else None,
        "visual_tokens": sum(row["samples"] * row["visual_tokens"] for row in rows) / samples,
        "grids": [list(grid) for grid in grids[:20]],
    }
