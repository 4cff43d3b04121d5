"""The arguments of `--model_args`, checked: an error says which names and values are allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loguru import logger

from resolution_eval.evidence.attestation import Scheme
from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.images import FILTERS
from resolution_eval.resolution import TrainingResolution

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

SCHEMES = ("match", "restore")
ANSWER_MODES = ("rank", "generate")
DTYPES = ("float32", "bfloat16", "float16")
QUANTISATION = (
    "load_in_8bit",
    "load_in_4bit",
    "bnb_4bit_compute_dtype",
    "bnb_4bit_quant_type",
    "bnb_4bit_use_double_quant",
)
"""Arguments that transformers' BitsAndBytesConfig takes."""
COMMON = (
    "scheme",
    "filter",
    "train_resolution",
    "answer_mode",
    "blind",
    "device",
    "batch_size",
    "tf32",
)
"""Arguments of every adapter."""
RESFLAMINGO = ("pretrained", *COMMON, "dtype", "trust_remote_code", "revision")
"""Arguments of `resflamingo`."""
SOURCES = ("base", "processor", "chat_template")
"""Arguments that name what a checkpoint's folder has not."""
RESHF = (
    *RESFLAMINGO,
    "device_map",
    "attn_implementation",
    *SOURCES,
    *QUANTISATION,
)
"""Arguments of `reshf`."""
AUTO_BATCH = 32
"""Batch size under `--batch_size auto`; a batch that does not fit the memory is split in halves."""


@dataclass(frozen=True, kw_only=True)
class Common:
    """The arguments that every adapter takes, checked."""

    scheme: Scheme | None
    """As `filter`, None leaves it to the task."""
    filter: str | None
    train_resolution: str | int | None
    answer_mode: str | None
    blind: bool
    device: str | None
    batch: int
    """Samples per forward pass, at first."""
    grows: bool
    """Whether that may become more, grid by grid, as far as the memory of a GPU goes."""
    tf32: bool
    """Whether a GPU may compute float32 in TF32."""


def common(given: dict[str, Any], answer_modes: Sequence[str] = ANSWER_MODES) -> Common:
    """Takes the arguments of every adapter out of `given`.

    Raises:
        UsageError: a value is impossible.
    """
    told = {name: given.pop(name, None) for name in (*COMMON, "max_batch_size")}
    size, most = told["batch_size"], told["max_batch_size"]
    return Common(
        scheme=one_of("scheme", told["scheme"], SCHEMES),  # type: ignore[arg-type]
        filter=one_of("filter", told["filter"], FILTERS),
        train_resolution=told["train_resolution"],
        answer_mode=one_of("answer_mode", told["answer_mode"], answer_modes),
        blind=flag("blind", False if told["blind"] is None else told["blind"]),
        device=told["device"],
        batch=batch_size(size, most),
        grows=str(size).startswith("auto") and most is None,
        tf32=flag("tf32", False if told["tf32"] is None else told["tf32"]),
    )


def model_arguments(text: str) -> dict[str, str]:
    """The arguments written in `text` as `name=value,name=value`.

    Example:
        >>> model_arguments("pretrained=folder,scheme=restore")
        {'pretrained': 'folder', 'scheme': 'restore'}

    Raises:
        UsageError: a part has no name or no value.
    """
    arguments = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--model_args are name=value,name=value; received {part!r}")
        arguments[name.strip()] = value.strip()
    return arguments


def refuse_unknown(given: Mapping[str, Any], allowed: Sequence[str], adapter: str) -> None:
    """Raise UsageError for the first name in `given` that is not allowed."""
    for name in given:
        if name not in allowed:
            raise UsageError(f"{adapter} has no argument {name!r}; {suggest(name, allowed)}")


def one_of(name: str, value: str | None, allowed: Iterable[str]) -> str | None:
    """`value`, if it is among `allowed` or not given.

    Raises:
        UsageError: it is neither.
    """
    options = list(allowed)
    if value is not None and value not in options:
        raise UsageError(f"{name}={value!r} is impossible; {suggest(str(value), options)}")
    return value


def batch_size(value: int | str | None, most: int | None) -> int:
    """Samples per forward pass: a whole number from 1, or "auto" for as many as fit, `AUTO_BATCH`
    at most.

    Raises:
        UsageError: it is neither.
    """
    if value is None:
        return 1
    if str(value).split(":")[0] == "auto":
        return most or AUTO_BATCH
    if not str(value).isdecimal() or int(value) < 1:
        raise UsageError(f"batch_size={value!r} is impossible; give a whole number from 1, or auto")
    return int(value)


def flag(name: str, value: object) -> bool:
    """A true-or-false argument, as lmms-eval's parser or a shell may spell it.

    Raises:
        UsageError: it is neither true nor false.
    """
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise UsageError(f"{name}={value!r} is impossible; give true or false")
    return known[str(value).lower()]


def declared_training(given: str | int | None, known: TrainingResolution) -> TrainingResolution:
    """The training resolution: as given, otherwise as it is known.

    Raises:
        UsageError: what is given is none.
    """
    if given is None:
        return known
    declared = TrainingResolution.parse(f"fixed:{given}" if str(given).isdecimal() else str(given))
    logger.info(f"train_resolution={declared} overrides the checkpoint's {known}")
    return declared


def checked_device(given: str | None, accelerator: Accelerator) -> torch.device:
    """The device asked for, or this process's own.

    Raises:
        UsageError: it does not exist here.
    """
    import torch

    if given is None or accelerator.num_processes > 1:
        own: torch.device = accelerator.device
        return own
    try:
        device = torch.device(given)
    except RuntimeError:
        raise UsageError(f"device={given!r} is impossible; give cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device={given!r}: this machine has {torch.cuda.device_count()} CUDA devices; "
            "give device=cpu"
        )
    return device
