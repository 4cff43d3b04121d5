"""Cards: what is known of a task or a checkpoint, as frozen records read from TOML.

| module | noun |
| --- | --- |
| `task` | the card of a data set and its task |
| `model` | the card of a checkpoint |
| `reading` | cards read from their files |
| `base` | what both kinds share |
"""

from resolution_eval.cards.model import FlamingoCard, ModelCard
from resolution_eval.cards.reading import (
    model_cards,
    parse_model_card,
    parse_task_card,
    task_card,
    task_cards,
)
from resolution_eval.cards.task import (
    GENERATED,
    ArchiveCard,
    ChexpertCard,
    HubCard,
    NpzCard,
    TaskCard,
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
    "model_cards",
    "parse_model_card",
    "parse_task_card",
    "task_card",
    "task_cards",
]
