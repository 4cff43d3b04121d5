"""Whole runs through the command line of lmms-eval, on the embedded checkpoint."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from resolution_eval import plugin
from resolution_eval.data.cards import parse_task_card
from resolution_eval.ground import paths
from resolution_eval.host import runs, taskfiles
from resolution_eval.records import Record, make_records

sys.path.insert(0, str(Path(__file__).parent / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
SIZES = ("16", "24", "32", "48", "64")


def _results(output: Path) -> dict[str, Any]:
    (path,) = output.rglob("*_results.json")
    return json.loads(path.read_text())


def _samples(output: Path) -> list[dict[str, Any]]:
    (path,) = output.rglob("*_samples_*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def _sweep(output: Path, *more: str, tasks: str = "phantom_res") -> int:
    arguments = ["--model", "resflamingo", "--tasks", tasks, "--output_path", str(output)]
    return runs.lmms_eval([*arguments, "--log_samples", "--verbosity", "WARNING", *more])


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of twenty documents of phantom_res, on the embedded default."""
    output = tmp_path_factory.mktemp("swept")
    assert _sweep(output, "--limit", "20") == 0
    return output


def test_the_table_has_a_row_for_every_resolution_and_figure(swept: Path) -> None:
    row = _results(swept)["results"]["phantom_res"]
    figures = ("worst_drop", "area", "bacc@train", "unparseable", "failed", "mismatched")
    assert {f"acc@{r},none" for r in SIZES} | {f"{figure},none" for figure in figures} <= set(row)
    assert all(isinstance(row[f"acc@{r},none"], float) for r in SIZES)
    assert row["attestation,none"] == "20 attested"


@pytest.fixture(scope="module")
def plain(swept: Path) -> Record:
    (record,) = make_records(swept)
    return record


def test_a_run_says_what_it_cost_and_what_it_was_run_on(plain: Record) -> None:
    costs = [cell.cost for cell in plain.cells if cell.cost is not None]
    assert sum(cost.timed for cost in costs) == 20
    assert all(cost.seconds > 0 and cost.samples_per_second for cost in costs)
    run = plain.environment
    assert run.wall_time is not None
    assert sum(cost.seconds for cost in costs) < run.wall_time
    assert run.hardware is not None and run.hardware.cores >= 1
    assert (run.device, run.processes, run.peak_memory_of) == ("cpu", 1, "process")
    assert run.peak_memory is not None and run.peak_memory > 10**8
    assert {"torch", "resolution-eval", "python"} <= set(run.versions)
    assert run.versions["lmms-eval"] == version("lmms-eval")
    assert '"do_sample": false' in (run.generation or "")


def test_a_run_says_what_it_scored(plain: Record) -> None:
    checkpoint, data = plain.checkpoint, plain.dataset
    assert (checkpoint.name, checkpoint.training) == ("embedded/native", "fixed:64")
    assert (checkpoint.training_declared, checkpoint.training_overridden) == ("fixed:64", False)
    assert (checkpoint.strategy, checkpoint.dtype) == ("native", "float32")
    assert (checkpoint.revision or "").startswith("sha256:")
    assert "phantom" in (checkpoint.training_data or "")
    assert checkpoint.training_evidence is not None
    assert (data.source, data.loaded, data.excluded_total) == ("phantom", 240, 0)
    assert plain.shown == "image"
    assert set(plain.unknown) == {"controls.blind", "checkpoint.training_evidence_url"}
    assert "eos_token_id" in (checkpoint.writing or "")


def test_only_accuracies_carry_the_hosts_standard_error(swept: Path) -> None:
    row = _results(swept)["results"]["phantom_res"]
    errors = {key for key, value in row.items() if "stderr" in key and isinstance(value, float)}
    assert errors and all(key.startswith("acc@") for key in errors)


def test_every_line_is_attested_at_the_grid_it_asked_for(swept: Path) -> None:
    lines = _samples(swept)
    assert len(lines) == 20
    for line in lines:
        edge = int(line["attestation"]["requested"])
        assert line["attestation"]["grid"] == [edge, edge]
        assert line["attestation"]["visual_tokens"] == (edge // 8) ** 2
        assert line["attestation"]["training"] == "fixed:64"


def test_the_limit_keeps_every_resolution_of_a_sample(swept: Path) -> None:
    verdicts = [line["verdict"] for line in _samples(swept)]
    by_sample: dict[str, list[str]] = {}
    for verdict in verdicts:
        by_sample.setdefault(verdict["sample"], []).append(verdict["resolution"])
    assert [tuple(sorted(resolutions)) for resolutions in by_sample.values()] == [SIZES] * 4


def _answers(output: Path) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (line["verdict"]["sample"], line["verdict"]["resolution"]): (
            line["verdict"]["prediction"],
            tuple(round(score, 4) for score in line["verdict"]["choice_scores"]),
            json.dumps(line["attestation"]),
        )
        for line in _samples(output)
    }


@pytest.mark.whole
def test_batches_do_not_change_answers(swept: Path, tmp_path: Path) -> None:
    assert _sweep(tmp_path, "--limit", "20", "--batch_size", "3") == 0
    ours, theirs = _answers(tmp_path), _answers(swept)
    assert ours.keys() == theirs.keys()
    for key, (prediction, scores, attestation) in ours.items():
        assert (prediction, attestation) == (theirs[key][0], theirs[key][2])
        assert scores == pytest.approx(theirs[key][1], abs=2e-4)


@pytest.mark.whole
def test_a_response_from_the_hosts_cache_keeps_its_attestation(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resolution_eval.adapters.resflamingo import ResFlamingo

    cache = ("--limit", "20", "--use_cache", str(tmp_path / "cache"))
    assert _sweep(tmp_path / "cold", *cache) == 0
    asked: list[object] = []
    monkeypatch.setattr(ResFlamingo, "answer", lambda self, views, _: asked.extend(views))
    assert _sweep(tmp_path / "warm", *cache) == 0
    assert asked == []
    assert _answers(tmp_path / "warm") == _answers(swept)


@pytest.mark.whole
def test_run_sweeps_what_it_is_told(tmp_path: Path) -> None:
    arguments = ["--model", "resflamingo", "--output_path", str(tmp_path), "--log_samples"]
    status = runs.run(
        ["phantom_res"],
        [*arguments, "--limit", "4", "--verbosity", "WARNING"],
        resolutions=[20, "native"],
        filter="box",
        scheme="restore",
    )
    assert status == 0
    attested = [line["attestation"] for line in _samples(tmp_path)]
    assert {(a["requested"], a["filter"], a["scheme"]) for a in attested} == {
        ("20", "box", "restore"),
        ("native", "box", "restore"),
    }
    assert {tuple(a["information"]) for a in attested} == {(20, 20), (64, 64)}
    assert {tuple(a["grid"]) for a in attested} == {(64, 64)}
    assert {"acc@20,none", "acc@native,none"} <= set(_results(tmp_path)["results"]["phantom_res"])


@pytest.mark.parametrize(
    ("model_args", "said"),
    [
        ("scheem=match", "did you mean 'scheme'"),
        ("scheme=stretch", "restore"),
        ("filter=bicubik", "did you mean 'bicubic'"),
        ("answer_mode=guess", "rank"),
        ("dtype=float8", "did you mean 'float32'"),
        ("device=tpu", "cpu"),
        ("train_resolution=big", "fixed:224"),
        ("pretrained=/nowhere/at/all", "/nowhere/at/all"),
        ("trust_remote_code=perhaps", "true or false"),
    ],
)
def test_an_impossible_argument_stops_the_run_with_one_sentence(model_args: str, said: str) -> None:
    from resolution_eval.adapters.resflamingo import ResFlamingo

    with pytest.raises(SystemExit) as stopped:
        ResFlamingo.create_from_arg_string(model_args, {"batch_size": 1, "device": None})
    assert str(stopped.value.code).startswith("resolution-eval: ")
    assert said in str(stopped.value.code)


@pytest.mark.whole
def test_a_users_mistake_prints_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="did you mean 'scheme'"):
        _sweep(tmp_path, "--model_args", "scheem=match")
    assert "Traceback" not in capsys.readouterr().err


def _local_task(folder: Path, rows: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task like pbc_res on a data folder with the given rows; the folder of its images."""
    data = folder / "data"
    images = data / "pbc_blood" / "images"
    images.mkdir(parents=True)
    (data / "pbc_blood" / "labels.csv").write_text("\n".join(["file,label,split,source", *rows]))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(data))
    return images


@pytest.mark.whole
def test_a_broken_image_is_failed_and_named_and_the_rest_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    rows = [
        f"images/{name}.png,{label},test,here"
        for name, label in (
            ("good", "basophil"),
            ("cut", "platelet"),
            ("empty", "monocyte"),
            ("gone", "monocyte"),
        )
    ]
    images = _local_task(tmp_path, rows, monkeypatch)
    Image.effect_noise((40, 50), 60).convert("RGB").save(images / "good.png")
    (images / "cut.png").write_bytes((images / "good.png").read_bytes()[:-900])
    (images / "empty.png").touch()

    assert _sweep(tmp_path / "out", tasks="pbc_res") == 0
    lines = _samples(tmp_path / "out")
    failed = {line["verdict"]["sample"] for line in lines if line["verdict"]["failure"]}
    assert len(lines) == 4 * 5
    assert {re.sub(r"images/|\.png", "", name) for name in failed} == {"cut", "empty", "gone"}
    assert {line["verdict"]["correct"] for line in lines if line["verdict"]["failure"]} == {None}
    row = _results(tmp_path / "out")["results"]["pbc_res"]
    assert row["failed,none"] == 15
    assert "incomplete (3 of 4 failed)" in row["acc@28,none"]


@pytest.mark.whole
def test_data_that_cannot_be_had_is_one_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (paths.tasks() / "pathmnist" / "card.toml").read_text()
    url = parse_task_card(text).archive.url  # type: ignore[union-attr]
    card = parse_task_card(text.replace(url, "http://127.0.0.1:9/tiles.zip"))
    taskfiles.write_task(tmp_path / "pathmnist", card)
    plugin.FOLDERS.insert(0, str(tmp_path))
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as stopped:
        _sweep(tmp_path / "out", tasks="pathmnist_res")
    message = str(stopped.value.code)
    assert all(way in message for way in ("labels.csv", "pathmnist_224.npz", "127.0.0.1:9"))
    assert "Traceback" not in capsys.readouterr().err
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


REAL = {"vqa_rad_res": 5, "chestxray14_res": 5, "pbc_res": 5, "pathmnist_res": 4}
"""Tasks whose real data lie in RESOLUTION_EVAL_DATA, with how many resolutions each has."""


@pytest.mark.slow
@pytest.mark.skipif(
    not (Path(os.environ.get("RESOLUTION_EVAL_DATA", "")) / "vqa_rad").is_dir(),
    reason="RESOLUTION_EVAL_DATA names no folder with the real data",
)
@pytest.mark.parametrize("model", ["resflamingo", "reshf"])
def test_the_real_data_run_at_every_resolution(model: str, tmp_path: Path) -> None:
    arguments = ["--model", model, "--tasks", ",".join(REAL), "--limit", "10", "--log_samples"]
    if model == "reshf":
        folder = tiny_families.save("qwen2_vl", tmp_path / "qwen")
        arguments += ["--model_args", f"pretrained={folder}"]
    arguments += ["--output_path", str(tmp_path / "out"), "--verbosity", "WARNING"]
    assert runs.lmms_eval(arguments) == 0
    results = _results(tmp_path / "out")["results"]
    for task, count in REAL.items():
        (path,) = (tmp_path / "out").rglob(f"*_samples_{task}.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        asked = {line["attestation"]["requested"] for line in lines}
        assert (len(lines), len(asked)) == (10, count)
        assert {line["attestation"]["status"] for line in lines} == {"attested"}
        for line in lines:
            assert line["attestation"]["grid"] == line["attestation"]["expected_grid"]
        assert results[task]["attestation,none"] == "10 attested"
