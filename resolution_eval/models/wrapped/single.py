"""Single: models of lmms-eval's that take one image per question, whatever they are handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resolution_eval.models.wrapped.base_plan import BasePlan


@dataclass(frozen=True)
class Reason:
    """Why a base takes one image, and the words of its code (lmms-eval 0.7) that show it."""

    told: str
    shown: str


SINGLE: Mapping[str, Reason] = {
    "cogvlm2": Reason("stops at several", "assert len(visuals) == 1"),
    "minicpm_v": Reason("stops at several", "assert len(visuals) == 1"),
    "fuyu": Reason("takes the first alone", "only_get_first=True"),
    "internvl": Reason("takes the first alone", "flattened_visuals[0]"),
    "instructblip": Reason("joins several into one picture", "Concat it into one image"),
}
"""Simple forms of lmms-eval's models, by name."""


def single_image(plan: BasePlan) -> str | None:
    """Why the base takes one image per question; None where nothing in its code says so."""
    reason = None if plan.chat else SINGLE.get(plan.name)
    return None if reason is None else f"base={plan.name} {reason.told}"
