"""Fidelity: is an image re-encoded with loss on its way to a model that nobody can look into?

No count shows it. The model is asked which way faint stripes run, in two sets: `plain`, images as
they are, and `lossy`, the same ones encoded as JPEG of a quality here and decoded again before they
are sent, which wipes the stripes out. A server that itself encodes at that quality or below shows
the model no more of `plain` than of `lossy`: that it finds `plain` better is then wrong in at most
`ALPHA` of probes (an exact test of the pairs of which one alone is right). Where it does not, the
server may re-encode, or the model may not see stripes so faint: no answer can tell which.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.stats import binom

from resolution_eval.answers import parse_choice
from resolution_eval.data.acuity.chart_book import STRIPES
from resolution_eval.data.acuity.probe import Ask, ProbeQuestion

ALPHA = 0.05
FAINT = 3
"""Grey levels, of 255, by which stripes differ from their ground."""
PERIOD = 4
"""Pixels from stripe to stripe."""
QUESTION = "There are faint stripes. How do they run?"


@dataclass(frozen=True)
class Fidelity:
    """What the answers show."""

    quality: int
    images: int
    plain: int
    """Right of `images`, as those of `lossy`; an answer that is none is not right."""
    lossy: int
    pairs: tuple[int, int]
    """Right when plain alone, and when lossy alone."""

    @property
    def kept(self) -> bool:
        """Whether detail arrives that JPEG of that quality wipes out."""
        better, worse = self.pairs
        p = float(binom.sf(better - 1, better + worse, 0.5)) if better + worse else 1.0
        return p <= ALPHA

    @property
    def sentence(self) -> str:
        """The outcome in words, with its figures."""
        counts = f"plain {self.plain}/{self.images}, lossy {self.lossy}/{self.images} right"
        if self.kept:
            said = f"detail arrives that JPEG of quality {self.quality} wipes out"
        else:
            said = (
                f"re-encoded with loss on the way, as by JPEG of quality {self.quality}, or not "
                "seen by the model"
            )
        return f"{said} ({counts}; alpha {ALPHA:g})"


def fidelity(ask: Ask, *, edge: int, quality: int = 30, images: int = 24) -> Fidelity:
    """Ask about twice `images` images of `edge` pixels a side, and judge the answers."""
    plain = [faint(edge, number) for number in range(images)]
    lossy = [encoded(image, quality) for image in plain]
    answers = ask([ProbeQuestion(image, QUESTION, STRIPES) for image in (*plain, *lossy)])
    right = [_right(answer, place % images) for place, answer in enumerate(answers)]
    first, second = right[:images], right[images:]
    pairs = list(zip(first, second, strict=True))
    return Fidelity(
        quality=quality,
        images=images,
        plain=sum(first),
        lossy=sum(second),
        pairs=(pairs.count((True, False)), pairs.count((False, True))),
    )


def faint(edge: int, number: int) -> Image.Image:
    """Faint stripes on a grey ground: upright for even numbers, each on another grey."""
    steps = np.arange(edge) // (PERIOD // 2) % 2 * FAINT + 100 + number
    grey = np.broadcast_to(steps, (edge, edge))
    turned = grey if number % 2 == 0 else grey.T
    return Image.fromarray(np.repeat(turned[..., None], 3, axis=2).astype(np.uint8))


def encoded(image: Image.Image, quality: int) -> Image.Image:
    """The image as it comes out of JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    with Image.open(io.BytesIO(data.getvalue())) as opened:
        return opened.convert("RGB")


def _right(answer: str | None, number: int) -> bool:
    return answer is not None and parse_choice(answer, STRIPES) == number % 2
