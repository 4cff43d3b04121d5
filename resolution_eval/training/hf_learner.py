"""Hugging Face image-text-to-text checkpoints, as learners: the families of `--model reshf`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor, nn

from resolution_eval.answers.prompts import question_text
from resolution_eval.data.sources import Sample
from resolution_eval.declaration import Declaration
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families import Family, Parts
from resolution_eval.models.families.chat import template_of
from resolution_eval.models.families.inputs import Inputs, collate, prepare, tokenise
from resolution_eval.models.families.token_places import place_arguments, token_places
from resolution_eval.models.families.tower_hooks import watched
from resolution_eval.resolution import Size
from resolution_eval.training.learner import Learner, TrainBatch, right_aligned
from resolution_eval.training.pool import ImageBatch

IMAGE_INPUTS = ("pixel_values", "image_grid_thw")
"""What `get_image_features` takes of the tensors of a batch."""


class HFLearner(Learner):
    """A checkpoint with its processor and its family's control.

    `features` is the module by whose outputs, an image's tokens, a head tells `classes` apart; the
    pass over the image alone serves that head.
    """

    adapter = "reshf"

    def __init__(
        self,
        family: Family,
        parts: Parts,
        model: Any,
        *,
        features: str | None = None,
        classes: Sequence[str] = (),
        largest: bool = False,
    ) -> None:
        width = model.config.get_text_config().hidden_size if classes else 0
        super().__init__(model, classes=classes, width=width, seed=0, largest=largest)
        self.family, self.parts = family, parts
        self._texts: dict[Any, tuple[Inputs, list[int]]] = {}
        self._seen: list[Tensor] = []
        self._keeps_some = "logits_to_keep" in inspect.signature(model.forward).parameters
        if features is not None:
            model.get_submodule(features).register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: Any, outputs: Tensor) -> None:
        self._seen.append(outputs)

    def forward(
        self, inputs: Mapping[str, Tensor], answer_tokens: int, *, encoder_only: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        self._seen.clear()
        logits = None
        if encoder_only:
            images = {name: inputs[name] for name in IMAGE_INPUTS if name in inputs}
            self.model.model.get_image_features(**images)
        else:
            text = dict(inputs)
            places = place_arguments(self.model, text, token_places(self.family, text))
            kept = {"logits_to_keep": answer_tokens + 1} if self._keeps_some else {}
            outputs = self.model(**inputs, **places, **kept, use_cache=False)
            logits = outputs.logits[:, -answer_tokens - 1 : -1]
        if not self._seen:
            return logits, None
        tokens = self._seen.pop()
        tokens = tokens.reshape(len(inputs["input_ids"]), -1, tokens.shape[-1])
        return logits, self._class_logits(tokens)

    def grid(self, information: Size) -> Size:
        return self.family.grid(self.parts, information)

    def batch(self, drawn: ImageBatch) -> TrainBatch:
        pairs = zip(drawn.samples, drawn.pixels, strict=True)
        texts, answers = zip(*(self._prepared(*pair) for pair in pairs), strict=True)
        labels = right_aligned(answers)
        tokenizer = self.parts.processor.tokenizer
        pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        inputs = collate(self.family, texts, pad or 0) | self._processed(drawn.pixels)
        tokens = self.family.visual_tokens(self.parts, drawn.grid)
        return TrainBatch(inputs, labels, tokens, self._places(drawn.samples))

    def _prepared(self, sample: Sample, pixels: Tensor) -> tuple[Inputs, list[int]]:
        """The text's tensors, the same for all images of one grid, and the answer's tokens."""
        key = (sample.question, sample.choices, sample.answer, tuple(pixels.shape))
        if key not in self._texts:
            inputs, answer = self.sequence(sample, pixels)
            of_image = self._processed(pixels[None])
            texts = {name: inputs[name] for name in inputs if name not in of_image}
            self._texts[key] = texts, answer
        return self._texts[key]

    def sequence(self, sample: Sample, pixels: Tensor) -> tuple[Inputs, list[int]]:
        """The tensors of prompt, image and answer together, and the answer's tokens, which end the
        sequence.

        Raises:
            ModelError: the processor ends the text in other tokens than the answer's.
        """
        question = question_text(sample.question, sample.choices)
        prompt = self.family.prompt(self.parts, question, image=True)
        rest = self.family.continuation(self.parts, prompt, sample.answer) + ending(self.parts)
        ids, start = tokenise(self.family, self.parts, prompt, rest)
        image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
        inputs = prepare(self.family, self.parts, prompt + rest, image)
        answer = ids[start:]
        tail = inputs["input_ids"][0, -len(answer) :].tolist()
        if not answer or start == 0 or tail != answer:
            raise ModelError(
                f"the processor of {self.family.name} ends the text in tokens {tail}, where the "
                f"answer {rest!r} is {answer}: the loss would cover other tokens than the answer's"
            )
        return inputs, answer

    def _processed(self, pixels: Tensor) -> Inputs:
        """The image processor's tensors for images of one size."""
        processor = self.parts.processor
        grid = Size(pixels.shape[3], pixels.shape[2])
        settings = self.family.settings(self.parts, grid)
        with settings.applied(self.parts):
            features = processor.image_processor(
                images=[[image] for image in pixels], return_tensors="pt", **settings.call
            )
        return {name: value for name, value in features.items() if isinstance(value, Tensor)}

    @contextmanager
    def prepared(self, drawn: ImageBatch) -> Iterator[list[tuple[int, int]]]:
        grids: list[tuple[int, int]] = []
        grids_drawn = [drawn.grid] * len(drawn.samples)
        with watched(self.family, self.parts, self.model, grids_drawn) as seen:
            yield grids
            grids.extend(received.grid for received in seen)

    def recompute(self) -> None:
        self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def write(self, folder: Path, weights: Mapping[str, Tensor], told: Declaration) -> None:
        self.model.save_pretrained(folder, state_dict=dict(weights))
        self.parts.processor.save_pretrained(folder)
        self.tell(folder, told)


def ending(parts: Parts) -> str:
    """The token that ends an answer: the one that the chat template puts behind it, where that is
    one of the tokenizer's special tokens; otherwise the tokenizer's end of text.
    """
    tokenizer = parts.processor.tokenizer
    if template_of(parts.processor) is not None:
        content = [{"type": "text", "text": _MARK}]
        said = [{"role": "user", "content": content}, {"role": "assistant", "content": content}]
        text = str(parts.processor.apply_chat_template([said], tokenize=False)[0])
        behind = text.rpartition(_MARK)[2].strip()
        first = next((t for t in tokenizer.all_special_tokens if behind.startswith(t)), None)
        if first is not None:
            return str(first)
    return str(tokenizer.eos_token)


_MARK = "answer-mark"
