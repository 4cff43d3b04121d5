"""A checkpoint's parts without its weights, and what is said of an image that enters it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest.mock import patch


class Parts(NamedTuple):
    """A checkpoint without its weights."""

    config: Any
    processor: Any
    plain: bool = False
    """Whether its questions are asked without a chat template, as it was told."""


@dataclass(frozen=True, kw_only=True)
class TowerGrid:
    """What entered a vision tower, per sample, read from its input tensors."""

    grid: tuple[int, int]
    """Height and width in pixels; of tiles, the area that they cover together."""
    images: int = 1
    """Images of a sample: its tiles, a thumbnail included."""

    @property
    def tiles(self) -> int | None:
        """The same, where it is cut; None where it is not."""
        return None if self.images == 1 else self.images


@dataclass(frozen=True)
class ForetoldGrid:
    """What should enter a tower of one image."""

    grid: tuple[int, int]
    """Height and width in pixels."""
    tokens: int
    """Visual tokens before the language model."""
    images: int = 1


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """How processor and configuration must be set for one grid."""

    call: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the processor's call."""
    processor: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the processor; "image_processor.size" is its image processor's."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the configuration; "vision_config.image_size" is its vision tower's."""

    @contextmanager
    def applied(self, parts: Parts) -> Iterator[None]:
        """Sets the attributes, and gives them their own values back."""
        with ExitStack() as stack:
            for root, changes in ((parts.processor, self.processor), (parts.config, self.config)):
                for path, value in changes.items():
                    stack.enter_context(patch.object(*_owner(root, path), value))
            yield


def _owner(root: Any, path: str) -> tuple[Any, str]:
    *names, last = path.split(".")
    for name in names:
        root = getattr(root, name)
    return root, last
