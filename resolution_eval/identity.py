"""Identity: which bytes a checkpoint is made of, whatever it is called."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from resolution_eval.ground.files import file_digest

PARTS = (".safetensors", ".bin", ".pt", ".json", ".model", ".txt", ".jinja", ".py")
"""How the files of a checkpoint end that decide its answers; code of its own among them."""


def revision(checkpoint: str, model: Any) -> str | None:
    """Which bytes `checkpoint` was when `model` was loaded from it: a digest of its folder, or the
    commit of the hub's repository, in 40 digits; None where neither is known.
    """
    commit = getattr(getattr(model, "config", None), "_commit_hash", None)
    return revision_of(Path(checkpoint)) or commit


def revision_of(folder: Path) -> str | None:
    """`sha256:` and a digest over the names and bytes of a checkpoint's files; None where `folder`
    is none.

    Every file is read once, at about a gigabyte a second.
    """
    files = _files(folder)
    if not files:
        return None
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def weights_revision(file: Path) -> str:
    """`sha256:` and the digest of one file of weights: what names a Flamingo's folder.

    Its configuration, in which the training is declared, is left out: records of version 0.1.0 and
    the leaderboard know these checkpoints by their weights.
    """
    return f"sha256:{file_digest(file)}"


def stamp_of(folder: Path) -> str | None:
    """Eight hexadecimal digits that change when a file of the checkpoint is written: names, sizes
    in bytes and times of change; None where `folder` is no checkpoint.
    """
    files = _files(folder)
    if not files:
        return None
    told = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:8]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*") if path.is_file() and path.suffix in PARTS)
