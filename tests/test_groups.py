"""Groups in the host: listed results of its tasks, with figures in words, and no average."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
import yaml

from resolution_eval.ground import paths

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_group_of_ours_passes_through_the_hosts_consolidation_without_an_average() -> None:
    from lmms_eval.api.group import ConfigurableGroup
    from lmms_eval.api.task import ConfigurableTask
    from lmms_eval.evaluator_utils import consolidate_group_results

    config = yaml.safe_load((paths.tasks() / "groups" / "vqa_med_res.yaml").read_text())
    assert len(config["task"]) == 5
    results: dict[str, dict[str, Any]] = defaultdict(dict)
    members = {}
    for name in config["task"]:
        task = ConfigurableTask.__new__(ConfigurableTask)
        members[name] = task
        results[name] = {"acc@56,none": "0.5000 incomplete (1 of 3 failed)", "samples": 3}
    group = ConfigurableGroup(config=config)
    tasks = {group: members}
    for task in members.values():
        task._config = {"task": "x"}
    consolidated, _, shown, _ = consolidate_group_results(results, {}, tasks)
    assert consolidated["vqa_med_res"] == {" ": " "}
    assert shown is False
