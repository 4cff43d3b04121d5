"""Running lmms-eval in this process, always by its command line: sweeps of one's own, the demo."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from loguru import logger

from resolution_eval.data import own_folder as own_folder
from resolution_eval.data.cards import TaskCard
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground import paths, registry
from resolution_eval.ground.errors import RecordError, UsageError, suggest, visible
from resolution_eval.host.judge import PROVIDERS
from resolution_eval.host.tally import TOLD
from resolution_eval.host.taskfiles import (
    Variation,
    derive,
    members,
    refuse_misspelled_task,
    task_names,
    write_task,
)
from resolution_eval.resolution import Resolution, ascending, in_microns


def run(
    tasks: Sequence[str],
    arguments: Sequence[str],
    *,
    resolutions: Sequence[Resolution] | None = None,
    filter: str | None = None,
    scheme: str | None = None,
    option_order: str | None = None,
    judge: str | None = None,
    most_images: int | None = None,
    data: Path | None = None,
    choices: Mapping[str, Any] | None = None,
) -> int:
    """Run `lmms-eval` on `tasks` with another sweep than the tasks' own; its exit status.

    `arguments` go to lmms-eval as they are. `data` is the folder of the task `folder_res`,
    and `choices` are keys of its card: window, frame, slice, max_pixels, microns, root.

    Raises:
        UsageError: the sweep is asked of a task that is not ours; or `folder_res` without `data`,
            or the reverse.
        DataError: the folder is not in the local layout, or broken.
    """
    variation = Variation(
        resolutions=_in_order(resolutions),
        filter=filter,
        scheme=scheme,
        option_order=option_order,
        judge=judge,
        most_images=most_images,
    )
    for task in tasks:
        refuse_misspelled_task(task)
    if judge is not None and (kind := judge.partition(":")[0]) not in PROVIDERS:
        raise UsageError(f"no judge of the kind {kind!r}; {suggest(kind, PROVIDERS)}")
    changed = variation != Variation()
    if changed and not tasks:
        raise UsageError(
            "--resolutions, --filter, --scheme, --option-order, --judge and --most-images need "
            "--tasks; name one of ours"
        )
    if (own_folder.TASK in tasks) != (data is not None):
        raise UsageError(f"--tasks {own_folder.TASK} and --data PATH go together; give both")
    if choices and data is None:
        raise UsageError(
            "--window, --frame, --slice, --max-pixels, --microns and --root need --data PATH"
        )
    with TemporaryDirectory(prefix="resolution-eval-") as folder, preferred(folder):
        if data is not None:
            card = variation.applied(
                own_folder.folder_card(data, _card_choices(variation, choices))
            )
            write_task(Path(folder) / card.name, card)
        shipped = [task for name in tasks for task in members(name) if task != own_folder.TASK]
        for task in shipped if changed else ():
            derive(task, Path(folder), variation)
        named = ["--tasks", ",".join(tasks)] if tasks else []
        # without --tasks a file of --config names them, and may name others' too
        ours = bool(tasks) and set(tasks) <= task_names()
        return lmms_eval([*named, *arguments], ours=ours)


def _in_order(resolutions: Sequence[Resolution] | None) -> Sequence[Resolution] | None:
    """Those in µm per pixel from coarse to fine, each once, as a card has them."""
    if not in_microns(resolutions or ()):
        return resolutions
    return sorted(set(resolutions or ()), key=ascending)


def _card_choices(variation: Variation, choices: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keys of a folder's card that decide how it is read."""
    keys = dict(choices or {})
    if variation.most_images is not None:
        keys["most_images"] = variation.most_images
    if in_microns(variation.resolutions or ()):
        keys["resolutions"] = variation.resolutions
    return keys


@contextmanager
def preferred(folder: str) -> Iterator[None]:
    """Has lmms-eval take the tasks in `folder` instead of ours of the same name, for a while."""
    registry.FOLDERS.insert(0, folder)
    try:
        yield
    finally:
        registry.FOLDERS.remove(folder)


def lmms_eval(arguments: Sequence[str], *, ours: bool = False) -> int:
    """Run the command line `lmms-eval` with `arguments` in this process; 1 where an evaluation
    failed, or no sample was scored. Where all its tasks are `ours`, no others are looked for.

    lmms-eval itself prints the error and ends with status 0.
    """
    failures = _host(arguments, ours=ours)
    if LEDGER.lost and not failures:
        print(visible(f"resolution-eval: {LEDGER.lost}"), file=sys.stderr)
    return 1 if failures or LEDGER.lost else 0


def evaluate(
    model: str,
    model_args: str,
    task: str,
    output: Path,
    *,
    batch_size: int,
    resolutions: Sequence[Resolution] | None = None,
    limit: int | None = None,
    card: TaskCard | None = None,
) -> Path:
    """Score one model on one of our tasks, and print no table of it; the folder of its results.

    `resolutions` take the place of the task's own sweep; `card` is that of a task that is not
    shipped, a folder's.

    Raises:
        UsageError: no task of ours has that name.
        RecordError: the results could not be saved.
    """
    variation = Variation(resolutions=resolutions)
    # lmms-eval takes the name of a folder that is there for a folder of tasks; not two names
    named = f"{task},{task}" if Path(task).is_dir() else task
    arguments = ["--model", model, f"--model_args={model_args}", "--tasks", named]
    arguments += ["--batch_size", str(batch_size), f"--output_path={output}"]
    arguments += ["--log_samples", "--verbosity", "WARNING"]
    arguments += [] if limit is None else ["--limit", str(limit)]
    with TemporaryDirectory(prefix="resolution-eval-") as folder, preferred(folder):
        if card is None:
            derive(task, Path(folder), variation)
        else:
            write_task(Path(folder) / card.name, variation.applied(card))
        with redirect_stdout(sys.stderr), _own_sinks():
            failures = _host(arguments, ours=True, quiet=True)
    TOLD.lines.clear()
    if failures:
        raise failures[0]
    if LEDGER.unsaved is not None:
        raise RecordError(LEDGER.unsaved)
    return output


def _host(arguments: Sequence[str], *, ours: bool, quiet: bool = False) -> list[Exception]:
    """Run lmms-eval's command line with `arguments`; the errors in which its evaluations ended.

    To look through its thousand other tasks takes lmms-eval seconds, which `ours` spares. If
    `quiet`, it prints no table and no error: of an evaluation without results it has neither.
    """
    import lmms_eval.__main__ as host

    single, failures = host.cli_evaluate_single, []

    def noting(given: Any) -> Any:
        try:
            with _own_files(host, given.output_path):
                outcome = single(given)
        except Exception as error:
            failures.append(error)
            if not quiet:
                raise
        return (None, None) if quiet else outcome

    LEDGER.rest()
    tasks = partial(_our_tasks, host.TaskManager) if ours else host.TaskManager
    with (
        patch.object(sys, "argv", ["lmms-eval", *arguments]),
        patch.object(host, "cli_evaluate_single", noting),
        patch.object(host, "TaskManager", tasks),
    ):
        host.cli_evaluate()
    return failures


@contextmanager
def _own_files(host: Any, path: str | None) -> Iterator[None]:
    """Has an evaluation write into `path` as it was given, and into no other one's files."""
    date = partial(_unused_date, Path(path or ""), host.utils.get_datetime_str)
    parse = partial(_with_path, host.simple_parse_args_string, path or "")
    with ExitStack() as stack:
        if path:
            stack.enter_context(patch.object(host.utils, "get_datetime_str", date))
            stack.enter_context(patch.object(host, "simple_parse_args_string", parse))
        yield


@contextmanager
def _own_sinks() -> Iterator[None]:
    """Leaves the sinks of the log as the caller has them: lmms-eval's command line sets its own."""
    import lmms_eval.__main__ as host

    class CallersLog:
        def __getattr__(self, name: str) -> Any:
            return getattr(logger, name)

        def remove(self) -> None: ...

        def add(self, *given: Any, **named: Any) -> None: ...

    with patch.object(host, "eval_logger", CallersLog()):
        yield


def _with_path(parse: Callable[[str], dict[str, Any]], path: str, text: str) -> dict[str, Any]:
    """What lmms-eval reads of its tracker's arguments, with the path as it was given.

    It pastes the path into their text, where a comma, a quote or a bracket of it would part it, or
    join it to the token that stands behind.
    """
    before, pasted, behind = text.partition(f",output_path={path}")
    arguments = parse(before + behind)
    return {**arguments, "output_path": path} if pasted else arguments


def _our_tasks(
    manager: Any, *given: Any, include_path: str | list[str] | None = None, **named: Any
) -> Any:
    """lmms-eval's manager of tasks, which knows ours and those in `include_path`."""
    theirs = [include_path] if isinstance(include_path, str) else list(include_path or [])
    folders = [*theirs, *registry.FOLDERS, str(paths.tasks())]
    return manager(*given, include_path=folders, include_defaults=False, **named)


def _unused_date(output: Path, now: Callable[..., str], **zone: Any) -> str:
    """The date of a run that begins now, as `now` spells it: a second of which `output` holds no
    results yet.

    lmms-eval calls a run's files by the second it began in, and writes on in one that is there: of
    two short runs, the second one's samples would stand among the first one's.
    """
    while any(output.glob(f"*/{(date := now(**zone))}_*")):
        time.sleep(0.1)
    return date
