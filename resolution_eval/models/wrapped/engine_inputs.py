"""Processed inputs of an engine in this process, vLLM's, whose model no hook of ours can reach.

Its encoder runs in a process of its own; what is read here is what the engine hands to it: the
placeholders of each image in the prompt, and the tensors that its processor made. That is no tensor
entering an encoder, and is called *counted* at most.

Written against vLLM 0.33.0 (`vllm.v1.engine.input_processor.InputProcessor.process_inputs`,
`vllm.v1.engine.EngineCoreRequest`, `vllm.multimodal.inputs.MultiModalFeatureSpec`), and compared
with its source on 2026-11-28.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

PLACEHOLDERS = "placeholders of the engine's processed inputs"
"""`ServerFacts.counted_by` of a count that was read here."""
WATCH = "_resolution_eval_watch"
"""Attribute of an engine under which its watch is kept: it knows sizes of images seen before."""


@dataclass(frozen=True)
class EngineInput:
    """What an engine made of one question."""

    tokens: tuple[int, ...]
    """Placeholders of each image, in the prompt's order."""
    sizes: tuple[tuple[int, int] | None, ...]
    """Width and height in pixels of each image; None where its tensors do not tell."""


class EngineWatch:
    """Reads what the engine of a base makes of each question."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._known: dict[str, tuple[int, int]] = {}
        """Sizes by the digest of an image: of one that was shown before, no tensors are made."""
        self.inputs: list[EngineInput] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notes every question that is processed meanwhile."""
        self.inputs = []
        processor = self._engine.input_processor
        original = processor.process_inputs

        def noting(*positional: Any, **named: Any) -> Any:
            request = original(*positional, **named)
            self.inputs.append(self._read(request))
            return request

        with patch.object(processor, "process_inputs", noting):
            yield

    def of(self, place: int, questions: int) -> EngineInput | None:
        """That of a question, by its place; None where the engine processed more or fewer."""
        return self.inputs[place] if len(self.inputs) == questions else None

    def _read(self, request: Any) -> EngineInput:
        shown = [each for each in request.mm_features or () if each.modality == "image"]
        return EngineInput(
            tuple(int(each.mm_position.get_num_embeds()) for each in shown),
            tuple(self._size(each) for each in shown),
        )

    def _size(self, feature: Any) -> tuple[int, int] | None:
        held = {} if feature.data is None else feature.data.get_data()
        size = size_of(held, self._patch())
        if size is not None and feature.mm_hash is not None:
            self._known[feature.mm_hash] = size
        return size or self._known.get(feature.mm_hash or "")

    def _patch(self) -> int | None:
        """Edge in pixels of the patches that grids are counted in."""
        config = getattr(getattr(self._engine, "model_config", None), "hf_config", None)
        edge = getattr(getattr(config, "vision_config", None), "patch_size", None)
        edge = edge[0] if isinstance(edge, Sequence) and edge else edge
        return edge if isinstance(edge, int) else None


def size_of(held: Mapping[str, Any], patch: int | None) -> tuple[int, int] | None:
    """Width and height in pixels, by the tensors of one image: its grid in patches of `patch`
    pixels, or its pixels where they are one image and no tiles.
    """
    grid, pixels = held.get("image_grid_thw"), held.get("pixel_values")
    if grid is not None and patch is not None and getattr(grid, "numel", lambda: 0)() == 3:
        _, high, wide = (int(number) for number in grid.flatten())
        return wide * patch, high * patch
    shape = tuple(getattr(pixels, "shape", ()))
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    return (int(shape[2]), int(shape[1])) if len(shape) == 3 and shape[0] == 3 else None


def engine_watch(base: Any) -> EngineWatch | None:
    """Reads the inputs of the engine of `base` here; None where none is, or none that lets it."""
    engine = getattr(getattr(base, "client", None), "llm_engine", None)
    if not hasattr(getattr(engine, "input_processor", None), "process_inputs"):
        return None
    kept: EngineWatch = vars(engine).setdefault(WATCH, EngineWatch(engine))
    return kept
