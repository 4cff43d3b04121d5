"""Option order: the order in which a question's options are shown."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256

from resolution_eval.data.sources.source import Sample

FIXED = "fixed"


def shown_options(samples: Iterable[Sample], order: str) -> dict[str, tuple[str, ...]]:
    """Every sample's options in the order shown, by its id.

    `fixed`: as the data, or its card, lists them. `seeded:N`: shuffled by N and the sample's id.
    Then among the questions with equally many options the right one stands equally often at every
    place (counts differ by one at most), so that a model that prefers a letter gains nothing.

    Example:
        >>> one = Sample("1", "1.png", "Which?", "disc", ("disc", "ring"), "1", "test")
        >>> shown_options([one], "fixed")
        {'1': ('disc', 'ring')}
    """
    given = list(samples)
    if order == FIXED:
        return {sample.id: sample.choices for sample in given}
    seed = order.partition(":")[2]
    alike: dict[int, list[Sample]] = defaultdict(list)
    for sample in given:
        alike[len(sample.choices)].append(sample)
    shown: dict[str, tuple[str, ...]] = {}
    for count, members in alike.items():
        members.sort(key=lambda sample: sha256(f"{seed}/{sample.id}".encode()).digest())
        for number, sample in enumerate(members):
            shown[sample.id] = _shuffled(sample, seed, number % count) if count else ()
    return shown


def _shuffled(sample: Sample, seed: str, place: int) -> tuple[str, ...]:
    """The options with the right one at `place` and the others in random order."""
    others = list(sample.choices)
    others.remove(sample.answer)
    random.Random(f"{seed}/{sample.id}").shuffle(others)
    return (*others[:place], sample.answer, *others[place:])
