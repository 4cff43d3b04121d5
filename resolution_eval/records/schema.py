"""The record: one validated document per checkpoint, task and run; all shown is made from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, InstanceOf
from pydantic.json_schema import SkipJsonSchema

from resolution_eval.evidence.attestation import Blind
from resolution_eval.evidence.facts import Arithmetic, ExcludedItem, Hardware
from resolution_eval.evidence.ladder import STEPS, Step
from resolution_eval.records.answer_table import Answers, CellKey
from resolution_eval.resolution import label, parse_resolution

SCHEMA_VERSION = 3

CellStatus = Literal["complete", "counted", "predicted", "incomplete", "mismatched", "unattested"]
Count = Annotated[int, Field(ge=0)]


def _resolution(text: str) -> str:
    """`text`, if it is a resolution's label as we write it."""
    if label(parse_resolution(text)) != text:
        raise ValueError(f"a resolution is written {label(parse_resolution(text))!r}")
    return text


Label = Annotated[str, AfterValidator(_resolution)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0)]


class _Document(BaseModel):
    """Frozen; an unknown key, or a number that is not finite, is refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class _CellKeyed(_Document):
    """What is of one cell of a record."""

    resolution: Label
    scheme: str
    filter: str
    answer_mode: str

    @property
    def key(self) -> CellKey:
        """What identifies the cell within its record."""
        return CellKey.of(self.resolution, self.scheme, self.filter, self.answer_mode)


class Grid(_Document):
    """How many samples of a cell had this grid, in pixels; of several images, the first."""

    expected_height: Count | None
    expected_width: Count | None
    height: Count | None
    """Height of the tensor that entered the encoder; null where nobody could look."""
    width: Count | None
    samples: Count

    @property
    def asked(self) -> tuple[int, int] | None:
        """Height and width that were asked for."""
        return _sides(self.expected_height, self.expected_width)

    @property
    def received(self) -> tuple[int, int] | None:
        """Height and width that entered the encoder."""
        return _sides(self.height, self.width)


def _sides(height: int | None, width: int | None) -> tuple[int, int] | None:
    return None if height is None or width is None else (height, width)


class Tokens(_Document):
    """Tokens per sample of a cell."""

    least: Count
    mean: Annotated[float, Field(ge=0)]
    most: Count


class CellCost(_Document):
    """What answering took, over the samples that this run answered itself."""

    timed: Count
    """Samples answered in this run: neither failed nor out of a cache."""
    seconds: Seconds
    """Wall time of answering them, without reading and resizing images; of all processes
    together."""
    samples_per_second: Annotated[float, Field(gt=0)] | None
    """timed / seconds: of one process; null where the clock saw no time pass."""
    peak_memory: Count | None
    """Most GPU memory allocated while one of their batches was answered, in bytes, weights
    included; null on a CPU, and of a model that runs in another process."""


class Disagreement(_Document):
    """Image tokens that a server counted, against those that were due: how many samples."""

    counted: Count
    least: Count
    """Fewest tokens due by the rule, without those around the image."""
    most: Count
    samples: Count


class Serving(_Document):
    """What is known of a cell that a server answered: never from tensors."""

    rules: tuple[str, ...]
    """What predicted: dated rules, or the processor's own files; most frequent first."""
    counted_by: tuple[str, ...]
    """Where the server said what it counted."""
    models: tuple[str, ...]
    """Models that answered, by the server's own word, most frequent first; at most eight."""
    fingerprints: tuple[str, ...]
    predicted_tokens: Tokens | None
    """Most that agree with the rule, per sample."""
    counted_tokens: Tokens | None
    disagreements: tuple[Disagreement, ...]
    """The most frequent, at most eight."""
    sent_bytes: Tokens | None
    """Bytes of the image as it was sent, per sample."""
    retried: Count
    """Samples for which more than one request was sent; those without an answer may be billed."""


class JudgeCounts(_Document):
    """What a language model said of a cell's open answers: beside exact match, never part of it."""

    judges: tuple[str, ...]
    """Provider and model that were asked: one, unless runs were resumed with another."""
    models: tuple[str, ...]
    """Models that answered, by their own word."""
    asked: Count
    """Answers that a judge was asked about."""
    failed: Count
    """Judgements without a verdict: neither right nor wrong, and not in the accuracy."""
    correct: Count
    accuracy: Fraction | None
    """correct / (asked - failed); null where no judgement has a verdict."""


class Cell(_CellKeyed):
    """One score, with all that keeps it from being what was asked for."""

    resolution: Label
    """Inference resolution: edge in pixels of the square budget, or `native`; of whole slides µm
    per pixel, `0.5um`."""
    status: CellStatus
    """`mismatched`: an encoder received another grid than asked, or what a server counted, or its
    rule, says so. `incomplete`: samples failed or are missing. `unattested`: nobody saw a grid, and
    nothing is known of it. `predicted`: a rule says that the image is kept. `counted`: so do the
    tokens that the server counted. `complete`: every grid was attested from tensors. The worst of
    them stands here."""
    n: Count
    """Samples asked for: those present, whether scored or failed."""
    correct: Count
    failed: Count
    """Samples without a verdict: neither right nor wrong, and not in the accuracy."""
    missing: Count
    """Samples that other cells of this scheme, filter and mode hold and this one does not."""
    unparseable: Count
    """Answers that could not be read: wrong, and counted here."""
    cut: Count = 0
    """Those of them whose thinking the limit of tokens cut: a larger max_new_tokens may mend it."""
    mismatched: Count
    unattested: Count
    predicted: Count = 0
    """Samples of which a rule alone says that the image is kept at the size sent."""
    counted: Count = 0
    """Samples of which the tokens that the server counted say so besides."""
    capped: Count
    """Samples whose source is smaller than the resolution."""
    accuracy: Fraction | None
    """correct / (n - failed), exact match where answers are open; null where none was scored."""
    balanced_accuracy: Fraction | None
    """Mean recall over the classes; null for a task without classes, or without scored samples."""
    f1: Fraction | None
    """Mean token F1 of open answers; null for closed ones, or where no sample was scored."""
    judged: JudgeCounts | None = None
    """Null where no judge was asked."""
    source_edge: Annotated[float, Field(gt=0)] | None
    """Root of the mean number of pixels of the sources, each of several images counted; null where
    no source size is known."""
    grids: tuple[Grid, ...]
    """The most frequent grids, at most eight."""
    other_grids: Count
    """Samples whose grid is not among `grids`."""
    visual_tokens: Tokens | None
    """Per sample, all of its images together; null where nobody counted."""
    generated_tokens: Tokens | None
    """Written per sample, the ending one not counted; null where choices were ranked."""
    cost: CellCost | None
    """Null where no sample was answered by an adapter of ours in this run."""
    serving: Serving | None = None
    """What the server and the rule say; null where the model ran in lmms-eval's process."""
    evidence: tuple[str, ...]
    """Where grids and token counts were read, most frequent first, at most four."""

    @property
    def scored(self) -> int:
        """Samples with a verdict."""
        return self.n - self.failed

    @property
    def attested(self) -> int:
        """Samples whose encoder was seen to receive the grid that was asked for."""
        others = self.mismatched + self.unattested + self.predicted + self.counted
        return self.scored - others

    @property
    def image_tokens(self) -> Tokens | None:
        """What the images of a sample cost: visual tokens that entered; of a server its count."""
        if self.visual_tokens is None and self.serving is not None:
            return self.serving.counted_tokens
        return self.visual_tokens

    @property
    def step(self) -> Step | None:
        """The step of the ladder that the weakest of its scored samples has; null without one."""
        return next((step for step in STEPS if getattr(self, step)), None)


class Checkpoint(_Document):
    """What was scored, and the resolution that it was trained at."""

    name: str | None
    revision: str | None
    """Commit of its repository, or sha256:... of a local folder's weights."""
    adapter: str | None
    training: str
    """Training resolution that the figures use: fixed:N, native, mixed:[...] or unknown."""
    training_declared: str | None
    """Training resolution that the checkpoint, its folder or its card declares."""
    training_overridden: bool | None
    """Whether the user's `train_resolution=` took the place of the declared one."""
    training_evidence: str | None
    """What the declared training resolution is known from."""
    training_evidence_url: str | None
    strategy: str | None
    """How it was trained: none, low, native or mixed."""
    training_data: str | None
    """What it was trained on."""
    dtype: str | None
    probes: tuple[str, ...] = ()
    """What a behavioural probe found before the run and after it: a lower bound of what the model
    sees, beside what was predicted and counted."""
    writing: str | None = None
    """What of its own generation settings was used, what was set aside, and how many tokens it was
    allowed where it thinks before it answers."""


class Dataset(_Document):
    """The data that the samples came from."""

    name: str
    title: str | None
    modality: str | None
    kind: str | None
    source: str | None
    """Kind of source that it was read from: local, medmnist, archive, hub, phantom, ..."""
    revision: str | None
    """Revision that the task's card pins."""
    revision_found: str | None
    """Version of the data that was read, as far as its source tells."""
    fingerprint: str | None
    licence: str | None
    citation: str | None
    classes: tuple[str, ...]
    cluster: str | None
    """Unit that the intervals resample: patient, slide, image."""
    loaded: Count | None
    """Samples of the test split, scored or beyond the run's limit."""
    excluded_total: Count | None
    """What was found in the test split and is no sample: loaded + excluded_total was found."""
    excluded: tuple[ExcludedItem, ...]
    """By name and reason, the first thousand."""
    notes: tuple[str, ...]
    """What a reader of scores on this data should know."""


class BlindControl(_CellKeyed):
    """One resolution's score of the same checkpoint without the image, by a run of its own."""

    kind: Blind
    n: Count
    failed: Count
    correct: Count
    accuracy: Fraction | None
    """correct / (n - failed), on the same samples."""
    results_sha256: Sha256
    """Of the results file of the blind run."""


class Controls(_Document):
    """What a model that does not look would score."""

    chance: Fraction | None
    blind: tuple[BlindControl, ...]
    """Empty where no blind run of the same checkpoint, task and setting was found."""


class Environment(_Document):
    """How the run was made."""

    date: str
    results_file: str
    results_sha256: Sha256
    model: str | None
    model_args: str | None
    """As given, secrets struck out."""
    model_defaults: dict[str, str] = {}
    """Arguments of lmms-eval's model that the run left as they were, and what they were; empty of
    our own adapters, and in the records of older versions."""
    batch_size: str | None
    limit: float | None
    """Most documents asked for, a fraction of them below 1; null where there was none."""
    offset: Count | None = None
    """Documents passed over before the first that was asked (`--offset`); null where none was."""
    generation: str | None
    """Generation arguments, as JSON."""
    fewshot: Count | None = None
    """Demonstrations before each question."""
    option_order: str | None = None
    """`fixed`, as the data has the options, or `seeded:N`, shuffled."""
    device: str | None
    hardware: Hardware | None
    arithmetic: Arithmetic | None = None
    """Null in the records of older versions, and of a model that ran in another process."""
    platform: str | None
    """Operating system."""
    processes: Count | None
    versions: dict[str, str]
    seeds: dict[str, int]
    wall_time: Seconds | None
    """Seconds, of the whole run: its model's loading and its other tasks included."""
    peak_memory: Count | None
    """Bytes: the most GPU memory allocated while answering, or on a CPU the largest resident
    memory of a process until it began to score; of one process, the largest."""
    peak_memory_of: Literal["gpu", "process"] | None
    samples_per_second: Annotated[float, Field(gt=0)] | None
    """Of one process, over the samples that this run answered itself."""


class FailedSample(_Document):
    """A sample without a verdict, and why."""

    sample: str
    resolution: Label
    kind: str
    message: str


class AnswersFile(_Document):
    """The columnar file beside the record, with every answer and its attestation."""

    name: str
    sha256: Sha256
    rows: Count


class Record(_Document):
    """One checkpoint on one task in one run."""

    schema_version: Literal[3] = 3
    task: str
    task_version: str | None
    shown: Literal["image", Blind] | None
    """What the model was shown. A run shown no image or a mean one is blind: a control of others,
    not a score. Null where nobody can say: all samples failed, or the record was of version 1."""
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
    def blind(self) -> Blind | None:
        """What stood in the image's place; None where the image itself did, or nobody can say."""
        return None if self.shown == "image" else self.shown

    @property
    def label(self) -> str:
        """Short name of the checkpoint, for tables and charts."""
        name = self.checkpoint.name or self.environment.model or "unnamed checkpoint"
        return name.rstrip("/").rpartition("/")[2] or name
