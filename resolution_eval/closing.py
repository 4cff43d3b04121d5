"""The closing of a run: what stands under lmms-eval's table, and how that table's rows are sorted.

lmms-eval sorts rows by their name as text, so that `acc@112` stands above `acc@28`. In the printed
table, and there alone, our resolutions are filled up with zeros to one width (`acc@028`); results
files keep the names as they are. Rows of words go, since what they say is said below in sentences.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from resolution_eval.ground.errors import visible
from resolution_eval.host.tally import TOLD, Item

WORDS = ("data", "verdict", "attestation")
"""Rows that hold sentences; what they say stands below the table."""


def add_closing(utils: Any) -> None:
    """Have lmms-eval's table of our tasks in order, with what they say under it."""
    original = utils.make_table
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    def make_table(result_dict: dict[str, Any], column: str = "results", **more: Any) -> Any:
        shown = original(ordered(result_dict, column), column, **more)
        try:
            return "\n".join((shown, *(closing(result_dict) if column == "results" else ())))
        except Exception as error:  # noqa: BLE001  (the host's table must be shown; the warning names us)
            print(
                visible(f"resolution-eval: nothing to say of this run: {error!r}"), file=sys.stderr
            )
            return shown

    utils.make_table = make_table


def ordered(results: Mapping[str, Any], column: str) -> dict[str, Any]:
    """`results` with the rows of our tasks named so that their order as text is that of numbers."""
    changed = dict(results)
    better = dict(results.get("higher_is_better", {}))
    rows = dict(results[column])
    for task in [name for name in rows if name.endswith("_res")]:
        width = max((len(_edge(name)) for name in rows[task]), default=0)
        rows[task] = {
            _padded(name, width): value
            for name, value in rows[task].items()
            if name.partition(",")[0].removesuffix("_stderr") not in WORDS
        }
        better[task] = {_padded(name, width): value for name, value in better.get(task, {}).items()}
    return {**changed, column: rows, "higher_is_better": better}


def _edge(name: str) -> str:
    """The whole digits of a row's resolution, in pixels or µm; empty where it has none.

    Example:
        >>> _edge("acc@28,none"), _edge("acc@native,none"), _edge("acc_stderr@28"), _edge("area")
        ('28', '', '28', '')
        >>> _edge("acc@16um,none"), _edge("acc@0.25um_stderr,none")
        ('16', '0')
    """
    named = name.partition("@")[2].partition(",")[0].partition("_")[0]
    digits = named.removesuffix("um").partition(".")[0]
    return digits if digits.isdecimal() else ""


def _padded(name: str, width: int) -> str:
    """The row's name with its resolution filled up to `width` digits.

    Example:
        >>> _padded("acc@28,none", 3), _padded("acc@28_stderr,none", 4), _padded("area,none", 3)
        ('acc@028,none', 'acc@0028_stderr,none', 'area,none')
    """
    edge = _edge(name)
    head, _, tail = name.partition("@")
    return f"{head}@{edge.zfill(width)}{tail[len(edge) :]}" if edge else name


def closing(results: Mapping[str, Any]) -> Iterator[str]:
    """What the run says, task by task: the compact table, the sentence, and the next command."""
    from resolution_eval.analysis import by_task, figures
    from resolution_eval.analysis.headline import headline
    from resolution_eval.records import make_records
    from resolution_eval.report.curve_summary import compact, next_step

    lines = dict(_lines(results))
    if not lines:
        return
    with TemporaryDirectory(prefix="resolution-eval-") as folder:
        _write(Path(folder), results, lines)
        records = make_records(Path(folder))
    for task in by_task(records):
        for sweep in task.sweeps:
            curve = figures(sweep)
            yield f"\n{compact(curve)}"
            yield next_step(curve, headline(curve), "the --output_path of this run")
    TOLD.lines.clear()


def _lines(results: Mapping[str, Any]) -> Iterator[tuple[str, Iterator[Item]]]:
    """The lines of the samples file of every task of ours, each made as it is written."""
    from resolution_eval.host.tasks import fingerprint_of

    for task, configuration in results.get("configs", {}).items():
        card = (configuration.get("metadata") or {}).get("card")
        columns = TOLD.lines.get(str(fingerprint_of(card))) if card else None
        if columns is not None:
            pairs = zip(*columns, strict=True)
            yield (
                task,
                ({"doc_id": i, "verdict": v, "attestation": a} for i, (v, a) in enumerate(pairs)),
            )


def _write(folder: Path, results: Mapping[str, Any], lines: Mapping[str, Iterable[Item]]) -> None:
    """The run as lmms-eval would write it, so that one reader reads it."""
    kept = {name: results[name] for name in results if name not in ("samples", "groups")}
    kept["results"] = {task: results["results"][task] for task in lines}
    date = str(results.get("date") or "20000101_000000")
    text = json.dumps(kept | {"date": date}, default=str)
    (folder / f"{date}_results.json").write_text(text, encoding="utf-8")
    for task, samples in lines.items():
        with (folder / f"{date}_samples_{task}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in samples)
