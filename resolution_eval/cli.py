"""The command `resolution-eval`.

Only the standard library is imported here: `--help` answers at once, and each command imports what
it needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval import __version__
from resolution_eval.errors import ResolutionEvalError, UsageError

if TYPE_CHECKING:
    from resolution_eval.records import Record

PACKAGES = ("lmms-eval", "open-flamingo", "torch", "transformers", "open-clip-torch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 an error that was said, 2 unusable arguments."""
    parser = build_parser()
    known, rest = parser.parse_known_args(arguments)
    if rest and known.command is not _run:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        command: Command = known.command
        return command(known, rest)
    except ResolutionEvalError as error:
        print(f"resolution-eval: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("resolution-eval: stopped", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments; the documentation's reference is made from this."""
    parser = argparse.ArgumentParser(
        prog="resolution-eval",
        description="Score multimodal LLMs across inference resolutions, and attest each sample's.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions and stop")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(_command(commands, "run", _run, "run lmms-eval with a sweep of your own"))
    _add_datasets(_command(commands, "datasets", _datasets, "list the data sets, or show one"))
    _command(commands, "models", _models, "list checkpoints and their training resolution")
    _add_report(_command(commands, "report", _report, "print and draw lmms-eval's results"))
    _add_demo(_command(commands, "demo", _demo, "sweep the embedded checkpoints over phantoms"))
    _add_train(_command(commands, "train", _train, "train a small Flamingo from scratch"))
    _add_record(_command(commands, "record", _record, "make records from lmms-eval's results"))
    _add_doctor(_command(commands, "doctor", _doctor, "show a sweep's grids; needs no weights"))
    _add_compare(_command(commands, "compare", _compare, "compare two records, sample by sample"))
    _add_table(_command(commands, "metrics", _metrics, "figures of accuracy-resolution curves"))
    _add_table(_command(commands, "gaps", _gaps, "gaps of a train x inference table"))
    return parser


Command = Callable[[argparse.Namespace, list[str]], int]


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Command,
    help: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(command=function)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Every other argument goes to lmms-eval as it is; see `lmms-eval eval --help`."
    parser.add_argument("--tasks", default="", help="comma-separated task names")
    parser.add_argument(
        "--resolutions", help='comma-separated pixel edges of the square budget, or "native"'
    )
    parser.add_argument(
        "--scheme", help="match: the grid follows r; restore: the grid stays, the content varies"
    )
    parser.add_argument("--filter", help="bicubic (default), lanczos, bilinear, box or nearest")
    parser.add_argument(
        "--data", type=Path, metavar="PATH", help="your own folder, for the task folder_res"
    )


def _run(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.resolution import parse_resolution
    from resolution_eval.runs import run

    resolutions = None
    if known.resolutions is not None:
        resolutions = [parse_resolution(text) for text in known.resolutions.split(",")]
    tasks = [name for name in known.tasks.split(",") if name]
    return run(
        tasks,
        rest,
        resolutions=resolutions,
        filter=known.filter,
        scheme=known.scheme,
        data=known.data,
    )


def _add_datasets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of a data set, or of its task")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="contact sheet (default: NAME.png, here)"
    )


def _datasets(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval import datasets

    if known.name is None:
        print(datasets.list_datasets())
        return 0
    card = datasets.find_card(known.name)
    print(datasets.describe(card))
    if datasets.is_at_hand(card):
        sheet = datasets.contact_sheet(card, known.sheet or Path(f"{card.name}.png"))
        print(f"\ncontact sheet: {sheet}")
    return 0


def _models(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.checkpoints import listing

    print(listing())
    return 0


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="DIR", help="lmms-eval's output folder"
    )
    parser.add_argument(
        "--output", type=Path, metavar="SITE", help="folder for index.html (default: DIR)"
    )
    parser.add_argument(
        "--format", choices=("text", "md", "csv"), default="text", help="of what is printed"
    )


def _report(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.report import report

    print(report(known.results, known.output or known.results[0], format=known.format))
    return 0


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results and index.html",
    )


def _demo(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.demo import demo

    print(f"open {demo(known.output)}")
    return 0


def _add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, metavar="DIR", help="lmms-eval's output folder")
    parser.add_argument(
        "--output", type=Path, metavar="RECORDS", help="folder for the records (default: DIR)"
    )


def _record(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.records import make_records, write_record

    for record in make_records(known.results):
        print(write_record(record, known.output or known.results))
    return 0


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit status 3: the sweep would be flat, mismatched, or is impossible."
    parser.add_argument("--model", required=True, help="reshf or resflamingo")
    parser.add_argument(
        "--model_args", default="", metavar="ARGS", help="as for lmms-eval: pretrained=DIR,..."
    )
    parser.add_argument("--sizes", default="28,64,112,224,448,896", help="comma-separated sizes")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _doctor(known: argparse.Namespace, rest: list[str]) -> int:
    from dataclasses import asdict

    from resolution_eval.doctor import diagnose, model_arguments, report
    from resolution_eval.resolution import parse_resolution

    sizes = [parse_resolution(text) for text in known.sizes.split(",")]
    found = diagnose(known.model, model_arguments(known.model_args), sizes)
    print(_json(asdict(found)) if known.json else report(found))
    return 0 if found.ok else 3


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="A", help="a record, or a folder of results")
    parser.add_argument("second", type=Path, metavar="B", help="of the same task")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _compare(known: argparse.Namespace, rest: list[str]) -> int:
    from dataclasses import asdict

    from resolution_eval.report import load
    from resolution_eval.report.comparison import compare, comparison_table
    from resolution_eval.report.tables import FORMATS

    first, second = (_only(load([path]), path) for path in (known.first, known.second))
    found = compare(first, second)
    print(_json(asdict(found)) if known.json else FORMATS["text"]([comparison_table(found)]))
    return 0


def _only(records: Sequence[Record], path: Path) -> Record:
    if len(records) != 1:
        names = ", ".join(f"{record.label} on {record.task}" for record in records)
        raise UsageError(f"{path} holds {len(records)} records ({names}); name one record's file")
    return records[0]


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task", required=True, help="a classification task of ours with a train split"
    )
    parser.add_argument("--strategy", required=True, choices=("native", "low", "mixed"))
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="checkpoint folder"
    )
    parser.add_argument("--low", default="56", help="the low training resolution (default: 56)")
    parser.add_argument(
        "--native", default="native", help="what counts as native (default: the source)"
    )
    parser.add_argument(
        "--patch", type=int, default=8, help="edge of the encoder's patch (default: 8)"
    )
    parser.add_argument("--encoder-steps", type=int, default=600, help="first stage (default: 600)")
    parser.add_argument("--joint-steps", type=int, default=300, help="second stage (default: 300)")
    parser.add_argument("--batch", type=int, default=64, help="images per step (default: 64)")
    parser.add_argument("--flips", action="store_true", help="mirror training images at random")
    parser.add_argument("--seed", type=int, default=0)


def _train(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.training.command import train_task

    print(train_task(known))
    return 0


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="JSON; its form is in docs/figures.md"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _metrics(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.statistics.tables import metrics_of_file

    found = metrics_of_file(known.file)
    print(_json(found) if known.json else _rows("name", found))
    return 0


def _gaps(known: argparse.Namespace, rest: list[str]) -> int:
    from resolution_eval.statistics.tables import gaps_of_file

    found = gaps_of_file(known.file)
    rows = {
        f"{model}, {'mean of ' if part == 'means' else ''}{name}": figures
        for model, parts in found.items()
        for part, sets in parts.items()
        for name, figures in sets.items()
    }
    print(_json(found) if known.json else _rows("model, data set", rows))
    return 0


def _json(found: object) -> str:
    import json

    return json.dumps(found, indent=2, allow_nan=False)


def _rows(heading: str, rows: Mapping[str, Mapping[str, float | None]]) -> str:
    """The rows as an aligned table, four decimals."""
    from tabulate import tabulate

    table = [{heading: name, **figures} for name, figures in rows.items()]
    return tabulate(table, headers="keys", floatfmt=".4f", missingval="-")


class _Version(argparse.Action):
    """Prints our version and those of the packages that a score depends on."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"resolution-eval {__version__}")
        for package in PACKAGES:
            print(f"  {package} {_installed(package)}")
        parser.exit()


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
