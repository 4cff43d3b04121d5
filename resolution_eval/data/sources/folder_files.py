"""Folder files: the files of a folder by the names that a table gives them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from resolution_eval.data.sources.normal_form import nearest
from resolution_eval.ground.errors import DataError

_MOST_LISTED = 200_000
_LONGEST = 255
"""Bytes of the longest name that a file system in use here keeps."""
_LONGEST_PATH = 4000


def plain_path(file: str) -> str:
    """A path as a table writes it, with single slashes and no `./`; a backslash parts folders.

    Example:
        >>> plain_path("images\\\\1.png"), plain_path("./images//1.png")
        ('images/1.png', 'images/1.png')
    """
    windows = PureWindowsPath(file)
    if windows.drive or windows.root or not file:
        return file
    return PurePosixPath(file.replace("\\", "/")).as_posix()


def escape(file: str, folder: Path, root: Path | None = None) -> str | None:
    """How the relative path `file` leads out of `folder`; None where it does not.

    A link may lead into `root`, the store that the user names.
    """
    posix, windows = PurePosixPath(file), PureWindowsPath(file)
    if "\\" in file or "\0" in file or windows.drive or posix.is_absolute() or ".." in posix.parts:
        return f"{file!r} is not a plain path inside the folder"
    if (
        any(len(part.encode(errors="replace")) > _LONGEST for part in posix.parts)
        or len(file) > _LONGEST_PATH
    ):
        return f"{file[:40]!r}... is longer than the name of any file"
    try:
        target = (folder / file).resolve()
    except (OSError, RuntimeError):  # a loop of links
        target = None
    inside = (folder, root.resolve()) if root is not None else (folder,)
    if target is not None and any(target.is_relative_to(place) for place in inside):
        return None
    return (
        f"{file!r} leads out of the folder by a link; copy the file into it, or name the folder "
        "that such links may lead into (--root)"
    )


def on_disk(file: str, folder: Path) -> str:
    """The path under which the file is there: as written, else as composed or decomposed Unicode
    (some file systems change the form of accents).
    """
    forms = [file, *(unicodedata.normalize(form, file) for form in ("NFC", "NFD"))]
    return next((form for form in forms if is_file(folder / form)), file)


def is_file(path: Path) -> bool:
    """Whether there is such a file; none has a name that the system refuses, too long say."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def not_found(file: str, folder: Path) -> str:
    """That the file is not there, and the nearest name that is."""
    names = _names(folder)
    same_end = [name for name in names if PurePosixPath(name).name == PurePosixPath(file).name]
    guess = same_end[0] if len(same_end) == 1 else nearest(file, names)
    advice = f"; did you mean {guess!r}?" if guess else ""
    return f"{file!r} is not found in {folder}{advice}"


@lru_cache(maxsize=4)
def _names(folder: Path) -> tuple[str, ...]:
    names: list[str] = []
    for place in folder.rglob("*"):
        if place.is_file():
            names.append(place.relative_to(folder).as_posix())
        if len(names) >= _MOST_LISTED:
            break
    return tuple(sorted(names))


def refuse_all_missing(files: list[str], folder: Path) -> None:
    """Raise where none of the `files` is there.

    Raises:
        DataError: none is.
    """
    missing = [file for file in files if not (folder / on_disk(file, folder)).is_file()]
    if files and len(missing) == len(files):
        raise DataError(
            f"none of the {len(files)} listed images is found: {not_found(missing[0], folder)}"
        )
