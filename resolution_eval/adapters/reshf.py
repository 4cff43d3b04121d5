"""`--model reshf`: any Hugging Face checkpoint of a family whose grid we control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from loguru import logger

from resolution_eval.adapters.arguments import (
    ANSWER_MODES,
    DTYPES,
    QUANTISATION,
    RESHF,
    flag,
    one_of,
    refuse_unknown,
)
from resolution_eval.adapters.base import Answer, Entered, ResolutionAdapter, places_of
from resolution_eval.adapters.requests import Job
from resolution_eval.adapters.views import View
from resolution_eval.declaration import FILE as DECLARATION
from resolution_eval.declaration import read_declaration
from resolution_eval.errors import ModelError, UsageError, host_boundary
from resolution_eval.families import Family, Parts, family_of, intended_grid
from resolution_eval.families.base import mean_colour
from resolution_eval.families.checkpoint import known_training, load_model, load_parts
from resolution_eval.families.engine import Engine, Question, Spoken
from resolution_eval.resolution import Size
from resolution_eval.weights import revision_of

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

EVIDENCE = "tensors entering the vision tower; image tokens entering the language model"

SWITCHES = ("load_in_8bit", "load_in_4bit", "bnb_4bit_use_double_quant")
"""Those of them that are true or false."""


class ResHF(ResolutionAdapter):
    """A Hugging Face checkpoint at any inference resolution that its family allows.

    Answers are generated; `answer_mode=rank` scores the choices by likelihood instead, the image
    and the prompt encoded once for all of them.
    """

    name = "reshf"

    def __init__(
        self,
        pretrained: str | None = None,
        *,
        scheme: str | None = None,
        filter: str | None = None,
        train_resolution: str | int | None = None,
        answer_mode: str | None = None,
        blind: bool | str = False,
        dtype: str | None = None,
        device: str | None = None,
        device_map: str | None = None,
        attn_implementation: str | None = None,
        batch_size: int | str | None = 1,
        max_batch_size: int | None = None,
        trust_remote_code: bool | str = False,
        revision: str | None = None,
        **rest: Any,
    ) -> None:
        super().__init__()
        with host_boundary():
            quantisation = _quantisation(rest)
            refuse_unknown(rest, RESHF, self.name)
            self.configure(
                scheme=scheme,
                filter=filter,
                batch_size=batch_size,
                max_batch_size=max_batch_size,
                device=device,
            )
            self._answer_mode = one_of("answer_mode", answer_mode, ANSWER_MODES) or "generate"
            one_of("dtype", dtype, DTYPES)
            blindfold = flag("blind", blind)
            self.checkpoint = _named(pretrained)
            self.parts, self.family = _known(
                self.checkpoint,
                revision=revision,
                trust_remote_code=flag("trust_remote_code", trust_remote_code),
            )
            self.training = known_training(
                self.checkpoint, self.family, self.parts, train_resolution
            )
            self.declared = known_training(self.checkpoint, self.family, self.parts, None)
            self._describe()
            if blindfold:
                self.blind = "mean image" if self.family.needs_image else "no image"
            self.mean_colour = mean_colour(self.parts)
            model = _load(
                self.checkpoint,
                self.device,
                dtype,
                device_map,
                quantisation,
                attn_implementation=attn_implementation,
                revision=revision,
                trust_remote_code=flag("trust_remote_code", trust_remote_code),
            )
            self.engine = Engine(self.family, self.parts, model)
            self.dtype = str(model.dtype).removeprefix("torch.")
            commit = getattr(model.config, "_commit_hash", None) or revision
            self.revision = revision_of(Path(self.checkpoint)) or commit
            if self._answer_mode == "rank" and not self.family.continues_prompt(self.parts):
                raise UsageError(
                    "answer_mode=rank needs a decoder that continues its prompt; this checkpoint "
                    "has an encoder and a decoder: use answer_mode=generate"
                )
        logger.info(
            f"{self.checkpoint} ({self.family.name}), trained at {self.training}, on {self.device}"
        )

    def _describe(self) -> None:
        """Note where the training resolution is known from, and what our training declared."""
        told = read_declaration(self.checkpoint)
        if told is None:
            self.evidence = "configuration and processor of the checkpoint"
            return
        self.evidence = f"{DECLARATION} in the checkpoint's folder, written when it was trained"
        self.strategy = told.strategy
        self.training_data = told.data

    def preparation(self) -> str:
        """The processor's own settings, whose defaults differ between versions."""
        return repr(self.parts.processor)

    def places(self) -> list[torch.device]:
        """Where the weights are, as a device map may have spread them."""
        return places_of(self.engine.model)

    def mode(self, job: Job) -> Any:
        return "rank" if self._answer_mode == "rank" and job.choices else "generate"

    def no_demonstrations(self) -> str | None:
        """Why the family takes no several images per prompt; None where it does."""
        if self.family.several_images:
            return None
        return f"checkpoints of the family {self.family.name} take one image per question here"

    def grid_size(self, information: Size, source: Size, job: Job) -> Size:
        """`match`: the family's grid for the information. `restore`: the training grid."""
        with host_boundary():
            return intended_grid(
                self.family, self.parts, self.training, job.scheme, information, source
            )

    def answer(self, views: Sequence[View]) -> list[Answer]:
        ranking = self.mode(views[0].job) == "rank"
        questions = [self._question(view) for view in views]
        if ranking:
            spoken = self.engine.rank(questions)
        else:
            spoken = self.engine.generate(questions, self._generation(views[0].job))
        return [
            self._answer(view, answer, ranking) for view, answer in zip(views, spoken, strict=True)
        ]

    def _question(self, view: View) -> Question:
        shown = () if self.blind == "no image" else view.images
        told = [(one.question, one.answer) for one in view.job.demonstrations]
        prompt = self.family.prompt(
            self.parts, view.job.prompt, image=bool(shown), demonstrations=told
        )
        choices = view.job.choices
        continued = (self.family.continuation(self.parts, prompt, choice) for choice in choices)
        return Question(prompt, shown[-1] if shown else None, tuple(continued), shown[:-1])

    def _answer(self, view: View, spoken: Spoken, ranking: bool) -> Answer:
        received = spoken.received
        if received is None and self.blind != "no image":
            raise ModelError("no image entered the vision tower")
        scores = spoken.scores
        choice = None if scores is None else max(range(len(scores)), key=scores.__getitem__)
        text = spoken.text if choice is None else view.job.choices[choice]
        return Answer(
            text=text if ranking else _until(text, view.job.generation.get("until")),
            choice=choice,
            choice_scores=scores,
            grid=(0, 0) if received is None else received.grid,
            visual_tokens=spoken.visual_tokens,
            evidence=EVIDENCE,
            tiles=None if received is None or received.images == 1 else received.images,
            generated_tokens=spoken.generated_tokens,
            demonstrations=self._earlier(view, spoken),
        )

    def _earlier(self, view: View, spoken: Spoken) -> tuple[Entered, ...]:
        """What entered of the demonstrations' images; nothing, of each, in a blind run without."""
        if self.blind == "no image":
            return (((0, 0), 0),) * len(view.demonstrations)
        return tuple((received.grid, tokens) for received, tokens in spoken.earlier)

    def _generation(self, job: Job) -> dict[str, Any]:
        """What `generate` is told of the task's generation arguments."""
        given = job.generation
        sampling = bool(given.get("do_sample", False))
        arguments: dict[str, Any] = {
            "max_new_tokens": int(given.get("max_new_tokens", 64)),
            "do_sample": sampling,
            "num_beams": int(given.get("num_beams", 1)),
        }
        if sampling:
            arguments["temperature"] = float(given.get("temperature") or 1.0)
            arguments["top_p"] = float(given.get("top_p") or 1.0)
        return arguments

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Refused: tasks of ours generate, and rank through `answer_mode=rank`."""
        raise ModelError(f"{self.name} answers generate_until tasks; choose one")


def _quantisation(rest: dict[str, Any]) -> dict[str, Any]:
    """The arguments of quantisation, taken out of `rest`."""
    given = {name: rest.pop(name) for name in QUANTISATION if name in rest}
    switches = {name: flag(name, given[name]) for name in SWITCHES if name in given}
    return given | switches


def _named(pretrained: str | None) -> str:
    if not pretrained:
        raise UsageError("reshf needs a checkpoint; give pretrained=ID or pretrained=FOLDER")
    return pretrained


def _known(pretrained: str, **arguments: Any) -> tuple[Parts, Family]:
    parts = load_parts(pretrained, **_given(arguments))
    return parts, family_of(parts.config)


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _load(
    pretrained: str,
    device: torch.device,
    dtype: str | None,
    device_map: str | None,
    quantisation: Mapping[str, Any],
    **arguments: Any,
) -> Any:
    """The model with its weights: bfloat16 on a GPU, float32 on a CPU, unless told otherwise.

    Raises:
        ModelError: it cannot be loaded.
    """
    from transformers import BitsAndBytesConfig

    usual = "float32" if device.type == "cpu" else "bfloat16"
    arguments = _given(arguments) | {"dtype": getattr(torch, dtype or usual)}
    if quantisation:
        arguments["quantization_config"] = BitsAndBytesConfig(**quantisation)
    if device_map is not None or quantisation:
        arguments["device_map"] = device_map or {"": device}
    model = load_model(pretrained, **arguments)
    return (model if "device_map" in arguments else model.to(device)).eval()


def _until(text: str, until: str | Sequence[str] | None) -> str:
    """`text` up to the first of the strings that end an answer."""
    for end in [until] if isinstance(until, str) else until or ():
        text = text.split(end)[0]
    return text.strip()
