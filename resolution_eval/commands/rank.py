"""`resolution-eval rank`: models by their mean over tasks, with intervals of mean and rank."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval.ground.printing import as_json

if TYPE_CHECKING:
    from resolution_eval.statistics.intervals import Interval


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("results", type=Path, nargs="+", metavar="RESULTS", help="records, or folders of results")
    add(
        "--mix-steps",
        action="store_true",
        help="rank models of different steps of the ladder together: attested and counted, say",
    )
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.preflight import refuse_absent

    refuse_absent(*known.results)
    from tabulate import tabulate

    from resolution_eval.analysis.ranking import ranking
    from resolution_eval.evidence.ladder import WEAKER, listed
    from resolution_eval.report import load

    standings = ranking(load(known.results), mix_steps=known.mix_steps)
    if known.json:
        print(as_json(standings))
        return
    rows = [
        {
            "rank": "–" if place.rank is None else _shown(place.rank, 0),
            "model": place.model,
            "gain over the floor": _shown(place.score, 3),
            "area": _shown(place.area, 3),
            "looks": LOOKS[place.looks],
            "step": standings.steps[place.model],
        }
        for place in standings.places
    ]
    print(tabulate(rows, headers="keys", disable_numparse=True))
    tasks = ", ".join(f"{task} ({n} samples)" for task, n in standings.tasks.items())
    print(f"\nMean over {tasks}; 95 % intervals in brackets.")
    if any(place.rank is None for place in standings.places):
        print("A model that is not shown to look at the image has no rank.")
    if len(standings.entered) > 1:
        print(f"Steps of the ladder are mixed, as asked: {listed(standings.entered)}; {WEAKER}.")
    for task, why in standings.left_out.items():
        print(f"Left out: {task}, {why}.")


LOOKS = {True: "yes", False: "does not look", None: "no blind run"}


def _shown(interval: Interval, digits: int) -> str:
    return f"{interval.estimate:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
