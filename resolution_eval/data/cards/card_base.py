"""What every card is: frozen, and refused where it has a key that is not in its schema."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from resolution_eval.resolution import LARGEST, MicronsPerPixel, parse_resolution

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
Text = Annotated[str, Field(min_length=1)]
Edge = Annotated[int, Field(ge=1, le=LARGEST)]
Count = Annotated[int, Field(ge=1)]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]


def _microns(value: Any) -> MicronsPerPixel:
    microns = parse_resolution(value) if isinstance(value, str) else value
    if not isinstance(microns, MicronsPerPixel):
        raise ValueError(f"{value!r} is no number of µm per pixel")
    return microns


SlideSize = Annotated[
    MicronsPerPixel,
    PlainValidator(_microns),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "µm per pixel, 0.5um say"}),
]
"""A resolution in µm per pixel, written as "0.5um"."""


class CardBase(BaseModel):
    """A record read from TOML."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    def __hash__(self) -> int:
        return hash(self.model_dump_json())
