"""Time and memory of the paired cluster bootstrap, beside scipy.stats.bootstrap.

    python -m benchmarks.bootstrap

10,000 resamples of 10,000 samples at 8 resolutions: all accuracies, and ACE with its interval.
Each case runs in a process of its own, whose peak memory is read at its end.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

import numpy as np
import psutil
from scipy import stats

from resolution_eval.evidence.facts import peak_resident
from resolution_eval.statistics import intervals
from resolution_eval.statistics.curves import ScoreGrid
from resolution_eval.statistics.resampling import AnswerMatrix, resample

SAMPLES, RESOLUTIONS, RESAMPLES = 10_000, 8, 10_000
MEGABYTE = 10**6


def answers(clusters: int) -> AnswerMatrix:
    """Random answers whose samples lie in `clusters` clusters of equal size."""
    rng = np.random.default_rng(1)
    ability = rng.standard_normal((SAMPLES, 1))
    noise = rng.standard_normal((SAMPLES, RESOLUTIONS))
    correct = (ability + noise < np.linspace(0, 1, RESOLUTIONS)).astype(float)
    return AnswerMatrix(correct, np.arange(SAMPLES) * clusters // SAMPLES)


def ours(clusters: int) -> None:
    """Accuracies and ACE of all resolutions, each with its interval."""
    drawn = resample(answers(clusters), seed=1, resamples=RESAMPLES)
    intervals.accuracies(drawn)
    intervals.figure("ace", drawn, ScoreGrid(tuple(28 * 2**step for step in range(RESOLUTIONS))))


def theirs(clusters: int) -> None:
    """The same accuracies by scipy, which knows no clusters; batches of 100 bound its memory."""
    stats.bootstrap(
        (answers(clusters).correct,),
        lambda rows, axis: rows.mean(axis=axis),
        n_resamples=RESAMPLES,
        method="percentile",
        axis=0,
        batch=100,
        vectorized=True,
        rng=np.random.default_rng(1),
    )


def _measure(work: Callable[[int], None], clusters: int, queue: multiprocessing.Queue) -> None:
    before = psutil.Process().memory_info().rss
    wall, processor = time.perf_counter(), time.process_time()
    work(clusters)
    spent = time.perf_counter() - wall, time.process_time() - processor
    queue.put((*spent, (peak_resident() or 0) - before))


def main() -> None:
    """Print the table."""
    context = multiprocessing.get_context("spawn")
    print("| case | wall, s | processor, s | memory above start, MB |\n| --- | --- | --- | --- |")
    for title, work, clusters in (
        ("ours, every sample its own cluster", ours, SAMPLES),
        ("ours, 2,000 clusters of 5", ours, 2000),
        ("scipy.stats.bootstrap, no clusters, accuracies only", theirs, SAMPLES),
    ):
        queue = context.Queue()
        process = context.Process(target=_measure, args=(work, clusters, queue))
        process.start()
        wall, processor, memory = queue.get()
        process.join()
        print(f"| {title} | {wall:.2f} | {processor:.2f} | {memory / MEGABYTE:.0f} |", flush=True)


if __name__ == "__main__":
    main()
