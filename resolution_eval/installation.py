"""The installation: what is there, what is missing, and what to do about each."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
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
    "lmms-eval",
    "torch",
    "torchvision",
    "transformers",
    "accelerate",
    "datasets",
    "open-clip-torch",
)
OPTIONAL = {"vllm": "scores models by lmms-eval's own vllm", "bitsandbytes": "quantises weights"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, kw_only=True)
class InstallationFinding:
    """One thing that was looked at."""

    name: str
    state: State
    """ok; note: something works less well, or not for everyone; fault: mend it first."""
    found: str
    advice: str = ""
    """What to do; empty where there is nothing to."""


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


def _python() -> list[InstallationFinding]:
    versions = (
        f"{metadata.version('resolution-eval')}, Python {platform.python_version()}, {sys.platform}"
    )
    findings = [InstallationFinding(name="resolution-eval", state="ok", found=versions)]
    for name in NEEDED:
        installed = _version(name)
        findings.append(
            InstallationFinding(name=name, state="ok", found=installed)
            if installed
            else InstallationFinding(
                name=name,
                state="fault",
                found="not installed",
                advice="python3 -m uv sync, or pip install resolution-eval",
            )
        )
    return findings


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _flamingo() -> list[InstallationFinding]:
    version = _version("open-flamingo")
    fits = version is not None and version.startswith("2.")
    advice = "resflamingo and the demo need it: pip install --no-deps open_flamingo==2.0.1"
    return [
        InstallationFinding(
            name="open_flamingo",
            state="ok" if fits else "note",
            found=version or "not installed",
            advice="" if fits else advice,
        )
    ]


def _optional() -> list[InstallationFinding]:
    return [
        InstallationFinding(name=name, state="ok", found=f"{installed}: {what}")
        for name, what in OPTIONAL.items()
        if (installed := _version(name))
    ]


def _plugin() -> list[InstallationFinding]:
    names = {point.name for point in metadata.entry_points(group="lmms_eval.models")}
    known = "resolution_eval" in names
    return [
        InstallationFinding(
            name="plugin",
            state="ok" if known else "fault",
            found="registered with lmms-eval" if known else "lmms-eval does not know it",
            advice="" if known else "install it, python3 -m uv sync; a PYTHONPATH is not enough",
        )
    ]


def _gpu() -> list[InstallationFinding]:
    advice = "small models run without; with one, install a torch built for it (pytorch.org)"
    try:
        import torch

        names = [torch.cuda.get_device_name(each) for each in range(torch.cuda.device_count())]
    except (ImportError, OSError, RuntimeError) as error:
        return [
            InstallationFinding(
                name="GPU", state="fault", found=f"torch fails: {error}", advice=advice
            )
        ]
    if names:
        return [InstallationFinding(name="GPU", state="ok", found=", ".join(names))]
    return [
        InstallationFinding(name="GPU", state="note", found="none that torch sees", advice=advice)
    ]


def _data() -> list[InstallationFinding]:
    from resolution_eval.data.cards import task_cards
    from resolution_eval.data.sources import at_hand
    from resolution_eval.data.sources.roots import DATA_VARIABLE, data_root

    try:
        root = data_root()
    except ResolutionEvalError as error:
        return [InstallationFinding(name="data", state="fault", found=str(error))]
    if root is None:
        advice = f"set {DATA_VARIABLE} to a folder of data folders (docs/data.md) to use your own"
        reason = f"{DATA_VARIABLE} is not set: generated and downloaded data only"
        return [InstallationFinding(name="data", state="note", found=reason, advice=advice)]
    there, damaged = [], []
    for card in task_cards().values():
        try:
            if at_hand(card) is not None:
                there.append(card.name)
        except ResolutionEvalError as error:
            damaged.append(
                InstallationFinding(name=f"data {card.name}", state="fault", found=str(error))
            )
    return [
        InstallationFinding(
            name="data", state="ok", found=f"{root}; at hand: {', '.join(there) or 'none'}"
        ),
        *damaged,
    ]


def _disk() -> list[InstallationFinding]:
    from huggingface_hub.constants import HF_HOME

    from resolution_eval.data.sources.roots import CACHE_VARIABLE, cache_root

    places = {
        "downloads": (cache_root(), CACHE_VARIABLE),
        "hub's cache": (Path(HF_HOME), "HF_HOME"),
    }
    return [_room(name, *place) for name, place in places.items()]


def _room(name: str, folder: Path, variable: str) -> InstallationFinding:
    """Whether the folder, or the nearest one above it that exists, can be written and has room."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    advice = f"set {variable} to a folder on another disk"
    if not there.is_dir() or not os.access(there, os.W_OK):
        return InstallationFinding(
            name=name, state="fault", found=f"{folder} is not writable", advice=advice
        )
    free = shutil.disk_usage(there).free
    scarce = free < SCARCE
    space = f"{free / 2**30:.1f} GiB free in {folder}"
    return InstallationFinding(
        name=name, state="note" if scarce else "ok", found=space, advice=advice if scarce else ""
    )


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


def _hub() -> list[InstallationFinding]:
    """Whether the hub answers, within HUB_SECONDS whatever the network does."""
    from huggingface_hub import constants, get_token

    offline = "checkpoints and data sets must then be in the hub's cache, or be local folders"
    if constants.HF_HUB_OFFLINE:
        return [
            InstallationFinding(
                name="hub", state="note", found="HF_HUB_OFFLINE is set", advice=f"{offline}"
            )
        ]
    answers: list[str] = []
    caller = Thread(target=_call, args=(constants.ENDPOINT, answers), daemon=True)
    caller.start()
    caller.join(HUB_SECONDS)
    fault = answers[0] if answers else f"no answer in {HUB_SECONDS:.0f} seconds"
    if fault:
        reason = f"{constants.ENDPOINT}: {fault}"
        return [InstallationFinding(name="hub", state="note", found=reason, advice=offline)]
    if get_token() is None:
        access, advice = "reachable, not signed in", "for gated checkpoints: hf auth login"
        return [InstallationFinding(name="hub", state="ok", found=access, advice=advice)]
    return [InstallationFinding(name="hub", state="ok", found="reachable, a token is there")]


def _call(address: str, answers: list[str]) -> None:
    """Append why `address` did not answer; an empty text where it did."""
    import requests

    try:
        requests.head(address, timeout=HUB_SECONDS).raise_for_status()
    except requests.RequestException as error:
        answers.append(type(error).__name__)
    else:
        answers.append("")


def _browser() -> list[InstallationFinding]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    advice = "reports open in any browser; the browser tests need one here: apt install chromium"
    if browser:
        return [InstallationFinding(name="browser", state="ok", found=browser)]
    return [InstallationFinding(name="browser", state="note", found="no chromium", advice=advice)]


CHECKS: tuple[Callable[[], list[InstallationFinding]], ...] = (
    _python,
    _flamingo,
    _optional,
    _plugin,
    _gpu,
    _data,
    _disk,
    _hub,
    _browser,
)
"""What is looked at, in the order in which it is told."""
