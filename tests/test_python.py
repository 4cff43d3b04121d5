"""The door for Python: few names, none of them dear, and the same figures as everywhere else."""

from __future__ import annotations

import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_runs import failed_at, sweep, write_run

import resolution_eval
from resolution_eval.analysis import CurveFigures
from resolution_eval.analysis.curve import curve
from resolution_eval.collection import Collection
from resolution_eval.ground import errors
from resolution_eval.report import load as records_in
from resolution_eval.report import studies
from resolution_eval.statistics.intervals import Interval

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "families"))
RECORDS = ROOT / "leaderboard" / "records"
PUBLIC = {
    *("Collection", "ResolutionEvalError", "Withheld", "attest", "choose", "compare", "curve"),
    *("diagnose", "load", "model_cards", "rank", "run", "task_cards"),
}
HEAVY = ("torch", "pandas", "altair", "numpy", "pydantic", "transformers", "lmms_eval", "pyarrow")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/python.md").read_text(), re.M | re.S)


def _folders(pattern: str) -> list[Path]:
    found = sorted(RECORDS.glob(f"{pattern}/*"))
    assert found
    return found


@pytest.fixture(scope="module")
def embedded() -> Collection:
    """The demo's three checkpoints, each with its blind run."""
    return resolution_eval.load(*_folders("resolution-eval__embedded-*"))


def _loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh Python has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint(*{set(HEAVY)} & sys.modules.keys(), file=sys.stderr)"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return set(ran.stderr.split())


def test_the_public_names_are_these() -> None:
    assert set(resolution_eval.__all__) == PUBLIC == resolution_eval.MODULES.keys()
    assert set(dir(resolution_eval)) >= PUBLIC
    assert resolution_eval.__all__ == sorted(resolution_eval.__all__)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(resolution_eval, name)
    assert value.__name__ == name
    assert inspect.getdoc(value)
    home = f"resolution_eval.{resolution_eval.MODULES[name]}"
    assert inspect.unwrap(value).__module__ == home


def test_type_checkers_are_told_of_the_same_names_from_the_same_modules() -> None:
    text = Path(resolution_eval.__file__).read_text(encoding="utf-8")
    told = re.findall(r"^    from resolution_eval\.(\S+) import (.+)$", text, re.M)
    pairs = {name: module for module, names in told for name in names.split(", ")}
    assert pairs == resolution_eval.MODULES


def test_no_name_is_a_modules_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(resolution_eval.__path__)}
    assert not PUBLIC & modules


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'curves'"):
        _ = resolution_eval.curves  # type: ignore[attr-defined]
    from resolution_eval import collection  # a submodule, found behind the names

    assert inspect.ismodule(collection)


@pytest.mark.parametrize(
    "statement",
    [
        "import resolution_eval",
        "import resolution_eval; dir(resolution_eval)",
        "from resolution_eval import ResolutionEvalError",
        "from resolution_eval.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_looking_in_loads_nothing_heavy(statement: str) -> None:
    assert _loaded_by(statement) == set()


def test_a_record_is_read_without_charts_or_torch() -> None:
    (folder, *_) = _folders("resolution-eval__embedded-low")
    loaded = _loaded_by(f"import resolution_eval; resolution_eval.load({str(folder)!r})")
    assert "pydantic" in loaded
    assert not loaded & {"altair", "torch", "transformers", "lmms_eval"}


def _intervals(curves: tuple[CurveFigures, ...]) -> list[tuple[float, float, float]]:
    cells = [cell.accuracy for curve in curves for cell in curve.cells]
    return [(a.estimate, a.low, a.high) for a in cells if isinstance(a, Interval)]


def test_blind_runs_are_paired_as_in_the_report(embedded: Collection) -> None:
    expected = studies(records_in(_folders("resolution-eval__embedded-*")))
    assert [task.task for task, _ in embedded.studies] == [task.task for task, _ in expected]
    mine = embedded.curves
    theirs = tuple(curve for _, curves in expected for curve in curves)
    assert [(one.name, one.looks, one.chosen) for one in mine] == [
        (one.name, one.looks, one.chosen) for one in theirs
    ]
    assert all(one.looks is not None for one in mine)
    assert _intervals(mine) == _intervals(theirs)


def test_the_frame_has_the_figures_of_every_cell(embedded: Collection) -> None:
    frame = embedded.to_frame()
    assert not frame.duplicated(["curve", "task", "r"]).any()
    rows = list(frame[["accuracy", "low", "high"]].itertuples(index=False, name=None))
    assert rows == _intervals(embedded.curves)
    cells = [cell for record in embedded if record.blind is None for cell in record.cells]
    assert list(frame["n"]) == [cell.n - cell.failed for cell in cells]
    assert list(frame["accuracy"]) == pytest.approx([cell.accuracy for cell in cells])
    assert list(frame["r"]) == [cell.resolution for cell in cells]
    assert list(frame["tokens"]) == [cell.visual_tokens.mean for cell in cells]
    assert set(frame["status"]) == set(frame["step"]) == {"attested"}
    assert frame["withheld"].isna().all()


def test_the_samples_make_the_frame(embedded: Collection) -> None:
    means = (
        embedded.samples_frame().groupby(["curve", "task", "r"])["correct"].agg(["mean", "count"])
    )
    frame = embedded.to_frame().set_index(["curve", "task", "r"]).join(means)
    assert list(frame["mean"]) == pytest.approx(list(frame["accuracy"]))
    assert list(frame["count"]) == list(frame["n"])


def test_a_sample_without_a_verdict_is_absent_and_not_wrong(tmp_path: Path) -> None:
    lines = sweep({"28": 0.5, "56": 0.9}, samples=20)
    some, every = {f"tile-{i}" for i in range(3)}, {f"tile-{i}" for i in range(20)}
    lines = failed_at(failed_at(lines, some, "28"), every, "56")
    write_run(tmp_path, lines, task="phantom_res")
    records = resolution_eval.load(tmp_path)
    samples, frame = records.samples_frame(), records.to_frame().set_index("r")
    assert samples.groupby("r")["correct"].agg(lambda found: found.isna().sum()).to_dict() == {
        "28": 3,
        "56": 20,
    }
    assert frame["failed"].to_dict() == {"28": 3, "56": 20}
    assert frame["n"].to_dict() == {"28": 17, "56": 0}
    assert frame["status"].to_dict() == {"28": "incomplete", "56": "incomplete"}
    assert pd.isna(frame.loc["56", "accuracy"])
    assert "no sample at 56 has a verdict" in frame.loc["56", "withheld"]


def test_nothing_is_a_frame_with_the_same_columns(embedded: Collection) -> None:
    nothing = embedded[:0]
    assert list(nothing.to_frame().dtypes) == list(embedded.to_frame().dtypes)
    assert list(nothing.samples_frame().dtypes) == list(embedded.samples_frame().dtypes)


def _plotted(chart: Any) -> list[dict[str, Any]]:
    document = chart.to_dict()
    data = document["data"]
    return data.get("values") or document["datasets"][data["name"]]


def test_the_chart_draws_the_frame(embedded: Collection) -> None:
    drawn = [
        (row["name"], row["resolution"], row["accuracy"], row["low"], row["high"])
        for row in _plotted(embedded.plot())
    ]
    columns = ["curve", "r", "accuracy", "low", "high"]
    assert drawn == list(embedded.to_frame()[columns].itertuples(index=False, name=None))


def test_a_chart_of_several_tasks_asks_which() -> None:
    records = resolution_eval.load(
        *_folders("resolution-eval__embedded-low"), *_folders("resolution-eval__pbc56-low-0")
    )
    with pytest.raises(errors.UsageError, match=r"pbc_res, phantom_res; name one"):
        records.plot()
    with pytest.raises(errors.UsageError, match="did you mean 'pbc_res'"):
        records.plot("pbc-res")
    names = {row["name"] for row in _plotted(records.plot("pbc_res"))}
    assert names == set(records.select(task="pbc_res").to_frame()["curve"])


def test_a_selection_names_what_there_is(embedded: Collection) -> None:
    low = embedded.select(checkpoint="low")
    assert {record.label for record in low} == {"low"} and len(low) == 2
    assert list(embedded.select(checkpoint="embedded/low")) == list(low)
    assert low.only.blind is None
    with pytest.raises(errors.UsageError, match="did you mean 'native'"):
        embedded.select(checkpoint="nativ")
    with pytest.raises(errors.UsageError, match="3 records"):
        _ = embedded.only


def test_a_choice_is_the_curves_own_and_a_refusal_has_its_reason(embedded: Collection) -> None:
    for record in embedded:
        if record.blind is not None:
            continue
        found = curve(record, blind=embedded)
        assert resolution_eval.choose(record, blind=embedded) == found.chosen
        fewest = resolution_eval.choose(record, blind=embedded, by="tokens")
        assert fewest == found.chosen_by_tokens
    blind = embedded.blind[0]
    told = resolution_eval.choose(blind)
    assert isinstance(told, resolution_eval.Withheld)
    assert "floor" in told.reason


def test_the_whole_collection_may_stand_for_its_blind_runs(embedded: Collection) -> None:
    record = embedded.select(checkpoint="native").only
    whole, alone = (curve(record, blind=blind) for blind in (embedded, embedded.blind))
    assert [cell.look for cell in whole.cells] == [cell.look for cell in alone.cells]
    control = embedded.blind[0]
    beside, alone = curve(control, blind=embedded), curve(control)
    assert [cell.accuracy for cell in beside.cells] == [cell.accuracy for cell in alone.cells]


def test_the_page_is_in_the_navigation_and_names_every_name() -> None:
    assert "python.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    assert {name for name in PUBLIC if name not in text} <= {"Collection"}
    assert text.count("```python") == len(BLOCKS)


def _reader(folder: Path) -> None:
    """What a reader of the page has: results, a checkpoint, an image."""
    import tiny_families
    from PIL import Image

    for path in _folders("resolution-eval__embedded-*"):
        shutil.copytree(path, folder / "results", dirs_exist_ok=True)
    tiny_families.save("llava", folder / "checkpoint")
    Image.effect_noise((90, 60), 60).convert("RGB").save(folder / "image.png")


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore")
def test_the_pages_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _reader(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        if ".run(" not in block:
            exec(compile(block, "docs/python.md", "exec"), names)
    assert "low on phantom_res" in capsys.readouterr().out
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8").startswith("<svg")
    assert names["resolution"] == "64"
    assert names["entrance"].attested


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore")
def test_the_pages_run_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in BLOCKS if ".run(" in block]
    names: dict[str, Any] = {"reval": resolution_eval}
    exec(compile(block, "docs/python.md", "exec"), names)
    frame = names["scored"].to_frame()
    assert list(frame["r"]) == ["16", "64"] and frame["n"].sum() == 16
    assert set(frame["status"]) == {"attested"}


def test_a_run_refuses_what_a_comma_would_part(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="pretrained: a comma"):
        resolution_eval.run("reshf", {"pretrained": "a,b"}, "phantom_res", tmp_path)
