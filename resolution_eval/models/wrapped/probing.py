"""Probing a base by its behaviour: a short test of what it sees, before the run and after it.

The probe itself is `resolution_eval.data.acuity.probe`; here is how a base is asked its questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from resolution_eval.answers.prompts import question_text
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import UsageError
from resolution_eval.models.wrapped.predictors import whole

if TYPE_CHECKING:
    from resolution_eval.data.acuity.probe import Ask, ProbeQuestion

AUTO: Literal["auto"] = "auto"
"""In the place of an edge: the largest that the run's own sweep asks for."""
GENERATION = {"max_new_tokens": 16, "do_sample": False, "temperature": 0}


def probed_edge(told: Any) -> int | Literal["auto"] | None:
    """The argument `probe=`: an edge in pixels, `auto`, or None where it is not given.

    Raises:
        UsageError: it is neither.
    """
    if told is None or str(told) == AUTO:
        return None if told is None else AUTO
    try:
        return whole("probe", told)
    except UsageError as error:
        raise UsageError(f"{error}, or auto for the largest of the sweep") from None


def largest_edge(tasks: Mapping[str, Mapping[str, Any]]) -> int:
    """The largest edge in pixels that the documents of `tasks`, by name and split, ask for.

    Raises:
        UsageError: none asks for one in pixels.
    """
    edges = {
        int(resolution)
        for splits in tasks.values()
        for documents in splits.values()
        for resolution in _resolutions(documents)
        if str(resolution).isdecimal()
    }
    if not edges:
        raise UsageError("probe=auto: no resolution of this run is in pixels; give probe=EDGE")
    return max(edges)


def _resolutions(documents: Any) -> set[str]:
    """Those of a split; none of a task that is not ours."""
    if "resolution" in (getattr(documents, "column_names", None) or ()):
        return set(documents.unique("resolution"))
    return {doc["resolution"] for doc in documents if "resolution" in doc}


Answering = Callable[[Sequence[tuple[str, Any]]], Sequence[str | Failure]]
"""Answers to prompts with their images, all of one size."""


def asker(answer: Answering, batch: int) -> Ask:
    """Asks the items of a probe, `batch` at a time; None for one that has no answer."""

    def ask(items: Sequence[ProbeQuestion]) -> list[str | None]:
        texts: list[str | None] = []
        for start in range(0, len(items), batch):
            part = items[start : start + batch]
            asked = [(question_text(item.question, item.choices), item.image) for item in part]
            texts += [None if isinstance(said, Failure) else said for said in answer(asked)]
        return texts

    return ask


def sentence(answer: Answering, batch: int, edge: int) -> str:
    """What the probe finds of images of `edge` pixels a side, with its figures, in one sentence.

    It is a lower bound: a model may see no more though the server sends it all.

    Raises:
        UsageError: the edge is too small.
    """
    from resolution_eval.data.acuity.probe import probe
    from resolution_eval.models.wrapped.fidelity import fidelity

    ask = asker(answer, batch)
    finding = probe(ask, promised=edge)
    return f"{edge} px: {finding.sentence}; {fidelity(ask, edge=edge).sentence}"
