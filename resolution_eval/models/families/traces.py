"""What fine-tuning tools leave of a training's resolution in the folder that they write.

| tool | file | what says it |
| --- | --- | --- |
| ms-swift | args.json | `max_pixels`, also among `model_kwargs` |
| LLaMA-Factory | training_args.yaml | `image_max_pixels`, of old `image_resolution` |
| axolotl | axolotl.yaml, config.yaml, README.md | `image_size` |
| any (TRL, Unsloth) | preprocessor_config.json | a limit of pixels below the base's |

A limit of pixels is taken as the training resolution: larger images were reduced to it. TRL and
Unsloth write no resolution down; what Unsloth's collator resized to is in the user's script alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from resolution_eval.declaration import KnownTraining
from resolution_eval.ground.notation import NotationError, json_value, yaml_value
from resolution_eval.resolution import LARGEST, TrainingResolution

UNLIMITED = 4_000_000
"""Pixels from which a limit is none: few images reach it, and the default of Qwen-VL's is above."""
DEFAULTS = {
    "qwen2_vl": 12_845_056,
    "qwen2_5_vl": 12_845_056,
    "qwen3_vl": 16_777_216,
    "qwen3_vl_moe": 16_777_216,
    "qwen3_5": 16_777_216,
    "qwen3_5_moe": 16_777_216,
}
"""Limit of pixels in the processor that the base is published with, by its type."""
OF_THE_CLASS = 28 * 28 * 1280
"""The limit that transformers' class has where a file names none: nobody chose it."""
KWARGS = ("max_pixels", "MAX_PIXELS")


def traced(folder: Path | str) -> KnownTraining | None:
    """The training resolution that the tool which trained it wrote down; None where none did."""
    place = Path(folder)
    if not place.is_dir():
        return None
    return next((known for reader in READERS for known in reader(place)), None)


def _limited(pixels: Any, where: str) -> Iterator[KnownTraining]:
    """What a limit of pixels says."""
    if isinstance(pixels, str) and pixels.isdecimal():
        pixels = int(pixels)
    if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < 1:
        return
    if pixels >= UNLIMITED:
        training, meaning = TrainingResolution("native"), ", a limit that few images reach"
    else:
        training = TrainingResolution("fixed", (isqrt(pixels),))
        meaning = ": larger images were reduced to it"
    yield KnownTraining(training=training, evidence=f"{where} = {pixels}{meaning}")


def _edge(edge: Any, where: str) -> Iterator[KnownTraining]:
    """What an edge of the images says."""
    if isinstance(edge, int) and not isinstance(edge, bool) and 1 <= edge <= LARGEST:
        yield KnownTraining(
            training=TrainingResolution("fixed", (edge,)), evidence=f"{where} = {edge}"
        )


def _swift(folder: Path) -> Iterator[KnownTraining]:
    for place in (folder, folder.parent):
        told = _told(place / "args.json")
        if "model_kwargs" not in told and "max_pixels" not in told:
            continue
        where = "args.json of ms-swift: max_pixels"
        kwargs = told.get("model_kwargs")
        if isinstance(kwargs, str):
            kwargs = _table(kwargs, json_value)
        inner = kwargs if isinstance(kwargs, Mapping) else {}
        for value in (told.get("max_pixels"), *(inner.get(name) for name in KWARGS)):
            yield from _limited(value, where)


def _factory(folder: Path) -> Iterator[KnownTraining]:
    for name in ("training_args.yaml", "llamaboard_config.yaml"):
        for place in (folder, folder.parent):
            told = _told(place / name)
            told = {key.removeprefix("train."): value for key, value in told.items()}
            where = f"{name} of LLaMA-Factory"
            yield from _limited(told.get("image_max_pixels"), f"{where}: image_max_pixels")
            edge = told.get("image_resolution")
            if isinstance(edge, int):
                yield from _limited(edge * edge, f"{where}: image_resolution squared")


CONFIG = re.compile(r"axolotl config.*?```ya?ml\n(.*?)```", re.DOTALL)
"""The configuration in the card that axolotl writes beside a checkpoint."""


def _axolotl(folder: Path) -> Iterator[KnownTraining]:
    for name in ("axolotl.yaml", "axolotl.yml", "axolotl_config.yaml"):
        told = _told(folder / name)
        yield from _edge(told.get("image_size"), f"{name} of axolotl: image_size")
    match = CONFIG.search(_text(folder / "README.md"))
    if match is not None:
        told = _table(match.group(1), yaml_value)
        yield from _edge(told.get("image_size"), "README.md of axolotl: image_size")


def _preprocessor(folder: Path) -> Iterator[KnownTraining]:
    """A limit of pixels that is lower than the one that the base is published with."""
    usual = DEFAULTS.get(str(_told(folder / "config.json").get("model_type")))
    if usual is None:
        return
    for name in ("preprocessor_config.json", "processor_config.json"):
        told = _told(folder / name)
        told = told.get("image_processor", told)
        size = told.get("size")
        edges = size if isinstance(size, Mapping) else {}
        limit = told.get("max_pixels") or edges.get("longest_edge")
        if isinstance(limit, int) and limit < UNLIMITED and limit != OF_THE_CLASS:
            where = f"{name}, changed from its base's {usual}: limit of pixels"
            yield from _limited(limit, where)


READERS: tuple[Callable[[Path], Iterator[KnownTraining]], ...] = (
    _swift,
    _factory,
    _axolotl,
    _preprocessor,
)
"""In the order in which they are believed."""


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") if file.is_file() else ""
    except UnicodeDecodeError:
        return ""


def _table(text: str, value: Callable[[str], Any]) -> dict[str, Any]:
    """The table that a text in JSON or YAML holds; empty where it holds none."""
    try:
        table = value(text) if text else {}
    except NotationError:
        return {}
    return {str(key): each for key, each in table.items()} if isinstance(table, dict) else {}


def _told(file: Path) -> dict[str, Any]:
    return _table(_text(file), json_value if file.suffix == ".json" else yaml_value)
