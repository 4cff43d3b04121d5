"""Lesions: phantoms of findings with known size, contrast and place. They are no medical images."""

from resolution_eval.lesions.book import LesionBook

__all__ = ["LesionBook"]
