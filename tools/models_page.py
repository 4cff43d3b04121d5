"""docs/models.md, from the cards of checkpoints: `python -m tools.models_page`."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from resolution_eval.checkpoint_list import (
    FAMILIES,
    doubted,
    ordered_cards,
    resolution_words,
)
from resolution_eval.data.cards import ModelCard
from tools import DOCS

INTRODUCTION = """\
# Checkpoints and the resolution they were trained at

<!-- Made by `python -m tools.models_page` from the cards in models/. -->

At which resolution public checkpoints were trained, with where that is known from. `resolution-eval
models NAME` says the same of one.

- **training**: `fixed:N` is one square grid of N px; `native`, the grid follows the image, within
  the range given; `mixed:[...]`, several grids; `unknown`, nothing that could be read says.
- **range**: edge of the square with the fewest and the most pixels of the grid under `native`; for
  a model that cuts an image into tiles, of all tiles together, the whole image beside them not
  counted. **tile** is their edge.
- **tokens**: visual tokens of a square image at the training resolution, or the fewest and most.
- **adapter**: the lmms-eval model of this project that runs the checkpoint. Where there is none,
  lmms-eval may have one of its own.
- A value followed by `?` is not confirmed by a paper, by training code or by a file of the
  checkpoint itself. What a processor does at inference is no confirmation of what training did.
"""


def page() -> str:
    """The text of docs/models.md: one table per family, and the evidence of every row."""
    sections = [
        f"## {title}\n\n{_section(cards)}"
        for family, title in FAMILIES.items()
        if (cards := [card for card in ordered_cards() if card.family == family])
    ]
    return "\n".join((INTRODUCTION, _summary(), *sections))


def _summary() -> str:
    cards = ordered_cards()
    doubtful = sum("training" in card.unconfirmed for card in cards)
    kinds = ("fixed", "native", "mixed", "unknown")
    counts = ", ".join(
        f"{sum(card.training.startswith(kind) for card in cards)} {kind}" for kind in kinds
    )
    return (
        f"{len(cards)} checkpoints: {counts}. The training resolution of {doubtful} is not "
        "confirmed.\n"
    )


def _section(cards: Sequence[ModelCard]) -> str:
    headers = ("checkpoint", "training", "range", "tile", "tokens", "adapter", "licence", "known")
    sources = list(dict.fromkeys((card.evidence, card.evidence_url) for card in cards))
    rows = []
    for card in cards:
        training, edges, tokens = resolution_words(card)
        link = f"[{card.pretrained}](https://huggingface.co/{card.pretrained})"
        tile = doubted(card, "tile", f"{card.tile}") if card.tile else ""
        licence = doubted(card, "licence", card.licence)
        known = sources.index((card.evidence, card.evidence_url)) + 1
        name = doubted(card, "pretrained", link)
        rows.append((name, training, edges, tile, tokens, card.adapter, licence, f"{known}"))
    lines = [
        f"{number}. {text}." + (f" <{url}>" if url else "")
        for number, (text, url) in enumerate(sources, start=1)
    ]
    table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    return f"{table}\n\nKnown from:\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    (DOCS / "models.md").write_text(page(), encoding="utf-8")
