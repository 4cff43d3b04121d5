"""Flamingo on the real open_flamingo modules: encode at any grid, rank, generate, save and load."""

from __future__ import annotations

from resolution_eval.flamingo.config import FlamingoConfig
from resolution_eval.flamingo.folder import load_folder, save_folder
from resolution_eval.flamingo.model import FlamingoBundle, build
from resolution_eval.flamingo.text import logits
from resolution_eval.flamingo.vision import Encoded, encode

__all__ = [
    "Encoded",
    "FlamingoBundle",
    "FlamingoConfig",
    "build",
    "encode",
    "load_folder",
    "logits",
    "save_folder",
]
