"""`resolution-eval train`: train a checkpoint further, or a small one from scratch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

EPILOG = (
    "Without pretrained=... in --model_args the model starts from random weights: resflamingo as a "
    "small Flamingo, reshf as a small architecture=llava or qwen2_vl; by the loop that also trains "
    "checkpoints further."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--task", required=True, help="a task of ours whose data has a train and a val split"
    )
    parser.add_argument("--strategy", required=True, choices=("none", "native", "low", "mixed"))
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="checkpoint folder"
    )
    parser.add_argument("--model", choices=("resflamingo", "reshf"), default="resflamingo")
    parser.add_argument(
        "--model_args",
        default="",
        metavar="ARGS",
        help="pretrained=CHECKPOINT, and dtype=, revision=, trust_remote_code=, "
        "attn_implementation=; without pretrained: architecture=, patch=",
    )
    _resolutions(parser.add_argument_group("resolutions"))
    _optimisation(parser.add_argument_group("optimisation"))
    _model(parser.add_argument_group("what is trained"))
    _run(parser.add_argument_group("run"))
    _scratch(parser.add_argument_group("from random weights"))


def _resolutions(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--low", default="56", help="the low training resolution (default: 56)")
    group.add_argument(
        "--native", default="native", help="what counts as native (default: the source)"
    )
    group.add_argument(
        "--mix",
        default="",
        help="strategy mixed: 28:0.5,native:0.5, uniform:28-224, or anchored:28-224/14 for every "
        "grid of 14 px patches, most batches at the ends (default: low and native, half and half)",
    )


def _optimisation(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--steps", type=int, help="(default: 1000)")
    group.add_argument(
        "--batch", type=int, help="samples per forward pass and process (default: 8)"
    )
    group.add_argument("--accumulate", type=int, help="batches per step (default: 1)")
    group.add_argument("--rate", type=float, help="largest learning rate (default: 2e-5)")
    group.add_argument("--warmup", type=int, help="steps until that rate (default: 50)")
    group.add_argument("--weight-decay", type=float, help="of matrices (default: 0.05)")
    group.add_argument("--clip", type=float, help="largest norm of the gradient (default: 1)")
    group.add_argument("--flips", action="store_true", help="mirror training images at random")
    group.add_argument("--seed", type=int, default=0)


def _model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--freeze",
        action="append",
        metavar="NAME",
        help="leave the parameters under this name as they are, vision_encoder say; may be "
        "repeated",
    )
    group.add_argument(
        "--lora", type=int, metavar="RANK", help="train adapters of this rank (default: full)"
    )
    group.add_argument("--lora-alpha", type=float, help="their scale (default: twice the rank)")
    group.add_argument(
        "--precision", choices=("no", "bf16"), help="(default: as accelerate is configured)"
    )
    group.add_argument(
        "--recompute", action="store_true", help="gradient checkpointing: less memory, more time"
    )


def _run(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--resume", action="store_true", help="go on with the run in --output")
    group.add_argument("--validate-every", type=int, metavar="STEPS", help="(default: 200)")
    group.add_argument("--save-every", type=int, metavar="STEPS", help="(default: 200)")
    group.add_argument(
        "--validation-limit", type=int, metavar="N", help="validation samples (default: 256)"
    )


def _scratch(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--encoder-steps",
        type=int,
        help="steps in which a linear head teaches the encoder first (default: 600)",
    )
    group.add_argument(
        "--joint-steps", type=int, help="steps after those (default: resflamingo 300)"
    )
    group.add_argument(
        "--patch", type=int, help="edge of the encoder's patch (default: resflamingo 8, reshf 14)"
    )


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.training.train_arguments import train_task

    told = train_task(known)
    if told:
        print(told)
    return 0
