"""Roots: the two folders that environment variables name, read here and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from resolution_eval.ground.errors import DataError

DATA_VARIABLE = "RESOLUTION_EVAL_DATA"
CACHE_VARIABLE = "RESOLUTION_EVAL_CACHE"


def data_root() -> Path | None:
    """Folder that RESOLUTION_EVAL_DATA names; none where it is unset or empty.

    Raises:
        DataError: it names something that is not a folder.
    """
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{DATA_VARIABLE} names {named!r}, which is not a folder; "
            "correct it, or unset it to use downloads"
        )
    return folder.resolve()


def cache_root() -> Path:
    """Folder for downloads: RESOLUTION_EVAL_CACHE, else `resolution-eval` in the platform's own."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    return platformdirs.user_cache_path("resolution-eval", appauthor=False, opinion=False)
