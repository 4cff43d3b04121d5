"""Cards read from their files, all of them or one; what is wrong with one is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from resolution_eval.data.cards.card_base import CardBase
from resolution_eval.data.cards.model_card import ModelCard
from resolution_eval.data.cards.task_card import TaskCard
from resolution_eval.ground import paths
from resolution_eval.ground.errors import CardError
from resolution_eval.ground.notation import NotationError, toml_table, unambiguous
from resolution_eval.ground.refusals import told

Card = TypeVar("Card", bound=CardBase)


def parse_task_card(text: str, origin: str = "task card") -> TaskCard:
    """The task card in `text`, in TOML as shipped or in JSON as derived; `origin` names it in
    errors.

    Raises:
        CardError: neither, a key missing or unknown, or a value outside its rule.
    """
    if text.lstrip().startswith("{"):
        try:
            text = unambiguous(text)
        except NotationError as error:
            raise CardError(f"{origin}: {error}") from error
        return _checked(TaskCard, lambda: TaskCard.model_validate_json(text), origin)
    return parse_card(TaskCard, text, origin)


def parse_model_card(text: str, origin: str = "model card") -> ModelCard:
    """The model card written in TOML in `text`; `origin` names it in errors.

    Raises:
        CardError: not TOML, a key missing or unknown, or a value outside its rule.
    """
    return parse_card(ModelCard, text, origin)


def task_card(facts: Mapping[str, Any], origin: str = "task card") -> TaskCard:
    """The task card of these keys and values; `origin` names it in errors.

    Raises:
        CardError: a key missing or unknown, or a value outside its rule.
    """
    return _checked(TaskCard, lambda: TaskCard.model_validate(facts), origin)


def parse_card(schema: type[Card], text: str, origin: str) -> Card:
    """The card of the class `schema` written in TOML in `text`; `origin` names it in errors.

    Raises:
        CardError: not TOML, a key missing or unknown, or a value outside its rule.
    """
    try:
        facts = toml_table(text)
    except NotationError as error:
        raise CardError(f"{origin} is {error}") from error
    return _checked(schema, lambda: schema.model_validate(facts), origin)


def _checked(schema: type[Card], make: Callable[[], Card], origin: str) -> Card:
    """What `make` makes, its faults told in the words of `schema`.

    Raises:
        CardError: it is refused.
    """
    try:
        return make()
    except ValidationError as error:
        raise CardError(f"{origin}: {'; '.join(told(error, schema.model_fields))}") from error


@cache
def task_cards() -> Mapping[str, TaskCard]:
    """Every task card in the tasks folder (`<data set>/card.toml`), by name.

    Raises:
        CardError: a card breaks its schema, or two have one name.
    """
    return _collect(TaskCard, sorted(paths.tasks().glob("*/card.toml")), "name")


@cache
def model_cards() -> Mapping[str, ModelCard]:
    """Every model card in the models folder, by checkpoint (`pretrained`).

    Raises:
        CardError: a card breaks its schema, or two describe one checkpoint.
    """
    return _collect(ModelCard, sorted(paths.models().glob("*.toml")), "pretrained")


def _collect(schema: type[Card], files: list[Path], key: str) -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for file in files:
        card = parse_card(schema, file.read_text(encoding="utf-8"), str(file))
        name = str(getattr(card, key))
        if name in cards:
            raise CardError(f"{file}: another card has the {key} {name!r} already; rename one")
        cards[name] = card
    return cards
