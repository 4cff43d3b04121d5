"""What this package and lmms-eval know each other by: names of adapters, tasks and folders."""

from __future__ import annotations

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
