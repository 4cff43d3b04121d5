"""The preflight: names, paths and arguments of a run, refused in a second where they are wrong.

lmms-eval imports for 20 seconds and loads a model before it looks at most of them. Only what is
certainly wrong is refused here; whatever is left is for those to say who open it.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path

from resolution_eval.ground.errors import (
    ModelError,
    RecordError,
    UsageError,
    host_boundary,
    refuse_misspelled,
    suggest,
)
from resolution_eval.ground.registry import ADAPTERS, is_host

LISTED = ("--model", "--model_args", "--tasks", "--limit", "--output_path")
_WRITTEN = re.compile(r"_results\.json$|_samples_.+\.jsonl$|\.record\.json$")


def refuse(
    model: str | None, model_args: str, tasks: Iterable[str], *, output: Path | None = None
) -> None:
    """Refuse a run whose model, arguments or tasks are surely wrong.

    Raises:
        UsageError: a name or a value is impossible.
        ModelError: there is no such checkpoint.
        DataError: a task is refused.
    """
    from resolution_eval.host.taskfiles import refuse_misspelled_task

    if model is not None:
        refuse_misspelled("model", model, ADAPTERS)
    for task in tasks:
        refuse_misspelled_task(task)
    if model in ADAPTERS:
        _refuse_arguments(str(model), model_args)
    if output is not None and output.is_file():
        raise UsageError(f"--output_path {output} is a file; name a folder")


def _refuse_arguments(model: str, text: str) -> None:
    from resolution_eval.models import arguments

    given = arguments.model_arguments(text)
    known = {"resflamingo": arguments.RESFLAMINGO, "reshf": arguments.RESHF}.get(model)
    if known is not None:
        arguments.refuse_unknown(given, known, model)
    elif "base" not in given:
        raise UsageError("reswrap needs a model of lmms-eval's; give base=NAME, openai say")
    arguments.common({name: given[name] for name in arguments.COMMON if name in given})
    if "dtype" in given:
        arguments.one_of("dtype", given["dtype"], arguments.DTYPES)
    if known is not None and "pretrained" in given:
        _refuse_checkpoint(model, given["pretrained"], local="revision" not in given)
    elif model == "reshf":
        raise UsageError("reshf needs a checkpoint; give pretrained=ID or pretrained=FOLDER")


def _refuse_checkpoint(model: str, pretrained: str, *, local: bool) -> None:
    from resolution_eval.score.subject import subject

    if model == "resflamingo":
        _refuse_flamingo(pretrained)
    elif local and not Path(pretrained).is_dir():
        subject(pretrained)


def _refuse_flamingo(pretrained: str) -> None:
    from resolution_eval.data.cards import model_cards
    from resolution_eval.score.subject import embedded

    cards = {name for name, card in model_cards().items() if card.flamingo is not None}
    known = cards.union(embedded())
    if pretrained not in known and not Path(pretrained).is_dir():
        raise ModelError(
            f"no checkpoint {pretrained!r}: not a folder here, and no model card names it; "
            f"{suggest(pretrained, known)}"
        )


def refuse_command_line(program: Sequence[str]) -> None:
    """Refuse lmms-eval's command line, where it is one and asks for ours, before it imports torch.

    Raises:
        SystemExit: it is surely wrong; what and why is its message.
    """
    if not program or not _is_lmms_eval(program[0]):
        return
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in LISTED:
        parser.add_argument(name, default=None)
    known, _ = parser.parse_known_args(list(program[1:]))
    tasks = [name for name in (known.tasks or "").split(",") if name and not Path(name).exists()]
    output = None if known.output_path is None else Path(known.output_path)
    with host_boundary():
        refuse(known.model, known.model_args or "", tasks, output=output)


def _is_lmms_eval(program: str) -> bool:
    """Whether this process is lmms-eval's command line, `python -m` included."""
    original = getattr(sys, "orig_argv", [])
    module = original[original.index("-m") + 1 :][:1] if "-m" in original else []
    return (program == "-m" and module == ["lmms_eval"]) or is_host(program)


def refuse_absent(*folders: Path | None) -> None:
    """Refuse folders of results that are not there, or in which nothing was written; None is none.

    Raises:
        RecordError: one is absent, or holds neither results nor records.
    """
    for path in filter(None, folders):
        if not path.exists():
            raise RecordError(
                f"{path} does not exist; pass the folder given to --output_path, a "
                "DATE_results.json in it, or a record"
            )
        if path.is_dir() and not _holds_results(path):
            raise RecordError(
                f"{path}: no results of our tasks; run lmms-eval with --output_path and "
                "--log_samples, and pass the folder given to --output_path"
            )


def _holds_results(folder: Path) -> bool:
    return any(_WRITTEN.search(name) for _, _, names in os.walk(folder) for name in names)
