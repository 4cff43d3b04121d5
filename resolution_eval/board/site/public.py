"""Public checkpoints: what each receives of an image by default, and under control; no run.

Grids are arithmetic on each checkpoint's published configuration. What a harness does by default is
what lmms-eval 0.7.3's own model does, or else what the checkpoint's own processor does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from resolution_eval.board.rows import Board
from resolution_eval.data.cards import model_cards
from resolution_eval.resolution import Size, budget_size

if TYPE_CHECKING:
    from resolution_eval.models.families import Family, Parts

SIZES = (224, 448, 896)
"""Edges in pixels of the square images that are shown."""
FLOORS = {"qwen2_vl": 448, "qwen2_5_vl": 448, "qwen3_vl": 256}
"""Edge that every smaller image is enlarged to: by lmms-eval 0.7.3's qwen models (256 tokens of 28
px), or by a released configuration."""
UPSIZED = ("idefics3", "smolvlm")
"""Families whose processor enlarges every image to its longest edge before it cuts tiles."""
TOY = "from scratch"
"""Label of rows that prove the machinery."""


class ReceivedGrid(NamedTuple):
    """What an encoder receives of one image."""

    grid: str
    tokens: int

    @property
    def side(self) -> str:
        """The grid in words: its one side where it is a square."""
        height, width = self.grid.split("x")
        return f"{height} px" if height == width else f"{self.grid} px"


@dataclass(frozen=True, kw_only=True)
class Default:
    """One public checkpoint."""

    checkpoint: str
    training: str
    scheme: str
    """Of our control: match, or restore where the grid cannot follow."""
    left_alone: tuple[ReceivedGrid, ...]
    controlled: tuple[ReceivedGrid, ...]
    """Under our control, at the same sizes, of a larger image."""

    @property
    def trained(self) -> str:
        """The training resolution in words."""
        kind, _, edge = self.training.partition(":")
        words = {"native": "the image's own size", "unknown": "not stated"}
        return f"{edge.strip('[]').replace(',', ', ')} px" if edge else words.get(kind, kind)

    @property
    def pairs(self) -> tuple[tuple[ReceivedGrid, ReceivedGrid], ...]:
        """Left alone and controlled, at each size."""
        return tuple(zip(self.left_alone, self.controlled, strict=True))

    @property
    def flattened(self) -> str:
        """Which of the sizes become one by default, in words; empty where none do."""
        grids = [each.grid for each in self.left_alone]
        same = [str(s) for s, g in zip(SIZES, grids, strict=True) if grids.count(g) > 1]
        return f"{', '.join(same)} become one" if same else ""


@cache
def defaults() -> tuple[Default, ...]:
    """A checkpoint of every family whose geometry is known, in the families' order."""
    from resolution_eval.models.families import FAMILIES
    from resolution_eval.models.families.geometries import GEOMETRIES

    families = {family.name: family for family in FAMILIES.values()}
    return tuple(_default(families[name], *of) for name, of in GEOMETRIES.items())


def _default(family: Family, checkpoint: str, parts: Parts) -> Default:
    from resolution_eval.models.families import intended_grid

    training = family.training(parts)
    scheme = "match" if family.refusal(parts) is None else "restore"

    def received(scheme: str, shown: Size, source: Size) -> ReceivedGrid:
        grid = intended_grid(family, parts, training, scheme, shown, source)
        return ReceivedGrid(f"{grid.height}x{grid.width}", family.visual_tokens(parts, grid))

    source = Size(1024, 1024)
    own = [Size(edge, edge) for edge in (_own_edge(family, parts, size) for size in SIZES)]
    return Default(
        checkpoint=checkpoint,
        training=stated.training if (stated := model_cards().get(checkpoint)) else "unknown",
        scheme=scheme,
        left_alone=tuple(received("restore", each, each) for each in own),
        controlled=tuple(received(scheme, budget_size(source, s), source) for s in SIZES),
    )


def _own_edge(family: Family, parts: Parts, size: int) -> int:
    """Edge that an image of `size` is enlarged to before anything else happens to it."""
    if family.name in UPSIZED:
        return int(parts.processor.image_processor.size["longest_edge"])
    return max(size, FLOORS.get(family.name, 0))


def banner(board: Board) -> str:
    """What must be known before the first row is read; empty where public models were scored."""
    if any(TOY not in row.facts.labels for row in board.rows if row.curves):
        return ""
    return (
        "We have not scored any public model yet. The first table copies figures from papers, and "
        "nobody attested which sizes those models saw. What we measured are small models trained "
        "from scratch: they show that the method works, not how good large models are."
    )
