"""The material: what IMAGES names, with its card, its samples and the sizes of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval.ground.errors import DataError, UsageError, suggest

if TYPE_CHECKING:
    from resolution_eval.data.cards import TaskCard

TO_LOOK_AT = 200
"""Images whose size is looked at."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """What IMAGES names, before a file of it is opened."""

    folder: Path | None
    task: str
    """Name of the task in lmms-eval."""


def named(text: str) -> Name:
    """The folder or task that `text` names, its data not opened.

    Raises:
        UsageError: it is neither.
        DataError: the folder says nothing of its images.
    """
    from resolution_eval.data.cards import task_cards
    from resolution_eval.data.own_folder import TASK
    from resolution_eval.data.sources.layout import refuse_without_layout
    from resolution_eval.host.taskfiles import SUFFIX, groups, task_names

    if Path(text).expanduser().is_dir():
        folder = Path(text).expanduser()
        refuse_without_layout(folder)
        return Name(folder=folder, task=TASK)
    known = task_names() - {TASK} - set(groups(task_cards().values()))
    task = text if text.endswith(SUFFIX) else text + SUFFIX
    if task in known:
        card = task_cards()[task.removesuffix(SUFFIX)]
        if card.refused:
            raise DataError(f"{task} is refused: {card.refused}")
        return Name(folder=None, task=task)
    if "/" in text or text.startswith((".", "~")) or Path(text).exists():
        what = "a file" if Path(text).is_file() else "no folder here"
        raise UsageError(f"{text} is {what}; give a folder of images, or a task's name")
    raise UsageError(f"{text!r} is neither a folder here nor a task; {suggest(task, known)}")


@dataclass(frozen=True, kw_only=True)
class ScoreMaterial:
    """What a checkpoint is scored on."""

    card: TaskCard
    samples: int
    """Of the test split."""
    edges: tuple[float, ...]
    """Edge in pixels of the square that has as many pixels as each image looked at, ascending."""

    @property
    def task(self) -> str:
        """The task's name in lmms-eval."""
        return f"{self.card.name}_res"

    @property
    def typical(self) -> int:
        """The median edge."""
        return round(self.edges[len(self.edges) // 2])


def material(name: Name) -> ScoreMaterial:
    """The data of `name`, opened.

    Raises:
        DataError: it is absent, broken, or holds no image that can be decoded.
    """
    from resolution_eval.data.cards import task_cards
    from resolution_eval.data.own_folder import edges_of, folder_card
    from resolution_eval.data.sources import open_source

    if name.folder is None:
        card = task_cards()[name.task.removesuffix("_res")]
    else:
        card = folder_card(name.folder)
    source = open_source(card)
    samples = source.samples("test")
    edges = sorted(edges_of(source, samples, most=TO_LOOK_AT))
    return ScoreMaterial(card=card, samples=len(samples), edges=tuple(edges))
