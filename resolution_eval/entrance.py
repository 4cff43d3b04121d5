"""An entrance: what enters a checkpoint's vision encoder for one image at one resolution."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolution_eval.diagnosis.diagnosis_rows import QUESTION, EncoderInput, sizes_of
from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.resolution import (
    PixelResolution,
    Size,
    TrainingResolution,
    budget_size,
    parse_pixels,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from resolution_eval.models.families import Family, Parts

SCHEMES = ("match", "restore")
FORETOLD = {
    "reshf": "tensors that the checkpoint's own processor makes; no weights were loaded",
    "resflamingo": "arithmetic on the configuration (whole patches); no tensor was made",
    "reswrap": "what the base's own code hands to a model without weights, or sends",
}
"""Where grid and tokens are read without weights, by adapter."""


@dataclass(frozen=True, kw_only=True)
class Entrance(EncoderInput):
    """What one image becomes at one resolution, and how that is known."""

    scheme: str
    attested: bool
    """Whether the grid was read from tensors on their way into the encoder of a loaded model; else
    it is what would enter."""
    evidence: str
    """Where grid and tokens were read."""

    @property
    def matches(self) -> bool | None:
        """Whether the grid is the expected one; None where nobody can look."""
        return None if self.grid is None else self.grid == self.expected_grid


def attest(
    model: Any,
    image: Image | str | PathLike[str],
    r: PixelResolution | str,
    *,
    scheme: str = "match",
    processor: Any = None,
    adapter: str = "reshf",
    **arguments: str,
) -> Entrance:
    """What `model`'s vision encoder receives of `image` at the inference resolution `r`.

    `model` is a checkpoint's folder or id, of which no weights are loaded: the answer is what would
    enter. Or it is a loaded model of transformers, with its `processor`: one token is generated,
    and the answer is what entered. `arguments` are more of `--model_args` (train_resolution, say),
    of which a loaded model takes `train_resolution` alone.

    Raises:
        UsageError: an argument is impossible, or the grid cannot follow the resolution.
        ModelError: configuration or processor cannot be loaded, or no image entered.
        ImageError: the image cannot be decoded.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"scheme={scheme!r} is impossible; {suggest(scheme, SCHEMES)}")
    requested, stored = parse_pixels(r), _decoded(image)
    if isinstance(model, str | PathLike):
        if processor is not None:
            arguments = {**arguments, "processor": str(processor)}
        return _foretold(str(model), stored, requested, scheme, adapter, arguments)
    if processor is None:
        raise UsageError("a loaded model needs its processor; give processor=")
    training = arguments.pop("train_resolution", "unknown")
    if arguments:
        raise UsageError(f"a loaded model takes no {', '.join(arguments)}; name its folder instead")
    return _entered(model, processor, stored, requested, scheme, TrainingResolution.parse(training))


def _decoded(image: Image | str | PathLike[str]) -> Image:
    if isinstance(image, str | PathLike):
        from resolution_eval.images import decode

        return decode(Path(image).read_bytes()).image
    if image.mode != "RGB":
        raise UsageError(
            f"the image is of mode {image.mode!r}, and how it becomes RGB decides what is seen; "
            "name its file, or give image.convert('RGB')"
        )
    return image


def _foretold(
    checkpoint: str,
    stored: Image,
    requested: PixelResolution,
    scheme: str,
    adapter: str,
    arguments: dict[str, str],
) -> Entrance:
    from resolution_eval.diagnosis.examination import CHECKPOINTS

    if adapter not in CHECKPOINTS:
        raise UsageError(f"no adapter {adapter!r}; {suggest(adapter, CHECKPOINTS)}")
    with closing(CHECKPOINTS[adapter]({"pretrained": checkpoint, **arguments})) as weightless:
        if scheme == "match" and weightless.refusal is not None:
            raise UsageError(
                f"scheme=match is impossible for {checkpoint}: {weightless.refusal}; use "
                "scheme=restore"
            )
        row = weightless.row(requested, stored, scheme)
    shared = {field.name: getattr(row, field.name) for field in fields(EncoderInput)}
    return Entrance(scheme=scheme, attested=False, evidence=FORETOLD[adapter], **shared)


def _entered(
    model: Any,
    processor: Any,
    stored: Image,
    requested: PixelResolution,
    scheme: str,
    training: TrainingResolution,
) -> Entrance:
    from resolution_eval.ground.errors import ModelError
    from resolution_eval.images import DEFAULT_FILTER, resize
    from resolution_eval.models.families import family_for, intended_grid
    from resolution_eval.models.families.family_base import EVIDENCE
    from resolution_eval.models.families.own_processor import foretold
    from resolution_eval.models.families.parts import Parts

    parts, source = Parts(model.config, processor), Size(*stored.size)
    family = family_for(parts).under(scheme, parts, training)
    information = budget_size(source, requested)
    drawn = intended_grid(family, parts, training, scheme, information, source)
    shown = resize(resize(stored, information, DEFAULT_FILTER), drawn, DEFAULT_FILTER)
    seen, tokens = _watched(model, family, parts, shown)
    if len(seen) != 1:
        raise ModelError(f"{len(seen)} images entered the vision encoder of one that was shown")
    return Entrance(
        **sizes_of(requested, source, foretold(family, parts, drawn).grid),
        scheme=scheme,
        grid=seen[0].grid,
        visual_tokens=tokens,
        tiles=seen[0].tiles,
        attested=True,
        evidence=EVIDENCE,
    )


def _watched(model: Any, family: Family, parts: Parts, shown: Image) -> tuple[Any, int]:
    """What entered while the model wrote one token, and how many visual tokens it was given."""
    import torch

    from resolution_eval.models.families.inputs import collate, prepare
    from resolution_eval.models.families.tower_hooks import watched

    inputs = prepare(family, parts, family.prompt(parts, QUESTION, image=True), shown)
    batch = {
        name: tensor.to(model.device, model.dtype if tensor.is_floating_point() else None)
        for name, tensor in collate(family, [inputs], 0).items()
    }
    with watched(family, parts, model, [Size(*shown.size)]) as seen, torch.inference_mode():
        model.generate(**batch, max_new_tokens=1, do_sample=False)
    return seen, family.counted_tokens(parts, batch)[0]
