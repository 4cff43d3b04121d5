"""`--model resflamingo`: OpenFlamingo, its encoder really run at the resolution asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from loguru import logger

from resolution_eval.adapters.adapter import ResolutionAdapter
from resolution_eval.adapters.requests import SampleRequest, only_image
from resolution_eval.adapters.views import View
from resolution_eval.answers.prompts import IMAGE, flamingo_prompt
from resolution_eval.data.cards import model_cards
from resolution_eval.declaration import KnownTraining, data_line
from resolution_eval.evidence.model_answer import Answer, ImageEntry, by_number, facts_of
from resolution_eval.ground.errors import host_boundary
from resolution_eval.images import DEFAULT_FILTER, resize
from resolution_eval.models.arguments import (
    DTYPES,
    RESFLAMINGO,
    common,
    flag,
    one_of,
    refuse_unknown,
)
from resolution_eval.models.transfer import Shipment, Transfer
from resolution_eval.resolution import Size, patch_size_fit, training_size

with host_boundary():  # it refuses to be imported where open_flamingo is not installed
    from resolution_eval.models import flamingo

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from PIL.Image import Image

EVIDENCE = "shape of the tensor entering the patch convolution; tokens entering the perceiver"

NAME = r"image \1"
"""An option that is an image, as its text is ranked: by its name."""


class ResFlamingo(ResolutionAdapter):
    """OpenFlamingo at any inference resolution.

    Position embeddings are resampled to each grid. Where a question has choices they are ranked by
    likelihood, since base language models do not follow option letters; `answer_mode=generate` has
    them write the answer instead.
    """

    name = "resflamingo"

    bundle: flamingo.FlamingoBundle

    def __init__(self, pretrained: str | None = None, **given: Any) -> None:
        super().__init__()
        with host_boundary():
            told = common(given)
            self.dtype = str(one_of("dtype", given.pop("dtype", "float32"), DTYPES))
            trusted = flag("trust_remote_code", given.pop("trust_remote_code", False))
            revision = given.pop("revision", None)
            refuse_unknown(given, RESFLAMINGO, self.name)
            self.configure(told)
            self._answer_mode = told.answer_mode
            self.bundle = flamingo.load_pretrained(
                pretrained,
                dtype=getattr(torch, self.dtype),
                device=self.device,
                trust_remote_code=trusted,
                revision=revision,
            )
            self.checkpoint, self.revision = self.bundle.identity, self.bundle.revision
            self.declare(_known(self.bundle), told.train_resolution)
            red, green, blue = (round(255 * value) for value in self.bundle.config.mean)
            self.mean_colour = (red, green, blue)
            self._transfer = Transfer(self.device)
        logger.info(f"{self.checkpoint}, trained at {self.training}, on {self.device}")

    def writing(self) -> str:
        """How answers are written, whatever the language model would like."""
        return flamingo.decoding(self.bundle).summary

    def preparation(self) -> str:
        """The encoder's normalisation, the tokenizer, and the language model's own commit."""
        config, language = self.bundle.config, self.bundle.model.lang_encoder
        commit = getattr(language.config, "_commit_hash", None)
        return f"{config.mean} {config.std} {self.bundle.tokenizer!r} {commit}"

    def model_here(self) -> Any | None:
        """The model, which runs in this process."""
        return self.bundle.model

    def mode(self, job: SampleRequest) -> Any:
        if self._answer_mode == "generate" or not job.choices:
            return "generate"
        return "rank"

    def no_demonstrations(self) -> str | None:
        """Nothing: OpenFlamingo is made for several images, each before its text."""
        return None

    def grid_size(self, information: Size, source: Size, job: SampleRequest) -> Size:
        """`match`: the information in whole patches. `restore`: the training grid in its aspect."""
        if job.scheme == "match":
            return patch_size_fit(information, self.bundle.patch)
        return patch_size_fit(training_size(self.training, source), self.bundle.patch)

    def prepared(self, views: Sequence[View]) -> list[Shipment]:
        """The pixels of every view's first image, second image, ..., on their way to the device."""
        return [self._sent(images) for images in zip(*(view.images for view in views), strict=True)]

    def answer(
        self, views: Sequence[View], prepared: Sequence[Shipment] | None = None
    ) -> list[Answer]:
        with torch.inference_mode():
            each = [self._encode(same) for same in prepared or self.prepared(views)]
            encoded = flamingo.joined(each)
            ranking = self.mode(views[0].job) == "rank"
            answers = (self._ranked if ranking else self._generated)(encoded, views)
        first = len(views[0].demonstrations)
        own = [ImageEntry(grid=one.grid, visual_tokens=one.visual_tokens) for one in each[first:]]
        return [
            Answer(
                evidence=EVIDENCE,
                demonstrations=tuple((one.grid, one.visual_tokens) for one in each[:first]),
                **spoken,
                **facts_of(by_number(own, view.job.order)),  # they entered as the prompt shows them
            )
            for view, spoken in zip(views, answers, strict=True)
        ]

    def _sent(self, images: Sequence[Image]) -> Shipment:
        """The bytes of the images, equal ones once, and which of them each question shows."""
        distinct = {image.tobytes(): image for image in images}
        places = {data: place for place, data in enumerate(distinct)}
        stacked = np.stack([np.asarray(image) for image in distinct.values()])
        shown = [places[image.tobytes()] for image in images]
        return self._transfer.send(
            {"pixels": torch.from_numpy(stacked), "shown": torch.tensor(shown)}
        )

    def _encode(self, sent: Shipment) -> flamingo.EncodedImages:
        """The images encoded, each different one once."""
        tensors = sent.arrived()
        pixels, shown = tensors["pixels"], tensors["shown"]
        encoded = flamingo.encode(self.bundle, self._normalised(pixels))
        if len(pixels) == len(shown):
            return encoded
        return replace(encoded, latents=encoded.latents[shown])

    def _normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes, batch x height x width x channels, as the encoder takes them: channels first."""
        normalised = flamingo.normalise(pixels.permute(0, 3, 1, 2), self.bundle.config)
        return normalised.to(self.bundle.dtype)

    def _ranked(
        self, encoded: flamingo.EncodedImages, views: Sequence[View]
    ) -> list[dict[str, Any]]:
        """Of each question the likeliest choice, and the scores of all, as an `Answer` has them."""
        prompts = [_prompt(view.job) for view in views]
        choices = [[f" {IMAGE.sub(NAME, one)}" for one in view.job.choices] for view in views]
        scores = flamingo.rank(self.bundle, encoded, prompts, choices)
        ranked = []
        for view, row in zip(views, scores, strict=True):
            own = tuple(row[: len(view.job.choices)].tolist())
            best = max(range(len(own)), key=own.__getitem__)
            ranked.append({"text": view.job.choices[best], "choice": best, "choice_scores": own})
        return ranked

    def _generated(
        self, encoded: flamingo.EncodedImages, views: Sequence[View]
    ) -> list[dict[str, Any]]:
        """Of each question what was written, and in how many tokens, as an `Answer` has them."""
        prompts = [_prompt(view.job) for view in views]
        written = flamingo.write(self.bundle, encoded, prompts, views[0].job.asked)
        return [
            {"text": text, "choice": None, "choice_scores": None, "generated_tokens": tokens}
            for text, tokens in written
        ]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation after image and prompt, and whether it is greedy."""
        return [self._loglikelihood(request) for request in requests]

    def _loglikelihood(self, request: Instance) -> tuple[float, bool]:
        prompt, target, doc_to_visual, doc_id, task, split = request.args
        document = self.task_dict[task][split][doc_id]
        continuation = target if isinstance(target, str) else target(document)
        with host_boundary():
            image = only_image(doc_to_visual, document).image
        grid = patch_size_fit(Size(*image.size), self.bundle.patch)
        image = resize(image, grid, self.overrides.filter or DEFAULT_FILTER)
        with torch.inference_mode():
            encoded = self._encode(self._sent([image]))
            return flamingo.loglikelihood(
                self.bundle, encoded, [flamingo_prompt(prompt)], [continuation]
            )[0]


def _known(bundle: flamingo.FlamingoBundle) -> KnownTraining:
    """What a folder of ours says of the checkpoint's training, or a released checkpoint's card."""
    card = model_cards().get(bundle.identity)
    if card is not None:
        return KnownTraining(training=bundle.training, evidence=card.evidence)
    return KnownTraining(
        training=bundle.training,
        evidence="config.json in the checkpoint's folder, written when it was trained",
        strategy=bundle.strategy,
        data=data_line(bundle.extra),
    )


def _prompt(job: SampleRequest) -> str:
    shown = ((one.question, one.answer) for one in job.demonstrations)
    return flamingo_prompt(job.prompt, demonstrations=tuple(shown), images=1 + len(job.more))
