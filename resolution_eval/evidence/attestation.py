"""What was asked for and what the encoder received, for one sample."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["attested", "counted", "predicted", "mismatched", "unattested", "failed"]
"""`attested` is of tensors alone; where none can be seen, `ladder.step` says which word holds."""
Scheme = Literal["match", "restore"]
AnswerMode = Literal["rank", "generate", "open"]
"""How a sample was answered: choices ranked, a choice generated, an open answer generated."""
Blind = Literal["no image", "mean image"]


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


class ServerFacts(BaseModel):
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


class DemonstrationAttestation(BaseModel):
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
    served: ServerFacts | None = None
    """What a server said and what a rule predicts; null where the model ran in this process."""
    demonstrations: tuple[DemonstrationAttestation, ...] = ()
    """The few-shot demonstrations before the question, in order; `grid` and `visual_tokens` are of
    the question's own image alone. One that is mismatched makes the sample so.
    """
    microns: tuple[float, float] | None = None
    """µm across and down that a pixel of `information` is, of a whole slide read at a number of µm
    per pixel; `source` is then the slide, or its region, at the size read. Null of any other."""
    images: tuple[ImageAttestation, ...] = ()
    """Each image of a question that has several, in order; none of a question with one."""
