"""Every error that a user causes by hand, once for each command: one sentence that helps.

Each row was typed and read. What it says names what was found and what to do, without a traceback.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from pathlib import Path

import pytest

from resolution_eval import cli
from resolution_eval.commands import COMMANDS
from resolution_eval.ground.errors import UsageError, output_folder, refuse_misspelled

HOST = Path(importlib.util.find_spec("lmms_eval").origin).parent / "__main__.py"
PLAN = "output: out\nmodels: [{name: a, model: resflamingo}]\ntasks: [phantom_res]\n"
TRAIN = "train --task phantom_res --output o --strategy"
MATRIX = "matrix --task phantom_res --output m --checkpoints low=embedded/low"
RESULTS = "does not exist; pass the folder given to --output_path"
NO_RESULTS = "empty: no results of our tasks; run lmms-eval with --output_path and --log_samples"

MISTAKES = [
    ("", 2, "name a command; resolution-eval --help lists them"),
    ("reprot out", 2, "did you mean 'report'?"),
    ("--vesion", 2, "there is no argument '--vesion'; did you mean '--version'?"),
    ("report", 2, "required: DIR"),
    ("report nowhere", 1, f"nowhere {RESULTS}"),
    ("report empty", 1, NO_RESULTS),
    ("report notes.txt", 1, "notes.txt is neither a folder nor a results file; pass the folder"),
    ("report empty --fromat md", 2, "there is no argument '--fromat md'; did you mean '--format'?"),
    ("report empty --format mdd", 2, "did you mean 'md'?"),
    ("record nowhere", 1, RESULTS),
    ("record empty", 1, NO_RESULTS),
    ("record empty extra", 2, "there is no argument 'extra'; see resolution-eval record --help"),
    ("compare nowhere empty", 1, RESULTS),
    ("compare empty empty --sample", 2, "did you mean '--samples'?"),
    ("rank", 2, "required: RESULTS"),
    ("rank empty", 1, NO_RESULTS),
    ("power", 1, "name RESULTS to plan from, or --discordance with --n"),
    ("power --drop x", 2, "invalid float value: 'x'"),
    ("power --discordance 2 --n 9", 1, "--discordance is 2; give a fraction above 0 and at most 1"),
    ("power nowhere", 1, RESULTS),
    ("metrics nowhere.json", 1, "cannot read nowhere.json (No such file or directory); name a"),
    ("metrics empty", 1, "cannot read empty (Is a directory); name a JSON file"),
    ("metrics notes.txt", 1, "notes.txt is not JSON"),
    ("metrics image.png", 1, "image.png is not text; name a JSON file"),
    ("gaps nowhere.json", 1, "cannot read nowhere.json"),
    ("gaps notes.txt", 1, "docs/figures.md has its form"),
    ("datasets pathmnsit", 1, "did you mean 'pathmnist'?"),
    ("datasets phantom --sheet empty", 1, "(empty); name a file in place of a folder"),
    ("models extra", 1, "no checkpoint has 'extra' in its name"),
    ("models --family qwen2_5", 1, "did you mean 'qwen2_5_vl'?"),
    ("models --training fixd", 2, "did you mean 'fixed'?"),
    ("datasets --modality x-rey", 1, "no data set has the modality 'x-rey'"),
    ("datasets --sheet a.png", 1, "--sheet needs the NAME of a data set"),
    ("leaderboard status --board board --level no", 1, "no submission has the status 'no'"),
    ("score", 2, "required: CHECKPOINT, IMAGES"),
    ("score nowhere/at/all phantom_res", 1, "nowhere/at/all is no folder here"),
    ("score empty phantom_res", 1, "empty holds no checkpoint"),
    ("score notes.txt phantom_res", 1, "notes.txt is a file, and no name of a checkpoint"),
    ("score embedded/native empty", 1, "empty has no labels.csv"),
    ("score embedded/native notes.txt", 1, "notes.txt is a file; give a folder of images"),
    ("score embedded/native phantom_res --output notes.txt", 1, "notes.txt cannot be a folder"),
    (
        "score embedded/native phantom_res --batch-size 0",
        1,
        "--batch-size is 0; give a number from",
    ),
    ("completion fish", 2, "choose from ['bash', 'tcsh', 'zsh']"),
    ("convert", 2, "required: FOLDER, OUT"),
    ("convert nowhere out", 1, "nowhere holds no checkpoint in LLaVA's own form"),
    ("sweep", 2, "required: PLAN.yaml"),
    ("sweep nowhere.yaml", 1, "nowhere.yaml: cannot be read (No such file or directory)"),
    ("sweep empty", 1, "empty: cannot be read (Is a directory)"),
    ("sweep notes.txt", 1, "expected keys and values (output, models, tasks)"),
    ("demo", 2, "required: --output"),
    ("demo --output notes.txt", 1, "notes.txt cannot be a folder (File exists); name a folder"),
    ("doctor --sizes 28", 1, "--model_args and --sizes need --model"),
    ("doctor --model reshv", 1, "did you mean 'reshf'?"),
    ("doctor --model reshf", 1, "give pretrained=ID or pretrained=FOLDER"),
    ("doctor --model reshf --model_args pretraned=x", 1, "did you mean 'pretrained'?"),
    ("doctor --model resflamingo --sizes 28,huge", 1, "no resolution 'huge'; give the edge"),
    ("doctor --model resflamingo --model_args pretrained=embedded/lwo", 1, "'embedded/low'?"),
    (f"{TRAIN} lwo", 2, "did you mean 'low'?"),
    (f"{TRAIN} low --task pbc_rez", 1, "did you mean 'pbc_res'?"),
    (f"{TRAIN} low --output notes.txt", 1, "notes.txt cannot be a folder"),
    (f"{TRAIN} low --low -3", 1, "no resolution '-3'"),
    (f"{TRAIN} low --encoder-steps -3", 1, "steps: Input should be greater than"),
    (f"{TRAIN} low --model_args pretraned=x", 1, "did you mean 'pretrained'?"),
    (f"{TRAIN} low --model reshv", 2, "did you mean 'reshf'?"),
    (f"{TRAIN} low --model reshf --model_args architecture=lava", 1, "did you mean 'llava'?"),
    (f"{TRAIN} mixed --resume", 1, "o holds no run to resume; train without --resume"),
    (f"{TRAIN} low --stepz 3", 2, "did you mean '--steps'?"),
    (MATRIX, 1, "no checkpoint is native-trained; say what native is with --native R"),
    (f"{MATRIX} native=embedded/nativ", 1, "embedded/nativ is no folder; say what native is"),
    (f"{MATRIX} native", 1, "cannot read the checkpoints 'native'; write STRATEGY=DIR"),
    (f"{MATRIX} --infer lo", 1, "--infer 'lo' is impossible; did you mean 'low'?"),
    (f"{MATRIX} --model reshv", 1, "there is no model 'reshv'; did you mean 'reshf'?"),
    (f"{MATRIX} --batch_size 0", 1, "--batch_size is 0; give 1 or more"),
    (f"{MATRIX} --output notes.txt", 1, "notes.txt cannot be a folder"),
    ("leaderboard", 2, "required: ACTION"),
    ("leaderboard biuld", 2, "did you mean 'build'?"),
    ("leaderboard build --ouput x --output y", 2, "did you mean '--output'?"),
    ("leaderboard add nowhere", 1, RESULTS),
    ("leaderboard validate nowhere", 1, "nowhere is no folder; pass a submission's"),
    ("leaderboard rerun nowhere --seed 1 --by me", 1, "nowhere is no folder"),
    ("leaderboard serve nowhere", 1, "make one with resolution-eval leaderboard build"),
    ("leaderboard serve --port 99999999", 1, "choose another"),
    ("run", 1, "nothing to run: lmms-eval would need --tasks; name some, phantom_res say"),
    ("run --tasks phantom_rez", 1, "there is no task 'phantom_rez'; did you mean 'phantom_res'?"),
    ("run --tasks phantom_res --resolutons 28", 1, "did you mean '--resolutions'?"),
    ("run --tasks phantom_res --scheme mach", 1, "there is no 'mach'; did you mean 'match'?"),
    ("run --tasks phantom_res --filter bicubik", 1, "did you mean 'bicubic'?"),
    ("run --tasks phantom_res --option-order seed:1", 1, "option_order: needs the form"),
    ("run --tasks phantom_res --judge opnai:x", 1, "did you mean 'openai'?"),
    ("run --tasks phantom_res --resolutions 28,huge", 1, "no resolution 'huge'"),
    ("run --tasks folder_res", 1, "--tasks folder_res and --data PATH go together"),
    ("run --tasks folder_res --data nowhere", 1, "nowhere has no labels.csv"),
    ("run --tasks folder_res --data notes.txt", 1, "--data needs a folder with labels.csv"),
    ("run --tasks phantom_res --data empty", 1, "go together"),
]
"""What is typed, the exit status, and what is said."""

PLANS = [
    (PLAN.replace("models:", "modles:"), "there is no key 'modles'; did you mean 'models'?"),
    (PLAN.replace("name: a", "nmae: a"), "did you mean 'name'?"),
    (PLAN.replace("[{name: a, model: resflamingo}]", "reshf"), "models: needs a list"),
    (PLAN.replace("resflamingo", "reshv"), "there is no model 'reshv'; did you mean 'reshf'?"),
    (PLAN.replace("phantom_res", "phantom_rez"), "did you mean 'phantom_res'?"),
    (PLAN + "scheme: restor\n", "scheme: there is no 'restor'; did you mean 'restore'?"),
    (PLAN.replace("output: out\n", ""), "output: this key is missing"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "board" / "records").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("some notes\n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESOLUTION_EVAL_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def status(typed: str) -> int:
    try:
        return cli.main(shlex.split(typed))
    except SystemExit as stopped:
        return int(stopped.code)


@pytest.mark.parametrize(("typed", "expected", "said"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_answered_with_one_sentence(
    typed: str, expected: int, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(typed) == expected
    printed = capsys.readouterr().err
    last = printed.strip().splitlines()[-1]
    assert said in last and last.startswith("resolution-eval")
    assert "Traceback" not in printed


def test_every_command_is_in_the_table() -> None:
    assert {row[0].split()[0] for row in MISTAKES if row[0]} >= {*COMMANDS}


@pytest.mark.parametrize(("plan", "said"), PLANS, ids=[row[1] for row in PLANS])
def test_a_plan_with_a_mistake_names_it(plan: str, said: str, folder: Path, capsys) -> None:
    (folder / "plan.yaml").write_text(plan)
    assert status("sweep plan.yaml --dry-run") == 1
    assert said in capsys.readouterr().err


def test_the_plan_itself_is_sound(folder: Path) -> None:
    (folder / "plan.yaml").write_text(PLAN)
    assert status("sweep plan.yaml --dry-run") == 0


def test_a_submission_that_was_meant_is_named(capsys) -> None:
    records = Path(__file__).parent.parent / "leaderboard" / "records"
    meant = next(path for path in sorted(records.glob("*/*")) if path.is_dir())
    assert status(f"leaderboard validate {str(meant)[:-1]}") == 1
    assert f"did you mean 'records/{meant.relative_to(records)}'?" in capsys.readouterr().err


def test_no_argument_of_lmms_evals_is_taken_for_ours_misspelled() -> None:
    host = set(re.findall(r"\"(--[a-z_-]+)\"", HOST.read_text(encoding="utf-8")))
    run = cli.build_parser().parse_known_args(["run"])[0].parser
    ours = [text for action in run._actions for text in action.option_strings]
    for option in host - {*ours}:
        refuse_misspelled("argument", option, ours)
    assert len(host) > 40
    with pytest.raises(UsageError, match="did you mean '--scheme'"):
        refuse_misspelled("argument", "--sheme", ours)


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch) -> None:
    assert output_folder(tmp_path / "new" / "one").is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="cannot be written; name a folder that can be written"):
        output_folder(tmp_path)
