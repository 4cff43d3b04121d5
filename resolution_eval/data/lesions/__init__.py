"""Lesions: phantoms of findings with known size, contrast and place. They are no medical images."""

from resolution_eval.data.lesions.lesion_book import LesionBook

__all__ = ["LesionBook"]
