"""The tally of a process: what lmms-eval added up in it, for what is said under its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Item = Mapping[str, Any]


class Tally:
    """What lmms-eval added up in this process: verdicts and attestations, by data set."""

    def __init__(self) -> None:
        self._verdicts: Sequence[Item] = ()
        self.lines: dict[str, tuple[Sequence[Item], Sequence[Item]] | None] = {}
        """By fingerprint of the data; None where two runs on it were told before their tables were
        shown, and nobody knows which is whose.
        """

    def verdicts(self, items: Sequence[Item]) -> None:
        """Keep the verdicts, which lmms-eval adds up before the attestations."""
        self._verdicts = items

    def attestations(self, items: Sequence[Item]) -> None:
        """Keep the attestations, in the order of the verdicts."""
        if len(items) == len(self._verdicts):
            prints = {str(item.get("fingerprint")) for item in items}
            for each in prints if len(prints) == 1 else ():
                self.lines[each] = None if each in self.lines else (self._verdicts, items)
        self._verdicts = ()


TOLD = Tally()
