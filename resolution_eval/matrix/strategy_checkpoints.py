"""Checkpoints by training strategy, as the command line names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from resolution_eval.analysis.strategies import STRATEGIES
from resolution_eval.ground.errors import UsageError

SEPARATOR = "+"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")


@dataclass(frozen=True)
class StrategyCheckpoints:
    """One strategy and its checkpoints, one per seed."""

    strategy: str
    checkpoints: tuple[str, ...]
    """Folders, or Hugging Face ids: what `pretrained=` takes."""


def parse_checkpoints(given: Sequence[str]) -> tuple[StrategyCheckpoints, ...]:
    """The strategies in `given`, each `STRATEGY=CHECKPOINT[+CHECKPOINT...]`, the paper's first.

    A strategy named twice has the checkpoints of both.

    Example:
        >>> for entry in parse_checkpoints(["native=a", "low=b+c", "native=d"]):
        ...     print(entry.strategy, *entry.checkpoints)
        low b c
        native a d

    Raises:
        UsageError: one is not of this form, or a checkpoint is named twice.
    """
    found: dict[str, list[str]] = {}
    for text in given:
        name, _, rest = text.partition("=")
        checkpoints = rest.split(SEPARATOR)
        if not _NAME.fullmatch(name) or not all(checkpoints):
            raise UsageError(
                f"cannot read the checkpoints {text!r}; write STRATEGY=DIR, or "
                f"STRATEGY=DIR{SEPARATOR}DIR{SEPARATOR}DIR for one checkpoint per seed, where "
                f"STRATEGY is {', '.join(STRATEGIES)} or a name of your own in lower case"
            )
        found.setdefault(name, []).extend(checkpoints)
    named = [checkpoint for checkpoints in found.values() for checkpoint in checkpoints]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UsageError(f"the checkpoint {twice[0]!r} is named twice; each counts once")
    order = {name: place for place, name in enumerate(STRATEGIES)}
    names = sorted(found, key=lambda name: order.get(name, len(STRATEGIES)))
    return tuple(StrategyCheckpoints(name, tuple(found[name])) for name in names)
