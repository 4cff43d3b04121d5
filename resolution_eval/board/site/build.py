"""Building: the whole site beside its place, then put there in one step.

No page holds a string of a record: scripts read those from the data and make them text nodes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from resolution_eval.board.add import pinned
from resolution_eval.board.board_schema import STATUSES
from resolution_eval.board.published_figures import in_short, printed
from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.site import vendor
from resolution_eval.board.site.documents import documents
from resolution_eval.board.site.public import SIZES, banner, defaults
from resolution_eval.ground import paths
from resolution_eval.ground.files import copy_folder, refuse_foreign, renewed_folder

MARKER = Path("data") / "board.json"
"""By this file a folder is known to be a site."""
NAMES = ("index.html", "model.html", "dataset.html", "compare.html", "method.html")

PLOT_STYLE = "'sha256-+TfQir1nvDucAdvE6XUQBt4ayUjpAWkbw2kCdSfekHM='"
"""The one style element that Observable Plot puts into a chart of class `plot`."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {PLOT_STYLE}",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Content security policy: files of this site only; no markup, script or style from a string."""
ASSETS = ("style.css", "icon.svg", "scripts", "vendor")


def build(folder: Path, output: Path) -> str:
    """Make the site of the leaderboard in `folder` at `output`; what was made, in words.

    Raises:
        RecordError: there is no folder of records in it, or a published file breaks its schema.
        UsageError: `output` holds anything that an earlier build did not write.
    """
    refuse_foreign(output)
    board = load_board(folder)
    write_site(board, output)
    left_out = [f"  not shown: {each.folder}: {each.reason}" for each in board.refused]
    counts = f"{_many(len(board.rows), 'row')}, {_many(len(board.published), 'published row')}"
    return "\n".join(
        [
            f"{output}: {counts}; to look at it: resolution-eval leaderboard serve {output}",
            *left_out,
        ]
    )


def write_site(board: Board, output: Path, *, generated: str | None = None) -> None:
    """Write the site of `board`; `generated` says on every page that nothing was measured.

    Raises:
        UsageError: `output` holds something other than an earlier site.
    """
    vendor.verify()
    with renewed_folder(output) as fresh:
        _fill(fresh, board, generated)


def _fill(folder: Path, board: Board, generated: str | None) -> None:
    content = paths.leaderboard() / "site"
    for name in ASSETS:
        source = content / name
        if source.is_dir():
            copy_folder(source, folder / name)
        else:
            folder.mkdir(exist_ok=True)
            shutil.copyfile(source, folder / name)
    count = _many(len(board.rows), "row")
    for name, page in pages(count, generated, banner(board)).items():
        (folder / name).write_text(page, encoding="utf-8")
    for name, document in documents(board, generated):
        path = folder / "data" / name
        if ".." in path.parts or not path.is_relative_to(folder):
            raise ValueError(f"{name}: a key that leaves the site's folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_json(document), encoding="utf-8")


def pages(count: str, generated: str | None, warning: str = "") -> dict[str, str]:
    """Every page by its name; `count` says what the board holds, `warning` what to know first."""
    environment = Environment(
        loader=FileSystemLoader(paths.leaderboard() / "site" / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = {
        "policy": POLICY,
        "version": version("resolution-eval"),
        "generated": generated,
        "count": f"the records of {count}",
        "statuses": STATUSES,
        "libraries": vendor.libraries(),
        "banner": warning,
        "pinned": pinned(paths.leaderboard()),
        "sizes": SIZES,
        "defaults": defaults(),
        "printed": tuple(printed()),
        "summary": in_short(printed()),
    }
    return {name: environment.get_template(name).render(values) for name in NAMES}


def _json(document: Any) -> str:
    """Compact, with every string made readable, and no number that is not finite."""
    return json.dumps(
        _readable(document), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, Mapping):
        return {readable(name): _readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value


def readable(text: str) -> str:
    """`text` with a mark in place of each character that is not seen or turns the others around.

    Example:
        >>> readable("a\\u202eb\\nc")
        'a�b c'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text
    )


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
