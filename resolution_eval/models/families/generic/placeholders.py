"""How many tokens stand for an image, where a processor is told by a setting or a model by none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from resolution_eval.resolution import Size

COUNTS = (
    "image_seq_length",
    "image_seq_len",
    "num_image_tokens",
    "image_processor.image_seq_length",
    "num_additional_image_tokens",
)
"""Settings of processors that say how many tokens stand for an image."""
SIDES: tuple[tuple[str, Literal["edge", "side"]], ...] = (
    ("img_size", "edge"),
    ("image_size", "edge"),
    ("patch_size", "side"),
)
"""Settings of processors that hold the edge of a square tile, in pixels or in tokens."""


@dataclass(frozen=True)
class Placeholders:
    """A setting of the processor's that says how many tokens stand for an image, and its rule."""

    path: str
    unit: int
    """Edge in pixels of what becomes one token; 0 where their number is always the same."""
    extra: int = 0
    """Tokens of an image beside its patches'."""
    form: Literal["count", "edge", "side"] = "count"
    """What the setting holds: that number, or of a square image the edge in pixels or in tokens."""

    def value(self, size: Size) -> int:
        """What the setting must be for an image of this size."""
        if self.form == "edge":
            return size.width
        return size.width // self.unit if self.form == "side" else self.count(size)

    def count(self, size: Size) -> int:
        """Tokens of an image of this size."""
        if not self.unit:
            return self.extra
        return (size.width // self.unit) * (size.height // self.unit) + self.extra


def settable(processor: Any, unit: int, patch: int, *, square: bool) -> Iterator[Placeholders]:
    """The rules to try by which a processor can be told the number of tokens of a grid."""
    if square:
        for path, form in SIDES:
            if _held(processor, path):
                yield Placeholders(path, unit, form=form)
    for path in (path for path in COUNTS if _held(processor, path)):
        for factor in (1, 2, 3, 4):
            for extra in (0, 1):
                if patch * factor <= unit:
                    yield Placeholders(path, patch * factor, extra)


def unwritten(told: list[tuple[Size, int]], patch: int) -> Placeholders | None:
    """The rule by which a tower makes so many tokens of a grid; None where none fits all."""
    rules = [Placeholders("", patch * factor, extra) for factor in (1, 2, 4) for extra in (0, 1)]
    rules.append(Placeholders("", 0, told[0][1]))
    for rule in rules:
        if all(count and rule.count(size) == count for size, count in told):
            return rule
    return None


def _held(processor: Any, path: str) -> bool:
    owner = processor
    for name in path.split("."):
        owner = getattr(owner, name, None)
    return isinstance(owner, int)
