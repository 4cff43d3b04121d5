"""How installing the package registers its tasks and models with lmms-eval.

Two doors lead here, and neither imports torch or lmms-eval before the host itself does:

- the entry point `lmms_eval.models` calls `manifests`, which names the model adapters;
- `resolution_eval.pth`, read by Python at start-up, sets up the look-out of `startup`, which calls
  `host_finder`. lmms-eval has no entry point for tasks, and `lmms-eval tasks list` loads no entry
  point at all, so its task manager is taught our folder at the moment it is imported, whoever
  imports it.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from resolution_eval.ground.registry import ADAPTERS, ASKED, FOLDERS, HOST_TASKS, is_host


def manifests() -> list[Any]:
    """The model manifests for lmms-eval's registry; none, with a warning, where something is wrong.

    lmms-eval abandons every plugin's models when one entry point raises, so this one never does.
    """
    try:
        watch_for_host()
        return _manifests()
    except Exception as error:  # noqa: BLE001  (must not break the other plugins; the warning names us)
        _warn(error)
        return []


def _manifests() -> list[Any]:
    host = sys.modules["lmms_eval.models"]
    from lmms_eval.models.registry_v2 import ModelManifest, ModelRegistryV2

    _say_which_model_was_meant(ModelRegistryV2)
    # `lmms-eval models` prints this dictionary alone, not the registry.
    host.AVAILABLE_SIMPLE_MODELS.update(ADAPTERS)
    return [ModelManifest(model_id=name, simple_class_path=path) for name, path in ADAPTERS.items()]


def _say_which_model_was_meant(registry: Any) -> None:
    """Where lmms-eval would refuse a name with a list of hundreds, name ours that is nearly it."""
    original = registry.resolve
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    def resolve(self: Any, model_name: str, *args: Any, **options: Any) -> Any:
        try:
            return original(self, model_name, *args, **options)
        except ValueError:
            from resolution_eval.ground.errors import host_boundary, refuse_misspelled

            with host_boundary():
                refuse_misspelled("model", model_name, ADAPTERS)
            raise

    registry.resolve = resolve


def watch_for_host() -> None:
    """Teach lmms-eval's task manager our task folder, now if it is loaded, otherwise once it is."""
    module = sys.modules.get(HOST_TASKS)
    if module is not None and hasattr(module, "TaskManager"):
        _add_tasks(module)
    else:
        host_finder()


def host_finder() -> MetaPathFinder:
    """The finder that has the host's tasks adjusted, set before all others if it is not yet."""
    for finder in sys.meta_path:
        if isinstance(finder, _HostFinder):
            return finder
    sys.meta_path.insert(0, made := _HostFinder())
    atexit.register(_end_with_status)
    return made


def _end_with_status() -> None:
    """Ends the process of the command `lmms-eval` with status 1 where its run has nothing to show.

    lmms-eval ends with 0 after any exception, and after a run in which every sample failed; a job
    that waits for it would go on. Registered early, this runs late.
    """
    ledger = sys.modules.get("resolution_eval.evidence.run_ledger")
    lost = None if ledger is None else ledger.LEDGER.lost
    if lost is None or not is_host(sys.argv[0]):
        return
    print(f"resolution-eval: {lost}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(1)


class _HostFinder(MetaPathFinder):
    """Finds `lmms_eval.tasks` as the other finders do, and has it adjusted once it is executed."""

    looks_out = True
    """Whether it is one of ours, which do not ask each other."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != HOST_TASKS:
            return None
        others = (each for each in sys.meta_path if not hasattr(each, "looks_out"))
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((candidate for candidate in specs if candidate is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _AdjustingLoader(spec.loader)
        return spec


class _AdjustingLoader(Loader):
    """Runs another loader, then adds our tasks to the module it made."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        try:
            _add_tasks(module)
        except Exception as error:  # noqa: BLE001  (the host must load without us; the warning names us)
            _warn(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _add_tasks(module: ModuleType) -> None:
    """Make every `TaskManager` of `module` index our task folder after the host's own."""
    from resolution_eval.ground.errors import printable

    manager = module.TaskManager
    if getattr(manager, "knows_resolution_eval", False):
        return
    printable()
    _add_parts()
    original = manager.initialize_tasks

    def initialize_tasks(
        self: Any, include_path: str | list[str] | None = None, include_defaults: bool = True
    ) -> Any:
        from resolution_eval.ground import paths

        given = [include_path] if isinstance(include_path, str) else list(include_path or [])
        ours = [*FOLDERS, str(paths.tasks())] if include_defaults else []
        return original(self, include_path=[*given, *ours], include_defaults=include_defaults)

    matching = manager.match_tasks

    def match_tasks(self: Any, task_list: list[str]) -> Any:
        from resolution_eval.ground.errors import host_boundary, refuse_misspelled
        from resolution_eval.host.taskfiles import SUFFIX
        from resolution_eval.installation import refuse_unwritable_cache

        ours = [name for name in self.all_tasks if name.endswith(SUFFIX)]
        for task in set(task_list) - set(self.all_tasks):
            with host_boundary():
                refuse_misspelled("task", task, ours)
        names = matching(self, task_list)
        ASKED[:] = names
        if set(names) & set(ours):
            with host_boundary():
                refuse_unwritable_cache()
        return names

    _refuse_cached_requests()
    _tell_data_apart()
    manager.initialize_tasks = initialize_tasks
    manager.match_tasks = match_tasks
    manager.knows_resolution_eval = True


def _refuse_cached_requests() -> None:
    """Have lmms-eval refuse `--cache_requests` for our tasks: its cache knows a task by name alone,
    and would ask the questions of one folder and score them against the answers of another. What a
    run of ours saves is read back.
    """
    from lmms_eval.api.task import ConfigurableTask

    original = ConfigurableTask.build_all_requests

    @wraps(original)
    def build_all_requests(self: Any, **options: Any) -> Any:
        from resolution_eval.ground.errors import UsageError, host_boundary
        from resolution_eval.host.saving import watch_saving

        ours = "card" in (self.config.metadata or {})
        if ours:
            watch_saving()
        if ours and options.get("cache_requests"):
            with host_boundary():
                raise UsageError(
                    "--cache_requests knows a task by its name and not by its data; run without it "
                    "(--use_cache keeps answers, and tells data apart)"
                )
        return original(self, **options)

    ConfigurableTask.build_all_requests = build_all_requests


def _tell_data_apart() -> None:
    """Have a task's configuration tell which images and answers it is of: lmms-eval's cache of
    responses knows a task by its configuration, and would take one folder's answers for another's.
    """
    from lmms_eval.api.task import ConfigurableTask

    original = ConfigurableTask.dump_config

    @wraps(original)
    def dump_config(self: Any) -> dict[str, Any]:
        configuration: dict[str, Any] = original(self)
        metadata = configuration.get("metadata") or {}
        if "card" in metadata:
            configuration["metadata"] = {
                **metadata,
                "fingerprint": self.task_docs[0]["fingerprint"],
            }
        return configuration

    ConfigurableTask.dump_config = dump_config


def _add_parts() -> None:
    """Name our sampler to lmms-eval, since our tasks ask for it, and have its table, which it sorts
    as text, in order, with what it says in words below.
    """
    from lmms_eval import utils
    from lmms_eval.api import samplers

    from resolution_eval.closing import add_closing
    from resolution_eval.ground.colour import plain_logs
    from resolution_eval.host.fewshot import SAMPLER, Demonstrations

    samplers.SAMPLER_REGISTRY[SAMPLER] = Demonstrations
    add_closing(utils)
    plain_logs()


def _warn(error: Exception) -> None:
    import warnings

    warnings.warn(
        f"resolution-eval could not register with lmms-eval: {error!r}. Its tasks and models are "
        "missing from this run; other plugins are not affected. Check the versions with "
        "`resolution-eval --version`.",
        stacklevel=2,
    )
