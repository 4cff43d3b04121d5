"""Disks that are really full or read-only: small file systems, mounted for one command alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_runs import sweep, write_run

ALONE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNT = 'mount -t tmpfs -o "$1" none "$2" && shift 2'


def _mounts() -> bool:
    """Whether this system lets a test mount a file system that nobody else sees."""
    if not all(map(shutil.which, ("unshare", "mount", "bash"))):
        return False
    tried = [*ALONE, "bash", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


mounting = pytest.mark.skipif(not _mounts(), reason="file systems cannot be mounted here")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "run", sweep({"28": 0.4, "64": 0.8, "128": 0.7}, samples=40))
    return tmp_path / "run"


def recorded_on(options: str, run: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """`resolution-eval record` onto a file system of its own; last it prints what is there."""
    folder.mkdir()
    record = [sys.executable, "-m", "resolution_eval", "record", str(run), "--output", str(folder)]
    script = f'{MOUNT}; "$@"; status=$?; echo "left:" $(ls -A "{folder}"); exit $status'
    command = [*ALONE, "bash", "-c", script, "bash", options, str(folder), *record]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.whole
@mounting
def test_a_file_system_with_room_takes_the_record(run: Path, tmp_path: Path) -> None:
    done = recorded_on("size=1m", run, tmp_path / "records")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()[-1].split()) == 3, "left: the document and its answers"


@pytest.mark.whole
@mounting
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size=4k", "No space left on device"),
        ("size=8k", "No space left on device"),
        ("ro", "Read-only file system"),
    ],
)
def test_a_file_system_that_is_full_or_read_only_is_one_sentence_and_leaves_nothing(
    run: Path, tmp_path: Path, options: str, said: str
) -> None:
    done = recorded_on(options, run, tmp_path / "records")
    assert done.returncode == 1
    assert done.stderr.startswith(f"resolution-eval: {said}") and "name a" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout.splitlines()[-1] == "left:"


@pytest.mark.whole
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_folder_that_may_not_be_written_is_one_sentence(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o555)
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.getuid() == 0 else []
    record = [sys.executable, "-m", "resolution_eval", "record", str(run), "--output", str(folder)]
    done = subprocess.run([*powerless, *record], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("resolution-eval: Permission denied") and "name a" in done.stderr
    assert list(folder.iterdir()) == []
