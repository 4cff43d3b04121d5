"""Facts of a run: what a process knows of itself, its data and its checkpoint, for the record.

lmms-eval's results file says none of this. So the first document that a process scores carries the
process's facts into the samples file, one line per process and task; nothing of it stands in the
table. What is not known is null.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from resolution_eval.ground.nvml import driver

Count = Annotated[int, Field(ge=0, lt=2**63)]
PACKAGES = (
    *("resolution-eval", "lmms-eval", "torch", "torchvision", "transformers", "accelerate"),
    *("datasets", "open-flamingo", "open-clip-torch", "peft", "vllm", "sglang", "numpy", "pillow"),
)
"""Distributions whose version can change a score or its cost."""
MAX_EXCLUDED = 1000
"""Most excluded items that a process names; it counts them all."""


class _Facts(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Hardware(_Facts):
    """The machine that a process ran on."""

    cpu: str | None
    """Model name of the processor."""
    cores: Count
    """Processor cores that the process may use."""
    memory: Count | None
    """Bytes of main memory."""
    gpus: tuple[str, ...]
    """Names of the GPUs that the process sees; empty where it sees none."""
    driver: str | None = None
    """Release of the GPUs' driver; null without a GPU, and where it is not told."""

    @property
    def summary(self) -> str:
        """The machine in a few words: its GPUs, otherwise its processor, and the cores."""
        named = ", ".join(self.gpus) or self.cpu or "unnamed processor"
        return f"{named}, {self.cores} processor cores"


class ExcludedItem(_Facts):
    """Something found in the data that is not a sample, and why."""

    item: str
    reason: str


class DataFacts(_Facts):
    """The test split as its source found it: loaded + excluded_total is all that was found."""

    source: str
    """Kind of source: local, medmnist, archive, hub, phantom, ..."""
    revision: str
    """Version of the data that was found, as far as the source itself tells."""
    loaded: Count
    """Samples, whether scored in this run or beyond its limit."""
    excluded_total: Count
    excluded: Annotated[tuple[ExcludedItem, ...], Field(max_length=MAX_EXCLUDED)]
    """The first thousand."""
    notes: tuple[str, ...]


class Arithmetic(_Facts):
    """What decides the last digits of an answer on a GPU; on a processor only `attention`."""

    tf32: bool | None = None
    """Whether float32 convolutions or products were computed in TF32; null without a GPU."""
    attention: str | None = None
    """Kinds of attention that the model's parts compute: `sdpa` (torch's, which takes a fused
    kernel by shapes and types), `eager`, `flash_attention_2`, ...; null where none says so.
    """
    deterministic: bool | None = None
    """Whether torch took the kernel that gives the same result every time wherever it has one;
    null without a GPU."""
    may_differ: tuple[str, ...] = ()
    """Kernels that were used although they promise no such thing: two runs may differ by them."""

    @property
    def summary(self) -> str:
        """All of it in one line.

        Example:
            >>> Arithmetic(tf32=False, attention="sdpa", deterministic=True).summary
            'attention sdpa, TF32 off, deterministic'
        """
        said = [f"attention {self.attention}" if self.attention else "attention not told"]
        if self.tf32 is not None:
            said.append(f"TF32 {'on' if self.tf32 else 'off'}")
        if self.deterministic is not None:
            kernels = ", ".join(self.may_differ)
            promise = f"may differ from run to run: {kernels}" if kernels else "deterministic"
            said.append(promise if self.deterministic else "not deterministic")
        return ", ".join(said)


class CheckpointFacts(_Facts):
    """What the adapter knows of its checkpoint and of how it runs it."""

    revision: str | None
    """Commit of the checkpoint's repository, or sha256:... of a local folder's weights."""
    declared: str | None
    """Training resolution that the checkpoint, its folder or its card declares."""
    evidence: str | None
    """Where `declared` was read."""
    overridden: bool | None
    """Whether `train_resolution=` took the place of `declared`."""
    strategy: str | None
    """How it was trained: none, low, native or mixed."""
    training_data: str | None
    """What it was trained on, as its folder says."""
    dtype: str | None
    device: str | None
    writing: str | None = None
    """What of the checkpoint's own generation settings is used, what is set aside, and how many
    tokens a checkpoint that thinks is allowed.
    """
    probes: tuple[str, ...] = ()
    """What a behavioural probe found before the run and after it, each in one sentence: a lower
    bound of what the model sees, and no attestation."""
    arithmetic: Arithmetic | None = None
    """Null of a model that runs in another process."""
    defaults: dict[str, str] = Field(default_factory=dict)
    """Arguments of lmms-eval's model that the run left as they are, and what they are."""


class RunFacts(_Facts):
    """What one process of a run knows."""

    rank: Count
    hardware: Hardware
    platform: str
    versions: dict[str, str]
    peak_memory: Count | None
    """Largest resident memory of the process until it began to score, in bytes."""
    checkpoint: CheckpointFacts | None
    """Null where no adapter of ours answers."""
    data: DataFacts


def run_facts(data: DataFacts, checkpoint: CheckpointFacts | None) -> RunFacts:
    """What this process knows of itself, beside what it was told of `data` and `checkpoint`."""
    return RunFacts(
        rank=_rank(),
        hardware=hardware(),
        platform=platform.platform(),
        versions=versions(),
        peak_memory=peak_resident(),
        checkpoint=checkpoint,
        data=data,
    )


def hardware() -> Hardware:
    """The machine of this process, as the operating system and torch tell."""
    import psutil

    affinity = hasattr(os, "sched_getaffinity")
    return Hardware(
        cpu=_processor(),
        cores=len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 0,
        memory=int(psutil.virtual_memory().total),
        gpus=(gpus := _gpus()),
        driver=driver() if gpus else None,
    )


def versions() -> dict[str, str]:
    """Python's version and that of every installed package of `PACKAGES`."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def peak_resident() -> int | None:
    """Largest resident memory that this process has had, in bytes; None where nothing tells."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
        return None if peak is None else int(peak)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor() -> str | None:
    """Model name of the processor: Linux's own list, otherwise what Python knows."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or None


def _gpus() -> tuple[str, ...]:
    """Names of the GPUs that torch sees; torch is asked only where a run has imported it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ()
    return tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _rank() -> int:
    """This process's place in a run of several; 0 in a run of one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available():
        return 0
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
