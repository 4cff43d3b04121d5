"""What a resolution costs: time and memory of training and of answering, and the law they follow.

    python -m benchmarks.cost --output docs/study [--device cuda]

A small Flamingo (that of docs/study.md) takes whole training steps and ranks eight choices, on
random pixels. On a processor it is timed in processor seconds of one thread, which other work on
the machine does not change; on a GPU in seconds. Resolutions ascend, so that the process's highest
memory so far is that of the present one.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from scipy.optimize import curve_fit
from scipy.stats import t as student
from tabulate import tabulate

from resolution_eval.data.sources import Sample
from resolution_eval.data.sources.phantoms import CLASSES
from resolution_eval.ground import nvml
from resolution_eval.models.flamingo import FlamingoBundle, build, encode, rank
from resolution_eval.models.precision import Precision
from resolution_eval.resolution import Size
from resolution_eval.training.flamingo_learner import FlamingoLearner, prompt
from resolution_eval.training.learner import answer_loss
from resolution_eval.training.pool import ImageBatch
from resolution_eval.training.small_models import learn_tokenizer
from studies.study import ARCHITECTURE

PATCH = 14
EDGES = (14, 28, 42, 56, 84, 112, 168, 224, 336, 448)
BATCH = 8
REPEATS = 5
ENERGY_SECONDS = 1.0
"""For which a work is repeated to read its energy: the counter steps ten times a second or more."""


@dataclass(frozen=True)
class CostMeasures:
    """One resolution: seconds per sample, each repeat, and memory in bytes."""

    edge: int
    visual_tokens: int
    train_seconds: tuple[float, ...]
    answer_seconds: tuple[float, ...]
    peak_memory: int
    """Highest so far: of the process, or of the GPU's allocator."""
    train_joules: float | None = None
    """Energy of the GPU for a sample, by NVML; None where nobody counts it."""
    answer_joules: float | None = None

    @property
    def speed(self) -> tuple[float, float]:
        """Samples per second of training and of answering: of the median repeat."""
        return 1 / median(self.train_seconds), 1 / median(self.answer_seconds)


@dataclass(frozen=True)
class Law:
    """seconds per sample = fixed + factor * tokens ** exponent; the exponent with its interval."""

    fixed: float
    factor: float
    exponent: float
    low: float
    high: float


def fit(tokens: Sequence[float], seconds: Sequence[float], *, level: float = 0.95) -> Law:
    """The law by least squares on relative errors; Student's interval of the exponent.

    Example:
        >>> tokens = [1.0, 4.0, 16.0, 64.0, 256.0] * 2
        >>> noise = [1.01, 0.99, 1.01, 0.99, 1.01, 0.99, 1.01, 0.99, 1.01, 0.99]
        >>> found = fit(tokens, [n * (2 + 0.1 * x**1.5) for x, n in zip(tokens, noise)])
        >>> round(found.exponent, 1), found.low < 1.5 < found.high
        (1.5, True)
    """
    x, y = np.asarray(tokens, dtype=float), np.asarray(seconds, dtype=float)
    scale = float(y.max())
    start = (float(y.min()) / scale / 2, 1 / float(x.max()), 1.0)
    bounds = ([0.0, 0.0, 0.0], [np.inf, np.inf, 4.0])
    found, covariance = curve_fit(
        lambda n, fixed, factor, exponent: fixed + factor * n**exponent,
        x, y / scale, p0=start, sigma=y / scale, bounds=bounds, maxfev=20_000,
    )  # fmt: skip
    half = float(student.ppf((1 + level) / 2, len(x) - 3) * np.sqrt(covariance[2, 2]))
    fixed, factor, exponent = (float(value) for value in found)
    return Law(scale * fixed, scale * factor, exponent, exponent - half, exponent + half)


def flamingo(edge: int, samples: Sequence[Sample], device: str) -> FlamingoBundle:
    """The study's Flamingo, its position table at `edge`, random weights."""
    architecture = ARCHITECTURE.model_copy(update={"patch": PATCH})
    texts = [prompt(sample) for sample in samples] + [f" {name}" for name in CLASSES]
    bundle = build(architecture.config(Size(edge, edge)), learn_tokenizer(texts, 512))
    bundle.model.to(device)
    return bundle


def measure(edge: int, device: str) -> CostMeasures:
    """Time and memory at a square image of `edge` pixels."""
    samples = [
        Sample("", "", "Which phantom is it?", name, CLASSES, "", "")
        for name in (CLASSES * BATCH)[:BATCH]
    ]
    bundle = flamingo(edge, samples, device)
    random = torch.Generator().manual_seed(edge)
    noise = torch.randint(256, (BATCH, 3, edge, edge), generator=random, dtype=torch.uint8)
    learner = FlamingoLearner(bundle)
    batch = learner.batch(ImageBatch(edge, Size(edge, edge), tuple(samples), noise))
    inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
    pixels, labels = inputs["pixels"], batch.labels.to(device)
    optimiser = torch.optim.AdamW(bundle.model.parameters())
    choices = [[f" {name}" for name in CLASSES]] * BATCH
    prompts = [prompt(sample) for sample in samples]

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        logits, _ = learner(inputs, labels.shape[1])
        answer_loss(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def answer() -> None:
        with torch.inference_mode():
            rank(bundle, encode(bundle, pixels), prompts, choices)

    trained, answered = (repeat(work, device) for work in (step, answer))
    peak = peak_memory(device)
    energies = (joules(work, device) for work in (step, answer))
    return CostMeasures(edge, (edge // PATCH) ** 2, trained, answered, peak, *energies)


def repeat(work: Callable[[], None], device: str) -> tuple[float, ...]:
    """Seconds per sample of each repeat, after one that is not counted."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    work()
    found = []
    for _ in range(REPEATS):
        start = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        found.append((clock() - start) / BATCH)
    return tuple(found)


def joules(work: Callable[[], None], device: str) -> float | None:
    """Energy that the GPU takes for a sample, over `ENERGY_SECONDS` of repeats; None where nobody
    counts it.
    """
    if device == "cpu":
        return None
    read = nvml.joules(str(torch.cuda.get_device_properties(device).uuid))
    if read is None:
        return None
    before, began, count = read(), time.perf_counter(), 0
    while time.perf_counter() - began < ENERGY_SECONDS:
        work()
        torch.cuda.synchronize()
        count += BATCH
    return (read() - before) / count


def peak_memory(device: str) -> int:
    """Bytes: the highest resident size of this process, or that of the GPU's allocator."""
    if device != "cpu":
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def hardware(device: str) -> str:
    """The processor's or the GPU's name."""
    if device != "cpu":
        return str(torch.cuda.get_device_name())
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, one thread"


def chart(measured: Sequence[CostMeasures], laws: dict[str, Law], where: str) -> str:
    """Seconds per sample against visual tokens, both logarithmic, with the fitted laws; SVG."""
    import altair as alt

    from resolution_eval.report.charts import static_svg

    kinds = {"training": "train_seconds", "answering": "answer_seconds"}
    points = [
        {"kind": kind, "tokens": one.visual_tokens, "seconds": seconds}
        for one in measured
        for kind, name in kinds.items()
        for seconds in getattr(one, name)
    ]
    grid = np.geomspace(1, max(one.visual_tokens for one in measured), 60)
    curves = [
        {"kind": kind, "tokens": n, "seconds": law.fixed + law.factor * n**law.exponent}
        for kind, law in laws.items()
        for n in grid.tolist()
    ]
    x = alt.X("tokens:Q", scale=alt.Scale(type="log"), title="visual tokens per image")
    y = alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="seconds per sample")
    drawn = alt.layer(
        alt.Chart(alt.Data(values=curves)).mark_line().encode(x, y, color="kind:N"),
        alt.Chart(alt.Data(values=points)).mark_point().encode(x, y, color="kind:N"),
    ).properties(height=300, title=f"Cost of one sample on {where}")
    specification: dict[str, Any] = drawn.to_dict()
    return static_svg(specification)


def table(measured: Sequence[CostMeasures], where: str) -> str:
    """One line a resolution, for a terminal."""
    rows = [
        {
            "r": one.edge,
            "visual tokens": one.visual_tokens,
            "trained/s": one.speed[0],
            "answered/s": one.speed[1],
            "peak MiB": one.peak_memory / 2**20,
            "J trained": one.train_joules,
            "J answered": one.answer_joules,
        }
        for one in measured
    ]
    return f"on {where}, batch {BATCH}\n" + tabulate(rows, headers="keys", floatfmt=".4g")


def _edges(parser: argparse.ArgumentParser, text: str) -> list[int]:
    """The edges, ascending, since memory is the highest so far."""
    edges = sorted({int(edge) for edge in text.split(",") if edge.strip().isdecimal()})
    if len(edges) < 4 or any(edge % PATCH or not edge for edge in edges):
        parser.error(f"--edges {text!r}: give four multiples of {PATCH} or more, to fit the law to")
    return edges


def main() -> None:
    """Measure, fit, and write cost.json and cost.svg."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument(
        "--edges", default=",".join(map(str, EDGES)), help=f"in pixels, multiples of {PATCH}"
    )
    parser.add_argument("--no-chart", action="store_true", help="write cost.json alone")
    given = parser.parse_args()
    edges = _edges(parser, given.edges)
    Precision(torch.device(given.device)).apply()
    if given.device == "cpu":
        torch.set_num_threads(1)
    measured = [measure(edge, given.device) for edge in edges]
    tokens = [float(one.visual_tokens) for one in measured for _ in range(REPEATS)]
    laws = {
        kind: fit(tokens, [s for one in measured for s in getattr(one, name)])
        for kind, name in (("training", "train_seconds"), ("answering", "answer_seconds"))
    }
    where = hardware(given.device)
    document = {
        "hardware": where,
        "device": given.device,
        "torch": torch.__version__,
        "batch": BATCH,
        "patch": PATCH,
        "laws": {kind: asdict(law) for kind, law in laws.items()},
        "measured": [asdict(one) for one in measured],
        "samples_per_second": {str(one.edge): one.speed for one in measured},
        "driver": None if given.device == "cpu" else nvml.driver(),
    }
    given.output.mkdir(parents=True, exist_ok=True)
    (given.output / "cost.json").write_text(json.dumps(document, indent=1) + "\n")
    print(table(measured, where))
    print(json.dumps(document["laws"], indent=1))
    if not given.no_chart:
        (given.output / "cost.svg").write_text(chart(measured, laws, where) + "\n")


if __name__ == "__main__":
    main()
