"""The pace: about how long a sweep takes on this machine, from sizes and one short measurement.

An estimate to be read as "about": arithmetic of the forward passes over the rate at which this
machine multiplies matrices, with what starting costs. It decides what is left out by default, and
nothing that is reported as measured.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from resolution_eval.ground.notation import json_value
from resolution_eval.score.subject import Subject

SHARE = 0.3
"""Of the measured rate that forward passes reach."""
TEXT = 80
"""Tokens of a question."""
WRITTEN = 12
"""Tokens of an answer."""
OVERHEAD = 0.03
"""Seconds per sample beside its passes: reading, resizing, bookkeeping."""
STARTING = 45.0
"""Seconds until the first sample, of both runs together: lmms-eval, loading, the page."""
BLIND = 1.5
"""Of the sweep's time with the control without the image."""
REQUEST = 0.25
"""Seconds per sample of a server, eight asked at once."""
SMALL = 1e8
"""Weights up to which a vision encoder of unknown size is taken for a small one."""
BANDWIDTH = 8e9
"""Bytes per second at which weights are read for each token that is written, on a processor."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What an answer costs."""

    parameters: float
    rate: float
    """Operations per second that the machine was seen to do; infinite of a server."""
    hidden: int = 1024
    layers: int = 24
    patch: int = 14
    """Of the vision encoder, whose attention grows with the square of its patches."""
    served: bool = False

    def seconds(self, tokens: float, pixels: float) -> float:
        """Of one sample with so many visual tokens and pixels in its grid."""
        if self.served:
            return REQUEST
        patches = pixels / self.patch**2
        attention = 4 * patches**2 * self.hidden * self.layers
        tower = 24 * patches * self.hidden**2 * self.layers
        reading = 2 * self.parameters * (tokens + TEXT) + attention + min(tower, 1e13)
        reached = SHARE * self.rate
        writing = WRITTEN * max(2 * self.parameters / reached, 4 * self.parameters / BANDWIDTH)
        return OVERHEAD + reading / reached + writing

    def sweep(self, per_sample: float, samples: int, *, blind: bool) -> float:
        """Of a whole run, whose resolutions cost `per_sample` seconds together."""
        return STARTING + (BLIND if blind else 1.0) * samples * per_sample


def pace(subject: Subject) -> Pace:
    """That of what is scored, as its configuration and the size of its weights say."""
    if subject.served:
        return Pace(parameters=0, rate=float("inf"), served=True)
    config = subject.folder and subject.folder / "config.json"
    told = json_value(config.read_bytes()) if config and config.is_file() else {}
    vision = told.get("vision_config")
    vision = vision if isinstance(vision, dict) else {}
    count = parameters(subject.folder, subject.name)
    hidden, layers = (1024, 24) if count > SMALL else (64, 4)
    return Pace(
        parameters=count,
        rate=_rate(),
        hidden=_number(vision, ("embed_dim", "hidden_size", "width"), hidden),
        layers=_number(vision, ("depth", "num_hidden_layers", "layers"), layers),
        patch=_number(vision, ("patch_size",), 14),
    )


def _number(config: Mapping[str, Any], names: tuple[str, ...], otherwise: int) -> int:
    settings = (config.get(name) for name in names)
    return next((value for value in settings if isinstance(value, int) and value > 0), otherwise)


def parameters(folder: Path | None, name: str) -> float:
    """Number of weights: as the files say, else as the name does (7B), else 3e9."""
    files = [] if folder is None else sorted(folder.glob("*.safetensors"))
    counted = sum(map(_weights, files))
    if counted:
        return float(counted)
    spelt = re.search(r"(\d+(?:\.\d+)?)[bB](?![a-zA-Z])", name)
    return float(spelt[1]) * 1e9 if spelt else 3e9


def _weights(file: Path) -> int:
    """Numbers in a safetensors file, by its header alone; 0 where it has none that can be read."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json_value(stream.read(min(length, 100_000_000)))
    except (OSError, struct.error, ValueError):
        return 0
    return sum(prod(one["shape"]) for key, one in header.items() if key != "__metadata__")


def _rate() -> float:
    """Operations per second of a matrix product, in single precision."""
    import torch

    edge = 768
    device = "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.rand(edge, edge, device=device)
    (matrix @ matrix).sum().item()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 0.2:
        (matrix @ matrix).sum().item()
        count += 1
    return count * 2 * edge**3 / (time.perf_counter() - began)
