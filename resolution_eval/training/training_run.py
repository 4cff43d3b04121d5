"""One training run, from a model, a plan and a data set to a checkpoint folder."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import trange

from resolution_eval.data.sources import Source
from resolution_eval.declaration import FILE, Declaration, read_declaration
from resolution_eval.evidence.facts import versions
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.files import disk_errors, replace, whole_folder
from resolution_eval.ground.notation import json_value
from resolution_eval.training import trainable
from resolution_eval.training.devices import (
    begin,
    check_shared,
    keep_whole,
    open_accelerator,
    refuse_sharded,
)
from resolution_eval.training.learner import Learner
from resolution_eval.training.loop import Log, Trainer, TrainingError
from resolution_eval.training.optimisation import Average, by_decay
from resolution_eval.training.plan import TrainingPlan
from resolution_eval.training.pool import ImagePool, ImagePools
from resolution_eval.training.states import Progress, last_state, save_state
from resolution_eval.training.step_cost import Meter, by_resolution
from resolution_eval.training.validation import score, validate

PACKAGES = (
    *("python", "resolution-eval", "torch", "transformers", "accelerate", "peft"),
    *("open-clip-torch", "open-flamingo"),
)
PLAN = "plan.json"
STATES = "states"
BEST = "best"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What is trained, on what, and into which folder."""

    plan: TrainingPlan
    learner: Learner
    source: Source
    output: Path
    origin: str
    """The checkpoint that is trained further, or what was built instead."""
    pools: ImagePools | None = None
    """The source's images, where another run of the same grids has rendered them."""


def finetune(run: TrainingRun, *, resume: bool = False, progress: bool = True) -> Declaration:
    """Train, and write the best checkpoint by validation into the folder; what it says of itself.

    The folder can be loaded only once the run is done. `resume` goes on from the last whole state
    in it, with the losses that the run would have had without a break.

    Raises:
        UsageError: the folder holds something else, or another plan's run.
        DataError: the source lacks a train or val split.
        TrainingError: the loss is no number.
    """
    accelerator = open_accelerator(run.plan)
    main = accelerator.is_main_process
    done = _checked(run, resume=resume)
    if done is not None:
        return done
    accelerator.wait_for_everyone()  # all have looked before the first writes
    if main and not resume:
        run.output.mkdir(parents=True, exist_ok=True)
        replace(run.output / PLAN, _stated(run).encode())
    accelerator.wait_for_everyone()
    check_shared(accelerator, run.output / PLAN)
    shown = progress and main
    pools = run.pools or ImagePools(run.source, run.learner.grid, run.plan.filter)
    pool = pools.open("train", progress=shown)
    held_out = pools.open("val", limit=run.plan.validation_limit, progress=shown)
    trainer = _trainer(run, accelerator, pool)
    with disk_errors(run.output):
        _train(run, trainer, held_out, shown)
        accelerator.wait_for_everyone()
        told = _told(run, trainer, held_out)
        if main:
            _finish(run, told)
    accelerator.wait_for_everyone()
    return told


def write_untrained(run: TrainingRun) -> Declaration:
    """Write the model as it begins into the folder, which holds nothing; what it says of itself."""
    _checked(run, resume=False)
    told = Declaration(
        training="unknown",
        strategy="none",
        extra={"origin": run.origin, "seed": run.plan.seed, "untrained": True},
    )
    with whole_folder(run.output) as aside:
        run.learner.write(aside, run.learner.model.state_dict(), told)
    return told


def _checked(run: TrainingRun, *, resume: bool) -> Declaration | None:
    """Refuse a folder that cannot be used; the declaration of a run that is done."""
    refuse_folder(run.output, resume=resume)
    if not resume:
        return None
    file = run.output / PLAN
    if _begun_with(file) != _told_of(run):
        raise UsageError(
            f"{run.output} holds a run of another plan ({file}); resume it with the arguments "
            "that it was begun with, or choose another --output"
        )
    return read_declaration(run.output)


def refuse_folder(folder: Path, *, resume: bool) -> None:
    """Raise UsageError of a folder in which no run can be begun, or, to `resume`, none was."""
    if resume:
        if not (folder / PLAN).is_file():
            raise UsageError(f"{folder} holds no run to resume; train without --resume")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; choose another, or add --resume")


def _begun_with(file: Path) -> dict[str, Any]:
    """What the run was begun with; keys that were not yet known have their default."""
    try:
        told = json_value(file.read_bytes())
        return {**told, "plan": TrainingPlan.model_validate(told["plan"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file} is no plan of a run ({error})") from error


def _told_of(run: TrainingRun) -> dict[str, Any]:
    return {"origin": run.origin, "data": run.source.fingerprint, "plan": run.plan}


def _stated(run: TrainingRun) -> str:
    return json.dumps(_told_of(run) | {"plan": run.plan.model_dump(mode="json")}, indent=2) + "\n"


def _trainer(run: TrainingRun, accelerator: Any, pool: ImagePool) -> Trainer:
    model = run.learner.model
    trainable.freeze(model, run.plan.frozen)
    rests = () if run.plan.teaching is None else run.plan.teaching.rests
    trainable.check_named(model, rests)
    if rests or run.plan.average:
        refuse_sharded(accelerator, "parts that rest after a while, or an average over steps,")
    if run.plan.lora is not None:
        trainable.adapt(model, run.plan.lora, seed=run.plan.seed)
    if run.plan.checkpointing:
        run.learner.recompute()
    optimisation = run.plan.optimisation
    moved = [p for p in run.learner.parameters() if p.requires_grad]
    keep_whole(moved, accelerator)
    optimiser = torch.optim.AdamW(
        by_decay(moved, optimisation.weight_decay),
        lr=optimisation.rate,
        fused=run.plan.fused or None,
    )
    wrapped, optimiser = accelerator.prepare(run.learner, optimiser)
    if accelerator.is_fsdp2:
        begin(optimiser)
    wrapped.train()
    average = Average(run.plan.average) if run.plan.average else None
    if average is not None:
        accelerator.register_for_checkpointing(average)
    return Trainer(run.plan, run.learner, accelerator, wrapped, optimiser, pool, average)


def _train(run: TrainingRun, trainer: Trainer, held_out: ImagePool, shown: bool) -> None:
    """All steps that are not yet done."""
    states = run.output / STATES
    state, so_far = last_state(states), Progress(step=0)
    if state is not None:
        path, so_far = state
        trainer.enter(max(0, so_far.step - 1))
        trainer.accelerator.load_state(str(path))
    log = Log(run.output, so_far.step, writes=trainer.accelerator.is_main_process)
    meter = Meter(trainer.accelerator.device)
    done, last = so_far.step, run.plan.optimisation.steps
    with trange(done, last, initial=done, total=last, desc="training", disable=not shown) as steps:
        for step in steps:
            if run.plan.stage(step)[1] == 0:
                trainer.enter(step)
            try:
                line = trainer.step(step, meter)
            except TrainingError as error:
                raise TrainingError(f"{error}; {_left(states)}") from None
            so_far = so_far.model_copy(update={"step": step + 1})
            due = (step + 1) % run.plan.validate_every == 0 and step >= run.plan.alone
            if due or step + 1 == last:
                with trainer.average.applied() if trainer.average else nullcontext():
                    line["validation"] = validate(trainer, held_out, run.plan.sampler.resolutions)
                    so_far = _kept_if_best(run, trainer, so_far, line["validation"])
            log.add(line)
            if (step + 1) % run.plan.save_every == 0 or step + 1 == last:
                save_state(states, trainer.accelerator, so_far)
            steps.set_postfix(_shown(line))


def _shown(line: Mapping[str, Any]) -> dict[str, str]:
    """What the progress bar tells of a step."""
    figures = {name: f"{line[name]:.3f}" for name in ("loss", "head_loss") if name in line}
    for resolution, row in line.get("validation", {}).items():
        figures[f"val@{resolution}"] = f"{row['accuracy']:.3f}"
    return figures


def _left(states: Path) -> str:
    """Advice for a run that stopped."""
    state = last_state(states)
    kept = "no state was written before it" if state is None else f"the last good one is {state[0]}"
    return f"lower the rate, or look at these samples; {kept}"


def _kept_if_best(
    run: TrainingRun, trainer: Trainer, so_far: Progress, validation: Any
) -> Progress:
    """Write the checkpoint aside where it is the best yet."""
    best = score(validation)
    if so_far.best_score is not None and best <= so_far.best_score:
        return so_far
    state = trainer.accelerator.get_state_dict(trainer.wrapped)
    if trainer.accelerator.is_main_process:
        weights = {
            name.removeprefix("model."): _stored(tensor.detach().cpu(), run.plan)
            for name, tensor in state.items()
            if name.startswith("model.")
        }
        aside, final = run.output / f".{BEST}", run.output / BEST
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        told = Declaration(training=str(run.plan.declaration), strategy=run.plan.strategy)
        run.learner.write(aside, trainable.merged(weights, run.plan.lora), told)
        shutil.rmtree(final, ignore_errors=True)
        aside.replace(final)
    trainer.accelerator.wait_for_everyone()
    return so_far.model_copy(update={"best_step": so_far.step, "best_score": best})


def _stored(tensor: Tensor, plan: TrainingPlan) -> Tensor:
    """The weights in the type that the plan stores them in."""
    if plan.stored is None or not tensor.is_floating_point():
        return tensor
    return tensor.to(getattr(torch, plan.stored))


def _told(run: TrainingRun, trainer: Trainer, held_out: ImagePool) -> Declaration:
    """What the checkpoint says of itself, all of it read from the run's own log."""
    lines = list(Log(run.output, 0, writes=False).lines())
    (_, reached) = last_state(run.output / STATES) or (None, Progress(step=0))
    best = [line for line in lines if line["step"] + 1 == reached.best_step]
    seconds = sum(line["seconds"] for line in lines)
    worked = [line.get("processor_seconds") for line in lines]  # None: of an older version
    rows = [row for line in lines for row in line["batches"]]
    parameters = list(run.learner.model.parameters())
    device, installed = trainer.accelerator.device, versions()
    return Declaration(
        training=str(run.plan.declaration),
        strategy=run.plan.strategy,
        extra={
            "origin": run.origin,
            "recipe": run.plan.model_dump(mode="json") | {"mix": str(run.plan.sampler)},
            "seed": run.plan.seed,
            "data": {
                "source": run.source.name,
                "revision": run.source.revision,
                "fingerprint": run.source.fingerprint,
                "train": len(trainer.pool.samples),
                "val": len(held_out.samples),
            },
            "best_step": reached.best_step,
            "validation": best[0]["validation"] if best else {},
            "final_loss": lines[-1].get("loss") if lines else None,
            "parameters": {
                "all": sum(p.numel() for p in parameters),
                "trained": sum(p.numel() for p in parameters if p.requires_grad),
            },
            "seconds": seconds,
            "processor_seconds": None if None in worked else sum(worked),
            "samples_per_second": sum(row["samples"] for row in rows) / seconds if rows else None,
            "cost": {
                "resolutions": by_resolution(rows),
                "memory": Meter(device).memory_kind,
                "device": _device_name(device),
                "processes": trainer.accelerator.num_processes,
                "threads": torch.get_num_threads(),
                "precision": str(trainer.accelerator.mixed_precision),
            },
            "versions": {name: installed[name] for name in PACKAGES},
        },
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()})"


def _finish(run: TrainingRun, told: Declaration) -> None:
    """Move the best checkpoint into the run's folder; its declaration comes last."""
    best = run.output / BEST
    if not best.is_dir():
        raise ModelError(f"{run.output} has no validated checkpoint: the plan has no steps")
    files = sorted(best.iterdir(), key=lambda path: (path.name == "config.json", path.name))
    for path in files:
        if path.name != FILE:
            path.replace(run.output / path.name)
    run.learner.tell(run.output, told)
    shutil.rmtree(best)
