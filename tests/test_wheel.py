"""The wheel, built and installed by itself into an empty environment, outside the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OUR_TASKS = {"pathmnist_res", "pbc_res", "phantom_res"}
PYTHON = os.environ.get("RESOLUTION_EVAL_PYTHON", sys.executable)
"""Of the empty environment."""


def _uv() -> list[str]:
    found = shutil.which("uv")
    if found:
        return [found]
    module = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True)
    if module.returncode:
        pytest.skip("uv builds the wheel and its environment, and is not installed")
    return [sys.executable, "-m", "uv"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [*_uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and what it asks for, and so no open_flamingo."""
    folder = tmp_path_factory.mktemp("clean") / "env"
    subprocess.run(
        [*_uv(), "venv", "--quiet", "--python", PYTHON, str(folder)],
        check=True,
        timeout=120,
    )
    install = [*_uv(), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
    subprocess.run([*install, str(wheel)], check=True, timeout=900)
    return folder


def _run(environment: Path, *command: str) -> subprocess.CompletedProcess[str]:
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "RESOLUTION_EVAL_DATA")
    variables = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        cwd=environment,
        env=variables,
        timeout=300,
    )


def test_the_wheel_holds_the_content_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "resolution_eval/share/tasks/pathmnist/pathmnist_res.yaml" in names
    assert "resolution_eval/share/models/embedded/native/model.safetensors" in names
    assert "resolution_eval.pth" in names
    tops = {name.partition("/")[0] for name in names}
    (told,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"resolution_eval", "resolution_eval.pth", told}
    assert not [name for name in names if {"__pycache__", ".git", ".env"} & set(name.split("/"))]


@pytest.mark.whole
def test_the_wheel_holds_no_secret_and_no_path_of_a_machine(wheel: Path) -> None:
    from resolution_eval.ground import redaction

    texts = (".toml", ".yaml", ".json", ".md", ".csv", ".txt", "METADATA")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith(texts) or "/site/vendor/" in name:
                continue
            text = archive.read(name).decode("utf-8")
            assert not re.search(r"/(?:home|root|work|tmp)/\w", text), name
            assert not redaction._FORMS.search(text) and not redaction._PEM.search(text), name
            assert not any(redaction._detected(text)), name


@pytest.mark.whole
def test_installed_our_tasks_are_listed(environment: Path) -> None:
    listed = _run(environment, "lmms-eval", "tasks", "list")
    assert set(listed.stdout.split()) >= OUR_TASKS, listed.stderr[-2000:]


@pytest.mark.whole
def test_without_open_flamingo_resflamingo_names_the_command_that_brings_it(
    environment: Path,
) -> None:
    run = _run(environment, "lmms-eval", "--model", "resflamingo", "--tasks", "phantom_res")
    assert "pip install --no-deps open_flamingo==2.0.1" in run.stderr
    assert "Traceback" not in run.stderr
    assert run.returncode == 1


@pytest.mark.whole
def test_installed_the_command_states_its_versions(environment: Path) -> None:
    printed = _run(environment, "resolution-eval", "--version").stdout
    assert "open-flamingo not installed" in printed


@pytest.mark.whole
def test_the_wheel_that_the_source_archive_makes_is_the_same(wheel: Path, tmp_path: Path) -> None:
    """What is on PyPI as source builds, alone, what is there as a wheel."""
    build = [*_uv(), "build", "--quiet", "--out-dir", str(tmp_path)]
    pinned = ["--build-constraints", str(ROOT / ".ci" / "build.txt"), "--require-hashes"]
    subprocess.run([*build, *pinned, "--sdist", str(ROOT)], check=True, timeout=300)
    (source,) = tmp_path.glob("*.tar.gz")
    subprocess.run([*build, *pinned, "--wheel", str(source)], check=True, timeout=300)
    (made,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(made) as one, zipfile.ZipFile(wheel) as other:
        told = {info.filename: info.CRC for info in one.infolist()}
        wanted = {info.filename: info.CRC for info in other.infolist()}
    assert told == wanted


@pytest.mark.slow
def test_installed_a_run_gives_a_score(environment: Path, tmp_path: Path) -> None:
    """With whatever versions are newest today, which no lock file holds back."""
    install = [*_uv(), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    subprocess.run([*install, "--no-deps", "open_flamingo==2.0.1"], check=True, timeout=300)
    command = ["--model", "resflamingo", "--model_args", "pretrained=embedded/low", "--limit", "20"]
    command += ["--tasks", "phantom_res", "--output_path", str(tmp_path), "--log_samples"]
    run = _run(environment, "lmms-eval", *command)
    assert run.returncode == 0, run.stderr[-3000:]
    assert _run(environment, "resolution-eval", "record", str(tmp_path)).returncode == 0
