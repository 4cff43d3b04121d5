"""A journal of a server's answers, written as each one comes: what was paid for is kept.

lmms-eval's response cache keeps nothing before the last answer of a run has come (0.7.3). The
journal lies in the folder given to `--use_cache`. It holds digests of requests and the answers'
JSON; no key, header or address.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from resolution_eval.ground.notation import json_value

FILE = "resolution_eval_answers.jsonl"


class Journal:
    """Answers by the digest of their request; one that was asked twice has two."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, Lock()
        self._kept: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        for digest, answer in [] if path is None else _lines(path):
            self._kept[digest].append(answer)

    def take(self, url: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """An answer that an earlier run was given to this request, once; None if there is none."""
        if self._path is None:
            return None
        with self._lock:
            kept = self._kept.get(_digest(url, body))
            return kept.popleft() if kept else None

    def keep(self, url: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Write an answer down before anything else is done with it."""
        if self._path is None or not _says_something(answer):
            return
        line = json.dumps({"request": _digest(url, body), "answer": answer}) + "\n"
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())


def journal_path(arguments: Sequence[str]) -> Path | None:
    """Where the journal lies, by lmms-eval's command line; None without `--use_cache`.

    Beside the root's file where that is named in place of its folder.

    Example:
        >>> journal_path(["lmms-eval", "--use_cache", "kept"])
        PosixPath('kept/resolution_eval_answers.jsonl')
        >>> journal_path(["lmms-eval", "-c", "kept/cache.db"])
        PosixPath('kept/resolution_eval_answers.jsonl')
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--use_cache", "-c", nargs="?")
    kept = parser.parse_known_args(list(arguments[1:]))[0].use_cache
    if not kept:
        return None
    return (Path(kept).parent if kept.endswith(".db") else Path(kept)) / FILE


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """What the file holds; a line that a killed run left unfinished is passed over."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            document = json_value(line)
        except ValueError:
            continue
        if isinstance(document, dict) and isinstance(document.get("answer"), dict):
            found.append((str(document.get("request")), document["answer"]))
    return found


def _digest(url: str, body: Mapping[str, Any]) -> str:
    said = json.dumps([url.partition("?")[0], body], sort_keys=True)
    return sha256(said.encode()).hexdigest()


def _says_something(answer: Mapping[str, Any]) -> bool:
    """Whether an answer has a text: a failed sample is asked again."""
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return True
    messages = [choice.get("message") or {} for choice in choices if isinstance(choice, dict)]
    return any(message.get("content") for message in messages)
