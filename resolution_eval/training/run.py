"""One training run, from a data set and a plan to a checkpoint folder."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from resolution_eval.flamingo import FlamingoBundle, build, save_folder
from resolution_eval.resolution import Resolution, label
from resolution_eval.sources import Source
from resolution_eval.training.answers import accuracy, prompt
from resolution_eval.training.examples import Examples, Shelf, count, largest_grid, load
from resolution_eval.training.plan import TrainingPlan
from resolution_eval.training.stages import join_language, teach_encoder
from resolution_eval.training.tokenizer import learn_tokenizer

TRAIN_SCORED = 480
"""How many training samples the training accuracy is measured on."""
PACKAGES = ("resolution-eval", "torch", "transformers", "open-clip-torch", "open-flamingo")


@dataclass(frozen=True, kw_only=True)
class TrainedSummary:
    """What a training run made, and how good it is."""

    folder: Path
    bundle: FlamingoBundle
    accuracy: dict[str, dict[str, float]]
    """Per split, per resolution of training: fraction of samples answered rightly."""
    samples: dict[str, int]
    """Per split, the number of samples that its accuracy comes from."""
    seconds: float
    """Wall time of both stages."""
    processor_seconds: float
    """Processor time of both stages, over all threads: what a shared machine does not change."""
    samples_per_second: float
    """Training samples seen, over the wall time."""


def train(
    plan: TrainingPlan,
    source: Source,
    output: Path | str,
    *,
    shelf: Shelf | None = None,
    progress: bool = True,
) -> TrainedSummary:
    """Train a small Flamingo on `source` from scratch, and write it to the folder `output`.

    The folder is one that `load_folder` and `resflamingo` take; its `extra` holds the plan, the
    data's fingerprint, versions, wall time and the accuracy on each split. Equal plan, data,
    versions, machine and number of threads give equal weights. Runs that share a `shelf` render
    each image once.

    Raises:
        DataError: the source lacks a train, val or test split.
        TrainingError: the loss is no number.
    """
    shelf = shelf or Shelf(source, plan.architecture.patch, plan.filter)
    data = shelf.load("train", plan.resolutions, progress=progress)
    bundle = untrained(plan, source, data)
    start, started = time.perf_counter(), time.process_time()
    bundle.model.train()
    losses = [
        stage(bundle, plan, data, progress=progress) for stage in (teach_encoder, join_language)
    ]
    seconds, spent = time.perf_counter() - start, time.process_time() - started
    bundle.model.to(getattr(torch, plan.stored)).float().eval()
    scored = dict(_scored(bundle, plan, shelf, progress))
    seen = plan.encoder.steps * plan.encoder.batch + plan.joint.steps * plan.joint.batch
    summary = TrainedSummary(
        folder=Path(output),
        bundle=bundle,
        accuracy={split: found for split, (found, _) in scored.items()},
        samples={split: number for split, (_, number) in scored.items()},
        seconds=seconds,
        processor_seconds=spent,
        samples_per_second=seen / seconds,
    )
    final = {part.name: sum(part.values[-20:]) / 20 for part in losses if part.values}
    save_folder(
        bundle,
        output,
        training=plan.declaration,
        strategy=plan.strategy,
        dtype=getattr(torch, plan.stored),
        extra=_description(plan, source, summary) | {"final_loss": final},
    )
    return summary


def untrained(
    plan: TrainingPlan, source: Source, data: Mapping[Resolution, Examples]
) -> FlamingoBundle:
    """The Flamingo that the plan starts from: random weights, a tokenizer of the task's text."""
    samples = source.samples("train")
    texts = [prompt(sample) for sample in samples] + [f" {sample.answer}" for sample in samples]
    tokenizer = learn_tokenizer(texts, plan.architecture.vocabulary)
    config = plan.architecture.config(largest_grid(data))
    return build(config, tokenizer, seed=plan.seed)


def save_untrained(
    plan: TrainingPlan, source: Source, output: Path | str, *, shelf: Shelf | None = None
) -> Path:
    """Write the Flamingo that the plan starts from; the folder.

    Raises:
        DataError: the source lacks a train split.
    """
    shelf = shelf or Shelf(source, plan.architecture.patch, plan.filter)
    bundle = untrained(plan, source, shelf.load("train", plan.resolutions, progress=False))
    extra = {"recipe": plan.model_dump(mode="json"), "untrained": True}
    return save_folder(bundle, output, training="unknown", strategy="none", extra=extra)


def _scored(
    bundle: FlamingoBundle, plan: TrainingPlan, shelf: Shelf, progress: bool
) -> Iterator[tuple[str, tuple[dict[str, float], int]]]:
    """Per split, its accuracy at every resolution of training, and the number of samples."""
    for split, limit in (("train", TRAIN_SCORED), ("val", None), ("test", None)):
        data = shelf.load(split, plan.resolutions, limit=limit, progress=progress)
        found = {label(r): accuracy(bundle, examples) for r, examples in data.items()}
        yield split, (found, max(map(count, data.values())))


def _description(plan: TrainingPlan, source: Source, summary: TrainedSummary) -> dict[str, Any]:
    """What the checkpoint's folder says of its training."""
    return {
        "recipe": plan.model_dump(mode="json"),
        "data": {
            "source": source.name,
            "revision": source.revision,
            "fingerprint": source.fingerprint,
        },
        "accuracy": summary.accuracy,
        "samples": summary.samples,
        "seconds": round(summary.seconds, 1),
        "processor_seconds": round(summary.processor_seconds, 1),
        "samples_per_second": round(summary.samples_per_second, 1),
        "versions": _versions(PACKAGES),
        "machine": platform.machine(),
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def sweep(
    bundle: FlamingoBundle,
    source: Source,
    resolutions: Sequence[Resolution],
    *,
    split: str = "test",
    filter: str = "bicubic",
    progress: bool = True,
) -> dict[Resolution, float]:
    """Accuracy of a checkpoint on a split at each inference resolution, scheme `match`."""
    data = load(source, split, resolutions, patch=bundle.patch, filter=filter, progress=progress)
    return {resolution: accuracy(bundle, examples) for resolution, examples in data.items()}
