"""What this package and lmms-eval know each other by: names of adapters, tasks and folders."""

from __future__ import annotations

from pathlib import PurePath

HOST_TASKS = "lmms_eval.tasks"
"""The host's module of tasks; `startup`, which imports nothing, has the name a second time."""
FOLDERS: list[str] = []
"""Task folders of this process alone, whose tasks take the place of the shipped ones of the same
name.
"""
ASKED: list[str] = []
"""Names of the tasks that lmms-eval was last told to run in this process."""
ADAPTERS = {
    "resflamingo": "resolution_eval.adapters.resflamingo.ResFlamingo",
    "reshf": "resolution_eval.adapters.reshf.ResHF",
    "reswrap": "resolution_eval.adapters.reswrap.ResWrap",
}
"""Names under which `lmms-eval --model` knows our adapters, and their classes."""


def is_host(program: str) -> bool:
    """Whether a program's path is that of lmms-eval's command line.

    Example:
        >>> is_host("/usr/bin/lmms-eval"), is_host("/usr/bin/pytest")
        (True, False)
    """
    path = PurePath(program)
    module = path.parts[-2:] == ("lmms_eval", "__main__.py")
    return module or path.stem in ("lmms-eval", "lmms_eval")
