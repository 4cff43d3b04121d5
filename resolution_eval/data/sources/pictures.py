"""Pictures: the images that a line of a table names, one or several, and who shares them.

`file` holds one name, or several parted by "|"; further columns `file_2`, `file_3`, ... hold more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from resolution_eval.data.sources.folder_files import is_file
from resolution_eval.data.sources.normal_form import normal

SEPARATOR = "|"
_FURTHER = re.compile(r"file[ _-]?(\d+)")


def pictures(cells: Mapping[str, str], folder: Path | None = None) -> tuple[str, ...]:
    """Names of the images of a line, in order, as they are written; one may be empty.

    A name that is a file in `folder` as a whole is not parted.

    Example:
        >>> pictures({"file": "a.png|b.png", "file_3": "d.png", "file 2": "c.png", "label": "x"})
        ('a.png', 'b.png', 'c.png', 'd.png')
    """
    columns = ((_FURTHER.fullmatch(normal(name)), cell.strip()) for name, cell in cells.items())
    further = sorted((int(match[1]), cell) for match, cell in columns if match and cell)
    written = [cells.get("file", "").strip(), *(cell for _, cell in further)]
    return tuple(name for cell in written for name in _parted(cell, folder))


def _parted(cell: str, folder: Path | None) -> list[str]:
    if SEPARATOR not in cell or (folder is not None and is_file(folder / cell)):
        return [cell]
    return [name.strip() for name in cell.split(SEPARATOR)]


def components(groups: Iterable[Sequence[str]]) -> dict[str, str]:
    """Every member of `groups` to the least member of all groups that hang together with its own.

    Example:
        >>> components([("b", "c"), ("a", "b"), ("d",)])
        {'b': 'a', 'c': 'a', 'a': 'a', 'd': 'd'}
    """
    parents: dict[str, str] = {}

    def root(member: str) -> str:
        parents.setdefault(member, member)
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    for first, *others in groups:
        least = root(first)
        for other in others:
            least, greater = sorted((least, root(other)))
            parents[greater] = least
    return {member: root(member) for member in parents}
