"""Printing: no terminal's encoding costs a result, and a cache that cannot be written is advice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_runs import failed_at, sweep, write_run

from resolution_eval.commands import COMMANDS
from resolution_eval.ground.errors import UsageError, unseen, visible

ENCODINGS = ["ascii", "latin-1", "cp1252", "utf-8"]
SAYS = "acc ≥ 0.5 – área Δ 値"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_sign_that_cannot_be_printed_is_its_escape(encoding: str) -> None:
    script = (
        "import sys; from resolution_eval.ground.errors import printable; printable();"
        f"print({SAYS!r}); print({SAYS!r}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wanted = SAYS.encode(encoding, "backslashreplace")
    assert done.stdout.rstrip() == wanted and done.stderr.rstrip() == wanted


EVERY = """
import io, json, sys
from contextlib import suppress
from resolution_eval import cli

ended = {}
for command in json.loads(sys.argv[1]):
    try:
        ended[" ".join(command[:2])] = cli.main(command)
    except SystemExit as error:
        ended[" ".join(command[:2])] = error.code
    except Exception as error:
        ended[" ".join(command[:2])] = repr(error)
sys.stdout.flush()
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(ended, file)
"""
"""Commands in one process: how each ended."""

NARROW = [
    pytest.param("ascii", marks=pytest.mark.whole),
    pytest.param("cp1252", marks=pytest.mark.slow),
]
"""Encodings without most signs; CI runs the narrowest."""


@pytest.mark.parametrize("encoding", NARROW)
def test_every_command_ends_well_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    """Over records whose every free text is beyond what a terminal may show."""
    name = "modèle/Δ値—≥"
    for number, accuracy in enumerate((0.5, 0.9)):
        lines = sweep({"28": 0.4, "64": accuracy}, samples=40, checkpoint=f"{name}{number}")
        for each in lines:
            each["attestation"]["notes"] = [SAYS]
        write_run(tmp_path / f"run{number}", failed_at(lines, {"tile-1"}, "28"))
    made, out = str(tmp_path / "records"), str(tmp_path / "out")
    plan = tmp_path / "plan.yaml"
    model = "{name: one, model: resflamingo, model_args: 'pretrained=/Δ/値'}"
    told = f"output: Δ\nmodels: [{model}]\ntasks: [phantom_res]\n"
    plan.write_text(told, encoding="utf-8")
    ok: list[list[str]] = [
        *(["record", str(tmp_path / f"run{number}"), "--output", made] for number in range(2)),
        *(["report", made], ["report", made, "--output", f"{out}.html"]),
        *(["compare", f"{tmp_path}/run0", f"{tmp_path}/run1", "--samples"], ["rank", made]),
        *(["power", made], ["sweep", str(plan), "--dry-run"], ["--version"]),
        *(["datasets"], ["datasets", "phantom"], ["models"], ["completion", "bash"]),
        *(["leaderboard", "status"], ["leaderboard", "validate"]),
        *([command, "--help"] for command in COMMANDS),
        *(["record", f"/{SAYS}"], ["datasets", SAYS], ["models", SAYS], ["report", f"/{SAYS}"]),
    ]
    done = subprocess.run(
        [sys.executable, "-c", EVERY, json.dumps(ok), f"{out}.json"],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr[-3000:]
    ended = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert all(each in (0, 1, 2, None) for each in ended.values()), ended
    bad = {name for name, status in ended.items() if status not in (0, None)}
    assert len(ended) > 30 and all(SAYS in name for name in bad), bad


@pytest.mark.parametrize("encoding", NARROW)
def test_lmms_eval_prints_our_results_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    command = ["run", "--tasks", "phantom_res", "--resolutions", "16", "--limit", "4"]
    command += ["--model", "resflamingo", "--model_args", "pretrained=embedded/low"]
    done = subprocess.run(
        [sys.executable, "-m", "resolution_eval", *command, "--output_path", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert b"UnicodeEncodeError" not in done.stderr + done.stdout
    assert list(tmp_path.rglob("*_results.json"))


def test_a_cache_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path: Path) -> None:
    import datasets.config

    from resolution_eval.installation import refuse_unwritable_cache

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "file" / "datasets"))
    with pytest.raises(UsageError, match="set HF_HOME to a folder that can be"):
        refuse_unwritable_cache()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    refuse_unwritable_cache()


@pytest.mark.whole
def test_an_unwritable_home_is_told_once_by_lmms_eval(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    names = ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME", "HF_HUB_CACHE")
    bare = {name: value for name, value in os.environ.items() if name not in names}
    command = ["run", "--tasks", "phantom_res", "--limit", "2", "--model", "resflamingo"]
    command += ["--model_args", "pretrained=embedded/low", "--output_path", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "resolution_eval", *command],
        env={**bare, "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("set HF_HOME to a folder that can be") == 1
    assert "Retrying" not in done.stderr


def test_letters_that_nobody_sees_are_told_by_their_numbers() -> None:
    hidden = "\u3164\u115f\u200b\u034f\ufe0f\u2800\u00ad\u202e"
    assert all(map(unseen, hidden)) and not any(map(unseen, "aé値 -β"))
    assert visible(f"a{hidden}b") == "a" + "".join(ascii(c)[1:-1] for c in hidden) + "b"
