"""What is declared of a checkpoint's training, as a rule in a file beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.files import replace
from resolution_eval.ground.notation import NotationError, unambiguous
from resolution_eval.resolution import TrainingResolution

FILE = "training.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class KnownTraining:
    """What is known of a checkpoint's training, and where from."""

    training: TrainingResolution
    evidence: str | None = None
    """Where `training` was read, in words; None where that is unknown."""
    strategy: str | None = None
    """none, low, native or mixed; None where nobody says."""
    data: str | None = None
    """What it was trained on, in a line; None where nobody says."""


def data_line(extra: Mapping[str, Any]) -> str | None:
    """The data that a checkpoint's folder says it was trained on, in a line; None where it is not
    told.

    Example:
        >>> data_line({"data": {"name": "pbc", "samples": 2240}})
        'name pbc, samples 2240'
    """
    facts = extra.get("data")
    if not isinstance(facts, dict):
        return None
    return ", ".join(f"{key} {value}" for key, value in facts.items())


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
    def known(self) -> KnownTraining:
        """The same, as it is known of any checkpoint."""
        return KnownTraining(
            training=TrainingResolution.parse(self.training),
            evidence=f"{FILE} in the checkpoint's folder, written when it was trained",
            strategy=self.strategy,
            data=data_line(self.extra),
        )

    def write(self, folder: Path) -> None:
        """Write it into the checkpoint's folder."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        replace(folder / FILE, f"{text}\n".encode())


Declared = TypeVar("Declared", bound=Declaration)


def read_declaration(folder: Path | str) -> Declaration | None:
    """What the checkpoint in `folder` declares; None where it is none that we trained.

    Raises:
        ModelError: the file is damaged.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return None
    return declared_in(file, Declaration, "one that our training wrote")


def declared_in(file: Path, form: type[Declared], what: str) -> Declared:
    """The declaration of the class `form` in the JSON `file`, which should be `what`.

    Raises:
        ModelError: it is not.
    """
    try:
        declaration = form.model_validate_json(unambiguous(file.read_bytes()))
        TrainingResolution.parse(declaration.training)
    except (ValidationError, NotationError, UsageError) as error:
        raise ModelError(f"{file} is not {what}: {error}") from error
    if declaration.format != FORMAT:
        raise ModelError(f"{file} has format {declaration.format}, not {FORMAT}")
    return declaration
