"""`resolution-eval compare`: compare two records, sample by sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.ground.printing import as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("first", type=Path, metavar="A", help="a record, or a folder of results")
    add("second", type=Path, metavar="B", help="of the same task")
    add("--samples", action="store_true", help="name every sample whose verdict differs")
    add(
        "--mix-steps",
        action="store_true",
        help="compare cells of different steps of the ladder too: attested against counted, say",
    )
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.preflight import refuse_absent

    refuse_absent(known.first, known.second)

    from resolution_eval.analysis.record_comparison import compare
    from resolution_eval.collection import only
    from resolution_eval.ground.tables import FORMATS
    from resolution_eval.report import load
    from resolution_eval.report.comparison_tables import changed_table, comparison_table

    first, second = (only(load([path]), path) for path in (known.first, known.second))
    comparison = compare(first, second, mix_steps=known.mix_steps)
    tables = [comparison_table(comparison), *([changed_table(comparison)] if known.samples else [])]
    print(as_json(comparison) if known.json else FORMATS["text"](tables))
