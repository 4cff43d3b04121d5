"""`resolution-eval power`: what drop a number of samples can show, or how many a drop needs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.printing import as_json

if TYPE_CHECKING:
    from resolution_eval.statistics.planning import SampleSizePlan


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("results", type=Path, nargs="?", metavar="RESULTS", help="records or results to plan from")
    add("--drop", type=float, help="drop of accuracy to plan for (fraction)")
    add("--n", type=int, help="samples, without RESULTS")
    add("--discordance", type=float, help="fraction of samples that differ, without RESULTS")
    add("--clusters", type=int, help="patients or slides of the samples, without RESULTS")
    add("--family", type=int, default=1, help="comparisons made together, without RESULTS (1)")
    add("--power", type=float, default=0.8, help="chance to find it (0.8)")
    add("--error", type=float, default=0.05, help="two-sided error (0.05)")
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.preflight import refuse_absent

    refuse_absent(known.results)
    from tabulate import tabulate

    for name in ("drop", "discordance", "power", "error"):
        value = getattr(known, name)
        if value is not None and not 0 < value <= 1:
            raise UsageError(f"--{name} is {value:g}; give a fraction above 0 and at most 1")
    try:
        plans = _of_results(known) if known.results else {"as given": _of_figures(known)}
    except ValueError as error:
        raise UsageError(str(error)) from error
    rows = [{"comparison": name, **_row(plan)} for name, plan in plans.items()]
    print(as_json(rows) if known.json else tabulate(rows, headers="keys", missingval="-"))


def _of_figures(known: argparse.Namespace) -> SampleSizePlan:
    from resolution_eval.statistics.planning import plan

    if known.discordance is None or (known.n is None and known.drop is None):
        raise UsageError(
            "name RESULTS to plan from, or --discordance with --n (what it can show) or --drop "
            "(how many samples it needs)"
        )
    names = ("n", "discordance", "drop", "power", "error", "clusters", "family")
    return plan(**{name: getattr(known, name) for name in names})


def _of_results(known: argparse.Namespace) -> dict[str, SampleSizePlan]:
    """Every resolution against the training resolution, else the last, of every record."""
    from resolution_eval.analysis.plans import plans
    from resolution_eval.analysis.sweeps import by_task
    from resolution_eval.report import load

    wanted = {"drop": known.drop, "power": known.power, "error": known.error}
    return {
        f"{task.task}, {sweep.name}: {name}": plan
        for task in by_task(load([known.results]))
        for sweep in task.sweeps
        for name, plan in plans(sweep, **wanted).items()
    }


def _row(plan: SampleSizePlan) -> dict[str, Any]:
    from resolution_eval.statistics.curves import Withheld

    def shown(value: Any) -> Any:
        if isinstance(value, Withheld):
            return f"none: {value.reason}"
        return round(value, 4) if isinstance(value, float) else value

    row = {
        "n": plan.n,
        "differ": shown(plan.discordance),
        "design effect": shown(plan.design),
        "detectable drop": shown(plan.detectable),
    }
    if plan.drop is None:
        return row
    chance = {} if plan.reached is None else {"chance to find it": shown(plan.reached.value)}
    return {**row, f"n for {plan.drop:g}": shown(plan.needed), **chance}
