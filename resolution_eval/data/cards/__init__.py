"""Cards: what is known of a task or a checkpoint, as frozen records read from TOML.

| module | noun |
| --- | --- |
| `task_card` | the card of a data set and its task |
| `model_card` | the card of a checkpoint |
| `card_files` | cards read from their files |
| `card_base` | what both kinds share |
"""

from resolution_eval.data.cards.card_files import (
    model_cards,
    parse_model_card,
    parse_task_card,
    task_card,
    task_cards,
)
from resolution_eval.data.cards.model_card import FlamingoCard, ModelCard
from resolution_eval.data.cards.task_card import (
    GENERATED,
    ArchiveCard,
    ChexpertCard,
    HubCard,
    NpzCard,
    TaskCard,
    display_options,
)

__all__ = [
    "GENERATED",
    "ArchiveCard",
    "ChexpertCard",
    "FlamingoCard",
    "HubCard",
    "ModelCard",
    "NpzCard",
    "TaskCard",
    "display_options",
    "model_cards",
    "parse_model_card",
    "parse_task_card",
    "task_card",
    "task_cards",
]
