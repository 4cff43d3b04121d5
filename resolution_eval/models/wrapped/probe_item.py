"""An item of a probe, and how its answers are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


class ProbeItem(Protocol):
    """An image, and what is asked of it."""

    @property
    def image(self) -> Image:
        """As it is sent."""

    @property
    def question(self) -> str:
        """Without its choices."""

    @property
    def choices(self) -> tuple[str, ...]:
        """In the order shown."""


Asking = Callable[[Sequence[ProbeItem]], Sequence[str | None]]
"""Answers to the items of a probe, in order; None for one that has none."""
