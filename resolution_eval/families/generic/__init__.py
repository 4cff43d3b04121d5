"""Families that nobody wrote: found by trying what a checkpoint's processor and model take."""

from __future__ import annotations

from resolution_eval.families.generic.family import GenericFamily
from resolution_eval.families.generic.probe import generic_family

__all__ = ["GenericFamily", "generic_family"]
