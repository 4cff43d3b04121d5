"""A Hugging Face checkpoint before the doctor: what its processor makes of images, no weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from PIL.Image import Image

from resolution_eval.diagnosis.diagnosis_rows import (
    QUESTION,
    DiagnosisRow,
    WeightlessCheckpoint,
    new_row,
)
from resolution_eval.ground.errors import UsageError
from resolution_eval.images import DEFAULT_FILTER, resize
from resolution_eval.models.arguments import RESHF, SOURCES, flag, refuse_unknown
from resolution_eval.models.families import Family, Parts, family_for, intended_grid
from resolution_eval.models.families.checkpoint import known_training, load_parts
from resolution_eval.models.families.generic.foreign import FOREIGN, reason_of
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.resolution import PixelResolution, Size, budget_size

SILENT = ("size", "crop_size", "min_pixels", "max_pixels")
"""Settings of an image processor that decide its grid, and that our adapters set by themselves."""


class HuggingFaceCheckpoint(WeightlessCheckpoint):
    """A checkpoint of one of our families."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        refuse_unknown(arguments, RESHF, "reshf")
        if not arguments.get("pretrained"):
            raise UsageError("reshf needs a checkpoint; give pretrained=ID or pretrained=FOLDER")
        self.checkpoint = arguments["pretrained"]
        self._parts: Parts = load_parts(
            self.checkpoint,
            revision=arguments.get("revision", "main"),
            trust_remote_code=flag("trust_remote_code", arguments.get("trust_remote_code", False)),
            **{name: arguments[name] for name in SOURCES if name in arguments},
        )
        self._family: Family = family_for(self._parts)
        self.family = self._family.name
        self.refusal = self._family.refusal(self._parts)
        self.training = known_training(
            self.checkpoint, self._family, self._parts, arguments.get("train_resolution")
        )
        self.ineffective = tuple(self._silent())
        limits = self._family.limits(self._parts)
        self.note(*(f"cannot: {ability}: {reason}" for ability, reason in limits.items()))

    def _silent(self) -> Iterator[str]:
        """Settings of the processor's own that our call replaces."""
        processor = self._parts.processor.image_processor
        for name in SILENT:
            value = getattr(processor, name, None)
            if value is not None:
                yield f"the processor's {name} = {_shown(value)}: the adapter sets the grid"

    def row(self, requested: PixelResolution, stored: Image, scheme: str) -> DiagnosisRow:
        """What an image (RGB) becomes."""
        parts, source = self._parts, Size(*stored.size)
        family = self._family.under(scheme, parts, self.training)
        information = budget_size(source, requested)
        drawn = intended_grid(family, parts, self.training, scheme, information, source)
        expected = foretold(family, parts, drawn)
        rendered = resize(stored, information, DEFAULT_FILTER)
        prompt = family.prompt(parts, QUESTION, image=True)
        settings = family.used_settings(parts, drawn)
        inputs = prepare(family, parts, prompt, resize(rendered, drawn, DEFAULT_FILTER), settings)
        (received,) = family.received(parts, drawn, family.entering(inputs), 1)
        return new_row(
            requested,
            source,
            expected.grid,
            grid=received.grid,
            visual_tokens=family.counted_tokens(parts, inputs)[0],
            tiles=received.tiles,
            match=scheme == "match" and received.grid == expected.grid,
            expected_tokens=expected.tokens if received.grid == expected.grid else None,
            processor_alone=self._alone(prompt, rendered),
        )

    def _alone(self, prompt: str, rendered: Image) -> int | None:
        """Visual tokens by the processor alone; None where it refuses the image, as a note says."""
        family, parts = self._family, self._parts
        try:
            alone = prepare(family, parts, prompt, rendered, family.own_settings(parts))
        except FOREIGN as error:
            self.note(f"the processor alone takes no such image ({reason_of(error)})")
            return None
        return family.counted_tokens(parts, alone)[0]


def _shown(value: Any) -> Any:
    """A setting without the keys that are not set."""
    if not hasattr(value, "items"):
        return value
    return {key: number for key, number in value.items() if number is not None}
