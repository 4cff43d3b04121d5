"""The two stages: the encoder learns the classes, then the language model learns to answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from resolution_eval.errors import ResolutionEvalError
from resolution_eval.flamingo import FlamingoBundle, encode
from resolution_eval.flamingo.vision import patch_tokens
from resolution_eval.resolution import Resolution
from resolution_eval.sources import Sample
from resolution_eval.training.answers import answer_loss
from resolution_eval.training.examples import (
    ExampleBatch,
    Examples,
    augment,
    draw_batch,
    normalise,
)
from resolution_eval.training.plan import Stage, TrainingPlan

Data = Mapping[Resolution, Examples]
Loss = Callable[[ExampleBatch], Tensor]


class TrainingError(ResolutionEvalError):
    """The loss is no number: training cannot go on."""


@dataclass(frozen=True)
class Losses:
    """The loss of every step of one stage, in nats."""

    name: str
    values: tuple[float, ...]


def teach_encoder(
    bundle: FlamingoBundle, plan: TrainingPlan, data: Data, *, progress: bool = True
) -> Losses:
    """First stage: the vision encoder learns to tell the answers apart.

    A linear head over the mean of the patch tokens has one output per answer in `data`; it is
    thrown away. Without this stage a small Flamingo hardly learns to look, and with the head over
    the perceiver's latents instead it learns the coarse classes only.
    """
    names = sorted({sample.answer for sample in _samples(data)})
    places = {name: place for place, name in enumerate(names)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        head = nn.Linear(bundle.config.vision["width"], len(names)).to(bundle.device)

    def loss(batch: ExampleBatch) -> Tensor:
        pixels = normalise(batch.pixels, bundle.config).to(bundle.device)
        wanted = torch.tensor([places[sample.answer] for sample in batch.samples])
        found = head(patch_tokens(bundle, pixels).mean(1))
        return functional.cross_entropy(found, wanted.to(bundle.device))

    parts = (bundle.model.vision_encoder, head)
    trained = [parameter for part in parts for parameter in part.parameters()]
    how = _Optimisation("encoder", plan.encoder, plan.average, plan.fused)
    return _optimise(how, trained, loss, _batches(plan, data, 1), progress)


def join_language(
    bundle: FlamingoBundle, plan: TrainingPlan, data: Data, *, progress: bool = True
) -> Losses:
    """Second stage: all parameters that the plan does not freeze learn the answers' tokens."""
    trained = [
        parameter
        for name, parameter in bundle.model.named_parameters()
        if not name.startswith(plan.frozen)
    ]
    looks = any(not name.startswith(plan.frozen) for name in _vision_names(bundle))

    def loss(batch: ExampleBatch) -> Tensor:
        encoded = encode(bundle, normalise(batch.pixels, bundle.config), train=looks)
        return answer_loss(bundle, encoded, batch.samples)

    how = _Optimisation("joint", plan.joint, plan.average, plan.fused)
    return _optimise(how, trained, loss, _batches(plan, data, 2), progress)


def _vision_names(bundle: FlamingoBundle) -> list[str]:
    return [f"vision_encoder.{name}" for name, _ in bundle.model.vision_encoder.named_parameters()]


def _samples(data: Data) -> Iterator[Sample]:
    for examples in data.values():
        for group in examples:
            yield from group.samples


def _batches(plan: TrainingPlan, data: Data, stage: int) -> Callable[[int], ExampleBatch]:
    """Draws a batch of the given size: one resolution by the plan's weights, then its samples."""
    random = torch.Generator().manual_seed(1000 * plan.seed + stage)
    weights = torch.tensor([weight for _, weight in plan.shares])

    def batch(size: int) -> ExampleBatch:
        place = int(torch.multinomial(weights, 1, generator=random))
        drawn = draw_batch(data[plan.shares[place][0]], size, random)
        return ExampleBatch(drawn.samples, augment(drawn.pixels, plan.augmentation, random))

    return batch


@dataclass(frozen=True)
class _Optimisation:
    """How one stage's weights are found: its name, and what the plan says of it."""

    name: str
    stage: Stage
    average: float
    fused: bool


def _optimise(
    how: _Optimisation,
    trained: Sequence[nn.Parameter],
    loss: Loss,
    batches: Callable[[int], ExampleBatch],
    progress: bool,
) -> Losses:
    """Run one stage over the parameters `trained`; the loss of every step.

    Raises:
        TrainingError: a loss is not finite; step and batch are named.
    """
    stage = how.stage
    groups = by_decay(trained, stage.weight_decay)
    optimiser = torch.optim.AdamW(groups, lr=stage.rate, fused=how.fused)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(stage, step))
    average = Average(trained, how.average) if how.average else None
    values = []
    with trange(stage.steps, desc=f"training ({how.name})", disable=not progress) as steps:
        for step in steps:
            batch = batches(stage.batch)
            value = loss(batch)
            values.append(_finite(value, how.name, step, batch))
            optimiser.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, stage.clip)
            optimiser.step()
            schedule.step()
            if average:
                average.add(step)
            if step % 10 == 0:
                steps.set_postfix(loss=f"{values[-1]:.3f}")
    if average:
        average.put()
    return Losses(how.name, tuple(values))


class Average:
    """An average of parameters over the steps of training, the later steps weighing more."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self._parameters, self._decay = parameters, decay
        self._mean = [parameter.detach().clone() for parameter in parameters]

    def add(self, step: int) -> None:
        """Count the parameters in as they are after `step` (from 0)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mean, parameter in zip(self._mean, self._parameters, strict=True):
            mean.lerp_(parameter.detach(), 1 - decay)

    def put(self) -> None:
        """Give the parameters their averages."""
        with torch.no_grad():
            for mean, parameter in zip(self._mean, self._parameters, strict=True):
                parameter.copy_(mean)


def rate(stage: Stage, step: int) -> float:
    """Learning rate at `step` (from 0), as a fraction of the stage's largest.

    Example:
        >>> [round(rate(Stage(steps=6, warmup=2), step), 2) for step in range(6)]
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < stage.warmup:
        return (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def by_decay(trained: Sequence[nn.Parameter], decay: float) -> list[dict[str, object]]:
    """Parameter groups: matrices decay, vectors and scalars do not."""
    matrices = [parameter for parameter in trained if parameter.dim() > 1]
    others = [parameter for parameter in trained if parameter.dim() <= 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _finite(value: Tensor, name: str, step: int, batch: ExampleBatch) -> float:
    number = float(value.detach())
    if math.isfinite(number):
        return number
    ids = ", ".join(sample.id for sample in batch.samples)
    raise TrainingError(
        f"the loss is {number} at step {step} of the stage {name}; lower its rate, or look at the "
        f"batch: {ids}"
    )
