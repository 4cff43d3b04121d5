"""What was asked for and what the encoder received, for one sample, and how both travel through
lmms-eval.

lmms-eval carries nothing from a model to a task but the response's text. So our adapters answer
with a `Reply`, one line of JSON that holds the answer together with its attestation: it passes
through the host's response cache, its sharding and its sample files, and is opened again when the
sample is scored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resolution_eval.evidence.details import Detail
from resolution_eval.evidence.facts import CheckpointFacts, Count
from resolution_eval.ground.notation import NotationError, unambiguous

Status = Literal["attested", "counted", "predicted", "mismatched", "unattested", "failed"]
"""`attested` is of tensors alone; where none can be seen, `ladder.step` says which word holds."""
Scheme = Literal["match", "restore"]
AnswerMode = Literal["rank", "generate", "open"]
"""How a sample was answered: choices ranked, a choice generated, an open answer generated."""
Blind = Literal["no image", "mean image"]
Form = Literal["closed", "open"]
"""Whether an answer is one of few, or any phrase: the two are never averaged."""

MARK = '{"resolution_eval_reply":1,'
"""How a reply's text begins; the 1 is its version."""


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A string in JSON, quotes included."""
_TELLING = re.compile(r"[^\w\s\"\\.,:;+-]", re.ASCII)
"""Characters that a tag could be made of."""


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class Sent(BaseModel):
    """An image as it was encoded to be sent where nobody can look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    """In pixels, as is `height`."""
    height: int
    format: str
    """PNG, JPEG, ..."""
    bytes: int
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of those bytes; null in the answers of older versions."""


class Served(BaseModel):
    """What is known of a sample that a server answered, where no tensor can be seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str | None
    """What predicted: a provider's dated rule, or the processor's own files; null of a model that
    no rule names."""
    predicted_size: tuple[int, int] | None
    """Width and height in pixels that the rule leaves; null where it does not tell."""
    predicted_tokens: tuple[int, int] | None
    """Fewest and most image tokens that agree with the rule; null where it does not tell."""
    unit: int
    """Edge in pixels of the rule's patches: a size is known to that."""
    by_size: bool
    """Whether the rule's tokens follow from the size: only then a count speaks of it."""
    wrapping: int
    """Tokens that stand around an image in a prompt, beside its own."""
    counted_tokens: int | None
    """Image tokens that the server counted; null where it did not say."""
    counted_by: str | None
    """Where it said so: a field of its usage, `difference` (prompt tokens less those of the same
    request without the image), or `count_tokens`."""
    model: str | None
    """Name of the model that answered, by the server's own word."""
    fingerprint: str | None
    """The server's word for its own version."""
    attempts: int
    """Requests that were sent for this answer; those before the last one had none."""


class Demonstrated(BaseModel):
    """The image of one few-shot demonstration: asked for and received as the question's own is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    """Id of the train sample that was demonstrated."""
    source: tuple[int, int]
    """Width and height of the stored image, in pixels."""
    information: tuple[int, int]
    """Width and height of the content that reaches the model, in pixels."""
    expected_grid: tuple[int, int]
    """Height and width, in pixels, that the encoder should receive."""
    grid: tuple[int, int]
    """Height and width, in pixels, of the tensor that entered the encoder."""
    visual_tokens: int


class ImageAttestation(BaseModel):
    """One image of a question that has several: as asked for, and as received by the encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: tuple[int, int]
    """Width and height of the stored image, in pixels."""
    information: tuple[int, int]
    """Width and height of the content that reaches the model, in pixels."""
    capped: bool
    """Whether the source is smaller than what was asked for."""
    microns: tuple[float, float] | None = None
    """µm across and down that a pixel of `information` is; null where the image does not say, or
    nobody asked."""
    expected_grid: tuple[int, int] | None
    """Height and width, in pixels, that the encoder should receive."""
    grid: tuple[int, int] | None
    """Height and width, in pixels, of the tensor that entered the encoder."""
    visual_tokens: int | None
    tiles: int | None = None
    """Images that entered the encoder for this one; null where it is not cut."""
    sent: Sent | None = None
    """As another program was sent it; null where none was."""
    predicted_size: tuple[int, int] | None = None
    """Width and height in pixels that a server's rule leaves of it; null where it does not tell."""


class Attestation(BaseModel):
    """One sample's resolution: asked for, expected, and received by the encoder.

    A grid or visual-token count stands here only if it was read from the tensor that entered the
    encoder; where nobody could look, it is null and the status is `unattested`. Of a question with
    several images sizes and grids are the first's, `visual_tokens` and `tiles` are the sums, and
    `images` has each; one that is mismatched or unattested makes the sample so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    source: tuple[int, int] | None
    """Width and height of the stored image, in pixels; null where it could not be decoded."""
    requested: str
    """Inference resolution asked for: "28" is a budget of 28 x 28 pixels, "native" the source."""
    information: tuple[int, int] | None
    """Width and height of the content that reaches the model, in pixels."""
    capped: bool
    """Whether the source is smaller than what was asked for."""
    filter: str
    scheme: Scheme
    expected_grid: tuple[int, int] | None
    """Height and width, in pixels, that the encoder should receive."""
    grid: tuple[int, int] | None
    """Height and width, in pixels, of the tensor that entered the encoder."""
    rounding: tuple[int, int] | None
    """Height and width, in pixels, that rounding to whole patches added to the information (or
    took).
    """
    visual_tokens: int | None
    evidence: str
    """Where `grid` and `visual_tokens` were read."""
    training: str
    """Training resolution of the checkpoint, as declared: fixed:N, native, mixed:[...] or unknown.
    """
    answer_mode: AnswerMode
    fingerprint: str
    """Fingerprint of the data set that the sample came from."""
    adapter: str
    checkpoint: str
    notes: tuple[str, ...] = ()
    tiles: int | None = None
    """Images that entered the encoder for this sample, a thumbnail included, which `grid` does not
    cover; null where the image is not cut.
    """
    blind: Blind | None = None
    """What stood in the image's place in a control run; its grid is 0 x 0 where nothing did."""
    sent: Sent | None = None
    """The image as another program, a server as a rule, was sent it; null where none was."""
    served: Served | None = None
    """What a server said and what a rule predicts; null where the model ran in this process."""
    demonstrations: tuple[Demonstrated, ...] = ()
    """The few-shot demonstrations before the question, in order; `grid` and `visual_tokens` are of
    the question's own image alone. One that is mismatched makes the sample so.
    """
    microns: tuple[float, float] | None = None
    """µm across and down that a pixel of `information` is, of a whole slide read at a number of µm
    per pixel; `source` is then the slide, or its region, at the size read. Null of any other."""
    images: tuple[ImageAttestation, ...] = ()
    """Each image of a question that has several, in order; none of a question with one."""


class Failure(BaseModel):
    """Why a sample has no answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    message: str


class Judgement(BaseModel):
    """What a language model said of an open answer; never part of exact match or F1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    """Provider and model that were asked."""
    model: str | None
    """Model that answered, by its own word; null where none did."""
    correct: Literal[0, 1] | None
    """Null where the judge failed: no judgement is not a wrong answer."""
    failure: str | None


class Verdict(BaseModel):
    """One sample at one resolution, scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    resolution: str
    cluster: str
    target: str
    prediction: str | None
    """What the answer was read as: the choice, or an open answer's normalised phrase; null where it
    could not be read, or the sample failed.
    """
    correct: Literal[0, 1] | None
    """Null where the sample failed: a failed sample is not a wrong one."""
    answer: str | None
    failure: Failure | None
    choice_scores: tuple[float, ...] | None
    """Log-likelihood of each of `options`, where they were ranked."""
    options: tuple[str, ...] = ()
    """The options in the order shown."""
    form: Form = "closed"
    f1: float | None = None
    """Token F1 with the target, of an open question; null for a closed one, and where it failed."""
    judgement: Judgement | None = None
    """Of an open question in a run with a judge; null elsewhere, and where the sample failed."""
    generated_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Tokens that the model wrote; null where choices were ranked, or nobody counted."""
    detail: Detail | None = None
    """What had to be seen to answer, and how large it is; null where nobody said."""


class Cost(BaseModel):
    """What answering one sample took in this run. An answer out of a cache has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: Annotated[float, Field(ge=0)]
    """Wall time of its batch in equal parts: running the model, without reading and resizing the
    image, without what was prepared while the model worked on another batch, and without attempts
    that raised.
    """
    peak_memory: Count | None
    """Most GPU memory allocated while its batch was answered, weights included, in bytes, of all
    GPUs that hold the weights; null on a CPU, and of a model that runs in another process.
    """


class Reply(BaseModel):
    """An adapter's answer to one request, with its attestation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    answer: str
    choice: int | None
    """Index of the choice ranked first; null where text was generated."""
    choice_scores: tuple[float, ...] | None
    attestation: Attestation
    generated_tokens: int | None = None
    state: str | None = None
    """Digest of all that decided the answer beside the image, see `replies.state_of`."""

    def encode(self) -> str:
        """One line of JSON, beginning with `MARK`, in whose texts all but letters, digits and plain
        punctuation is escaped.

        lmms-eval takes what stands before `</think>`, or between any tags that a user or a task
        names, out of every response. An escaped text has no tags.
        """
        line = json.dumps(self.model_dump(mode="json"), separators=(",", ":"))
        return MARK + _STRING.sub(lambda text: _TELLING.sub(_escape, text[0]), line)[1:]


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One sample at one resolution of one data set."""

    dataset: str
    sample: str
    resolution: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> SampleKey:
        """That which a task's document refers to."""
        return cls(document["dataset"], document["sample"], document["resolution"])


class Ledger:
    """What this process knows of its samples beside the responses: failures, costs, and the images
    it rendered.

    A failed sample is answered with an empty text, which lmms-eval's cache does not keep, so that a
    resumed run tries it again; the reason waits here until the sample is scored, in the same
    process.
    """

    def __init__(self) -> None:
        self.failures: dict[SampleKey, Failure] = {}
        self.renderings: dict[SampleKey, Attestation] = {}
        self.costs: dict[SampleKey, Cost] = {}
        """Of the samples that this process answered itself, in this run."""
        self.told: set[str] = set()
        """Data sets whose samples file already holds this process's facts."""
        self.describe: Callable[[], CheckpointFacts] | None = None
        """What the adapter of ours that answers knows of its checkpoint."""
        self.state: Callable[[], str] | None = None
        """Digest of what decides the answers of the adapter that answers here."""
        self.demonstrated: dict[SampleKey, tuple[Mapping[str, Any], ...]] = {}
        """Documents of the train samples shown before each question, of a few-shot run."""
        self.outcomes: dict[str, tuple[int, int]] = {}
        """Per data set, how many samples were asked and how many of them failed, over all
        processes, once lmms-eval has added them up.
        """
        self.error: str | None = None
        """What lmms-eval logged when an evaluation ended in an error; it ends with status 0."""
        self.unsaved: str | None = None
        """Why the results that lmms-eval should have saved are not whole on the disk."""
        self.adapter: str | None = None
        """Name of the adapter of ours that answers in this process; null for the host's own models.
        """

    def begin(
        self,
        adapter: str,
        describe: Callable[[], CheckpointFacts],
        state: Callable[[], str] | None = None,
    ) -> None:
        """A new run begins in this process, answered by `adapter`. That an earlier one of the same
        command ended in an error, or was not saved, is not forgotten.
        """
        self.adapter, self.describe, self.state = adapter, describe, state
        self.failures.clear()
        self.costs.clear()
        self.told.clear()
        self.outcomes.clear()

    def rest(self) -> None:
        """Nobody of ours answers in this process, until an adapter says so: what a run of another
        model answers is no reply of the adapter before it.
        """
        self.adapter = self.describe = self.state = None
        self.outcomes.clear()
        self.error = self.unsaved = None

    def forget(self, dataset: str) -> None:
        """A run over `dataset` begins: what is known of its samples is of an earlier one."""
        self.told.discard(dataset)
        known: tuple[dict[SampleKey, Any], ...] = (
            self.failures,
            self.renderings,
            self.costs,
            self.demonstrated,
        )
        for table in known:
            for key in [key for key in table if key.dataset == dataset]:
                del table[key]

    @property
    def lost(self) -> str | None:
        """Why the run has nothing to show, in one sentence; None where a sample was scored."""
        if self.error is not None:
            return f"the evaluation ended in an error: {self.error}"
        if self.unsaved is not None:
            return self.unsaved
        asked, failed = (
            (sum(counts) for counts in zip(*self.outcomes.values(), strict=True))
            if (self.outcomes)
            else (0, 0)
        )
        if not asked or failed < asked:
            return None
        reason = next(iter(self.failures.values()), None)
        said = "" if reason is None else f", the first of them with {reason.kind}: {reason.message}"
        return f"all {asked} samples failed{said}"


LEDGER = Ledger()


def decode_reply(text: str) -> Reply | None:
    """The reply in `text`, or None where it is a plain answer.

    Only while an adapter of ours answers in this process: any other model could print text that
    merely looks like an attestation.
    """
    if LEDGER.adapter is None or not text.startswith(MARK):
        return None
    try:
        return Reply.model_validate_json(unambiguous("{" + text[len(MARK) :]))
    except (ValidationError, NotationError):
        return None
