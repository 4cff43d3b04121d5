"""Task YAML follows from its card, shipped or derived, and takes none of the host's names."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from resolution_eval.data import cards
from resolution_eval.ground import paths
from resolution_eval.ground.errors import CardError, UsageError
from resolution_eval.host import taskfiles
from resolution_eval.host.taskfiles import Variation


class _Loader(yaml.SafeLoader):
    """Reads `!function` as the name behind it."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def _read(path: Path) -> dict[str, object]:
    return yaml.load(path.read_text(), Loader=_Loader)


@pytest.mark.parametrize("task", sorted(taskfiles.card_files()))
def test_the_shipped_yaml_is_what_its_card_makes(task: str) -> None:
    path = taskfiles.card_files()[task]
    shipped = path.parent / f"{task}.yaml"
    assert shipped.read_text() == taskfiles.task_yaml(cards.parse_task_card(path.read_text()))


def test_the_shipped_groups_are_what_the_cards_make() -> None:
    made = taskfiles.groups(cards.task_cards().values())
    folder = paths.tasks() / "groups"
    assert {path.stem for path in folder.glob("*.yaml")} == set(made)
    for group, members in made.items():
        assert (folder / f"{group}.yaml").read_text() == taskfiles.group_yaml(group, members)


GENERATED = {"phantom_res", "acuity_res", "lesion_res"}
OUTSIDE = {"tissuemnist_res", *GENERATED}
"""Tasks in no group: refused, or generated."""


def test_every_member_of_a_group_is_a_task_that_can_be_run() -> None:
    made = taskfiles.groups(cards.task_cards().values())
    expected = {"paper_res", "summary_res", "medmnist_res", "vqa_med_res", "biomed_res"}
    assert set(made) == expected
    for members in made.values():
        assert set(members) <= set(taskfiles.card_files()) - OUTSIDE
    refused = sum(card.refused is not None for card in cards.task_cards().values())
    assert len(made["biomed_res"]) == len(cards.task_cards()) - refused - len(GENERATED)


@pytest.mark.parametrize("task", sorted(taskfiles.card_files()))
def test_every_function_named_in_the_yaml_exists(task: str) -> None:
    import importlib

    config = _read(taskfiles.card_files()[task].parent / f"{task}.yaml")
    metrics = config["metric_list"]
    assert isinstance(metrics, list)
    names = {str(value) for value in config.values() if "resolution_eval." in str(value)[:16]}
    names |= {metric["aggregation"] for metric in metrics}
    assert names
    for name in names:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))


def test_a_derived_task_has_its_own_sweep_in_card_and_table(tmp_path: Path) -> None:
    variation = Variation(
        resolutions=[32, 96, "native"], filter="box", scheme="restore", option_order="seeded:7"
    )
    taskfiles.derive("pathmnist_res", tmp_path, variation)
    config = _read(tmp_path / "pathmnist" / "pathmnist_res.yaml")
    card = cards.parse_task_card((tmp_path / "pathmnist" / "card.json").read_text())
    assert card.resolutions == (32, 96, "native")
    assert (card.filter, card.scheme, card.option_order) == ("box", "restore", "seeded:7")
    metrics = config["metric_list"]
    assert isinstance(metrics, list)
    assert [m["metric"] for m in metrics[:3]] == ["acc@32", "acc@96", "acc@native"]
    assert config["metadata"]["filter"] == "box"  # type: ignore[index]
    assert config["metadata"]["option_order"] == "seeded:7"  # type: ignore[index]


def test_a_derived_task_keeps_what_was_not_changed(tmp_path: Path) -> None:
    taskfiles.derive("pbc_res", tmp_path, Variation(filter="lanczos"))
    derived = cards.parse_task_card((tmp_path / "pbc" / "card.json").read_text())
    assert derived == cards.task_cards()["pbc"].model_copy(update={"filter": "lanczos"})


def test_a_misspelt_task_is_told_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'pathmnist_res'"):
        taskfiles.derive("pathmnis_res", tmp_path, Variation(resolutions=[28]))


def test_an_impossible_filter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="bicubic"):
        taskfiles.derive("pbc_res", tmp_path, Variation(filter="bicubik"))


def test_a_hostile_filter_cannot_write_into_the_card(tmp_path: Path) -> None:
    with pytest.raises(CardError):
        taskfiles.derive("pbc_res", tmp_path, Variation(filter='"\nname = "x'))


def test_no_task_of_ours_takes_a_name_of_the_hosts() -> None:
    import importlib.util

    spec = importlib.util.find_spec("lmms_eval")
    assert spec is not None and spec.submodule_search_locations
    hosts = Path(spec.submodule_search_locations[0]) / "tasks"
    groups = taskfiles.groups(cards.task_cards().values())
    taken = {*taskfiles.card_files(), *groups, "folder_res"}
    files = list(hosts.rglob("*.yaml"))
    clashes = [path for path in files if path.stem in taken]
    named = [path for path in files if taken & _names(path)]
    assert (clashes, named) == ([], [])


def _names(path: Path) -> set[str]:
    """Names that a task file gives to a task, group or tag."""
    lines = path.read_text(errors="replace").splitlines()
    given = (line.partition(": ") for line in lines)
    return {name.strip() for key, _, name in given if key in ("task", "group", "tag")}


def test_a_sweep_of_ones_own_is_of_any_layout_of_the_card() -> None:
    text = (taskfiles.card_files()["pbc_res"]).read_text(encoding="utf-8")
    start = text.index("resolutions = [")
    end = text.index("]", start)
    spread = text[:start] + "resolutions = [\n  28,\n  56,\n" + text[end:]
    card = cards.parse_task_card(spread)
    assert card.resolutions == (28, 56)
    assert Variation(resolutions=[14, 28]).applied(card).resolutions == (14, 28)
