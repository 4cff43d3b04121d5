"""Details: what in an image must be seen to answer, how large it is, and what a guess is worth.

Charts and phantoms know it because they are drawn, a local folder says it in a column; scores by
size are made from it.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Pixels = Annotated[float, Field(gt=0, le=1e6)]


class Detail(BaseModel):
    """The one thing that a sample's question is about, in pixels of the stored image."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    kind: Annotated[str, Field(min_length=1, max_length=100)]
    """What it is: `landolt 4`, `grating`, `nodule present`, `box`; one curve is fitted per kind."""
    width: Pixels
    """Of an optotype half its finest period; of a finding its extent from left to right."""
    height: Pixels
    chance: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Probability that a guess is right; null where only the data can tell."""
    present: bool = True
    """False where the question is whether it is there and it is not: the size is then that of the
    finding which the image would hold."""
    control: bool = False
    """Whether it is seen by its brightness too, and stands beside the others as a control."""
    contrast: Annotated[float, Field(gt=0)] | None = None
    """Amplitude over that of full contrast; null where it was not set."""
    ground: Annotated[str, Field(max_length=100)] | None = None
    """What it lies on; null where nobody said."""

    @property
    def size(self) -> float:
        """Root of width times height, in pixels of the stored image."""
        return math.sqrt(self.width * self.height)
