"""Which lines hold the memory of a run: bytes for each request, as Python counts them.

    python -m benchmarks.memory_lines [--images 500]

Each is counted for the innermost line of lmms-eval or of ours that asked for it. A run of few
images goes first, so that what is loaded once is no part of it. Written into
`results/gpu/memory_lines.json`, from which docs/gpu.md is made. What torch and Arrow hold beside
Python is not in it, except for Arrow's sum.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from benchmarks import workload
from benchmarks.result import machine
from benchmarks.table import RESULTS
from resolution_eval.resolution import parse_resolution

FILE = RESULTS / "gpu" / "memory_lines.json"
RESOLUTIONS = "14,28,42,56,70,84"
SMALL = 12.0
"""Bytes a request below which a line is added up with the others."""
FRAMES = 10
"""Of a call, that are looked through for a line of lmms-eval's or of ours."""
MOMENTS = {
    "asked": "before the first answer",
    "answered": "after the last answer",
    "scored": "when all samples are scored, and none is written",
}
"""When memory is looked at."""


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory_lines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=500)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        model = workload.write_flamingo(Path(folder, "model"), "tiny")
        _run(model, workload.write_images(Path(folder, "few"), 4, 84), Path(folder, "out"))
        data = workload.write_images(Path(folder, "many"), given.images, 84)
        found = _traced(model, data, Path(folder, "out"))
    asked = given.images * len(RESOLUTIONS.split(","))
    document = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "images": given.images,
        "requests": asked,
        "moments": {when: _told(lines, asked) for when, lines in found.items()},
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


Lines = dict[str, int]
"""Bytes by the line that allocated them."""


def _traced(model: Path, data: Path, output: Path) -> dict[str, Lines]:
    """What a run holds at each moment beyond what it held when tasks and model were loaded."""
    found: dict[str, Lines] = {}
    with _looking(found):
        _run(model, data, output)
    return found


def _run(model: Path, data: Path, output: Path) -> None:
    """A whole run of lmms-eval in this process, its samples logged."""
    from resolution_eval.host import runs

    command = ["--model", "resflamingo", "--model_args", f"pretrained={model}", "--batch_size"]
    command += ["32", "--log_samples", "--verbosity", "WARNING", "--output_path", str(output)]
    sizes = [parse_resolution(text) for text in RESOLUTIONS.split(",")]
    status = runs.run(["folder_res"], command, resolutions=sizes, data=data)
    if status:
        raise RuntimeError(f"lmms-eval ended with {status}")


@contextmanager
def _looking(found: dict[str, Lines]) -> Iterator[None]:
    """Looks at the memory at every moment."""
    import lmms_eval.evaluator as host
    import pyarrow as arrow

    from resolution_eval.adapters.adapter import ResolutionAdapter

    evaluate = host.evaluate
    ask, consolidate = ResolutionAdapter.generate_until, host.consolidate_results

    def evaluating(*given: Any, **named: Any) -> Any:
        tracemalloc.start(FRAMES)
        try:
            return evaluate(*given, **named)
        finally:
            tracemalloc.stop()

    def look(when: str) -> None:
        gc.collect()
        lines: Counter[str] = Counter()
        for each in tracemalloc.take_snapshot().statistics("traceback"):
            lines[_innermost(each.traceback)] += each.size
        found[when] = {**lines, "Arrow's tables": arrow.total_allocated_bytes()}

    def asking(self: Any, requests: Any) -> Any:
        look("asked")
        replies = ask(self, requests)
        look("answered")
        return replies

    def consolidating(tasks: Any) -> Any:
        look("scored")
        return consolidate(tasks)

    with ExitStack() as stack:
        stack.enter_context(patch.object(ResolutionAdapter, "generate_until", asking))
        stack.enter_context(patch.object(host, "consolidate_results", consolidating))
        stack.enter_context(patch.object(host, "evaluate", evaluating))
        yield


def _innermost(frames: Iterable[Any]) -> str:
    """The line that asked for it; the last of all where none of ours or of lmms-eval's did."""
    names = [_named(frame) for frame in frames]  # the oldest first
    return next((name for name in reversed(names) if _whose(name) != "others"), names[-1])


def _named(frame: Any) -> str:
    """A line by the program's own path."""
    path = str(frame.filename).replace("\\", "/")
    for mark in ("site-packages/", "/resolution_eval/", "/benchmarks/", "/python3."):
        if mark in path:
            kept = path.split(mark, 1)[1]
            path = kept if mark == "site-packages/" else f"{mark.strip('/')}/{kept}"
            break
    return f"{path}:{frame.lineno}"


def _told(lines: Lines, asked: int) -> dict[str, Any]:
    """Bytes a request: in all, of the host's lines and of ours, and the largest of each."""
    each = {name: size / asked for name, size in lines.items()}
    kept = {name: size for name, size in each.items() if _whose(name) != "others"}
    shown = {name: round(size) for name, size in kept.items() if size >= SMALL}
    return {
        "bytes": round(sum(kept.values())),
        "by": {
            whose: round(sum(size for name, size in kept.items() if _whose(name) == whose))
            for whose in ("lmms-eval", "resolution-eval", "Arrow")
        },
        "lines": dict(sorted(shown.items(), key=lambda pair: -pair[1])),
    }


def _whose(line: str) -> str:
    """Whose line it is."""
    names: Sequence[tuple[str, str]] = (
        ("lmms_eval/", "lmms-eval"),
        ("resolution_eval/", "resolution-eval"),
        ("Arrow", "Arrow"),
    )
    return next((whose for begin, whose in names if line.startswith(begin)), "others")


if __name__ == "__main__":
    main()
