"""Plates: images that are drawn to measure what a model sees, each known to the pixel."""

from resolution_eval.plates.plate import Book, Plate
from resolution_eval.plates.source import PlateSource

__all__ = ["Book", "Plate", "PlateSource"]
