"""docs/cards.md, from the cards' schemas: `python -m tools.cards_page`."""

from __future__ import annotations

from resolution_eval.data.cards import ModelCard, TaskCard
from tools import DOCS
from tools.records_page import section

HEAD = """# Cards

<!-- Made by `python -m tools.cards_page`; change resolution_eval/data/cards/. -->

What is known of a data set or a checkpoint stands in a card, a TOML file. A key that is missing,
unknown or outside its rule is refused with its name. A data set's card is `tasks/NAME/card.toml`
([how to add one](howto/dataset.md)); a checkpoint's is `models/NAME.toml`, from which
`python -m tools.models_page` makes [the page of checkpoints](models.md).
"""


def page() -> str:
    """Every key of the cards."""
    parts = [HEAD]
    for model in (TaskCard, ModelCard):
        schema = model.model_json_schema()
        for name, part in {model.__name__: schema, **schema["$defs"]}.items():
            needed = ", ".join(f"`{key}`" for key in part["required"])
            parts += [*section(name, part), f"Needed: {needed}.\n"]
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    (DOCS / "cards.md").write_text(page(), encoding="utf-8")
