"""Caches: what lies in one is read before it is believed, and refused where it is another thing."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import pytest
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import checksum, open_source
from resolution_eval.data.sources.checksum import verify_md5
from resolution_eval.data.sources.containers import open_container
from resolution_eval.data.sources.roots import CACHE_VARIABLE, DATA_VARIABLE
from resolution_eval.ground.errors import DataError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    return folder


def test_an_invented_file_of_the_right_size_in_the_cache_is_refused(cache: Path) -> None:
    card = task_cards()["breastmnist"]
    assert card.npz is not None and card.npz.md5
    file = cache / card.npz.file_name
    with file.open("wb") as made:
        made.truncate(card.npz.bytes or 1000)
    with pytest.raises(DataError, match="wrong checksum: MD5 is"):
        open_source(card)


def test_no_note_on_disk_vouches_for_a_file(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"the published one")
    known = md5(b"the published one").hexdigest()
    verify_md5(file, known)
    state = file.stat()
    file.write_bytes(b"an invented  one.")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size and not list(cache.rglob("*"))
    with pytest.raises(DataError, match="wrong checksum"):
        verify_md5(file, known)


def test_a_file_is_read_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    read = []
    original = checksum.md5_of
    monkeypatch.setattr(checksum, "md5_of", lambda path: read.append(path) or original(path))
    for _ in range(3):
        verify_md5(file, md5(b"one").hexdigest())
    assert read == [file]


def packed(file: Path, text: bytes) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a/one.png")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    file.write_bytes(gzip.compress(buffer.getvalue()))
    return file


@pytest.mark.parametrize("damage", ["replaced", "cut", "emptied", "one byte"])
def test_an_unpacked_archive_in_the_cache_is_that_of_its_file(
    cache: Path, tmp_path: Path, damage: str
) -> None:
    file = packed(tmp_path / "a.tar.gz", b"the picture")
    assert open_container(file).read("a/one.png") == b"the picture"
    (kept,) = cache.rglob("*.tar")
    whole = kept.read_bytes()
    other = {
        "replaced": gzip.decompress(packed(tmp_path / "b.tar.gz", b"an invention").read_bytes()),
        "cut": whole[:600],
        "emptied": b"",
        "one byte": whole.replace(b"the picture", b"thy picture"),
    }
    kept.write_bytes(other[damage])
    assert open_container(file).read("a/one.png") == b"the picture"
    assert kept.read_bytes() == whole


def test_an_archive_of_several_parts_is_unpacked_each_time(cache: Path, tmp_path: Path) -> None:
    one = packed(tmp_path / "a.tar.gz", b"the picture").read_bytes()
    plain = gzip.decompress(one)
    file = tmp_path / "two.tar.gz"
    file.write_bytes(gzip.compress(plain[:700]) + gzip.compress(plain[700:]))
    for _ in range(2):
        assert open_container(file).read("a/one.png") == b"the picture"


@pytest.mark.whole
def test_a_cache_of_requests_is_refused_for_our_tasks(tmp_path: Path) -> None:
    command = ["run", "--tasks", "phantom_res", "--limit", "2", "--model", "resflamingo"]
    command += ["--model_args", "pretrained=embedded/low", "--cache_requests", "true"]
    done = subprocess.run(
        [sys.executable, "-m", "resolution_eval", *command, "--output_path", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--cache_requests knows a task by its name and not by its data" in done.stderr
    assert not list(tmp_path.rglob("*_results.json"))


KEYS = """
import hashlib, json, os, sys
from lmms_eval.caching.response_cache import _FUNC_ADDR_RE
from lmms_eval.tasks import TaskManager, get_task_dict
for folder in sys.argv[2:]:
    os.environ[sys.argv[1]] = folder
    task = get_task_dict(["breastmnist_res"], TaskManager("ERROR"))["breastmnist_res"]
    told = json.dumps(task.dump_config(), sort_keys=True, default=str)
    print("KEY", hashlib.sha256(_FUNC_ADDR_RE.sub(">", told).encode()).hexdigest())
"""
"""What lmms-eval's cache of responses makes of a task on each folder of data, as
`ResponseCache.create` does.
"""


@pytest.mark.whole
def test_a_cache_of_responses_tells_two_folders_apart_that_differ_in_their_images_alone(
    tmp_path: Path,
) -> None:
    """Also for a model that is none of ours, whose replies carry nothing."""

    def data(shade: int) -> str:
        folder = tmp_path / f"data-{shade}" / "breastmnist"
        (folder / "images").mkdir(parents=True)
        rows = ["file,label,split"]
        for number in range(4):
            Image.new("L", (28, 28), shade + number).save(folder / "images" / f"{number}.png")
            label = ("malignant", "normal or benign")[number % 2]
            rows.append(f"images/{number}.png,{label},test")
        (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
        return str(folder.parent)

    def keys(*folders: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", KEYS, DATA_VARIABLE, *folders],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return [line for line in done.stdout.splitlines() if line.startswith("KEY")]

    one, other = data(10), data(90)
    first, second = keys(one, other)
    assert first != second
    assert keys(one) == [first]


def as_user(number: int, mask: int, work: Callable[[], object]) -> str:
    """What `work` says in a process of another user; its error's words where it raises one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(number)
            os.setuid(number)
            os.umask(mask)
            said = str(work())
        except Exception as error:  # noqa: BLE001 (told to the parent)
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs two users")
def test_two_users_share_a_cache_though_one_alone_may_write(monkeypatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        cache = home / "cache"
        cache.mkdir()
        os.chown(cache, 1001, 1001)
        monkeypatch.setenv(CACHE_VARIABLE, str(cache))
        file = packed(home / "a.tar.gz", b"the picture")
        file.chmod(0o644)
        other = packed(home / "b.tar.gz", b"another one")
        other.chmod(0o644)
        read = lambda path: open_container(path).read("a/one.png")  # noqa: E731
        assert as_user(1001, 0o022, lambda: read(file)) == str(b"the picture")
        assert as_user(1002, 0o022, lambda: read(file)) == str(b"the picture")
        refused = as_user(1002, 0o022, lambda: read(other))
        assert refused.startswith("DataError") and "name another folder in" in refused
