"""Tiny learners of every kind, each built anew from one seed."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "families")]

import tiny_families  # noqa: E402
import tiny_flamingo  # noqa: E402

from resolution_eval.models.families import Parts, family_of  # noqa: E402
from resolution_eval.training.flamingo_learner import FlamingoLearner  # noqa: E402
from resolution_eval.training.hf_learner import HFLearner  # noqa: E402
from resolution_eval.training.start import small_learner  # noqa: E402

TRAINABLE = (
    "llava",
    "llava_next",
    "llava_onevision",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "internvl",
    "idefics3",
    "smolvlm",
    "gemma3",
    "mistral3",
    "pixtral",
    "mllama",
)
"""Families whose processors end the text in the answer's own tokens."""


def learner(name, source=None):
    if name == "resflamingo":
        return FlamingoLearner(tiny_flamingo.tiny())
    if name.startswith("small "):
        return small_learner(source, name.removeprefix("small "), 28, patch=7, seed=0)
    model, processor = copy.deepcopy(tiny_families.built(name))
    return HFLearner(family_of(model.config), Parts(model.config, processor), model)
