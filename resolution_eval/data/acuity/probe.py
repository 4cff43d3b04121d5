"""Probe: is what a model sees at least so many times coarser than the grid that was promised?

For a model that nobody can look into, a server as a rule. It is asked about three sets of upright
or lying stripes, drawn at the promised size:

- `fine`: stripes that the promised grid can show and one `factor` times coarser cannot;
- `reduced`: the same images, made `factor` times coarser here and enlarged again before they are
  sent, so that the stripes are gone, and more leaks through the filter than through a server's;
- `coarse`: stripes `factor` times as wide, which the coarser grid shows as the promised one shows
  the fine ones.

A server that makes images coarser by `factor` or more, with a filter that does not alias, sees no
more of `fine` than of `reduced`, so that to find it better is wrong in at most `alpha` of probes.
(One that leaves pixels out without a filter folds fine stripes into wide ones of the same
direction: it is taken for a finer one.) A model that sees half of the fine stripes or more is
called coarse in at most `alpha`. Whether the server or the model itself is the coarse one no answer
can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binom, binomtest

from resolution_eval.answers import parse_choice
from resolution_eval.data.acuity.chart_book import AMPLITUDE, NOISE, STRIPE_PROMPTS, STRIPES
from resolution_eval.data.acuity.optotypes import RADIUS, grating
from resolution_eval.data.plates.canvas import placed, quantised
from resolution_eval.ground.errors import UsageError
from resolution_eval.images import resize
from resolution_eval.resolution import Size

CONTRAST = 0.5
"""Of the stripes: enough to be seen, and too little for what leaks through a filter to be."""
LEAST_EDGE = 32
"""Smallest promised edge, in pixels, in which a patch of stripes has room."""

Outcome = Literal["finer", "coarser", "blind", "undecided"]
BEGINNINGS: Mapping[Outcome, str] = {
    "finer": "sees detail that",
    "coarser": "what it sees is at least",
    "blind": "does not see the chart",
    "undecided": "undecided",
}
"""How the sentence of each outcome begins: records hold the sentence."""


@dataclass(frozen=True)
class ProbeQuestion:
    """One image and what is asked of it."""

    image: Image.Image
    question: str
    choices: tuple[str, ...]


Ask = Callable[[Sequence[ProbeQuestion]], Sequence[str | None]]
"""Answers in the model's own words, in order; None where it failed."""


@dataclass(frozen=True)
class ProbeArm:
    """How one set of images was answered."""

    right: int
    n: int
    """Answered; failed ones are not in it."""

    def bound(self, alpha: float, *, upper: bool) -> float:
        """One-sided bound on the probability of a right answer (Clopper and Pearson)."""
        side = "less" if upper else "greater"
        ends = binomtest(self.right, self.n, alternative=side).proportion_ci(1 - alpha, "exact")
        return float(ends.high if upper else ends.low)


@dataclass(frozen=True)
class ProbeFinding:
    """What the answers show."""

    promised: int
    """Edge of the images sent, in pixels."""
    factor: float
    alpha: float
    fine: ProbeArm
    reduced: ProbeArm
    coarse: ProbeArm
    pairs: tuple[int, int]
    """Images right when fine and wrong when reduced, and the reverse."""
    failed: int

    @property
    def probability(self) -> float:
        """Of as many such pairs if fine and reduced were seen alike (exact, one-sided)."""
        better, worse = self.pairs
        return float(binom.sf(better - 1, better + worse, 0.5)) if better + worse else 1.0

    @property
    def outcome(self) -> Outcome:
        """`finer`: sees detail that a grid coarser by `factor` cannot hold. `coarser`: what it sees
        is at least `factor` times coarser than promised. `blind`: does not see the coarse stripes.
        """
        above = binom.sf(self.coarse.right - 1, self.coarse.n, 0.5) if self.coarse.n else 1.0
        if above > self.alpha:
            return "blind"
        if self.probability <= self.alpha:
            return "finer"
        unseen = self.fine.n and self.fine.bound(self.alpha, upper=True) < 0.75
        if unseen and self.coarse.bound(self.alpha, upper=False) > 0.75:
            return "coarser"
        return "undecided"

    @property
    def sentence(self) -> str:
        """The outcome in words, with its figures."""
        counts = (
            f"fine {self.fine.right}/{self.fine.n}, reduced {self.reduced.right}/{self.reduced.n}, "
            f"coarse {self.coarse.right}/{self.coarse.n} right"
        )
        edge = self.promised / self.factor
        ends = {
            "finer": f" {edge:.0f} px cannot hold",
            "coarser": f" {self.factor:g} times coarser than {self.promised} px: the server or the "
            "model makes it so",
            "blind": ", so that nothing can be said of its grid",
            "undecided": "; ask about more images",
        }
        said = f"{BEGINNINGS[self.outcome]}{ends[self.outcome]}"
        return f"{said} ({counts}; alpha {self.alpha:g})"


def outcome_of(sentence: str) -> Outcome | None:
    """The outcome that a finding's sentence says; None where it says none.

    Example:
        >>> outcome_of("sees detail that 112 px cannot hold (fine 40/48, ...)")
        'finer'
    """
    return next((name for name, words in BEGINNINGS.items() if sentence.startswith(words)), None)


def probe(
    ask: Ask,
    *,
    promised: int,
    factor: float = 2.0,
    images: int = 48,
    seed: int = 0,
    alpha: float = 0.05,
) -> ProbeFinding:
    """Ask about three times `images` images of `promised` px a side, and judge the answers.

    Raises:
        UsageError: the promised edge is too small, or the factor no more than 1.1.
    """
    if promised < LEAST_EDGE:
        raise UsageError(f"a promised edge of {promised} px is too small; need {LEAST_EDGE}")
    if not 1.1 < factor <= 8:
        raise UsageError(f"a factor of {factor} cannot be probed; choose one from 1.2 to 8")
    if images < 8:
        raise UsageError(f"{images} images decide nothing; ask about 8 at least")
    fine = [stripes(promised, _detail(factor, i), i, seed) for i in range(images)]
    edge = max(1, round(promised / factor))
    reduced = [_reduced(image, edge) for image in fine]
    coarse = [stripes(promised, factor * _detail(factor, i), i, seed + 1) for i in range(images)]
    asked = [_question(image, i) for arm in (fine, reduced, coarse) for i, image in enumerate(arm)]
    answers = ask(asked)
    if len(answers) != len(asked):
        raise UsageError(f"{len(asked)} questions were asked and {len(answers)} answers came")
    verdicts = [
        None if answer is None else int(parse_choice(answer, STRIPES) == i % images % 2)
        for i, answer in enumerate(answers)
    ]
    arms = [verdicts[start : start + images] for start in range(0, 3 * images, images)]
    both = [(a, b) for a, b in zip(arms[0], arms[1], strict=True) if None not in (a, b)]
    return ProbeFinding(
        promised=promised,
        factor=factor,
        alpha=alpha,
        fine=_arm(arms[0]),
        reduced=_arm(arms[1]),
        coarse=_arm(arms[2]),
        pairs=(sum(a == 1 and b == 0 for a, b in both), sum(a == 0 and b == 1 for a, b in both)),
        failed=verdicts.count(None),
    )


def _detail(factor: float, number: int) -> float:
    """Width of one fine stripe in pixels: the promised grid shows one pixel, the coarser `factor`;
    nearer to the first, since filters let through what lies just beyond the second.
    """
    shift = (number * 0.618 % 1 - 0.5) * 0.06
    width: float = factor ** (0.18 + shift)
    return width


def stripes(edge: int, detail: float, number: int, seed: int) -> Image.Image:
    """Stripes of `detail` px, upright for even numbers, at a random place and phase."""
    random = RandomState((1_000_003 * seed + number) % 2**32)
    centre = placed(edge, RADIUS * edge, number // 2 % 4, random)
    turn = np.pi / 2 * (number % 2)
    pattern = grating(edge, centre, detail, turn, random.uniform(0, 2 * np.pi))
    noise = random.normal(0, NOISE, pattern.shape)
    grey: NDArray[np.uint8] = quantised(128 + AMPLITUDE * CONTRAST * pattern + noise)
    return Image.fromarray(np.repeat(grey[..., None], 3, axis=2))


def _reduced(image: Image.Image, edge: int) -> Image.Image:
    """The image with no more than `edge` pixels of content, at its own size; the triangle filter
    lets through more of what is finer than those that servers use.
    """
    return resize(resize(image, Size(edge, edge), "bilinear"), Size(*image.size), "bicubic")


def _question(image: Image.Image, number: int) -> ProbeQuestion:
    return ProbeQuestion(image, STRIPE_PROMPTS[number // 2 % len(STRIPE_PROMPTS)], STRIPES)


def _arm(verdicts: Sequence[int | None]) -> ProbeArm:
    known = [verdict for verdict in verdicts if verdict is not None]
    return ProbeArm(sum(known), len(known))
