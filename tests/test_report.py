"""The report: tables, chart and page made from records; figures are checked on the answers."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import CLASSES, facts, failed_at, line, sweep, write_run

from resolution_eval.analysis import by_task, figures
from resolution_eval.analysis.record_comparison import compare
from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.ground.tables import Column, Entry, Table, as_csv, as_markdown, as_text, entry
from resolution_eval.records import Record, make_records, write_record
from resolution_eval.records.cells import cells, failures
from resolution_eval.report import demo_page, load, report, write_page
from resolution_eval.report.changes import change_table
from resolution_eval.report.charts import ChartPoint, curve_chart, static_svg
from resolution_eval.report.comparison_tables import comparison_table
from resolution_eval.report.content import marks, notices, points
from resolution_eval.report.findings import findings
from resolution_eval.report.html_page import script_json
from resolution_eval.report.task_tables import cell_table, class_table
from resolution_eval.report.tidy import COLUMNS
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.fits import Knee
from resolution_eval.statistics.intervals import Interval

sys.path.insert(0, str(Path(__file__).parent / "board"))
from hostile import hostile_record

CURVE = {"28": 0.3, "64": 0.8, "native": 0.7}
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\x1b[31m\u202e|`=1+1"
)


def one(folder: Path, lines: list, **options) -> Record:
    write_run(folder, lines, **options)
    (record,) = make_records(folder)
    return record


def strategies(folder: Path) -> list[Record]:
    """Three checkpoints as the demo has them, in an order that is not the table's."""
    curves = {
        "mixed:[16,64]": {"16": 0.7, "32": 0.8, "64": 0.9},
        "fixed:16": {"16": 0.8, "32": 0.5, "64": 0.3},
        "native": {"16": 0.2, "32": 0.6, "64": 0.95},
    }
    return [
        one(
            folder / str(i),
            sweep(curve, samples=90, training=training, checkpoint=f"synthetic/model-{i}"),
            date=f"2026010{i}_000000",
        )
        for i, (training, curve) in enumerate(curves.items(), 1)
    ]


def studied(*records: Record):
    (task,) = by_task(records)
    return task, [figures(each) for each in task.sweeps]


def test_a_report_without_a_page_imports_neither_torch_nor_lmms_eval_nor_altair(tmp_path):
    write_run(tmp_path, sweep(CURVE, samples=12))
    code = (
        "import sys, pathlib, resolution_eval.report as r; "
        f"r.report([pathlib.Path({str(tmp_path)!r})]); "
        "print([m for m in ('torch', 'lmms_eval', 'altair') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_intervals_hold_the_accuracy_and_are_those_of_the_statistics(tmp_path):
    record = one(tmp_path, sweep(CURVE, samples=80))
    _, (curve,) = studied(record)
    for each in curve.cells:
        assert each.accuracy.estimate == pytest.approx(each.cell.accuracy)
        assert each.accuracy.low < each.cell.accuracy < each.accuracy.high
        assert (each.accuracy.n, each.accuracy.clusters) == (80, 40)


def failing(folder: Path, names: set[str]) -> Record:
    """A record of 40 samples, of which `names` failed at 64."""
    return one(folder, failed_at(sweep(CURVE, samples=40), names, "64"))


def test_failed_samples_are_in_no_accuracy_and_in_the_ends_of_its_interval(tmp_path):
    _, (curve,) = studied(failing(tmp_path / "a", {"tile-1", "tile-8"}))
    _, (whole,) = studied(failing(tmp_path / "b", set()))
    assert [each.accuracy.n for each in curve.cells] == [40, 38, 40]
    assert [each.left_out for each in curve.cells] == [0, 2, 0]
    assert (curve.n, curve.left_out) == (38, 2)
    for name in ("area", "worst_drop", "gain"):
        mine, other = curve.figures[name], whole.figures[name]
        assert mine.high - mine.low > other.high - other.low
    (notice,) = notices([curve])
    assert notice.text == "small-flamingo at 64: 2 of 40 samples failed"
    shown = report([tmp_path / "a"])
    assert "2 without a verdict" in shown and "from all of them wrong to all of them right" in shown


def test_figures_are_withheld_where_more_than_one_in_twenty_failed(tmp_path):
    _, (curve,) = studied(failing(tmp_path, {f"tile-{i}" for i in range(3)}))
    why = "3 of 40 samples at 64 have no verdict, more than 5%"
    assert {figure.reason for figure in curve.figures.values()} == {why}
    assert curve.cells[1].accuracy == Withheld(why)
    assert not isinstance(curve.cells[0].accuracy, Withheld)
    assert curve.chosen is None and not curve.robust


def test_a_cell_where_all_samples_failed_has_no_interval(tmp_path):
    lines = [
        line("a", "28", correct=None),
        line("b", "28", correct=None),
        line("a", "64"),
        line("b", "64"),
    ]
    _, (curve,) = studied(one(tmp_path, lines))
    first, second = (each.accuracy for each in curve.cells)
    assert first == Withheld("no sample at 28 has a verdict")
    assert second.estimate == 1.0
    assert "28" in report([tmp_path])


def test_figures_at_the_training_resolution_need_it_in_the_sweep(tmp_path):
    _, (curve,) = studied(one(tmp_path, sweep(CURVE, training="fixed:512")))
    assert curve.sweep.reference is None
    assert "fixed:512" in curve.figures["worst_drop"].reason
    assert not isinstance(curve.figures["area"], Withheld)


@pytest.mark.parametrize(
    ("training", "reference", "far"),
    [
        ("fixed:28", 0, 2),
        ("fixed:64", 1, 0),
        ("native", 2, 0),
        ("mixed:[28,64]", 1, 2),
        ("mixed:[28,native]", 2, 0),
    ],
)
def test_loss_is_measured_from_training_to_the_far_end(tmp_path, training, reference, far):
    record = one(tmp_path, sweep(CURVE, samples=50, training=training))
    _, (curve,) = studied(record)
    assert (curve.sweep.reference, curve.sweep.far_end) == (reference, far)
    lines = record.answers.scores([each.cell.key for each in curve.cells])
    for found in curve.classes:
        mine = lines.correct[np.array(lines.targets) == found.target]
        shares = [share.estimate for share in found.sensitivity]
        assert shares == pytest.approx(list(mine.mean(axis=0)))
        expected = mine[:, reference].mean() - mine[:, far].mean()
        assert found.loss.estimate == pytest.approx(expected)


def test_every_resolution_of_a_mix_is_one_that_it_was_trained_at(tmp_path):
    _, (curve,) = studied(one(tmp_path, sweep(CURVE, samples=50, training="mixed:[28,native]")))
    assert [each.trained for each in curve.cells] == [True, False, True]
    assert [point.training for point in points([curve])] == [True, False, True]
    shown = report([tmp_path]).splitlines()
    assert [row.split()[0] for row in shown if " r*" in row and "[" in row][:2] == ["28", "native"]
    assert any("trained at mixed:[28,native] (r*)" in row for row in shown)


def test_native_smaller_than_a_number_asked_for_still_comes_after_it(tmp_path):
    lines = sweep({"28": 0.5, "300": 0.6, "native": 0.6}, samples=20, source=(240, 200))
    (each,) = by_task([one(tmp_path, lines)])[0].sweeps
    assert each.edges == (28, 300, 301)
    figures(each)


def test_a_native_cell_of_sources_of_unknown_size_has_no_place_on_the_axis(tmp_path):
    lines = sweep({"28": 0.5, "native": 0.6}, samples=20)
    for each in lines:
        each["attestation"].update(source=None)
    (each,) = by_task([one(tmp_path, lines)])[0].sweeps
    assert "not known" in figures(each).figures["area"].reason


def test_equal_names_are_told_apart_by_what_differs(tmp_path):
    records = [
        one(tmp_path / "a", sweep(CURVE, samples=4), date="20260101_000000"),
        one(tmp_path / "b", sweep(CURVE, samples=4), date="20260102_000000"),
        one(tmp_path / "c", sweep(CURVE, samples=4, filter="box"), date="20260102_000000"),
        one(tmp_path / "d", sweep(CURVE, samples=4, checkpoint="x/other"), date="20260103_000000"),
    ]
    names = [each.name for each in by_task(records)[0].sweeps]
    assert names == [
        "small-flamingo · bicubic · 20260101_000000",
        "small-flamingo · bicubic · 20260102_000000",
        "small-flamingo · box",
        "other",
    ]


def test_the_cell_table_shows_asked_and_received(tmp_path):
    lines = sweep({"28": 0.5, "64": 0.7}, samples=10)
    for each in lines:
        if each["verdict"]["resolution"] == "64" and each["verdict"]["sample"] == "tile-3":
            each["attestation"].update(status="mismatched", grid=[32, 48], visual_tokens=96)
    task, estimated = studied(one(tmp_path, lines))
    table = cell_table(task, estimated)
    names = [column.name for column in table.columns]
    row = dict(zip(names, table.rows[1], strict=True))
    assert (row["status"].text, row["grid asked"].text) == ("mismatched", "64x64")
    assert (row["grid received"].text, row["grid received"].mark) == ("64x64, 32x48", "mismatched")
    assert row["mismatched"] == Entry("1", sort=1, mark="!")
    assert row["visual tokens"].text == "240.0 (96 to 256)"
    assert notices(estimated)[0].text.endswith(
        "mismatched in 1 of 10 samples: asked for 64x64, the encoder received 32x48"
    )
    assert {"failed", "unparseable"} <= set(names)
    assert "missing" not in names


def test_samples_that_change_are_those_with_two_verdicts(tmp_path):
    lines = [
        *(line("steady", r, correct=1) for r in ("28", "64")),
        *(line("flips", r, correct=int(r == "64")) for r in ("28", "64")),
        line("half", "28", correct=None),
        line("half", "64", correct=0),
    ]
    task, estimated = studied(one(tmp_path, lines))
    (row,) = change_table(task, estimated).rows
    assert [item.text for item in row] == [
        "small-flamingo",
        "flips",
        "adipose",
        "mucosa",
        "adipose",
    ]
    assert [item.mark for item in row[3:]] == ["wrong", "right"]


def test_the_knee_and_the_chosen_resolution_stand_on_the_curve(tmp_path):
    curve = {"16": 0.1, "32": 0.4, "64": 0.75, "128": 0.75, "native": 0.75}
    (task,) = by_task([one(tmp_path, sweep(curve, samples=600))])
    found = figures(task.sweeps[0], margin=0.1)
    scores = [each.cell.accuracy for each in found.cells]
    interval = Interval(80.0, 70.0, 90.0, 0.95, 600, 300, 2000, 1, "percentile")
    knee, chosen = marks([replace(found, knee=Knee(interval, 0.3, 0.75, True))])
    assert (knee.kind, knee.before, knee.after) == ("knee", "64", "128")
    assert 64 * 2**knee.share == pytest.approx(80) and 0 < knee.share < 1
    assert knee.accuracy == pytest.approx(np.interp(knee.share, [0, 1], scores[2:4]))
    assert "80 px" in knee.text
    name = found.chosen
    assert (chosen.kind, chosen.before, chosen.after) == ("chosen", name, name)
    assert chosen.accuracy == scores[list(curve).index(name)]
    assert "no more than 10 points" in chosen.text
    drawn = static_svg(curve_chart(points([found]), list(curve), None, [knee]))
    place = re.compile(r'translate\(([\d.]+),[\d.]+\)" d="M0,[^"]*Z" fill="#')
    left, right = axis_places(drawn, "64", "128")
    (at,) = [float(x) for x in place.findall(drawn)]
    assert at == pytest.approx(left + knee.share * (right - left), abs=0.6)


def axis_places(drawn: str, *labels: str) -> list[float]:
    """Where the labels stand below the axis, in pixels from the plot's left."""
    found = re.findall(r'translate\(([\d.]+),[\d.]+\)"[^>]*>([^<]+)</text>', drawn)
    places = {text: float(x) for x, text in found}
    return [places[label] for label in labels]


def test_neither_is_marked_where_it_is_withheld_or_curves_are_many(tmp_path):
    flawed = sweep({"16": 0.2, "32": 0.5, "64": 0.8, "128": 0.8}, samples=60)
    flawed[0]["attestation"].update(status="mismatched", grid=[8, 8])
    _, curves = studied(one(tmp_path, flawed))
    assert marks(curves) == []
    _, whole = studied(one(tmp_path / "steep", sweep({"16": 0.2, "32": 0.9}, samples=300)))
    assert [mark.kind for mark in marks(whole)] == ["chosen"]
    assert marks(whole * 7) == []


def test_no_resolution_is_chosen_where_the_samples_do_not_show_it(tmp_path):
    _, (curve,) = studied(one(tmp_path, sweep({"28": 0.7, "64": 0.71, "128": 0.72}, samples=100)))
    assert curve.chosen is None
    (said,) = findings([curve])
    text = " ".join(said.sentences)
    assert re.search(
        r"No resolution is shown to lose no more than 2 points: not shown: these 100 samples can "
        r"tell \d+\.\d points apart, 2 points need about [\d,]+\.",
        text,
    )


def test_scores_of_free_text_stand_beside_exact_match_and_only_there(tmp_path):
    def said(sample, word):
        made = line(sample, "28", correct=0, target=f"phrase of {sample}", answer_mode="open")
        failure = "neither yes nor no" if word is None else None
        judgement = {"judge": "openai:x", "model": "x", "correct": word, "failure": failure}
        made["verdict"].update(form="open", f1=0.5, judgement=judgement)
        return made

    def write_open(results):
        rows = results["results"]["synthetic_res"]
        rows["em@28,none"] = rows.pop("acc@28,none")

    lines = [said("a", 1), said("b", 1), said("c", 0), said("d", None)]
    table = cell_table(*studied(one(tmp_path / "open", lines, change=write_open)))
    shown = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    assert (shown["accuracy"].text, shown["F1"].text) == ("0.0000", "0.5000")
    assert (shown["judged"].text, shown["judged"].note) == ("0.6667", "4 asked, 1 failed")
    assert shown["judged"].mark == "!"
    closed = cell_table(*studied(one(tmp_path / "closed", [line("a", "28"), line("b", "28")])))
    assert not {"F1", "judged"} & {column.name for column in closed.columns}


def test_open_answers_have_no_class_table(tmp_path):
    lines = [line(f"s{i}", "28", target=f"free text {i}") for i in range(70)]
    task, estimated = studied(one(tmp_path, lines))
    assert class_table(task, estimated, "sensitivity").rows == ()


def test_a_mismatched_cell_is_off_the_line_and_has_no_band():
    points = [
        ChartPoint("m", "28", "attested", 0.5, 0.4, 0.6, 60, True),
        ChartPoint("m", "64", "mismatched", 0.9, 0.8, 0.95, 60, False),
    ]
    chart = curve_chart(points, ["28", "64"], 0.125)
    (row,) = [each for each in chart["data"]["values"] if each["status"] == "mismatched"]
    assert (row["accuracy"], row["drawn"], row["low"], row["high"]) == (0.9, None, None, None)
    lines = [layer for layer in chart["layer"] if layer.get("mark", {}).get("type") == "line"]
    assert [layer["encoding"]["y"]["field"] for layer in lines] == ["drawn"]
    assert "http" not in re.sub(r'"\$schema": "[^"]*"', "", json.dumps(chart))


def test_the_demo_page_tells_strategies_apart(tmp_path):
    text = demo_page(strategies(tmp_path), tmp_path / "site").read_text(encoding="utf-8")
    for words in ("Train × inference", "alignment gain", "mixed retention", "mixed→low − low→low"):
        assert words in text
    assert 'role="img"' in text
    assert len(text) < 5 * 2**20


def test_formats_and_inputs_of_the_command(tmp_path):
    record = one(tmp_path / "runs", sweep(CURVE, samples=30))
    written = write_record(record, tmp_path / "records")
    texts = [report([path]) for path in (tmp_path / "runs", written, written.parent)]
    assert texts[0] == texts[1] == texts[2]
    assert f"{record.cells[0].accuracy:.3f} [" in texts[0]
    frame = pd.read_csv(io.StringIO(report([written], format="csv")))
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["accuracy"]) == pytest.approx([cell.accuracy for cell in record.cells])
    told = json.loads(report([written], format="json"))
    assert [cell["r"] for cell in told["cells"]] == list(frame["r"].astype(str))
    assert texts[0].startswith(f"small-flamingo: {told['curves'][0]['sentence']}")
    assert "| small-flamingo | 28 | attested |" in report([written], format="md")
    with pytest.raises(UsageError, match="did you mean 'text'"):
        report([written], format="texts")
    assert [each.label for each in load([written, written])] == ["small-flamingo"] * 2


def test_a_page_needs_a_record(tmp_path):
    with pytest.raises(RecordError, match="no record"):
        write_page([], tmp_path)


def table(text: str) -> Table:
    return Table("t", text, (Column(text), Column("b", numeric=True)), ((entry(text), entry(0.5)),))


def test_no_form_of_a_table_lets_a_strangers_text_act():
    text = as_text([table("red \x1b[31m \u202e right-to-left\nline")])
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\ufffdline" in text
    markdown = as_markdown([table("a | b <script> [x](y) `c`")])
    assert r"a \| b \<script\> \[x\](y) \`c\`" in markdown
    assert as_csv([table("=HYPERLINK(1)")]).splitlines()[1] == "t,'=HYPERLINK(1),0.5"
    assert as_csv([table("-1+cmd")]).splitlines()[1].startswith("t,'-1")


def test_numbers_in_csv_are_numbers_and_a_flawed_score_is_not():
    sound, flawed = entry(-0.25), entry(0.5, mark="mismatched")
    made = Table("t", "c", (Column("a"), Column("b")), ((sound, flawed),))
    assert as_csv([made]).splitlines()[1] == "t,-0.25,0.5000 (mismatched)"


def test_a_csv_names_the_native_resolution(tmp_path):
    record = one(tmp_path, sweep(CURVE, samples=12))
    frame = pd.read_csv(io.StringIO(report([tmp_path], format="csv")))
    assert list(frame["r"]) == ["28", "64", "native"] and len(record.cells) == 3


def test_a_small_p_is_a_number_in_csv():
    made = Table("t", "c", (Column("a"),), ((Entry("< 0.0001", sort=2e-5),),))
    assert as_csv([made]).splitlines()[1] == "t,2e-05"


def test_long_text_is_cut_and_rows_must_fit_their_columns():
    assert len(entry("x" * 5000).text) == 300
    with pytest.raises(ValueError, match="1 entries in 2 columns"):
        Table("t", "c", (Column("a"), Column("b")), ((entry(1),),))


class Tags(html.parser.HTMLParser):
    """Every element of a page with its attributes, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.scripts: list[str] = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data


def parsed(page: Path) -> Tags:
    tags = Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    return tags


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory) -> Path:
    """A page whose every string from outside tries to act."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = []
    for i, target in enumerate((HOSTILE, *CLASSES) * 6):
        for resolution in ("28", "64"):
            made = line(
                f"{HOSTILE}{i}",
                resolution,
                correct=int((i + int(resolution)) % 3 > 0) if i else None,
                target=target,
                cluster=HOSTILE + str(i),
                checkpoint=HOSTILE.replace("/", "") if i else "",
                evidence=HOSTILE,
            )
            made["input"] = HOSTILE
            made["verdict"]["failure"] = {"kind": HOSTILE, "message": HOSTILE} if not i else None
            lines.append(made)

    def everywhere(results):
        results["config"].update(model=HOSTILE, model_args=HOSTILE, device=HOSTILE)
        results["lmms_eval_version"] = HOSTILE
        results["configs"]["a<b>_res"] = {"metadata": {"version": HOSTILE}}

    write_run(folder / "runs", lines, task="a<b>_res", change=everywhere)
    return write_page(load([folder / "runs"]), folder / "site")


def test_a_hostile_text_in_every_field_of_a_record_adds_no_element(tmp_path):
    lines = [line(f"tile-{i}", r, correct=i % 2) for i in range(24) for r in ("28", "64")]
    lines[0] |= {"run": facts()}
    lines.append(line("tile-99", "28", correct=None))
    write_run(tmp_path / "run", lines)
    (record,) = make_records(tmp_path / "run")
    made = hostile_record(record, iter(range(10**9)))
    closed = {
        "cells": cells(made.answers),
        "failures": failures(made.answers),
        "shown": "image",
        "checkpoint": made.checkpoint.model_copy(update={"training": "fixed:64"}),
        "environment": made.environment.model_copy(
            update={"peak_memory_of": "process", "results_sha256": "0" * 64}
        ),
    }
    write_record(made.model_copy(update=closed), tmp_path / "records")
    page = write_page(load([tmp_path / "records"]), tmp_path / "site")
    tags = parsed(page)
    assert not [name for _, attributes in tags.elements for name in attributes if name[:2] == "on"]
    scripts = [attributes for tag, attributes in tags.elements if tag == "script"]
    assert [one.get("type") for one in scripts] == ["application/json"] * 2 + [None, None]
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;window.owned=1" in text and "<script>window.owned" not in text
    assert not {"\x1b", "\u202e", "\u2066", "\x07", "\0"} & set(text)


def test_a_hostile_string_adds_no_element_and_no_script(hostile_page):
    tags = parsed(hostile_page)
    scripts = [attributes for tag, attributes in tags.elements if tag == "script"]
    assert [one.get("type") for one in scripts] == ["application/json"] * 2 + [None, None]
    assert not [name for _, attributes in tags.elements for name in attributes if name[:2] == "on"]
    assert {tag for tag, _ in tags.elements} >= {"main", "table", "caption", "figure", "figcaption"}
    images = [attributes["src"] for tag, attributes in tags.elements if tag == "img"]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in images)
    text = hostile_page.read_text(encoding="utf-8")
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert "49\ufffd" not in text
    assert "\x1b" not in text


def test_nothing_on_the_page_points_outside(hostile_page):
    tags = parsed(hostile_page)
    pointing = ("src", "href", "action", "poster", "data", "srcset")
    for _, attributes in tags.elements:
        for name in pointing:
            assert attributes.get(name, "data:")[:5] in ("data:", "#main", "#task")
    assert "default-src 'none'" in str(tags.elements)


def test_the_policy_admits_exactly_the_two_scripts(hostile_page):
    tags = parsed(hostile_page)
    policy = next(a["content"] for t, a in tags.elements if "Content-Security" in str(a))
    digests = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in tags.scripts[-2:]
    ]
    assert re.search(r"script-src ([^;]*);", policy)[1].split() == digests
    assert "unsafe" not in re.search(r"script-src ([^;]*);", policy)[1]


def test_json_in_a_script_cannot_close_it_and_is_unchanged():
    text = script_json({"a": "</script><!--&\u2028"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!--&\u2028"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))


def test_the_same_records_give_the_same_page(tmp_path):
    records = strategies(tmp_path)[:1]
    first = write_page(records, tmp_path / "a").read_bytes()
    assert write_page(records, tmp_path / "b").read_bytes() == first


def pair(folder: Path, second: list) -> tuple[Record, Record]:
    first = one(folder / "a", sweep(CURVE, samples=40))
    return first, one(folder / "b", second, date="20260202_000000")


def test_comparison_is_the_paired_difference_and_names_the_samples(tmp_path):
    a, b = pair(
        tmp_path, sweep({"28": 0.6, "64": 0.8, "native": 0.7}, samples=40, checkpoint="x/b")
    )
    found = compare(a, b)
    verdict = found.verdicts["28"]
    assert verdict.difference.estimate == pytest.approx(b.cells[0].accuracy - a.cells[0].accuracy)
    assert (len(verdict.gained) - len(verdict.lost)) / 40 == pytest.approx(
        verdict.difference.estimate
    )
    answers = [
        {row["sample"]: row["correct"] for row in r.answers.rows() if row["resolution"] == "28"}
        for r in (a, b)
    ]
    assert set(verdict.gained) == {s for s in answers[0] if answers[1][s] > answers[0][s]}
    assert verdict.test == "sign flip"
    assert found.verdicts["64"].p == 1.0
    assert [row[0].text for row in comparison_table(found).rows] == ["28", "64", "native"]


def both_forms(folder: Path, closed: float, opened: float) -> Record:
    """A record with closed questions, and as many open ones, at one resolution."""
    lines = sweep({"28": closed}, samples=40)
    for each in sweep({"28": opened}, samples=40, seed=3, answer_mode="open"):
        verdict = each["verdict"]
        verdict.update(sample=f"open-{verdict['sample']}", form="open", f1=0.5)
        lines.append(each)

    def by_form(results):
        results["results"]["synthetic_res"].clear()

    return one(folder, lines, change=by_form)


def test_open_and_closed_answers_are_compared_each_with_its_own(tmp_path):
    a, b = (
        both_forms(tmp_path / name, *rates)
        for name, rates in (("a", (0.4, 0.9)), ("b", (0.9, 0.4)))
    )
    found = compare(a, b).verdicts
    assert list(found) == ["28, match, bicubic, open", "28, match, bicubic, rank"]
    opened, closed = found.values()
    assert closed.difference.low > 0 > opened.difference.high
    assert (closed.difference.n, opened.difference.n) == (40, 40)
    assert all(name.startswith("open-") for name in opened.lost)


@pytest.mark.parametrize(
    ("p", "shown"), [(0.00004, "< 0.0001"), (0.0001, "0.0001"), (1.0, "1.0000")]
)
def test_no_p_is_shown_as_zero(tmp_path, p, shown):
    a, b = pair(tmp_path, sweep(CURVE, samples=40, checkpoint="x/b"))
    found = compare(a, b)
    verdicts = {"28": replace(found.verdicts["28"], p=p)}
    (row,) = comparison_table(replace(found, verdicts=verdicts)).rows
    assert (row[2].text, row[2].sort) == (shown, p)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"patch": 14}, r"different grids in 40 of 40 samples \(64x64 against 56x56"),
        ({"status": "unattested", "grid": None}, "is unattested"),
        ({"filter": "box"}, "filter bicubic against box"),
        ({"answer_mode": "generate"}, "answer mode rank against generate"),
    ],
)
def test_no_verdict_where_the_encoders_did_not_see_the_same(tmp_path, options, reason):
    found = compare(*pair(tmp_path, sweep(CURVE, samples=40, **options)))
    assert re.search(reason, found.verdicts["64"].reason)
    assert re.search(reason, as_text([comparison_table(found)]))


def test_records_of_different_tasks_or_data_are_not_compared(tmp_path):
    a, b = pair(tmp_path, sweep(CURVE, samples=40, fingerprint="other"))
    with pytest.raises(RecordError, match="the data differ"):
        compare(a, b)
    c = one(tmp_path / "c", sweep(CURVE, samples=4), task="other_res")
    with pytest.raises(RecordError, match="compare records of one task"):
        compare(a, c)
    d = one(tmp_path / "d", sweep({"512": 0.5}, samples=4))
    with pytest.raises(RecordError, match="no resolution in common"):
        compare(a, d)


def test_a_page_may_be_named(tmp_path):
    write_run(tmp_path / "run", sweep({"28": 0.4, "64": 0.8}, samples=40))
    page = tmp_path / "deep" / "Page.HTML"
    report([tmp_path / "run"], page)
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [file.name for file in page.parent.iterdir()] == ["Page.HTML"]
    (tmp_path / "old.html").mkdir()
    report([tmp_path / "run"], tmp_path / "old.html")
    assert (tmp_path / "old.html" / "index.html").is_file()
