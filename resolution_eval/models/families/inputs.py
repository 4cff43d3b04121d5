"""A question and its image as the tensors that a checkpoint takes, and a batch of such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.parts import Parts, ProcessorSettings
from resolution_eval.models.families.tokens import check_text
from resolution_eval.resolution import Size

if TYPE_CHECKING:
    from PIL.Image import Image

Inputs = dict[str, Any]
"""Tensors by name, and lists of numbers, one entry per image, that some models take as such."""

LEFT = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")
"""Tensors with one column per token, padded on the left; zero pads all but `input_ids`."""
LEFT_MASKS = ("cross_attention_mask",)
"""The same, of more than two dimensions."""
RIGHT = ("qformer_input_ids", "qformer_attention_mask")
"""Tensors of a second tokenizer, which counts from the left."""


def prepare(
    family: Family,
    parts: Parts,
    prompt: str,
    image: Image | None,
    settings: ProcessorSettings | None = None,
    *,
    earlier: Sequence[Image] = (),
    call: Mapping[str, Any] | None = None,
) -> Inputs:
    """The tensors of one prompt with its image, which enters at the size it has.

    `call` are further arguments of the processor's call.

    Images of demonstrations, `earlier`, enter before it, by the same settings. With other
    `settings` than the family's, all enter as those say.

    Raises:
        ModelError: the prompt is not whole among the tokens, or the image has not as many as its
            grid makes.
    """
    processor = parts.processor
    begun = _begun(processor.tokenizer, prompt)
    text = {"text": [prompt], "return_tensors": "pt", "add_special_tokens": not begun}
    images = [] if image is None else [*earlier, image]
    if not images:
        inputs = _tensors(processor(**text))
    else:
        used = settings or family.used_settings(parts, Size(*images[-1].size))
        text["images"] = [images] if family.nested else images
        with used.applied(parts):
            inputs = _tensors(processor(**text, **used.call, **(call or {})))
    known = settings is None and family.computes and not family.own
    _check(family, parts, prompt, inputs, images, counted=known)
    return inputs


def _check(
    family: Family,
    parts: Parts,
    prompt: str,
    inputs: Inputs,
    images: Sequence[Image],
    *,
    counted: bool,
) -> None:
    """Refuse tensors that do not hold the prompt that was meant, or another number of visual tokens
    than the images' grids make (where that is `counted`).
    """
    grids = [Size(*image.size) for image in images]
    if counted and _as_asked(family, parts, inputs, grids):
        made = sum(family.visual_tokens(parts, grid) for grid in grids)
        (placed,) = family.counted_tokens(parts, inputs)
        if placed != made:
            raise ModelError(
                f"the processor puts {placed} image tokens into the prompt where the grid makes "
                f"{made}; look at patch_size, num_additional_image_tokens and "
                "vision_feature_select_strategy in its processor_config.json"
            )
    spelled = family.spelled(parts, prompt) if images else prompt
    tokenizer = parts.processor.tokenizer
    meant = tokenizer(spelled, add_special_tokens=not _begun(tokenizer, spelled))["input_ids"]
    check_text(meant, inputs["input_ids"][0].tolist(), family.image_token(parts), len(images))


def _as_asked(family: Family, parts: Parts, inputs: Inputs, grids: Sequence[Size]) -> bool:
    """Whether the processor left every image its grid; where not, the sample is mismatched."""
    if not grids:
        return True
    received = family.received(parts, grids[-1], family.entering(inputs), 1)
    wanted = {(grid.height, grid.width) for grid in grids}
    return {one.grid for one in received} <= wanted


def _begun(tokenizer: Any, prompt: str) -> bool:
    """Whether the prompt spells its beginning-of-text token out, as chat templates do."""
    return bool(tokenizer.bos_token) and str(tokenizer.bos_token) in prompt


def _tensors(features: Any) -> Inputs:
    """A processor's tensors and numbers, but for labels, by which PaliGemma is asked for a loss."""
    return {
        name: value
        for name, value in features.items()
        if name != "labels" and (isinstance(value, Tensor) or _numbers(value))
    }


def _numbers(value: Any) -> bool:
    """Whether a value is a list of numbers, or of such lists."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(each, int | float) or _numbers(each) for each in value)


def taken(inputs: Inputs, forward: Any) -> Inputs:
    """The inputs without lists, and types of tokens, that the model's `forward` does not name."""
    names = signature(forward).parameters
    return {
        name: value
        for name, value in inputs.items()
        if name in names or (isinstance(value, Tensor) and name != "token_type_ids")
    }


def collate(family: Family, samples: Sequence[Inputs], pad: int) -> Inputs:
    """One batch of samples with images of one grid; texts are padded on the left."""
    batch: Inputs = {}
    for name in samples[0]:
        tensors = [sample[name] for sample in samples]
        if not isinstance(tensors[0], Tensor):
            batch[name] = [entry for entries in tensors for entry in entries]
            continue
        if name in (*LEFT, *LEFT_MASKS, *RIGHT, *family.columns):
            longest = max(tensor.shape[1] for tensor in tensors)
            filler = pad if name == "input_ids" else 0
            tensors = [_padded(tensor, longest, filler, name not in RIGHT) for tensor in tensors]
        batch[name] = torch.cat(tensors, dim=family.joins.get(name, 0))
    return batch


def _padded(tensor: Tensor, length: int, filler: int, left: bool) -> Tensor:
    missing = length - tensor.shape[1]
    padding = tensor.new_full((tensor.shape[0], missing, *tensor.shape[2:]), filler)
    return torch.cat([padding, tensor] if left else [tensor, padding], dim=1)


def cut(sample: Inputs, tokens: int) -> Inputs:
    """`sample` without the last `tokens` tokens of its text."""
    return {
        name: value[:, : value.shape[1] - tokens] if name in LEFT or name in LEFT_MASKS else value
        for name, value in sample.items()
    }


def extended(sample: Inputs, tail: Sequence[int]) -> Inputs:
    """`sample` with the tokens `tail` behind its text: text too, which sees what its last does."""
    ids = sample["input_ids"]
    longer = dict(sample)
    for name, value in sample.items():
        if not isinstance(value, Tensor) or value.shape[:2] != ids.shape:
            continue
        if name == "input_ids":
            more = ids.new_tensor([list(tail)])
        elif value.ndim > 2:
            more = value[:, -1:].expand(-1, len(tail), *value.shape[2:])
        else:
            more = value.new_full((1, len(tail)), int(name == "attention_mask"))
        longer[name] = torch.cat([value, more], dim=1)
    return longer


def tokenise(family: Family, parts: Parts, prompt: str, rest: str = "") -> tuple[list[int], int]:
    """Token ids of `prompt + rest` tokenised together, and the index of the first that is `rest`'s.

    Image tokens are not repeated here.

    Raises:
        ModelError: the tokenizer cannot tell its tokens' places in the text.
    """
    tokenizer = parts.processor.tokenizer
    if not tokenizer.is_fast:
        raise ModelError("the tokenizer gives no character offsets; answer_mode=rank needs them")
    spelled = family.spelled(parts, prompt)
    encoding = tokenizer(
        spelled + rest,
        return_offsets_mapping=True,
        add_special_tokens=not _begun(tokenizer, spelled),
    )
    ids, ends = list(encoding["input_ids"]), [end for _, end in encoding["offset_mapping"]]
    while ids and ends[-1] == 0:
        ids.pop()
        ends.pop()
    start = next((place for place, end in enumerate(ends) if end > len(spelled)), len(ids))
    return ids, start
