"""Saving: a run's results lie whole on the disk, or the run ends with an error that says so.

lmms-eval logs a warning where it cannot save results, leaves the half file, and ends with status 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from loguru import logger

from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.files import is_full


def watch_saving() -> None:
    """Have what lmms-eval saves read back: a half file is removed, and the run is not saved."""
    from lmms_eval.loggers import EvaluationTracker as Tracker

    if hasattr(Tracker.save_results_samples, "__wrapped__"):
        return
    aggregated, by_sample = Tracker.save_results_aggregated, Tracker.save_results_samples

    @wraps(aggregated)
    def save_results_aggregated(
        self: Any, results: dict[str, Any], samples: Any, datetime_str: str
    ) -> None:
        aggregated(self, results, samples, datetime_str)
        if self.output_path:
            _check(_folder(self), datetime_str.replace(":", "-"), "results.json", None)

    @wraps(by_sample)
    def save_results_samples(self: Any, task_name: str, samples: Sequence[Any]) -> None:
        by_sample(self, task_name, samples)
        if self.output_path and samples and hasattr(self, "date_id"):
            _check(_folder(self), self.date_id, f"samples_{task_name}.jsonl", len(samples))

    Tracker.save_results_aggregated = save_results_aggregated
    Tracker.save_results_samples = save_results_samples


def _folder(tracker: Any) -> Path:
    return Path(tracker.output_path) / str(tracker.general_config_tracker.model_name_sanitized)


def _check(folder: Path, date: str, name: str, lines: int | None) -> None:
    """Note in the ledger that a file of the run is not whole: one JSON document, or so many lines
    of such; the run's other files go with it, since half a run would be in the next one's way.
    """
    path = folder / f"{date}_{name}"
    ends, last = 0, b""
    try:
        with path.open("rb") as file:  # a piece at a time: it is as long as the run
            while piece := file.read(2**20):
                ends, last = ends + piece.count(b"\n"), (last + piece)[-2:]
    except OSError:
        last = b""
    # results are written with indents: no other bracket begins its line
    whole = last == b"\n}" if lines is None else ends == lines and last.endswith(b"\n")
    if LEDGER.unsaved is not None or not whole:
        full = is_full(folder)
        for part in (*folder.glob(f"{date}_results.json"), *folder.glob(f"{date}_samples_*.jsonl")):
            part.unlink()
        reason = "No space left on device" if full else "lmms-eval could not write it"
        said = (
            f"the run's results are not saved: {reason} ({path}); free some space, or name another "
            "folder, and run it again"
        )
        logger.error(said)
        LEDGER.unsaved = LEDGER.unsaved or said
