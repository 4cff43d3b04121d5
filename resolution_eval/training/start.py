"""Where a run starts: a checkpoint that is loaded, or a small model with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch

from resolution_eval.answers.prompts import question_text
from resolution_eval.data.sources import Source
from resolution_eval.ground.errors import ModelError, UsageError, suggest
from resolution_eval.images import decode
from resolution_eval.models.arguments import DTYPES, flag, one_of, refuse_unknown
from resolution_eval.models.families import family_of
from resolution_eval.models.families.checkpoint import load_model, load_parts
from resolution_eval.resolution import NATIVE, PixelResolution, Size, budget_size
from resolution_eval.training.batches import generator
from resolution_eval.training.hf_learner import HFLearner
from resolution_eval.training.learner import Learner
from resolution_eval.training.neighbours import CHANNELS, look_at_neighbours
from resolution_eval.training.plan import TrainingPlan
from resolution_eval.training.pool import ImagePool, ImagePools
from resolution_eval.training.small_models import SMALL, learn_tokenizer, small_model
from resolution_eval.training.whitening import patches_of, whiten

if TYPE_CHECKING:
    from resolution_eval.models.flamingo import FlamingoBundle
    from resolution_eval.training.flamingo_learner import FlamingoLearner

WHITENED = 512
"""Images whose patches a convolution is whitened on."""
ARGUMENTS = (
    *("pretrained", "architecture", "patch"),
    *("dtype", "attn_implementation", "revision", "trust_remote_code"),
)


def load_learner(model: str, given: Mapping[str, str]) -> Learner:
    """The checkpoint `given["pretrained"]`, as the adapter `model` loads it, on the CPU.

    Raises:
        UsageError: an argument is unknown or impossible.
        ModelError: it cannot be loaded.
    """
    refuse_unknown(given, ARGUMENTS, model)
    dtype = getattr(torch, one_of("dtype", given.get("dtype"), DTYPES) or "float32")
    known: dict[str, Any] = {
        "revision": given.get("revision"),
        "trust_remote_code": flag("trust_remote_code", given.get("trust_remote_code", False)),
    }
    if model == "resflamingo":
        from resolution_eval.models.flamingo import load_pretrained
        from resolution_eval.training.flamingo_learner import FlamingoLearner

        return FlamingoLearner(load_pretrained(given["pretrained"], dtype=dtype, **known))
    known = {name: value for name, value in known.items() if value is not None}
    parts = load_parts(given["pretrained"], **known)
    family = family_of(parts.config)
    if not family.continues_prompt(parts):
        raise ModelError(
            f"{given['pretrained']} has an encoder and a decoder of text; only language models "
            "that go on behind their prompt can be trained"
        )
    if given.get("attn_implementation"):
        known["attn_implementation"] = given["attn_implementation"]
    return HFLearner(family, parts, load_model(given["pretrained"], dtype=dtype, **known))


def small_flamingo(plan: TrainingPlan, pools: ImagePools) -> FlamingoLearner:
    """A small Flamingo of random weights by the plan, for the data of `pools`.

    Its tokenizer is learned from the train split's questions and answers; its table of positions
    has the grid of the largest image that it is trained on.

    Raises:
        DataError: the source lacks a train split.
    """
    from resolution_eval.models.flamingo import build
    from resolution_eval.training.flamingo_learner import FlamingoLearner, prompt

    assert plan.architecture is not None
    samples = pools.source.samples("train")
    texts = [prompt(sample) for sample in samples] + [f" {sample.answer}" for sample in samples]
    tokenizer = learn_tokenizer(texts, plan.architecture.vocabulary)
    pool = pools.open("train")
    grids = [grid for r in plan.sampler.resolutions for grid in pool.groups(r)]
    config = plan.architecture.config(max(grids, key=lambda grid: grid.pixels))
    classes = sorted({sample.answer for sample in samples}) if plan.teaching else ()
    bundle = build(config, tokenizer, seed=plan.seed)
    if plan.architecture.neighbours:
        look_at_neighbours(bundle.model.vision_encoder)
    if plan.architecture.whitened:
        _whiten(bundle, plan, pool)
    largest = plan.teaching is not None and plan.teaching.pooled == "max"
    return FlamingoLearner(bundle, classes=classes, seed=plan.seed, largest=largest)


def _whiten(bundle: FlamingoBundle, plan: TrainingPlan, pool: ImagePool) -> None:
    """Whiten the patch convolution on images of the first resolution that is trained at."""
    from resolution_eval.models.flamingo.vision import normalise

    assert plan.architecture is not None
    resolution = plan.sampler.resolutions[0]
    places = pool.draw(resolution, WHITENED, generator("whitening", plan.seed))
    drawn = pool.take(resolution, pool.grid(resolution, places[0]), places)
    whiten(
        bundle.model.vision_encoder.conv1,
        patches_of(normalise(drawn.pixels, bundle.config), bundle.patch),
        spared=CHANNELS if plan.architecture.neighbours else 0,
    )


def small_learner(
    source: Source,
    architecture: str,
    largest: PixelResolution,
    *,
    patch: int,
    seed: int,
    pooled: Literal["mean", "max"] = "mean",
) -> HFLearner:
    """A small model of random weights, `llava` or `qwen2_vl`, for the data of `source`.

    Its tokenizer is learned from the train split's questions and answers. Where it has a table of
    positions, that has the grid of the first image at `largest`.

    Raises:
        UsageError: no such architecture.
        DataError: the source lacks a train split.
    """
    if architecture not in SMALL:
        raise UsageError(f"no small architecture {architecture!r}; {suggest(architecture, SMALL)}")
    samples = source.samples("train")
    texts = [f"{question_text(s.question, s.choices)}\nAnswer:" for s in samples]
    texts += [f" {sample.answer}" for sample in samples]
    if largest == NATIVE:
        first = decode(source.read(samples[0].image)).image
        grid = budget_size(Size(*first.size), NATIVE)
    else:
        grid = Size(largest, largest)
    parts, model = small_model(architecture, texts, grid, patch=patch, seed=seed)
    return HFLearner(
        family_of(parts.config),
        parts,
        model,
        features=SMALL[architecture].features,
        classes=sorted({sample.answer for sample in samples}),
        largest=pooled == "max",
    )
