"""Fuzzing: any damage to a submission is accepted or refused with a message, and hurts no other."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_board import facts, new_board, score_of, submit

from resolution_eval.board.checks import check_board
from resolution_eval.board.rows import Board, board_of
from resolution_eval.records.answer_table import SCHEMA, Answers
from resolution_eval.records.cells import cells, failures
from resolution_eval.records.store import answers_of

NASTY: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    0.5,
    1.0000001,
    2**31,
    2**63,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "0",
    "native",
    "28",
    "main",
    "x" * 5000,
    "<script>alert(1)</script>",
    "'\"`${}{{7*7}}",
    "../../../../etc/passwd",
    "C:\\windows",
    "a\u202eb\u2066",
    "\x00\x1b[31m",
    "\ud800",
    "=cmd|' /C calc'!A0",
    [],
    {},
    [[]],
    {"a": {"b": 1}},
    ["16", None, 3],
)


def damaged_json(text: str, chance: random.Random) -> bytes:
    """The JSON document with one to three values damaged, or its bytes."""
    if chance.random() < 0.2:
        return damaged_bytes(text.encode(), chance)
    document = json.loads(text)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(document))
        if places:
            _damage(*chance.choice(places), chance)
    try:
        return json.dumps(document, indent=2).encode()
    except RecursionError:
        return b"["


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            changed[place:place] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 9)))
        elif kind == 1:
            del changed[place : place + chance.randint(1, 40)]
        elif kind == 2 and place < len(changed):
            changed[place] ^= 1 << chance.randrange(8)
        else:
            changed = changed[: max(1, place)]
    return bytes(changed)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _damage(holder: Any, key: Any, chance: random.Random) -> None:
    kind = chance.randrange(6)
    try:
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[chance.choice(("", "rank", "a\u202eb", "schema_version"))] = holder.pop(key)
        elif kind == 2 and isinstance(holder, list):
            holder.append(deepcopy(holder[key]))
        elif kind == 3 and isinstance(holder[key], int | float):
            holder[key] = holder[key] * chance.choice((-1, 1e6, 1.001)) + chance.choice((0, 1, -1))
        else:
            holder[key] = deepcopy(chance.choice(NASTY))
    except (KeyError, IndexError, OverflowError):
        return  # damaged before


def damaged_answers(folder: Path, chance: random.Random) -> None:
    """Rows, columns or bytes of the answers damaged, the record stating their digest anew."""
    path = score_of(folder)
    beside = answers_of(path)
    if chance.random() < 0.3:
        beside.write_bytes(damaged_bytes(beside.read_bytes(), chance))
    else:
        _damage_rows(beside, chance)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["answers_file"]["sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
    if chance.random() < 0.7:
        _restate(document, beside)
    path.write_text(json.dumps(document), encoding="utf-8")


def _restate(document: dict[str, Any], beside: Path) -> None:
    """State rows, cells and failures anew, as a forger would, where any follow from the answers."""
    try:
        made = Answers(pq.read_table(beside))
        stated = {"cells": cells(made), "failures": failures(made)}
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    document["answers_file"]["rows"] = len(made)
    for name, found in stated.items():
        document[name] = [json.loads(each.model_dump_json()) for each in found]


def _damage_rows(beside: Path, chance: random.Random) -> None:
    table = pq.read_table(beside)
    rows = table.to_pylist()
    name = chance.choice(SCHEMA.names)
    for one in chance.sample(rows, chance.choice((1, 3, len(rows)))):
        one[name] = chance.choice(NASTY)
    loose = pa.schema([field.with_nullable(True) for field in SCHEMA])
    try:
        changed = pa.Table.from_pylist(rows, schema=chance.choice((SCHEMA, loose)))
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, ValueError):
        changed = table.slice(chance.randrange(len(rows)), chance.randrange(len(rows)))
    if chance.random() < 0.2:
        changed = changed.drop_columns([chance.choice(changed.column_names)])
    buffer = BytesIO()
    try:
        pq.write_table(changed, buffer)
    except pa.ArrowException:
        pq.write_table(table.slice(1), buffer)
    beside.write_bytes(buffer.getvalue())


def comparable(board: Board, model: str) -> list[dict[str, Any]]:
    """The model's rows; what is relative to others, their ranks, stands in the lists."""
    rows = [row for row in board.rows if row.facts.model == model]
    bare = [
        replace(
            row, curves=tuple(replace(c, record=None, figures=None, points=()) for c in row.curves)
        )
        for row in rows
    ]
    return [asdict(replace(row, facts=None)) for row in bare]


def fuzz(home: Path, rounds: int, seed: int) -> tuple[int, int]:
    """Damage a submission `rounds` times; how often it was accepted, and refused."""
    board = new_board(home, samples=4)
    victim = submit(board, facts("synthetic/victim"))
    submit(board, facts("synthetic/other"))
    sound = home / "sound"
    shutil.copytree(victim, sound)
    whole = comparable(board_of(check_board(board), board), "synthetic/other")
    chance = random.Random(seed)
    counts = [0, 0]
    for number in range(rounds):
        shutil.rmtree(victim)
        shutil.copytree(sound, victim)
        kind = chance.randrange(4)
        if kind == 0:
            damaged_answers(victim, chance)
        else:
            path = victim / "submission.json" if kind == 1 else score_of(victim)
            path.write_bytes(damaged_json(path.read_text(encoding="utf-8"), chance))
        checked = check_board(board)
        mine, other = sorted(checked.submissions, key=lambda each: each.folder == victim)[::-1]
        assert all(str(fault).strip() and fault.message for fault in mine.faults)
        assert other.faults == ()
        counts[bool(mine.faults)] += 1
        if not mine.faults or number % 50 == 0:
            assert comparable(board_of(checked, board), "synthetic/other") == whole
    return counts[0], counts[1]


@pytest.mark.whole
def test_damage_is_accepted_or_refused_and_hurts_no_other(tmp_path: Path) -> None:
    accepted, refused = fuzz(tmp_path, 150, seed=1)
    assert accepted + refused == 150 and refused > 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [2, 3])
def test_twice_five_thousand_damaged_submissions(tmp_path: Path, seed: int) -> None:
    accepted, refused = fuzz(tmp_path, 5_000, seed)
    print(f"seed {seed}: {accepted} accepted, {refused} refused")
    assert accepted + refused == 5_000 and refused > 3_500
