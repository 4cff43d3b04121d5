"""Where a call's time goes, told of calls whose answer is known."""

from __future__ import annotations

import time

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.time_shares import KINDS, time_shares


@pytest.mark.parametrize("most", KINDS)
def test_the_kind_that_takes_nearly_all_is_told(most: str) -> None:
    matrix, query = torch.ones(600, 600), torch.ones(1, 4, 600, 32)
    calls = {
        "products": lambda: [matrix @ matrix for _ in range(5)],
        "attention": lambda: [scaled_dot_product_attention(query, query, query) for _ in range(9)],
        "other operations": lambda: [torch.erf(matrix) for _ in range(50)],
        "between operations": lambda: time.sleep(0.2),
    }
    with torch.inference_mode():
        calls[most]()
        shares = time_shares(calls[most], "cpu")
    assert max(shares, key=lambda name: shares[name]) == most
    assert sum(shares.values()) == pytest.approx(1)
