"""Flamingos as learners: every part can move, the vision encoder included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from resolution_eval.answers.prompts import flamingo_prompt, question_text
from resolution_eval.data.sources import Sample
from resolution_eval.declaration import Declaration
from resolution_eval.models.flamingo import Batch, FlamingoBundle, encode, join, logits, save_folder
from resolution_eval.models.flamingo.checkpoint_folder import declare, own_tensors
from resolution_eval.models.flamingo.language import END_OF_CHUNK
from resolution_eval.models.flamingo.text import pad
from resolution_eval.models.flamingo.vision import features, normalise
from resolution_eval.resolution import Size, patch_size_fit
from resolution_eval.training.learner import IGNORED, Learner, TrainBatch
from resolution_eval.training.pool import ImageBatch


def prompt(sample: Sample) -> str:
    """The prompt of a sample, the same as at inference."""
    return flamingo_prompt(question_text(sample.question, sample.choices))


class FlamingoLearner(Learner):
    """A Flamingo with its tokenizer: encoder, perceiver and language model in one forward.

    open_flamingo runs its vision encoder without gradients; here it has them where any of its
    parameters is to move. A head tells `classes` apart while the encoder learns alone, by an
    image's patch tokens: over the perceiver's latents it would learn the coarse classes only.
    """

    adapter = "resflamingo"

    def __init__(
        self,
        bundle: FlamingoBundle,
        *,
        classes: Sequence[str] = (),
        seed: int = 0,
        largest: bool = False,
    ) -> None:
        width = bundle.config.vision["width"]
        super().__init__(bundle.model, classes=classes, width=width, seed=seed, largest=largest)
        self.bundle = bundle
        self._names = list(own_tensors(bundle.model))
        self._grid: tuple[int, int] | None = None
        self._tokens: Tensor | None = None
        if classes:
            bundle.model.perceiver.register_forward_pre_hook(self._note)

    def _note(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._tokens = inputs[0].flatten(1, -2)

    def tie_weights(self) -> None:
        self.model.lang_encoder.tie_weights()

    def forward(
        self, inputs: Mapping[str, Tensor], answer_tokens: int, *, encoder_only: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        self.bundle.positions.forget()
        if encoder_only:
            tokens, self._grid = features(self.bundle, inputs["pixels"])
            return None, self._class_logits(tokens)
        vision = self.model.vision_encoder
        looks = any(parameter.requires_grad for parameter in vision.parameters())
        encoded = encode(self.bundle, inputs["pixels"], train=looks)
        self._grid = encoded.grid
        scores = logits(self.bundle, encoded, Batch(inputs["ids"], inputs["mask"]))
        entered, self._tokens = self._tokens, None
        return scores[:, -answer_tokens - 1 : -1], self._class_logits(entered)

    def grid(self, information: Size) -> Size:
        return patch_size_fit(information, self.bundle.patch)

    def batch(self, drawn: ImageBatch) -> TrainBatch:
        joined = [
            join(self.bundle, prompt(sample), f" {sample.answer}{END_OF_CHUNK}")
            for sample in drawn.samples
        ]
        text = pad(self.bundle, [each.ids for each in joined], "right")
        first = min(each.start for each in joined)
        answers = text.ids[:, first:].masked_fill(text.mask[:, first:] == 0, IGNORED)
        for row, each in zip(answers, joined, strict=True):
            row[: each.start - first] = IGNORED
        pixels = normalise(drawn.pixels, self.bundle.config)
        patches = drawn.grid.pixels // self.bundle.patch**2
        inputs = {"pixels": pixels, "ids": text.ids, "mask": text.mask}
        return TrainBatch(inputs, answers, patches, self._places(drawn.samples))

    @contextmanager
    def prepared(self, drawn: ImageBatch) -> Iterator[list[tuple[int, int]]]:
        grids: list[tuple[int, int]] = []
        yield grids
        if self._grid is not None:
            grids.extend([self._grid] * len(drawn.samples))
            self._grid = None

    def recompute(self) -> None:
        self.model.vision_encoder.set_grad_checkpointing(True)
        self.model.lang_encoder.gradient_checkpointing_enable({"use_reentrant": False})

    def write(self, folder: Path, weights: Mapping[str, Tensor], told: Declaration) -> None:
        save_folder(
            self.bundle,
            folder,
            training=told.training,
            strategy=told.strategy,
            weights={name: weights[name] for name in self._names},
        )
        self.tell(folder, told)

    def tell(self, folder: Path, told: Declaration) -> None:
        super().tell(folder, told)
        declare(folder, told.training, told.strategy, told.extra)
