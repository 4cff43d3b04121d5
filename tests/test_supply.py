"""What is run in our name: workflows with least permissions, pinned actions, hashed packages."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GRANTED = {
    ("docs", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "publish"): {"contents": "read", "id-token": "write"},
}
"""What jobs may do beyond reading, by workflow and job."""


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_no_more_than_its_jobs_need(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}) == GRANTED.get((path.stem, name), {})
    # the word `on` is a truth value in YAML
    begins = workflow.get("on") or workflow[True]
    assert ("pull_request_target" in begins) is (path.stem == "leaderboard")


def test_a_request_to_the_board_is_checked_by_the_code_of_its_base() -> None:
    """The workflow is the base's too, so that a request cannot change it; it may read alone, keeps
    no token, and runs nothing that the request brings.
    """
    (path,) = (path for path in WORKFLOWS if path.stem == "leaderboard")
    base, request, *rest = steps(yaml.safe_load(path.read_text()))
    assert "ref" not in base["with"] and "path" not in base["with"]
    assert request["with"]["path"] == "request" and request["with"]["ref"].endswith("/merge")
    runs = [step["run"] for step in rest]
    assert not any(
        re.search(r"cd request|--project request|request/(?!leaderboard)", run) for run in runs
    )
    assert any("--board request/leaderboard --base leaderboard" in run for run in runs)


BESIDE = (
    "tools/run.py",
    ".venv/bin/python",
    "request/leaderboard/records/x.json",
    "docs/leaderboard/x.md",
    "Leaderboard/accepted.json",
    "leaderboard.py",
    ".gitattributes",
    ".github/workflows/leaderboard.yml",
    "resolution_eval/board/checks.py",
)
"""What a request may not bring beside a submission; the last is a change of what is there."""
NOBODY = {
    **{f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(home: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=home, env={**os.environ, **NOBODY}, check=True)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def commit(home: Path) -> None:
    git(home, "add", "--all", "--force")
    git(home, "commit", "--quiet", "--message", "x")


@pytest.fixture
def request_(tmp_path: Path) -> Path:
    """A repository, and in it the branch of a request with one submission, not yet committed."""
    home = tmp_path / "request"
    home.mkdir()
    git(home, "init", "--quiet", "--initial-branch=main")
    for name in ("resolution_eval/board/checks.py", "leaderboard/accepted.json", ".gitignore"):
        put(home / name, "base")
    commit(home)
    git(home, "switch", "--quiet", "--create", "request")
    put(home / "leaderboard/records/a__b/c/submission.json", "{}")
    return home


def nothing_beside(home: Path) -> subprocess.CompletedProcess[str]:
    """The workflow's step, run upon the request as it is merged into its base."""
    commit(home)
    git(home, "switch", "--quiet", "main")
    put(home / "README.md", "the base went on")
    commit(home)
    git(home, "merge", "--quiet", "--no-ff", "--no-edit", "request")
    (path,) = (path for path in WORKFLOWS if path.stem == "leaderboard")
    runs = [step.get("run", "") for step in steps(yaml.safe_load(path.read_text()))]
    (command,) = (run for run in runs if " diff " in run)
    return subprocess.run(
        ["bash", "-ec", command], cwd=home.parent, capture_output=True, text=True, check=False
    )


def test_a_request_that_brings_its_submission_alone_passes(request_: Path) -> None:
    done = nothing_beside(request_)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", BESIDE)
def test_a_request_that_brings_anything_beside_it_fails(request_: Path, name: str) -> None:
    put(request_ / name, "mine")
    done = nothing_beside(request_)
    assert done.returncode == 1 and name in done.stdout


def test_a_request_that_links_or_takes_away_fails(request_: Path) -> None:
    (request_ / ".gitignore").unlink()
    (request_ / "linked").symlink_to("/etc/passwd")
    done = nothing_beside(request_)
    assert done.returncode == 1 and {".gitignore", "linked"} <= set(done.stdout.split())


def test_every_tool_that_is_installed_by_pip_is_hashed() -> None:
    said = [*WORKFLOWS, ROOT / ".ci" / "run"]
    installs = [
        line
        for path in said
        for line in path.read_text().splitlines()
        if "pip install" in line and "pip install --quiet uv &&" not in line
    ]
    assert installs and all("--require-hashes" in line for line in installs), installs
    for name in ("uv", "build", "audit"):
        text = (ROOT / ".ci" / f"{name}.txt").read_text()
        pinned = re.findall(r"^[\w.-]+(?:\[[\w,]+\])?==\S+", text, re.MULTILINE)
        blocks = re.split(r"^(?=[\w.-]+(?:\[[\w,]+\])?==)", text, flags=re.MULTILINE)[1:]
        assert pinned and all("--hash=sha256:" in block for block in blocks)


def test_a_release_is_built_without_the_token_and_lists_what_it_brings() -> None:
    (path,) = (path for path in WORKFLOWS if path.stem == "release")
    jobs = yaml.safe_load(path.read_text())["jobs"]
    built = " ".join(step.get("run", "") for step in jobs["build"]["steps"])
    assert "uv build --build-constraints .ci/build.txt --require-hashes" in built
    assert "uv export --locked" in built and "--format cyclonedx" in built
    assert "permissions" not in jobs["build"]
    sent = [step["run"] for step in jobs["publish"]["steps"] if "run" in step]
    assert len(sent) == 2 and "pip install" in sent[0] and "uv publish" in sent[1]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_keeps_no_token(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used)
    for step in steps(yaml.safe_load(text)):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "a stranger's text must not become a command"


def test_an_audit_that_got_no_answer_does_not_pass() -> None:
    """Without `--strict`, status 0 and "No known vulnerabilities found" where nobody answers."""
    (path,) = (path for path in WORKFLOWS if path.stem == "audit")
    runs = [step["run"] for step in steps(yaml.safe_load(path.read_text())) if "run" in step]
    assert any("uv audit --locked" in run for run in runs)
    (second,) = (run for run in runs if "pip-audit" in run)
    assert "pip-audit --strict " in second and "--require-hashes" in second


def test_every_package_of_the_lock_file_is_hashed() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert len(packages) > 100
    for package in packages:
        if "registry" not in package["source"]:
            assert package["name"] == "resolution-eval" and package["source"] == {"editable": "."}
            continue
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files and all(one["hash"].startswith("sha256:") for one in files)
