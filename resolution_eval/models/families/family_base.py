"""What a family of Hugging Face checkpoints has to say of its grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.chat import NO_TEMPLATE, ChatTurn, rendered, template_of
from resolution_eval.models.families.parts import Parts, ProcessorSettings, TowerGrid
from resolution_eval.resolution import Size, TrainingResolution, training_size

EVIDENCE = "tensors entering the vision tower; image tokens entering the language model"
"""Where grid and visual tokens of a family's checkpoint are read."""
BATCH = "batches of questions"
RANK = "answer_mode=rank"
IMAGELESS = "questions without an image"
SEVERAL = "several images in one question"
"""What a family's checkpoints may be unable to."""


def share(counts: Sequence[int], samples: int) -> int:
    """Images of each of `samples` samples of one grid, in a tensor of `counts` images.

    Raises:
        ModelError: they do not share equally, so that nobody can tell whose is which.
    """
    images, left = divmod(math.prod(counts), samples)
    if left or not images:
        raise ModelError(
            f"{math.prod(counts)} images entered for {samples} samples of one grid, which do not "
            "share them equally"
        )
    return images


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family's control: training resolution, grids, and how a grid enters unchanged.

    The defaults are those of a square vision tower of fixed size whose position embeddings can be
    interpolated to any grid of whole patches.
    """

    name: str
    model_types: tuple[str, ...]
    """`model_type` in the configuration, or `model_type/vision model_type`."""
    tower: str = "model.vision_tower"
    """Path of the vision tower's module in the model."""
    interpolates: bool = False
    """Whether the tower takes `interpolate_pos_encoding`, which the model itself does not pass."""
    decoder: str = ""
    """Path of the module that continues a text behind its cache; the whole model's is empty."""
    cache: str = "past_key_values"
    """Path of keys and values in the model's outputs."""
    squeezed: str | None = None
    """Path of a module whose output the model squeezes, though its first dimension is tokens."""
    needs_image: bool = False
    """Whether the model refuses a prompt without an image."""

    shares: bool = True
    """Whether samples that show the same image may share its run through the tower."""
    caches: bool = True
    """Whether choices may go on from one cache of their prompt, rather than each with all of it."""
    first_position: int = 0
    """Position of a sequence's first token, as the language model counts."""
    packs: bool = True
    """Whether they may do so in one sequence, where the model's attention allows it; otherwise each
    has a copy of the cache.
    """
    loops: bool = False
    """Whether the tower attends image by image in a loop, so that equal ones may go together."""
    batches: bool = True
    """Whether questions of different lengths go through the model together."""
    repeats: bool = False
    """Whether the tower runs several times for one batch, once per image or tile."""
    own: bool = False
    """Whether images enter by the processor's own settings, at the size that they have."""
    plain: bool = False
    """Whether its checkpoints are trained on plain prompts: a chat template is not missed."""
    computes: bool = True
    """Whether the number of visual tokens follows from a grid by a rule that was written down."""
    nested: bool = True
    """Whether the processor takes a list of images per text."""
    columns: tuple[str, ...] = ()
    """Tensors with one column per token, beside those that are known."""
    joins: Mapping[str, int] = field(default_factory=dict)
    """Dimension along which a batch's images are behind each other, by the tensor's name; the first
    where it is not told.
    """
    several_images: bool = False
    """Whether a prompt may hold several images, as few-shot demonstrations need."""
    grids_may_differ: bool = False
    """Whether the images of one prompt may be of different grids."""

    def patch(self, parts: Parts) -> int:
        """Edge in pixels of the smallest unit of the grid that becomes visual tokens."""
        return int(parts.config.vision_config.patch_size)

    def edge(self, parts: Parts) -> int:
        """Edge in pixels of the vision tower's own grid."""
        return int(parts.config.vision_config.image_size)

    def training(self, parts: Parts) -> TrainingResolution:
        """The training resolution, as far as configuration and processor tell."""
        return TrainingResolution("fixed", (self.edge(parts),))

    def refusal(self, parts: Parts) -> str | None:
        """Why the grid cannot follow the inference resolution; None where it can."""
        return None

    def limits(self, parts: Parts) -> Mapping[str, str]:
        """What its checkpoints cannot do beside that, by name, each with the reason."""
        return {}

    def grid(self, parts: Parts, information: Size) -> Size:
        """Size in pixels of the grid that follows `information`: scheme `match`."""
        patch, edge = self.patch(parts), self.edge(parts)
        return Size(
            fit(information.width, patch, edge),
            fit(information.height, patch, edge),
        )

    def trained_grid(self, parts: Parts, source: Size, training: TrainingResolution) -> Size:
        """Size in pixels of the training grid of an image of size `source`: scheme `restore`."""
        edge = self.edge(parts)
        if training == TrainingResolution("fixed", (edge,)):
            return Size(edge, edge)
        return self.grid(parts, training_size(training, source))

    def settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        """How an image of size `grid` enters the vision tower as it is."""
        call = {"do_resize": False, "do_center_crop": False}
        if getattr(parts.processor.image_processor, "do_pad", False):
            call["do_pad"] = False
        return ProcessorSettings(call=call)

    def own_settings(self, parts: Parts) -> ProcessorSettings:
        """How an image enters as the checkpoint's processor would have it."""
        return ProcessorSettings()

    def used_settings(self, parts: Parts, grid: Size) -> ProcessorSettings:
        """How an image that is drawn at the size `grid` enters: as it is, or by the processor."""
        return self.own_settings(parts) if self.own else self.settings(parts, grid)

    def under(self, scheme: str, parts: Parts, training: TrainingResolution) -> Family:
        """The family as it works under a scheme: `restore` to a training at native sizes leaves
        the grid to the checkpoint's own processor, since that is what training had.
        """
        native = training.kind == "native" and training == self.training(parts)
        return replace(self, own=True) if scheme == "restore" and native else self

    @property
    def asks_processor(self) -> bool:
        """Whether nobody but the processor says what enters of an image."""
        return self.own

    def written(self, parts: Parts, sequences: Any, inputs: Mapping[str, Any]) -> Any:
        """What the model wrote: its output, without the prompt where it begins with that."""
        if self.continues_prompt(parts):
            return sequences[:, inputs["input_ids"].shape[1] :]
        return sequences

    def visual_tokens(self, parts: Parts, grid: Size) -> int:
        """Number of tokens that `grid` becomes before the language model."""
        patch = self.patch(parts)
        return (grid.width // patch) * (grid.height // patch)

    def received(
        self, parts: Parts, grid: Size, arguments: Mapping[str, Any], samples: int
    ) -> list[TowerGrid]:
        """What entered the tower with `arguments`, for each of `samples` samples of one grid."""
        *count, _, height, width = arguments["pixel_values"].shape
        return [TowerGrid(grid=(height, width), images=share(count, samples))] * samples

    def arguments(
        self, tower: Any, positional: Sequence[Any], named: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A call of the tower by the names of its arguments."""
        pixels = {"pixel_values": positional[0]} if positional else {}
        return {**pixels, **named}

    def received_each(
        self, parts: Parts, grids: Sequence[Size], calls: Sequence[Mapping[str, Any]]
    ) -> list[TowerGrid]:
        """What entered of every image, drawn at these sizes, in all calls of the tower."""
        (arguments,) = calls
        return self.received(parts, grids[-1], arguments, len(grids))

    def pictures(self, parts: Parts, arguments: Mapping[str, Any]) -> list[TowerGrid]:
        """What entered in one call of the tower, picture by picture, whatever was expected."""
        sizes = arguments.get("image_sizes")
        if sizes is not None:  # they are padded to the largest
            rows = sizes.tolist() if hasattr(sizes, "tolist") else sizes
            return [TowerGrid(grid=(int(height), int(width))) for height, width in rows]
        *count, _, height, width = arguments["pixel_values"].shape
        return [TowerGrid(grid=(height, width))] * math.prod(count)

    def entering(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The vision tower's arguments, as the processor's tensors foretell them."""
        return inputs

    def counted_tokens(self, parts: Parts, inputs: Mapping[str, Any]) -> list[int]:
        """Visual tokens of each sample among the tensors that enter the model."""
        image = self.image_token(parts)
        return [int(row.sum()) for row in inputs["input_ids"] == image]

    def tokens_per_image(self, parts: Parts, ids: Any, images: int) -> list[int]:
        """Visual tokens of each of a prompt's `images`, among its token `ids`.

        Where text within an image parts its tokens, the images are of one grid, and share equally.

        Raises:
            ModelError: the tokens are not those of so many images.
        """
        places = groupby((ids == self.image_token(parts)).tolist())
        runs = [len(list(run)) for is_image, run in places if is_image]
        if len(runs) == images:
            return runs
        if len(runs) < images or len(runs) % images or self.grids_may_differ:
            raise ModelError(f"{len(runs)} runs of image tokens for {images} images")
        each = len(runs) // images
        return [sum(runs[place : place + each]) for place in range(0, len(runs), each)]

    def image_token(self, parts: Parts) -> int:
        """Id of the token in whose place visual tokens are put."""
        config = parts.config
        token = getattr(config, "image_token_id", None)
        return int(config.image_token_index if token is None else token)

    def prompt(
        self,
        parts: Parts,
        question: str,
        *,
        image: bool,
        demonstrations: Sequence[tuple[str, str]] = (),
        pieces: Sequence[str | int] = (),
    ) -> str:
        """The question in the checkpoint's chat template; plain where the family is, or it is told.

        Demonstrations (question, answer) are turns before it, each with an image if `image`. Of a
        question with several images, `pieces` are its texts and the images' numbers, in order.

        Raises:
            ModelError: there is no template, or it does not put image and question in the prompt.
        """
        if parts.plain or template_of(parts.processor) is None:
            if not (parts.plain or self.plain):
                raise ModelError(NO_TEMPLATE)
            if pieces:
                raise ModelError("a plain prompt has one image, and the question has several")
            earlier = "".join(
                f"{self.plain_prompt(parts, asked, image=image)} {answer}\n\n"
                for asked, answer in demonstrations
            )
            return earlier + self.plain_prompt(parts, question, image=image)
        turns = []
        for asked, answer in demonstrations:
            turns += [ChatTurn("user", asked, image), ChatTurn("assistant", answer, image=False)]
        turns.append(ChatTurn("user", question, image, tuple(pieces)))
        return rendered(parts.processor, parts.config, turns)

    def plain_prompt(self, parts: Parts, question: str, *, image: bool) -> str:
        """The question for a checkpoint without chat template."""
        mark = f"{parts.processor.image_token}\n" if image else ""
        return f"{mark}{question}\nAnswer:"

    def spelled(self, parts: Parts, prompt: str) -> str:
        """`prompt` as the processor gives it to the tokenizer, image tokens not yet repeated."""
        return prompt

    def continuation(self, parts: Parts, prompt: str, answer: str) -> str:
        """`answer` behind `prompt`: after a space where that ends in a word rather than a mark."""
        spelled = self.spelled(parts, prompt)
        marked = spelled[-1:].isspace() or spelled.endswith((">", "]"))
        return answer if marked else f" {answer}"

    def continues_prompt(self, parts: Parts) -> bool:
        """Whether the language model goes on behind its prompt, rather than encoding it."""
        return not parts.config.is_encoder_decoder

    def continued(self, batch: Mapping[str, Any], owners: Any, length: int) -> dict[str, Any]:
        """Further arguments of a pass over `length` tokens behind the cache of rows `owners`."""
        return {}


def mean_colour(parts: Parts) -> tuple[int, int, int]:
    """The colour that becomes zero once normalised: red, green and blue, to 255."""
    mean = getattr(parts.processor.image_processor, "image_mean", None) or (0.5, 0.5, 0.5)
    red, green, blue = (round(255 * value) for value in mean)
    return red, green, blue


def fit(length: int, unit: int, trained: int) -> int:
    """The nearest multiple of `unit` pixels, or the `trained` edge where that is nearer.

    Example:
        >>> fit(382, 14, 384), fit(300, 14, 384), fit(5, 14, 384)
        (384, 294, 14)
    """
    nearest = max(1, (2 * length + unit) // (2 * unit)) * unit
    return trained if abs(length - trained) < abs(length - nearest) else nearest
