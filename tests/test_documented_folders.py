"""The docs' commands for a folder of one's own, to the letter, beside a folder of that name."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "pixels"))
from test_dicom import dicom
from test_documented_commands import COMMANDS, Command
from test_slide import aperio

nibabel = pytest.importorskip("nibabel", reason="the extra `nifti` is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore")]
CLASSES = ("benign", "malignant")


def slides(root: Path) -> None:
    """Class folders without a table, as TIFF."""
    for place, name in enumerate(("benign/1.tif", "benign/2.tif", "malignant/7.tif")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((60 + place, 60), 60).convert("RGB").save(root / name)


def scans(root: Path) -> None:
    """Slices of a scanner: 12 bits in 16 with an offset, and a table that names them."""
    (root / "series").mkdir(parents=True)
    rows = ["file,label"]
    for place in range(3):
        values = np.random.default_rng(place).integers(0, 4096, (64, 60 + place)).astype(np.uint16)
        data = dicom(values, BitsStored=12, HighBit=11, RescaleIntercept=-1024, RescaleSlope=1)
        (root / "series" / f"{place}.dcm").write_bytes(data)
        rows.append(f"series/{place}.dcm,{CLASSES[place % 2]}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")


def volumes(root: Path) -> None:
    """Volumes in class folders, one of them gzipped."""
    for place, name in enumerate(("benign/1.nii.gz", "benign/2.nii", "malignant/7.nii.gz")):
        values = np.random.default_rng(place).permutation(60 * 50 * 7).reshape(60, 50, 7)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        nibabel.Nifti1Image(values.astype(np.int16), np.eye(4)).to_filename(root / name)


def regions(root: Path) -> None:
    """Two slides, and a table of three regions of them."""
    root.mkdir()
    table = ["file,label,region"]
    for place, name in enumerate(("1.svs", "7.svs")):
        values = np.random.default_rng(place).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        (root / name).write_bytes(aperio(finest=values.repeat(8, 0).repeat(8, 1)))
    table += ['1.svs,benign,"0,0,240,160"', '7.svs,malignant,"0,0,240,160"']
    table.append('7.svs,benign,"240,160,240,160"')
    (root / "labels.csv").write_text("\n".join(table) + "\n")


def biopsies(root: Path) -> None:
    """Slides of a scanner in class folders, their finest pixels a quarter of a µm."""
    for place, name in enumerate(("benign/1.svs", "benign/2.svs", "malignant/7.svs")):
        values = np.random.default_rng(place).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(aperio(finest=values.repeat(32, 0).repeat(32, 1)))


FOLDERS: dict[str, Callable[[Path], None]] = {
    "my_biopsies": biopsies,
    "my_data": slides,
    "my_regions": regions,
    "my_scans": scans,
    "my_slides": slides,
    "my_volumes": volumes,
}
"""By its name in the docs, a folder such as the page describes."""


def named(command: Command) -> str | None:
    """The folder that a command of the pages runs on."""
    words = command.words
    run = words[:2] == ("resolution-eval", "run") and "--data" in words
    return words[words.index("--data") + 1] if run else None


IN_CI = ("my_scans",)
"""The layout that CI runs; the others take minutes together."""
TYPED = [
    pytest.param(words, marks=pytest.mark.whole if folder in IN_CI else pytest.mark.slow)
    for words, folder in {c.words: named(c) for c in COMMANDS if named(c) in FOLDERS}.items()
]


def lines(output: Path) -> list[dict[str, Any]]:
    (path,) = output.rglob("*_samples_folder_res.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_layouts_have_a_command_in_the_page_of_data() -> None:
    found = {named(command) for command in COMMANDS if command.page == "data.md"}
    assert {"my_scans", "my_slides"} <= found


def typed(words: tuple[str, ...], folder: Path) -> str:
    """What a shell in `folder` prints for the line; it must end well."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    environment.pop("RESOLUTION_EVAL_DATA", None)
    ended = subprocess.run(
        ["bash", "-c", shlex.join(words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("words", TYPED, ids=shlex.join)
def test_a_folder_runs_by_the_line_in_the_docs(words: tuple[str, ...], tmp_path: Path) -> None:
    """The line as it stands prints a score of every resolution; with its answers asked for, every
    slice and slide is there, attested, and nobody's name.
    """
    folder = words[words.index("--data") + 1]
    FOLDERS[folder](tmp_path / folder)
    printed = typed(words, tmp_path)
    asked = [] if "--log_samples" in words else ["--log_samples", "--output_path", "out"]
    printed += typed((*words, *asked), tmp_path) if asked else ""
    found = lines(tmp_path / "out")
    counts = Counter(line["verdict"]["resolution"] for line in found)
    microns = [one.endswith("um") for one in counts]
    assert set(counts.values()) == {3}
    assert "native" in counts or (all(microns) and len(counts) == 3)
    for resolution in counts:  # in the table filled up with zeros to one width
        assert re.search(rf"acc@0*{re.escape(resolution)}\b", printed), printed[-2000:]
    assert {line["attestation"]["status"] for line in found} == {"attested"}
    assert {tuple(line["verdict"]["options"]) for line in found} == {CLASSES}
    if "--window" in words:
        assert words[words.index("--window") + 1] == "40/400"
        assert all("window -160..239" in json.dumps(line["attestation"]) for line in found)
    for line in lines(tmp_path / "out") if all(microns) else ():
        asked = float(line["verdict"]["resolution"].removesuffix("um"))
        assert line["attestation"]["microns"] == [asked, asked]
        extent = 60.0 if folder == "my_regions" else 480.0
        assert line["attestation"]["source"][0] * asked == extent
    if "--slice" in words:
        assert all("axial slice 4 of 7" in json.dumps(line["attestation"]) for line in found)
    assert "Doe" not in printed + json.dumps(found)
