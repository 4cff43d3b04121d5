"""`resolution-eval models`: list checkpoints and their training resolution, or show one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from resolution_eval.ground.printing import as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="of a checkpoint, or a part of it")
    parser.add_argument("--family", help="list those of this family, qwen2_5_vl say")
    parser.add_argument(
        "--training", choices=("fixed", "native", "mixed", "unknown"), help="list those trained so"
    )
    parser.add_argument("--adapter", help="list those that this model of lmms-eval runs")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
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
    return 0
