"""`--model reswrap`: any other model of lmms-eval's, given images at the resolution asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args
from unittest.mock import patch

from loguru import logger

from resolution_eval.adapters.adapter import ResolutionAdapter
from resolution_eval.adapters.device_memory import places_of
from resolution_eval.adapters.requests import SampleRequest
from resolution_eval.adapters.views import View
from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.ladder import disagreement, step
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import UsageError, host_boundary, visible
from resolution_eval.host.cache_folder import cache_folder, watch_cache
from resolution_eval.identity import revision
from resolution_eval.models.arguments import COMMON, common, flag, one_of
from resolution_eval.models.families.checkpoint import known_of
from resolution_eval.models.families.decoding import Decoding
from resolution_eval.models.families.family_base import mean_colour
from resolution_eval.models.families.processor_text import spelling
from resolution_eval.models.families.tokens import plain_tokenizers
from resolution_eval.models.wrapped.base_answers import seen_answers, served_answers
from resolution_eval.models.wrapped.base_plan import plan, single_image
from resolution_eval.models.wrapped.base_questions import BaseQuestion, ask
from resolution_eval.models.wrapped.batch_run import QUEUED, BatchQueue, Turn, batches
from resolution_eval.models.wrapped.journal import FILE, Journal
from resolution_eval.models.wrapped.meter import TokenMeter, token_meter
from resolution_eval.models.wrapped.predictors import OWN as PREDICTING
from resolution_eval.models.wrapped.probing import (
    AUTO,
    GENERATION,
    largest_edge,
    probed_edge,
    sentence,
)
from resolution_eval.models.wrapped.spending import budgeted
from resolution_eval.models.wrapped.traffic import Channel
from resolution_eval.models.wrapped.transcript import checked
from resolution_eval.models.wrapped.visibility import sight_of
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    import torch
    from lmms_eval.api.instance import Instance

SERVING = (*PREDICTING, "count_difference", "baselines", "probe", "batch")
"""Arguments that say how a server's samples are predicted and counted."""
OWN = ("base", "force_simple", *COMMON, *SERVING)
"""Arguments that are not the base's, or that it is given as we understand them."""

NOT_YET = 3
"""Exit status of a run whose batches are not answered yet."""


class ResWrap(ResolutionAdapter):
    """One of lmms-eval's models, its images rendered at the inference resolution.

    Where the base holds its model in this process, its grid is attested from the tensors that enter
    it; where it does not, a sample climbs the ladder of `ladder.step`, and its record holds what
    was sent.
    """

    name = "reswrap"
    overlaps = False  # the base's own processor says what enters, and serves one thread at a time
    _warned = False

    def __init__(
        self, base: str | None = None, *, force_simple: bool | str = False, **given: Any
    ) -> None:
        super().__init__()
        with host_boundary():
            told = common(given, ("generate",))
            serving = {name: given.pop(name, None) for name in SERVING}
            self.configure(told)
            self.finds_batch = False  # the base runs batches of the size that it is built with
            self.plan = plan(
                base,
                given,
                force_simple=flag("force_simple", force_simple),
                batch_size=self.batch,
                **self._place(),
            )
            self.checkpoint = self.plan.checkpoint
            self.base = self.plan.build()
            self.sight = sight_of(self.base)
            self.channel = Channel()
            watch_cache()
            self.probed_edge: int | Literal["auto"] | None = probed_edge(serving["probe"])
            for name in ("probe", "batch"):
                if serving[name] is not None and self.sight.model is not None:
                    raise UsageError(
                        f"{name}={serving[name]} asks a server; the model of base={base} runs "
                        f"here: leave {name}= out"
                    )
            self.meter: TokenMeter | None = None
            if self.sight.model is None:
                trusts = self.trusts_environment
                self.meter = token_meter(self.checkpoint, serving, self.channel, trusts=trusts)
            self.queue: BatchQueue | None = None
            batch = None if serving["batch"] is None else str(serving["batch"])
            self.batching: Turn | None = one_of("batch", batch, get_args(Turn))  # type: ignore[assignment]
            self.decoding = self._set_straight()
            known = known_of(self.checkpoint, self.sight.family, self.sight.parts)
            self.declare(known, told.train_resolution)
            self.revision = revision(self.checkpoint, self.sight.model)
        self._describe()

    @property
    def trusts_environment(self) -> bool:
        """Whether its requests heed the environment's proxies."""
        return flag("httpx_trust_env", self.plan.arguments.get("httpx_trust_env", True))

    def model_here(self) -> Any | None:
        """The model that the base holds here; None where it asks a server."""
        return self.sight.model

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """As every adapter, within the run's budget; a server is probed before it and after."""
        folder = cache_folder()
        self._begin(folder)
        with budgeted(self.channel.spending):
            if self.batching is not None:
                self._batch(self.batching, folder, requests)
            self._probe()
            replies = super().generate_until(requests)
            self._probe()
        return replies

    def _begin(self, folder: Path | None) -> None:
        """A run begins, of which nothing is known from an earlier one of this instance. Its answers
        are kept in the `folder` of `--use_cache`, as are counts without images; nowhere without it.
        """
        self.probes, self._warned = (), False
        self.channel.journal = Journal(None if folder is None else folder / FILE)
        self.channel.given.clear()
        if self.meter is not None:
            self.meter.begin(folder)

    def _batch(self, turn: Turn, folder: Path | None, requests: list[Instance]) -> None:
        """Queue every question, then hand over or collect; ends the run unless all are answered."""
        budget, trusts = self.channel.spending.budget, self.trusts_environment
        with host_boundary():
            step = batches(turn, folder, budget, trust_environment=trusts)
        failed = dict(LEDGER.failures)
        self.queue = BatchQueue()
        try:
            super().generate_until(requests)
        finally:
            queue, self.queue = self.queue, None
            LEDGER.failures.clear()
            LEDGER.failures.update(failed)
        with host_boundary():
            said = step.settle(queue, self.channel.journal)
        if said is not None:
            print(visible(f"{self.plan.title}: {said}."), flush=True)
            raise SystemExit(0 if turn == "submit" else NOT_YET)

    def _probe(self) -> None:
        """Ask what the server's model sees, where that is wanted."""
        if self.probed_edge is None:
            return
        with host_boundary():
            if self.probed_edge == AUTO:
                self.probed_edge = largest_edge(self.task_dict)
            outcome = sentence(self._answer_texts, self.batch, self.probed_edge)
        self.probes = (*self.probes, outcome)
        logger.info(f"{self.plan.title}: {outcome}")

    def _answer_texts(self, asked: Sequence[tuple[str, Any]]) -> list[str | Failure]:
        """Texts of the answers to prompts with their images, as the server gives them now."""
        questions = [BaseQuestion(prompt, image, GENERATION) for prompt, image in asked]
        with self._asking():
            done = ask(
                self.base, self.sight, questions, replace(self.channel, journal=Journal(None))
            )
        assert self.meter is not None, "only servers are probed"
        shown = done.exchanges_of(questions)
        return [
            self.meter.failure(shown[place], done.failure(place, visible=False)) or text
            for place, text in enumerate(done.texts)
        ]

    def _set_straight(self) -> Decoding | None:
        """Switches off what the tokenizer cuts by itself, and sets aside how the checkpoint likes
        to write, where the base holds model and processor here; None elsewhere.
        """
        parts = self.sight.parts
        tokenizer = None if parts is None else getattr(parts.processor, "tokenizer", None)
        if parts is None or tokenizer is None or self.sight.model is None:
            return None
        plain_tokenizers(parts.processor)
        decoding = Decoding.of(self.sight.model, tokenizer)
        decoding.install(self.sight.model)
        return decoding

    def writing(self) -> str | None:
        """What of the checkpoint's generation settings is left to the base."""
        return None if self.decoding is None else self.decoding.summary

    def defaults(self) -> dict[str, str]:
        """Those of the base: another version of lmms-eval may have others."""
        return self.plan.defaults

    def preparation(self) -> str:
        """The base, its arguments, and its processor where it can be seen."""
        arguments = sorted((name, str(value)) for name, value in self.plan.arguments.items())
        processor = None if self.sight.parts is None else spelling(self.sight.parts.processor)
        return f"{self.plan.title} {arguments} {processor}"

    def _place(self) -> dict[str, str]:
        """Where the base shall run: here; several processes settle that by themselves."""
        if self.accelerator.num_processes > 1:
            return {}
        return {"device": str(self.device), "device_map": str(self.device)}

    def _describe(self) -> None:
        if self.sight.parts is not None:
            self.mean_colour = mean_colour(self.sight.parts)
        if self.sight.model is None:  # a server: as many at once as the base asks at once
            self.batch = max(self.batch, int(getattr(self.base, "num_concurrent", 1)))
            who = None if self.meter is None else self.meter.predictor
            told = "no rule names its model" if who is None else who.title
            logger.info(f"{self.plan.title}: nobody can see its grid; predicted by: {told}")
        for name, (own, limit) in self.plan.limits.items():
            logger.info(f"{self.plan.title}: {name}={limit} instead of its own {own}")
        logger.info(f"{self.plan.title} with {self.checkpoint}, trained at {self.training}")

    def places(self) -> list[torch.device]:
        """Where the base put its weights, whatever it was told; nowhere here, of a server."""
        return [] if self.sight.model is None else places_of(self.sight.model)

    def mode(self, job: SampleRequest) -> Any:
        return "generate"

    def no_several_images(self) -> str | None:
        """Why the base takes one image per question; None where it takes several."""
        if self.sight.family is None or self.sight.family.several_images:
            return single_image(self.plan)
        return f"checkpoints of the family {self.sight.family.name} take one image per question"

    def grid_size(self, information: Size, source: Size, job: SampleRequest) -> Size:
        """`match`: the information, in whole patches if known. `restore`: the training grid."""
        with host_boundary():
            return self.sight.wanted_grid(self.training, job.scheme, information, source)

    def answer(self, views: Sequence[View], prepared: Any = None) -> list[Answer | Failure]:
        questions = [
            BaseQuestion(
                view.job.prompt,
                view.image,
                view.job.generation,
                tuple(shown.image for shown in view.more),
            )
            for view in views
        ]
        if self.queue is not None:
            ask(self.base, self.sight, questions, Channel(self.queue))
            return [QUEUED] * len(questions)
        with self._asking():
            asked = ask(self.base, self.sight, questions, self.channel)
        if self.meter is not None:
            return served_answers(self.plan, self.meter, asked, questions)
        return checked(
            self.sight.family,
            self.sight.parts,
            seen_answers(self.plan, self.sight, asked, questions),
            asked.entered.transcripts,
            [_text_of(question) for question in questions],
            [int(view.job.generation.get("max_new_tokens") or 0) for view in views],
        )

    def _asking(self) -> AbstractContextManager[Any]:
        """Where the budget has ended, a base does not wait and ask again what is not asked."""
        if self.channel.spending.ended is None or not hasattr(self.base, "max_retries"):
            return nullcontext()
        return patch.object(self.base, "max_retries", 1)

    def expected_grid(self, drawn: Size, job: SampleRequest) -> tuple[int, int]:
        """What the processor makes of the image, where the grid is left to it."""
        with host_boundary():
            return self.sight.expected_grid(drawn)

    def _attest(self, view: View, answer: Answer, fingerprint: str) -> Attestation:
        attestation = super()._attest(view, answer, fingerprint)
        if answer.served is not None:
            word = step(answer.served, answer.sent, attestation.expected_grid, attestation.images)
            why = disagreement(
                answer.served, answer.sent, attestation.expected_grid, attestation.images
            )
            notes = attestation.notes if why is None else (*attestation.notes, why)
            attestation = attestation.model_copy(update={"status": word, "notes": notes})
            self._warn_once(attestation, f"{self.plan.title}: {why}; such samples are mismatched")
            return attestation
        self._warn_once(
            attestation,
            f"{self.plan.title} sets its own grid: {attestation.expected_grid} was expected, "
            f"{attestation.grid} entered. Such samples are mismatched; `resolution-eval doctor` "
            "shows where, and --model reshf or scheme=restore may help",
        )
        return attestation

    def _warn_once(self, attestation: Attestation, said: str) -> None:
        """Say of the first mismatched sample what is wrong."""
        if attestation.status == "mismatched" and not self._warned:
            self._warned = True
            logger.warning(said)


def _text_of(question: BaseQuestion) -> str:
    """A question's text without its images' places, a line for each piece."""
    return "\n".join(piece for piece in question.pieces if isinstance(piece, str))
