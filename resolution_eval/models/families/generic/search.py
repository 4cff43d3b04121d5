"""The search for a way in which an unknown checkpoint's grid follows the resolution."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.generic.controls import controls
from resolution_eval.models.families.generic.family import GenericFamily
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.generic.placeholders import settable, unwritten
from resolution_eval.models.families.generic.tensor_grids import Reading, common_reading
from resolution_eval.models.families.generic.trial import Bench, Trial
from resolution_eval.resolution import Size

GRIDS = (
    *((2, 2), (3, 3), (4, 4), (7, 7), (11, 11)),
    *((2, 1), (4, 2), (6, 3), (10, 5)),
    *((1, 3), (2, 6), (3, 9), (4, 12)),
)
"""Columns and rows of the grids that must come out exactly, in units: three aspects."""
MODEL_EDGE = 1024
"""Largest edge in pixels of a tower's own grid beyond which a grid is tried through the model."""
LARGE = 1280
"""Edge in pixels, about, of a square grid that must come out of the processor alone."""
NOTHING = "no argument of its processor's call leaves an image at its size"


class Search:
    """The trials of one checkpoint's processor, then of its model, each remembered that failed."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._failures: dict[tuple[Size, str], str] = {}
        """By size and the arguments with which it did not come out: why."""

    def matching(self, family: GenericFamily) -> GenericFamily:
        """The family with a control under which every grid comes out exactly.

        Raises:
            ModelError: there is none; it says what was closest to one.
        """
        reason = NOTHING
        patch = self._bench.patch
        units = dict.fromkeys(patch * factor for factor in (1, 2, 3, 4))
        for square in (False, True):
            for unit in units:
                for control in controls(self._bench.parts.processor.image_processor, patch):
                    tried = replace(family, unit=unit, square=square, control=control, own=False)
                    made = self._made(tried)
                    if made is None:
                        continue
                    try:
                        return self._smallest(self._adapted(replace(tried, made=(made,))))
                    except ModelError as error:
                        reason = str(error)
                    break  # the same image at the same grid, however the processor was told
        raise ModelError(reason + self._errors(reason))

    def _errors(self, reason: str) -> str:
        """What the processor raised on the way, most often first, where nothing came of it."""
        said = [why for why in self._failures.values() if why]
        if reason != NOTHING or not said:
            return ""
        return f" (of what was tried, most often {max(set(said), key=said.count)})"

    # The processor alone.

    def _made(self, family: GenericFamily) -> Reading | None:
        """Where the processor's tensors hold every grid; None where one is not there."""
        reading: Reading | None = None
        sightings: list[tuple[Size, Mapping[str, Any]]] = []
        edge = LARGE // family.unit * family.unit
        large = Size(edge, edge)
        for size in (*_grids(family), large):
            key = size, repr(family.control.call(size)) if family.control else ""
            if key in self._failures:
                return None
            try:
                sightings.append((size, self._bench.process(family, size)))
            except FOREIGN as error:
                self._failures[key] = reason_of(error)
                return None
            if len(sightings) in (1, 3) or size == large:
                reading = common_reading(sightings)
            if reading is None:
                if len(sightings) == 1:
                    self._failures[key] = ""
                return None
        return reading

    # The model.

    def _adapted(self, family: GenericFamily) -> GenericFamily:
        """The family with what lets the model take every grid.

        Raises:
            ModelError: nothing does, for the reason that it gave when nothing was adapted.
        """
        reasons: list[str] = []
        for adapted in self._adaptations(family):
            try:
                return self._read(adapted, self._runs(adapted))
            except ModelError as error:
                reasons.append(str(error))
        raise ModelError(reasons[0])

    def _runs(self, family: GenericFamily) -> list[Trial]:
        runs: list[Trial] = []
        for size in (*_grids(family), *self._beyond(family)):
            try:
                runs.append(self._bench.run(family, size))
            except FOREIGN as error:
                raise ModelError(
                    f"its model refuses a grid of {size.height}x{size.width} ({reason_of(error)})"
                ) from error
        return runs

    def _read(self, family: GenericFamily, runs: Sequence[Trial]) -> GenericFamily:
        """The family with the outermost module among whose arguments every size stands."""
        for path in runs[0].arguments:
            entered = common_reading([(run.size, run.entered(path)) for run in runs])
            if entered is None:
                continue
            read = replace(family, tower=path, entered=entered)
            if read.token is not None:
                return read
            told = [(run.size, run.lengths.get(path, 0)) for run in runs]
            rule = unwritten(told, self._bench.patch)
            if rule is None:
                raise ModelError("nobody can count the visual tokens that its tower makes")
            return replace(read, unwritten=rule)
        raise ModelError("the tensors that enter its tower do not hold the grid")

    def _beyond(self, family: GenericFamily) -> Iterator[Size]:
        """A square grid larger than the tower's own, where it names one: a table of positions that
        is cut off for smaller grids, rather than resampled, has none for it.
        """
        config = self._bench.parts.config
        edge = getattr(getattr(config, "vision_config", config), "image_size", None)
        edge = edge[0] if isinstance(edge, list | tuple) else edge
        if isinstance(edge, int) and edge <= MODEL_EDGE:
            side = (edge // family.unit + 1) * family.unit
            yield Size(side, side)

    def _adaptations(self, family: GenericFamily) -> Iterator[GenericFamily]:
        """The family as it is, then with interpolation, then with other numbers of tokens."""
        forms = [family, replace(family, interpolates=True)]
        tower = self._bench.model.get_submodule(family.tower)
        if "interpolate_pos_encoding" in inspect.signature(tower.forward).parameters:
            forms.reverse()  # without it, some towers take the first of their positions, unseen
        yield from forms
        processor, patch = self._bench.parts.processor, self._bench.patch
        for rule in settable(processor, family.unit, patch, square=family.square):
            for form in forms:
                yield replace(form, placeholders=rule)

    def _smallest(self, family: GenericFamily) -> GenericFamily:
        """The family with the fewest units that a side can have, and why not fewer."""
        try:
            run = self._bench.run(family, Size(family.unit, family.unit))
        except FOREIGN as error:
            why = reason_of(error)
        else:
            reading, arguments = family.entered, run.entered(family.tower)
            grids = [one.grid for one in reading.read(arguments)] if reading else []
            if grids == [(family.unit, family.unit)]:
                return family
            why = f"{grids} entered of {family.unit}x{family.unit}"
        return replace(family, least=2).without("a side of one unit", why)


def _grids(family: GenericFamily) -> Iterator[Size]:
    for columns, rows in GRIDS:
        if not family.square or columns == rows:
            yield Size(columns * family.unit, rows * family.unit)
