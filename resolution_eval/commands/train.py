"""`resolution-eval train`: train a checkpoint further, or a small one from scratch."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.commands.options import Add

EPILOG = (
    "Without pretrained=... in --model_args the model starts from random weights: resflamingo as a "
    "small Flamingo, reshf as a small architecture=llava or qwen2_vl; by the loop that also trains "
    "checkpoints further."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = EPILOG
    add("--task", required=True, help="a task of ours whose data has a train and a val split")
    add("--strategy", required=True, choices=("none", "native", "low", "mixed"))
    add("--output", type=Path, required=True, metavar="DIR", help="checkpoint folder")
    add("--model", choices=("resflamingo", "reshf"), default="resflamingo")
    add(
        "--model_args",
        default="",
        metavar="ARGS",
        help="pretrained=CHECKPOINT, and dtype=, revision=, trust_remote_code=, "
        "attn_implementation=; without pretrained: architecture=, patch=",
    )
    _resolutions(parser.add_argument_group("resolutions").add_argument)
    _optimisation(parser.add_argument_group("optimisation").add_argument)
    _model(parser.add_argument_group("what is trained").add_argument)
    _run(parser.add_argument_group("run").add_argument)
    _scratch(parser.add_argument_group("from random weights").add_argument)


def _resolutions(add: Add) -> None:
    add("--low", default="56", help="the low training resolution (default: 56)")
    add("--native", default="native", help="what counts as native (default: the source)")
    add(
        "--mix",
        default="",
        help="strategy mixed: 28:0.5,native:0.5, uniform:28-224, or anchored:28-224/14 for every "
        "grid of 14 px patches, most batches at the ends (default: low and native, half and half)",
    )


def _optimisation(add: Add) -> None:
    add("--steps", type=int, help="(default: 1000)")
    add("--batch", type=int, help="samples per forward pass and process (default: 8)")
    add("--accumulate", type=int, help="batches per step (default: 1)")
    add("--rate", type=float, help="largest learning rate (default: 2e-5)")
    add("--warmup", type=int, help="steps until that rate (default: 50)")
    add("--weight-decay", type=float, help="of matrices (default: 0.05)")
    add("--clip", type=float, help="largest norm of the gradient (default: 1)")
    add("--flips", action="store_true", help="mirror training images at random")
    add("--seed", type=int, default=0)


def _model(add: Add) -> None:
    add(
        "--freeze",
        action="append",
        metavar="NAME",
        help="leave the parameters under this name as they are, vision_encoder say; may be "
        "repeated",
    )
    add("--lora", type=int, metavar="RANK", help="train adapters of this rank (default: full)")
    add("--lora-alpha", type=float, help="their scale (default: twice the rank)")
    add("--precision", choices=("no", "bf16"), help="(default: as accelerate is configured)")
    add("--recompute", action="store_true", help="gradient checkpointing: less memory, more time")


def _run(add: Add) -> None:
    add("--resume", action="store_true", help="go on with the run in --output")
    add("--validate-every", type=int, metavar="STEPS", help="(default: 200)")
    add("--save-every", type=int, metavar="STEPS", help="(default: 200)")
    add("--validation-limit", type=int, metavar="N", help="validation samples (default: 256)")


def _scratch(add: Add) -> None:
    add(
        "--encoder-steps",
        type=int,
        help="steps in which a linear head teaches the encoder first (default: 600)",
    )
    add("--joint-steps", type=int, help="steps after those (default: resflamingo 300)")
    add("--patch", type=int, help="edge of the encoder's patch (default: resflamingo 8, reshf 14)")


def run(known: argparse.Namespace) -> None:
    from resolution_eval.training.train_arguments import train_task

    told = train_task(known)
    if told:
        print(told)
