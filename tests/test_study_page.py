"""The page of the study is what its results make it, and its tables say what the results say."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import scipy.stats

from benchmarks import study, study_answers, study_claims, study_words
from resolution_eval.records import write_record

GAP = {
    "name": "mixed_low_gap", "strategy": "spread", "unit": "fraction", "sign": "open",
    "cells": ["spread->low", "low->low"], "estimate": -0.0049, "low": -0.0199, "high": 0.01,
    "per_seed": [-0.02, 0.0102], "clusters": 60,
}  # fmt: skip
KEPT = {
    "name": "mixed_retention", "strategy": "spread", "unit": "ratio", "sign": "holds",
    "cells": ["spread->native", "native->native"], "estimate": 1.005, "low": 0.9901, "high": 1.02,
    "per_seed": [1.01, 1.0], "clusters": 60,
}  # fmt: skip


def cell(infer: str, percent: float) -> dict:
    return {
        "train": "spread", "infer": infer, "accuracy_percent": percent,
        "interval_percent": [percent - 5, percent + 4],
        "per_seed_percent": [percent - 1, percent + 1],
    }  # fmt: skip


def matrix(*gaps: dict) -> dict:
    return {
        "low": "28",
        "native": "84",
        "checkpoints": {"spread": [{}, {}]},
        "cells": [],
        "further_cells": [cell("56", 70.0), cell("low", 61.0), cell("42", 66.6), cell("112", 9.0)],
        "gaps": list(gaps),
    }


@pytest.mark.whole
def test_the_page_is_made_from_the_results():
    assert study.PAGE.read_text(encoding="utf-8") == study.page()


def test_cells_are_in_order_of_resolution_with_interval_and_spread():
    head, _, row = study.cells(matrix()).splitlines()
    assert [part.strip() for part in head.split("|")[1:-1]] == [
        "trained", "seeds", "low (28)", "42", "56", "112",
    ]  # fmt: skip
    assert "66.6 [61.6, 70.6] ± 1.4" in row


@pytest.mark.parametrize(
    ("gap", "kept", "said"),
    [
        (-0.0199, 0.9901, "yes, by intervals of 0.1.0"),
        (-0.0201, 0.9901, "no"),
        (-0.0199, 0.9899, "no"),
    ],
)
def test_a_target_is_reached_only_by_the_lower_ends_of_both_intervals(gap, kept, said):
    made = matrix(GAP | {"low": gap}, KEPT | {"low": kept})
    row = study.targets({"pbc": {"matrix": made}}).splitlines()[2]
    assert row.split("|")[-3].strip() == said
    assert "66.6 at 42" in row


def test_seeds_drawn_anew_add_the_square_of_student_s_interval_between_seeds():
    seeds, half = [0.02, 0.05, 0.11], 0.03
    gap = GAP | {"estimate": 0.06, "low": 0.06 - half, "high": 0.06 + half, "per_seed": seeds}
    found = study_claims.anew(gap | {"clusters": 41})
    over = scipy.stats.t(40).ppf(0.975) / scipy.stats.norm.ppf(0.975) * half
    low, high = scipy.stats.ttest_1samp(seeds, 0.0).confidence_interval()
    assert found.high - 0.06 == pytest.approx((over**2 + ((high - low) / 2) ** 2) ** 0.5)
    assert found.p_equal(found.low) == pytest.approx(0.05)
    assert found.p_below(found.low) == pytest.approx(0.025)
    assert found.p_below(found.high) == pytest.approx(0.975)


@pytest.mark.parametrize(
    "between", [0.01, *(pytest.param(x, marks=pytest.mark.whole) for x in (0.003, 0.03, 0.1))]
)
def test_seeds_drawn_anew_cover_the_truth_at_three_seeds(between):
    rng, hits, alone = np.random.default_rng(5), 0, 0
    for _ in range(4000):
        values = rng.normal(0, between, 3) + rng.normal(0, 0.01)
        middle = float(values.mean())
        gap = {
            "estimate": middle, "low": middle - 0.0196, "high": middle + 0.0196,
            "per_seed": list(values), "clusters": 320,
        }  # fmt: skip
        one = study_claims.anew(gap)
        hits += one.low <= 0 <= one.high
        alone += gap["low"] <= 0 <= gap["high"]
    assert hits / 4000 >= 0.94
    assert between < 0.03 or alone / 4000 < 0.8


def test_one_seed_says_nothing_of_seeds():
    assert study_claims.anew(GAP | {"per_seed": [-0.02]}) is None


@pytest.mark.whole
def test_the_pages_say_what_the_claim_costs():
    results = study.results()
    matrices = study._matrices(results)
    page, told = (path.read_text(encoding="utf-8") for path in (study.PAGE, study.MEASURED))
    assert told == study.measured_page()
    readme = " ".join(told.split())
    short, long = results["pbc84"], results["pbc84-long"]
    native = max((short, long), key=lambda one: study_claims.accuracy(one, "native", "native"))
    spent = [study_claims.seconds(long, "anchored"), study_claims.seconds(native, "native")]
    assert study_claims.price(matrices) in page
    assert f"took {spent[0]:.0f} s of training against {spent[1]:.0f} s of the better" in readme
    (loss,) = (
        g for g in short["matrix"]["gaps"]
        if (g["name"], g["strategy"]) == ("mixed_native_loss", "anchored")
    )  # fmt: skip
    ends = f"[{-100 * loss['high']:.1f}, {-100 * loss['low']:.1f}]"
    assert f"loses {-100 * loss['estimate']:.1f} points {ends}" in readme
    for text in (page, readme):
        assert f"{len(results['variants'])} variants" in text
    for gap in long["matrix"]["gaps"]:
        if gap["strategy"] == "anchored" and gap["name"] in study_claims.TARGETS:
            one = study_claims.anew(gap)
            ratio = gap["unit"] == "ratio"
            value, _, ends = study._interval(gap).partition(" ")
            assert f"{value}{'' if ratio else ' points'} {ends}" in readme
            assert study._ends(0, one.low, one.high, ratio).partition(" ")[2] in readme


def of(gap: tuple[float, float], kept: tuple[float, float], name: str = "anchored") -> dict:
    """A study whose strategy has these lower and upper ends of low gap and retention."""
    made = [
        GAP | {"strategy": name, "estimate": sum(gap) / 2, "low": gap[0], "high": gap[1]},
        KEPT | {"strategy": name, "estimate": sum(kept) / 2, "low": kept[0], "high": kept[1]},
    ]
    for each in made:
        each["per_seed"] = [each["estimate"] - 1e-4, each["estimate"] + 1e-4]
    cells = [
        cell("56", 70.0) | {"train": name},
        cell("42", 66.6) | {"train": name},
        cell("56", 30.0) | {"train": "mixed"},
    ]
    return {"matrix": matrix(*made) | {"further_cells": cells}}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ((-0.01, 0.01), (-0.01, 0.01), "in both studies"),
        ((-0.01, 0.01), (-0.03, 0.01), "in one of the two studies where every strategy trains "
         "longest (`pbc84-long`)"),
        ((-0.03, 0.01), (-0.03, 0.01), "in neither of the studies"),
    ],
)  # fmt: skip
def test_what_is_said_to_be_reached_follows_from_the_lower_ends(first, second, said):
    studies = {
        "pbc84-long": of(first, (0.991, 1.01)),
        "phantom-long": of(second, (0.991, 1.01)),
    }
    text = study_words.reaching(studies, "anchored")
    assert said in text and "66.6 % in `pbc84-long` (`mixed`: 30.0 %)" in text


def test_what_holds_of_seeds_to_come_is_said_by_both_ends_and_by_holm():
    near = {"pbc84-long": of((-0.019, 0.019), (0.9895, 1.01))}
    text = study_words.to_come(near, "anchored")
    assert "which falls short of its aim by" in text and "no strategy reaches both" in text
    far = {"pbc84-long": of((0.05, 0.06), (1.05, 1.06))}
    text = study_words.to_come(far, "anchored")
    assert text.count("which reaches its aim") == 2
    assert "Over the whole table `anchored` in `pbc84-long` reaches both." in text


def test_a_study_that_was_trained_again_says_when_and_how_far_it_moved():
    old = of((-0.01, 0.01), (0.991, 1.01))
    run = {"date": "20261125_163810"}
    old["matrix"]["checkpoints"] = {"anchored": [run], "mixed": [run]}
    before = study_words.first_trained(old)
    new = of((-0.02, 0.01), (0.991, 1.01)) | {"before": before}
    later = {"date": "20261128_010000"}
    new["matrix"]["checkpoints"] = {"anchored": [later], "mixed": [later]}
    new["matrix"]["further_cells"][1]["accuracy_percent"] = 60.6
    text = study_words.again({"x": new})
    assert (
        "most that of `anchored` at 42: −6.0" in text
        and "2026‑11‑28" in text
        and "by 2.0 points on average" in text
    )
    rows = list(study_words.moved_rows({"x": new}))
    assert rows[0][3:] == ["+0.0 [−1.0, +1.0]", "−0.5 [−2.0, +1.0]"]
    assert study_words.first_trained(new) == before


def test_all_who_see_both_ends_of_the_phantoms_stop_at_one_ceiling():
    one = study.results()["phantom-long"]
    low = [study_claims.accuracy(one, name, "low") for name in ("low", "mixed", "anchored")]
    said = study_words.ceiling(one)
    assert f"between {min(low):.1f} and {max(low):.1f} %" in said and max(low) - min(low) < 2


def test_a_withheld_gap_is_said_and_reaches_nothing():
    held = {k: v for k, v in GAP.items() if k not in ("estimate", "low", "high", "per_seed")}
    made = matrix(held | {"withheld": "low at 28 is incomplete"}, KEPT)
    assert "withheld" in study.gaps(made)
    assert len(study.targets({"pbc": {"matrix": made}}).splitlines()) == 2


def test_collecting_keeps_the_matrix_and_what_training_cost(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(study_answers, "STUDIES", tmp_path / "studies")
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / "matrix.json").write_text(json.dumps(matrix(GAP)))
    scored = tmp_path / "matrix" / "checkpoints" / "0.1.0" / "records"
    scored.mkdir(parents=True)
    (answered,) = (study_answers.ROOT / "studies" / "phantom").glob("anchored-0/*.record.json")
    for file in answered.parent.iterdir():
        shutil.copy(file, scored)
    folder = tmp_path / "checkpoints" / "spread-2"
    folder.mkdir(parents=True)
    extra = {"processor_seconds": 31.5, "recipe": {"low": 28}}
    (folder / "config.json").write_text(json.dumps({"extra": extra}))
    kept = json.loads(study.collect("x", tmp_path / "matrix", tmp_path / "checkpoints").read_text())
    assert kept["matrix"]["gaps"] == [GAP]
    assert len(list((tmp_path / "studies" / "x" / "anchored-0").iterdir())) == 2
    trained = {"strategy": "spread", "seed": 2, "processor_seconds": 31.5, "recipe": {"low": 28}}
    assert kept["training"] == [trained]
    assert "| 32 " in study.training({"x": kept})


def test_a_matrix_without_records_takes_no_answers_away(tmp_path, monkeypatch):
    monkeypatch.setattr(study_answers, "STUDIES", tmp_path / "studies")
    (tmp_path / "studies" / "x" / "low-0").mkdir(parents=True)
    with pytest.raises(SystemExit, match="holds no record of a checkpoint"):
        study_answers.keep("x", tmp_path / "matrix")
    assert (tmp_path / "studies" / "x" / "low-0").is_dir()


def test_the_recipes_table_says_shares_steps_and_average():
    plan = {
        "strategy": "mixed", "low": 28, "native": 84, "mix": [[28, 3.0], [56, 1.0]],
        "encoder": {"steps": 7627}, "joint": {"steps": 150}, "average": 0.998,
        "architecture": {"patch": 14},
    }  # fmt: skip
    runs = [
        {"strategy": "spread", "seed": 0, "recipe": plan},
        {"strategy": "native", "seed": 0, "recipe": plan | {"strategy": "native", "mix": []}},
        {"strategy": "mixed", "seed": 0, "recipe": plan | {"mix": [], "average": 0}},
        {"strategy": "none", "seed": 0, "recipe": plan},
    ]
    rows = study.recipes({"x": {"training": runs}}).splitlines()[2:]
    cells = [[part.strip() for part in row.split("|")[1:-1]] for row in rows]
    assert cells == [
        ["x", "spread", "14", "28: 0.75  56: 0.25", "7627", "150", "0.998"],
        ["x", "native", "14", "84: 1.00", "7627", "150", "0.998"],
        ["x", "mixed", "14", "28: 0.50  84: 0.50", "7627", "150", "–"],
    ]


@pytest.mark.whole
def test_models_that_do_not_look_are_said_to_and_kept_out_of_signs_and_aims():
    text = study.page()
    for name, note in study.NOT_LOOKING.items():
        assert f"### {name}\n\n{note}\n" in text
        for heading in ("## Do the paper's signs hold?", "## Keeping both ends"):
            section = text.partition(heading)[2].partition("\n## ")[0]
            assert "| pbc56" in section and f"| {name} " not in section


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "phantom" else pytest.mark.whole)
        for name in study._matrices(study.results())
    ],
)
def test_the_study_s_figures_follow_from_the_answers_that_were_kept(name):
    """Of studies/NAME every cell and gap; of records of the leaderboard what they are enough for;
    of the others, which the page names, nothing.
    """
    one = study.results()[name]
    found = study_answers.recomputed(name, one)
    matrix = one["matrix"]
    every = sum("withheld" not in each for part in study_answers.PARTS for each in matrix[part])
    assert found.different == ()
    if name in study_answers.ON_THE_BOARD:  # scored there at the card's resolutions alone
        assert found.checkpoints == found.of and 20 <= found.compared <= every
    elif (study_answers.STUDIES / name).is_dir():
        assert (found.checkpoints, found.compared) == (found.of, every)
    else:
        assert (found.checkpoints, found.compared) == (0, 0)
    row = f"| {name}".ljust(10)
    (line,) = (
        each for each in study.recompute({name: one}).splitlines() if each.startswith(row.rstrip())
    )
    assert f"{found.checkpoints} of {found.of}" in line


def test_what_the_answers_give_takes_the_place_of_what_was_kept():
    one = json.loads((study.RESULTS / "phantom.json").read_text())
    old = json.loads((study.RESULTS / "phantom.json").read_text())
    for gap in one["matrix"]["gaps"]:
        gap["low"] -= 0.01
    assert study_answers.renewed("phantom", one)["matrix"]["gaps"] == old["matrix"]["gaps"]


def test_a_figure_that_the_answers_do_not_give_is_named():
    one = json.loads((study.RESULTS / "phantom.json").read_text())
    cell = next(c for c in one["matrix"]["cells"] if (c["train"], c["infer"]) == ("low", "low"))
    cell["interval_percent"][0] += 0.01
    gap = next(g for g in one["matrix"]["gaps"] if g["name"] == "alignment_gain")
    gap["low"] -= 1e-5
    found = study_answers.recomputed("phantom", one)
    assert set(found.different) == {"low low", "alignment_gain mixed"}


@pytest.mark.whole
def test_answers_of_a_matrix_are_kept_by_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(study_answers, "STUDIES", tmp_path / "studies")
    for strategy, seeds in study_answers.records("pbc56").items():
        for seed, record in seeds.items():
            where = tmp_path / "matrix" / "checkpoints" / "0.1.0" / "records"
            named = record.checkpoint.model_copy(update={"name": f"study/{strategy}-{seed}"})
            write_record(record.model_copy(update={"checkpoint": named}), where)
    study_answers.keep("pbc56", tmp_path / "matrix")
    assert len(list((tmp_path / "studies" / "pbc56").iterdir())) == 12
    again = study_answers.recomputed("pbc56", study.results()["pbc56"])
    assert (again.checkpoints, again.different) == (12, ())
