"""What providers and servers make of an image, by the dated rules that they publish.

A rule predicts; it attests nothing. A model that no rule names is unknown, and is never guessed.
"""

from __future__ import annotations

from resolution_eval.models.providers.forecast import Forecast
from resolution_eval.models.providers.library import Provider, find_rule, providers, rules
from resolution_eval.models.providers.rule import Rule

__all__ = ["Forecast", "Provider", "Rule", "find_rule", "providers", "rules"]
