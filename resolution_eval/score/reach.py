"""The reach: which resolutions a sweep takes unless told, and what it leaves out and why."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from resolution_eval.data.own_folder import EDGES
from resolution_eval.resolution import NATIVE, PixelResolution, TrainingResolution, ascending, label

LOWEST = 8
"""A sweep reaches down to this part of the training resolution."""
HIGHEST = 2
"""And up to this many times of it: beyond, a position table is mostly invented."""
MOST = 5
FEWEST = 2
SAMPLES = {False: 60, True: 24}
"""Samples below which resolutions are left out in place of more samples, by whether it is quick."""


@dataclass(frozen=True, kw_only=True)
class ResolutionScope:
    """What is run, and what is not."""

    resolutions: tuple[PixelResolution, ...]
    samples: int
    seconds: float
    left_out: tuple[str, ...]
    """What was left out, each with the argument that brings it."""

    @property
    def labels(self) -> str:
        """The resolutions, as --resolutions takes them."""
        return ",".join(map(label, self.resolutions))


def reachable(
    edges: Sequence[float], training: TrainingResolution
) -> tuple[list[PixelResolution], list[PixelResolution]]:
    """The resolutions within reach, and those that the sources have and that are not.

    `edges` are the images', ascending.

    Example:
        >>> reachable([2000.0] * 4, TrainingResolution.parse("fixed:64"))
        ([14, 28, 56, 64, 112], [224, 448, 896, 1792, 'native'])
    """
    quarter = edges[len(edges) // 4]
    trained = {edge for edge in training.members if isinstance(edge, int) and edge <= quarter}
    here = sorted({edge for edge in EDGES if edge < quarter} | trained)
    numbers = [edge for edge in training.members if isinstance(edge, int)]
    free = NATIVE in training.members or not numbers
    top = float("inf") if free else HIGHEST * max(numbers)
    low = min(numbers, default=0) / LOWEST
    inside: list[PixelResolution] = [edge for edge in here if low <= edge <= top]
    if edges[-1] <= top or not inside:
        inside.append(NATIVE)
    if len(inside) < FEWEST:  # images smaller than the reach: what they have
        inside = [*(edge for edge in here[-FEWEST:] if edge not in inside), *inside]
    every: list[PixelResolution] = [*here, NATIVE]
    kept = _nearest(inside, trained)
    return kept, [each for each in every if each not in kept]


def _nearest(inside: list[PixelResolution], trained: set[int]) -> list[PixelResolution]:
    """At most `MOST`: the largest ones, those trained at first."""
    wanted = sorted(inside, key=lambda each: (each not in trained, *_falling(each)))[:MOST]
    return sorted(wanted, key=ascending)


def _falling(each: PixelResolution) -> tuple[bool, float]:
    native, edge = ascending(each)
    return not native, -edge


def scope(
    within: Sequence[PixelResolution],
    beyond: Sequence[PixelResolution],
    samples: int,
    seconds: Callable[[Sequence[PixelResolution], int], float],
    *,
    budget: float,
    quick: bool = False,
    wanted: int | None = None,
    told: bool = False,
) -> ResolutionScope:
    """What fits into `budget` seconds: first fewer samples, then without the largest resolutions.

    `seconds` says how long a sweep takes; `wanted` samples, and resolutions that were `told`, are
    run whatever they take.
    """
    fewest = min(samples, SAMPLES[quick])
    kept, count = list(within), min(samples, wanted or samples)
    dropped: list[PixelResolution] = []
    while True:
        if wanted is None:  # the most samples that fit the budget, `fewest` at least
            counts = range(fewest, samples + 1)
            fitting = bisect_right(counts, budget, key=partial(seconds, kept))
            count = counts[max(fitting - 1, 0)]
        if told or len(kept) <= FEWEST or seconds(kept, count) <= budget:
            break
        dropped.insert(0, kept.pop())
    return ResolutionScope(
        resolutions=tuple(kept),
        samples=count,
        seconds=seconds(kept, count),
        left_out=tuple(_left_out(kept, dropped, beyond, samples, count)),
    )


def _left_out(
    kept: Sequence[PixelResolution],
    dropped: Sequence[PixelResolution],
    beyond: Sequence[PixelResolution],
    samples: int,
    count: int,
) -> list[str]:
    phrases = []
    if dropped:
        brings = ",".join(map(label, [*kept, *dropped]))
        phrases.append(f"{_names(dropped)}, which take too long here (--resolutions {brings})")
    if beyond:
        brings = ",".join(map(label, sorted({*kept, *beyond}, key=ascending)))
        where = "out of the reach of the training"
        phrases.append(f"{_names(beyond)}, {where} (--resolutions {brings})")
    if count < samples:
        phrases.append(f"{samples - count:,} of {samples:,} samples (--samples {samples})")
    return phrases


def _names(resolutions: Sequence[PixelResolution]) -> str:
    return ", ".join(map(label, resolutions))


def words(seconds: float) -> str:
    """How long, in words.

    Example:
        >>> words(20), words(250), words(9000)
        ('under a minute', 'about 4 minutes', 'about 2.5 hours')
    """
    if seconds < 50:
        return "under a minute"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {seconds / 3600:.1f} hours"
