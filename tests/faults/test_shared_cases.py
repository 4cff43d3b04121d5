"""Inputs that failed elsewhere, each through the command line: its right value, or its named fault.

They lie beside the folder that RESOLUTION_EVAL_DATA names, in `cases`; inputs of the same kinds,
built here, are in tests/pixels, tests/test_layouts.py and tests/answers.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resolution_eval import cli
from resolution_eval.adapters import requests as adapter_requests

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from stand_in import running

CASES = Path(os.environ.get("RESOLUTION_EVAL_DATA", "/nowhere")).parent / "cases"
pytestmark = [
    pytest.mark.whole,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not (CASES / "answers.json").is_file(),
        reason="no folder `cases` beside the one that RESOLUTION_EVAL_DATA names",
    ),
]

FAILED = {
    "alpha_zero": {"alpha.png": "transparent everywhere", "unassociated.tif": "transparent"},
    "jpeg_damaged": {
        "block_of_zeros.jpg": "JPEG is damaged",
        "half.jpg": "JPEG is",
        "half_and_end_marker.jpg": "JPEG is",
        "progressive_half.jpg": "JPEG is cut short",
    },
}
"""By case, the images that have no right pixels, and what the failure says."""
NO_CREDIT = {"harmony_false_credit": "adipose"}
"""Replies whose thoughts name the right choice and whose answer is another, and that answer."""
PIXELS = (
    "alpha_zero",
    "jpeg_damaged",
    "padding",
    "png_big_profile",
    "tiff_negative",
    "tiff_planar16",
    "twelve_in_sixteen",
)


def swept(data: Path, output: Path, *more: str, model: str = "resflamingo") -> int:
    """A run by the documented command."""
    named = ["--model", model, "--output_path", str(output), "--log_samples"]
    sweep = ["run", "--tasks", "folder_res", "--data", str(data), "--resolutions", "28,native"]
    return cli.main([*sweep, *named, "--verbosity", "WARNING", *more])


def lines(output: Path) -> list[dict[str, Any]]:
    (path,) = output.rglob("*_samples_folder_res.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("case", PIXELS)
def test_the_pixels_that_are_asked_about_are_the_right_ones(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: dict[bytes, Any] = {}
    decode = adapter_requests.decode

    def noting(data: bytes) -> Any:
        decoded[bytes(data)] = decode(data)
        return decoded[bytes(data)]

    monkeypatch.setattr(adapter_requests, "decode", noting)
    data = CASES / case / "data"
    assert swept(data, tmp_path) == 0
    truth, wrong = np.load(CASES / case / "truth.npz"), FAILED.get(case, {})
    outcomes = {
        (Path(line["verdict"]["sample"]).name, line["verdict"]["resolution"]): line
        for line in lines(tmp_path)
    }
    names = {path.name for path in (data / "images").iterdir()}
    assert {name for name, _ in outcomes} == names >= set(wrong)
    for (name, resolution), line in outcomes.items():
        if name in wrong:
            assert line["verdict"]["correct"] is None
            assert wrong[name] in line["verdict"]["failure"]["message"]
            continue
        assert line["attestation"]["status"] == "attested", (name, resolution)
        found = np.asarray(decoded[(data / "images" / name).read_bytes()].image).astype(float)
        right = truth[name].astype(float)
        right = right if right.ndim == 3 else np.repeat(right[:, :, None], 3, axis=2)
        assert np.abs(found - right).max() <= 1, name


def test_two_runs_say_the_same_of_formats_that_pillow_cannot_read(tmp_path: Path) -> None:
    data = CASES / "nondeterministic" / "data"
    told = []
    for name in ("one", "two"):
        assert swept(data, tmp_path / name) == 0
        found = lines(tmp_path / name)
        told.append(sorted(json.dumps([line["verdict"], line["attestation"]]) for line in found))
    assert told[0] == told[1]
    assert "0x" not in "".join(told[0])
    assert {json.loads(line)[1]["status"] for line in told[0]} == {"attested"}


TABLES = {
    "backslash": 2,
    "header_case": 2,
    "no_split": 2,
    "semicolon": 2,
    "label_spelling": 6,
    "copies": "says 'benign' and",
    "twice_named": "names a column twice",
    "capital_ending": "did you mean 'images/b.jpg'",
    "no_ending": "did you mean 'images/b.jpg'",
    "no_folder": "did you mean 'images/a.jpg'",
    "../nondeterministic/only_dicom": "the same DICOM file, byte for byte, has several labels",
}
"""By case, how many test samples it has, or what is said of it."""


@pytest.mark.parametrize("case", TABLES)
def test_a_table_is_read_or_its_fault_is_told(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = TABLES[case]
    if isinstance(right, int):
        assert swept(CASES / "tables" / case, tmp_path) == 0
        found = lines(tmp_path)
        assert Counter(line["verdict"]["resolution"] for line in found) == {
            "28": right,
            "native": right,
        }
        options = {tuple(line["verdict"]["options"]) for line in found}
        assert len(options) == 1 and len(options.pop()) == (3 if case == "label_spelling" else 2)
        return
    try:
        status: object = swept(CASES / "tables" / case, tmp_path)
    except SystemExit as stopped:
        status = stopped.code
        print(stopped.code, file=sys.stderr)
    said = capsys.readouterr().err
    assert status not in (0, None)
    assert right in said and "Traceback" not in said, said


@pytest.mark.parametrize("case", ["data_real", "data_with_answer"])
def test_the_authors_table_of_microvqa_loads_and_keeps_its_names(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(CASES / "microvqa" / case, tmp_path / "data")
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(root))
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    named = ["--model", "resflamingo", "--output_path", str(tmp_path / "out"), "--log_samples"]
    sweep = ["run", "--tasks", "microvqa_res", "--resolutions", "28,native"]
    assert cli.main([*sweep, *named, "--limit", "8", "--verbosity", "WARNING"]) == 0
    (path,) = (tmp_path / "out").rglob("*_samples_microvqa_res.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found and {line["attestation"]["status"] for line in found} == {"attested"}
    for line in found:
        verdict = line["verdict"]
        assert verdict["target"] in verdict["options"]
        assert not any(option.startswith((".", " ")) for option in verdict["options"])
        for genus in ("elegans", "coli"):
            named = [option for option in verdict["options"] if genus in option]
            assert all(option[0] in "CE" for option in named), named


def test_every_reply_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """A server gives each reply, told by the size of its image; the host scores it."""
    cases = json.loads((CASES / "answers.json").read_text())
    (tmp_path / "data" / "images").mkdir(parents=True)
    with (tmp_path / "data" / "labels.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["qid", "file", "question", "choices", "answer_type", "label", "split"])
        for place, case in enumerate(cases):
            Image.effect_noise((56 + place, 60), 60).save(
                tmp_path / "data" / "images" / f"{place}.png"
            )
            choices = "|".join(case["choices"] or ())
            row = [case["name"], f"images/{place}.png", case["question"], choices, case["kind"]]
            table.writerow([*row, case["right"], "test"])
    with running(reply=lambda asked: cases[asked.size[0] - 56]["reply"]) as server:
        told = f"base=openai,model=Qwen/Qwen2.5-VL-7B-Instruct,base_url={server.url},api_key=k"
        told += ",httpx_trust_env=false"
        more = ["--model_args", told, "--resolutions", "native"]
        assert swept(tmp_path / "data", tmp_path / "out", *more, model="reswrap") == 0
    found = {line["verdict"]["sample"]: line["verdict"] for line in lines(tmp_path / "out")}
    assert set(found) == {case["name"] for case in cases}
    wrong = {
        case["name"]: found[case["name"]]["prediction"]
        for case in cases
        if not found[case["name"]]["correct"]
    }
    assert wrong == NO_CREDIT
