"""Fetch the libraries of others that the leaderboard's pages load.

    python tools/vendor.py

fetches each package in `leaderboard/site/vendor/libraries.json` from the npm registry, verifies its
SHA-512, and writes the files named there anew with their SHA-256. To take another version, change
`version`, `tarball` and `integrity` (`npm view NAME dist`) and run it again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from io import BytesIO
from typing import Any

from resolution_eval.board.site import vendor
from resolution_eval.ground.errors import DataError

LONGEST_WAIT = 60
"""Seconds without an answer of the registry."""
MAX_PACKAGE = 32 * 2**20
"""Largest package, in bytes."""


def refresh() -> None:
    """Fetch every package and write its files and their SHA-256.

    Raises:
        DataError: the registry does not give the package whose integrity is listed.
    """
    found = vendor.libraries()
    for library in found:
        package = _fetch(library)
        for name, file in library["files"].items():
            data = _member(package, file["path"])
            (vendor.folder() / name).write_bytes(data)
            file["sha256"] = hashlib.sha256(data).hexdigest()
    text = json.dumps(found, indent=2) + "\n"
    (vendor.folder() / vendor.LIST).write_text(text, encoding="utf-8")


def _fetch(library: dict[str, Any]) -> bytes:
    import requests

    try:
        answer = requests.get(library["tarball"], timeout=LONGEST_WAIT, stream=True)
        answer.raise_for_status()
        package = answer.raw.read(MAX_PACKAGE + 1, decode_content=False)
    except requests.RequestException as error:
        raise DataError(f"{library['tarball']}: {error}") from error
    digest = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if f"sha512-{digest}" != library["integrity"]:
        raise DataError(
            f"{library['tarball']}: its integrity is sha512-{digest}, "
            f"listed is {library['integrity']}"
        )
    return bytes(package)


def _member(package: bytes, path: str) -> bytes:
    with tarfile.open(fileobj=BytesIO(package), mode="r:gz") as archive:
        file = archive.extractfile(f"package/{path}")
        if file is None:
            raise DataError(f"package/{path}: not a file of the package")
        return file.read()


if __name__ == "__main__":
    refresh()
    vendor.verify()
