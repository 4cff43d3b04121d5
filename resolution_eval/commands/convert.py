"""`resolution-eval convert`: write a checkpoint in LLaVA's own form in that of transformers."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = (
        "LLaVA-Med and other checkpoints of github.com/haotian-liu/LLaVA's form (llava_mistral, "
        "llava_llama, llava_qwen2) hold a LLaVA-1.5 by other names; once written, --model reshf "
        "runs it. Nothing is run from the folder."
    )
    add("folder", type=Path, metavar="FOLDER", help="the checkpoint's folder")
    add("output", type=Path, metavar="OUT", help="a new folder to write into")
    add(
        "--tower",
        metavar="FOLDER",
        help="folder of the CLIP tower, where the checkpoint holds none (default: as it names it)",
    )


def run(known: argparse.Namespace) -> None:
    from resolution_eval.models.families.llava_original import convert

    written = convert(known.folder, known.output, tower=known.tower)
    print(f"{written}: run it with --model reshf --model_args pretrained={written}")
