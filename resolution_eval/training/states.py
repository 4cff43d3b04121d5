"""States of a run on disk: whole ones, each written aside and moved into place, the last few."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.notation import NotationError, unambiguous

KEPT = 2
"""How many states are kept: the last, and one before it."""
FILE = "progress.json"
_WRITING = ".writing"


class Progress(BaseModel):
    """How far a run has come."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    """Steps done."""
    best_step: int | None = None
    """Steps done when the best validation was made."""
    best_score: tuple[float, float] | None = None
    """Mean accuracy over resolutions, and minus the mean loss."""


def save_state(folder: Path, accelerator: Any, progress: Progress) -> Path:
    """Write the state of all processes into `folder`; the path of the whole state.

    A process that is killed meanwhile leaves the states before as they were.
    """
    aside = folder / _WRITING
    final = folder / f"step-{progress.step:08d}"
    if accelerator.is_main_process:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    accelerator.wait_for_everyone()
    with _silent_about_shared_tensors():
        accelerator.save_state(str(aside))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        (aside / FILE).write_text(progress.model_dump_json() + "\n", encoding="utf-8")
        shutil.rmtree(final, ignore_errors=True)
        aside.replace(final)
        for old in _whole(folder)[:-KEPT]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()
    return final


@contextmanager
def _silent_about_shared_tensors() -> Iterator[None]:
    """accelerate warns of every tensor that has two names, and stores it once; loading knows."""
    told = logging.getLogger("accelerate.utils.other")
    before = told.level
    told.setLevel(logging.ERROR)
    try:
        yield
    finally:
        told.setLevel(before)


def last_state(folder: Path) -> tuple[Path, Progress] | None:
    """The last whole state in `folder`, or None; ModelError where it is damaged."""
    states = _whole(folder)
    if not states:
        return None
    try:
        text = (states[-1] / FILE).read_text(encoding="utf-8")
        return states[-1], Progress.model_validate_json(unambiguous(text))
    except (OSError, ValidationError, NotationError) as error:
        raise ModelError(
            f"{states[-1]} is no whole state of a run ({error}); remove it to resume from the one "
            "before"
        ) from error


def _whole(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.is_dir())
