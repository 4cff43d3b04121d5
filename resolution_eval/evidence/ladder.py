"""The steps of the ladder that is climbed where no tensor can be seen: predicted, then counted.

None of them is attestation. *predicted*: a dated rule says that the image is kept at the size that
was sent. *counted*: the tokens that the server counted besides agree with the rule. Whatever
disagrees is *mismatched*, with both figures; where nothing is known, a sample is *unattested*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from resolution_eval.evidence.attestation import ImageAttestation, Sent, ServerFacts, Status

Step = Literal["mismatched", "unattested", "predicted", "counted", "attested"]
"""What is known of the resolution at which an answer was given."""
STEPS: Mapping[Step, str] = {
    "mismatched": "what is known says that another size was seen than was asked for",
    "unattested": "nobody saw the grid, and no rule tells of it",
    "predicted": "a rule says that the image is kept at the size sent; nobody counted or saw it",
    "counted": "the tokens that the server counted agree with the rule; nobody saw the grid",
    "attested": "the encoder was seen to receive the grid that was asked for",
}
"""Every step in words, the weakest first."""
WEAKER = "what is not attested may have been seen at another size than is taken here"
"""What must be said where steps are mixed."""


def weakest(steps: Iterable[Step | None]) -> Step | None:
    """The weakest of the steps that are known; None where none is.

    Example:
        >>> weakest(["attested", None, "predicted", "counted"])
        'predicted'
    """
    present = set(steps)
    return next((step for step in STEPS if step in present), None)


def listed(steps: Iterable[Step | None]) -> str:
    """Every step that is there, once, the strongest first.

    Example:
        >>> listed(["counted", "attested", None, "counted"])
        'attested and counted'
    """
    present = set(steps)
    return " and ".join(step for step in reversed(tuple(STEPS)) if step in present)


DIFFERENCE = "difference"
"""`ServerFacts.counted_by` of a count that holds the tokens around the image as well."""
PLACEHOLDER = 8
"""Most tokens of a text that a relay may put in the place of an image that it drops."""


def step(
    served: ServerFacts | None,
    sent: Sent | None,
    expected: tuple[int, int] | None,
    images: Sequence[ImageAttestation] = (),
) -> Status:
    """The word for a sample that a server answered; `expected` is height and width in pixels, of
    the first where a question has several `images`.
    """
    if disagreement(served, sent, expected, images) is not None:
        return "mismatched"
    if served is None or (served.predicted_size is None and served.predicted_tokens is None):
        return "unattested"
    if served.predicted_tokens is None and any(one.predicted_size is None for one in images):
        return "unattested"
    agrees = served.counted_tokens is not None and served.predicted_tokens is not None
    return "counted" if agrees and served.by_size else "predicted"


def disagreement(
    served: ServerFacts | None,
    sent: Sent | None,
    expected: tuple[int, int] | None,
    images: Sequence[ImageAttestation] = (),
) -> str | None:
    """What contradicts that the model sees the image at the size asked for, with both figures.

    None where nothing does.
    """
    if sent is not None and expected is not None and (sent.height, sent.width) != expected:
        return f"sent at {sent.width}x{sent.height} px, not {expected[1]}x{expected[0]}"
    if served is None:
        return None
    for number, one in enumerate(images[1:], start=2):
        own = served.model_copy(
            update={"predicted_size": one.predicted_size, "counted_tokens": None}
        )
        why = disagreement(own, one.sent, one.expected_grid)
        if why is not None:
            return f"image {number}: {why}"
    if sent is not None and not keeps(served, sent):
        assert served.predicted_size is not None
        width, height = served.predicted_size
        return f"{served.rule} makes {width}x{height} px of {sent.width}x{sent.height}"
    bounds = due(served)
    counted = served.counted_tokens
    if counted is None or bounds is None or bounds[0] <= counted <= bounds[1]:
        return None
    return f"{counted} image tokens were counted, {spelled(bounds)} were due by {served.rule}"


def keeps(served: ServerFacts, sent: Sent) -> bool:
    """Whether the rule leaves the image at the size sent, to half a patch on each side, or does not
    tell.
    """
    if served.predicted_size is None:
        return True
    pairs = zip(served.predicted_size, (sent.width, sent.height), strict=True)
    return all(2 * abs(left - given) <= max(2, served.unit) for left, given in pairs)


def due(served: ServerFacts) -> tuple[int, int] | None:
    """Fewest and most tokens that agree with the rule, counted as the server counts."""
    if served.predicted_tokens is None:
        return None
    least, most = served.predicted_tokens
    around = served.wrapping
    return (least + around if served.counted_by == DIFFERENCE else least), most + around


def was_dropped(served: ServerFacts) -> bool:
    """Whether the count says that no image reached the model: none of its tokens, or a text's."""
    counted, bounds = served.counted_tokens, due(served)
    if counted is None:
        return False
    return counted <= 0 or (
        bounds is not None and counted <= PLACEHOLDER and counted * PLACEHOLDER <= bounds[0]
    )


def spelled(bounds: tuple[int, int]) -> str:
    """A range in words.

    Example:
        >>> spelled((64, 64)), spelled((64, 66))
        ('64', '64 to 66')
    """
    least, most = bounds
    return str(least) if least == most else f"{least} to {most}"
