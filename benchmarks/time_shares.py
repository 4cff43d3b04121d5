"""Where the time of a model's call goes, by the kind of work: what holds a rate back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from benchmarks.device import wait

KINDS = ("products", "attention", "other operations", "between operations")
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "linear"}


def kind(operation: str) -> str:
    """The kind of one of PyTorch's operations, by its name.

    Example:
        >>> kind("aten::addmm"), kind("aten::_scaled_dot_product_flash_attention_for_cpu")
        ('products', 'attention')
        >>> kind("aten::mkldnn_convolution"), kind("aten::gelu")
        ('products', 'other operations')
    """
    name = operation.rpartition("::")[2]
    if "attention" in name or "flash_attn" in name:
        return "attention"
    return "products" if name in PRODUCTS or "conv" in name else "other operations"


def time_shares(call: Callable[[], object], device: str) -> dict[str, float]:
    """The share of each of `KINDS` in the time of one `call`, in all 1.

    On a card, operations are counted by what their kernels took of it, and between them it waits;
    on a processor by their own time, and between them Python runs.
    """
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        began = time.perf_counter()
        call()
        wait(device)
        whole = time.perf_counter() - began
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        # kernels are listed a second time, beside the operations that started them
        if event.device_type == DeviceType.CPU and "::" in event.key:
            own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
            spent[kind(event.key)] += own / 1e6
    spent["between operations"] = max(0.0, whole - spent.total())
    return {name: spent[name] / spent.total() for name in KINDS}
