"""The installation: what is there, what is missing, and what to do about each."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Literal

from resolution_eval.ground.errors import ResolutionEvalError, UsageError

State = Literal["ok", "note", "fault"]
HUB_SECONDS = 5.0
"""Longest wait for the hub."""
SCARCE = 10 * 2**30
"""Bytes below which a disk is called nearly full: less than a small checkpoint or data set."""
NEEDED = (
    *("lmms-eval", "torch", "torchvision", "transformers", "accelerate", "datasets"),
    "open-clip-torch",
)
OPTIONAL = {"vllm": "scores models by lmms-eval's own vllm", "bitsandbytes": "quantises weights"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class InstallationFinding:
    """One thing that was looked at."""

    name: str
    state: State
    """ok; note: something works less well, or not for everyone; fault: mend it first."""
    found: str
    advice: str = ""
    """What to do; empty where there is nothing to."""


Findings = Iterator[InstallationFinding]


def examine() -> list[InstallationFinding]:
    """What is installed and reachable; takes some seconds, of which the hub at most five."""
    return [finding for check in CHECKS for finding in check()]


def table(findings: list[InstallationFinding]) -> str:
    """The findings as lines of text, and a last one that says how many need mending."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:5} {finding.name:{width}} {finding.found}")
        if finding.advice:
            lines.append(f"{'':5} {'':{width}} -> {finding.advice}")
    faults = sum(finding.state == "fault" for finding in findings)
    end = "ready" if not faults else f"{faults} to mend before anything runs"
    return "\n".join([*lines, end])


def _python() -> Findings:
    python = f"Python {platform.python_version()}, {sys.platform}"
    advice = "python3 -m uv sync, or pip install resolution-eval"
    for name in ("resolution-eval", *NEEDED):
        installed = version_of(name)
        if installed:
            more = f", {python}" if name == "resolution-eval" else ""
            yield InstallationFinding(name, "ok", installed + more)
        else:
            yield InstallationFinding(name, "fault", "not installed", advice)


def version_of(package: str) -> str | None:
    """The installed version; None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _flamingo() -> Findings:
    version = version_of("open-flamingo") or "not installed"
    advice = "resflamingo and the demo need it: pip install --no-deps open_flamingo==2.0.1"
    if version.startswith("2."):
        yield InstallationFinding("open_flamingo", "ok", version)
    else:
        yield InstallationFinding("open_flamingo", "note", version, advice)


def _optional() -> Findings:
    for name, what in OPTIONAL.items():
        if installed := version_of(name):
            yield InstallationFinding(name, "ok", f"{installed}: {what}")


def _plugin() -> Findings:
    names = {point.name for point in metadata.entry_points(group="lmms_eval.models")}
    advice = "install it, python3 -m uv sync; a PYTHONPATH is not enough"
    if "resolution_eval" in names:
        yield InstallationFinding("plugin", "ok", "registered with lmms-eval")
    else:
        yield InstallationFinding("plugin", "fault", "lmms-eval does not know it", advice)


def _gpu() -> Findings:
    advice = "small models run without; with one, install a torch built for it (pytorch.org)"
    try:
        import torch

        names = [torch.cuda.get_device_name(each) for each in range(torch.cuda.device_count())]
    except (ImportError, OSError, RuntimeError) as error:
        yield InstallationFinding("GPU", "fault", f"torch fails: {error}", advice)
        return
    if names:
        yield InstallationFinding("GPU", "ok", ", ".join(names))
    else:
        yield InstallationFinding("GPU", "note", "none that torch sees", advice)


def _data() -> Findings:
    from resolution_eval.data.cards import task_cards
    from resolution_eval.data.sources import at_hand
    from resolution_eval.data.sources.roots import DATA_VARIABLE, data_root

    try:
        root = data_root()
    except ResolutionEvalError as error:
        yield InstallationFinding("data", "fault", str(error))
        return
    if root is None:
        advice = f"set {DATA_VARIABLE} to a folder of data folders (docs/data.md) to use your own"
        reason = f"{DATA_VARIABLE} is not set: generated and downloaded data only"
        yield InstallationFinding("data", "note", reason, advice)
        return
    there, damaged = [], []
    for card in task_cards().values():
        try:
            if at_hand(card) is not None:
                there.append(card.name)
        except ResolutionEvalError as error:
            damaged.append(InstallationFinding(f"data {card.name}", "fault", str(error)))
    yield InstallationFinding("data", "ok", f"{root}; at hand: {', '.join(there) or 'none'}")
    yield from damaged


def _disk() -> Findings:
    from huggingface_hub.constants import HF_HOME

    from resolution_eval.data.sources.roots import CACHE_VARIABLE, cache_root

    yield _room("downloads", cache_root(), CACHE_VARIABLE)
    yield _room("hub's cache", Path(HF_HOME), "HF_HOME")


def _room(name: str, folder: Path, variable: str) -> InstallationFinding:
    """Whether the folder, or the nearest one above it that exists, can be written and has room."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    advice = f"set {variable} to a folder on another disk"
    if not there.is_dir() or not os.access(there, os.W_OK):
        return InstallationFinding(name, "fault", f"{folder} is not writable", advice)
    free = shutil.disk_usage(there).free
    space = f"{free / 2**30:.1f} GiB free in {folder}"
    if free < SCARCE:
        return InstallationFinding(name, "note", space, advice)
    return InstallationFinding(name, "ok", space)


def refuse_unwritable_cache() -> None:
    """Refuse a run whose data sets' cache cannot be written, before lmms-eval tries five times.

    Raises:
        UsageError: it cannot.
    """
    from datasets.config import HF_DATASETS_CACHE

    folder = Path(HF_DATASETS_CACHE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise UsageError(
            f"{folder} cannot be written, and lmms-eval prepares its data sets there; set HF_HOME "
            "to a folder that can be"
        )


def _hub() -> Findings:
    """Whether the hub answers, within HUB_SECONDS whatever the network does."""
    from huggingface_hub import constants, get_token

    offline = "checkpoints and data sets must then be in the hub's cache, or be local folders"
    if constants.HF_HUB_OFFLINE:
        yield InstallationFinding("hub", "note", "HF_HUB_OFFLINE is set", offline)
        return
    answers: list[str] = []
    caller = Thread(target=_call, args=(constants.ENDPOINT, answers), daemon=True)
    caller.start()
    caller.join(HUB_SECONDS)
    fault = answers[0] if answers else f"no answer in {HUB_SECONDS:.0f} seconds"
    if fault:
        yield InstallationFinding("hub", "note", f"{constants.ENDPOINT}: {fault}", offline)
    elif get_token() is None:
        advice = "for gated checkpoints: hf auth login"
        yield InstallationFinding("hub", "ok", "reachable, not signed in", advice)
    else:
        yield InstallationFinding("hub", "ok", "reachable, a token is there")


def _call(address: str, answers: list[str]) -> None:
    """Append why `address` did not answer; an empty text where it did."""
    import requests

    try:
        requests.head(address, timeout=HUB_SECONDS).raise_for_status()
    except requests.RequestException as error:
        answers.append(type(error).__name__)
    else:
        answers.append("")


def _browser() -> Findings:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    advice = "reports open in any browser; the browser tests need one here: apt install chromium"
    if browser:
        yield InstallationFinding("browser", "ok", browser)
    else:
        yield InstallationFinding("browser", "note", "no chromium", advice)


CHECKS: tuple[Callable[[], Findings], ...] = (
    *(_python, _flamingo, _optional, _plugin, _gpu, _data, _disk, _hub, _browser),
)
"""What is looked at, in the order in which it is told."""
