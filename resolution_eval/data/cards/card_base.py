"""What every card is: frozen, and refused where it has a key that is not in its schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from resolution_eval.resolution import LARGEST

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
Text = Annotated[str, Field(min_length=1)]
Edge = Annotated[int, Field(ge=1, le=LARGEST)]
Count = Annotated[int, Field(ge=1)]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]


class CardBase(BaseModel):
    """A record read from TOML."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    def __hash__(self) -> int:
        return hash(self.model_dump_json())
