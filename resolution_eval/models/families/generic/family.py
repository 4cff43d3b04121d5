"""The family of a type that nobody wrote a family for: what probing its checkpoint found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.family_base import Family, fit, share
from resolution_eval.models.families.generic.controls import Control, Steps
from resolution_eval.models.families.generic.placeholders import Placeholders
from resolution_eval.models.families.generic.tensor_grids import Reading
from resolution_eval.models.families.generic.token_layout import TokenLayout, compass, measured
from resolution_eval.models.families.generic.tower import named_arguments
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.own_processor import QUESTION, foretold, processed
from resolution_eval.models.families.parts import Parts, ProcessorSettings, TowerGrid
from resolution_eval.resolution import Size, TrainingResolution, training_size


@dataclass(frozen=True, kw_only=True)
class GenericFamily(Family):
    """A family that was found by trying: every field is what a trial came out with."""

    control: Control | None = None
    """How the processor is told to leave an image as it is; None where nothing was found."""
    reason: str | None = None
    """Why the grid cannot follow the resolution."""
    unit: int = 1
    """Edge in pixels of the steps in which the grid moves."""
    least: int = 1
    """Smallest number of units a side."""
    square: bool = False
    """Whether only square grids enter."""
    steps: Steps | None = None
    """Budgets of the processor's, one of which makes the grid that is nearest the resolution."""
    made: tuple[Reading, ...] = ()
    """Where the grid stands in the processor's tensors, each of which holds some pictures."""
    entered: Reading | None = None
    """Where the grid stands among the tower's arguments."""
    placeholders: Placeholders | None = None
    token: int | None = None
    """Id of the token in whose place visual tokens are put; None where there is none."""
    unwritten: Placeholders | None = None
    """How many the tower makes of a grid, where no token stands in the prompt for them."""
    mark: str = ""
    """What a plain prompt needs in the image's place."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that the processor's call needs besides."""
    begins: bool = True
    """Whether what the model writes begins with its prompt."""
    ranks: bool = True
    """Whether a choice's likelihood can be read behind a prompt."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What it cannot do, and why: what the processor or the model said."""
    caches: bool = False
    repeats: bool = True
    shares: bool = False
    computes: bool = False

    def patch(self, parts: Parts) -> int:
        return self.unit

    def training(self, parts: Parts) -> TrainingResolution:
        """The edge to which the processor brings every image; `native` where it follows them."""
        own = replace(self, own=True)
        edges = {foretold(own, parts, size).grid for size in TRIED}
        if len(edges) == 1:
            ((height, width),) = edges
            return TrainingResolution("fixed", (round((height * width) ** 0.5),))
        return TrainingResolution("native")

    def refusal(self, parts: Parts) -> str | None:
        return self.reason

    def grid(self, parts: Parts, information: Size) -> Size:
        if self.steps is not None:
            return information  # the processor brings it to the grid of its budget
        if self.square:
            side = round(information.pixels**0.5)
            return Size(self._side(side), self._side(side))
        return Size(self._side(information.width), self._side(information.height))

    def _side(self, length: int) -> int:
        return max(self.least * self.unit, fit(length, self.unit, 0))

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        """The grid of a training that was declared; otherwise the grid is the processor's own."""
        return self.grid(parts, training_size(training, source))

    def under(self, scheme: str, parts: Parts, training: TrainingResolution) -> Family:
        declared = training.kind in ("fixed", "mixed") and training != self.training(parts)
        if scheme == "match" or (declared and self.reason is None):
            return self
        return replace(self, own=True)

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        if self.steps is not None:
            return ProcessorSettings(
                call={**self.more, self.steps.argument: self.steps.nearest(grid)}
            )
        if self.control is None:
            return ProcessorSettings(call=self.more)
        fitted: dict[str, Any] = {}
        if self.placeholders is not None:
            fitted = {self.placeholders.path: self.placeholders.value(grid)}
        return ProcessorSettings(call={**self.control.call(grid), **self.more}, processor=fitted)

    def own_settings(self, parts: Parts) -> ProcessorSettings:
        return ProcessorSettings(call=self.more)

    def received(
        self, parts: Parts, grid: Size, arguments: Mapping[str, Any], samples: int
    ) -> list[TowerGrid]:
        pictures = [one for reading in self.made for one in reading.read(arguments)]
        return [self.laid(parts, grid, own) for own in shares_of([pictures], samples)]

    def laid(self, parts: Parts, drawn: Size, images: Sequence[TowerGrid]) -> TowerGrid:
        """The pictures of one sample together: tiles as they lie in its processor's own layout of
        an image of the size `drawn`, if it has one of so many; otherwise above each other.
        """
        if len(images) == 1:
            return images[0]
        layout = layout_of(self, parts, drawn) if self.own else None
        if layout is None or layout.images != len(images):
            return stacked(images)
        sizes = Counter(one.grid for one in images)
        tiles = [size for size, count in sizes.items() if count >= layout.columns * layout.rows]
        if not tiles:
            return stacked(images)
        height, width = min(tiles)
        return TowerGrid(grid=(layout.rows * height, layout.columns * width), images=len(images))

    def arguments(
        self, tower: Any, positional: Sequence[Any], named: Mapping[str, Any]
    ) -> dict[str, Any]:
        return named_arguments(tower, positional, named)

    def received_each(
        self, parts: Parts, grids: Sequence[Size], calls: Sequence[Mapping[str, Any]]
    ) -> list[TowerGrid]:
        """As many pictures of every image as its processor makes of one of its size."""
        assert self.entered is not None
        pictures = [self.entered.read(arguments) for arguments in calls]
        if len(set(grids)) == 1:
            shares = shares_of(pictures, len(grids))
        else:
            counts = [foretold(self, parts, grid).images for grid in grids]
            together = [one for call in pictures for one in call]
            if sum(counts) != len(together):
                raise ModelError(
                    f"{len(together)} pictures entered of {len(grids)} images, of which the "
                    f"processor makes {counts} one by one"
                )
            left = iter(together)
            shares = [list(islice(left, count)) for count in counts]
        return [self.laid(parts, grid, own) for grid, own in zip(grids, shares, strict=True)]

    def pictures(self, parts: Parts, arguments: Mapping[str, Any]) -> list[TowerGrid]:
        return [] if self.entered is None else self.entered.read(arguments)

    def entering(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The processor's tensors, in which the same grids stand under the processor's names."""
        made = {reading.argument for reading in self.made}
        return {name: value for name, value in inputs.items() if name in made}

    def visual_tokens(self, parts: Parts, grid: Size) -> int:
        """As many as the processor puts into a prompt for an image of this size."""
        return processed(self, parts, grid).tokens

    def counted_tokens(self, parts: Parts, inputs: Mapping[str, Any]) -> list[int]:
        """Tokens in the prompt; where none stands there, those that the tower makes of the grid."""
        if self.token is None:
            pictures = [one for reading in self.made for one in reading.read(inputs)]
            rows = len(_ids(inputs))
            if not pictures or self.unwritten is None:
                return [0] * rows
            grids = [stacked(own).grid for own in shares_of([pictures], rows)]
            return [self.unwritten.count(Size(*grid[::-1])) for grid in grids]
        return [int(row.sum()) for row in _ids(inputs) == self.token]

    def without(self, ability: str, reason: str) -> GenericFamily:
        """The family, with the reason why it lacks an ability."""
        return replace(self, lacks={**self.lacks, ability: reason})

    def limits(self, parts: Parts) -> Mapping[str, str]:
        steps = {} if self.steps is None else {"grids between its steps": str(self.steps)}
        return {**steps, **self.lacks}

    @property
    def asks_processor(self) -> bool:
        return self.own or self.steps is not None

    def image_token(self, parts: Parts) -> int:
        """The token's id; -1, which is no token's, where none stands in the prompt."""
        return -1 if self.token is None else self.token

    def plain_prompt(self, parts: Parts, question: str, *, image: bool) -> str:
        return f"{self.mark if image else ''}{question}\nAnswer:"

    def written(self, parts: Parts, sequences: Any, inputs: Mapping[str, Any]) -> Any:
        return sequences[:, _ids(inputs).shape[1] :] if self.begins else sequences

    def continues_prompt(self, parts: Parts) -> bool:
        return self.begins and self.ranks and not getattr(parts.config, "is_encoder_decoder", False)


TRIED = (Size(672, 448), Size(300, 900), Size(64, 64))
"""Sources whose own grids tell whether a processor has one size for all."""


def _ids(inputs: Mapping[str, Any]) -> Tensor:
    ids = inputs["input_ids"] if "input_ids" in inputs else inputs["decoder_input_ids"]
    assert isinstance(ids, Tensor)
    return ids


def shares_of(calls: Sequence[Sequence[TowerGrid]], samples: int) -> list[list[TowerGrid]]:
    """What each of `samples` samples of one size sent, of the pictures that entered in every call
    of a tower: their shares of every call, or of all calls behind each other where a call is for a
    single picture.

    Raises:
        ModelError: they do not share equally.
    """
    if any(len(call) % samples for call in calls):
        calls = [[one for call in calls for one in call]]
    share([sum(map(len, calls))], samples)
    parts = [(call, len(call) // samples) for call in calls]
    return [
        [one for call, each in parts for one in call[row * each : (row + 1) * each]]
        for row in range(samples)
    ]


def stacked(images: Sequence[TowerGrid]) -> TowerGrid:
    """Several images of one sample as one: above each other, as wide as the widest."""
    height = sum(one.grid[0] for one in images)
    width = max(one.grid[1] for one in images)
    return TowerGrid(grid=(height, width), images=sum(one.images for one in images))


Key = tuple[str, int, Size]
_LAYOUTS: dict[Key, tuple[Any, TokenLayout | None]] = {}
"""By family, processor and size; the processor is kept, so that no other gets its number."""


def layout_of(family: GenericFamily, parts: Parts, size: Size) -> TokenLayout | None:
    """How its own processor lays out an image of this size; None where it makes no pictures."""
    key = family.name, id(parts.processor), size
    if key not in _LAYOUTS:
        prompt = family.prompt(parts, QUESTION, image=True)
        inputs = prepare(family, parts, prompt, compass(size))
        pictures = [one for reading in family.made for one in reading.pictures(inputs)]
        _LAYOUTS[key] = parts.processor, measured(pictures) if pictures else None
    return _LAYOUTS[key][1]
