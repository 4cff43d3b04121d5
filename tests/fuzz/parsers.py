"""What reads a stranger's bytes: each returns, or raises an error of ours, and no other."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic_runs import line, write_run

from resolution_eval.answers import exact_match, final_answer, parse_choice, token_f1
from resolution_eval.data.cards import parse_model_card, parse_task_card, task_cards
from resolution_eval.data.sources.containers import open_container
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.evidence.reply import MARK, decode_reply
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.errors import ResolutionEvalError
from resolution_eval.images import decode
from resolution_eval.jobs.sweep_plan import read_plan
from resolution_eval.records import make_records, read_record, write_record

with tempfile.TemporaryDirectory() as _folder:
    write_run(Path(_folder), [line("a", "28"), line("b", "28", correct=None)])
    _path = write_record(make_records(Path(_folder))[0], Path(_folder))
    DOCUMENT: dict[str, Any] = json.loads(_path.read_text())
    ANSWERS = _path.with_name(DOCUMENT["answers_file"]["name"]).read_bytes()
"""A sound record of two answers."""
CLASSES, QUESTIONS = task_cards()["pbc"], task_cards()["vqa_rad"]
CHOICES = ("yes", "no", "left lung", "A. right lung", "")


def _file(name: str, data: bytes, read: Callable[[Path], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        read(path)


def labels(data: bytes) -> None:
    """labels.csv, of a classification and of questions."""
    for card in (CLASSES, QUESTIONS):
        with suppress(ResolutionEvalError):
            _file("labels.csv", data, lambda path, card=card: LocalSource(path.parent, card).notes)


def cards(data: bytes) -> None:
    """A card's TOML, of a task and of a model."""
    text = data.decode("utf-8", "replace")
    for parse in (parse_task_card, parse_model_card):
        with suppress(ResolutionEvalError):
            parse(text)


def plans(data: bytes) -> None:
    """A plan's YAML."""
    _file("plan.yaml", data, read_plan)


def records(data: bytes) -> None:
    """A record's document, beside sound answers."""

    def read(path: Path) -> None:
        path.with_name("a.answers.parquet").write_bytes(ANSWERS)
        read_record(path)

    _file("a.record.json", data, read)


def columns(data: bytes) -> None:
    """A record's answers, beside a document that holds their digest."""
    named = {"name": "a.answers.parquet", "sha256": hashlib.sha256(data).hexdigest(), "rows": 2}

    def read(path: Path) -> None:
        path.with_name("a.answers.parquet").write_bytes(data)
        read_record(path)

    _file("a.record.json", json.dumps({**DOCUMENT, "answers_file": named}).encode(), read)


def samples(data: bytes) -> None:
    """lmms-eval's samples file, beside a results file."""

    def read(path: Path) -> None:
        results = {"results": {"x_res": {"acc@28,none": 1.0}}, "configs": {}, "config": {}}
        path.with_name("20260101_000000_results.json").write_text(json.dumps(results))
        make_records(path.parent)

    _file("20260101_000000_samples_x_res.jsonl", data, read)


def archives(data: bytes) -> None:
    """A zip or tar file, its members read."""
    for name in ("a.zip", "a.tar"):
        with suppress(ResolutionEvalError):
            _file(name, data, _members)


def _members(path: Path) -> None:
    container = open_container(path)
    for member in container.members:
        with suppress(OSError):  # its callers' to turn into the failure of a sample
            container.read(member.name)


def answers(data: bytes) -> None:
    """A model's answer, closed and open, and a reply out of a cache."""
    text = data.decode("utf-8", "replace")
    choice = parse_choice(text, CHOICES)
    assert choice is None or 0 <= choice < len(CHOICES)
    final_answer(text)
    exact_match(text, "left lung")
    assert 0 <= token_f1(text, "left lung") <= 1
    LEDGER.adapter = "fuzz"
    try:
        decode_reply(MARK + text)
    finally:
        LEDGER.adapter = None


def images(data: bytes) -> None:
    """An image file."""
    decode(data)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/1.png", b"x" * 300)
    return buffer.getvalue()


def _document() -> bytes:
    file = {**DOCUMENT["answers_file"], "name": "a.answers.parquet"}
    return json.dumps({**DOCUMENT, "answers_file": file}).encode()


PARSERS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "labels": (
        labels,
        (
            b"file,label,split,source\nimages/a.png,basophil,test,x\n",
            b"file,label,split,question,choices,qid\na.png,yes,test,Is it?,yes|no,1\n",
        ),
    ),
    "cards": (cards, (b'name = "x"\nresolutions = [28, "native"]\nclasses = ["a", "b"]\n',)),
    "plans": (
        plans,
        (b"output: out\nmodels:\n- {name: a, model: b}\ntasks: [x_res]\n", b"a: !!python/name:os"),
    ),
    "records": (records, (_document(), b'{"schema_version": 2, "task": "x"}')),
    "columns": (columns, (ANSWERS,)),
    "samples": (samples, (json.dumps(line("a", "28")).encode(),)),
    "archives": (archives, (_zip(),)),
    "answers": (answers, (b"The answer is (B) no.", b'"sample":"a","answer":"b"}')),
    "images": (images, (b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\x00", b"P5 3 3 255\n")),
}
"""What is fuzzed, and what fuzzing begins from."""


def fed(name: str, data: bytes) -> None:
    """Feed `data` to a parser; errors of ours are what it is to raise."""
    with suppress(ResolutionEvalError):
        PARSERS[name][0](data)
