"""The doctor's table of a type against a run of lmms-eval: both by their own commands."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from benchmarks.census.checkpoints import save
from benchmarks.census.kinds import KINDS, Kind
from benchmarks.census.look import DisagreementError, says

SIZES = "112,224,336"
LABELS = ("striped disc", "ring", "checked cross pair")
FACTS = ("grid", "visual_tokens", "tiles", "expected_grid")
"""What the doctor foretells and a run reads from the tensors."""
Place = tuple[tuple[int, int], str]
"""Size of a source in pixels, and the resolution that was asked for."""


def checkup(model_type: str, state: str) -> dict[str, Any]:
    """Samples that a run attested as the doctor foretold them, of how many; or what differed."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            save(model_type, Path(folder) / "checkpoint")
            return {"samples": _compared(Path(folder), model_type, state)}
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a foreign class raises any)
            return {"reason": says(error)}


def _compared(folder: Path, model_type: str, state: str) -> int:
    """How many samples there were, all of which came out as foretold.

    Raises:
        DisagreementError: one came out otherwise, or was not attested.
    """
    told = f"pretrained={folder / 'checkpoint'}"
    told += ",chat_template=plain" if KINDS.get(model_type, Kind()).plain else ""
    told += ",scheme=restore" if state == "restore" else ""
    foretold = _foretold(told)
    entered = _entered(folder, told, {source for source, _ in foretold})
    if foretold.keys() != entered.keys():
        raise DisagreementError(f"{len(foretold)} samples foretold, {len(entered)} came")
    for place, row in foretold.items():
        if entered[place]["status"] != "attested":
            raise DisagreementError(f"{place}: {entered[place]}")
        for fact in FACTS:
            if row[fact] != entered[place][fact]:
                raise DisagreementError(
                    f"{place}: {fact} {row[fact]} foretold, {entered[place][fact]} entered"
                )
    return len(foretold)


def _foretold(told: str) -> dict[Place, Mapping[str, Any]]:
    """The rows of `resolution-eval doctor`."""
    _, said = _command("doctor", "--model", "reshf", "--model_args", told, "--sizes", SIZES)
    return {
        ((row["source"][0], row["source"][1]), str(row["requested"])): row
        for row in json.loads(said)["rows"]
    }


def _entered(
    folder: Path, told: str, sources: set[tuple[int, int]]
) -> dict[Place, Mapping[str, Any]]:
    """The attestations of `resolution-eval run` over images of these sizes."""
    data = _data(folder / "data", sorted(sources))
    status, said = _command(
        *("run", "--model", "reshf", "--model_args", told, "--tasks", "folder_res"),
        *("--data", str(data), "--resolutions", SIZES, "--output_path", str(folder / "out")),
        *("--log_samples", "--verbosity", "ERROR", "--gen_kwargs", "max_new_tokens=1"),
    )
    if status != 0:
        raise DisagreementError(f"the run ended with {status}: {said[-300:]}")
    (samples,) = (folder / "out").rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    return {
        (tuple(line["attestation"]["source"]), line["attestation"]["requested"]): line[
            "attestation"
        ]
        for line in lines
    }


def _data(folder: Path, sources: list[tuple[int, int]]) -> Path:
    """A data set of an image of noise per size."""
    from PIL import Image

    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "label", "split"])
        for row, source in enumerate(sources):
            noise = Image.effect_noise(source, 80).convert("RGB")
            noise.save(folder / "images" / f"{row}.png")
            table.writerow([f"images/{row}.png", LABELS[row % len(LABELS)], "test"])
    return folder


def _command(*words: str) -> tuple[object, str]:
    """Exit status of one of the project's commands in this process, and what it printed."""
    from resolution_eval import cli

    more = ("--json",) if words[0] == "doctor" else ()
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        status = cli.main([*words, *more])
    return status, printed.getvalue()
