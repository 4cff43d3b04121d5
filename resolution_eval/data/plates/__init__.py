"""Plates: images that are drawn to measure what a model sees, each known to the pixel."""

from resolution_eval.data.plates.plate import Book, Plate

__all__ = ["Book", "Plate"]
