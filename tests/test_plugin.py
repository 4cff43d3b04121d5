"""Registration with lmms-eval: names appear, nothing heavy is imported, nobody else is broken."""

from __future__ import annotations

import subprocess
import sys
import types
import warnings

import pytest

from resolution_eval import plugin
from resolution_eval.data.cards import task_cards

OUR_TASKS = {f"{name}_res" for name in task_cards()}

LISTINGS = """
import contextlib, io, sys
from lmms_eval.cli import dispatch

def listing(*arguments):
    sys.argv = ["lmms-eval", *arguments]
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        dispatch.main()
    return text.getvalue()

for arguments in (["tasks", "list"], ["--tasks", "list"], ["models"]):
    print("\\n=====", *arguments)
    print(listing(*arguments))
"""


@pytest.fixture(scope="session")
def listings() -> dict[str, set[str]]:
    """The words that each of lmms-eval's listings prints, in a process of its own."""
    printed = subprocess.run(
        [sys.executable, "-c", LISTINGS], capture_output=True, text=True, check=True, timeout=300
    ).stdout
    parts = [part.partition("\n") for part in printed.split("\n===== ")[1:]]
    return {head: set(body.split()) for head, _, body in parts}


@pytest.mark.whole
@pytest.mark.parametrize("listing", ["tasks list", "--tasks list"])
def test_our_tasks_are_listed(listings: dict[str, set[str]], listing: str) -> None:
    assert len(OUR_TASKS) >= 50 and listings[listing] >= OUR_TASKS


@pytest.mark.whole
def test_hosts_own_tasks_are_still_listed(listings: dict[str, set[str]]) -> None:
    assert {"mme", "mmmu_val"} <= listings["tasks list"]


@pytest.mark.whole
def test_our_models_are_listed_beside_the_hosts(listings: dict[str, set[str]]) -> None:
    assert {"resflamingo", "llava_hf"} <= listings["models"]


def test_start_up_and_entry_point_import_neither_torch_nor_the_host() -> None:
    code = (
        "import sys, resolution_eval.plugin as p; p.watch_for_host(); "
        "print([m for m in ('torch', 'lmms_eval', 'numpy', 'pydantic') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


def test_an_error_while_registering_is_a_warning_that_names_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> list[object]:
        raise RuntimeError("planted")

    monkeypatch.setattr(plugin, "_manifests", broken)
    with pytest.warns(UserWarning, match="resolution-eval could not register.*planted"):
        assert plugin.manifests() == []


class _Manager:
    """Stands in for the host's task manager."""

    all_tasks = ("mme", "phantom_res")

    def initialize_tasks(
        self, include_path: object = None, include_defaults: bool = True
    ) -> tuple[object, bool]:
        return include_path, include_defaults

    def match_tasks(self, task_list: list[str]) -> list[str]:
        return [task for task in task_list if task in self.all_tasks]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> type[_Manager]:
    """A loaded `lmms_eval.tasks` with a fresh manager class."""
    module = types.ModuleType(plugin.HOST_TASKS)
    manager = type("Manager", (_Manager,), {**vars(_Manager)})
    module.TaskManager = manager  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, plugin.HOST_TASKS, module)
    return manager


def test_the_users_own_folder_comes_before_ours(host: type[_Manager]) -> None:
    plugin.watch_for_host()
    plugin.watch_for_host()
    paths, defaults = host().initialize_tasks("mine")
    assert paths[0] == "mine"  # type: ignore[index]
    assert [str(path).endswith("tasks") for path in paths] == [False, True]  # type: ignore[attr-defined]
    assert defaults is True


def test_without_the_defaults_our_tasks_stay_out_too(host: type[_Manager]) -> None:
    plugin.watch_for_host()
    assert host().initialize_tasks(["mine"], include_defaults=False) == (["mine"], False)


def test_a_task_that_is_nearly_ours_ends_the_run_with_the_name_that_was_meant(
    host: type[_Manager],
) -> None:
    plugin.watch_for_host()
    with pytest.raises(SystemExit, match="no task 'phantom_rez'; did you mean 'phantom_res'"):
        host().match_tasks(["mme", "phantom_rez"])


def test_tasks_of_others_are_theirs_to_refuse(host: type[_Manager]) -> None:
    plugin.watch_for_host()
    assert host().match_tasks(["mme", "phantom_res", "mmee", "*"]) == ["mme", "phantom_res"]


class _Registry:
    """Stands in for the host's registry of models."""

    def resolve(self, model_name: str, force_simple: bool = False) -> str:
        if model_name not in ("reka", "reshf"):
            raise ValueError(f"Model '{model_name}' not found in a list of hundreds")
        return model_name


def test_a_model_that_is_nearly_ours_ends_the_run_with_the_name_that_was_meant() -> None:
    registry = type("Registry", (_Registry,), {})
    plugin._say_which_model_was_meant(registry)
    plugin._say_which_model_was_meant(registry)
    with pytest.raises(SystemExit, match="no model 'reshv'; did you mean 'reshf'"):
        registry().resolve("reshv")
    with pytest.raises(ValueError, match="hundreds"):
        registry().resolve("llama")
    assert registry().resolve("reka", force_simple=True) == "reka"


def test_a_half_built_host_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, plugin.HOST_TASKS, types.ModuleType(plugin.HOST_TASKS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plugin.watch_for_host()
    assert any(isinstance(finder, plugin._HostFinder) for finder in sys.meta_path)
