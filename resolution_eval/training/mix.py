"""Mixes: how the resolution of each training batch is drawn.

A new way of drawing is one class with the members of `Mix`, and one line in `MIXES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from resolution_eval.ground.errors import UsageError
from resolution_eval.resolution import (
    NATIVE,
    PixelResolution,
    TrainingResolution,
    ascending,
    label,
    parse_pixels,
)

FORMS = "28:0.5,native:0.5, uniform:28-224 or anchored:28-224/14"


class Mix(Protocol):
    """Draws the resolution of one batch."""

    @property
    def resolutions(self) -> tuple[PixelResolution, ...]:
        """Where the model is validated, ascending: every resolution drawn, or a range's ends."""

    def draw(self, random: torch.Generator) -> PixelResolution:
        """The resolution of a batch."""

    def __str__(self) -> str:
        """As `parse_mix` reads it."""


@dataclass(frozen=True)
class WeightedMix:
    """Some resolutions, each with its weight."""

    shares: tuple[tuple[PixelResolution, float], ...]

    def __post_init__(self) -> None:
        names = [resolution for resolution, _ in self.shares]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"a mix names each of its resolutions once, received {self}")
        if not all(math.isfinite(weight) and weight > 0 for _, weight in self.shares):
            raise UsageError(f"a weight is a number above 0, received {self}")

    @classmethod
    def parse(cls, text: str) -> WeightedMix:
        """Read `28:0.5,native:0.5`; without weights, all weigh the same.

        Example:
            >>> str(WeightedMix.parse("28,56,native"))
            '28:1,56:1,native:1'
        """
        shares = []
        for part in text.split(","):
            name, _, weight = part.partition(":")
            try:
                shares.append((parse_pixels(name), float(weight or 1)))
            except ValueError as error:
                raise UsageError(f"no mix {text!r} ({error}); write {FORMS}") from error
        return cls(tuple(shares))

    @property
    def resolutions(self) -> tuple[PixelResolution, ...]:
        return tuple(sorted((resolution for resolution, _ in self.shares), key=ascending))

    def draw(self, random: torch.Generator) -> PixelResolution:
        weights = torch.tensor([weight for _, weight in self.shares])
        return self.shares[int(torch.multinomial(weights, 1, generator=random))][0]

    def __str__(self) -> str:
        return ",".join(f"{label(resolution)}:{weight:g}" for resolution, weight in self.shares)


@dataclass(frozen=True)
class UniformMix:
    """Every whole edge from `low` to `high` pixels, all equally likely."""

    low: int
    high: int

    @property
    def resolutions(self) -> tuple[PixelResolution, ...]:
        return (self.low, self.high)

    def draw(self, random: torch.Generator) -> PixelResolution:
        return int(torch.randint(self.low, self.high + 1, (), generator=random))

    def __str__(self) -> str:
        return f"uniform:{self.low}-{self.high}"


def _range(text: str) -> tuple[int, int]:
    """Both ends in pixels of a range such as `28-224`."""
    low, _, high = text.partition("-")
    ends = parse_pixels(low), parse_pixels(high)
    if NATIVE in ends:
        raise UsageError(f"a range has two edges in pixels, received {text!r}; write {FORMS}")
    if not int(ends[0]) < int(ends[1]):
        raise UsageError(f"a range rises from its low end to its high one, received {text!r}")
    return int(ends[0]), int(ends[1])


def anchored(low: int, high: int, step: int) -> tuple[tuple[int, float], ...]:
    """Every edge from `low` to `high` pixels in steps of `step`, one patch, so that no grid between
    them is left out: 40 % of the batches low, 30 % high, 30 % between.

    The low end learns least from the others and is cheap, so it has the most; the high end gains
    from all of them, most from the grids next to it, so it needs far fewer than its specialist.

    Example:
        >>> anchored(42, 84, 14)
        ((42, 8.0), (56, 3.0), (70, 3.0), (84, 6.0))
    """
    between = range(low + step, high, step)
    count = max(1, len(between))
    return ((low, 4.0 * count), *((edge, 3.0) for edge in between), (high, 3.0 * count))


def _parse_anchored(text: str) -> WeightedMix:
    """Read the `28-224/14` of `anchored:28-224/14`: both ends, and the patch."""
    span, _, step = text.partition("/")
    low, high = _range(span)
    if not step.isdecimal() or not 1 <= int(step) <= high - low:
        raise UsageError(
            f"a step is the model's patch in pixels, at most the range itself, received {text!r}; "
            f"write {FORMS}"
        )
    return WeightedMix(anchored(low, high, int(step)))


MIXES: dict[str, Callable[[str], Mix]] = {
    "uniform": lambda text: UniformMix(*_range(text)),
    "anchored": _parse_anchored,
}
"""Ways of drawing by their name, the word before the first colon; no name: `WeightedMix`."""


def parse_mix(text: str) -> Mix:
    """The mix that `text` describes.

    Example:
        >>> parse_mix("uniform:28-224")
        UniformMix(low=28, high=224)

    Raises:
        UsageError: it describes none.
    """
    name, _, rest = text.strip().partition(":")
    return MIXES[name](rest) if name in MIXES else WeightedMix.parse(text.strip())


def declaration(mix: Mix) -> TrainingResolution:
    """The training resolution that a checkpoint trained with `mix` declares.

    Example:
        >>> str(declaration(UniformMix(28, 224))), str(declaration(parse_mix("native")))
        ('mixed:[28,224]', 'native')
    """
    members = mix.resolutions
    if len(members) > 1:
        return TrainingResolution("mixed", members)
    return TrainingResolution(
        "native" if members == (NATIVE,) else "fixed", members * (members != (NATIVE,))
    )
