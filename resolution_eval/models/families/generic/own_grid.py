"""Reading the grid of which nobody set the size: what an unknown processor makes of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.generic.family import GenericFamily, stacked
from resolution_eval.models.families.generic.placeholders import Placeholders
from resolution_eval.models.families.generic.tensor_grids import Reading, by_volume
from resolution_eval.models.families.generic.tower import pixel_tensors
from resolution_eval.models.families.generic.trial import Trial

PATCHES = (14, 16, 32, 28)
"""Edges in pixels of patches that are tried beside the one that configuration or processor name."""


def restoring(family: GenericFamily, runs: Sequence[Trial], patch: int) -> GenericFamily:
    """The family with the readings by which every run's grid stands alike in the processor's
    tensors and among the arguments of the tower.

    Of several towers, the one that gets the most pixels is taken.

    Raises:
        ModelError: there are none, or nobody can count the tokens.
    """
    family = _counting(family, runs)
    for edge in dict.fromkeys((patch, *PATCHES)):
        read = (
            replace(family, tower=path, entered=entered, made=made)
            for path in runs[-1].arguments
            for entered in _entered(runs[-1], path, edge)
            for made in _made(runs[-1], edge)
        )
        families = [each for each in read if all(_agrees(run, each) for run in runs)]
        if families:
            return max(families, key=lambda each: _pixels(each, runs[-1]))
    raise ModelError("nobody can read the grid from its tensors")


def _counting(family: GenericFamily, runs: Sequence[Trial]) -> GenericFamily:
    """The family with the number of its visual tokens, where none stand in the prompt."""
    if family.token is not None:
        return family
    lengths = {run.lengths.get(family.tower, 0) for run in runs}
    if len(lengths) > 1 or 0 in lengths:
        raise ModelError("nobody can count the visual tokens that its tower makes")
    return replace(family, unwritten=Placeholders("", 0, lengths.pop()))


def _entered(run: Trial, path: str, patch: int) -> Iterator[Reading]:
    """Where the grid may stand among a tower's arguments."""
    for arguments in run.arguments[path]:
        for tensor in pixel_tensors(arguments).values():
            reading = by_volume(arguments, tensor.numel(), patch)
            if reading is not None:
                yield reading


def _made(run: Trial, patch: int) -> Iterator[tuple[Reading, ...]]:
    """Where it may stand in the processor's tensors: in all that hold pixels, or in one of them."""
    tensors = pixel_tensors(run.inputs)
    tables = {name: value for name, value in run.inputs.items() if name not in tensors}
    readings = []
    for name, tensor in tensors.items():
        reading = by_volume({**tables, name: tensor}, tensor.numel(), patch)
        if reading is not None:
            readings.append(reading)
    if len(readings) == len(tensors) > 1:
        yield tuple(dict.fromkeys(readings))
    for reading in dict.fromkeys(readings):
        yield (reading,)


def _agrees(run: Trial, family: GenericFamily) -> bool:
    seen = run.seen(family)
    return bool(seen) and seen == run.made(family)


def _pixels(family: GenericFamily, run: Trial) -> int:
    height, width = stacked([one for each in family.made for one in each.read(run.inputs)]).grid
    return height * width
