"""The census: every image-text-to-text type, one process each.

    uv run python -m benchmarks.census [--only TYPE,TYPE] [--again] [--quick] [--doctor] [--page]

Writes `benchmarks/census.json` as it goes, goes on where it was stopped, and ends with the table.
With `--doctor`, the attested types are looked at once more: the doctor's table against a run.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import multiprocessing
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from benchmarks.census.page import attested_types, page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "types.md"
FIGURES = ROOT / "benchmarks" / "census.json"
FORK = multiprocessing.get_context("fork")
SECONDS = 900
"""Longest time that one type may take."""


def types() -> list[str]:
    """The image-text-to-text types of the transformers that is installed."""
    from transformers.models.auto import modeling_auto

    return list(modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)


def read() -> dict[str, Any]:
    """The figures so far, by version of transformers."""
    return json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}


def keep(number: str, model_type: str, found: dict[str, Any]) -> None:
    """Write one type's figures among the others'; several censuses may run beside each other."""
    with (Path(tempfile.gettempdir()) / "census.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        figures = read()
        figures.setdefault(number, {})[model_type] = found
        lines = json.dumps(figures, sort_keys=True, indent=1)
        FIGURES.write_text(re.sub(r"\[[\d,\s]+\]", _one_line, lines) + "\n", encoding="utf-8")


def _one_line(match: re.Match[str]) -> str:
    return re.sub(r"\s+", " ", match.group())


def run(
    names: Sequence[str], jobs: int, work: Callable[[str], dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What `work` finds of every type in a process of its own, `jobs` at once; a fork each, so that
    transformers is imported once.
    """
    waiting = list(reversed(names))
    running: dict[Any, tuple[str, Any, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            ours, theirs = FORK.Pipe(duplex=False)
            name = waiting.pop()
            process = FORK.Process(target=_apart, args=(work, name, theirs))
            process.start()
            theirs.close()
            running[ours] = name, process, time.monotonic()
        for ready in wait(list(running), timeout=1):
            name, process, _ = running.pop(ready)
            yield name, _found(ready, process)
        for ours, (name, process, began) in list(running.items()):
            if time.monotonic() - began > SECONDS:
                process.kill()
                del running[ours]
                yield name, {"state": "refused", "reason": f"not done after {SECONDS} seconds"}


def _found(ours: Any, process: Any) -> dict[str, Any]:
    """What a process found, or how it ended."""
    try:
        found: dict[str, Any] = ours.recv()
        return found
    except EOFError:
        process.join()
        return {"state": "refused", "reason": f"its process ended with {process.exitcode}"}


def _write_page(number: str) -> None:
    """Write the page; types that have no figures yet are told as not run."""
    for missing in set(types()) - set(read().get(number, {})):
        keep(number, missing, {"state": "not run", "reason": "the census was stopped before it"})
    PAGE.write_text(page(read()), encoding="utf-8")


def _apart(work: Callable[[str], dict[str, Any]], model_type: str, answer: Any) -> None:
    from benchmarks.census.look import limited

    os.nice(max(0, 10 - os.nice(0)))  # no further than that where it is nice already
    limited()
    answer.send(work(model_type))


def _look(model_type: str, *, quick: bool) -> dict[str, Any]:
    from benchmarks.census.look import look

    return look(model_type, quick=quick)


def _checkup(model_type: str) -> dict[str, Any]:
    """The type's figures so far, with what its checkup found."""
    from benchmarks.census.checkup import checkup

    known: dict[str, Any] = read()[version("transformers")][model_type]
    return {**known, "checkup": checkup(model_type, known["state"])}


def _quiet() -> None:
    """Imports what every type needs, and silences it."""
    warnings.filterwarnings("ignore")
    import torch
    from loguru import logger
    from transformers import AutoModelForImageTextToText, LlamaForCausalLM  # noqa: F401
    from transformers.utils import logging

    import resolution_eval.models.families.checkpoint
    import resolution_eval.models.families.generic  # noqa: F401

    torch.set_num_threads(1)
    logger.remove()
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _import_host() -> None:
    """Imports lmms-eval, once for all types."""
    import lmms_eval.evaluator

    import resolution_eval.adapters.reshf
    import resolution_eval.host.runs

    del lmms_eval, resolution_eval


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks.census", description=__doc__)
    parser.add_argument("--only", default="", help="types to look at, with commas between")
    parser.add_argument(
        "--jobs", type=int, default=1, help="types to look at at once (%(default)s)"
    )
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--again", action="store_true", help="also those that have a result")
    parser.add_argument(
        "--doctor", action="store_true", help="the doctor's table against a run, of attested types"
    )
    parser.add_argument("--quick", action="store_true", help="at two sizes rather than six")
    told = parser.parse_args()
    number = version("transformers")
    if told.page:
        _write_page(number)
        return 0
    _quiet()
    names = told.only.split(",") if told.only else types()
    known = read().get(number, {})
    if told.doctor:
        _import_host()
        names = [name for name in names if name in attested_types(known)]
        done = {name for name, row in known.items() if "checkup" in row}
    else:
        done = {name for name, row in known.items() if row["state"] != "not run"}
    wanted = [name for name in names if (told.again or name not in done) and name in types()]
    work = _checkup if told.doctor else partial(_look, quick=told.quick)
    for model_type, found in run(wanted, told.jobs, work):
        if told.doctor and "checkup" not in found:  # its process ended
            found = {**known[model_type], "checkup": {"reason": found["reason"]}}
        keep(number, model_type, found)
        said = found["checkup"] if told.doctor else found.get("reason", "")
        print(model_type, found["state"], said, flush=True)
    _write_page(number)
    mine = read()[number]
    print(f"transformers {number}: {len(attested_types(mine))} of {len(mine)} types attested")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
