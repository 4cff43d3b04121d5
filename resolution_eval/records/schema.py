"""The record: one validated document per checkpoint, task and run; all shown is made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf
from pydantic.json_schema import SkipJsonSchema

from resolution_eval.records.answers import Answers, CellKey

SCHEMA_VERSION = 1
SCHEMA_FILE = "record.schema.json"

CellStatus = Literal["complete", "incomplete", "mismatched", "unattested"]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class _Document(BaseModel):
    """Frozen; an unknown key, or a number that is not finite, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Grid(_Document):
    """How many samples of a cell had this grid, in pixels."""

    expected_height: Count | None
    expected_width: Count | None
    height: Count | None
    """Height of the tensor that entered the encoder; null where nobody could look."""
    width: Count | None
    samples: Count


class Tokens(_Document):
    """Visual tokens per sample of a cell."""

    least: Count
    mean: Annotated[float, Field(ge=0)]
    most: Count


class Cell(_Document):
    """One score, with all that keeps it from being what was asked for."""

    resolution: str
    """Inference resolution: edge in pixels of the square budget, or `native`."""
    scheme: str
    filter: str
    answer_mode: str
    status: CellStatus
    """`mismatched`: an encoder received another grid than asked. `incomplete`: samples failed or
    are missing. `unattested`: nobody saw a grid. The worst of them stands here."""
    n: Count
    """Samples asked for: those present, whether scored or failed."""
    correct: Count
    failed: Count
    """Samples without a verdict: neither right nor wrong, and not in the accuracy."""
    missing: Count
    """Samples that other cells of this scheme, filter and mode hold and this one does not."""
    unparseable: Count
    """Answers that could not be read: wrong, and counted here."""
    mismatched: Count
    unattested: Count
    capped: Count
    """Samples whose source is smaller than the resolution."""
    accuracy: Fraction | None
    """correct / (n - failed), exact match where answers are open; null where none was scored."""
    balanced_accuracy: Fraction | None
    """Mean recall over the classes; null for a task without classes, or without scored samples."""
    f1: Fraction | None
    """Mean token F1 of open answers; null for closed ones, or where no sample was scored."""
    source_edge: Annotated[float, Field(gt=0)] | None
    """Root of the mean number of pixels of the sources; null where no source size is known."""
    grids: tuple[Grid, ...]
    """The most frequent grids, at most eight."""
    other_grids: Count
    """Samples whose grid is not among `grids`."""
    visual_tokens: Tokens | None
    evidence: tuple[str, ...]
    """Where grids and token counts were read, most frequent first, at most four."""

    @property
    def scored(self) -> int:
        """Samples with a verdict."""
        return self.n - self.failed

    @property
    def key(self) -> CellKey:
        """What identifies the cell within its record."""
        return CellKey.of(self.resolution, self.scheme, self.filter, self.answer_mode)


class Checkpoint(_Document):
    """What was scored, and the resolution that it was trained at."""

    name: str | None
    adapter: str | None
    training: str
    """Training resolution as declared: fixed:N, native, mixed:[...] or unknown."""
    training_evidence: str | None
    training_evidence_url: str | None


class Dataset(_Document):
    """The data that the samples came from."""

    name: str
    title: str | None
    modality: str | None
    kind: str | None
    revision: str | None
    fingerprint: str | None
    licence: str | None
    citation: str | None
    classes: tuple[str, ...]
    cluster: str | None
    """Unit that the intervals resample: patient, slide, image."""


class Controls(_Document):
    """What a model that does not look would score."""

    chance: Fraction | None
    blind: Fraction | None
    """Accuracy of the same model without the image; null where it was not run."""


class Environment(_Document):
    """How the run was made, as far as lmms-eval's results file says so."""

    date: str
    results_file: str
    results_sha256: str
    model: str | None
    model_args: str | None
    batch_size: str | None
    limit: float | None
    generation: str | None
    device: str | None
    hardware: str | None
    versions: dict[str, str]
    seeds: dict[str, int]
    wall_time: Annotated[float, Field(ge=0)] | None
    """Seconds, of the whole run: its model's loading and its other tasks included."""
    peak_memory: Count | None
    """Bytes."""
    samples_per_second: Annotated[float, Field(ge=0)] | None


class FailedSample(_Document):
    """A sample without a verdict, and why."""

    sample: str
    resolution: str
    kind: str
    message: str


class AnswersFile(_Document):
    """The columnar file beside the record, with every answer and its attestation."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: Count


class Record(_Document):
    """One checkpoint on one task in one run."""

    schema_version: Literal[1] = 1
    task: str
    task_version: str | None
    checkpoint: Checkpoint
    dataset: Dataset
    prompt: str | None
    """Text of the first sample's prompt."""
    controls: Controls
    environment: Environment
    cells: tuple[Cell, ...]
    """In order of resolution, native last."""
    failures: tuple[FailedSample, ...]
    """At most a hundred; the answers hold all."""
    unknown: tuple[str, ...]
    """Names of the fields that are null because nothing in the run says what they are."""
    answers_file: AnswersFile | None = None
    """Null until the record is written."""
    answers: SkipJsonSchema[InstanceOf[Answers]] = Field(exclude=True, repr=False)

    @property
    def label(self) -> str:
        """Short name of the checkpoint, for tables and charts."""
        name = self.checkpoint.name or self.environment.model or "unnamed checkpoint"
        return name.rstrip("/").rpartition("/")[2] or name


def json_schema() -> dict[str, Any]:
    """JSON Schema of a record's document."""
    schema = Record.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def publish_schema(folder: Path) -> Path:
    """Write the JSON Schema into `folder`; its path."""
    path = folder / SCHEMA_FILE
    path.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
    return path
