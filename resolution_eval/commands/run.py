"""`resolution-eval run`: run lmms-eval with a sweep of your own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def edge(text: str) -> str:
    """An edge in pixels, or auto, as it is handed on.

    Raises:
        ArgumentTypeError: it is none.
    """
    if text != "auto" and (not text.isdecimal() or int(text) < 1):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no edge in pixels; give one from 1, or --probe alone, last of all"
        )
    return text


def least_one(text: str) -> int:
    """A number of images.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of images; give one from 1")
    return int(text)


def probe_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--probe` to `parser`."""
    parser.add_argument(
        "--probe",
        nargs="?",
        type=edge,
        const="auto",
        metavar="EDGE",
        help="of a server: before the run and after it, ask what its model sees of images of EDGE "
        "pixels (default: the sweep's largest); some 190 requests each time",
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.epilog = "Every other argument goes to lmms-eval as it is; see `lmms-eval eval --help`."
    parser.add_argument("--tasks", default="", help="comma-separated task names")
    parser.add_argument(
        "--resolutions",
        help='comma-separated pixel edges of the square budget, or "native"; of whole slides µm '
        "per pixel instead, 0.5um,1um,2um say (extra wsi)",
    )
    parser.add_argument(
        "--scheme", help="match: the grid follows r; restore: the grid stays, the content varies"
    )
    parser.add_argument("--filter", help="bicubic (default), lanczos, bilinear, box or nearest")
    parser.add_argument(
        "--option-order", help="fixed (default), or seeded:N: options shuffled per question"
    )
    parser.add_argument(
        "--judge",
        metavar="PROVIDER:MODEL",
        help="have a language model judge open answers besides, for instance openai:gpt-4.1",
    )
    parser.add_argument(
        "--most-images",
        type=least_one,
        metavar="N",
        help="leave out, and count, the questions about more than N images: 1 for a model that "
        "takes one",
    )
    probe_argument(parser)
    parser.add_argument(
        "--data", type=Path, metavar="PATH", help="your own folder, for the task folder_res"
    )
    _own_data(parser.add_argument_group("how the folder of --data is read"))


def _own_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--window",
        metavar="W",
        help="DICOM, NIfTI: first (default: the file's own window, table or display range), "
        "'full range', or CENTRE/WIDTH, 40/400 say",
    )
    group.add_argument(
        "--frame", metavar="N", help="DICOM: first (default), middle, or a number from 1"
    )
    group.add_argument(
        "--slice",
        metavar="AXIS:SLICE",
        help="NIfTI: axial:middle (default), coronal:first, sagittal:12, or with the volume, "
        "axial:12:3 (extra nifti)",
    )
    group.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="most pixels of an image that is decoded (default: 89478485)",
    )
    group.add_argument(
        "--microns",
        type=float,
        metavar="UM",
        help="whole-slide images: show them at UM micrometres per pixel (extra wsi)",
    )
    group.add_argument("--root", metavar="PATH", help="folder that links in the data may lead into")


def _choices(known: argparse.Namespace) -> dict[str, Any]:
    """The keys of the folder's card that were given.

    Raises:
        UsageError: a value is impossible.
    """
    from resolution_eval.ground.errors import UsageError
    from resolution_eval.pixels.display_choices import checked

    chosen = {
        name: getattr(known, name)
        for name in ("window", "frame", "slice", "max_pixels", "microns", "root")
    }
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if str(chosen.get("frame", "")).isdecimal():
        chosen["frame"] = int(chosen["frame"])
    if "root" in chosen and not Path(chosen["root"]).is_dir():
        raise UsageError(f"--root {chosen['root']} is no folder")
    checked({name: value for name, value in chosen.items() if name != "root"})
    return chosen


def _probed(edge: str, rest: Sequence[str]) -> list[str]:
    """The arguments that are lmms-eval's, with `edge` among those of its model.

    Raises:
        UsageError: the model is not asked at a server.
    """
    from resolution_eval.ground.errors import UsageError

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--model", "--model_args"):
        parser.add_argument(name)
    host, others = parser.parse_known_args(list(rest))
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

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--model", "--model_args", "--output_path"):
        parser.add_argument(name)
    host, _ = parser.parse_known_args(list(rest))
    output = None if host.output_path is None else Path(host.output_path)
    refuse(host.model, host.model_args or "", tasks, output=output)


def run(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do it; the exit status."""
    from resolution_eval.ground.errors import UsageError, refuse_misspelled
    from resolution_eval.jobs.process import die_with_launcher
    from resolution_eval.resolution import parse_resolution

    die_with_launcher()
    options = [text for action in known.parser._actions for text in action.option_strings]
    for word in rest:
        if word.startswith("--"):
            refuse_misspelled("argument", word.partition("=")[0], options)
    if not known.tasks and not {"--config", "--help", "-h"} & {
        word.partition("=")[0] for word in rest
    }:
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
