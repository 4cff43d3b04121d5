"""What is wrong in a name, a path or an argument is told before a model library is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "lmms_eval", "transformers", "datasets", "scipy", "pandas", "altair")
RAN = (
    "import json, sys\n"
    "from resolution_eval.cli import main\n"
    "status = main(sys.argv[1:])\n"
    f"print(json.dumps([status, [m for m in {HEAVY!r} if m in sys.modules]]), file=sys.__stdout__)"
)


def told(*arguments: str) -> tuple[int, list[str], str]:
    """Exit status, heavy modules imported, and what was said."""
    keyless = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
    ran = subprocess.run(
        [sys.executable, "-c", RAN, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=keyless | {"HF_ENDPOINT": "http://127.0.0.1:9"},
    )
    status, modules = json.loads(ran.stdout.splitlines()[-1])
    return status, modules, ran.stderr


RUN = ("run", "--tasks", "phantom_res", "--model")
WRONG = {
    ("score", "/no/such", "phantom_res"): "/no/such is no folder here",
    ("score", "embedded/natve", "phantom_res"): "did you mean 'embedded/native'?",
    ("score", "embedded/native", "phantm_res"): "did you mean 'phantom_res'?",
    ("score", "embedded/native", "/no/such"): "/no/such is no folder here",
    ("score", "some/model", "phantom_res"): "the hub cannot be reached",
    ("score", "openai:m@http://127.0.0.1:9/v1", "phantom_res"): "nothing listens at",
    ("score", "openai:m@localhost", "phantom_res"): "write openai:NAME@URL",
    ("score", "claude:", "phantom_res"): "names no model; write claude:NAME",
    ("score", "claude:some-model", "phantom_res"): "has no key; set ANTHROPIC_API_KEY",
    ("score", "gemini:some-model", "phantom_res"): "has no key; set GOOGLE_API_KEY",
    ("score", "embedded/native", "phantom_res", "--resolutions", "x"): "no resolution 'x'",
    ("score", "embedded/native", "phantom_res", "--samples", "0"): "--samples is 0",
    ("score", "embedded/native", "phantom_res", "--minutes", "-1"): "--minutes is -1",
    ("report", "/no/such"): "/no/such does not exist",
    ("record", "/no/such"): "/no/such does not exist",
    ("compare", "/no/such", "/no/other"): "/no/such does not exist",
    ("rank", "/no/such", "/no/other"): "/no/such does not exist",
    ("power", "/no/such"): "/no/such does not exist",
    (*RUN, "resflamngo"): "did you mean 'resflamingo'?",
    (*RUN, "resflamingo", "--model_args", "pretrined=x"): "did you mean 'pretrained'?",
    (*RUN, "resflamingo", "--model_args", "pretrained=/no/such"): "no checkpoint '/no/such'",
    (*RUN, "resflamingo", "--model_args", "scheme=mach"): "did you mean 'match'?",
    (*RUN, "reshf"): "reshf needs a checkpoint",
    (*RUN, "reshf", "--model_args", "pretrained=some/model"): "the hub cannot be reached",
    (*RUN, "reshf", "--model_args", "pretrained=/no/such,dtype=fp8"): "dtype='fp8' is impossible",
    (*RUN, "reswrap"): "give base=NAME",
}


@pytest.mark.whole
@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_it_is_told_before_anything_heavy_is_imported(arguments: tuple[str, ...]) -> None:
    status, modules, said = told(*arguments)
    assert status == 1 and WRONG[arguments] in said
    assert "Traceback" not in said and not modules


@pytest.mark.whole
@pytest.mark.parametrize(
    "by", [["-m", "lmms_eval"], [str(Path(sys.executable).parent / "lmms-eval")]]
)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "resflamingo", "--tasks", "phantm_res"], "did you mean 'phantom_res'?"),
        (["--model=reshf", "--tasks=phantom_res"], "reshf needs a checkpoint"),
        (["eval", "--model", "resfk", "--tasks", "phantom_res"], "did you mean 'reshf'?"),
        (
            ["--model", "reshf", "--model_args", "pretrained=/no/such", "--tasks", "phantom_res"],
            "/no/such is no folder here",
        ),
    ],
)
def test_lmms_evals_own_command_says_it_before_it_imports_torch(
    by: list[str], arguments: list[str], sentence: str
) -> None:
    program = [sys.executable, "-X", "importtime", *by, *arguments]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert ran.returncode == 1 and sentence in ran.stderr
    assert not {"torch", "transformers"} & imported


def test_a_host_command_line_without_ours_is_left_alone() -> None:
    from resolution_eval.preflight import refuse_command_line

    for command in ("lmms-eval --model qwen2_5_vl --tasks mme", "lmms-eval tasks list", "pytest"):
        assert refuse_command_line(command.split()) is None
    assert refuse_command_line(["pytest", "--model", "resfk"]) is None
    assert refuse_command_line([]) is None
    with pytest.raises(SystemExit, match="resflamingo"):
        refuse_command_line(["lmms-eval", "--model", "resflaming", "--tasks", "phantom_res"])


def test_a_folder_of_results_is_looked_at_by_its_names(tmp_path: Path) -> None:
    from resolution_eval.ground.errors import RecordError
    from resolution_eval.preflight import refuse_absent

    with pytest.raises(RecordError, match="no results of our tasks"):
        refuse_absent(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "20260101_000000_results.json").write_text("{}")
    refuse_absent(tmp_path)
