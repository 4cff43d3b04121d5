"""`resolution-eval sweep`: run many models on many tasks, resumably, here or on a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from resolution_eval.commands.run import probe_argument


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = (
        "Finished jobs are skipped, failed ones tried once more; exit status 1 where one failed. "
        "The plan's form is in docs/sweep.md."
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.yaml", help="models, tasks, executor")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print each job's command and state, and what a server would count; run nothing",
    )
    parser.add_argument(
        "--price",
        type=positive,
        metavar="MONEY",
        help="of a million prompt tokens, in your currency: --dry-run then says what cells cost",
    )
    parser.add_argument(
        "--budget",
        type=whole,
        metavar="TOKENS",
        help="stop each job before it has spent more; what was answered is kept",
    )
    probe_argument(parser)


def positive(text: str) -> float:
    """A price: a number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        price = float(text)
    except ValueError:
        price = 0.0
    if not 0 < price < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no price; give a number above 0, as 2.5")
    return price


def whole(text: str) -> int:
    """A number of tokens, from 1.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens; give one from 1")
    return int(text)


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    import shlex

    from resolution_eval.ground.redaction import redacted
    from resolution_eval.jobs.estimate import told
    from resolution_eval.jobs.execution import execute, summary
    from resolution_eval.jobs.sweep_plan import read_plan

    plan = read_plan(known.plan, budget=known.budget, probe=known.probe)
    if known.dry_run:
        for job in plan.jobs():
            print(f"# {job.name}: {'finished' if job.finished else 'to run'}")
            for line in told(job, known.price):
                print(line)
            print(redacted(shlex.join(job.command(job.folder / "attempt-N"))))
        return 0
    outcomes = execute(plan)
    print(summary(outcomes))
    print(f"records: {plan.output / 'records'}")
    return 1 if any(outcome.error for outcome in outcomes) else 0
