"""What the checkpoints' folders say: what `low` and `native` mean, and which adapter loads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resolution_eval.declaration import read_declaration
from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.notation import json_value
from resolution_eval.matrix.strategy_checkpoints import StrategyCheckpoints
from resolution_eval.resolution import NATIVE, Resolution, TrainingResolution, parse_resolution


def named_resolution(
    name: str, given: str | None, entries: Sequence[StrategyCheckpoints]
) -> Resolution:
    """The resolution that `name` (low or native) stands for: as given, or as declared.

    Raises:
        UsageError: nothing is given, and the checkpoints of that strategy do not declare one
            resolution, the same in each.
    """
    if given is not None:
        return parse_resolution(given)
    advice = f"say what {name} is with --{name} R"
    checkpoints = [one for e in entries if e.strategy == name for one in e.checkpoints]
    if not checkpoints:
        raise UsageError(f"no checkpoint is {name}-trained; {advice}")
    found = {_declared(checkpoint, advice) for checkpoint in checkpoints}
    if len(found) != 1:
        raise UsageError(
            f"the {name}-trained checkpoints declare {sorted(map(str, found))}; {advice}"
        )
    (training,) = found
    if training.kind == "native":
        return NATIVE
    if training.kind != "fixed":
        raise UsageError(f"the {name}-trained checkpoints declare {training}; {advice}")
    return training.members[0]


def _declared(checkpoint: str, advice: str) -> TrainingResolution:
    """What the checkpoint's folder declares; one of ours, written by training."""
    from resolution_eval.ground import paths
    from resolution_eval.models.flamingo.checkpoint_folder import read_manifest

    shipped = checkpoint.startswith("embedded/")
    folder = paths.models() / checkpoint if shipped else Path(checkpoint)
    try:
        if not folder.is_dir():
            raise ModelError(f"{checkpoint} is no folder")
        told = read_declaration(str(folder)) or read_manifest(folder)
    except ModelError as error:
        raise UsageError(f"{error}; {advice}") from error
    return TrainingResolution.parse(told.training)


def named_adapter(given: str | None, entries: Sequence[StrategyCheckpoints]) -> str:
    """The lmms-eval model that loads the checkpoints: as given, or as their folders tell.

    A folder whose configuration names a `model_type` is a Hugging Face checkpoint.

    Raises:
        UsageError: nothing is given, and the folders need two adapters.
    """
    if given is not None:
        return given
    found = {_adapter(Path(one)): one for entry in entries for one in entry.checkpoints}
    if len(found) > 1:
        both = ", ".join(f"{found[name]} with {name}" for name in sorted(found))
        raise UsageError(f"a matrix has one --model, but its checkpoints load as {both}")
    return next(iter(found))


def _adapter(folder: Path) -> str:
    try:
        config = json_value((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return "resflamingo"  # a name on the hub, or a folder that the adapter will refuse
    return "reshf" if isinstance(config, dict) and "model_type" in config else "resflamingo"
