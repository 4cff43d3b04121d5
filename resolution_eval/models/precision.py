"""Precision: what decides the last digits of an answer on a GPU, set once, and told to the record.

A GPU computes float32 convolutions in TF32, which keeps 10 of the 23 bits behind the point, unless
it is told otherwise; sums of products in 16 bits may be kept in 16 bits; and some kernels add up in
the order in which they happen to finish. Here float32 means float32, sums are kept in float32, and
torch takes the kernel that gives the same result every time wherever it has one. Where it has
none, it says so, and the record names the kernel.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from resolution_eval.evidence.facts import Arithmetic
from resolution_eval.ground.errors import UsageError

OVERRIDE = "NVIDIA_TF32_OVERRIDE"
"""Variable by which NVIDIA's libraries refuse TF32, whatever a program says: 0."""
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Variable without which cuBLAS does not promise the same result twice."""
MAY_DIFFER = r"(?P<kernel>\S+)(?: with .*?)? does not have a deterministic implementation"
"""What torch warns of a kernel whose results may differ from run to run."""


class Precision:
    """The arithmetic of one model on its device, and the kernels that were seen to promise less."""

    def __init__(self, device: torch.device, *, tf32: bool = False) -> None:
        if tf32 and device.type != "cuda":
            raise UsageError(
                f"tf32=true needs a CUDA device, and this run is on {device}; leave it out"
            )
        if tf32 and os.environ.get(OVERRIDE) == "0":
            raise UsageError(f"tf32=true, but {OVERRIDE}=0 forbids it; unset one of the two")
        self._gpu, self._tf32 = device.type == "cuda", tf32
        self._differing: set[str] = set()
        self._shown: set[str] = set()

    def apply(self) -> None:
        """Set torch's switches, which belong to the whole process; nothing on a processor.

        lmms-eval's modules set some of them on import, so that this is done before each run.
        """
        if not self._gpu:
            return
        os.environ.setdefault(WORKSPACE, ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = self._tf32
        torch.backends.cudnn.allow_tf32 = self._tf32
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def watched(self) -> AbstractContextManager[None]:
        """Notes the kernels that torch warns of; nothing on a processor."""
        return self.noting() if self._gpu else nullcontext()

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Notes the kernels that torch warns of, and shows other warnings once."""
        with warnings.catch_warnings():
            warnings.filterwarnings("always", message=MAY_DIFFER)
            shown = warnings.showwarning

            def note(message: Warning | str, *rest: Any, **named: Any) -> None:
                match = re.match(MAY_DIFFER, str(message))
                if match is not None:
                    self._differing.add(match["kernel"])
                elif str(message) not in self._shown:
                    self._shown.add(str(message))
                    shown(message, *rest, **named)

            warnings.showwarning = note
            yield

    def arithmetic(self, model: Any) -> Arithmetic:
        """What was set, as torch's switches stand now, and what `model` attends with."""
        if not self._gpu:
            return Arithmetic(attention=attention_of(model))
        forbidden = os.environ.get(OVERRIDE) == "0"
        products, convolutions = (
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
        )
        return Arithmetic(
            tf32=not forbidden and (products or convolutions),
            attention=attention_of(model),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            may_differ=tuple(sorted(self._differing)),
        )


def attention_of(model: Any) -> str | None:
    """The kinds of attention that the parts of `model` say they compute, the model's own first;
    None where none says so.

    `sdpa` is torch's, which takes a fused kernel by shapes and types.

    Example:
        >>> from types import SimpleNamespace as Part
        >>> attention_of(Part(modules=lambda: [Part(config=Part(_attn_implementation="sdpa"))]))
        'sdpa'
    """
    modules = model.modules() if hasattr(model, "modules") else ()
    configs = (getattr(module, "config", None) for module in modules)
    named = (getattr(config, "_attn_implementation", None) for config in configs)
    return ", ".join(dict.fromkeys(name for name in named if isinstance(name, str))) or None
