"""`resolution-eval run`: run lmms-eval with a sweep of your own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resolution_eval.commands.options import Add, number_of, probe_argument


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    parser.epilog = "Every other argument goes to lmms-eval as it is; see `lmms-eval eval --help`."
    add("--tasks", default="", help="comma-separated task names")
    add(
        "--resolutions",
        help='comma-separated pixel edges of the square budget, or "native"; of whole slides µm '
        "per pixel instead, 0.5um,1um,2um say (extra wsi)",
    )
    add("--scheme", help="match: the grid follows r; restore: the grid stays, the content varies")
    add("--filter", help="bicubic (default), lanczos, bilinear, box or nearest")
    add("--option-order", help="fixed (default), or seeded:N: options shuffled per question")
    add(
        "--judge",
        metavar="PROVIDER:MODEL",
        help="have a language model judge open answers besides, for instance openai:gpt-4.1",
    )
    add(
        "--most-images",
        type=number_of("images"),
        metavar="N",
        help="leave out, and count, the questions about more than N images: 1 for a model that "
        "takes one",
    )
    probe_argument(add)
    add("--data", type=Path, metavar="PATH", help="your own folder, for the task folder_res")
    _own_data(parser.add_argument_group("how the folder of --data is read").add_argument)


def _own_data(add: Add) -> None:
    add(
        "--window",
        metavar="W",
        help="DICOM, NIfTI: first (default: the file's own window, table or display range), "
        "'full range', or CENTRE/WIDTH, 40/400 say",
    )
    add("--frame", metavar="N", help="DICOM: first (default), middle, or a number from 1")
    add(
        "--slice",
        metavar="AXIS:SLICE",
        help="NIfTI: axial:middle (default), coronal:first, sagittal:12, or with the volume, "
        "axial:12:3 (extra nifti)",
    )
    add(
        "--max-pixels",
        type=int,
        metavar="N",
        help="most pixels of an image that is decoded (default: 89478485)",
    )
    add(
        "--microns",
        type=float,
        metavar="UM",
        help="whole-slide images: show them at UM micrometres per pixel (extra wsi)",
    )
    add("--root", metavar="PATH", help="folder that links in the data may lead into")


def _choices(known: argparse.Namespace) -> dict[str, Any]:
    """The keys of the folder's card that were given.

    Raises:
        UsageError: a value is impossible.
    """
    from resolution_eval.ground.errors import UsageError
    from resolution_eval.pixels.display_choices import checked

    names = ("window", "frame", "slice", "max_pixels", "microns", "root")
    chosen = {name: getattr(known, name) for name in names if getattr(known, name) is not None}
    if str(chosen.get("frame", "")).isdecimal():
        chosen["frame"] = int(chosen["frame"])
    if "root" in chosen and not Path(chosen["root"]).is_dir():
        raise UsageError(f"--root {chosen['root']} is no folder")
    checked({name: value for name, value in chosen.items() if name != "root"})
    return chosen


def _host_arguments(rest: Sequence[str], *names: str) -> tuple[argparse.Namespace, list[str]]:
    """Those of lmms-eval's arguments that are named, and the others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in names:
        parser.add_argument(name)
    return parser.parse_known_args(list(rest))


def _probed(edge: str, rest: Sequence[str]) -> list[str]:
    """The arguments that are lmms-eval's, with `edge` among those of its model.

    Raises:
        UsageError: the model is not asked at a server.
    """
    from resolution_eval.ground.errors import UsageError

    host, others = _host_arguments(rest, "--model", "--model_args")
    if host.model != "reswrap":
        raise UsageError(
            f"--probe asks a server what its model sees, and --model is {host.model or 'not given'}"
            "; give --model reswrap --model_args base=openai,..., or leave --probe out"
        )
    told = ",".join(filter(None, (host.model_args, f"probe={edge}")))
    return ["--model", host.model, "--model_args", told, *others]


def _preflight(tasks: Sequence[str], rest: Sequence[str]) -> None:
    """Refuse what is surely wrong among the arguments that are lmms-eval's."""
    from resolution_eval.preflight import refuse

    host, _ = _host_arguments(rest, "--model", "--model_args", "--output_path")
    output = None if host.output_path is None else Path(host.output_path)
    refuse(host.model, host.model_args or "", tasks, output=output)


def run(known: argparse.Namespace) -> int:
    from resolution_eval.ground.errors import UsageError, refuse_misspelled
    from resolution_eval.jobs.process import die_with_launcher
    from resolution_eval.resolution import parse_resolution

    die_with_launcher()
    rest: Sequence[str] = known.rest
    options = [text for action in known.parser._actions for text in action.option_strings]
    words = [word.partition("=")[0] for word in rest]
    for word in words:
        if word.startswith("--"):
            refuse_misspelled("argument", word, options)
    if not known.tasks and not {"--config", "--help", "-h"} & set(words):
        raise UsageError("nothing to run: lmms-eval would need --tasks; name some, phantom_res say")
    resolutions = None
    if known.resolutions is not None:
        resolutions = [parse_resolution(text) for text in known.resolutions.split(",")]
    tasks = [name for name in known.tasks.split(",") if name]
    if known.probe is not None:
        rest = _probed(known.probe, rest)
    _preflight(tasks, rest)
    from resolution_eval.host.runs import run

    return run(
        tasks,
        rest,
        resolutions=resolutions,
        filter=known.filter,
        scheme=known.scheme,
        option_order=known.option_order,
        judge=known.judge,
        most_images=known.most_images,
        data=known.data,
        choices=_choices(known),
    )
