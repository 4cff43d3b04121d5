"""Files that appear whole or not at all; of a folder, only what was written here is deleted.

replace          a file's content, in one step
whole_folder     a new folder, that appears once all of it is written
renewed_folder   the same, in the place of what an earlier run wrote there
replace_folder   a folder that an earlier run wrote, by a new one, in one step
refuse_stranger  a file that somebody else wrote is not written over
manifest         what a folder holds, by digest
disk_errors      what a library says of a full disk, as the system says it
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.notation import NotationError, json_value

MANIFEST = "manifest.json"
"""File in a folder that we wrote: every other file in it, and its digest."""
GENERATED = '<meta name="generator" content="resolution-eval '
"""What a page of ours begins with in its head."""
SCARCE = 2**20
"""Free bytes below which a disk is full: a run writes more."""


def replace(path: Path, data: bytes) -> None:
    """Write `data` to a new file beside `path` and put it in its place in one step.

    The file has the permissions that the process's mask leaves, or fewer, where it had fewer.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    mode = path.stat().st_mode & 0o777 if path.is_file() else 0o666
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _keep(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _keep(folder: Path) -> None:
    """Have the disk keep which files are in the folder; some file systems cannot be asked to."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """A new folder beside `output`, which is empty or not there; it takes that place once all is
    written, and nothing is left of it where something was not.
    """
    aside = output.with_name(f".{output.name[:100]}.{secrets.token_hex(4)}")
    aside.mkdir(parents=True)
    try:
        with disk_errors(aside):
            yield aside
        if output.is_dir():
            output.rmdir()
        aside.rename(output)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what a library raises where `folder`'s disk is full into the system's own error:
    safetensors and torch, say, have errors of their own.

    Raises:
        OSError: the disk is full.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        full = os.strerror(errno.ENOSPC)
        if full in str(error) or is_full(folder):
            raise OSError(errno.ENOSPC, full, str(folder)) from error
        raise


def is_full(folder: Path) -> bool:
    """Whether the disk of `folder`, which need not be there yet, has no room for a run's files."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free < SCARCE


def file_digest(path: Path) -> str:
    """SHA-256 of the file `path`, in hexadecimal; read once, never whole in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_folder(source: Path, target: Path) -> None:
    """Copy every file below `source`; the first that cannot be is the error, with its reason."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, place)


def manifest(folder: Path) -> dict[str, str]:
    """Digest of every file below `folder`, by its name there; the manifest itself left out."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def write_manifest(folder: Path) -> None:
    """Write down what `folder` holds, so that a later run knows what it may delete."""
    text = json.dumps({"files": manifest(folder)}, indent=0, sort_keys=True)
    replace(folder / MANIFEST, text.encode() + b"\n")


def refuse_stranger(path: Path, mark: str = GENERATED) -> None:
    """Raise UsageError where the file `path` is there and none of this program's, which hold
    `mark`, so that it would be written over.
    """
    if not path.exists():
        return
    ours = path.is_file() and mark.encode() in path.read_bytes()
    if not ours:
        raise UsageError(
            f"{path} was not written by this command, and would be lost; nothing is written: name "
            "another folder, or move it"
        )


def refuse_foreign(folder: Path) -> None:
    """Raise UsageError of a folder that holds anything but what its manifest says was written, or
    that is none; the first foreign things are named.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder}: not a folder; name a folder to write to")
    if not folder.exists() or not any(folder.iterdir()):
        return
    foreign = _foreign(folder, _written(folder))
    if foreign:
        named = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise UsageError(
            f"{folder}: holds files that this command did not write ({named}); nothing is deleted: "
            "name a new folder, or move them"
        )


def _written(folder: Path) -> Mapping[str, str]:
    """The manifest of a folder; none where there is none, or it cannot be read."""
    try:
        digests = json_value((folder / MANIFEST).read_bytes())["files"]
        return {str(name): str(digest) for name, digest in digests.items()}
    except (OSError, NotationError, LookupError, TypeError, AttributeError):
        return {}


def _foreign(folder: Path, written: Mapping[str, str]) -> list[str]:
    """What is in `folder` and was not written as it is now, by name."""
    parents = {parent.as_posix() for name in written for parent in Path(name).parents}
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            names.append(name)
        elif path.is_dir():
            names += [] if name in parents else [f"{name}/"]
        elif name != MANIFEST or not written:
            ours = name in written and file_digest(path) == written[name]
            names += [] if ours else [name]
    return names


@contextmanager
def renewed_folder(output: Path) -> Iterator[Path]:
    """A new folder beside `output`; once all is written it takes that place, of what an earlier run
    wrote there: UsageError where `output` holds anything else.
    """
    refuse_foreign(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as place:
        fresh = Path(place, "fresh")
        fresh.mkdir()
        yield fresh
        replace_folder(fresh, output)


def replace_folder(fresh: Path, output: Path) -> None:
    """Put the folder `fresh`, on the same disk, in the place of `output`, which an earlier run
    wrote; UsageError where it holds anything else, and nothing is deleted.
    """
    refuse_foreign(output)
    write_manifest(fresh)
    if not output.exists():
        fresh.rename(output)
        return
    stale = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    output.rename(stale)
    fresh.rename(output)
    shutil.rmtree(stale)
