"""The train x inference matrix: scored once, mixed by a rule, its gaps over samples and seeds."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
from hashlib import sha256
from pathlib import Path

import pytest
from synthetic_runs import behind_server, facts, sweep, write_run

from resolution_eval import cli
from resolution_eval.analysis.strategies import Matrix, matrix_of_records, mixture_half
from resolution_eval.declaration import Declaration, read_declaration
from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.ground.paths import PACKAGE
from resolution_eval.ground.tables import as_text
from resolution_eval.jobs import process
from resolution_eval.jobs.job import Job
from resolution_eval.jobs.matrix_output import _infer, _scored, specification, write_matrix
from resolution_eval.jobs.strategy_plan import (
    named_adapter,
    named_resolution,
    parse_checkpoints,
    strategy_plan,
)
from resolution_eval.records import Record, make_records
from resolution_eval.report.matrix_tables import matrix_tables
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.published_curves import gaps_of_file

EMBEDDED = PACKAGE.parent / "models" / "embedded"
CURVES = {
    "low": ("fixed:16", {"16": 0.8, "32": 0.5, "64": 0.3}),
    "native": ("fixed:64", {"16": 0.2, "32": 0.6, "64": 0.95}),
    "mixed": ("mixed:[16,64]", {"16": 0.6, "32": 0.4, "64": 0.9}),
    "spread": ("mixed:[16,32,64]", {"16": 0.78, "32": 0.8, "64": 0.94}),
}


def one(folder: Path, lines: list, date: str = "20260102_030405") -> Record:
    write_run(folder, lines, date=date)
    (record,) = make_records(folder)
    return record


def records(folder: Path, seeds: int = 2, samples: int = 90) -> dict[str, tuple[Record, ...]]:
    return {
        strategy: tuple(
            one(
                folder / strategy / str(seed),
                sweep(
                    curve,
                    samples=samples,
                    seed=10 * place + seed,
                    training=training,
                    checkpoint=f"synthetic/{strategy}-{seed}",
                ),
            )
            for seed in range(seeds)
        )
        for place, (strategy, (training, curve)) in enumerate(CURVES.items())
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Matrix:
    found = records(tmp_path_factory.mktemp("runs"))
    return Matrix(found, 16, 64, ("low", 32, "native", "mixed"))


def verdicts(record: Record, resolution: str) -> dict[str, int]:
    return {
        row["sample"]: row["correct"]
        for row in record.answers.rows()
        if row["resolution"] == resolution
    }


class TestMixture:
    def test_half_of_the_samples_is_low_and_only_their_ids_say_which(self):
        names = [f"test/{number:05d}" for number in range(321)]
        half = mixture_half(names)
        assert len(half) == 161
        assert half == mixture_half(names[::-1])
        digests = {name: sha256(name.encode()).hexdigest() for name in names}
        assert max(digests[n] for n in half) < min(digests[n] for n in set(names) - half)

    def test_names_that_are_no_unicode_are_halved_too(self):
        names = [f"{number}-\udc80.png" for number in range(9)]
        assert mixture_half(names) == mixture_half(names[::-1]) < set(names)

    def test_mixed_inference_takes_each_answer_from_its_own_half(self, made):
        (first, second) = made.records["native"]
        half = mixture_half(list(verdicts(first, "16")))
        expected = []
        for record in (first, second):
            low, native = verdicts(record, "16"), verdicts(record, "64")
            right = [(low if sample in half else native)[sample] for sample in low]
            expected.append(sum(right) / len(right))
        cell = made.cells["native", "mixed"]
        assert cell.per_seed == pytest.approx(expected)
        assert cell.interval.estimate == pytest.approx(sum(expected) / 2)
        at = {name: made.cells["native", name].visual_tokens for name in ("low", "native")}
        assert cell.visual_tokens == (at["low"] + at["native"]) / 2


class TestGaps:
    def test_they_are_the_differences_of_their_cells(self, made):
        found = {(f.name, f.strategy): f for f in made.gaps}
        at = {key: cell.interval.estimate for key, cell in made.cells.items()}
        expected = {
            ("alignment_gain", "mixed"): at["native", "native"] - at["low", "low"],
            ("native_trained_mismatch", "mixed"): at["native", "low"] - at["native", "native"],
            ("low_trained_mismatch", "mixed"): at["low", "native"] - at["low", "low"],
            ("mixed_retention", "mixed"): at["mixed", "native"] / at["native", "native"],
            ("mixed_retention", "spread"): at["spread", "native"] / at["native", "native"],
            ("mixed_low_gap", "mixed"): at["mixed", "low"] - at["low", "low"],
            ("mixed_low_gap", "spread"): at["spread", "low"] - at["low", "low"],
            ("mixed_native_loss", "mixed"): at["mixed", "native"] - at["native", "native"],
            ("mixed_native_loss", "spread"): at["spread", "native"] - at["native", "native"],
        }
        assert {key: f.value.estimate for key, f in found.items()} == pytest.approx(expected)

    def test_an_interval_is_of_the_same_samples_and_all_seeds(self, made):
        figure = next(f for f in made.gaps if f.name == "native_trained_mismatch")
        assert (figure.value.n, figure.value.clusters) == (90, 45)
        assert len(figure.per_seed) == 2
        assert statistics.fmean(figure.per_seed) == pytest.approx(figure.value.estimate)
        assert figure.spread == pytest.approx(statistics.stdev(figure.per_seed))

    def test_a_sign_holds_only_where_the_interval_and_every_seed_agree(self, made):
        found = {(f.name, f.strategy): f for f in made.gaps}
        assert found["native_trained_mismatch", "mixed"].sign == "holds"
        spread = found["mixed_low_gap", "spread"]
        assert spread.value.low < 0 < spread.value.high and spread.sign == "open"
        reversed_ = Matrix(
            {**made.records, "low": made.records["native"], "native": made.records["low"]},
            64, 16, made.infer,
        )  # fmt: skip
        gain = next(f for f in reversed_.gaps if f.name == "alignment_gain")
        assert gain.sign == "reversed"

    def test_a_gap_without_its_checkpoints_is_withheld_with_the_reason(self, made):
        some = {name: made.records[name] for name in ("low", "mixed")}
        found = {f.name: f for f in Matrix(some, 16, 64, ("low", "native")).gaps}
        assert "no native-trained checkpoint" in found["alignment_gain"].value.reason
        assert found["alignment_gain"].sign == "none"
        assert not isinstance(found["mixed_low_gap"].value, Withheld)

    def test_a_cell_that_received_another_grid_enters_no_figure(self, tmp_path):
        lines = sweep(CURVES["low"][1], samples=30, training="fixed:16")
        for each in lines:
            if each["verdict"]["resolution"] == "64":
                each["attestation"] |= {"status": "mismatched", "grid": [16, 16]}
        record = one(tmp_path, lines)
        found = Matrix({"low": (record,)}, 16, 64, ("low", "native", "mixed"))
        assert "mismatched" in found.cells["low", "native"].reason
        assert isinstance(found.cells["low", "mixed"], Withheld)
        assert not isinstance(found.cells["low", "low"], Withheld)
        assert "mismatched" in as_text(matrix_tables(found))

    def test_closed_questions_that_have_no_options_stay_beside_the_ranked_ones(self, tmp_path):
        lines = sweep({"16": 0.5, "64": 1.0}, samples=30, training="fixed:16")
        for each in lines:
            if each["verdict"]["sample"] in ("tile-3", "tile-4"):
                each["attestation"] |= {"answer_mode": "generate"}
                each["verdict"] |= {"correct": False}
        record = one(tmp_path, lines)
        assert len(record.cells) == 4
        found = Matrix({"low": (record,)}, 16, 64, ("low", "native")).cells["low", "native"]
        assert (found.interval.n, found.interval.estimate) == (28, 1.0)

    def test_checkpoints_scored_on_other_data_are_refused(self, tmp_path):
        mine = sweep({"16": 0.5, "64": 0.6}, samples=9)
        other = sweep({"16": 0.5, "64": 0.6}, samples=9, fingerprint="another")
        pair = {"low": (one(tmp_path / "a", mine),), "native": (one(tmp_path / "b", other),)}
        with pytest.raises(RecordError, match="same data"):
            Matrix(pair, 16, 64, ("low",))


class TestRecords:
    def test_records_tell_their_own_strategies(self, made):
        some = [record for name in ("mixed", "native", "low") for record in made.records[name]]
        found = matrix_of_records(some)
        assert {name: len(mine) for name, mine in found.records.items()} == {
            "low": 2, "native": 2, "mixed": 2,
        }  # fmt: skip
        assert (found.low, found.native, found.infer) == (16, 64, (16, 32, 64))
        expected = {gap.name: gap for gap in made.gaps if gap.strategy == "mixed"}
        assert {gap.name for gap in found.gaps} == set(expected)
        for gap in found.gaps:
            assert gap.value == expected[gap.name].value
            assert gap.over_seeds == expected[gap.name].over_seeds
        trained = {key for key, cell in found.cells.items() if cell.trained}
        assert trained == {("low", "16"), ("native", "64"), ("mixed", "16"), ("mixed", "64")}

    def test_records_of_different_steps_of_the_ladder_make_no_matrix(self, tmp_path):
        low, native = (
            sweep(curve, samples=30, training=t) for t, curve in list(CURVES.values())[:2]
        )
        seen = one(tmp_path / "seen", low)
        served = one(tmp_path / "served", behind_server(native))
        with pytest.raises(
            RecordError, match=r"same step of the ladder, found .'attested', 'counted'"
        ):
            matrix_of_records([seen, served])

    def test_the_sources_own_size_is_not_what_native_stands_for(self, tmp_path):
        lines = sweep({"16": 0.2, "64": 0.9, "native": 0.4}, samples=60, training="fixed:64")
        lines[0]["run"] = facts(strategy="native")
        found = matrix_of_records([one(tmp_path, lines)])
        assert found.native == 64
        at = {key: cell.interval.estimate for key, cell in found.cells.items()}
        (mismatch,) = [gap for gap in found.gaps if gap.name == "native_trained_mismatch"]
        low, native, source = (at["native", name] for name in ("16", "64", "native"))
        assert source not in (low, native)
        assert mismatch.value.estimate == pytest.approx(low - native)

    def test_other_seeds_widen_the_interval_and_one_seed_has_none(self, made):
        cell = made.cells["native", "low"]
        wide, narrow = cell.over_seeds, cell.interval
        assert wide.low < narrow.low < narrow.high < wide.high
        single = Matrix({"low": made.records["low"][:1]}, 16, 64, ("low",))
        assert single.cells["low", "low"].over_seeds is None


class TestOutput:
    @pytest.mark.whole
    def test_the_json_gives_the_same_gaps_to_the_command_that_reads_published_tables(
        self, made, tmp_path
    ):
        write_matrix(made, tmp_path)
        (sets,) = gaps_of_file(tmp_path / "matrix.json").values()
        (published,) = sets["datasets"].values()
        for figure in made.gaps:
            if figure.strategy == "mixed":
                scale = 1 if figure.name == "mixed_retention" else 100
                assert published[figure.name] == pytest.approx(scale * figure.value.estimate)

    def test_every_cell_is_written_with_its_interval_seeds_and_n(self, made, tmp_path):
        write_matrix(made, tmp_path)
        document = json.loads((tmp_path / "matrix.json").read_text())
        cells = document["cells"] + document["further_cells"]
        assert {(cell["train"], cell["infer"]) for cell in cells} == {
            (strategy, at) for strategy in CURVES for at in ("low", "32", "native", "mixed")
        }
        for cell in cells:
            low, high = cell["interval_percent"]
            assert low < cell["accuracy_percent"] < high
            assert (cell["n"], cell["clusters"], len(cell["per_seed_percent"])) == (90, 45, 2)
        assert {cell["train"] for cell in document["cells"]} == {"low", "native", "mixed"}

    def test_the_table_and_the_heat_map_show_the_cells(self, made, tmp_path):
        write_matrix(made, tmp_path)
        shown = f"{100 * made.cells['spread', '32'].interval.estimate:.1f}"
        assert shown in (tmp_path / "matrix.md").read_text()
        assert shown in (tmp_path / "heatmap.svg").read_text()
        page = (tmp_path / "heatmap.html").read_text()
        assert shown in page and not re.search(r"""(src|href)\s*=\s*["']https?:""", page)
        assert (tmp_path / "heatmap.png").read_bytes().startswith(b"\x89PNG")

    def test_a_withheld_cell_has_no_figure_in_the_heat_map(self, made):
        lacking = Matrix(made.records, 16, 64, ("low", 48))
        rows = specification(lacking)["data"]["values"]
        at = {(row["train"], row["infer"]): row for row in rows}
        assert (at["low", "48"]["accuracy"], at["low", "48"]["shown"]) == (None, "withheld")
        assert at["low", "low (16)"]["accuracy"] > 0.5


class TestArguments:
    def test_the_papers_strategies_come_first_and_seeds_add_up(self):
        found = parse_checkpoints(["spread=x", "mixed=m", "none=n", "low=b+c", "low=d"])
        assert list(found.items()) == [
            ("none", ("n",)), ("low", ("b", "c", "d")), ("mixed", ("m",)), ("spread", ("x",)),
        ]  # fmt: skip

    @pytest.mark.parametrize("text", ["low", "low=", "=a", "low=a++b", "LOW=a", "lo w=a"])
    def test_a_malformed_checkpoint_is_refused(self, text):
        with pytest.raises(UsageError, match="STRATEGY=DIR"):
            parse_checkpoints([text])

    def test_one_checkpoint_is_not_two_seeds(self):
        with pytest.raises(UsageError, match="named twice"):
            parse_checkpoints(["low=a+b", "mixed=a"])

    def test_low_and_native_are_what_the_checkpoints_declare(self):
        entries = parse_checkpoints([f"{name}={EMBEDDED / name}" for name in ("low", "native")])
        assert named_resolution("low", None, entries) == 16
        assert named_resolution("native", None, entries) == 64
        assert named_resolution("low", "28", entries) == 28
        mixed = parse_checkpoints([f"low={EMBEDDED / 'mixed'}"])
        with pytest.raises(UsageError, match=r"declare mixed:\[16,64\]; say what low is"):
            named_resolution("low", None, mixed)
        with pytest.raises(UsageError, match="no checkpoint is native-trained"):
            named_resolution("native", None, mixed)

    def test_folders_of_hugging_face_checkpoints_say_it_too_and_which_adapter_they_need(
        self, tmp_path
    ):
        for name, training in (("low", "fixed:28"), ("native", "native")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.json").write_text('{"model_type": "llava"}')
            Declaration(training=training, strategy=name).write(tmp_path / name)
        entries = parse_checkpoints([f"{name}={tmp_path / name}" for name in ("low", "native")])
        assert named_resolution("low", None, entries) == 28
        assert named_resolution("native", None, entries) == "native"
        assert named_adapter(None, entries) == "reshf"
        assert named_adapter("reswrap", entries) == "reswrap"
        ours = parse_checkpoints([f"none={EMBEDDED / 'low'}"])
        assert named_adapter(None, ours) == "resflamingo"
        with pytest.raises(UsageError, match=r"one --model, but .*with resflamingo, .*with reshf"):
            named_adapter(None, {**ours, **entries})

    def test_the_sweep_holds_each_resolution_once_and_both_ends(self):
        assert _scored(_infer("mixed,64,40"), 16, 64) == (16, 40, 64)
        assert _scored(_infer("native"), 28, "native") == (28, "native")
        with pytest.raises(UsageError, match="both 16"):
            _scored(_infer("low"), 16, 16)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"--task": "phantom_rez"}, "phantom_res"),
            ({"--format": "mdd"}, "did you mean 'md'"),
            ({"--infer": "low,tiny"}, "tiny"),
            ({"--limit": "0"}, "--limit is 0"),
            ({"--checkpoints": "low=/nowhere"}, "/nowhere"),
        ],
    )
    def test_a_users_mistake_is_one_sentence(self, change, said, tmp_path, capsys):
        given = {
            "--checkpoints": f"low={EMBEDDED / 'low'}",
            "--task": "phantom_res",
            "--native": "64",
            "--output": str(tmp_path / "out"),
        }
        flat = [word for pair in {**given, **change}.items() for word in pair]
        assert cli.main(["matrix", *flat]) == 1
        said_so = capsys.readouterr().err
        assert said in said_so and said_so.startswith("resolution-eval: ")


@pytest.mark.filterwarnings("ignore")  # the host leaves its files open
class TestScoring:
    def test_weights_written_anew_and_another_sweep_are_scored_anew(self, tmp_path):
        def job(task: str = "phantom_res", resolutions: tuple[int, ...] = (16, 64)) -> Job:
            entries = parse_checkpoints([f"low={tmp_path}"])
            (found,) = strategy_plan(entries, task, resolutions, tmp_path, model="reshf").jobs()
            return found

        (tmp_path / "model.safetensors").write_text("a")
        folders = {job().folder, job(resolutions=(16, 32)).folder, job("pbc_res").folder}
        assert job().folder in folders
        (tmp_path / "model.safetensors").write_text("other")
        assert job().folder not in folders and len(folders) == 3

    def test_checkpoints_of_one_name_are_jobs_of_their_own_and_say_their_strategy(self, tmp_path):
        entries = parse_checkpoints(["low=a/last", "native=b/last"])
        plan = strategy_plan(entries, "phantom_res", (16, 64), tmp_path, model="reshf", limit=3)
        assert [model.strategy for model in plan.models] == ["low", "native"]
        first, second = plan.jobs()
        assert first.folder != second.folder
        assert first.settings.arguments == ("--limit", "6")

    def test_a_name_that_would_be_read_as_several_arguments_is_refused(self, tmp_path):
        entries = parse_checkpoints(["low=a,trust_remote_code=true"])
        with pytest.raises(UsageError, match="comma"):
            strategy_plan(entries, "phantom_res", (16,), tmp_path, model="reshf")

    @pytest.mark.whole
    def test_the_matrix_runs_and_what_is_scored_is_not_scored_again(
        self, tmp_path, monkeypatch, capsys
    ):
        arguments = [
            *(
                "matrix",
                "--checkpoints",
                f"low={EMBEDDED / 'low'}",
                f"native={EMBEDDED / 'native'}",
            ),
            *("--task", "phantom_res", "--limit", "12", "--output", str(tmp_path)),
        ]
        scored = []
        run = process.run

        def stopped_at_native(command, log, lock):
            told = command[command.index("--model_args") + 1]
            scored.append(Path(told.removeprefix("pretrained=")).name)
            if scored == ["low", "native"]:
                raise KeyboardInterrupt
            return run(command, log, lock)

        monkeypatch.setattr(process, "run", stopped_at_native)
        assert cli.main(arguments) == 130
        assert not (tmp_path / "matrix.json").exists()
        assert cli.main(arguments) == 0
        assert scored == ["low", "native", "native"]
        printed = capsys.readouterr().out
        assert cli.main(arguments) == 0
        assert scored == ["low", "native", "native"]
        assert capsys.readouterr().out == printed
        document = json.loads((tmp_path / "matrix.json").read_text())
        at = {(cell["train"], cell["infer"]): cell for cell in document["cells"]}
        assert at["low", "low"]["n"] == 12
        assert at["native", "native"]["accuracy_percent"] > at["native", "low"]["accuracy_percent"]
        assert at["native", "native"]["visual_tokens"] == 64
        assert at["native", "low"]["visual_tokens"] == 4

    @pytest.mark.slow
    def test_hugging_face_folders_of_our_training_need_no_further_argument(self, tmp_path):
        named = {"none": "unknown", "low": "fixed:16", "native": "fixed:64"}
        words = ["--task", "phantom_res", "--strategy", "none", "--native", "64"]
        words += ["--model", "reshf", "--model_args", "architecture=llava,patch=16"]
        assert cli.main(["train", *words, "--output", str(tmp_path / "none")]) == 0
        told = read_declaration(tmp_path / "none")
        assert (told.training, told.strategy) == ("unknown", "none")
        for name in ("low", "native"):
            shutil.copytree(tmp_path / "none", tmp_path / name)
            Declaration(training=named[name], strategy=name).write(tmp_path / name)
        given = [f"{name}={tmp_path / name}" for name in named]
        output = tmp_path / "out"
        words = ["--task", "phantom_res", "--limit", "4", "--output", str(output)]
        assert cli.main(["matrix", "--checkpoints", *given, *words]) == 0
        document = json.loads((output / "matrix.json").read_text())
        assert (document["low"], document["native"]) == ("16", "64")
        told = {name: one["declared"] for name, (one,) in document["checkpoints"].items()}
        assert told == named
        assert {cell["model"] for cell in document["cells"]} == {"reshf"}
        tokens = {cell["infer"]: cell["visual_tokens"] for cell in document["cells"]}
        assert (tokens["low"], tokens["native"]) == (1, 16)


def test_help_says_what_the_command_takes():
    parser = argparse.ArgumentParser()
    from resolution_eval.commands import matrix

    matrix.arguments(parser)
    assert "STRATEGY=DIR" in parser.format_help()
