"""Families that nobody wrote: found by trying what a checkpoint's processor and model take."""

from __future__ import annotations

from resolution_eval.models.families.generic.construction import generic_family
from resolution_eval.models.families.generic.family import GenericFamily

__all__ = ["GenericFamily", "generic_family"]
