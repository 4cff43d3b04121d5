"""Flamingos as learners: every part can move, the vision encoder included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from resolution_eval.declaration import Declaration
from resolution_eval.flamingo import Batch, FlamingoBundle, encode, join, logits, save_folder
from resolution_eval.flamingo.folder import declare, own_tensors
from resolution_eval.flamingo.language import END_OF_CHUNK
from resolution_eval.flamingo.vision import Encoded
from resolution_eval.resolution import Size, patch_size_fit
from resolution_eval.sources import Sample
from resolution_eval.training.answers import prompt
from resolution_eval.training.examples import normalise
from resolution_eval.training.finetune.learner import (
    IGNORED,
    Learner,
    Learning,
    TrainBatch,
)
from resolution_eval.training.finetune.pool import Drawn


class FlamingoLearning(Learning):
    """Flamingo's encoder, perceiver and language model in one forward.

    open_flamingo runs its vision encoder without gradients; here it has them where any of its
    parameters is to move.
    """

    def __init__(self, bundle: FlamingoBundle) -> None:
        super().__init__(bundle.model)
        self._bundle = bundle
        self.encoded: Encoded | None = None

    def tie_weights(self) -> None:
        self._bundle.model.lang_encoder.tie_weights()

    def forward(
        self, inputs: Mapping[str, Tensor], answer_tokens: int, *, encoder_only: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        vision = self._bundle.model.vision_encoder
        looks = any(parameter.requires_grad for parameter in vision.parameters())
        self._bundle.positions.forget()
        self.encoded = encode(self._bundle, inputs["pixels"], train=looks)
        batch = Batch(inputs["ids"], inputs["mask"])
        found = logits(self._bundle, self.encoded, batch)
        return found[:, -answer_tokens - 1 : -1], None


class FlamingoLearner(Learner):
    """A Flamingo with its tokenizer."""

    adapter = "resflamingo"

    def __init__(self, bundle: FlamingoBundle) -> None:
        self.bundle = bundle
        self._names = list(own_tensors(bundle.model))
        self.module: FlamingoLearning = FlamingoLearning(bundle)

    def grid(self, information: Size) -> Size:
        return patch_size_fit(information, self.bundle.patch)

    def batch(self, drawn: Drawn) -> TrainBatch:
        pairs = [self._joined(sample) for sample in drawn.samples]
        longest = max(len(ids) for ids, _ in pairs)
        shape = (len(pairs), longest)
        ids = torch.full(shape, self.bundle.tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORED, dtype=torch.long)
        for row, (tokens, start) in enumerate(pairs):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            labels[row, start : len(tokens)] = torch.tensor(tokens[start:])
        answers = labels[:, min(start for _, start in pairs) :]
        pixels = normalise(drawn.pixels, self.bundle.config)
        patches = drawn.grid.pixels // self.bundle.patch**2
        return TrainBatch({"pixels": pixels, "ids": ids, "mask": mask}, answers, patches)

    def _joined(self, sample: Sample) -> tuple[tuple[int, ...], int]:
        """Prompt and answer tokenised together, and where the answer begins."""
        found = join(self.bundle, prompt(sample), f" {sample.answer}{END_OF_CHUNK}")
        return found.ids, found.start

    @contextmanager
    def prepared(self, drawn: Drawn) -> Iterator[list[tuple[int, int]]]:
        grids: list[tuple[int, int]] = []
        yield grids
        if self.module.encoded is not None:
            grids.extend([self.module.encoded.grid] * len(drawn.samples))
            self.module.encoded = None

    def recompute(self) -> None:
        self.bundle.model.vision_encoder.set_grad_checkpointing(True)
        self.bundle.model.lang_encoder.gradient_checkpointing_enable({"use_reentrant": False})

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
