"""What a probed family can do beside answering one question, and why not where it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from resolution_eval.answers.generation import Generation
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.engine import Engine, Question
from resolution_eval.models.families.family_base import BATCH, IMAGELESS, RANK, SEVERAL
from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.forms import SHOWN
from resolution_eval.models.families.generic.trial import Bench, as_entering, noise
from resolution_eval.models.families.inputs import collate, prepare, taken
from resolution_eval.models.families.own_processor import QUESTION, foretold
from resolution_eval.models.families.tower_hooks import steered
from resolution_eval.resolution import Size

SHORT_AND_LONG = ("Why?", f"{QUESTION} Say which, and nothing else.")
SPREAD = 1e-3
"""Share of the logits' standard deviation by which those of a batch may differ."""


def tried(family: GenericFamily, bench: Bench) -> GenericFamily:
    """The family with what it cannot do: answer without an image, in a batch, or rank."""
    try:
        _answer_blindly(family, bench)
    except FOREIGN as error:
        family = replace(family, needs_image=True).without(IMAGELESS, reason_of(error))
    try:
        _answer_together(family, bench)
    except FOREIGN as error:
        family = replace(family, batches=False).without(BATCH, reason_of(error))
    try:
        _rank(family, bench)
    except FOREIGN as error:
        family = replace(family, ranks=False).without(RANK, reason_of(error))
    return _several(family, bench)


def _several(family: GenericFamily, bench: Bench) -> GenericFamily:
    """The family with whether a prompt may hold several images, of different sizes or of one."""
    size = _shown(family)
    other = Size(size.height, size.width) if size.width != size.height else _wider(family)
    reasons: list[str] = []
    for sizes in ((size, other), (size, size)):
        free = sizes[0] != sizes[1]
        tried = replace(family, several_images=True, grids_may_differ=free and not family.own)
        try:
            _show_several(tried, bench, sizes)
        except FOREIGN as error:
            reasons.append(reason_of(error))
        else:
            return tried if free else tried.without(f"{SEVERAL} of different sizes", reasons[0])
    return family.without(SEVERAL, reasons[-1])


def _wider(family: GenericFamily) -> Size:
    """A grid of another size: of another aspect, where that may be."""
    columns, rows = (3, 3) if family.square else (4, 2)
    return Size(columns * family.unit, rows * family.unit)


def _show_several(family: GenericFamily, bench: Bench, sizes: Sequence[Size]) -> None:
    """Two images in one prompt.

    Raises:
        ModelError: each does not enter as it does alone.
    """
    parts = bench.parts._replace(config=bench.model.config)
    prompt = family.prompt(parts, QUESTION, image=True, pieces=(0, 1, QUESTION))
    earlier, last = map(noise, sizes)
    question = Question(prompt, last, earlier=(earlier,))
    (spoken,) = Engine(family, parts, bench.model).generate(
        [question], Generation(max_new_tokens=1)
    )
    seen = [*spoken.earlier, (spoken.received, spoken.visual_tokens)]
    told = [foretold(family, parts, size) for size in sizes]
    if [(one and one.grid, count) for one, count in seen] != [(f.grid, f.tokens) for f in told]:
        raise ModelError(f"of two images, {told} was foretold, and {seen} entered")


def _answer_blindly(family: GenericFamily, bench: Bench) -> None:
    prompt = family.prompt(bench.parts, QUESTION, image=False)
    inputs = prepare(family, bench.parts, prompt, None)
    entering = taken(inputs, bench.model.forward)
    bench.model.generate(**entering, max_new_tokens=1, do_sample=False)


def _answer_together(family: GenericFamily, bench: Bench) -> None:
    """A short and a long question, together and alone.

    Raises:
        ModelError: the logits of their first words differ.
    """
    parts, size = bench.parts, _shown(family)
    settings = family.used_settings(parts, size)
    images = noise(size), noise(size).rotate(180)
    samples = [
        prepare(family, parts, family.prompt(parts, text, image=True), image, settings)
        for text, image in zip(SHORT_AND_LONG, images, strict=True)
    ]
    pad = int(parts.processor.tokenizer.pad_token_id or 0)
    with steered(family, bench.model):
        together = _first_words(bench, collate(family, samples, pad))
        alone = torch.cat([_first_words(bench, sample) for sample in samples])
    difference = float((together - alone).abs().max())
    spread = float(alone.float().std())
    if difference > SPREAD * spread:
        raise ModelError(
            f"a batch's logits differ by {difference / max(spread, 1e-9):.0%} of their standard "
            "deviation from those that each question gets alone"
        )


def _first_words(bench: Bench, batch: Mapping[str, Any]) -> Tensor:
    told = {"return_dict_in_generate": True, "output_logits": True, "do_sample": False}
    entering = taken(as_entering(batch), bench.model.forward)
    logits = bench.model.generate(**entering, max_new_tokens=3, **told).logits
    return torch.stack(list(logits), dim=1)


def _rank(family: GenericFamily, bench: Bench) -> None:
    """Two choices behind a prompt.

    Raises:
        ModelError: the decoder does not continue its prompt.
    """
    if not family.continues_prompt(bench.parts):
        raise ModelError("its decoder does not continue its prompt, but begins a text of its own")
    parts = bench.parts._replace(config=bench.model.config)
    prompt = family.prompt(parts, QUESTION, image=True)
    choices = tuple(family.continuation(parts, prompt, text) for text in ("ring", "a disc"))
    Engine(family, parts, bench.model).rank([Question(prompt, noise(_shown(family)), choices)])


def _shown(family: GenericFamily) -> Size:
    return SHOWN if family.own else Size(2 * family.unit, 2 * family.unit)
