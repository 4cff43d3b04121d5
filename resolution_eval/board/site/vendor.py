"""Vendored libraries: scripts of others that the pages load; `tools/vendor.py` fetches them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from resolution_eval.ground import paths
from resolution_eval.ground.errors import DataError
from resolution_eval.ground.notation import json_value

LIST = "libraries.json"


def folder() -> Path:
    """Where the libraries lie."""
    return paths.leaderboard() / "site" / "vendor"


def libraries() -> list[dict[str, Any]]:
    """Name, version, licence, source and files (name to path in package and SHA-256) of each."""
    entries: list[dict[str, Any]] = json_value((folder() / LIST).read_bytes())
    return entries


def verify() -> None:
    """Check every vendored file against its SHA-256.

    Raises:
        DataError: a file is missing or is another one.
    """
    for library in libraries():
        for name, file in library["files"].items():
            path = folder() / name
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
            if digest != file["sha256"]:
                raise DataError(
                    f"{path}: SHA-256 {digest}, expected {file['sha256']}; "
                    "run python tools/vendor.py in a clone"
                )
