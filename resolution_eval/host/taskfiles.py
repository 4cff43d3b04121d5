"""The lmms-eval YAML of a task, made from its card, as shipped and for a sweep of one's own.

python -m resolution_eval.host.taskfiles     writes tasks/NAME/NAME_res.yaml anew from every
tasks/NAME/card.toml, and tasks/groups/GROUP_res.yaml from the groups that the cards name
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resolution_eval.data import own_folder
from resolution_eval.data.cards import GENERATED, TaskCard, parse_task_card, task_card, task_cards
from resolution_eval.ground import paths
from resolution_eval.ground.errors import UsageError, refuse_misspelled, suggest
from resolution_eval.resolution import Resolution, in_microns, label

SUFFIX = "_res"
VERSION = 1
"""Version of how tasks ask and score; results of different versions are not compared."""

EVERYTHING = "biomed"
"""Group of every task on published data that can be run."""

GENERATION = {"do_sample": False, "max_new_tokens": 64, "until": ["\nQuestion:"]}
"""How answers are written: `generation_kwargs` of every task."""

_CLASSES = (("bacc@train", "balanced_accuracy", True),)
_CLOSED = (("worst_drop", "worst_drop", False), ("area", "area", True))
_OPEN = (("em_worst_drop", "worst_drop", False), ("em_area", "area", True))
_FIGURES = (
    ("unparseable", "count", False),
    ("failed", "count", False),
    ("mismatched", "count", False),
    ("data", "data_summary", True),
    ("verdict", "verdict_summary", True),
    ("attestation", "attestation_summary", True),
)
"""Rows of the table below the scores, each its name, function of
`resolution_eval.host.task_metrics`, and whether higher is better.
"""

_HEAD = """\
# Made from card.toml by `python -m resolution_eval.host.taskfiles`; change the card, not this file.
task: {task}
dataset_path: text
dataset_kwargs:
  data_files:
    test: {file}
  sample_by: document
test_split: test
process_docs: !function resolution_eval.host.tasks.documents
doc_to_visual: !function resolution_eval.host.tasks.doc_to_visual
doc_to_text: !function resolution_eval.host.tasks.doc_to_text
doc_to_target: !function resolution_eval.host.tasks.doc_to_target
process_results: !function resolution_eval.host.tasks.process_results
output_type: generate_until
generation_kwargs:
  max_new_tokens: 64
  do_sample: false
  until: ["\\nQuestion:"]
cluster_key: cluster
fewshot_config:
  sampler: resolution_eval
metadata:
  version: {version}
  card: {name}
  resolutions: [{resolutions}]
  filter: {filter}
  scheme: {scheme}
  option_order: {option_order}
  judge: {judge}
{own}metric_list:
"""
_METRIC = """\
  - metric: {metric}
    aggregation: !function resolution_eval.host.task_metrics.{function}
    higher_is_better: {better}
"""


_GROUP = """\
# Made from the cards by `python -m resolution_eval.host.taskfiles`; change their key `groups`.
group: {group}
task:
{tasks}
metadata:
  version: {version}
"""


def task_yaml(card: TaskCard, file: str = "card.toml") -> str:
    """The YAML that makes the card in `file` a task of lmms-eval, with a row of each score per
    resolution.
    """
    head = _HEAD.format(
        task=card.name + SUFFIX,
        file=file,
        name=card.name,
        version=VERSION,
        resolutions=", ".join(label(r) for r in card.resolutions),
        filter=card.filter,
        scheme=card.scheme,
        option_order=card.option_order,
        judge=json.dumps(card.judge),
        own=_own(card),
    )
    metrics = (
        _METRIC.format(metric=metric, function=function, better=str(better).lower())
        for metric, function, better in (*_rows(card), *_FIGURES)
    )
    return head + "".join(metrics)


def _own(card: TaskCard) -> str:
    """What a record needs of a card that is not shipped, a folder's: JSON is YAML too."""
    if card.name + SUFFIX != own_folder.TASK:
        return ""
    facts = card.model_dump(mode="json", include={"title", "modality", "kind", "chance", "classes"})
    return f"  own: {json.dumps(facts)}\n"


def _rows(card: TaskCard) -> list[tuple[str, str, bool]]:
    """Scores at each resolution and figures of curves, closed and open questions apart."""
    scores = {"closed": ("acc",), "open": ("em", "f1")}
    rows = [
        (f"{score}@{label(r)}", "accuracy", True)
        for form in card.forms
        for score in scores[form]
        for r in card.resolutions
    ]
    if card.judge:
        rows += [(f"judged@{label(r)}", "accuracy", True) for r in card.resolutions]
        rows.append(("judge_failed", "count", False))
    rows += _CLASSES if card.kind == "classification" else ()
    rows += _CLOSED if "closed" in card.forms else ()
    return rows + list(_OPEN if "open" in card.forms else ())


def groups(cards: Iterable[TaskCard]) -> dict[str, list[str]]:
    """Every group of tasks, and its members' names in lmms-eval."""
    by_group: dict[str, list[str]] = {}
    for card in cards:
        everything = () if GENERATED & set(card.sources) else (EVERYTHING,)
        for group in () if card.refused else (*card.groups, *everything):
            by_group.setdefault(group + SUFFIX, []).append(card.name + SUFFIX)
    return {group: sorted(tasks) for group, tasks in sorted(by_group.items())}


def members(name: str) -> list[str]:
    """The tasks of the group `name`; of anything else, `name` alone."""
    return groups(task_cards().values()).get(name, [name])


def group_yaml(group: str, tasks: Iterable[str]) -> str:
    """The YAML of a group. It has no score of its own: means over data sets say nothing."""
    listed = "\n".join(f"  - {task}" for task in tasks)
    return _GROUP.format(group=group, tasks=listed, version=VERSION)


def write_task(folder: Path, card: TaskCard) -> None:
    """Write the card, as JSON, and the YAML of its task into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(card.model_dump_json(), encoding="utf-8")
    text = task_yaml(card, "card.json")
    (folder / f"{card.name}{SUFFIX}.yaml").write_text(text, encoding="utf-8")


def card_files() -> dict[str, Path]:
    """Every task's name and its card's file."""
    return {
        f"{path.parent.name}{SUFFIX}": path for path in sorted(paths.tasks().glob("*/card.toml"))
    }


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What one run asks of a task otherwise than its card says; None leaves it as it is."""

    resolutions: Sequence[Resolution] | None = None
    filter: str | None = None
    scheme: str | None = None
    option_order: str | None = None
    judge: str | None = None
    only: Sequence[str] | None = None
    """Ids of the test samples to ask."""
    most_images: int | None = None

    def applied(self, card: TaskCard) -> TaskCard:
        """The card with this variation; CardError where that is impossible."""
        changes = {name: value for name, value in vars(self).items() if value is not None}
        return task_card(card.model_dump() | changes, f"{card.name}, varied")


def task_names() -> set[str]:
    """Every name that `--tasks` takes from us."""
    cards = task_cards()
    return {own_folder.TASK, *groups(cards.values()), *(card + SUFFIX for card in cards)}


def refuse_misspelled_task(name: str) -> None:
    """Raise UsageError of a name that ends like ours and is none, or is nearly one of ours, before
    lmms-eval takes its time over it.
    """
    known = task_names()
    if name.endswith(SUFFIX) and name not in known:
        raise UsageError(f"there is no task {name!r}; {suggest(name, known)}")
    refuse_misspelled("task", name, known)


def derive(task: str, folder: Path, variation: Variation) -> None:
    """Write into `folder` the task `task`, varied; it takes the shipped one's place.

    Raises:
        UsageError: no task of ours has that name.
        CardError: the variation is impossible.
    """
    cards = {f"{name}{SUFFIX}": card for name, card in task_cards().items()}
    if task not in cards:
        raise UsageError(f"no task of resolution-eval is named {task!r}; {suggest(task, cards)}")
    if in_microns(variation.resolutions or ()):
        raise UsageError(
            f"--resolutions in µm per pixel need whole slides, and the images of {task} do not say "
            "how large their pixels are; give pixels (56,224,native), or bring slides by --tasks "
            f"{own_folder.TASK} --data PATH"
        )
    card = variation.applied(cards[task])
    write_task(folder / card.name, card)


def main() -> None:
    """Write every shipped task's and group's YAML anew."""
    for name, path in card_files().items():
        card = parse_task_card(path.read_text(encoding="utf-8"), str(path))
        (path.parent / f"{name}.yaml").write_text(task_yaml(card), encoding="utf-8")
    folder = paths.tasks() / "groups"
    folder.mkdir(exist_ok=True)
    for group, tasks in groups(task_cards().values()).items():
        (folder / f"{group}.yaml").write_text(group_yaml(group, tasks), encoding="utf-8")


if __name__ == "__main__":
    main()
