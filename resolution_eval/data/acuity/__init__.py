"""Acuity: an eye chart for models, from rings and gratings to the probe that reads a server."""

from resolution_eval.data.acuity.chart_book import AcuityBook
from resolution_eval.data.acuity.probe import Ask, ProbeFinding, ProbeQuestion, probe

__all__ = ["AcuityBook", "Ask", "ProbeFinding", "ProbeQuestion", "probe"]
