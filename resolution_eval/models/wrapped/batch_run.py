"""A run by batch: its questions handed over together, and its answers put into the journal.

`submit` asks nothing: every question is queued, and the queue handed to the provider's batch
service. `collect` takes the answers into the journal, from which the run is then answered as one
that was killed and resumed. lmms-eval 0.7.3 has `batch_gpt4`, which waits for its batch, loses it
where it is killed, and answers "Batch failed" where it failed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from resolution_eval.evidence.model_answer import Answer
from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.files import replace
from resolution_eval.ground.notation import json_value
from resolution_eval.models.wrapped.batch_services import BatchService, service
from resolution_eval.models.wrapped.exchange import Exchange, placeholder
from resolution_eval.models.wrapped.journal import Journal

FILE = "resolution_eval_batches.json"
Turn = Literal["submit", "collect"]
QUEUED = Answer(
    text="queued",
    choice=None,
    choice_scores=None,
    evidence="none: queued",
    grid=None,
    visual_tokens=None,
    tiles=None,
)
"""In the place of an answer to a question that is not asked now."""


class BatchQueue(Journal):
    """A journal that holds an answer to everything, and notes what was asked."""

    asks_nothing = True

    def __init__(self) -> None:
        super().__init__(None)
        self.questions: list[Exchange] = []
        self._asking = Lock()

    def take(
        self, url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A text that nobody reads, in the provider's own form."""
        with self._asking:
            self.questions.append(Exchange(url, dict(headers or {}), dict(body)))
        return placeholder(url, str(body.get("model", "")), "queued")


@dataclass
class Batching:
    """The batches of a folder, and one step of them."""

    turn: Turn
    folder: Path
    trust_environment: bool = True

    def settle(self, queue: BatchQueue, journal: Journal) -> str | None:
        """Hand the queued questions over, or collect their answers.

        None where the journal holds every answer, so that the run may go on; otherwise what the
        user is to know, as the run ends here.

        Raises:
            UsageError: the provider has no batch service that we know.
            ModelError: it cannot be reached, or refuses.
        """
        if not queue.questions:
            raise UsageError("batch=: the base asked nothing over HTTP; leave batch= out")
        first = queue.questions[0]
        asked = service(first.url, first.headers, trust_environment=self.trust_environment)
        pending = self._pending()
        if self.turn == "submit":
            return self._submit(asked, self._missing(queue, journal, pending), pending)
        waiting, lost = self._collect(asked, pending, journal)
        if waiting:
            return f"{'; '.join(waiting)}: try batch=collect again later. Nothing was scored"
        if left := self._missing(queue, journal, self._pending()):
            why = f" ({asked.name} said of the first: {lost[0]})" if lost else ""
            return (
                f"{len(left)} of {len(queue.questions)} questions are in no batch, or have no "
                f"answer in theirs{why}; batch=submit hands them over again, and without batch= "
                "they are asked one by one. Nothing was scored"
            )
        return None

    def _missing(
        self, queue: BatchQueue, journal: Journal, pending: Sequence[Mapping[str, Any]]
    ) -> list[Exchange]:
        """Queued questions that neither the journal nor a batch under way has."""
        under_way = Counter(digest for batch in pending for digest in batch["requests"])
        missing = []
        for question in queue.questions:
            if under_way[question.digest] + journal.holds(question.digest) <= 0:
                missing.append(question)
            under_way[question.digest] -= 1
        return missing

    def _submit(
        self,
        asked: BatchService,
        questions: Sequence[Exchange],
        pending: Sequence[Mapping[str, Any]],
    ) -> str:
        batches, names = list(pending), []
        for part in _parts(questions, asked):
            name = asked.submit([question.body for question in part])
            names.append(name)
            batches.append({"batch": name, "requests": [question.digest for question in part]})
            self._write(batches)
        if not names:
            return (
                "every question is answered or in a batch already; batch=collect takes the answers"
            )
        return (
            f"{len(questions)} questions were handed to {asked.name} as {', '.join(names)}; within "
            "a day the same command with batch=collect takes the answers and scores them"
        )

    def _collect(
        self, asked: BatchService, pending: Sequence[Mapping[str, Any]], journal: Journal
    ) -> tuple[list[str], list[str]]:
        """Take the answers of batches that ended: those under way, and why answers are missing."""
        left, waiting, lost = list(pending), [], []
        for batch in pending:
            state = asked.state(str(batch["batch"]))
            if not state.ended:
                waiting.append(f"{batch['batch']} is {state.told}")
                continue
            digests: Sequence[str] = batch["requests"]
            answered = set()
            for place, answer, why in asked.outcomes(state):
                if answer is None:
                    lost.append(why)
                elif 0 <= place < len(digests) and place not in answered:
                    answered.add(place)
                    journal.note(digests[place], answer)
            left.remove(batch)
            self._write(left)
        return waiting, lost

    def _pending(self) -> list[dict[str, Any]]:
        """Batches under way, as the file tells them.

        Raises:
            UsageError: it cannot be read whole; what is under way would be paid for twice.
        """
        file = self.folder / FILE
        try:
            pending = json_value(file.read_bytes())
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise UsageError(f"{file} is no JSON ({error}); {_REMEDY}") from error
        if not isinstance(pending, list) or not all(map(_is_batch, pending)):
            raise UsageError(f"{file} is no list of batches, each with its requests; {_REMEDY}")
        return pending

    def _write(self, batches: Sequence[Mapping[str, Any]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self.folder / FILE, json.dumps(list(batches), indent=1).encode() + b"\n")


_REMEDY = "it names the batches under way: put it right, or give another --use_cache"


def _is_batch(told: Any) -> bool:
    return isinstance(told, dict) and "batch" in told and isinstance(told.get("requests"), list)


def _parts(questions: Sequence[Exchange], asked: BatchService) -> Iterator[list[Exchange]]:
    """The questions in batches that the service takes."""
    part: list[Exchange] = []
    size = 0
    for question in questions:
        own = len(json.dumps(question.body)) + 200
        if part and (len(part) >= asked.most_requests or size + own > asked.most_bytes):
            yield part
            part, size = [], 0
        part.append(question)
        size += own
    if part:
        yield part


def batches(
    turn: Turn, folder: Path | None, budget: int | None, *, trust_environment: bool
) -> Batching:
    """The batches that are kept in `folder`, and the next step of them.

    Raises:
        UsageError: there is no such folder; or a budget, which cannot stop what is handed over.
    """
    if folder is None:
        raise UsageError(
            f"batch={turn} keeps the names of its batches and their answers; give "
            "--use_cache FOLDER"
        )
    if turn == "submit" and budget is not None:
        raise UsageError(
            f"--max_tokens {budget} cannot stop a batch, which is paid for as a whole; leave it "
            "out and ask fewer questions by --limit"
        )
    return Batching(turn, folder, trust_environment)
