"""`resolution-eval sweep`: run many models on many tasks, resumably, here or on a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = (
        "Finished jobs are skipped, failed ones tried once more; exit status 1 where one failed. "
        "The plan's form is in docs/sweep.md."
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.yaml", help="models, tasks, executor")
    parser.add_argument(
        "--dry-run", action="store_true", help="print each job's command and state, run nothing"
    )


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    import shlex

    from resolution_eval.jobs import execute, read_plan, summary

    plan = read_plan(known.plan)
    if known.dry_run:
        for job in plan.jobs():
            print(f"# {job.name}: {'finished' if job.finished else 'to run'}")
            print(shlex.join(job.command(job.folder / "attempt-N")))
        return 0
    outcomes = execute(plan)
    print(summary(outcomes))
    print(f"records: {plan.output / 'records'}")
    return 1 if any(outcome.error for outcome in outcomes) else 0
