"""The folder of `--use_cache`, as lmms-eval itself has understood it.

It may stand on the command line, in a file given to `--config`, which may hold several runs, or in
a call from Python. Read from the response cache that a run is asked through, it is that of the run
under way, whichever way it was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any

_FOLDER: ContextVar[Path | None] = ContextVar("cache_folder", default=None)


def cache_folder() -> Path | None:
    """That of the run that asks now; None where it keeps no answers."""
    return _FOLDER.get()


@contextmanager
def keeping(folder: Path | None) -> Iterator[None]:
    """Answers are kept in `folder` meanwhile."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def watch_cache() -> None:
    """Have lmms-eval's response cache say which folder it keeps, while it asks a model."""
    from lmms_eval.caching.response_cache import ResponseCache

    original = ResponseCache.execute
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    def execute(self: Any, *positional: Any, **named: Any) -> Any:
        root = self._cache_root or Path(self.db_path).parent
        with keeping(Path(root)):
            return original(self, *positional, **named)

    ResponseCache.execute = execute
