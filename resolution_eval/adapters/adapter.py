"""What all adapters share: batches of equal grid, attestation, and failures that stay failures."""

from __future__ import annotations

import json
import time
import weakref
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size
from lmms_eval.api.model import lmms
from loguru import logger
from PIL import Image
from tqdm import tqdm

from resolution_eval.adapters import device_memory
from resolution_eval.adapters.attestor import attestation_of
from resolution_eval.adapters.device_memory import BatchMemory
from resolution_eval.adapters.prefetch import ahead, beside
from resolution_eval.adapters.render_batches import Batches, BatchSizes, Key
from resolution_eval.adapters.requests import (
    Overrides,
    SampleRequest,
    image_groups,
    with_several_images,
)
from resolution_eval.adapters.views import EncoderView, RenderedImage, View, rendered
from resolution_eval.declaration import KnownTraining
from resolution_eval.evidence.attestation import AnswerMode, Attestation, Blind
from resolution_eval.evidence.facts import CheckpointFacts, versions
from resolution_eval.evidence.model_answer import Answer, finite
from resolution_eval.evidence.reply import Reply
from resolution_eval.evidence.run_ledger import LEDGER, Cost, SampleKey
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import ImageError, ModelError, UsageError, host_boundary
from resolution_eval.ground.redaction import redacted
from resolution_eval.host.cached_replies import state_of
from resolution_eval.host.reply_texts import FoldedReplies
from resolution_eval.images import resize
from resolution_eval.models.arguments import Common, checked_device, declared_training
from resolution_eval.models.precision import Precision
from resolution_eval.resolution import Size, TrainingResolution

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance


class ResolutionAdapter(lmms):  # type: ignore[misc]
    """Answers lmms-eval's requests in batches of equal grid and attests each sample's grid.

    A family says how an image becomes a grid (`grid_size`) and how a batch is answered (`answer`).
    """

    is_simple = True
    name: ClassVar[str]

    training: TrainingResolution
    checkpoint: str
    overrides: Overrides
    batch: int
    """Views of a forward pass, at first."""
    finds_batch: bool = False
    """Whether batches may grow, grid by grid, as far as the memory of a GPU goes."""
    overlaps: bool = True
    """Whether batches may be made beside the model's work, as they touch nothing that it reads."""
    blind: Blind | None = None
    """What is shown instead of the image; None for the image itself."""
    mean_colour: tuple[int, int, int] = (128, 128, 128)
    """The colour of a mean image: red, green and blue, to 255."""
    known = KnownTraining(training=TrainingResolution("unknown"))
    """What the checkpoint itself declares of its training, whatever `training` was set to."""
    revision: str | None = None
    """Commit of the checkpoint, or sha256:... of its weights."""
    dtype: str | None = None
    precision: Precision
    probes: tuple[str, ...] = ()
    """What behavioural probes found before the run and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.precision = Precision(torch.device("cpu"))
        me = weakref.proxy(self)
        _note_errors()
        LEDGER.begin(self.name, lambda: me.checkpoint_facts(), lambda: me.state)

    def checkpoint_facts(self) -> CheckpointFacts:
        """What is known of the checkpoint and of how it is run; called once all is answered."""
        model = self.model_here()
        return CheckpointFacts(
            revision=self.revision,
            declared=str(self.known.training),
            evidence=self.known.evidence,
            overridden=self.known.training != self.training,
            strategy=self.known.strategy,
            training_data=self.known.data,
            dtype=self.dtype,
            device=", ".join(map(str, self.places())) or None,
            probes=self.probes,
            writing=self.writing(),
            arithmetic=None if model is None else self.precision.arithmetic(model),
            defaults=self.defaults(),
        )

    def defaults(self) -> dict[str, str]:
        """Arguments of lmms-eval's model that were not given, and what they are; none of ours."""
        return {}

    def model_here(self) -> Any | None:
        """The model in this process; None where it runs in another."""
        return None

    def writing(self) -> str | None:
        """What of the checkpoint's own settings of writing is used; None where nothing is known."""
        return None

    def places(self) -> list[torch.device]:
        """The devices that hold the model's weights; none where it runs outside this process."""
        return [self.device]

    def gpus(self) -> list[torch.device]:
        """Those of them whose memory can be measured, and found too small."""
        return [device for device in self.places() if device.type == "cuda"]

    @cached_property
    def state(self) -> str:
        """Digest of all that decides an answer beside the document, for replies out of a cache.

        lmms-eval's response cache knows the checkpoint and its arguments by their names alone. A
        reply of other weights, another processor or other packages is not this run's.
        """
        facts = self.checkpoint_facts().model_dump(mode="json")
        device = str(facts.pop("device")).partition(":")[0]
        del facts["probes"]  # what was found beside the run decides no answer
        (facts["arithmetic"] or {}).pop("may_differ", None)
        said = [self.name, self.checkpoint, str(self.training), self.blind, device, facts]
        said += [asdict(self.overrides), self.preparation(), versions()]
        return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def preparation(self) -> str:
        """What prepares image and text for the checkpoint; empty where only our own code does."""
        return ""

    def configure(self, given: Common) -> None:
        """Keep the arguments that every adapter takes, and find this process's place.

        Raises:
            UsageError: the device does not exist here.
        """
        self.overrides = Overrides(filter=given.filter, scheme=given.scheme)
        self.blind = "mean image" if given.blind else None
        self.batch, self.finds_batch = given.batch, given.grows
        self.accelerator = Accelerator()
        self.device = checked_device(given.device, self.accelerator)
        self.precision = Precision(self.device, tf32=given.tf32)
        self.precision.apply()
        self._rank = self.accelerator.process_index
        self._world_size = self.accelerator.num_processes

    def declare(self, known: KnownTraining, given: str | int | None) -> None:
        """Note what is known of the checkpoint's training, and how `train_resolution` overrides it.

        Raises:
            UsageError: what is given is no training resolution.
        """
        self.known = known
        self.training = declared_training(given, known.training)

    @abstractmethod
    def grid_size(self, information: Size, source: Size, job: SampleRequest) -> Size:
        """Size in pixels at which the encoder should receive the image of `job`."""

    def prepared(self, views: Sequence[View]) -> Any:
        """What can be made of a batch while the device is busy with another; None for nothing.

        Runs in a thread beside `answer`, which is given it: it sets nothing that the model reads.
        """
        return None

    @abstractmethod
    def answer(self, views: Sequence[View], prepared: Any = None) -> Sequence[Answer | Failure]:
        """One answer per view, or why there is none; all views are of one size, one mode and one
        set of generation arguments, and their demonstrations are of the same sizes.

        `prepared` is what the method of that name made of these views, if anything.
        """

    @abstractmethod
    def mode(self, job: SampleRequest) -> AnswerMode:
        """Whether this job's choices are ranked, or text is generated."""

    def no_demonstrations(self) -> str | None:
        """Why no demonstrations can stand before a question; None where they can."""
        return f"{self.name} takes one image per question"

    def no_several_images(self) -> str | None:
        """Why a question cannot have several images; None where it can."""
        return self.no_demonstrations()

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refused: tasks of ours generate, or rank through `answer_mode=rank`."""
        raise ModelError(f"{self.name} answers generate_until tasks; choose one")

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """A coded `Reply` per request of ours, text for the host's own tasks, "" for a failure."""
        self.precision.apply()
        self._check_images(requests)
        replies = FoldedReplies([""] * len(requests))
        groups = image_groups(requests, self.task_dict, self.overrides)
        grow = self.finds_batch and bool(self.gpus())
        sizes = BatchSizes(self.batch, grow=grow, room=lambda: device_memory.room(self.gpus()))
        with tqdm(total=len(requests), desc=self.name, disable=self.rank != 0) as progress:
            made = Batches(sizes, self._key).of(map(self._views, ahead(rendered, groups)))
            ready = map(self._with_prepared, made)
            for views, prepared in beside(ready) if self.overlaps else ready:
                for view, answer in self._answer_or_split(views, sizes, prepared):
                    replies[view.job.index] = self._reply(view, answer)
                progress.update(len(views))
        if len(LEDGER.failures) > 10:
            logger.warning(f"{len(LEDGER.failures)} samples failed; the samples file names each")
        return replies

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refused: one question, one answer."""
        raise ModelError(f"{self.name} answers single questions; choose a task without rounds")

    def _with_prepared(self, views: list[View]) -> tuple[list[View], Any]:
        """The batch, and what was made of it; an error waits until the batch's turn comes."""
        try:
            return views, self.prepared(views)
        except Exception as error:  # noqa: BLE001  (it is raised where the batch is answered)
            return views, error

    def _key(self, view: View) -> Key:
        """What the views of one batch have in common."""
        sizes = tuple(Size(*image.size) for image in view.images)
        asked = repr((len(view.more), view.job.scheme, sorted(view.job.generation.items())))
        return sizes, self.mode(view.job), asked

    def _check_images(self, requests: Sequence[Instance]) -> None:
        """Raise before the first question where some have several images, and cannot be asked.

        Raises:
            SystemExit: some have, with one sentence.
        """
        reason = self.no_several_images()
        shares = {} if reason is None else with_several_images(requests, self.task_dict)
        for task, (several, everything) in shares.items():
            with host_boundary():
                raise UsageError(
                    f"{task}: {several} of its {everything} documents are about several images, "
                    f"and {reason}; choose another model or another task, or leave these "
                    "questions out, and counted, by `resolution-eval run --most-images 1`"
                )

    def _views(
        self, group: Sequence[tuple[SampleRequest, tuple[RenderedImage, ...] | ImageError]]
    ) -> Iterator[View]:
        """The views of jobs that share an image; a job one of whose images failed is noted."""
        for job, images in group:
            self._check_demonstrations(job)
            if isinstance(images, ImageError):
                self._fail(job, "image", str(images))
                continue
            shown = tuple(self._shown(job, image) for image in images)
            first = len(job.demonstrations)
            earlier, own, more = shown[:first], shown[first], shown[first + 1 :]
            yield View(job=job, demonstrations=earlier, more=more, **vars(own))

    def _check_demonstrations(self, job: SampleRequest) -> None:
        if job.demonstrations and (reason := self.no_demonstrations()):
            with host_boundary():
                raise UsageError(f"--num_fewshot: {reason}; run without it, or another model")

    def _shown(self, job: SampleRequest, image: RenderedImage) -> EncoderView:
        """A rendered image at the grid that the encoder should receive it at."""
        information = Size(*image.image.size)
        grid = self.grid_size(information, image.source, job)
        foretold = (0, 0) if self.blind == "no image" else self.expected_grid(grid, job)
        drawn = {**vars(image), "image": self._drawn(image.image, grid, job)}
        return EncoderView(**drawn, information=information, foretold=foretold)

    def expected_grid(self, drawn: Size, job: SampleRequest) -> tuple[int, int]:
        """Height and width in pixels that should enter of an image that is drawn at this size."""
        return drawn.height, drawn.width

    def _drawn(self, rendered: Image.Image, grid: Size, job: SampleRequest) -> Image.Image:
        """The image at its grid, or what a blind run shows in its place."""
        if self.blind is None:
            return resize(rendered, grid, job.filter)
        return Image.new("RGB", (grid.width, grid.height), self.mean_colour)

    def _answer_or_split(
        self, views: Sequence[View], sizes: BatchSizes, prepared: Any
    ) -> Iterator[tuple[View, Answer]]:
        """The batch's answers; where it raises, each half's, down to single samples that fail."""
        grid = self._key(views[0])[0]
        if not sizes.exceeded(grid, len(views)):  # cut before the memory refused as many
            try:
                answers, used = self._timed(views, prepared)
            except Exception as error:  # noqa: BLE001  (whatever is raised, a sample fails and is named)
                device_memory.release()
                if should_reduce_batch_size(error):
                    sizes.refused(grid, len(views))
                if len(views) == 1:
                    self._fail(views[0].job, type(error).__name__, str(error))
                    return
            else:
                sizes.fitted(grid, len(views), used)
                for view, answer in zip(views, answers, strict=True):
                    if isinstance(answer, Failure):
                        self._fail(view.job, answer.kind, answer.message)
                    else:
                        yield view, answer
                return
        middle = len(views) // 2
        for half in (views[:middle], views[middle:]):
            _, prepared = self._with_prepared(list(half))
            yield from self._answer_or_split(half, sizes, prepared)

    def _timed(
        self, views: Sequence[View], prepared: Any
    ) -> tuple[list[Answer | Failure], int | None]:
        """The batch's answers, their costs noted, and its bytes of the fullest GPU, if any."""
        if isinstance(prepared, Exception):
            raise prepared
        memory = BatchMemory.begin(self.gpus())
        began = time.perf_counter()
        with self.precision.watched():
            answers = [finite(answer) for answer in self.answer(views, prepared)]
        seconds = (time.perf_counter() - began) / len(views)
        peaks = memory.peaks()
        cost = Cost(seconds=seconds, peak_memory=sum(peaks) if peaks else None)
        for view, answer in zip(views, answers, strict=True):
            if view.job.document is not None and not isinstance(answer, Failure):
                LEDGER.costs[SampleKey.of(view.job.document)] = cost
        taken = [peak - before for peak, before in zip(peaks, memory.before, strict=True)]
        return answers, max(taken, default=None)

    def _reply(self, view: View, answer: Answer) -> str:
        document = view.job.document
        if document is None:
            return answer.text
        return Reply(
            sample=document["sample"],
            answer=answer.text,
            choice=answer.choice,
            choice_scores=answer.choice_scores,
            attestation=self._attest(view, answer, document["fingerprint"]),
            generated_tokens=answer.generated_tokens,
            state=state_of(document),
        ).encode()

    def _attest(self, view: View, answer: Answer, fingerprint: str) -> Attestation:
        return attestation_of(
            view,
            answer,
            adapter=self.name,
            checkpoint=self.checkpoint,
            training=str(self.training),
            blind=self.blind,
            answer_mode=self.mode(view.job),
            fingerprint=fingerprint,
        )

    def _fail(self, job: SampleRequest, kind: str, message: str) -> None:
        """Note a sample of ours that failed; a task of the host's own must not go on wrongly."""
        if job.document is None:
            raise ModelError(f"request {job.index} failed ({kind}: {message})")
        key, said = SampleKey.of(job.document), redacted(message)
        LEDGER.failures[key] = Failure(kind=kind, message=said)
        if len(LEDGER.failures) <= 10:
            logger.warning(f"failed: {key.sample} at {key.resolution} ({kind}: {said})")


def _note_errors() -> None:
    """Has the error noted in which an evaluation of lmms-eval's ends, by status 0 all the same."""
    logger.add(
        lambda message: setattr(LEDGER, "error", str(message.record["message"])),
        level="ERROR",
        filter=lambda record: str(record["message"]).startswith("Error during evaluation"),
    )
