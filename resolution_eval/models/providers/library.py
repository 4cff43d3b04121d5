"""The library of providers' rules, read from its TOML files, one for each provider."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from resolution_eval.data.cards.card_base import CardBase, Name, Text, Url
from resolution_eval.data.cards.card_files import parse_card
from resolution_eval.ground import paths
from resolution_eval.models.providers.rule import Listed, Rule


class RuleTally(CardBase):
    """A place where a server counts the tokens of an image."""

    where: Text
    words: Text
    read: datetime.date
    url: Url


class Provider(CardBase):
    """One provider or server program, with its rules and where it counts."""

    provider: Name
    title: Text
    rules: Listed[Rule] = ()
    counts: Listed[RuleTally] = ()


def parse_provider(text: str, origin: str = "provider file") -> Provider:
    """The provider described in TOML in `text`; `origin` names it in errors.

    Raises:
        CardError: not TOML, a key missing or unknown, or a value outside its rule.
    """
    return parse_card(Provider, text, origin)


@cache
def providers() -> Mapping[str, Provider]:
    """Every provider, by name."""
    files = sorted((paths.models() / "providers").glob("*.toml"))
    return {provider.provider: provider for provider in map(_read, files)}


def _read(path: Path) -> Provider:
    return parse_provider(path.read_text(encoding="utf-8"), path.name)


def rules() -> Iterator[tuple[str, Rule]]:
    """Every rule with its title, earliest first."""
    pairs = [
        (rule.title(provider.provider), rule)
        for provider in providers().values()
        for rule in provider.rules
    ]
    return iter(sorted(pairs, key=lambda pair: (pair[1].read, pair[0])))


def find_rule(model: str, on: datetime.date | None = None) -> tuple[str, Rule] | None:
    """Title and rule that hold for `model`: the last that was read by the date `on`, if given.

    None where no rule names the model: nothing is then predicted.

    Example:
        >>> find_rule("claude-opus-4-8")[0], find_rule("gpt-4o-mini")
        ('anthropic/claude-later@2026-10-01', None)
    """
    named = [
        (title, rule)
        for title, rule in rules()
        if rule.holds_for(model) and (on is None or rule.read <= on)
    ]
    return named[-1] if named else None
