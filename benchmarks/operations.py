"""Floating-point operations of a model's call, counted whatever attention it computes.

torch's counter takes attention's operations from the shapes of its kernels, and until torch 2.12
refused kernels with fewer key and value heads than query heads, as grouped-query models have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

KERNELS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
)
"""Attention of torch: query, key and value of (batch, heads, tokens, width) come first."""


def counted(call: Callable[[], object]) -> int:
    """Operations of `call`, a multiplication and an addition counted as two.

    Masked attention counts whole: its kernels do not say what they leave out.

    Example:
        >>> import torch
        >>> query, key = torch.ones(2, 4, 10, 8), torch.ones(2, 2, 12, 8)
        >>> attend = torch.nn.functional.scaled_dot_product_attention
        >>> with torch.inference_mode():
        ...     counted(lambda: attend(query, key, key, enable_gqa=True))
        30720
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    known = (getattr(torch.ops.aten, name, None) for name in KERNELS)
    formulas: dict[Any, Any] = {kernel: attention for kernel in known if kernel is not None}
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        call()
    return int(counter.get_total_flops())


def attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *rest: Any, **named: Any
) -> int:
    """Operations of attention over these shapes: every query head works, whoever shares its keys.

    Example:
        >>> attention((2, 4, 10, 8), (2, 2, 12, 8), (2, 2, 12, 8))
        30720
    """
    batch, heads, queries, width = query
    keys, out = key[2], value[3]
    return 2 * batch * heads * queries * keys * (width + out)
