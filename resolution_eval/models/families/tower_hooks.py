"""Hooks on a model: what enters its vision tower is noted, and any grid is let in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.parts import Parts, TowerGrid
from resolution_eval.resolution import Size


@contextmanager
def watched(
    family: Family, parts: Parts, model: Any, grids: Sequence[Size]
) -> Iterator[list[TowerGrid]]:
    """Sets the configuration for images of the last of the sizes `grids`, and notes what enters the
    vision tower of each; nothing where no image is shown. Of a tower that runs several times, the
    list is filled at the end.

    Raises:
        ModelError: the tower ran more often than once, and the family's does not.
    """
    seen: list[TowerGrid] = []
    if not grids:
        yield seen
        return
    calls: list[dict[str, Any]] = []
    tower = model.get_submodule(family.tower)

    def before(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        if calls and not family.repeats:
            raise ModelError("the vision tower was run a second time for the same images")
        calls.append(family.arguments(module, positional, named))
        if not family.repeats:
            seen.extend(family.received_each(parts, grids, calls))

    settings = family.used_settings(parts, grids[-1])
    with (
        tower.register_forward_pre_hook(before, with_kwargs=True),
        settings.applied(Parts(model.config, parts.processor)),
        steered(family, model),
    ):
        yield seen
    if calls and family.repeats:
        seen.extend(family.received_each(parts, grids, calls))


@contextmanager
def steered(family: Family, model: Any) -> Iterator[None]:
    """Has the model take any grid, where its own `forward` does not hand on what that needs."""

    def interpolating(module: Any, positional: Any, named: dict[str, Any]) -> Any:
        return positional, {**named, "interpolate_pos_encoding": True}

    with ExitStack() as stack:
        if family.interpolates:
            tower = model.get_submodule(family.tower)
            hook = tower.register_forward_pre_hook(interpolating, with_kwargs=True)
            stack.enter_context(hook)
        if family.squeezed is not None:
            projector = model.get_submodule(family.squeezed)
            stack.enter_context(projector.register_forward_hook(lambda _, __, made: made[None]))
        yield
