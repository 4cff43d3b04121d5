"""The few grids that a processor's budgets make, as the axis of a sweep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from resolution_eval.resolution import Size


@dataclass(frozen=True)
class Steps:
    """Values of an argument of a processor's call, and the grids that they make."""

    argument: str
    edges: tuple[tuple[int, int], ...]
    """Value, and edge in pixels of the square with as many pixels as its grid."""

    def nearest(self, size: Size) -> int:
        """The value whose grid is nearest to an image of this size, in area, as a logarithm.

        Example:
            >>> steps = Steps("max_soft_tokens", ((70, 384), (140, 576), (280, 800)))
            >>> steps.nearest(Size(224, 224)), steps.nearest(Size(900, 500))
            (70, 140)
        """
        edge = math.sqrt(size.pixels)
        return min(self.edges, key=lambda each: abs(math.log(each[1] / edge)))[0]

    def __str__(self) -> str:
        told = ", ".join(f"{value} ({edge} px)" for value, edge in self.edges)
        return f"its grid moves in steps, the values of {self.argument} (edge of a square): {told}"
