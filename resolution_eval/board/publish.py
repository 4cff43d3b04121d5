"""Publishing: the site to a Hugging Face Space or a branch for GitHub Pages, the records to a data
set; what is there already is not sent again.

Tokens come from where `hf auth login` and git keep them, and are in nothing that is printed.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from resolution_eval.board.checks import CheckedBoard
from resolution_eval.board.export import parquet_bytes, table
from resolution_eval.board.rows import Board
from resolution_eval.board.submission import FACTS
from resolution_eval.ground import paths
from resolution_eval.ground.errors import PublishError, UsageError
from resolution_eval.ground.redaction import STRUCK, redacted
from resolution_eval.records.store import answers_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Files = Mapping[str, bytes]

KEPT = (".gitattributes",)
"""Files of a repository that are not ours to delete."""
OURS = ("answers", "data", "records", "scripts", "vendor")
"""Folders of a repository in which nothing is but what we publish."""


@dataclass(frozen=True)
class Changes:
    """What publishing to one place would do."""

    place: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    @property
    def none(self) -> bool:
        """Whether the place is as it should be."""
        return not (self.added or self.changed or self.deleted)

    def __str__(self) -> str:
        if self.none:
            return f"{self.place}: nothing to do"
        kinds = (("add", self.added), ("change", self.changed), ("delete", self.deleted))
        lines = [f"  {kind} {name}" for kind, names in kinds for name in names]
        return "\n".join([f"{self.place}:", *lines])


def _card(kind: str) -> bytes:
    """The README of a repository of the hub: what it is, and how the hub is to show it."""
    return (paths.leaderboard() / "cards" / f"{kind}.md").read_bytes()


def site_files(site: Path) -> dict[str, bytes]:
    """Every file of the built site by its name below `site`.

    Raises:
        UsageError: there is no index.html, or a link.
    """
    if not (site / "index.html").is_file():
        raise UsageError(f"{site} has no index.html; build it with `leaderboard build`")
    files = {}
    for path in sorted(site.rglob("*")):
        if path.is_symlink():
            raise UsageError(f"{path} is a link; build the site anew")
        if path.is_file():
            files[path.relative_to(site).as_posix()] = path.read_bytes()
    return files


def record_files(board: Board, checked: CheckedBoard) -> dict[str, bytes]:
    """The records that are shown, their answers as parquet, and the table of cells."""
    files = {"README.md": _card("dataset"), "cells.parquet": parquet_bytes(list(table(board)))}
    for each in checked.submissions:
        if each.faults or each.withdrawn or each.submission is None:
            continue
        for path in each.records:
            place = f"{each.submission.key}/{path.name}"
            files[f"records/{place}"] = path.read_bytes()
            answers = answers_of(path)
            files[f"answers/{each.submission.key.replace('/', '__')}__{answers.name}"] = (
                answers.read_bytes()
            )
        facts = each.submission.folder / FACTS
        files[f"records/{each.submission.key}/{facts.name}"] = facts.read_bytes()
    return files


@dataclass(frozen=True)
class Hub:
    """One repository on a hub."""

    api: HfApi
    name: str
    kind: str
    """`space` or `dataset`."""

    def publish(self, files: Files, *, dry_run: bool) -> Changes:
        """Make the repository hold `files` and nothing else of ours; what that changes.

        Raises:
            PublishError: the hub refused.
        """
        try:
            return self._publish(files, dry_run=dry_run)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in (
                "huggingface_hub",
                "httpx",
                "requests",
            ):
                raise
            raise PublishError(f"{self.kind} {self.name}: {_without(error, self.api)}") from None

    def _publish(self, files: Files, *, dry_run: bool) -> Changes:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        wanted = {"README.md": _card("space"), **files} if self.kind == "space" else files
        changes = difference(f"{self.kind} {self.name}", self._there(), wanted)
        if changes.none or dry_run:
            return changes
        sdk = "static" if self.kind == "space" else None
        self.api.create_repo(self.name, repo_type=self.kind, exist_ok=True, space_sdk=sdk)
        names = (*changes.added, *changes.changed)
        self.api.create_commit(
            self.name,
            [
                *(CommitOperationAdd(name, wanted[name]) for name in names),
                *(CommitOperationDelete(name) for name in changes.deleted),
            ],
            commit_message="Update the leaderboard",
            repo_type=self.kind,
        )
        return changes

    def _there(self) -> dict[str, str]:
        """Name and digest of every file of the repository; none where there is no repository."""
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            tree = list(self.api.list_repo_tree(self.name, recursive=True, repo_type=self.kind))
        except RepositoryNotFoundError:
            return {}
        files: list[Any] = [entry for entry in tree if hasattr(entry, "blob_id")]
        return {
            one.path: f"sha256 {one.lfs.sha256}" if one.lfs else f"git {one.blob_id}"
            for one in files
        }


def _digests(data: bytes) -> tuple[str, str]:
    """The digests that the hub may know `data` by: as a large file, and as a git blob."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return f"sha256 {hashlib.sha256(data).hexdigest()}", f"git {blob}"


def difference(place: str, there: Mapping[str, str], wanted: Files) -> Changes:
    """What makes the files `there` (name to digest) those `wanted`. Deleted is only what lies in a
    folder that we publish: anything else is somebody's own.
    """
    added = sorted(set(wanted) - set(there))
    changed = sorted(
        name for name in set(wanted) & set(there) if there[name] not in _digests(wanted[name])
    )
    ours = {*OURS, *(name.partition("/")[0] for name in wanted if "/" in name)}
    gone = set(there) - set(wanted) - set(KEPT)
    deleted = sorted(name for name in gone if name.partition("/")[0] in ours)
    return Changes(place, tuple(added), tuple(changed), tuple(deleted))


def _without(error: Exception, api: HfApi) -> str:
    """The error's message without the token, if it holds it."""
    token = api.token if isinstance(api.token, str) else None
    return redacted(str(error).replace(token, STRUCK) if token else str(error))


def publish_pages(files: Files, remote: str, branch: str, *, dry_run: bool) -> Changes:
    """Make `branch` of the git repository `remote` hold `files` alone, for GitHub Pages.

    Raises:
        PublishError: git refused.
    """
    if remote.startswith("-") or branch.startswith("-"):
        raise UsageError(f"{remote!r} and {branch!r} must be a repository and a branch")
    wanted = {".nojekyll": b"", **files}
    with TemporaryDirectory(prefix="resolution-eval-") as folder:
        home = Path(folder)
        _git(home, ["init", "--quiet", f"--initial-branch={branch}"])
        _git(home, ["remote", "add", "origin", remote])
        if _git(home, ["ls-remote", "--heads", "origin", branch]):
            _git(home, ["fetch", "--quiet", "--depth=1", "origin", branch])
            _git(home, ["reset", "--quiet", "--hard", "FETCH_HEAD"])
        listed = _git(home, ["ls-files", "--stage", "-z"]).split("\0")
        there = {line.partition("\t")[2]: f"git {line.split()[1]}" for line in listed if line}
        changes = difference(f"branch {branch} of {redacted(remote)}", there, wanted)
        if not changes.none and not dry_run:
            _commit(home, changes, wanted)
            _git(home, ["push", "--quiet", "origin", f"HEAD:refs/heads/{branch}"])
    return changes


def _commit(home: Path, changes: Changes, wanted: Files) -> None:
    for name in changes.deleted:
        (home / name).unlink()
    for name in (*changes.added, *changes.changed):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[name])
    _git(home, ["add", "--all", "--force", "."])
    who = ["-c", "user.name=resolution-eval", "-c", "user.email=resolution-eval@localhost"]
    _git(home, [*who, "commit", "--quiet", "--message=Update the leaderboard"])


def _git(home: Path, arguments: Sequence[str]) -> str:
    command = ["git", "-c", "core.autocrlf=false", *arguments]
    try:
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PublishError("there is no git on this machine; install it") from error
    if done.returncode:
        raise PublishError(f"git {arguments[0]}: {redacted(done.stderr.strip())}")
    return done.stdout
