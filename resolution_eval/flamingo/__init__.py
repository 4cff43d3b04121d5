"""Flamingo on the real open_flamingo modules: encode at any grid, rank, generate, save and load."""

from __future__ import annotations

from resolution_eval.flamingo.config import FlamingoConfig
from resolution_eval.flamingo.folder import load_folder, save_folder
from resolution_eval.flamingo.generation import decoding, generate, write
from resolution_eval.flamingo.model import FlamingoBundle, build
from resolution_eval.flamingo.pretrained import load_pretrained
from resolution_eval.flamingo.scoring import loglikelihood, rank
from resolution_eval.flamingo.text import Batch, Joined, join, logits, pad, tokenise
from resolution_eval.flamingo.vision import Encoded, encode, joined

__all__ = [
    "Batch",
    "Encoded",
    "FlamingoBundle",
    "FlamingoConfig",
    "Joined",
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
    "pad",
    "rank",
    "save_folder",
    "tokenise",
    "write",
]
