"""Where the content folders (tasks, models, leaderboard) lie, in a checkout and once installed."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def _content(name: str) -> Path:
    """The content folder `name`: inside the installed package, or beside it in a checkout."""
    installed = PACKAGE / "share" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def tasks() -> Path:
    """Folder of the task cards and their lmms-eval YAML, one folder per data set."""
    return _content("tasks")


def models() -> Path:
    """Folder of the model cards; `embedded/` in it holds the demo's weights."""
    return _content("models")


def leaderboard() -> Path:
    """Folder of the published records and of the site's template and style."""
    return _content("leaderboard")
