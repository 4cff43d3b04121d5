"""Building a family by trying: the processor alone, then a random model of two layers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any

import torch
from loguru import logger
from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.generic.abilities import tried
from resolution_eval.models.families.generic.budgets import budgeted
from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.forms import SHOWN, TYPES, spoken
from resolution_eval.models.families.generic.own_grid import restoring
from resolution_eval.models.families.generic.search import Search
from resolution_eval.models.families.generic.trial import Bench, Trial, noise
from resolution_eval.models.families.own_processor import QUESTION
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.processor_text import spelling
from resolution_eval.resolution import Size

OWN = (SHOWN, Size(224, 224), Size(150, 300), Size(1000, 600))
"""Sizes of images that the processor is left to; of the last, tilers make tiles."""
_FAMILIES: dict[str, GenericFamily | ModelError] = {}


def generic_family(parts: Parts) -> GenericFamily:
    """The family of a checkpoint of an unknown type, probed once per configuration and processor.

    Raises:
        ModelError: no question with an image gets through processor and model, or nobody can read
            the grid that enters.
    """
    told = json.dumps(parts.config.to_dict(), sort_keys=True, default=str)
    digest = sha256(f"{told}{spelling(parts.processor)}{parts.plain}".encode()).hexdigest()
    if digest not in _FAMILIES:
        logger.info(f"no family is written for {parts.config.model_type}: probing its processor")
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            _FAMILIES[digest] = _outcome(parts)
    family = _FAMILIES[digest]
    if isinstance(family, ModelError):
        raise family
    return family


def _outcome(parts: Parts) -> GenericFamily | ModelError:
    """The family, or why there is none."""
    try:
        return _probed(Bench(parts))
    except ModelError as error:
        return ModelError(
            f"no family is written for model_type {str(parts.config.model_type)!r}, and probing "
            f"it found no way: {error}. lmms-eval's own models run without attestation"
        )


def _probed(bench: Bench) -> GenericFamily:
    """What the trials found, in the order in which they build on each other."""
    first = spoken(bench)
    _ = bench.model  # which is made here, so that its refusal is told as what it is
    watched, runs = _own_runs(first, bench)
    watched = _batched(watched, runs[0], bench)
    own, why = _restoring(watched, runs, bench)
    if own is not None:
        with suppress(ModelError):  # few processors have budgets; without, the grid may still move
            return tried(budgeted(own, bench), bench)
    try:
        return tried(Search(bench).matching(watched), bench)
    except ModelError as error:
        if own is None:
            raise ModelError(f"{why}; under match, {error}") from error
        return tried(replace(own, reason=str(error), own=True), bench)


def _restoring(
    family: GenericFamily, runs: Sequence[Trial], bench: Bench
) -> tuple[GenericFamily | None, str]:
    """The family that leaves the grid to the processor; otherwise why there is none."""
    try:
        return restoring(family, runs, bench.patch), ""
    except ModelError as error:
        return None, str(error)


def _own_runs(first: GenericFamily, bench: Bench) -> tuple[GenericFamily, Sequence[Trial]]:
    """Images through the processor as it is, and where they enter the model.

    Raises:
        ModelError: the model answers none, for the reason that it gave first.
    """
    reasons: list[str] = []
    for more in (first.more, TYPES):
        family = replace(first, more=more)
        try:
            runs = [bench.run(family, size) for size in OWN]
        except FOREIGN as error:
            reasons.append(reason_of(error))
            continue
        if runs[0].arguments:
            tower = next(iter(runs[0].arguments))
            return replace(family, tower=tower, begins=runs[0].begins), runs
        reasons.append("no module of its model was seen to get the pixels")
    raise ModelError(f"its model does not answer with an image ({reasons[0]})")


def _batched(family: GenericFamily, run: Trial, bench: Bench) -> GenericFamily:
    """The family with the dimensions along which a batch's tensors are joined, as its processor
    joins those of two questions; the first where it takes one at a time.
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
