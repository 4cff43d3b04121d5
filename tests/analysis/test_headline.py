"""The headline: one sentence a curve, and no advice from a curve that cannot give any."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthetic_runs import CLASSES, behind_server, failed_at, line, sweep, write_run

from resolution_eval.analysis import curve
from resolution_eval.analysis.headline import READABLE, Headline, headline, share_words
from resolution_eval.analysis.sweeps import by_task
from resolution_eval.ground import paths
from resolution_eval.records import Record, make_records, read_record
from resolution_eval.records.blind import controlled
from resolution_eval.report.curve_summary import compact_table, next_step

SIZES = ("28", "56", "112", "224", "448")
ADVICE = ("Use ", "use ", "robust", "within")


def record(folder: Path, lines: list, **options) -> Record:
    write_run(folder, lines, **options)
    (made,) = make_records(folder)
    return made


def spread(rates: dict[str, float], *, samples: int = 400, **options) -> list:
    """Lines in which the first share of the samples is right at each resolution, classes even.

    Sample numbers are strided, so that no class is right more often than another.
    """
    return [
        line(
            f"s{i}",
            r,
            correct=int((i * 7919 % samples) < rate * samples),
            target=CLASSES[i % 3],
            **options,
        )
        for r, rate in rates.items()
        for i in range(samples)
    ]


def dark(folder: Path, resolutions=SIZES, *, rate: float = 0.34, samples: int = 400) -> Record:
    lines = spread(dict.fromkeys(resolutions, rate), samples=samples, blind="no image")
    return record(folder, lines, date="20260201_000000")


def said(made: Record, *blind: Record) -> Headline:
    return headline(curve(controlled(made, blind), blind=blind))


GOOD = {"28": 0.35, "56": 0.4, "112": 0.9, "224": 0.9, "448": 0.9}


class TestUse:
    def test_the_smallest_that_is_enough_with_what_it_saves(self, tmp_path):
        rates = {"28": 0.5, "56": 0.8, "112": 0.9, "224": 0.905, "448": 0.9}
        hidden = dark(tmp_path / "b", samples=2000)
        found = said(record(tmp_path / "a", spread(rates, samples=2000)), hidden)
        assert found.kind == "use"
        assert found.sentence.startswith(
            "Use 112: within 2 points of the best (224) at a quarter of the tokens"
        )

    def test_where_it_falls_apart_is_part_of_it(self, tmp_path):
        found = said(record(tmp_path / "a", spread(GOOD)), dark(tmp_path / "b"))
        assert found.sentence == (
            "Use 112: its best here, and no smaller one is shown to be within 2 points, with 6 % "
            "of the tokens that 448 takes; falls apart below 112."
        )

    def test_it_may_fall_apart_above_the_training_resolution(self, tmp_path):
        rates = {"28": 0.92, "56": 0.4, "112": 0.36, "224": 0.36, "448": 0.37}
        found = said(record(tmp_path / "a", spread(rates)), dark(tmp_path / "b"))
        assert "falls apart above 28" in found.sentence.lower()

    def test_both_ends_and_the_middle(self, tmp_path):
        rates = {"28": 0.92, "56": 0.36, "112": 0.92, "224": 0.92, "448": 0.35}
        found = said(record(tmp_path / "a", spread(rates)), dark(tmp_path / "b"))
        assert "falls apart above 224 and at 56" in found.sentence.lower()

    def test_a_robust_curve_says_so(self, tmp_path):
        rates = dict.fromkeys(SIZES, 0.9)
        hidden = dark(tmp_path / "b", samples=3000)
        found = said(record(tmp_path / "a", spread(rates, samples=3000)), hidden)
        assert found.kind == "robust"
        assert "Use 28: every resolution from 28 to 448 is within 2 points" in found.sentence

    def test_without_a_blind_run_the_doubt_comes_first(self, tmp_path):
        found = said(record(tmp_path / "a", spread(GOOD)))
        assert found.sentence.startswith(
            "No blind run: cannot tell whether it looks; if it does: use 112"
        )

    def test_few_samples_name_no_resolution_to_use(self, tmp_path):
        rates = {"28": 0.7, "56": 0.8, "112": 0.85, "224": 0.9, "448": 0.85}
        found = said(
            record(tmp_path / "a", spread(rates, samples=40)), dark(tmp_path / "b", samples=40)
        )
        assert found.kind == "uncertain"
        assert "40 samples tell" in found.sentence and "Use" not in found.sentence

    def test_restored_images_save_no_tokens(self, tmp_path):
        lines = spread(GOOD, scheme="restore", edge=64)
        hidden = spread(dict.fromkeys(SIZES, 0.34), scheme="restore", edge=64, blind="no image")
        run = record(tmp_path / "b", hidden, date="20260201_000000")
        found = said(record(tmp_path / "a", lines), run)
        assert found.sentence.startswith("Use images of 112")
        assert "token" not in found.sentence


class TestNoAdvice:
    """Each is told first, and nothing is recommended, of curves that look good otherwise."""

    def test_at_chance(self, tmp_path):
        rates = {"28": 0.36, "56": 0.33, "112": 0.35, "224": 0.34, "448": 0.33}
        found = said(record(tmp_path / "a", spread(rates)))
        assert found.kind == "chance"
        assert found.sentence.startswith("Do not trust this: ")
        assert "0.360 at best, at 28" in found.sentence

    def test_no_better_than_a_constant_answer(self, tmp_path):
        lines = [
            line(f"s{i}", r, correct=int(i % 4 > 0), target="mucosa" if i % 4 else "adipose")
            for r in SIZES
            for i in range(200)
        ]
        found = said(record(tmp_path / "a", lines))
        assert found.kind == "chance"
        assert "no better than “mucosa” to every question (0.750 at best" in found.sentence

    def test_of_two_constant_answers_that_are_as_good_sentence_and_floor_name_one(self, tmp_path):
        lines = [
            line(f"s{i}", r, correct=int(i % 4 > 0), target=("mucosa", "adipose")[i % 2])
            for r in SIZES
            for i in range(4)
        ]
        made = curve(record(tmp_path / "a", lines))
        (named,) = re.findall("“[a-z]+”", headline(made).sentence)
        assert named in made.floor.name and {"“mucosa”", "“adipose”"} >= {named}

    def test_a_served_model_costs_the_tokens_that_its_server_counted(self, tmp_path):
        rates = {"28": 0.5, "56": 0.8, "112": 0.9, "224": 0.905, "448": 0.9}
        lines = spread(rates, samples=2000)
        here, served = (
            curve(record(tmp_path / name, each))
            for name, each in (("here", lines), ("served", behind_server(lines)))
        )
        costs = [[each.tokens for each in one.cells] for one in (here, served)]
        assert costs[0] == costs[1] and None not in costs[0]
        shown = [compact_table(one).rows for one in (here, served)]
        assert [row[3] for row in shown[0]] == [row[3] for row in shown[1]]
        unknown = curve(record(tmp_path / "u", behind_server(lines, "unattested")))
        assert {each.tokens for each in unknown.cells} == {None}

    @pytest.mark.parametrize("served", [False, True])
    def test_what_to_do_next_fits_a_model_that_nobody_trained_here(self, tmp_path, served):
        lines = spread(dict.fromkeys(SIZES, 0.34))
        if served:
            lines = behind_server(lines)
        made = curve(record(tmp_path / "a", lines))
        said = next_step(made, headline(made), "out")
        other = "another model" if served else "the checkpoint that it was trained from"
        assert said == f"Next: score {other} on the same images, and compare"

    def test_it_does_not_look(self, tmp_path):
        rates = dict.fromkeys(SIZES, 0.7)
        found = said(record(tmp_path / "a", spread(rates)), dark(tmp_path / "b", SIZES, rate=0.7))
        assert found.kind == "blind"
        assert found.sentence.startswith("Does not look: ")
        assert "0.700 without the image" in found.sentence

    def test_answers_that_cannot_be_read_are_quoted(self, tmp_path):
        lines = spread(dict.fromkeys(SIZES[:2], 0.0), samples=6)
        for number, each in enumerate(lines):
            each["verdict"].update(prediction=None, answer=f"<0x0{number}>\nnoise", correct=0)
        found = said(record(tmp_path / "a", lines))
        assert found.kind == "unreadable"
        assert found.sentence.startswith(
            "12 of 12 answers could not be read; the first three: “<0x"
        )
        assert "\n" not in found.sentence

    def test_a_few_of_them_are_a_note_beside_the_sentence(self, tmp_path):
        lines = spread(GOOD)
        for each in lines:
            if each["verdict"]["sample"] in {f"s{i}" for i in range(40)}:
                each["verdict"].update(prediction=None, answer="I cannot say", correct=0)
        found = said(record(tmp_path / "a", lines), dark(tmp_path / "b"))
        assert found.kind in READABLE
        assert any(note.startswith("200 of 2000 answers could not be read") for note in found.notes)

    def test_flat_by_its_processor(self, tmp_path):
        lines = spread(GOOD)
        for each in lines:
            told = each["attestation"]
            grid = [448, 448]
            status = "attested" if told["expected_grid"] == grid else "mismatched"
            told.update(grid=grid, status=status, visual_tokens=256)
        found = said(record(tmp_path / "a", lines))
        assert found.kind == "flat"
        assert found.sentence == (
            "Flat by its processor: every size from 28 to 448 reached the encoder as 448x448, "
            "whatever was asked."
        )

    def test_mismatched_says_what_was_received(self, tmp_path):
        lines = spread(GOOD)
        for each in lines:
            if each["verdict"]["resolution"] == "448":
                each["attestation"].update(grid=[336, 336], status="mismatched")
        found = said(record(tmp_path / "a", lines), dark(tmp_path / "b"))
        assert found.kind == "mismatched"
        assert found.sentence == (
            "Do not trust this: mismatched at 448, where the model saw another size (asked for "
            "448x448, received 336x336)."
        )

    def test_a_server_that_counts_the_same_at_every_size_is_flat(self, tmp_path):
        lines = behind_server(spread(GOOD), "counted")
        for each in lines:
            served = each["attestation"]["served"]
            served.update(counted_tokens=85)
            each["attestation"].update(status="mismatched")
        found = said(record(tmp_path / "a", lines))
        assert found.kind == "flat"
        assert "the server counted 85 image tokens" in found.sentence

    def test_sizes_that_nobody_saw(self, tmp_path):
        found = said(record(tmp_path / "a", behind_server(spread(GOOD), "unattested")))
        assert found.kind == "unseen"
        assert "nobody saw the grid at any resolution" in found.sentence

    def test_too_many_failures(self, tmp_path):
        lines = failed_at(spread(GOOD), {f"s{i}" for i in range(60)}, "448")
        found = said(record(tmp_path / "a", lines), dark(tmp_path / "b"))
        assert found.kind == "withheld"
        assert "60 of 400 samples at 448 have no verdict" in found.sentence
        assert "is truncated" in found.sentence

    def test_all_failed(self, tmp_path):
        lines = [line(f"s{i}", r, correct=None) for r in SIZES for i in range(4)]
        found = said(record(tmp_path / "a", lines))
        assert found.kind == "unscored"
        assert found.sentence.startswith("Nothing was scored: 20 of 20 samples failed; the first: ")

    def test_a_blind_run_is_a_control(self, tmp_path):
        assert said(dark(tmp_path / "b")).kind == "control"

    def test_one_resolution_is_no_curve(self, tmp_path):
        found = said(record(tmp_path / "a", spread({"224": 0.9})))
        assert found.kind == "single"
        assert "0.900 at 224; no blind run" in found.sentence


@pytest.mark.parametrize("step", ["counted", "predicted"])
def test_what_is_not_attested_is_said_beside_the_advice(tmp_path, step):
    found = said(record(tmp_path / "a", behind_server(spread(GOOD), step)))
    assert found.kind == "use" and "112" in found.sentence
    assert any("not attested" in note for note in found.notes)


def test_a_noisy_untrained_curve_is_never_recommended(tmp_path):
    """Fifty curves without any signal: advice from at most a few, as the error allows."""
    advised = 0
    for seed in range(50):
        rates = dict.fromkeys(SIZES, 1 / 3)
        made = record(tmp_path / str(seed), sweep(rates, samples=40, seed=seed))
        advised += said(made).readable
    assert advised <= 5


def test_shares_are_words_near_round_ones_and_figures_elsewhere():
    assert [share_words(x) for x in (0.5, 0.26, 0.2, 0.11, 0.07)] == [
        "half", "a quarter", "a fifth", "11 %", "7 %",
    ]  # fmt: skip


RECORDS = sorted(paths.leaderboard().glob("records/**/*.record.json"))


@pytest.fixture(scope="module")
def committed() -> list[tuple[str, Headline]]:
    """The headline of every curve of the board's own records."""
    records = [read_record(path) for path in RECORDS]
    records = [controlled(record, records) for record in records]
    return [
        (sweep.name, headline(figures_of(sweep)))
        for task in by_task(records)
        for sweep in task.sweeps
    ]


def figures_of(sweep):
    from resolution_eval.analysis import figures

    return figures(sweep)


@pytest.mark.whole
def test_every_committed_record_has_a_sentence_and_advice_only_where_it_was_earned(committed):
    assert len(committed) >= 10
    for name, found in committed:
        assert found.sentence.endswith(".") and "  " not in found.sentence, name
        assert len(found.sentence) < 260, (name, found.sentence)
        if not found.readable:
            assert not any(found.sentence.startswith(word) for word in ADVICE), name
