"""What can be seen of a base: its model and processor, its family, and what enters its tower."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families import Family, Parts, family_for, intended_grid
from resolution_eval.models.families.family_base import EVIDENCE
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.models.families.parts import TowerGrid
from resolution_eval.models.wrapped.transcript import Transcript, as_one, transcripts
from resolution_eval.resolution import Size, TrainingResolution, patch_size_fit, training_size

CONVOLUTION = "tensors entering the convolutions of three channels"
GENERATES = ("generate", "chat")
"""Methods of a model that lmms-eval's models call for an answer."""


@dataclass
class TowerInput:
    """What entered while one batch was answered."""

    each: int = 1
    """Images of each question."""
    alike: bool = True
    """Whether all of them were handed over at one size."""
    received: list[TowerGrid] = field(default_factory=list)
    """Per image, of a family that we know."""
    tokens: list[int] = field(default_factory=list)
    """Visual tokens per image."""
    images: list[tuple[int, int, int]] = field(default_factory=list)
    """Number, height and width in pixels of what entered a convolution of three channels."""
    raised: list[Exception] = field(default_factory=list)
    packed: bool = False
    """Whether patches entered a convolution, rather than images: nobody can tell their grid."""
    later: Callable[[], list[TowerGrid]] | None = None
    """What reads the grids once all calls of the tower are made."""
    transcripts: list[Transcript] = field(default_factory=list)
    """Per sample what its model read and wrote, where that is seen."""
    finished: int = 0
    """Calls of the model for an answer that came back."""
    again: list[list[TowerGrid]] = field(default_factory=list)
    """Per further call for the same question's answer the pictures that entered, as of a model that
    thinks with images: those of the question and those that it made."""

    def grids(self, samples: int) -> list[TowerGrid | None]:
        """What each image of `samples` questions sent into the encoder, question by question; None
        where that is not clear.

        Raises:
            ModelError: the questions' shares cannot be told apart.
        """
        count = samples * self.each
        if self.later is not None:
            return list(self.later())
        if self.received or self.packed or not self.images:
            return list(self.received) or [None] * count
        sizes = {(height, width) for _, height, width in self.images}
        total = sum(number for number, _, _ in self.images)
        if samples > 1 and (len(sizes) > 1 or total % samples):
            raise ModelError("images of several sizes entered for one batch")
        # tiles of images that differ in size need not be shared out equally among them
        if len(sizes) > 1 or total % count or not self.alike:
            return [None] * count
        (grid,) = sizes
        return [TowerGrid(grid=grid, images=total // count)] * count


@dataclass(frozen=True)
class Sight:
    """A base's model and processor, where it has them in this process."""

    model: Any
    """A torch module, or None."""
    parts: Parts | None
    family: Family | None

    @property
    def evidence(self) -> str:
        """Where a grid is read."""
        return CONVOLUTION if self.family is None else EVIDENCE

    @property
    def refusal(self) -> str | None:
        """Why the grid cannot follow the inference resolution, where the family is known."""
        if self.family is None or self.parts is None:
            return None
        return self.family.refusal(self.parts)

    @property
    def stride(self) -> int:
        """Edge in pixels of the patches of an unknown architecture; 1 where it has none."""
        strides = [module.stride[0] for module in self._convolutions()]
        return max(strides, default=1)

    def wanted_grid(
        self, training: TrainingResolution, scheme: str, information: Size, source: Size
    ) -> Size:
        """Size in pixels at which an image should enter the base.

        Raises:
            UsageError: the family's grid cannot follow the resolution, or the training grid is
                unknown.
        """
        if self.family is not None and self.parts is not None:
            return intended_grid(self.family, self.parts, training, scheme, information, source)
        wanted = information if scheme == "match" else training_size(training, source)
        return patch_size_fit(wanted, self.stride)

    def expected_grid(self, drawn: Size) -> tuple[int, int]:
        """Height and width in pixels that should enter of an image that is drawn at this size."""
        if self.family is None or self.parts is None or not self.family.own:
            return drawn.height, drawn.width
        return foretold(self.family, self.parts, drawn).grid

    def _convolutions(self) -> list[Any]:
        """Those that take an image of three channels."""
        modules = [] if self.model is None else list(self.model.modules())
        kinds = [module for module in modules if isinstance(module, torch.nn.Conv2d)]
        return [module for module in kinds if module.in_channels == 3]

    @contextmanager
    def watching(self, sizes: Sequence[Size], samples: int) -> Iterator[TowerInput]:
        """Notes what enters of `samples` questions of images of `sizes`, and what is raised."""
        seen = TowerInput(each=len(sizes), alike=len(set(sizes)) == 1)
        with ExitStack() as stack:
            for handle in self._hooks(seen, [*sizes] * samples):
                stack.enter_context(handle)
            for name in self._wrapped(seen, samples):
                stack.callback(delattr, self.model, name)
            yield seen

    def _hooks(self, seen: TowerInput, grids: Sequence[Size]) -> list[Any]:
        if self.family is None or self.parts is None:

            def entering(module: Any, tensors: Sequence[Any]) -> None:
                if tensors and tensors[0].ndim == 4:
                    count, _, height, width = tensors[0].shape
                    if is_packed((height, width), module.kernel_size):
                        seen.packed = True
                    else:
                        seen.images.append((count, height, width))

            return [module.register_forward_pre_hook(entering) for module in self._convolutions()]
        family, parts = self.family, self.parts
        calls: list[Mapping[str, Any]] = []
        one_question = len(grids) == seen.each

        def before(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            arguments = family.arguments(module, positional, named)
            if seen.finished and one_question:
                looks: list[list[TowerGrid]] = [[] for _ in range(seen.finished - len(seen.again))]
                seen.again.extend(looks)  # a call without a picture among them is one as well
                seen.again[-1].extend(family.pictures(parts, arguments))
                return
            if calls and not family.repeats:
                raise ModelError("the vision tower was run a second time for the same images")
            calls.append(arguments)
            if family.repeats:
                seen.later = lambda: family.received_each(parts, grids, calls)
            else:
                seen.received.extend(family.received_each(parts, grids, calls))

        tower = self.model.get_submodule(family.tower)
        return [tower.register_forward_pre_hook(before, with_kwargs=True)]

    def _wrapped(self, seen: TowerInput, samples: int) -> Iterator[str]:
        """The names of the model's methods that are watched now."""
        for name in GENERATES:
            original = getattr(self.model, name, None)
            if original is None or name in vars(self.model):
                continue

            def watched(*positional: Any, _original: Any = original, **named: Any) -> Any:
                try:
                    output = _original(*positional, **named)
                except Exception as error:
                    seen.raised.append(error)
                    raise
                seen.finished += 1
                read = transcripts(named, output)
                if samples == 1 and seen.finished > 1:
                    seen.transcripts = [as_one(seen.transcripts, read)] if read else []
                    return output
                seen.tokens.extend(self._tokens(named, samples, seen.each))
                seen.transcripts.extend(read)
                return output

            object.__setattr__(self.model, name, watched)
            yield name

    def _tokens(self, inputs: Mapping[str, Any], samples: int, each: int) -> list[int]:
        """Visual tokens of each image among the tensors handed to the language model."""
        if self.family is None or self.parts is None or "input_ids" not in inputs:
            return []
        if each > 1:
            rows = inputs["input_ids"]
            per_row = [self.family.tokens_per_image(self.parts, row, each) for row in rows]
            return [tokens for row in per_row for tokens in row] if len(rows) == samples else []
        counted = self.family.counted_tokens(self.parts, inputs)
        return counted if len(counted) == samples else []


def is_packed(size: tuple[int, int], kernel: Sequence[int]) -> bool:
    """Whether what enters a convolution of patches is patches already, behind or beside each other:
    no higher or no wider than one.

    Example:
        >>> is_packed((14, 14), (14, 14)), is_packed((14, 896), (14, 14))
        (True, True)
        >>> is_packed((56, 28), (14, 14))
        False
    """
    return any(length <= edge for length, edge in zip(size, kernel, strict=True))


def sight_of(base: Any) -> Sight:
    """What can be seen of a base that is built."""
    modules = [value for value in vars(base).values() if isinstance(value, torch.nn.Module)]
    if not modules:
        return Sight(None, None, None)
    model = getattr(modules[0], "module", modules[0])  # as data parallelism wraps it
    processor = next((value for value in vars(base).values() if _is_processor(value)), None)
    config = getattr(model, "config", None)
    if processor is None or config is None:
        return Sight(model, None, None)
    parts = Parts(config, processor)
    try:
        family = family_for(parts)
        model.get_submodule(family.tower)
    except (ModelError, AttributeError):
        return Sight(model, parts, None)
    return Sight(model, parts, family)


def _is_processor(value: Any) -> bool:
    return hasattr(value, "image_processor") and hasattr(value, "tokenizer")
