"""Flamingo on the real open_flamingo modules: encode at any grid, rank, generate, save and load."""

from __future__ import annotations

from resolution_eval.models.flamingo.bundle import FlamingoBundle, build
from resolution_eval.models.flamingo.checkpoint_folder import load_folder, save_folder
from resolution_eval.models.flamingo.config import FlamingoConfig
from resolution_eval.models.flamingo.likelihood import loglikelihood, rank
from resolution_eval.models.flamingo.pretrained import load_pretrained
from resolution_eval.models.flamingo.text import Batch, JointText, join, logits, pad, tokenise
from resolution_eval.models.flamingo.vision import EncodedImages, encode, joined, normalise
from resolution_eval.models.flamingo.writer import decoding, generate, write

__all__ = [
    "Batch",
    "EncodedImages",
    "FlamingoBundle",
    "FlamingoConfig",
    "JointText",
    "build",
    "decoding",
    "encode",
    "generate",
    "join",
    "joined",
    "load_folder",
    "load_pretrained",
    "logits",
    "loglikelihood",
    "normalise",
    "pad",
    "rank",
    "save_folder",
    "tokenise",
    "write",
]
