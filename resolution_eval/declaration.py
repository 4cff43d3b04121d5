"""What a trained checkpoint says of itself, in a file beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resolution_eval.errors import ModelError, UsageError
from resolution_eval.resolution import TrainingResolution

FILE = "training.json"
FORMAT = 1


class Declaration(BaseModel):
    """Training resolution and strategy of a checkpoint, and how it was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    training: str
    """fixed:N, native or mixed:[...]."""
    strategy: str
    """low, native or mixed."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Recipe, data, versions, seed, accuracy, cost."""

    @property
    def data(self) -> str | None:
        """What it was trained on, in a line; None where that is not told."""
        found = self.extra.get("data")
        if not isinstance(found, dict):
            return None
        return ", ".join(f"{key} {value}" for key, value in found.items())

    def write(self, folder: Path) -> None:
        """Write it into the checkpoint's folder."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_declaration(folder: Path | str) -> Declaration | None:
    """What the checkpoint in `folder` declares; None where it is none that we trained.

    Raises:
        ModelError: the file is damaged.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return None
    try:
        found = Declaration.model_validate_json(file.read_text(encoding="utf-8"))
        TrainingResolution.parse(found.training)
    except (ValidationError, UnicodeDecodeError, UsageError) as error:
        raise ModelError(f"{file} is not one that our training wrote: {error}") from error
    if found.format != FORMAT:
        raise ModelError(f"{file} has format {found.format}, not {FORMAT}")
    return found
