"""Files: whole or not at all, by the process's mask; and nothing deleted that was not written."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resolution_eval.ground import files
from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.files import (
    MANIFEST,
    disk_errors,
    refuse_foreign,
    replace,
    replace_folder,
    whole_folder,
)


@pytest.fixture(params=[0o077, 0o022, 0o027], ids=oct)
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_file_obeys_the_mask(tmp_path: Path, mask: int) -> None:
    replace(tmp_path / "a", b"medical text")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_file_that_was_closed_to_others_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o600)
    replace(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_bytes() == b"new"


FULL = """
import resource, signal, sys
from pathlib import Path
from resolution_eval.ground.files import replace
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    replace(Path(sys.argv[1]), b"x" * 1000)
except OSError as error:
    print(error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(sorted(path.name for path in Path(sys.argv[1]).parent.iterdir()))
replace(Path(sys.argv[1]), b"whole")
"""


def test_a_write_that_fails_leaves_what_was_there_and_a_second_succeeds(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "a"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["File too large", "['a']"]
    assert path.read_bytes() == b"whole"


def written(folder: Path, **files: str) -> Path:
    """A folder that `replace_folder` wrote."""
    fresh = folder.with_name(f"fresh-{len(list(folder.parent.iterdir()))}")
    for name, text in files.items():
        place = fresh / name.replace("_", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    replace_folder(fresh, folder)
    return folder


def test_a_folder_that_was_written_is_replaced_whole(tmp_path: Path) -> None:
    folder = written(tmp_path / "site", a="1", data_b="2")
    written(folder, c="3")
    assert sorted(path.name for path in folder.rglob("*")) == ["c", MANIFEST]
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def lie(folder: Path) -> None:
    """A manifest that claims what is not its own, by another content."""
    (folder / "thesis.pdf").write_text("years", encoding="utf-8")
    told = {"files": {"thesis.pdf": "0" * 64, "../beside": "0" * 64}}
    (folder / MANIFEST).write_text(json.dumps(told), encoding="utf-8")


FOREIGN: dict[str, Callable[[Path], object]] = {
    ".git": lambda f: [(f / ".git").mkdir(), (f / ".git" / "HEAD").write_text("ref")],
    "thesis.pdf": lambda f: (f / "thesis.pdf").write_text("years"),
    "data/notes.txt": lambda f: (f / "data" / "notes.txt").write_text("mine"),
    "data/b": lambda f: (f / "data" / "b").write_text("edited by hand"),
    "link": lambda f: (f / "link").symlink_to("/etc"),
    "empty/": lambda f: (f / "empty").mkdir(),
    "a, data": lambda f: (f / MANIFEST).unlink(),
    "a, data/, data/b": lambda f: (f / MANIFEST).write_text("{"),
    "a, data/, data/b, ...": lie,
}
"""What is planted, by what of it is named."""


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_with_anything_else_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "site", a="1", data_b="2")
    FOREIGN[name](folder)
    before = {p.relative_to(tmp_path): p.lstat().st_size for p in tmp_path.rglob("*")}
    with pytest.raises(UsageError, match="did not write") as said:
        written(folder, c="3")
    assert name in str(said.value)
    after = {p.relative_to(tmp_path): p.lstat().st_size for p in tmp_path.rglob("*")}
    assert before.items() <= after.items()


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="not a folder"):
            refuse_foreign(tmp_path / name)


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_a_folder_appears_once_it_is_whole(tmp_path: Path, there: bool) -> None:
    output = tmp_path / "out"
    if there:
        output.mkdir()
    with whole_folder(output) as aside:
        (aside / "a").write_text("1")
        assert list(output.glob("*")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (output / "a").read_text() == "1"


def test_a_folder_that_was_not_written_whole_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), whole_folder(tmp_path / "out") as aside:
        (aside / "a").write_text("1")
        raise RuntimeError("PytorchStreamWriter: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_only_a_full_disk_turns_a_library_s_error_into_the_system_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="a shape"), disk_errors(tmp_path):
        raise RuntimeError("a shape")
    monkeypatch.setattr(files, "is_full", lambda folder: True)
    with pytest.raises(OSError, match="No space left") as found, disk_errors(tmp_path / "new"):
        raise RuntimeError("file write failed")
    assert found.value.errno == errno.ENOSPC
