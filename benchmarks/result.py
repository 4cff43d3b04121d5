"""What a benchmark found: a ratio, its mark, and everything needed to read it."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal

from tabulate import tabulate

PACKAGES = ("resolution-eval", "lmms-eval", "torch", "transformers", "pillow")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One benchmark's outcome on one machine."""

    name: str
    ratio: float | None
    """Null where a machine part was missing, e.g. a GPU: then nothing is claimed."""
    target: float | None
    sense: Literal["at least", "at most", "reported"]
    rows: Sequence[Mapping[str, Any]]
    """The table behind the ratio, times in seconds unless a heading says otherwise."""
    sizes: Mapping[str, Any]
    """What was measured: images, resolutions, model, batch, repetitions."""
    note: str = ""
    rehearsed: float | None = None
    """The ratio of a rehearsal: of our own code on a processor, and no claim of any device."""
    rounds: Sequence[float] = ()
    """The ratio of each round, whose median is told; empty where there was one."""
    foreign: float | None = None
    """Share of the machine's cores that other programs used meanwhile; above a few per cent times
    are those of a busy machine.
    """

    @property
    def met(self) -> bool | None:
        """Whether the mark was reached; null where there is none or nothing was measured."""
        if self.ratio is None or self.target is None:
            return None
        return self.ratio >= self.target if self.sense == "at least" else self.ratio <= self.target

    def document(self) -> dict[str, Any]:
        """Name, ratio, target, met, and the rest under `detail`."""
        detail = {
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "versions": {name: version(name) for name in PACKAGES},
            "sense": self.sense,
            "sizes": dict(self.sizes),
            "rows": [dict(row) for row in self.rows],
            "note": self.note,
            "rounds": [round(each, 3) for each in self.rounds],
            "rehearsed": None if self.rehearsed is None else round(self.rehearsed, 3),
            "foreign": None if self.foreign is None else round(self.foreign, 3),
        }
        ratio = None if self.ratio is None else round(self.ratio, 3)
        return {
            "name": self.name,
            "ratio": ratio,
            "target": self.target,
            "met": self.met,
            "detail": detail,
        }

    def text(self) -> str:
        """The table and the verdict, for a terminal."""
        sizes = ", ".join(f"{name} {value}" for name, value in self.sizes.items())
        ratio = "not measured" if self.ratio is None else f"{self.ratio:.3f}"
        if self.rehearsed is not None:
            ratio = f"{ratio}, rehearsed {self.rehearsed:.3f}"
        mark = "" if self.target is None else f" ({self.sense} {self.target:g}: {self._verdict})"
        table = tabulate([dict(row) for row in self.rows], headers="keys", floatfmt=".4g")
        lines = [f"{self.name}: {sizes}", f"on {machine()}", table, f"ratio {ratio}{mark}"]
        if self.foreign is not None:
            lines.append(busy(self.foreign))
        return "\n".join([*lines, *([self.note] if self.note else [])])

    @property
    def _verdict(self) -> str:
        return {True: "met", False: "missed", None: "unknown"}[self.met]


def machine() -> str:
    """Processor, cores that this process may use, memory, and GPU."""
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {gpu}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def busy(share: float) -> str:
    """`Result.foreign` in words."""
    return f"Other programs used {100 * share:.0f} % of the cores meanwhile."


class Foreign:
    """Processor time that other programs take from now on."""

    def __init__(self) -> None:
        self._start = self._now()

    def share(self, unseen: float = 0.0) -> float:
        """Share of all cores' time since the beginning that was neither idle nor our own.

        `unseen`: seconds of our own processes that we did not start ourselves.
        """
        passed, used, own = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return max(0.0, used - own - unseen) / passed

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of all cores together: passed, used, used by this process and its children."""
        import psutil

        times, mine = psutil.cpu_times(), os.times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        return sum(times[:8]), sum(times[:8]) - idle, sum(mine[:4])


def spread(seconds: Sequence[float]) -> str:
    """Median of repeated times, and their range."""
    return f"{median(seconds):.3f} [{min(seconds):.3f}, {max(seconds):.3f}]"


def shares(of: str, parts: Mapping[str, float]) -> dict[str, str]:
    """Seconds of each part of a whole, and its share of it, under a name that says of what."""
    whole = sum(parts.values())
    return {
        f"{of}: {part}": f"{seconds:.3f} ({100 * seconds / whole:.0f} %)"
        for part, seconds in parts.items()
    }


def write(result: Result, path: Path) -> None:
    """Write the result's document to `path`."""
    path.write_text(json.dumps(result.document(), indent=2) + "\n", encoding="utf-8")
