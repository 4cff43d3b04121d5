"""Every case of a checkpoint as people publish it, through the commands: its right outcome.

Each is built here (`case_folders.py`); where the cases themselves lie beside the data, they are
held to the same table.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))
from case_folders import CASES, Case, Folders
from test_reswrap_probed import TABLES, _by_hand

from resolution_eval import cli

SHARED = Path(os.environ.get("RESOLUTION_EVAL_DATA", "/nowhere")).parent / "cases" / "checkpoints"
pytestmark = [pytest.mark.filterwarnings("ignore")]
SIZES = "28,64,224"
IMAGES = {"a": (224, 224), "b": (300, 200)}
"""Width and height in pixels."""
LABELS = ("smooth muscle", "adipose")
Answers = dict[tuple[str, str], Any]
shared = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SHARED.is_dir(),
        reason="no folder `cases` beside the one that RESOLUTION_EVAL_DATA names",
    ),
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, of two aspects."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "label", "split"])
        for (name, (width, height)), label in zip(IMAGES.items(), LABELS, strict=True):
            pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
            table.writerow([f"images/{name}.png", label, "test"])
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("cases"))


class Desk:
    """Runs the commands on folders, and keeps what was answered."""

    def __init__(self, folder: Callable[[str], Path], data: Path, output: Path) -> None:
        self.folder, self.data, self.output = folder, data, output
        self.known: dict[str, Answers] = {}
        self.runs = 0

    def arguments(self, name: str, more: str) -> tuple[str, ...]:
        case = CASES[name]
        told = ",".join(filter(None, (f"pretrained={self.folder(name)}", case.arguments, more)))
        if name in ("lora_full", "lora_only") and self.folder(name).parent == SHARED:
            told += ",base={base_qwen2_5_vl}"  # whose place is not known to the folder
        named = {each: self.folder(each) for each in CASES if f"{{{each}}}" in told}
        return "--model", case.model, "--model_args", told.format(**named)

    def run(self, name: str, more: str = "") -> tuple[object, list[dict[str, Any]]]:
        """Exit status, or the sentence that ended it, and the samples' lines."""
        self.runs += 1
        output = self.output / str(self.runs)
        words = ["run", "--tasks", "folder_res", "--data", str(self.data), "--resolutions", SIZES]
        words += [*self.arguments(name, more), "--output_path", str(output), "--log_samples"]
        words += ["--verbosity", "WARNING"]
        if not CASES[name].predicts:
            words += ["--gen_kwargs", "max_new_tokens=12"]
        try:
            status: object = cli.main(words)
        except SystemExit as stopped:
            status = stopped.code
        paths = list(output.rglob("*_samples_*.jsonl"))
        return status, [json.loads(one) for path in paths for one in path.read_text().splitlines()]

    def answers(self, name: str) -> Answers:
        """Those of a case that is scored as it is."""
        if name not in self.known:
            status, lines = self.run(name)
            assert status == 0
            self.known[name] = _answers(lines)
        return self.known[name]


def _answers(lines: list[dict[str, Any]]) -> Answers:
    verdicts = [line["verdict"] for line in lines]
    return {(one["sample"], one["resolution"]): one["answer"] for one in verdicts}


@pytest.fixture(scope="module")
def desk(built: Folders, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(built, data, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def shared_desk(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(lambda name: SHARED / name, data, tmp_path_factory.mktemp("shared"))


def check(name: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """One case: its run, what helps where it is refused, and what the doctor says."""
    case = CASES[name]
    status, lines = desk.run(name)
    said = f"{status}\n{capsys.readouterr().err}"
    if case.said:
        assert status not in (0, None) and case.said in said, said
        assert "Traceback" not in said and "give pretrained= a folder here" not in said
        assert not any(line["verdict"]["correct"] is not None for line in lines)
    if case.mended:
        status, lines = desk.run(name, case.mended)
    if case.mended or not case.said:
        assert status == 0
        check_scored(name, case, desk, lines)
    _examined(name, case, desk, capsys)


def check_scored(name: str, case: Case, desk: Desk, lines: list[dict[str, Any]]) -> None:
    assert len(lines) == len(IMAGES) * len(SIZES.split(","))
    found = [line["attestation"] for line in lines]
    assert {one["status"] for one in found} <= case.statuses
    for one in found:
        agrees = one["grid"] == one["expected_grid"]
        assert agrees == (one["status"] == "attested"), one
    answers = _answers(lines)
    assert None not in answers.values()
    if case.same:
        assert answers == desk.answers(case.same)
        assert len(set(answers.values())) > 2, "answers that are all alike tell nothing"
    if case.predicts:
        assert {line["verdict"]["prediction"] for line in lines} == {case.predicts}
    kind = name.removeprefix("attest_")
    if kind in TABLES and case.model == "reswrap":
        _check_by_hand(desk.folder(name), kind, found)
    if kind == "perception_lm":
        assert all(one["tiles"] > 1 for one in found)


def _check_by_hand(folder: Path, kind: str, found: list[dict[str, Any]]) -> None:
    """Single pictures entered at the grid that the processor's own tensors say."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    for one in found:
        if one["tiles"] is None:
            assert tuple(one["grid"]) == _by_hand(processor, kind, tuple(one["expected_grid"]))


def _examined(name: str, case: Case, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor's table, and its verdict."""
    capsys.readouterr()
    try:
        status: object = cli.main(["doctor", *desk.arguments(name, ""), "--sizes", SIZES])
    except SystemExit as stopped:
        status = stopped.code
        print(status, file=sys.stderr)
    printed = capsys.readouterr()
    if not case.examined:
        assert status == 0 and "every grid is the expected one" in printed.out
        return
    assert status not in (0, None)
    assert case.examined in printed.out + printed.err and "Traceback" not in printed.err
    if case.mended == "scheme=restore":
        assert cli.main(["doctor", *desk.arguments(name, case.mended), "--sizes", SIZES]) == 0


MANY = ("gen_", "remote_", "chat_")
"""Cases of kinds of which CI runs the first alone."""


def _in_ci(name: str) -> pytest.MarkDecorator:
    kind = next((each for each in MANY if name.startswith(each)), name)
    first = next(each for each in CASES if each.startswith(kind))
    return pytest.mark.whole if name == first else pytest.mark.slow


@pytest.mark.parametrize("name", [pytest.param(each, marks=_in_ci(each)) for each in CASES])
def test_a_checkpoint_built_like_the_case_comes_out_right(
    name: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    check(name, desk, capsys)


@pytest.mark.parametrize("name", [pytest.param(each, marks=shared) for each in CASES])
def test_the_case_itself_comes_out_right(
    name: str, shared_desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    check(name, shared_desk, capsys)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no folder `cases` beside the data")
def test_every_case_is_in_the_table() -> None:
    assert {path.name for path in SHARED.iterdir() if path.is_dir()} == set(CASES)


@pytest.mark.whole
def test_what_the_cases_prefer_would_have_changed_the_answers(built: Folders) -> None:
    """Otherwise that the answers are the same would tell nothing: transformers, left alone."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    def said(name: str) -> str:
        processor = AutoProcessor.from_pretrained(built(name))
        model = AutoModelForImageTextToText.from_pretrained(built(name)).eval()
        image = Image.effect_noise((224, 224), 60).convert("RGB")
        shown = [{"type": "image", "image": image}, {"type": "text", "text": "Which " * 30}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": shown}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        torch.manual_seed(0)
        written = model.generate(**inputs, max_new_tokens=24)
        return processor.decode(written[0, inputs["input_ids"].shape[1] :])

    greedy = said("base_qwen2_5_vl")
    assert said("gen_repetition") != greedy
    with pytest.raises(ValueError, match=r"trust_remote_code|custom"):
        said("gen_penalty_alpha")
