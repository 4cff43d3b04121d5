"""Checkpoints: the model cards as one table, for `resolution-eval models`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tabulate import tabulate

from resolution_eval.data.cards import ModelCard, model_cards
from resolution_eval.ground.errors import UsageError, suggest

FAMILIES = {
    "openflamingo": "OpenFlamingo",
    "llava": "LLaVA-1.5 and its architecture",
    "llava_next": "LLaVA-NeXT",
    "llava_onevision": "LLaVA-OneVision",
    "qwen2_vl": "Qwen2-VL",
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen3_vl": "Qwen3-VL",
    "internvl": "InternVL",
    "idefics3": "Idefics3",
    "smolvlm": "SmolVLM",
    "paligemma": "PaliGemma",
    "gemma3": "Gemma 3 and MedGemma",
    "gemma3n": "Gemma 3n",
    "lfm2_vl": "LFM2-VL",
    "mistral3": "Mistral Small",
    "pixtral": "Pixtral",
    "mllama": "Llama 3.2 Vision",
    "instructblip": "InstructBLIP",
    "aya_vision": "Aya Vision",
    "cohere2_vision": "Command A Vision",
    "gemma4": "Gemma 4",
    "qwen3_5": "Qwen3.5",
    "qwen3_5_moe": "Qwen3.5, mixtures of experts",
    "glm4v": "GLM-4.1V",
    "glm46v": "GLM-4.6V Flash",
    "glm4v_moe": "GLM-4.5V and 4.6V",
    "minicpmv": "MiniCPM-V 4.5",
    "minicpmv4_6": "MiniCPM-V 4.6",
    "minicpmv4_7": "MiniCPM-V 4.7",
    "kimi_vl": "Kimi-VL",
    "kimi_k25": "Kimi K2.5",
    "llama4": "Llama 4",
    "phi4_multimodal": "Phi-4-multimodal",
    "molmo2": "Molmo 2",
    "ovis": "Ovis 2",
    "llava_onevision_1_5": "LLaVA-OneVision-1.5",
    "llava_med": "LLaVA-Med",
    "llava_rad": "LLaVA-Rad",
    "biomedgpt": "BiomedGPT",
    "chexagent": "CheXagent",
    "hulumed": "Hulu-Med",
    "m3d": "M3D-LaMed",
    "maira": "MAIRA",
    "medvint": "MedVInT",
    "radfm": "RadFM",
    "vila": "VILA-M3",
    "healthgpt": "HealthGPT",
    "bimedix2": "BiMediX2",
    "slidechat": "SlideChat",
}
"""Every family that a card may name, to its heading; in the order of the page."""

MARK = "?"
"""Follows a value that the card lists as unconfirmed."""


def selected(
    *,
    name: str | None = None,
    family: str | None = None,
    training: str | None = None,
    adapter: str | None = None,
) -> list[ModelCard]:
    """The cards of that name, or whose name holds it, of a family, a training, an adapter.

    Raises:
        UsageError: no card is so.
    """
    cards = ordered_cards()
    for what, asked in (("family", family), ("adapter", adapter)):
        values = {getattr(card, what) for card in cards}
        if asked is not None and asked not in values:
            raise UsageError(f"no checkpoint of the {what} {asked!r}; {suggest(asked, values)}")
    matches = [
        card
        for card in cards
        if family in (None, card.family)
        and adapter in (None, card.adapter)
        and (training is None or card.training.partition(":")[0] == training)
    ]
    return matches if name is None else _named(name, matches)


def _named(name: str, cards: Sequence[ModelCard]) -> list[ModelCard]:
    exact = [card for card in cards if name in (card.pretrained, card.name)]
    parts = [card for card in cards if name.lower() in card.pretrained.lower()]
    if not exact and not parts:
        advice = suggest(name, [card.pretrained for card in cards])
        close = advice if advice.startswith("did") else "resolution-eval models lists them"
        raise UsageError(f"no checkpoint has {name!r} in its name; {close}")
    return exact or parts


def describe(card: ModelCard) -> str:
    """All that is known of one checkpoint."""
    training, edges, tokens = resolution_words(card)
    facts = {
        "checkpoint": card.pretrained,
        "family": card.family,
        "training": training,
        "range": edges and f"{edges} px, edge of a square",
        "tile": card.tile and f"{card.tile} px",
        "tokens": tokens,
        "adapter": card.adapter,
        "licence": card.licence,
        "known from": card.evidence,
        "see": card.evidence_url,
        "trained on": ", ".join(card.trained_on),
        "not confirmed": ", ".join(card.unconfirmed),
    }
    lines = [f"{name:13} {value}" for name, value in facts.items() if value]
    if card.adapter == "reshf":
        lines += ["", f"score it: resolution-eval score {card.pretrained} IMAGES"]
    return "\n".join(lines)


def listing(cards: Sequence[ModelCard]) -> str:
    """The cards, a line of plain text each: checkpoint, training, range, tokens, adapter."""
    headers = ("checkpoint", "family", "training", "range", "tokens", "adapter")
    rows = [(card.pretrained, card.family, *resolution_words(card), card.adapter) for card in cards]
    note = f"{len(rows)} checkpoints; {MARK} marks what is not confirmed. Evidence: docs/models.md"
    return f"{tabulate(rows, headers=headers, disable_numparse=True)}\n\n{note}"


def ordered_cards() -> list[ModelCard]:
    """The cards by family, in the families' order, then as their files are named."""
    order = {family: place for place, family in enumerate(FAMILIES)}
    return sorted(model_cards().values(), key=lambda card: order.get(card.family, len(order)))


def resolution_words(card: ModelCard) -> tuple[str, str, str]:
    """Training resolution, range in edges of a square, and tokens, as they are shown."""
    training = doubted(card, "training", card.training)
    edges = " to ".join(f"{math.sqrt(pixels):.0f}" for pixels in card.training_range or ())
    tokens = " to ".join(f"{count:,}" for count in card.tokens)
    return training, doubted(card, "training_range", edges), doubted(card, "tokens", tokens)


def doubted(card: ModelCard, key: str, text: str) -> str:
    return f"{text} {MARK}" if key in card.unconfirmed else text
