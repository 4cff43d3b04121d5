"""Faults of lmms-eval's models that keep them from answering, mended around them.

Each is named with the version in which it was seen; none touches how an image is resized.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

from resolution_eval.ground.errors import ModelError

HUGGINGFACE = "lmms_eval.models.chat.huggingface"
DISTRUSTED = {"lmms_eval.models.simple.qwen3_vl"}
"""Modules that would run a configuration's own code, which is not needed, and are not let."""


@contextmanager
def video_reader() -> Iterator[None]:
    """Lets a module import `decord` where it is not installed.

    Many models import this reader of videos at their top (0.7.3), which we never show them.
    """
    if importlib.util.find_spec("decord") is not None:
        yield
        return
    absent = ModuleType("decord")
    absent.VideoReader = absent.cpu = _no_videos  # type: ignore[attr-defined]
    sys.modules["decord"] = absent
    try:
        yield
    finally:
        del sys.modules["decord"]


def _no_videos(*_: Any, **__: Any) -> None:
    raise ModelError("videos need the package decord, which is not installed")


@contextmanager
def repaired(maker: type) -> Iterator[None]:
    """Has the class `maker` load what it should, while it is built.

    `huggingface` compares a configuration's name with classes, and so takes `AutoModel`, which
    cannot generate, for every checkpoint (0.7.3).
    """
    with ExitStack() as stack:
        for module in {parent.__module__ for parent in maker.__mro__}:
            if module == HUGGINGFACE:
                stack.enter_context(patch.object(sys.modules[module], "AutoModel", _WithHead))
            if module in DISTRUSTED:
                stack.enter_context(patch.object(sys.modules[module], "AutoConfig", _Distrusting))
        yield


class _Distrusting:
    """Reads a configuration with transformers' own code alone."""

    @staticmethod
    def from_pretrained(pretrained: str, **arguments: Any) -> Any:
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(pretrained, **{**arguments, "trust_remote_code": False})


class _WithHead:
    """Loads a checkpoint as a model of images and text; what is none, as transformers would."""

    @staticmethod
    def from_pretrained(pretrained: str, **arguments: Any) -> Any:
        from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

        remote = bool(arguments.get("trust_remote_code", False))
        config = AutoConfig.from_pretrained(pretrained, trust_remote_code=remote)
        known = type(config) in AutoModelForImageTextToText._model_mapping
        loader = AutoModelForImageTextToText if known else AutoModel
        return loader.from_pretrained(pretrained, **arguments)


class Sparing:
    """A processor that is not told of media which are not there, and pads texts on the left.

    `huggingface` hands over empty lists of videos and, under a name that transformers 5 refuses,
    of audio; and it pads a batch on the right, behind which nothing can be generated (0.7.3).
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        if hasattr(processor, "tokenizer"):
            processor.tokenizer.padding_side = "left"

    def __call__(self, **arguments: Any) -> Any:
        media = ("images", "videos", "audios")
        told = {key: value for key, value in arguments.items() if key not in media or value}
        return self._processor(**told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)


def mend(base: Any) -> None:
    """Mend a base that is built."""
    if type(base).__module__ == HUGGINGFACE:
        base.processor = Sparing(base.processor)
