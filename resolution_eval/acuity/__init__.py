"""Acuity: an eye chart for models, from rings and gratings to the probe that reads a server."""

from resolution_eval.acuity.book import AcuityBook

__all__ = ["AcuityBook"]
