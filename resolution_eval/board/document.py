"""Document: a JSON file of the leaderboard, read strictly into its model."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from resolution_eval.ground.errors import RecordError
from resolution_eval.ground.lines import line_at
from resolution_eval.records.bounded import read_document


class Document(BaseModel):
    """Frozen; refused are an unknown key, another type, and a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Document)


def read(path: Path, model: type[Model]) -> Model:
    """The document in the file `path`.

    Raises:
        RecordError: not JSON, or breaking the schema of `model`; line and key are named.
    """
    content = read_document(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        line = line_at(path.read_text(encoding="utf-8"), fault["loc"])
        raise RecordError(f"{path}, line {line}: {place}: {fault['msg']}") from error
