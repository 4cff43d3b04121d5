"""LLaVA-1.5: one image on a square tower; the model's own forward knows only the trained grid."""

from __future__ import annotations

from resolution_eval.families.base import Family

LLAVA = Family(name="llava", model_types=("llava",), interpolates=True, several_images=True)
"""Its forward drops `interpolate_pos_encoding`, so the tower has to be told apart from it."""
