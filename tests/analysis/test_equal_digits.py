"""One place computes a figure: every view of a committed record shows the same digits of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from resolution_eval import cli
from resolution_eval.analysis import CurveFigures, by_task, figures
from resolution_eval.analysis.strategies import matrix_of_records
from resolution_eval.ground import paths
from resolution_eval.report import load, report
from resolution_eval.report.task_tables import FIGURE_NAMES
from resolution_eval.statistics.intervals import Interval

RECORDS = paths.leaderboard() / "records"
FOLDERS = sorted(path for path in RECORDS.glob("*/*") if path.is_dir())
Numbers = tuple[float, float, float]
pytestmark = [pytest.mark.whole, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def curves() -> dict[tuple[str, str], CurveFigures]:
    """Every curve of every committed record that is no blind run, by folder and setting."""
    found = {}
    for folder in FOLDERS:
        for task in by_task(load([folder])):
            for sweep in task.sweeps:
                found[folder.parent.name, " ".join(sweep.setting)] = figures(sweep)
    return found


def numbers(figure: object) -> Numbers | None:
    """Estimate and ends to the ten digits that the forms print; None where it is withheld."""
    if not isinstance(figure, Interval):
        return None
    return tuple(float(f"{x:.10g}") for x in (figure.estimate, figure.low, figure.high))


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """The rows of every table in the CSV by the end of its name."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    heads: list[str] = []
    for row in csv.reader(io.StringIO(text)):
        if row[0] == "table":
            heads = row
        else:
            found[row[0].rpartition("-")[2]].append(dict(zip(heads, row, strict=True)))
    return found


def field(row: Mapping[str, str], name: str) -> Numbers | None:
    ends = [row.get(f"{name} {end}", "") for end in ("low", "high")]
    return None if "" in ends else tuple(float(text) for text in (row[name], *ends))


def test_there_are_records_of_three_tasks(curves) -> None:
    assert len(FOLDERS) >= 18
    assert len({curve.sweep.record.task for curve in curves.values()}) == 3


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.parent.name)
def test_the_report_prints_the_figures_of_the_analysis(folder: Path, curves) -> None:
    printed = tables(report([folder], format="tables"))
    mine = [curve for (name, _), curve in curves.items() if name == folder.parent.name]
    assert len(printed["figures"]) == len(mine)
    for row, curve in zip(printed["figures"], mine, strict=True):
        for name, (head, _) in FIGURE_NAMES.items():
            assert field(row, head) == numbers(curve.figures[name]), name
        assert row["n"] == str(curve.n)
    cells = [each for curve in mine for each in curve.cells]
    for row, each in zip(printed["cells"], cells, strict=True):
        assert tuple(float(row[end]) for end in ("accuracy", "low", "high")) == numbers(
            each.accuracy
        )
        assert field(row, "gain") == numbers(each.gain)


def test_rank_prints_the_figures_of_the_analysis(curves, capsys) -> None:
    by_folder = {name for name, _ in curves}
    for task in ("phantom", "pbc"):
        shown = [folder for folder in FOLDERS if next(folder.glob(f"{task}_res*"), None)]
        assert cli.main(["rank", "--json", *map(str, shown)]) == 0
        places = json.loads(capsys.readouterr().out)["places"]
        assert len(places) == len(shown) and {f.parent.name for f in shown} <= by_folder
        by_model = {c.sweep.record.checkpoint.name: c for c in curves.values()}
        for place in places:
            curve = by_model[place["model"]]
            for name, figure in (("score", "gain"), ("area", "area")):
                ends = [place[name][end] for end in ("estimate", "low", "high")]
                assert tuple(float(f"{x:.10g}") for x in ends) == numbers(curve.figures[figure])


def test_compare_prints_the_differences_of_the_reports_accuracies(curves, capsys) -> None:
    first, second = (
        next(folder for folder in FOLDERS if name in str(folder))
        for name in ("pbc56-mixed-0", "pbc56-native-0")
    )
    assert cli.main(["compare", "--json", str(first), str(second)]) == 0
    verdicts = json.loads(capsys.readouterr().out)["verdicts"]
    setting = "match bicubic rank"
    pair = [curves[folder.parent.name, setting] for folder in (first, second)]
    assert list(verdicts) == list(pair[0].sweep.resolutions)
    for index, verdict in enumerate(verdicts.values()):
        before, after = (curve.cells[index].accuracy.estimate for curve in pair)
        assert verdict["difference"]["estimate"] == pytest.approx(after - before, abs=1e-12)
        assert (verdict["difference"]["n"], verdict["left_out"]) == (320, 0)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.parent.name)
def test_a_matrix_of_one_checkpoint_has_the_cells_of_its_curve(folder: Path, curves) -> None:
    records = [record for record in load([folder]) if record.blind is None]
    matrix = matrix_of_records(records)
    answered = {setting.split()[2]: curve for (name, setting), curve in curves.items()
                if name == folder.parent.name}  # fmt: skip
    curve = answered["rank"]
    (strategy,) = matrix.records
    for each in curve.cells:
        cell = matrix.cells[strategy, each.cell.resolution]
        assert numbers(cell.interval) == numbers(each.accuracy)
        assert cell.trained == each.trained


def test_the_board_has_the_figures_of_the_analysis(curves) -> None:
    from resolution_eval.board.board_schema import Curve
    from resolution_eval.board.rows import load_board

    if "score" not in Curve.__annotations__:
        pytest.skip("the board of this version has no score yet")
    shown = 0
    for row in load_board().rows:
        for curve in row.curves:
            folder = curve.record_path.parents[1].name
            mine = curves[folder, f"{row.scheme} {row.filter} {curve.answer_mode}"]
            named = {"score": "gain", "area": "area", "worst_drop": "worst_drop",
                     "best_drop": "best_drop", "retention": "retention"}  # fmt: skip
            for field_name, name in named.items():
                estimate = getattr(curve, field_name)
                found = None if estimate is None else (estimate.value, estimate.low, estimate.high)
                assert found == (ends(mine.figures[name])), (folder, name)
            for point, each in zip(curve.points, mine.cells, strict=True):
                value = point.accuracy
                assert (value.value, value.low, value.high) == ends(each.accuracy)
            assert curve.looks == mine.looks and curve.choice == mine.chosen
            shown += 1
    assert shown >= len(FOLDERS)


def ends(figure: object) -> Numbers | None:
    if not isinstance(figure, Interval):
        return None
    return figure.estimate, figure.low, figure.high


@pytest.mark.whole
def test_order_changes_no_digit(curves) -> None:
    """The same record beside others, in another order, has the same figures."""
    folders = [folder for folder in FOLDERS if re.search("pbc56-(mixed|low)-[01]", str(folder))]
    for order in (folders, folders[::-1]):
        for task in by_task(load(order)):
            for sweep in task.sweeps:
                name = f"resolution-eval__{sweep.record.checkpoint.name}"
                mine, other = figures(sweep), curves[name, " ".join(sweep.setting)]
                assert {n: numbers(f) for n, f in mine.figures.items()} == {
                    n: numbers(f) for n, f in other.figures.items()
                }
