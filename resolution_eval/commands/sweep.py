"""`resolution-eval sweep`: run many models on many tasks, resumably, here or on a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.commands.options import number_of, price, probe_argument


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = (
        "Finished jobs are skipped, failed ones tried once more; exit status 1 where one failed. "
        "The plan's form is in docs/sweep.md."
    )
    add("plan", type=Path, metavar="PLAN.yaml", help="models, tasks, executor")
    add(
        "--dry-run",
        action="store_true",
        help="print each job's command and state, and what a server would count; run nothing",
    )
    add(
        "--price",
        type=price,
        metavar="MONEY",
        help="of a million prompt tokens, in your currency: --dry-run then says what cells cost",
    )
    add(
        "--budget",
        type=number_of("tokens"),
        metavar="TOKENS",
        help="stop each job before it has spent more; what was answered is kept",
    )
    probe_argument(add)


def run(known: argparse.Namespace) -> int:
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
