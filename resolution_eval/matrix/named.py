"""What `low` and `native` mean: the resolution that the checkpoints of that strategy declare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resolution_eval.errors import ModelError, UsageError
from resolution_eval.matrix.checkpoints import Entry
from resolution_eval.resolution import NATIVE, Resolution, TrainingResolution, parse_resolution


def named_resolution(name: str, given: str | None, entries: Sequence[Entry]) -> Resolution:
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
    """What the manifest in the checkpoint's folder declares; one of ours, written by training."""
    from resolution_eval.flamingo.folder import read_manifest

    try:
        return TrainingResolution.parse(read_manifest(Path(checkpoint)).training)
    except ModelError as error:
        raise UsageError(f"{error}; {advice}") from error
