"""Runs of lmms-eval to be timed: in processes of their own, or kept to be repeated in this one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import runs
from resolution_eval.resolution import parse_resolution


@dataclass(frozen=True)
class Kept:
    """An adapter as lmms-eval built it, and the requests that it was given."""

    adapter: Any
    requests: list[Any]

    def seconds(self, requests: Sequence[Any] | None = None) -> float:
        """Wall time of answering the requests, or some of them, once more.

        Raises:
            RuntimeError: a sample failed, so that the time is of something else.
        """
        LEDGER.failures.clear()
        start = time.perf_counter()
        self.adapter.generate_until(list(self.requests if requests is None else requests))
        taken = time.perf_counter() - start
        for key, failure in LEDGER.failures.items():
            raise RuntimeError(
                f"{len(LEDGER.failures)} samples failed, the first {key.sample} at "
                f"{key.resolution} with {failure.kind}: {failure.message}"
            )
        return taken


def keep(data: Path, resolutions: Sequence[str], arguments: Sequence[str]) -> Kept:
    """Run lmms-eval once in this process, on the folder `data`, and keep what it built.

    Raises:
        RuntimeError: the run failed.
    """
    import lmms_eval.evaluator as host

    kept: list[Kept] = []
    evaluate = host.evaluate

    def watching(lm: Any, **rest: Any) -> Any:
        answer = lm.generate_until

        def noting(requests: list[Any]) -> Any:
            kept.append(Kept(lm, list(requests)))
            return answer(requests)

        lm.generate_until = noting
        model = getattr(lm, "_model", None)
        try:
            return evaluate(lm=lm, **rest)
        finally:
            del lm.generate_until
            if model is not None:  # which the host deletes when it is done
                lm._model = model

    host.evaluate = watching
    try:
        status = runs.run(
            ["folder_res"],
            arguments,
            resolutions=[parse_resolution(r) for r in resolutions],
            data=data,
        )
    finally:
        host.evaluate = evaluate
    if status or len(kept) != 1:
        raise RuntimeError(f"lmms-eval ended with {status} and {len(kept)} calls of generate_until")
    return kept[0]


def run_seconds(data: Path, resolutions: Sequence[str], arguments: Sequence[str]) -> float:
    """Wall time of a whole run in a process of its own, start-up and loading included.

    Raises:
        RuntimeError: the run failed.
    """
    command = [sys.executable, "-m", "resolution_eval", "run", "--tasks", "folder_res"]
    command += ["--data", str(data), "--resolutions", ",".join(resolutions), *arguments]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr[-800:]}")
    return time.perf_counter() - start


def timed(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
