"""A journal of a server's answers, written as each one comes: what was paid for is kept.

lmms-eval's response cache keeps nothing before the last answer of a run has come (0.7.3). The
journal lies in the folder given to `--use_cache`. It holds digests of requests and the answers'
JSON; no key, header or address.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from resolution_eval.ground.notation import json_table, lines_of
from resolution_eval.models.providers.usage import refusal_of, says_something
from resolution_eval.models.wrapped.exchange import digest_of

FILE = "resolution_eval_answers.jsonl"
"""Its name in the folder of `--use_cache`."""


class Journal:
    """Answers by the digest of their request; one that was asked twice has two."""

    asks_nothing = False
    """Whether no question may be sent, as it has an answer to each."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, Lock()
        self._kept: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        for digest, answer in [] if path is None else _lines(path):
            self._kept[digest].append(answer)

    def take(
        self, url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """An answer of an earlier run to this request, once; None if there is none. The `headers`
        are not looked at.
        """
        if self._path is None:
            return None
        with self._lock:
            kept = self._kept.get(digest_of(url, body))
            return kept.popleft() if kept else None

    def keep(self, url: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Write an answer down before anything else is done with it; not a refusal, nor one without
        a text, whose sample failed and is asked again.
        """
        if self._path is None or refusal_of(answer) is not None or not says_something(answer):
            return
        with self._lock:
            self._write(digest_of(url, body), answer)

    def holds(self, digest: str) -> int:
        """How many answers wait for the request of that digest."""
        return len(self._kept.get(digest, ()))

    def note(self, digest: str, answer: Mapping[str, Any]) -> None:
        """Write down an answer that came by another way, whatever it says, to be taken now."""
        with self._lock:
            self._write(digest, answer)
            self._kept[digest].append(dict(answer))

    def _write(self, digest: str, answer: Mapping[str, Any]) -> None:
        line = json.dumps({"request": digest, "answer": answer}) + "\n"
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                file.write(b"" if _ends(file) else b"\n")  # a killed run's half line stays alone
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())


def _ends(file: BinaryIO) -> bool:
    """Whether the file is empty, or its last line whole."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """What the file holds; a line that a killed run left unfinished is passed over."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    kept = []
    for line in lines_of(text):
        document = json_table(line) or {}
        if isinstance(document.get("answer"), dict):
            kept.append((str(document.get("request")), document["answer"]))
    return kept
