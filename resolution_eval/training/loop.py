"""The training loop, on accelerate: the same in one process, in several, and sharded."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resolution_eval.ground.errors import ModelError, ResolutionEvalError
from resolution_eval.ground.files import replace
from resolution_eval.ground.notation import json_value
from resolution_eval.resolution import label
from resolution_eval.training.batches import Share, draw_share, generator
from resolution_eval.training.learner import IGNORED, Learner, TrainBatch, answer_loss
from resolution_eval.training.optimisation import Average, rate
from resolution_eval.training.plan import TrainingPlan
from resolution_eval.training.pool import ImageBatch, ImagePool
from resolution_eval.training.step_cost import Meter
from resolution_eval.training.trainable import rest


class TrainingError(ResolutionEvalError):
    """The loss or the gradient is no number: training cannot go on."""


@dataclass(frozen=True, eq=False)
class Trainer:
    """What a run works with: the plan, the model as accelerate wrapped it, and the data."""

    plan: TrainingPlan
    learner: Learner
    accelerator: Any
    wrapped: nn.Module
    optimiser: Any
    pool: ImagePool
    average: Average | None = None

    def enter(self, step: int) -> None:
        """Begin the stage that `step` belongs to, or come back to it."""
        teaching = self.plan.teaching
        if teaching is not None and step >= self.plan.alone:
            rest(self.learner.model, teaching.rests)
        if self.average is not None:
            self.average.begin(self.trained)

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.wrapped.parameters() if p.requires_grad]

    def step(self, step: int, meter: Meter) -> dict[str, Any]:
        """Take one step; what the log keeps of it.

        Raises:
            TrainingError: the loss or the gradient is no number; nothing was changed by this step.
        """
        self._seed(step)
        begun, worked = time.perf_counter(), time.process_time()
        shares = [
            draw_share(self.plan, self.pool, (step, place), self._rank, self._world)
            for place in range(self.plan.accumulate)
        ]
        batches = [_idled(self.learner.batch(share.drawn), share.idle) for share in shares]
        tokens = sum(int((batch.labels != IGNORED).sum()) for batch in batches)
        samples = sum(0 if share.idle else len(share.drawn.samples) for share in shares)
        counts = self.totals([tokens, samples])
        stage, place = self.plan.stage(step)
        learning_rate = stage.rate * rate(stage, place)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.param_groups[0]["weight_decay"] = stage.weight_decay  # the matrices'
        losses, rows, norm = {"answer": 0.0, "head": 0.0}, [], None
        for share, batch in zip(shares, batches, strict=True):
            with self.accelerator.accumulate(self.wrapped):
                meter.start()
                parts = self._pass(step, share, batch, counts)
                norm = self._clipped(step, shares)
                seconds, peak = meter.stop()
                self.optimiser.step()
                self.optimiser.zero_grad()
            for name, value in parts.items():
                losses[name] += value
            row = _row(share, batch, seconds, peak)
            rows.append(row | {"encoder_only": True} if self._encoder_only(step) else row)
        if self.average is not None:
            self.average.add(place)
            if place + 1 == stage.steps:
                self.average.put()
        return {
            "step": step,
            **({"loss": losses["answer"]} if not self._encoder_only(step) else {}),
            **({"head_loss": losses["head"]} if self.plan.teaching else {}),
            "rate": learning_rate,
            "norm": norm,
            "seconds": time.perf_counter() - begun,
            "processor_seconds": time.process_time() - worked,
            "batches": rows,
        }

    @property
    def _rank(self) -> int:
        return int(self.accelerator.process_index)

    @property
    def _world(self) -> int:
        return int(self.accelerator.num_processes)

    def _encoder_only(self, step: int) -> bool:
        return step < self.plan.alone

    def _seed(self, step: int) -> None:
        """Dropout follows from seed, step and process, so that a resumed run repeats it."""
        torch.manual_seed(generator(self.plan.seed, "dropout", step, self._rank).initial_seed())

    def totals(self, numbers: Sequence[float]) -> list[float]:
        """The sums over all processes."""
        own = torch.tensor(numbers, dtype=torch.float64, device=self.accelerator.device)
        total: list[float] = self.accelerator.reduce(own, "sum").tolist()
        return total

    def _pass(
        self, step: int, share: Share, batch: TrainBatch, counts: Sequence[float]
    ) -> dict[str, float]:
        """Forward and backward of one batch; its part of the step's losses."""
        tokens, samples = counts
        alone, teaching = self._encoder_only(step), self.plan.teaching
        with self.learner.prepared(share.drawn) as grids:
            logits, classes = self.wrapped(
                self.moved(batch.inputs), batch.labels.shape[1], encoder_only=alone
            )
            answer = head = torch.zeros((), device=self.accelerator.device)
            if logits is not None:
                answer = answer_loss(logits, batch.labels.to(logits.device)) / tokens
            if teaching and classes is not None:
                assert batch.classes is not None
                head = functional.cross_entropy(
                    classes.float(), batch.classes.to(classes.device), reduction="sum"
                ) * (0.0 if share.idle else 1 / samples)  # an idle process goes backward too
            losses = self.totals([float(answer.detach()), float(head.detach())])
            self._finite(sum(losses), "loss", step, [share])
            weight = 1.0 if alone else 0.0 if teaching is None else teaching.weight
            # accelerate divides by the number of batches, and averages over processes
            scale = self.plan.accumulate * self._world
            self.accelerator.backward((answer + weight * head) * scale)
        received(share.drawn, grids)
        return {"answer": losses[0], "head": losses[1]}

    def moved(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors on the device, in the model's type."""
        dtype = next(self.learner.model.parameters()).dtype
        return {
            name: tensor.to(self.accelerator.device, dtype if tensor.is_floating_point() else None)
            for name, tensor in inputs.items()
        }

    def _clipped(self, step: int, shares: Sequence[Share]) -> float | None:
        """The gradient's norm before it is clipped; None where the step is not yet complete."""
        if not self.accelerator.sync_gradients:
            return None
        norm = self.accelerator.clip_grad_norm_(self.trained, self.plan.optimisation.clip)
        if norm is None:
            return None
        self._finite(float(norm), "gradient's norm", step, shares)
        return float(norm)

    def _finite(self, value: float, name: str, step: int, shares: Sequence[Share]) -> None:
        if math.isfinite(value):
            return
        ids = ", ".join(id for share in shares for id in share.everyone)
        raise TrainingError(f"the {name} is {value} at step {step}, on the samples {ids}")


def _idled(batch: TrainBatch, idle: bool) -> TrainBatch:
    """The batch, its answers left out where its process has no sample of its own."""
    left_out = torch.full_like(batch.labels, IGNORED)
    return dataclasses.replace(batch, labels=left_out) if idle else batch


def received(drawn: ImageBatch, grids: Sequence[tuple[int, int]]) -> None:
    """Raise ModelError where the encoder received another grid than was meant, or none."""
    meant = (drawn.grid.height, drawn.grid.width)
    if set(grids) != {meant}:
        raise ModelError(
            f"at {label(drawn.resolution)} the encoder should receive {meant[0]}x{meant[1]}, but "
            f"received {sorted(set(grids)) or 'nothing'}; this checkpoint cannot be trained at it"
        )


def _row(share: Share, batch: TrainBatch, seconds: float, peak: int | None) -> dict[str, Any]:
    drawn = share.drawn
    return {
        "resolution": label(drawn.resolution),
        "grid": [drawn.grid.height, drawn.grid.width],
        "samples": len(share.everyone),
        "visual_tokens": batch.visual_tokens,
        "seconds": seconds,
        "peak_memory": peak,
    }


class Log:
    """A run's losses and validations: a line of JSON per step, and TensorBoard's events."""

    def __init__(self, folder: Path, done: int, *, writes: bool) -> None:
        """Go on after `done` steps; what was logged of later ones is removed."""
        self._file = folder / "steps.jsonl"
        self._writer: Any = None
        if not writes:
            return
        from torch.utils.tensorboard import SummaryWriter

        kept = [line for line in self.lines() if line["step"] < done]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        replace(self._file, text.encode())
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What was logged; a last line that is not whole is left out."""
        if not self._file.exists():
            return
        for line in self._file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json_value(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Log one step."""
        if self._writer is None:
            return
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        step = line["step"]
        for name in ("loss", "head_loss", "rate", "norm"):
            if line.get(name) is not None:
                self._writer.add_scalar(f"train/{name}", line[name], step)
        for resolution, row in line.get("validation", {}).items():
            for name, value in row.items():
                self._writer.add_scalar(f"validation/{name}@{resolution}", value, step)
        self._writer.flush()
