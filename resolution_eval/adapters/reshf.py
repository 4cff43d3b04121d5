"""`--model reshf`: any Hugging Face checkpoint of a family whose grid we control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import torch
from loguru import logger

from resolution_eval.adapters.adapter import ResolutionAdapter
from resolution_eval.adapters.device_memory import places_of
from resolution_eval.adapters.prefetch import workers
from resolution_eval.adapters.requests import SampleRequest
from resolution_eval.adapters.views import View
from resolution_eval.answers import thinking
from resolution_eval.answers.generation import Generation, cut
from resolution_eval.answers.reply_text import THINKING
from resolution_eval.evidence.model_answer import Answer, ImageEntry, by_number, facts_of
from resolution_eval.ground.errors import ModelError, UsageError, host_boundary
from resolution_eval.identity import revision
from resolution_eval.models.arguments import (
    COMMON,
    DTYPES,
    QUANTISATION,
    RESHF,
    SOURCES,
    common,
    flag,
    one_of,
    refuse_unknown,
)
from resolution_eval.models.families import (
    Family,
    Parts,
    TowerGrid,
    family_for,
    intended_grid,
    segments,
)
from resolution_eval.models.families.chat import template_of
from resolution_eval.models.families.checkpoint import known_of, load_model, load_parts
from resolution_eval.models.families.engine import Engine, Utterance
from resolution_eval.models.families.family_base import EVIDENCE, RANK, SEVERAL, mean_colour
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.models.families.preparation import (
    KEPT,
    Material,
    Question,
    Workshop,
    copied,
)
from resolution_eval.models.families.processor_text import spelling
from resolution_eval.resolution import Size

Shown = tuple[tuple[str, str], ...]
"""Questions and answers of demonstrations."""
SWITCHES = ("load_in_8bit", "load_in_4bit", "bnb_4bit_use_double_quant")
"""Arguments of quantisation that are true or false."""
LOADING = tuple(name for name in RESHF if name not in ("pretrained", *COMMON))
"""Arguments that say how a checkpoint is loaded."""


class ResHF(ResolutionAdapter):
    """A Hugging Face checkpoint at any inference resolution that its family allows.

    Answers are generated; `answer_mode=rank` scores the choices by likelihood instead, the image
    and the prompt encoded once for all of them.
    """

    name = "reshf"

    def __init__(self, pretrained: str | None = None, **given: Any) -> None:
        super().__init__()
        with host_boundary():
            told, loading = common(given), _Loading(given)
            refuse_unknown(given, RESHF, self.name)
            self.configure(told)
            self._answer_mode = told.answer_mode or "generate"
            if not pretrained:
                raise UsageError(
                    "reshf needs a checkpoint; give pretrained=ID or pretrained=FOLDER"
                )
            self.checkpoint, self.parts = pretrained, loading.parts(pretrained)
            self.family = family_for(self.parts)
            self.declare(known_of(pretrained, self.family, self.parts), told.train_resolution)
            if self._answer_mode == "rank" and not self.family.continues_prompt(self.parts):
                own = "this checkpoint has an encoder and a decoder"
                why = self.family.limits(self.parts).get(RANK, own)
                raise UsageError(
                    f"answer_mode=rank needs a decoder that continues its prompt; {why}: use "
                    "answer_mode=generate"
                )
            if told.blind and not self.family.needs_image:
                self.blind = "no image"
            self.mean_colour = mean_colour(self.parts)
            self._thinks = self._try_prompt()
            self.workshop = _workshop(self.parts)
            self.overlaps = self.workshop is not None
            model = loading.model(pretrained, self.device)
            if self.family.loops:
                segments.install(model.get_submodule(self.family.tower))
            # what the model sets of them, others may read meanwhile
            parts = self.parts if self.workshop is None else copied(self.parts)
            self.engine = Engine(self.family, parts, model)
            self._engines: dict[str, Engine] = {}  # under each scheme that was met
            self.dtype = str(model.dtype).removeprefix("torch.")
            self.revision = revision(pretrained, model)
        places = ", ".join(map(str, self.places()))
        logger.info(f"{pretrained} ({self.family.name}), trained at {self.training}, on {places}")

    def _try_prompt(self) -> bool:
        """Whether the checkpoint thinks before it answers, found from a prompt, before its weights
        are read.

        Raises:
            ModelError: its chat template makes no prompt of a question and an image.
        """
        prompt = self.family.prompt(self.parts, "Which?", image=self.blind != "no image")
        template = None if self.parts.plain else template_of(self.parts.processor)
        return thinking.thinks(template, prompt)

    def writing(self) -> str:
        """How answers are written, whatever the checkpoint would like."""
        room = (
            f"; it thinks: {thinking.TOKENS} tokens where a task allows {thinking.TASK_TOKENS}"
            if self._thinks
            else ""
        )
        return self.engine.decoding.summary + room

    def preparation(self) -> str:
        """The processor's own settings, whose defaults differ between versions."""
        return spelling(self.parts.processor)

    def places(self) -> list[torch.device]:
        """Where the weights are, as a device map may have spread them."""
        return places_of(self.engine.model)

    def model_here(self) -> Any | None:
        """The model, which runs in this process."""
        return self.engine.model

    def mode(self, job: SampleRequest) -> Any:
        return "rank" if self._answer_mode == "rank" and job.choices else "generate"

    def no_demonstrations(self) -> str | None:
        """Why the family takes no several images per prompt; None where it does."""
        if self.family.several_images:
            return None
        why = self.family.limits(self.parts).get(SEVERAL)
        said = "one image per question here" + ("" if why is None else f" ({why})")
        return f"checkpoints of the family {self.family.name} take {said}"

    def grid_size(self, information: Size, source: Size, job: SampleRequest) -> Size:
        """`match`: the family's grid for the information. `restore`: the training grid."""
        with host_boundary():
            return intended_grid(
                self._under(job), self.parts, self.training, job.scheme, information, source
            )

    def expected_grid(self, drawn: Size, job: SampleRequest) -> tuple[int, int]:
        """What should enter: under `restore` to native training what the processor makes of it."""
        with host_boundary():
            return foretold(self._under(job), self.parts, drawn).grid

    def _under(self, job: SampleRequest) -> Family:
        return self.family.under(job.scheme, self.parts, self.training)

    def _engine(self, job: SampleRequest) -> Engine:
        if job.scheme not in self._engines:
            self._engines[job.scheme] = self.engine.of_family(self._under(job))
        return self._engines[job.scheme]

    def prepared(self, views: Sequence[View]) -> _Ready | None:
        """The questions, and their tensors on the way to the device, made in several threads."""
        if self.workshop is None:
            return None
        job = views[0].job
        engine, ranking = self._engine(job), self.mode(job) == "rank"
        if not engine.prepares(len(views), ranking=ranking):
            return None
        made = list(self.workshop.pool.map(partial(self._tensors, ranking=ranking), views))
        whole = self.workshop.preparation(job.scheme, engine.family)
        questions = [question for question, _ in made]
        material = whole.gathered(questions, [tensors for _, tensors in made], ranking=ranking)
        return _Ready(questions, engine.shipped(material))

    def _tensors(self, view: View, *, ranking: bool) -> tuple[Question, Any]:
        """A question and what the processor makes of it, in one of the workshop's threads."""
        assert self.workshop is not None
        question = self._question(view, ranking=ranking)
        own = self.workshop.preparation(view.job.scheme, self._engine(view.job).family)
        return question, own.split(question) if ranking else own.prepare(question)

    def answer(self, views: Sequence[View], prepared: _Ready | None = None) -> list[Answer]:
        ranking = self.mode(views[0].job) == "rank"
        asked = thinking.allowed(views[0].job.asked, thinking=self._thinks)
        ready = prepared or _Ready([self._question(view, ranking=ranking) for view in views])
        engine, questions = self._engine(views[0].job), ready.questions
        spoken = (
            engine.rank(questions, ready.material)
            if ranking
            else engine.generate(questions, asked, ready.material)
        )
        return [
            self._answer(view, question.prompt, answer, None if ranking else asked)
            for view, question, answer in zip(views, questions, spoken, strict=True)
        ]

    def _question(self, view: View, *, ranking: bool) -> Question:
        shown = () if self.blind == "no image" else view.images
        told = tuple((one.question, one.answer) for one in view.job.demonstrations)
        pieces = tuple(view.job.pieces) if view.more and shown else ()
        prompt = self._prompts(view.job.prompt, bool(shown), told, pieces)
        if ranking:
            prompt = thinking.closed(prompt)
        choices = view.job.choices
        continued = (self.family.continuation(self.parts, prompt, choice) for choice in choices)
        return Question(prompt, shown[-1] if shown else None, tuple(continued), shown[:-1])

    @cached_property
    def _prompts(self) -> Callable[..., str]:
        """The checkpoint's prompt of a question, remembered: a sweep asks the same at each size."""

        def made(question: str, image: bool, told: Shown, pieces: tuple[Any, ...]) -> str:
            parts = self.parts if self.workshop is None else self.workshop.parts()
            return self.family.prompt(
                parts, question, image=image, demonstrations=told, pieces=pieces
            )

        return lru_cache(KEPT)(made)

    def _answer(
        self, view: View, prompt: str, spoken: Utterance, asked: Generation | None
    ) -> Answer:
        """The answer and what entered; `asked` is how it was written, None where it was ranked."""
        received = spoken.received
        if received is None and self.blind != "no image":
            raise ModelError("no image entered the vision tower")
        scores = spoken.scores
        choice = None if scores is None else max(range(len(scores)), key=scores.__getitem__)
        text, notes = _text(prompt, spoken, asked, view.job.choices, choice)
        return Answer(
            text=text,
            choice=choice,
            choice_scores=scores,
            evidence=EVIDENCE,
            generated_tokens=spoken.generated_tokens,
            notes=notes,
            **self._entered(view, spoken),
        )

    def _entered(self, view: View, spoken: Utterance) -> dict[str, Any]:
        """What entered of the demonstrations' and the question's images; nothing where withheld."""
        first = len(view.demonstrations)
        every = [*spoken.earlier, (spoken.received, spoken.visual_tokens)]
        if self.blind == "no image":
            every = [(None, 0)] * (first + len(view.own))
        entries = [_entry(received, tokens) for received, tokens in every]
        shown = tuple((each.grid or (0, 0), each.visual_tokens or 0) for each in entries[:first])
        own = by_number(entries[first:], view.job.order)  # they entered as the prompt shows them
        return {**facts_of(own), "demonstrations": shown}


def _entry(received: TowerGrid | None, tokens: int) -> ImageEntry:
    """What was read of one image; 0 x 0 of one that was withheld."""
    if received is None:
        return ImageEntry(grid=(0, 0), visual_tokens=tokens)
    return ImageEntry(grid=received.grid, visual_tokens=tokens, tiles=received.tiles)


def _text(
    prompt: str,
    spoken: Utterance,
    asked: Generation | None,
    choices: Sequence[str],
    choice: int | None,
) -> tuple[str, tuple[str, ...]]:
    """An answer's text, and what is to be noted of it.

    Of a thinking that the prompt opened and the limit cut, the text begins with its tag, so that no
    word of it is taken for an answer. Strings that end an answer do not end a thinking.
    """
    if asked is None:
        closed = prompt.rstrip().endswith(tuple(closing for _, closing in THINKING))
        note = ("an empty thinking stands before the choices",) if closed else ()
        return (spoken.text if choice is None else choices[choice]), note
    opening = thinking.opened(prompt)
    whole = f"{opening[0]}{spoken.text}" if opening else spoken.text
    if not spoken.ended and thinking.opened(whole):
        return whole, (thinking.cut_note(asked.max_new_tokens),)
    answer = thinking.without_thinking(spoken.text)
    thought = spoken.text[: len(spoken.text) - len(answer)]
    return (thought + cut(answer, asked.until)).strip(), ()


@dataclass(frozen=True)
class _Ready:
    """A batch's questions, and what was made of them ahead, if anything was."""

    questions: Sequence[Question]
    material: Material | None = None


def _workshop(parts: Parts) -> Workshop | None:
    """Threads that prepare questions; None for a processor that cannot be copied for each."""
    try:
        return Workshop(parts, workers())
    except Exception as error:  # noqa: BLE001  (a checkpoint's own code raises what it likes)
        logger.info(f"the processor cannot be copied ({error}); questions are prepared in turn")
        return None


class _Loading:
    """How a checkpoint's parts and weights are loaded: by arguments that are taken out of `given`.

    Raises:
        UsageError: a value is impossible.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self._told = {name: given.pop(name) for name in LOADING if name in given}
        self._quantisation = {name: self._told[name] for name in QUANTISATION if name in self._told}
        for name in SWITCHES:
            if name in self._told:
                self._quantisation[name] = flag(name, self._told[name])
        self._dtype = one_of("dtype", self._told.get("dtype"), DTYPES)
        self._trusted = flag("trust_remote_code", self._told.get("trust_remote_code", False))

    def _given(self, *names: str) -> dict[str, Any]:
        return {name: self._told[name] for name in names if self._told.get(name) is not None}

    def parts(self, pretrained: str) -> Parts:
        """Configuration and processor.

        Raises:
            ModelError: as `load_parts`.
        """
        sources = self._given(*SOURCES, "revision")
        return load_parts(pretrained, trust_remote_code=self._trusted, **sources)

    def model(self, pretrained: str, device: torch.device) -> Any:
        """The model with its weights, on `device` unless the device map says otherwise; in bfloat16
        on a GPU and float32 on a CPU, unless told otherwise.

        Raises:
            ModelError: as `load_model`.
        """
        from transformers import BitsAndBytesConfig

        usual = "float32" if device.type == "cpu" else "bfloat16"
        arguments = self._given("base", "revision", "attn_implementation", "device_map")
        arguments["dtype"] = getattr(torch, self._dtype or usual)
        if self._quantisation:
            arguments["quantization_config"] = BitsAndBytesConfig(**self._quantisation)
        placed = "device_map" in arguments or bool(self._quantisation)
        if placed:
            arguments["device_map"] = arguments.get("device_map") or {"": device}
        model = load_model(pretrained, trust_remote_code=self._trusted, **arguments)
        return (model if placed else model.to(device)).eval()
