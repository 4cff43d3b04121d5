"""Boards of synthetic submissions: no model answered any of this, and none is ever published."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from synthetic_runs import facts as run_facts
from synthetic_runs import line, write_run

from resolution_eval.board.pins import Pin, read_pin
from resolution_eval.board.submission import FACTS, folder_name
from resolution_eval.cards import task_cards
from resolution_eval.records import make_records, write_record

CURVE = {"16": 0.9, "24": 0.5, "32": 0.5, "48": 0.6, "64": 0.7}
"""Accuracies at the resolutions of phantom_res."""
REVISION = "sha256-" + "ab" * 32
Change = Callable[[list[dict[str, Any]]], object]


def new_board(home: Path, samples: int = 24) -> Path:
    """An empty board in `home` whose pin of the phantoms has `samples` samples; its folder."""
    board = home / "leaderboard"
    (board / "records").mkdir(parents=True)
    pinned(board, "phantom", samples)
    return board


def pinned(board: Path, dataset: str, samples: int) -> Pin:
    """The board's pin of the data set, made with as many samples if there is none."""
    found = read_pin(dataset, board)
    if found is not None:
        return found
    card = task_cards()[dataset]
    pin = {
        "dataset": dataset,
        "revision": card.revision,
        "fingerprint": "synthetic-fingerprint",
        "made_from": "synthetic",
        "choices": card.classes,
        "samples": [
            {
                "id": f"test/{i:05}",
                "target": card.classes[i % 8 if i % 3 else 0],
                "cluster": f"c{i // 2}",
            }
            for i in range(samples)
        ],
    }
    path = board / "samples" / f"{dataset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(pin, indent=1), encoding="utf-8")
    return Pin.model_validate(pin)


def facts(model: str = "synthetic/one", revision: str = REVISION, **changes: Any) -> dict[str, Any]:
    """What a submitter would declare; further keyword arguments change it."""
    return {
        "model": model,
        "revision": revision,
        "title": model.rpartition("/")[2],
        "parameters": 1_000_000,
        "strategy": "low",
        "training": "fixed:64",
        "training_evidence": "synthetic",
        "base": None,
        "trained_on": [],
        "labels": ["synthetic"],
        "licence": "Apache-2.0",
        "submitter": "nobody",
        "submitted": "2026-01-02",
        "pretrained": model,
        **changes,
    }


def lines(pin: Pin, curve: Mapping[str, float], seed: str, **options: Any) -> list[dict[str, Any]]:
    """A whole sweep over the pinned samples, each right at r with probability `curve[r]`."""
    chance = random.Random(seed)
    edge = task_cards()[pin.dataset].source_width or 64
    made = []
    for sample, truth in pin.by_id.items():
        hardness = chance.random()
        for resolution, probability in curve.items():
            right = 0.8 * hardness + 0.2 * chance.random() < probability
            target = truth.choices.index(truth.target)
            others = len(truth.choices)
            said = target if right else (target + 1 + chance.randrange(others - 1)) % others
            one = line(
                sample,
                resolution,
                correct=int(right),
                target=truth.target,
                cluster=truth.cluster,
                source=(edge, edge),
                **options,
            )
            scores = [-2.0 - chance.random() for _ in truth.choices]
            scores[said] = -0.5
            one["verdict"] |= {
                "choice_scores": scores,
                "prediction": truth.choices[said],
                "answer": truth.choices[said],
            }
            made.append(one)
    made[0]["run"] = run_facts()
    return made


def submit(
    board: Path,
    declared: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, float]] | None = None,
    *,
    samples: int = 60,
    change: Change | None = None,
    **options: Any,
) -> Path:
    """Write a submission with a record and a blind control per task of `curves`; its folder.

    `change` is applied to the lines of each run before they are written; `options` are those of
    `synthetic_runs.line`. `samples` are pinned of a data set that the board has no pin of.
    """
    folder = board / "records" / folder_name(declared["model"], declared["revision"])
    folder.mkdir(parents=True)
    (folder / FACTS).write_text(json.dumps(declared, indent=1), encoding="utf-8")
    given = {"checkpoint": declared["pretrained"], **options}
    for number, (task, curve) in enumerate((curves or {"phantom_res": CURVE}).items()):
        pin = pinned(board, task.removesuffix("_res"), samples)
        run = board.parent / "runs" / f"{folder.parent.name}-{folder.name[-7:]}-{number}"
        seed = f"{declared['model']} {task}"
        shown = lines(pin, curve, seed, **given)
        if change is not None:
            change(shown)
        told = partial(_told, task=task)
        write_run(run, shown, task=task, date=f"20260102_03040{number}", change=told)
        guesses = dict.fromkeys(curve, 0.125)
        unseen = lines(pin, guesses, f"{seed} blind", **given, blind="mean image")
        write_run(run, unseen, task=task, date=f"20260102_04050{number}", change=told)
        for record in make_records(run):
            write_record(record, folder)
    return folder


def _told(results: dict[str, Any], task: str) -> None:
    """What lmms-eval says of our tasks beside the scores."""
    results["n-shot"] = {task: 0}
    results["configs"][task]["metadata"]["option_order"] = "fixed"


def score_of(folder: Path, task: str = "phantom_res") -> Path:
    """The document of the submission's score on `task`, not that of its blind control."""
    found = sorted(folder.glob(f"{task}-*.record.json"))
    (path,) = (p for p in found if '"shown": "image"' in p.read_text(encoding="utf-8"))
    return path
