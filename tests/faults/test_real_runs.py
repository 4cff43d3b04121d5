"""Faults of processes and disks under whole runs of lmms-eval, each in processes of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from test_disks import ALONE, MOUNT, mounting

from resolution_eval.ground.errors import RecordError
from resolution_eval.records import Record, make_records
from resolution_eval.records.times import timeless

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
LIMIT = 60
HOST = [sys.executable, "-m", "lmms_eval", "--model", "resflamingo", "--tasks"]
OURS = [sys.executable, "-m", "resolution_eval", "run", "--model", "resflamingo", "--tasks"]
ON_CPU = os.environ | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}


def phantom(output: Path, host: list[str] = HOST, limit: int = LIMIT) -> list[str]:
    """The command that scores the embedded default."""
    written = ["--log_samples", "--output_path", str(output)]
    return [*host, "phantom_res", "--limit", str(limit), "--batch_size", "8", *written]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The run without a fault."""
    output = tmp_path_factory.mktemp("clean")
    subprocess.run(phantom(output), check=True, cwd=output)
    (record,) = make_records(output)
    return record


def test_two_runs_at_once_into_one_folder_are_two_records_or_none(
    clean: Record, tmp_path: Path
) -> None:
    both = [subprocess.Popen(phantom(tmp_path / "out"), cwd=tmp_path) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    try:
        records = make_records(tmp_path / "out")
    except RecordError as error:  # both ended in one second, and lmms-eval mixed their lines
        assert "already on line" in str(error) or "holds" in str(error)
        return
    assert len(records) == 2
    assert {timeless(record) for record in records} == {timeless(clean)}


@mounting
def test_a_run_whose_output_does_not_fit_the_disk_makes_no_record(tmp_path: Path) -> None:
    """lmms-eval warns, leaves what fitted, and ends as if all were well."""
    folder = tmp_path / "small"
    folder.mkdir()
    record = f'{sys.executable} -m resolution_eval record "{folder}"'
    script = f'{MOUNT}; "$@"; {record}; echo "status: $?"; ls -A "{folder}"'
    small = [*ALONE, "bash", "-c", script, "bash", "size=64k", str(folder)]
    command = [*small, *phantom(folder, host=OURS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "status: 1" in done.stdout and ".record.json" not in done.stdout
    said = done.stderr.splitlines()[-1]
    assert said.startswith("resolution-eval: ")
    assert any(word in said for word in ("not JSON", "it was cut short", "no results", "missing"))


def test_an_interrupt_of_a_run_is_said_and_leaves_no_score(tmp_path: Path) -> None:
    command = phantom(tmp_path / "out", host=OURS, limit=1000)
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True
    )
    assert process.stderr is not None
    said = ""
    while "resflamingo:" not in said:  # the progress of its answers
        piece = process.stderr.read(64)
        assert piece, "it ended before it answered"
        said += piece
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    said += process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert said.strip().endswith("resolution-eval: stopped")
    assert not list(tmp_path.rglob("*_results.json"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six blood cells that are none, in the local layout."""
    folder = tmp_path / "data" / "pbc_blood"
    (folder / "images").mkdir(parents=True)
    rows = ["file,label,split,source"]
    for place in range(6):
        label = ("basophil", "platelet", "monocyte")[place % 3]
        image = Image.effect_noise((72, 64), 40 + 10 * place).convert("RGB")
        image.save(folder / "images" / f"{place}.png")
        rows.append(f"images/{place}.png,{label},test,here")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "images"


def _two_ranks(fault: str, images: Path, output: Path) -> Record:
    shutil.copytree(images.parents[1], output / "data")
    victim = output / "data" / "pbc_blood" / "images" / "3.png"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    script = str(Path(__file__).with_name("changing_rank.py"))
    given = [fault, str(victim), str(output / "sign"), "--model", "resflamingo"]
    given += ["--tasks", "pbc_res", "--log_samples", "--output_path", str(output / "out")]
    command = [*launch, "--master_port", port, script, *given, "--batch_size", "4"]
    surroundings = ON_CPU | {"RESOLUTION_EVAL_DATA": str(output / "data")}
    subprocess.run(command, check=True, env=surroundings, cwd=output)
    (record,) = make_records(output / "out")
    assert record.environment.processes == 2
    return record


@pytest.mark.parametrize("fault", ["changed", "deleted"])
def test_an_image_that_changes_between_two_ranks_fails_on_the_second_alone(
    images: Path, tmp_path: Path, fault: str
) -> None:
    whole = _two_ranks("nothing", images, tmp_path / "whole").answers.rows()
    found = _two_ranks(fault, images, tmp_path / "found").answers.rows()
    failed = [row for row in found if row["correct"] is None]
    assert failed and {row["sample"] for row in failed} == {"images/3.png"}
    said = "changed while the run" if fault == "changed" else "No such file"
    assert all(said in row["failure_message"] for row in failed)
    expected = {(row["sample"], row["resolution"]): row["prediction"] for row in whole}
    for row in found:
        if row["correct"] is not None:
            assert row["prediction"] == expected[row["sample"], row["resolution"]]
    of_the_victim = [row for row in found if row["sample"] == "images/3.png"]
    assert len(failed) < len(of_the_victim), "the first rank had answered some before"
