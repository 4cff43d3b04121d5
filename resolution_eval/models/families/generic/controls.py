"""Ways to tell an unknown processor, in its own call, to leave an image as it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resolution_eval.resolution import Size

OFF: Mapping[str, Any] = {
    "do_center_crop": False,
    "do_pad": False,
    "do_pan_and_scan": False,
    "do_image_splitting": False,
    "split_image": False,
    "crop_to_patches": False,
    "do_dynamic_resolution": False,
    "do_thumbnail": False,
    "do_align_long_axis": False,
    "do_crop_margin": False,
    "use_thumbnail": False,
    "slice_mode": False,
    "max_slice_nums": 1,
    "min_patches": 1,
    "max_patches": 1,
    "min_tiles": 1,
    "max_tiles": 1,
    "max_crops": 1,
    "max_num_tiles": 1,
    "max_image_tiles": 1,
    "resize_to_max_canvas": False,
}
"""What switches everything else off that a processor may do to an image's size."""
NO_RESIZE: Mapping[str, Any] = {"do_resize": False}
HUGE = 1 << 28
"""More pixels, patches or tokens than any image has."""


def _nothing(size: Size, patch: int) -> dict[str, Any]:
    return {}


def _sides(size: Size, patch: int) -> dict[str, Any]:
    sides = {"height": size.height, "width": size.width}
    return {"size": sides, "crop_size": sides}


def _short_side(size: Size, patch: int) -> dict[str, Any]:
    sides = {"height": size.height, "width": size.width}
    return {"size": {"shortest_edge": min(size.width, size.height)}, "crop_size": sides}


def _both_edges(size: Size, patch: int) -> dict[str, Any]:
    short, long = sorted((size.width, size.height))
    return {"size": {"shortest_edge": short, "longest_edge": long}}


def _long_edge(size: Size, patch: int) -> dict[str, Any]:
    long = max(size.width, size.height)
    return {"size": {"longest_edge": long}, "max_image_size": {"longest_edge": long}}


def _pixel_edges(size: Size, patch: int) -> dict[str, Any]:
    return {"size": {"shortest_edge": 1, "longest_edge": HUGE}}


def _pixels(size: Size, patch: int) -> dict[str, Any]:
    return {"min_pixels": 1, "max_pixels": HUGE}


def _patches(size: Size, patch: int) -> dict[str, Any]:
    cells = (size.width // patch) * (size.height // patch)
    return {
        "max_num_patches": cells,
        "min_num_patches": 1,
        "min_image_tokens": 1,
        "max_image_tokens": cells,
        "max_pixels_tolerance": 1.0,
    }


def _slices(size: Size, patch: int) -> dict[str, Any]:
    return {"scale_resolution": round(size.pixels**0.5)}


SIZED: Mapping[str, Callable[[Size, int], dict[str, Any]]] = {
    "": _nothing,
    "size": _sides,
    "shortest edge": _short_side,
    "both edges": _both_edges,
    "longest edge": _long_edge,
    "pixels, as edges": _pixel_edges,
    "pixels": _pixels,
    "patches": _patches,
    "slices": _slices,
}
"""Ways to name a size to a processor."""


@dataclass(frozen=True)
class Control:
    """One way, as the arguments of a processor's call."""

    fixed: tuple[tuple[str, Any], ...] = ()
    sized: str = ""
    known: frozenset[str] = frozenset()
    """Arguments that the processor knows; others are not given."""
    patch: int = 1

    def call(self, size: Size) -> dict[str, Any]:
        """The arguments for an image of this size."""
        wanted = dict(self.fixed) | SIZED[self.sized](size, self.patch)
        return {name: value for name, value in wanted.items() if name in self.known}

    def __str__(self) -> str:
        names = [name for name, _ in self.fixed if name in self.known]
        return ", ".join([*names, *([self.sized] if self.sized else [])]) or "as it is"


def known_arguments(images: Any) -> frozenset[str]:
    """The names of the arguments that an image processor takes in its call."""
    names: set[str] = set()
    told = getattr(images, "valid_kwargs", None)
    for kind in getattr(told, "__mro__", ()) or ([told] if told is not None else []):
        names |= set(getattr(kind, "__annotations__", {}))
    if told is not None:
        names |= set(getattr(told, "__annotations__", {}))
    names |= set(getattr(images, "_valid_processor_keys", ()) or ())
    names |= set(inspect.signature(images.preprocess).parameters)
    return frozenset(names - {"images", "kwargs", "args", "self"})


def controls(images: Any, patch: int) -> Iterator[Control]:
    """Every way to try, the plainest first, none twice."""
    known = known_arguments(images)
    off = tuple((name, value) for name, value in OFF.items() if name in known)
    still = tuple((name, value) for name, value in NO_RESIZE.items() if name in known)
    cropless = tuple((name, value) for name, value in off if name != "do_center_crop")
    bases = dict.fromkeys(((*still, *off), off, cropless, still, ()))
    seen = set()
    for base in bases:
        for sized in SIZED:
            made = Control(base, sized, known, patch)
            shape = repr(made.call(Size(97, 101)))
            if shape not in seen:
                seen.add(shape)
                yield made
