"""Grids in steps: processors that take one of a few budgets, on which their models were trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.generic.controls import Steps, known_arguments
from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.trial import Bench, Trial
from resolution_eval.resolution import Size

BUDGETS: Mapping[str, tuple[int, ...]] = {
    "max_soft_tokens": (70, 140, 280, 560, 1120),
    "max_image_size": (490, 980),
}
"""Values of call arguments that processors of transformers take, and no others: Gemma 4's number of
tokens, and the edge in pixels of Aria's square. Source: the processors' own checks.
"""
SQUARE = Size(640, 640)
"""Size of the image by whose grid a budget is measured."""
WIDE = Size(600, 300)


def budgeted(family: GenericFamily, bench: Bench) -> GenericFamily:
    """The family, restoring so far, with the steps in which its processor's budgets move the grid.

    Raises:
        ModelError: its processor takes no budget that is known, or fewer than two work.
    """
    known = known_arguments(bench.parts.processor.image_processor)
    reasons = []
    for argument in (name for name in BUDGETS if name in known):
        edges = {}
        for value in BUDGETS[argument]:
            told = replace(family, more={**family.more, argument: value})
            try:
                edges[value] = _edge(told, [bench.run(told, size) for size in (SQUARE, WIDE)])
            except FOREIGN as error:
                reasons.append(f"{argument}={value}: {reason_of(error)}")
        if len(edges) > 1 and len(set(edges.values())) == len(edges):
            steps = Steps(argument, tuple(sorted(edges.items())))
            return replace(family, own=False, reason=None, steps=steps)
    raise ModelError("; ".join(reasons) or "its processor takes no budget that is known")


def _edge(family: GenericFamily, runs: Sequence[Trial]) -> int:
    """Edge in pixels of the square with as many as the first run's grid has.

    Raises:
        ModelError: what entered the tower is not what the processor's tensors say.
    """
    for run in runs:
        seen, made = run.seen(family), run.made(family)
        if not seen or seen != made:
            raise ModelError(f"{seen} entered where its processor made {made}")
    return round(math.sqrt(sum(height * width for height, width in runs[0].seen(family))))
