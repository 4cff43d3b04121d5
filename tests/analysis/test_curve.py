"""The curve's figures: the floor, failures, looking, choices, against plain arithmetic."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, mannwhitneyu
from synthetic_runs import failed_at, line, sweep, write_run

from resolution_eval.analysis import CurveFigures, by_task, curve, figures
from resolution_eval.analysis.record_comparison import compare
from resolution_eval.analysis.series import runs_of_one
from resolution_eval.analysis.soundness import INVARIANTS, flaw
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Record, make_records
from resolution_eval.records.blind import controlled
from resolution_eval.statistics.curves import Withheld

CURVE = {"28": 0.35, "64": 0.6, "128": 0.8}


def record(folder: Path, lines: list, **options) -> Record:
    write_run(folder, lines, **options)
    (made,) = make_records(folder)
    return made


def shown(made: Record, *blind: Record, **options) -> CurveFigures:
    return curve(controlled(made, blind), blind=blind, **options)


def answered(rates: dict[str, list[int]], *, target=lambda i: "adipose", **options) -> list:
    """Lines of one sample per verdict, each its own cluster."""
    return [
        line(f"s{i}", r, correct=verdict, target=target(i), **options)
        for r, verdicts in rates.items()
        for i, verdict in enumerate(verdicts)
    ]


class TestFloor:
    def test_it_is_the_largest_of_chance_constant_answer_and_blind_score(self, tmp_path):
        def target(i: int) -> str:
            return "mucosa" if i % 3 else "adipose"

        seen = answered({"28": [1] * 72 + [0] * 18, "64": [1] * 81 + [0] * 9}, target=target)
        hidden = answered({"28": [1, 0] * 45, "64": [1, 0] * 45}, target=target, blind="no image")
        made = record(tmp_path / "a", seen)
        alone = shown(made)
        assert alone.floor.value == pytest.approx(60 / 90)
        assert "mucosa" in alone.floor.name
        better = [{**each, "verdict": {**each["verdict"]}} for each in hidden]
        for each in better:
            right = int(each["verdict"]["sample"][1:]) < 70
            each["verdict"].update(correct=int(right))
        run = record(tmp_path / "b", better, date="20260201_000000")
        both = shown(made, run)
        assert both.floor.value == pytest.approx(70 / 90)
        assert both.floor.name == "without the image at 28"
        gain = both.cells[1].gain.estimate
        assert gain == pytest.approx((81 / 90 - 70 / 90) / (1 - 70 / 90))

    def test_of_a_blind_run_without_answers_the_upper_end_is_taken(self, tmp_path):
        made = record(tmp_path / "a", answered({"28": [1] * 50, "64": [1] * 50}))
        hidden = answered({"28": [1, 0] * 25, "64": [1, 0] * 25}, blind="no image")
        run = record(tmp_path / "b", hidden, date="20260201_000000")
        alone = curve(controlled(made, [run]))
        high = binomtest(25, 50).proportion_ci(method="wilson").high
        targets = alone.floor.value
        assert targets == 1.0  # every target is the same: a constant answer is always right
        other = record(
            tmp_path / "c",
            answered({"28": [1] * 60, "64": [1] * 60}, target=lambda i: "abcdef"[i % 6]),
        )
        dark = answered(
            {"28": [1, 0] * 30, "64": [1, 0] * 30}, target=lambda i: "abcdef"[i % 6],
            blind="no image",
        )  # fmt: skip
        run = record(tmp_path / "d", dark, date="20260201_000000")
        high = binomtest(30, 60).proportion_ci(method="wilson").high
        assert curve(controlled(other, [run])).floor.value == pytest.approx(high)

    def test_a_constant_majority_answer_earns_nothing(self, tmp_path):
        def target(i: int) -> str:
            return "mucosa" if i % 3 else "adipose"

        right = [int(i % 3 > 0) for i in range(150)]
        found = shown(record(tmp_path, answered({"28": right, "64": right}, target=target)))
        assert found.figures["gain"].estimate == pytest.approx(0.0)
        assert found.figures["gain"].low <= 0
        for name in ("retention", "worst_drop"):
            assert "not shown to be above the floor" in found.figures[name].reason
        for each in (found.choice, found.knee, found.robustness):
            assert "above the floor" in each.reason
        assert found.chosen is None and not found.robust

    def test_a_false_low_declaration_hides_no_drop(self, tmp_path):
        rates = {"28": 0.3, "64": 0.9, "128": 0.5}
        found = shown(record(tmp_path, sweep(rates, samples=150, training="fixed:28")))
        assert "28" in found.figures["worst_drop"].reason
        accuracy = [each.cell.accuracy for each in found.cells]
        assert found.figures["best_drop"].estimate == pytest.approx(max(accuracy) - min(accuracy))


class TestFailures:
    def test_ends_hold_the_figures_of_all_wrong_and_all_right(self, tmp_path):
        lines = sweep(CURVE, samples=120)
        names = {"tile-3", "tile-40", "tile-77"}
        found = shown(record(tmp_path / "f", failed_at(lines, names, "64")))
        for number, verdict in enumerate((0, 1)):
            for each in lines:
                if each["verdict"]["resolution"] == "64" and each["verdict"]["sample"] in names:
                    each["verdict"].update(correct=verdict)
            whole = shown(record(tmp_path / str(number), lines))
            for name in ("area", "gain", "worst_drop", "best_drop", "retention"):
                mine, other = found.figures[name], whole.figures[name]
                assert mine.low <= other.estimate <= mine.high
        assert (found.n, found.left_out, found.cells[1].left_out) == (117, 3, 3)

    def test_one_failure_among_many_withholds_nothing(self, tmp_path):
        found = shown(record(tmp_path, failed_at(sweep(CURVE, samples=300), {"tile-9"}, "128")))
        withheld = [name for name, each in found.figures.items() if isinstance(each, Withheld)]
        assert withheld == []
        assert found.withheld is None and found.choice is not None

    def test_wrong_answers_turned_into_failures_help_no_comparison(self, tmp_path):
        good = sweep(CURVE, samples=300)
        poor = sweep({"28": 0.3, "64": 0.5, "128": 0.7}, samples=300, checkpoint="x/poor")
        a, b = record(tmp_path / "a", good), record(tmp_path / "b", poor, date="20260301_000000")
        plain = compare(a, b).verdicts["128"]
        wrong = [
            each["verdict"]["sample"]
            for each in poor
            if each["verdict"]["resolution"] == "128" and not each["verdict"]["correct"]
        ]
        few = record(
            tmp_path / "c", failed_at(poor, set(wrong[:14]), "128"), date="20260302_000000"
        )
        hidden = compare(a, few).verdicts["128"]
        assert hidden.left_out == 14
        assert hidden.difference.low <= plain.difference.estimate
        assert hidden.p >= plain.p
        many = record(
            tmp_path / "d", failed_at(poor, set(wrong[:40]), "128"), date="20260303_000000"
        )
        assert "more than 5%" in compare(a, many).verdicts["128"].reason


class TestLooks:
    def test_pairing_shows_what_intervals_that_overlap_do_not(self, tmp_path):
        """Of 200 samples 12 are won by the image and none lost: 0.62 against 0.56."""
        hidden = [1] * 112 + [0] * 88
        seen = [1] * 124 + [0] * 76
        made = record(tmp_path / "a", answered({"28": seen}))
        run = record(
            tmp_path / "b", answered({"28": hidden}, blind="no image"), date="20260201_000000"
        )
        (cell,) = shown(made, run).cells
        assert cell.accuracy.low < cell.look.high
        assert (cell.look.place, cell.look.difference.estimate) == ("above", pytest.approx(0.06))
        (counted,) = curve(controlled(made, [run])).cells
        assert (counted.look.place, counted.look.difference) == ("on", None)

    def test_one_chance_find_among_many_resolutions_is_no_look(self, tmp_path):
        """A paired difference with p = 0.03 counts alone, and not as the best of five."""
        rates = {str(r): [1] * 50 + [0] * 50 for r in (28, 56, 112, 224, 448)}
        dark = {**rates, "28": [1] * 44 + [0] * 56}
        made = record(tmp_path / "a", answered(rates))
        run = record(tmp_path / "b", answered(dark, blind="no image"), date="20260201_000000")
        assert shown(made, run).looks is False
        alone = record(tmp_path / "c", answered({"28": rates["28"]}))
        run = record(
            tmp_path / "d", answered({"28": dark["28"]}, blind="no image"), date="20260201_000000"
        )
        assert shown(alone, run).looks is True


def test_every_invariant_names_a_cell_that_breaks_it(tmp_path):
    made = record(tmp_path, sweep(CURVE, samples=40))
    cell = made.cells[0]
    broken = [
        cell.model_copy(update={"failed": 40, "correct": 0}),
        cell.model_copy(update={"failed": 3}),
        cell.model_copy(update={"status": "mismatched"}),
        cell.model_copy(update={"resolution": "native", "source_edge": None}),
        cell.model_copy(update={"status": "unattested"}),
    ]
    assert len(broken) == len(INVARIANTS)
    for invariant, bad in zip(INVARIANTS, broken, strict=True):
        assert invariant.broken(cell) is None
        for use in invariant.uses:
            assert flaw(bad, use) == invariant.broken(bad) is not None


def test_neither_the_order_of_samples_nor_company_changes_a_digit(tmp_path):
    lines = sweep(CURVE, samples=60)
    first = shown(record(tmp_path / "a", lines))
    mixed = list(lines)
    random.Random(5).shuffle(mixed)
    record(tmp_path / "two" / "b", mixed)
    record(tmp_path / "two" / "c", sweep(CURVE, samples=60, seed=9, checkpoint="x/other"))
    (task,) = by_task(make_records(tmp_path / "two" / "b") + make_records(tmp_path / "two" / "c"))
    again = figures(task.sweeps[0])
    assert dict(again.figures) == dict(first.figures)
    other = figures(task.sweeps[1])
    assert other.figures["ace"].seed != first.figures["ace"].seed


def test_a_setting_is_named_where_there_are_several(tmp_path):
    lines = [*sweep(CURVE, samples=30), *sweep(CURVE, samples=30, scheme="restore")]
    for number, each in enumerate(lines):
        each["verdict"]["sample"] += " again" if number >= 90 else ""
    made = record(tmp_path, lines)
    with pytest.raises(RecordError, match="match/bicubic/rank, restore/bicubic/rank; name one"):
        curve(made)
    assert curve(made, ("restore", "bicubic", "rank")).cells[0].cell.scheme == "restore"


def test_sensitivity_and_specificity_are_counts_of_a_table(tmp_path):
    made = record(tmp_path, sweep(CURVE, samples=90))
    rows = [row for row in made.answers.rows() if row["resolution"] == "64"]
    for found in shown(made).classes:
        mine = [row for row in rows if row["target"] == found.target]
        rest = [row for row in rows if row["target"] != found.target]
        hits = sum(row["prediction"] == found.target for row in mine)
        spared = sum(row["prediction"] != found.target for row in rest)
        assert found.sensitivity[1].estimate == pytest.approx(hits / len(mine))
        assert found.specificity[1].estimate == pytest.approx(spared / len(rest))


def ranked_lines(samples: int, orders: tuple[tuple[str, ...], ...]) -> list:
    """Ranked answers of two classes whose options come in a different order per sample."""
    chance, lines = random.Random(3), []
    for i in range(samples):
        options = orders[i % len(orders)]
        target = "finding" if i % 3 == 0 else "none"
        evidence = chance.gauss(1.2 if target == "finding" else 0, 1.0)
        scores = {"finding": evidence, "none": 0.6}
        said = max(scores, key=lambda name: scores[name])
        made = line(f"s{i:03}", "28", correct=int(said == target), target=target)
        made["verdict"].update(
            prediction=said, options=list(options), choice_scores=[scores[name] for name in options]
        )
        lines.append(made)
    return lines


def test_auroc_and_brier_score_follow_the_option_and_not_its_place(tmp_path):
    orders = (("finding", "none"), ("none", "finding"))
    made = record(tmp_path, ranked_lines(120, orders))
    rows = made.answers.rows()
    evidence = [dict(zip(row["options"], row["choice_scores"], strict=True)) for row in rows]
    stated = np.array([1 / (1 + np.exp(each["none"] - each["finding"])) for each in evidence])
    positive = np.array([row["target"] == "finding" for row in rows])
    found = shown(made)
    (finding,) = [each for each in found.classes if each.target == "finding"]
    u = mannwhitneyu(stated[positive], stated[~positive]).statistic
    assert finding.auroc[0].estimate == pytest.approx(u / positive.sum() / (~positive).sum())
    brier = np.mean(2 * (positive - stated) ** 2)
    assert found.cells[0].brier.estimate == pytest.approx(brier)
    ordered = np.argsort(-stated)
    precision = np.cumsum(positive[ordered]) / np.arange(1, len(rows) + 1)
    expected = precision[positive[ordered]].mean()
    assert finding.average_precision[0].estimate == pytest.approx(expected)


def test_failed_samples_are_in_the_ends_of_calibration_and_brier_score_as_far_as_they_can_go(
    tmp_path,
):
    """By a plain loop over bins: whatever the failed would have said, it stays between the ends."""
    lines = ranked_lines(120, (("finding", "none"),))
    whole = shown(record(tmp_path / "all", lines)).cells[0]
    names = {f"s{i:03}" for i in range(0, 120, 40)}
    some = shown(record(tmp_path / "some", failed_at(lines, names, "28"))).cells[0]
    for before, after, most in (
        (whole.calibration, some.calibration, 1.0),
        (whole.brier, some.brier, 2.0),
    ):
        assert after.left_out == 3 and before.left_out == 0
        assert 0 <= after.low <= before.estimate <= after.high <= most
    rows = [line for line in lines if line["verdict"]["sample"] not in names]
    scores = np.array([row["verdict"]["choice_scores"] for row in rows])
    stated = np.exp(scores).max(axis=1) / np.exp(scores).sum(axis=1)
    right = np.array([row["verdict"]["correct"] for row in rows], dtype=float)
    for said, worth in ((0.999, 0.0), (0.999, 1.0), (0.501, 1.0)):
        told, earned = np.append(stated, [said] * 3), np.append(right, [worth] * 3)
        bins = np.minimum((told * 10).astype(int), 9)
        error = sum(abs((earned - told)[bins == b].sum()) for b in range(10)) / 120
        assert some.calibration.low <= error <= some.calibration.high


def test_scores_that_are_no_choices_by_the_record_give_no_auroc(tmp_path):
    lines = ranked_lines(60, (("finding", "none"),))
    for each in lines:
        each["verdict"].pop("options")
    found = shown(record(tmp_path, lines))
    assert found.cells[0].brier is None and found.classes[0].auroc == ()


@pytest.mark.parametrize("options", [("finding", "other"), ("finding", "finding")])
def test_choices_without_the_right_answer_give_no_probability_of_it(tmp_path, options):
    lines = ranked_lines(30, (("finding", "none"),))
    for each in lines:
        each["verdict"]["options"] = list(options)
    cell = shown(record(tmp_path, lines)).cells[0]
    assert cell.brier is None and cell.accuracy.n == 30


def test_runs_that_differ_in_seed_alone_are_one_row_with_both_errors(tmp_path):
    def seeded(seed: int):
        def change(results: dict) -> None:
            results["config"]["random_seed"] = seed

        return change

    for number in range(3):
        lines = sweep({"28": 0.4 + 0.1 * number, "64": 0.8}, samples=90, seed=number)
        date = f"2026010{number + 1}_000000"
        record(tmp_path / str(number), lines, date=date, change=seeded(number))
    copied = sweep({"28": 0.4, "64": 0.8}, samples=90, seed=0)
    record(tmp_path / "copy", copied, date="20260109_000000", change=seeded(0))
    (task,) = by_task(make_records(tmp_path))
    curves = [figures(each) for each in task.sweeps]
    (group,) = runs_of_one(curves)
    assert len(curves) == 4 and len(group.curves) == 3
    low = [each.cells[0].accuracy.estimate for each in group.curves]
    assert group.accuracy[0].estimate == pytest.approx(np.mean(low))
    widths = [each.cells[0].accuracy.high - each.cells[0].accuracy.low for each in group.curves]
    assert group.accuracy[0].high - group.accuracy[0].low > max(widths)
    gains = [each.figures["gain"].estimate for each in group.curves]
    assert group.gain.estimate == pytest.approx(np.mean(gains))
