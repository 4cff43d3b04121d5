"""Forecasts: what a rule says that a model will make of an image of a given size."""

from __future__ import annotations

from dataclasses import dataclass

from resolution_eval.evidence.ladder import spelled
from resolution_eval.resolution import Size


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one image becomes, as far as a rule tells."""

    rule: str = ""
    """Name of the rule, with the date at which its page was read; empty where none predicts."""
    size: Size | None = None
    """In pixels, after all resizing; None where the rule does not tell."""
    unit: int = 1
    """Edge in pixels of what the model cuts the image into: a size is known to that."""
    pieces: int | None = None
    """Patches or tiles; None where the rule does not tell."""
    tokens: tuple[int, int] | None = None
    """Fewest and most image tokens that agree with the rule; None where it does not tell. They
    differ where its words leave a rounding open."""
    by_size: bool = True
    """Whether the tokens follow from the size: a count then speaks of it."""
    wrapping: int = 0
    """Tokens that stand around an image in a prompt, beside its own."""
    refused: str | None = None
    """Why the provider refuses an image of this size."""

    def keeps(self, sent: Size) -> bool | None:
        """Whether the size sent is kept, to half a unit a side; None where no rule tells."""
        if self.size is None:
            return None
        sides = zip((self.size.width, self.size.height), (sent.width, sent.height), strict=True)
        return all(2 * abs(after - before) <= max(2, self.unit) for after, before in sides)

    @property
    def told(self) -> str:
        """Size and tokens in a few words."""
        size = "size unknown" if self.size is None else f"{self.size} px"
        if self.tokens is None:
            return f"{size}, tokens unknown"
        return f"{size}, {spelled(self.tokens)} tokens"
