"""Finding the module of an unknown model where its images enter."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

TEXTS = ("input_ids", "inputs_embeds", "decoder_input_ids")
"""Arguments of modules that read text: the whole model and its language model."""
PIXELS = ("pixel_values", "pixel_values_images", "flattened_patches", "image_patches", "images")
"""Names that processors give to what they made of images."""

Call = tuple[str, Mapping[str, Any]]
"""A module's path, and its arguments by name."""


def named_arguments(
    module: nn.Module, positional: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """A call's arguments by the names that the module's `forward` gives them."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    names = [
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    spare = [f"argument {place}" for place in range(len(names), len(positional))]
    return {**dict(zip([*names, *spare], positional, strict=False)), **named}


@contextmanager
def noted_calls(model: nn.Module) -> Iterator[tuple[list[Call], dict[str, int]]]:
    """The calls of all modules in order, and the number of tokens that each first made of a row."""
    calls: list[Call] = []
    lengths: dict[str, int] = {}

    def before(path: str, module: Any, positional: Any, named: dict[str, Any]) -> None:
        calls.append((path, named_arguments(module, positional, named)))

    def after(path: str, module: Any, tensors: Any, output: Any) -> None:
        states = next(iter(output.values()), None) if isinstance(output, Mapping) else output
        states = states[0] if isinstance(states, tuple) and states else states
        if isinstance(states, Tensor) and states.ndim == 3:
            lengths.setdefault(path, int(states.shape[1]))

    with ExitStack() as stack:
        for path, module in model.named_modules():
            entering = module.register_forward_pre_hook(partial(before, path), with_kwargs=True)
            stack.enter_context(entering)
            stack.enter_context(module.register_forward_hook(partial(after, path)))
        yield calls, lengths


def pixel_tensors(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a processor made of images: floating tensors, not flat or by a name that is known."""
    return {
        name: value
        for name, value in inputs.items()
        if isinstance(value, Tensor)
        and value.is_floating_point()
        and (value.ndim > 2 or name in PIXELS or "pixel" in name or "patch" in name)
    }


def entrances(calls: Sequence[Call], inputs: Mapping[str, Any]) -> list[str]:
    """The paths of modules that got the pixels themselves, outermost first.

    A module counts whose argument begins with the values of what the processor made of an image;
    one that also gets text is the model around it.
    """
    starts = [_start(tensor) for tensor in pixel_tensors(inputs).values()]
    paths: dict[str, None] = {}
    for path, arguments in calls:
        if not path or any(arguments.get(name) is not None for name in TEXTS):
            continue
        tensors = [value for value in arguments.values() if isinstance(value, Tensor)]
        if any(_start(tensor) in starts for tensor in tensors if tensor.is_floating_point()):
            paths.setdefault(path)
    return list(paths)


def _start(tensor: Tensor) -> tuple[float, ...]:
    """The first values of a tensor, rounded: enough to know noise by."""
    values = tensor.detach().float().flatten()[:12]
    return tuple(round(value, 3) for value in values.tolist())
