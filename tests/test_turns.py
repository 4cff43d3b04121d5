"""Documents are dealt so that every rank gets every resolution about as often."""

from __future__ import annotations

from collections import Counter

import pytest

from resolution_eval.host.tasks import turned

SWEEPS = {2: [16, 64], 3: [28, 56, 112], 4: [28, 64, 128, 224], 6: [28, 56, 84, 112, 168, 224]}


@pytest.mark.parametrize("resolutions", SWEEPS.values(), ids=SWEEPS)
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5, 6, 8])
def test_every_rank_gets_about_as_many_pixels(resolutions: list[int], ranks: int) -> None:
    dealt = [r for place in range(1200) for r in turned(resolutions, place)]
    work = [sum(r * r for r in dealt[rank::ranks]) for rank in range(ranks)]
    assert max(work) <= 1.05 * min(work)
    assert Counter(dealt) == dict.fromkeys(resolutions, 1200)


@pytest.mark.parametrize("place", range(40))
def test_every_sample_has_every_resolution_once(place: int) -> None:
    assert sorted(turned(SWEEPS[4], place)) == SWEEPS[4]


def test_the_untouched_order_would_not_do() -> None:
    dealt = SWEEPS[4] * 1200
    work = [sum(r * r for r in dealt[rank::2]) for rank in range(2)]
    assert max(work) > 3 * min(work)
