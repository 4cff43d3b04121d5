"""Memory and open descriptors over one long sweep through lmms-eval: flat, and none left open."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import psutil

from benchmarks import workload
from benchmarks.result import Result

TARGET = 1.05
SETTLED = 10
"""Percent of the answers after which caches are filled and memory is to grow no more."""
SHOWN = (1, 10, 25, 50, 75, 100)
"""Percents of the answers that the table shows; every one is looked at."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--resolutions", default="14,28,42,56,70,84")
    parser.add_argument("--batch", default="32")


@dataclass(frozen=True, kw_only=True)
class Note:
    """What the process held at one moment."""

    when: str
    answers: int
    seconds: float
    """Since its start."""
    resident: int
    """Bytes in memory."""
    replies: int
    """Bytes of the replies that it owes to lmms-eval, which wants all of them at once."""
    descriptors: int
    threads: int
    peak: int
    """Most bytes in memory so far; those now where the system does not tell."""

    @property
    def ours(self) -> int:
        """Resident bytes without the replies."""
        return self.resident - self.replies

    def row(self) -> dict[str, Any]:
        """As the table shows it."""
        mib = {name: round(getattr(self, name) / 2**20, 1) for name in ("resident", "replies")}
        return {
            "when": self.when,
            "answers": self.answers,
            "minutes": round(self.seconds / 60, 1),
            "resident MiB": mib["resident"],
            "peak MiB": round(self.peak / 2**20, 1),
            "of it replies": mib["replies"],
            "descriptors": self.descriptors,
            "threads": self.threads,
        }


class Watch:
    """Counts a process's answers and looks at it at every percent of them."""

    def __init__(self, asked: int) -> None:
        self._asked = asked
        self._answers = self._replies = 0
        self._began = time.perf_counter()
        self._process = psutil.Process()
        self.notes: list[Note] = []

    def count(self, reply: str) -> None:
        """One more answer."""
        before = 100 * self._answers // self._asked
        self._answers += 1
        self._replies += sys.getsizeof(reply)
        percent = 100 * self._answers // self._asked
        if percent != before:
            self.look(f"{percent} %")

    def look(self, when: str) -> None:
        """Note what the process holds now."""
        resident = self._process.memory_info().rss
        self.notes.append(
            Note(
                when=when,
                answers=self._answers,
                seconds=time.perf_counter() - self._began,
                resident=resident,
                peak=_peak() or resident,
                replies=self._replies,
                descriptors=self._process.num_fds(),
                threads=self._process.num_threads(),
            )
        )


def _peak() -> int | None:
    """Most bytes that this process has had in memory (proc(5), VmHWM); None where nobody says."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    peaks = [1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else None


def watched(data: str, resolutions: str, asked: str, *arguments: str) -> None:
    """Run lmms-eval in this process and print what it held, as JSON on the last line."""
    from resolution_eval.adapters.adapter import ResolutionAdapter, View
    from resolution_eval.evidence.model_answer import Answer
    from resolution_eval.host import runs
    from resolution_eval.resolution import parse_resolution

    watch = Watch(int(asked))
    reply = ResolutionAdapter._reply

    def counting(self: ResolutionAdapter, view: View, answer: Answer) -> str:
        text = reply(self, view, answer)
        watch.count(text)
        return text

    sizes = [parse_resolution(text) for text in resolutions.split(",")]
    watch.look("before")
    with patch.object(ResolutionAdapter, "_reply", counting), _stages(watch):
        status = runs.run(["folder_res"], arguments, resolutions=sizes, data=Path(data))
    watch.look("written")
    print("\n" + json.dumps([asdict(note) for note in watch.notes]))
    sys.exit(status)


STAGES = ("scored", "added up", "saved", "written")
"""Moments after the last answer: the highest memory so far tells which stage needed it."""


@contextmanager
def _stages(watch: Watch) -> Iterator[None]:
    """Looks at the memory at each of them but the last, as lmms-eval comes to it."""
    import lmms_eval.__main__ as host
    from lmms_eval import evaluator
    from lmms_eval.evaluator_utils import TaskOutput

    places: tuple[tuple[Any, str], ...] = (
        (TaskOutput, "calculate_aggregate_metric"),
        (evaluator, "consolidate_results"),
        (host, "make_table"),
    )
    with ExitStack() as stack:
        for (owner, name), stage in zip(places, STAGES, strict=False):
            stack.enter_context(
                patch.object(owner, name, _looking(watch, stage, getattr(owner, name)))
            )
        yield


def _looking(watch: Watch, stage: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """What looks before it does as `original` does."""

    def look(*given: Any, **named: Any) -> Any:
        watch.look(stage)
        return original(*given, **named)

    return look


def measure(given: argparse.Namespace) -> Result:
    """One whole run of lmms-eval in a process of its own, its samples logged."""
    asked = given.images * len(given.resolutions.split(","))
    with TemporaryDirectory() as folder:
        model = workload.write_flamingo(Path(folder, "model"), "tiny")
        data = workload.write_images(Path(folder, "data"), given.images, 84)
        common = ["--model", "resflamingo", "--model_args", f"pretrained={model}"]
        common += ["--batch_size", given.batch, "--log_samples", "--verbosity", "WARNING"]
        common += ["--output_path", str(Path(folder, "out"))]
        notes = _run([str(data), given.resolutions, str(asked), *common])
        lines = sum(1 for path in Path(folder, "out").rglob("*_samples_*") for _ in path.open())
    return _result(notes, asked, lines, vars(given) | {"json": None})


def _run(arguments: Sequence[str]) -> list[Note]:
    child = "import sys; from benchmarks.soak import watched; watched(*sys.argv[1:])"
    command = [sys.executable, "-c", child, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the run ended with {done.returncode}: {done.stdout[-800:]}")
    return [Note(**each) for each in json.loads(done.stdout.splitlines()[-1])]


def _result(notes: Sequence[Note], asked: int, lines: int, sizes: dict[str, Any]) -> Result:
    """How much more than the replies memory grew once it had settled.

    Raises:
        RuntimeError: answers are missing, or a descriptor was left open.
    """
    by_percent = {note.when: note for note in notes}
    settled, last = by_percent[f"{SETTLED} %"], by_percent["100 %"]
    if last.answers != asked or lines != asked:
        raise RuntimeError(f"{asked} answers asked for, {last.answers} given, {lines} written")
    answering = [note for note in notes if note.when.endswith("%")]
    steady = [note for note in answering if note.answers >= settled.answers]
    most = max(note.descriptors for note in steady)
    opened = notes[-1].descriptors - notes[0].descriptors
    if most > settled.descriptors or last.descriptors > settled.descriptors:
        raise RuntimeError(f"{settled.descriptors} descriptors grew to {most} while answering")
    shown = {"before", *(f"{percent} %" for percent in SHOWN), *STAGES}
    return Result(
        name="soak",
        ratio=max(note.ours for note in steady) / settled.ours,
        target=TARGET,
        sense="at most",
        rows=[note.row() for note in notes if note.when in shown],
        sizes=sizes,
        note=f"Ratio: the most memory between {SETTLED} % of the answers and the last, to that at "
        f"{SETTLED} %, the replies aside, which lmms-eval wants all at once. Descriptors: "
        f"{settled.descriptors} at {SETTLED} % and never more while answering, {opened:+d} from "
        "before the run to its end. What is added after the last answer is lmms-eval's own list "
        "of samples, which it writes at the end.",
    )
