"""`resolution-eval score`: score one checkpoint on one set of images, and say what came of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from resolution_eval.commands.options import probe_argument

EPILOG = (
    "CHECKPOINT: a folder (of PEFT's too), ORGANISATION/NAME of the hub, embedded/NAME, "
    "openai:NAME@URL, claude:NAME or gemini:NAME. IMAGES: a folder with labels.csv, with Hugging "
    "Face's metadata.csv, or with one folder per class; or a task's name. Resolutions and samples "
    "are chosen within reach of the training and of 20 minutes (--quick: 3); what is left out is "
    "named with the argument that brings it. Exit status 3: the sweep would be flat or mismatched, "
    "and nothing was run."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = EPILOG
    add("checkpoint", metavar="CHECKPOINT", help="what to score")
    add("images", metavar="IMAGES", help="what to score it on")
    add("--output", type=Path, default=Path("scored"), metavar="DIR", help="(default: scored)")
    add("--quick", action="store_true", help="minutes: fewer samples, fewer sizes")
    add("--resolutions", help='comma-separated pixel edges of the square budget, or "native"')
    add("--samples", type=int, metavar="N", help="samples of the test split")
    add("--minutes", type=float, metavar="M", help="about how long it may take")
    add("--no-blind", dest="blind", action="store_false", help="no control without the image")
    add("--anyway", action="store_true", help="run a sweep that would be flat or mismatched")
    add("--batch-size", type=int, default=8, metavar="N", help="(default: 8)")
    probe_argument(add)
    add(
        "--model_args",
        default="",
        metavar="ARGS",
        help="more of the model's, as for lmms-eval: train_resolution=fixed:336,...",
    )


def run(known: argparse.Namespace) -> int:
    from resolution_eval.ground.errors import visible
    from resolution_eval.models.arguments import model_arguments
    from resolution_eval.score import verdict
    from resolution_eval.score.wishes import checked_resolutions

    status, names = 0, ("samples", "minutes", "quick", "blind", "anyway", "probe")
    for step in verdict(
        known.checkpoint,
        known.images,
        known.output,
        model_args=model_arguments(known.model_args),
        resolutions=checked_resolutions(known.resolutions),
        batch=known.batch_size,
        **{name: getattr(known, name) for name in names},
    ):
        print(visible(step.text), flush=True)
        status = step.status
    return status
