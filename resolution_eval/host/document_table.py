"""The documents of a task as a table of numbers, each spelled out when it is asked for.

A sweep asks every sample at every resolution: the same texts stand in rows without number. Here a
text is kept once, and a row is a number for each column.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset


def document_table(documents: Iterable[Mapping[str, Any]]) -> Dataset:
    """The documents, all of the same columns: texts, or lists of texts.

    Example:
        >>> table = document_table([{"q": "Which?", "o": ["a"]}, {"q": "Which?", "o": []}])
        >>> table[1], table["q"][0]
        ({'q': 'Which?', 'o': []}, 'Which?')
    """
    import numpy as np
    from datasets import Dataset

    places: dict[str | tuple[str, ...], int] = {}
    columns: dict[str, array[int]] = {}
    for document in documents:
        for name, value in document.items():
            key = tuple(value) if isinstance(value, list) else value
            columns.setdefault(name, array("i")).append(places.setdefault(key, len(places)))
    made = Dataset.from_dict({name: np.asarray(column) for name, column in columns.items()})
    return made.with_transform(partial(spelled, tuple(places)))


def spelled(
    texts: tuple[str | tuple[str, ...], ...], rows: Mapping[str, Iterable[int]]
) -> dict[str, list[Any]]:
    """The rows with their texts, which are the same objects wherever they come again."""
    return {name: [_value(texts[place]) for place in column] for name, column in rows.items()}


def _value(text: str | tuple[str, ...]) -> str | list[str]:
    return list(text) if isinstance(text, tuple) else text
