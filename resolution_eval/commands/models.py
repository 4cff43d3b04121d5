"""`resolution-eval models`: list checkpoints and their training resolution, or show one."""

from __future__ import annotations

import argparse

from resolution_eval.ground.printing import as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="of a checkpoint, or a part of it")
    add("--family", help="list those of this family, qwen2_5_vl say")
    add("--training", choices=("fixed", "native", "mixed", "unknown"), help="list those trained so")
    add("--adapter", help="list those that this model of lmms-eval runs")
    add("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace) -> None:
    from resolution_eval import checkpoint_list

    cards = checkpoint_list.selected(
        name=known.name, family=known.family, training=known.training, adapter=known.adapter
    )
    if known.json:
        print(as_json([card.model_dump(mode="json") for card in cards]))
    elif known.name is not None and len(cards) == 1:
        print(checkpoint_list.describe(cards[0]))
    else:
        print(checkpoint_list.listing(cards))
