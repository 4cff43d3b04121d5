"""How the tensors of an unknown processor are joined to a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.trial import QUESTION, Bench, Trial, noise


def batched(family: GenericFamily, run: Trial, bench: Bench) -> GenericFamily:
    """The family with the dimensions along which a batch's tensors are joined, seen from what the
    processor itself makes of two questions; the first where it takes one at a time.
    """
    one = run.inputs
    ids = one.get("input_ids")
    columns = tuple(
        name
        for name, value in one.items()
        if ids is not None and isinstance(value, Tensor) and value.shape[:2] == ids.shape
    )
    family = replace(family, columns=columns)
    try:
        two = _pair(family, run, bench)
    except FOREIGN as error:
        return family.without("two questions in one call of its processor", reason_of(error))
    joins = {
        name: place
        for name, value in one.items()
        if name not in columns and (place := _doubled(value, two.get(name))) is not None
    }
    return replace(family, joins=joins)


def _pair(family: GenericFamily, run: Trial, bench: Bench) -> Mapping[str, Any]:
    """The processor's tensors of two equal questions."""
    parts, image = bench.parts, noise(run.size)
    prompt = family.prompt(parts, QUESTION, image=True)
    images = [[image], [image]] if family.nested else [image, image]
    with family.used_settings(parts, run.size).applied(parts):
        features: Mapping[str, Any] = parts.processor(
            text=[prompt, prompt], images=images, return_tensors="pt", **family.more
        )
    return features


def _doubled(one: Any, two: Any) -> int | None:
    """The only dimension that is twice as long."""
    if not isinstance(one, Tensor) or not isinstance(two, Tensor) or two.ndim != one.ndim:
        return None
    twice = [place for place in range(one.ndim) if two.shape[place] == 2 * one.shape[place]]
    return twice[0] if len(twice) == 1 else None
