"""What a sweep would do to a checkpoint's grid, found from configuration and processor alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

from resolution_eval.diagnosis.diagnosis_rows import (
    Diagnosis,
    DiagnosisRow,
    WeightlessCheckpoint,
    new_row,
    noise,
)
from resolution_eval.evidence.ladder import spelled
from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.models.arguments import RESFLAMINGO, declared_training, refuse_unknown
from resolution_eval.resolution import (
    NATIVE,
    PixelResolution,
    Size,
    ascending,
    budget_size,
    patch_size_fit,
    restored_size,
    training_size,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from resolution_eval.models.providers import Forecast

ASPECTS = ((1, 1), (3, 2), (1, 2))
"""Width to height of the images that are tried."""


def diagnose(
    model: str, arguments: Mapping[str, str], sizes: Sequence[PixelResolution]
) -> Diagnosis:
    """Push images of several aspect ratios through the checkpoint's processor at each size.

    `arguments` are those of `--model_args`.

    Raises:
        UsageError: the model or an argument is unknown.
        ModelError: configuration or processor cannot be loaded.
    """
    if model not in CHECKPOINTS:
        raise UsageError(f"the doctor knows no model {model!r}; {suggest(model, CHECKPOINTS)}")
    if not sizes:
        raise UsageError("the doctor needs sizes; give --sizes 28,64,224")
    asked = arguments.get("scheme", "match")
    if asked not in ("match", "restore"):
        raise UsageError(f"scheme={asked!r} is impossible; {suggest(asked, ('match', 'restore'))}")
    with closing(CHECKPOINTS[model](arguments)) as weightless:
        return _examine(model, weightless, asked, sorted(set(sizes), key=ascending))


def _examine(
    model: str, weightless: WeightlessCheckpoint, asked: str, sizes: Sequence[PixelResolution]
) -> Diagnosis:
    refusal = weightless.refusal if asked == "match" else None
    scheme = "restore" if refusal else asked
    images = [noise(source) for source in _sources(sizes)]
    rows = tuple(weightless.row(size, image, scheme) for image in images for size in sizes)
    flat = () if scheme == "restore" else tuple(_flat(rows))
    agree = all(row.agrees and row.counts for row in rows)
    return Diagnosis(
        model=model,
        checkpoint=weightless.checkpoint,
        family=weightless.family,
        training=str(weightless.training),
        scheme=scheme,
        refusal=refusal,
        rows=rows,
        ineffective=weightless.ineffective,
        notes=weightless.notes,
        flat=flat,
        ok=agree and not flat and refusal is None,
    )


def _sources(sizes: Sequence[PixelResolution]) -> list[Size]:
    """Images as large as the largest size; with `native`, of twice its edge."""
    numbers = [size for size in sizes if isinstance(size, int)] or [224]
    edge = max(numbers) * (2 if NATIVE in sizes else 1)
    return [restored_size(Size(*aspect), edge) for aspect in ASPECTS]


def _flat(rows: Sequence[DiagnosisRow]) -> Iterator[str]:
    for first, second in pairwise(rows):
        if first.source != second.source:
            continue
        where = f"{first.requested} and {second.requested} at aspect {first.aspect}"
        forecast, both = first.forecast, first.seen
        if forecast is not None and not forecast.by_size and forecast == second.forecast:
            yield f"{where}: {forecast.told}, whatever the size"
        elif both and both == second.seen and first.information != second.information:
            yield f"{where}: both {both[0]}x{both[1]}"


class _Flamingo(WeightlessCheckpoint):
    """OpenFlamingo: any grid of whole patches."""

    family = "openflamingo"

    def __init__(self, arguments: Mapping[str, str]) -> None:
        from resolution_eval.models.flamingo.pretrained import describe

        refuse_unknown(arguments, RESFLAMINGO, "resflamingo")
        described = describe(arguments.get("pretrained"))
        self.checkpoint, self._patch = described.identity, described.patch
        self.training = declared_training(arguments.get("train_resolution"), described.training)

    def row(self, requested: PixelResolution, stored: Image, scheme: str) -> DiagnosisRow:
        source = Size(*stored.size)
        information = budget_size(source, requested)
        wanted = information if scheme == "match" else training_size(self.training, source)
        grid = patch_size_fit(wanted, self._patch)
        return new_row(
            requested,
            source,
            (grid.height, grid.width),
            grid=(grid.height, grid.width),
            visual_tokens=(grid.height // self._patch) * (grid.width // self._patch),
            tiles=None,
            match=scheme == "match",
            processor_alone=None,
        )


def _huggingface(arguments: Mapping[str, str]) -> WeightlessCheckpoint:
    from resolution_eval.diagnosis.hf_checkpoint import HuggingFaceCheckpoint

    return HuggingFaceCheckpoint(arguments)


def _wrapped(arguments: Mapping[str, str]) -> WeightlessCheckpoint:
    from resolution_eval.diagnosis.wrapped_base import WrappedBase

    return WrappedBase(arguments)


CHECKPOINTS: dict[str, Callable[[Mapping[str, str]], WeightlessCheckpoint]] = {
    "resflamingo": _Flamingo,
    "reshf": _huggingface,
    "reswrap": _wrapped,
}
"""Models that the doctor knows, by the name that `lmms-eval --model` gives them."""


def report(diagnosis: Diagnosis, price: float | None = None) -> str:
    """The diagnosis as text; `price` is that of a million prompt tokens of a server."""
    from tabulate import tabulate

    table = [
        {
            "requested": row.requested,
            "aspect": row.aspect,
            "information (w x h)": "x".join(map(str, row.information)),
            "grid (h x w)": "x".join(map(str, row.grid)) if row.grid else "unattested",
            "sent (h x w)": "x".join(map(str, row.sent)) if row.sent else None,
            "images": row.tiles or 1,
            **_predicted(row.forecast, price),
            "visual tokens": row.visual_tokens,
            "match": "yes" if row.match else "no",
            "processor alone": row.processor_alone,
        }
        for row in diagnosis.rows
    ]
    head = (
        f"{diagnosis.checkpoint}: {diagnosis.family}, trained at {diagnosis.training}, "
        f"scheme {diagnosis.scheme}"
    )
    empty = [name for name in table[0] if all(line[name] is None for line in table)]
    shown = [{name: line[name] for name in line if name not in empty} for line in table]
    return "\n".join((head, tabulate(shown, headers="keys", missingval="-"), *_notes(diagnosis)))


def _predicted(forecast: Forecast | None, price: float | None) -> dict[str, str | None]:
    """What the rule leaves of an image, if one names the model, and money for a thousand such: for
    the most image tokens that agree with it.
    """
    columns = ("predicted (w x h)", "predicted tokens", "1,000 images cost")
    if forecast is None:
        return dict.fromkeys(columns)
    size, tokens = forecast.size, forecast.tokens
    left = forecast.refused or ("unknown" if size is None else str(size))
    cost = None if price is None or tokens is None else f"{tokens[1] * price / 1000:.2f}"
    told = (left, "unknown" if tokens is None else spelled(tokens), cost)
    return dict(zip(columns, told, strict=True))


def _notes(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.refusal is not None:
        yield f"match is impossible: {diagnosis.refusal}; shown and offered: scheme=restore"
    yield from (f"does nothing: {text}" for text in diagnosis.ineffective)
    yield from diagnosis.notes
    yield from (f"flat: {text}" for text in diagnosis.flat)
    yield from (
        f"mismatched: {row.requested} at aspect {row.aspect} enters at {row.seen}, "
        f"not {row.expected_grid}"
        for row in diagnosis.rows
        if not row.agrees
    )
    yield from (
        f"miscounted: {row.requested} at aspect {row.aspect}: {row.visual_tokens} image tokens in "
        f"the prompt where its grid makes {row.expected_tokens}; look at patch_size, "
        "num_additional_image_tokens and vision_feature_select_strategy in processor_config.json"
        for row in diagnosis.rows
        if not row.counts
    )
    unseen = all(row.grid is None for row in diagnosis.rows)
    if diagnosis.ok and unseen and any(row.forecast is not None for row in diagnosis.rows):
        yield "predicted by a rule, attested by nothing: a run counts, where the server says what"
    elif diagnosis.ok and unseen:
        yield "every image is sent at the size asked for; what the server makes of it nobody sees"
    elif diagnosis.ok:
        yield "every grid is the expected one, and none is flat"
