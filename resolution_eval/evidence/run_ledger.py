"""What this process knows of a run beside the texts that lmms-eval carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.facts import CheckpointFacts, Count
from resolution_eval.evidence.verdict import Failure


class Cost(BaseModel):
    """What answering one sample took in this run. An answer out of a cache has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: Annotated[float, Field(ge=0)]
    """Wall time of its batch in equal parts: running the model, without reading and resizing the
    image, without what was prepared while the model worked on another batch, and without attempts
    that raised.
    """
    peak_memory: Count | None
    """Most GPU memory allocated while its batch was answered, weights included, in bytes, of all
    GPUs that hold the weights; null on a CPU, and of a model that runs in another process.
    """


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One sample at one resolution of one data set."""

    dataset: str
    sample: str
    resolution: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> SampleKey:
        """That which a task's document refers to."""
        return cls(document["dataset"], document["sample"], document["resolution"])


class Ledger:
    """What this process knows of its samples beside the responses: failures, costs, and the images
    it rendered.

    A failed sample is answered with an empty text, which lmms-eval's cache does not keep, so that a
    resumed run tries it again; the reason waits here until the sample is scored, in the same
    process.
    """

    def __init__(self) -> None:
        self.failures: dict[SampleKey, Failure] = {}
        self.renderings: dict[SampleKey, Attestation] = {}
        self.costs: dict[SampleKey, Cost] = {}
        """Of the samples that this process answered itself, in this run."""
        self.told: set[str] = set()
        """Data sets whose samples file already holds this process's facts."""
        self.describe: Callable[[], CheckpointFacts] | None = None
        """What the adapter of ours that answers knows of its checkpoint."""
        self.state: Callable[[], str] | None = None
        """Digest of what decides the answers of the adapter that answers here."""
        self.demonstrated: dict[SampleKey, tuple[Mapping[str, Any], ...]] = {}
        """Documents of the train samples shown before each question, of a few-shot run."""
        self.outcomes: dict[str, tuple[int, int]] = {}
        """Per data set, how many samples were asked and how many of them failed, over all
        processes, once lmms-eval has added them up.
        """
        self.error: str | None = None
        """What lmms-eval logged when an evaluation ended in an error; it ends with status 0."""
        self.unsaved: str | None = None
        """Why the results that lmms-eval should have saved are not whole on the disk."""
        self.adapter: str | None = None
        """Name of the adapter of ours that answers in this process; null for the host's own models.
        """

    def begin(
        self,
        adapter: str,
        describe: Callable[[], CheckpointFacts],
        state: Callable[[], str] | None = None,
    ) -> None:
        """A new run begins in this process, answered by `adapter`. That an earlier one of the same
        command ended in an error, or was not saved, is not forgotten.
        """
        self.adapter, self.describe, self.state = adapter, describe, state
        self.failures.clear()
        self.costs.clear()
        self.told.clear()
        self.outcomes.clear()

    def rest(self) -> None:
        """Nobody of ours answers in this process, until an adapter says so: what a run of another
        model answers is no reply of the adapter before it.
        """
        self.adapter = self.describe = self.state = None
        self.outcomes.clear()
        self.error = self.unsaved = None

    def forget(self, dataset: str) -> None:
        """A run over `dataset` begins: what is known of its samples is of an earlier one."""
        self.told.discard(dataset)
        known: tuple[dict[SampleKey, Any], ...] = (
            self.failures,
            self.renderings,
            self.costs,
            self.demonstrated,
        )
        for table in known:
            for key in [key for key in table if key.dataset == dataset]:
                del table[key]

    @property
    def lost(self) -> str | None:
        """Why the run has nothing to show, in one sentence; None where a sample was scored."""
        if self.error is not None:
            return f"the evaluation ended in an error: {self.error}"
        if self.unsaved is not None:
            return self.unsaved
        asked, failed = (
            (sum(counts) for counts in zip(*self.outcomes.values(), strict=True))
            if (self.outcomes)
            else (0, 0)
        )
        if not asked or failed < asked:
            return None
        reason = next(iter(self.failures.values()), None)
        said = "" if reason is None else f", the first of them with {reason.kind}: {reason.message}"
        return f"all {asked} samples failed{said}"


LEDGER = Ledger()
