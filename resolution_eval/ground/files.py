"""Files that appear whole or not at all; of a folder, only what was written here is deleted.

replace          a file's content, in one step
replace_folder   a folder that an earlier run wrote, by a new one, in one step
manifest         what a folder holds, by digest
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.notation import NotationError, json_value

MANIFEST = "manifest.json"
"""File in a folder that we wrote: every other file in it, and its digest."""


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


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything but what its manifest says was written.

    Raises:
        UsageError: it does, or is no folder; the first foreign things are named.
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


def replace_folder(fresh: Path, output: Path) -> None:
    """Put the folder `fresh`, on the same disk, in the place of `output`, which an earlier run
    wrote; nothing else is deleted.

    Raises:
        UsageError: `output` holds anything else.
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
