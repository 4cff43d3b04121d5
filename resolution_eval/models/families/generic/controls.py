"""Ways to tell an unknown processor, in its own call, at which size an image shall enter."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
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
HUGE = 1 << 28
"""More pixels, patches or tokens than any image has."""


def _sizes(size: Size, patch: int) -> dict[str, dict[str, Any]]:
    """Ways to name a size to a processor whose patches have this edge in pixels."""
    short, long = sorted((size.width, size.height))
    sides = {"height": size.height, "width": size.width}
    cells = (size.width // patch) * (size.height // patch)
    return {
        "": {},
        "size": {"size": sides, "crop_size": sides},
        "shortest edge": {"size": {"shortest_edge": short}, "crop_size": sides},
        "both edges": {"size": {"shortest_edge": short, "longest_edge": long}},
        "longest edge": {
            "size": {"longest_edge": long},
            "max_image_size": {"longest_edge": long},
        },
        "pixels, as edges": {"size": {"shortest_edge": 1, "longest_edge": HUGE}},
        "pixels": {"min_pixels": 1, "max_pixels": HUGE},
        "patches": {
            "max_num_patches": cells,
            "min_num_patches": 1,
            "min_image_tokens": 1,
            "max_image_tokens": cells,
            "max_pixels_tolerance": 1.0,
        },
        "slices": {"scale_resolution": round(size.pixels**0.5)},
    }


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
        wanted = dict(self.fixed) | _sizes(size, self.patch)[self.sized]
        return {name: value for name, value in wanted.items() if name in self.known}

    def __str__(self) -> str:
        names = [name for name, _ in self.fixed if name in self.known]
        return ", ".join([*names, *([self.sized] if self.sized else [])]) or "as it is"


def known_arguments(images: Any) -> frozenset[str]:
    """The names of the arguments that an image processor takes in its call."""
    told = getattr(images, "valid_kwargs", None)
    names = {*(getattr(images, "_valid_processor_keys", ()) or ())}
    names |= {*inspect.signature(images.preprocess).parameters}
    for kind in getattr(told, "__mro__", (told,)):
        names |= {*getattr(kind, "__annotations__", {})}
    return frozenset(names - {"images", "kwargs", "args", "self"})


def controls(images: Any, patch: int) -> Iterator[Control]:
    """Every way to try, the plainest first, none twice."""
    known, shown = known_arguments(images), Size(97, 101)
    off, still = tuple(OFF.items()), (("do_resize", False),)
    cropless = tuple((name, value) for name, value in off if name != "do_center_crop")
    seen = set()
    for base in ((*still, *off), off, cropless, still, ()):
        for sized in _sizes(shown, patch):
            made = Control(base, sized, known, patch)
            shape = repr(made.call(shown))
            if shape not in seen:
                seen.add(shape)
                yield made


@dataclass(frozen=True)
class Steps:
    """Values of an argument of a processor's call, and the grids that they make."""

    argument: str
    edges: tuple[tuple[int, int], ...]
    """Value, and edge in pixels of the square with as many pixels as its grid."""

    def nearest(self, size: Size) -> int:
        """The value whose grid is nearest to an image of this size, in area, as a logarithm.

        Example:
            >>> steps = Steps("max_soft_tokens", ((70, 384), (140, 576), (280, 800)))
            >>> steps.nearest(Size(224, 224)), steps.nearest(Size(900, 500))
            (70, 140)
        """
        edge = math.sqrt(size.pixels)
        return min(self.edges, key=lambda each: abs(math.log(each[1] / edge)))[0]

    def __str__(self) -> str:
        told = ", ".join(f"{value} ({edge} px)" for value, edge in self.edges)
        return f"its grid moves in steps, the values of {self.argument} (edge of a square): {told}"
