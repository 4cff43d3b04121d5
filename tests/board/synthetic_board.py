"""Boards of synthetic submissions: no model answered any of this, and none is ever published."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from synthetic_runs import facts as run_facts
from synthetic_runs import line, write_run

from resolution_eval.answers.prompts import question_text
from resolution_eval.board.checks import check_board
from resolution_eval.board.ledger import LEDGER, BoardLedger, accept, write_ledger
from resolution_eval.board.pins import Pin, read_pin
from resolution_eval.board.rerun import CellRepeat, Rerun
from resolution_eval.board.submission import FACTS, RERUN, folder_name
from resolution_eval.data.cards import task_cards
from resolution_eval.ground.files import file_digest
from resolution_eval.host.taskfiles import GENERATION
from resolution_eval.records import Record, make_records, write_record

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
        "recipe": model,
        "labels": ["synthetic"],
        "licence": "Apache-2.0",
        "submitter": "nobody",
        "submitted": "2026-01-02",
        "pretrained": model,
        **changes,
    }


def lines(
    pin: Pin, curve: Mapping[str, float], seed: str, own: str = "", **options: Any
) -> list[dict[str, Any]]:
    """A whole sweep over the pinned samples, each right at r with probability `curve[r]`.

    What is answered follows from `seed`; the scores of the options, from `own` too.
    """
    noise = random.Random(f"{seed} {own}")
    edge = task_cards()[pin.dataset].source_width or 64
    made = []
    for sample, truth in pin.by_id.items():
        hardness = random.Random(f"{seed} {sample}").random()
        for resolution, probability in curve.items():
            chance = random.Random(f"{seed} {sample} {resolution}")
            right = 0.8 * hardness + 0.2 * chance.random() < probability
            target = truth.choices.index(truth.target)
            others = len(truth.choices)
            said = target if right else (target + 1 + chance.randrange(others - 1)) % others
            one = line(
                sample,
                resolution,
                target=truth.target,
                cluster=truth.cluster,
                source=(edge, edge),
                **options,
            )
            say(one, truth.choices, said, noise)
            made.append(one)
    made[0]["run"] = run_facts()
    made[0]["input"] = question_text(task_cards()[pin.dataset].question or "", pin.choices)
    return made


def say(one: dict[str, Any], choices: Sequence[str], said: int, noise: random.Random) -> None:
    """Have the line answer with a choice, by ranking it first or by writing it."""
    scores = [-2.0 - noise.random() for _ in choices]
    scores[said] = -0.5
    ranked = one["attestation"]["answer_mode"] == "rank"
    one["verdict"] |= {
        "choice_scores": scores if ranked else None,
        "prediction": choices[said],
        "answer": choices[said],
        "correct": int(choices[said] == one["verdict"]["target"]),
    }


def submit(
    board: Path,
    declared: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, float]] | None = None,
    *,
    samples: int = 60,
    change: Change | None = None,
    unseen: Change | None = None,
    like: str | None = None,
    **options: Any,
) -> Path:
    """Write a submission with a record and a blind control per task of `curves`; its folder.

    `change` is applied to the lines of each run before they are written, `unseen` to those without
    the image; `options` are those of `synthetic_runs.line`. `samples` are pinned of a data set that
    the board has no pin of. `like` names the model whose answers it gives.
    """
    folder = board / "records" / folder_name(declared["model"], declared["revision"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).write_text(json.dumps(declared, indent=1), encoding="utf-8")
    given = {"checkpoint": declared["pretrained"], **options}
    mode = options.get("answer_mode", "")
    for number, (task, curve) in enumerate((curves or {"phantom_res": CURVE}).items()):
        pin = pinned(board, task.removesuffix("_res"), samples)
        run = board.parent / "runs" / f"{folder.parent.name}-{folder.name[-7:]}-{number}{mode}"
        seed, own = f"{like or declared['model']} {task}", f"{declared['model']}{mode}"
        shown = lines(pin, curve, seed, own, **given)
        if change is not None:
            change(shown)
        told, hour = partial(_told, task=task), 5 if mode else 3
        write_run(run, shown, task=task, date=f"20260102_0{hour}040{number}", change=told)
        guesses = dict.fromkeys(curve, 0.125)
        hidden = lines(pin, guesses, f"{seed} {own} blind", **given, blind="mean image")
        if unseen is not None:
            unseen(hidden)
        write_run(run, hidden, task=task, date=f"20260102_0{hour + 1}050{number}", change=told)
        for record in make_records(run):
            write_record(record, folder)
    return folder


def _told(results: dict[str, Any], task: str) -> None:
    """What lmms-eval says of our tasks beside the scores."""
    results["n-shot"] = {task: 0}
    results["configs"][task]["metadata"]["option_order"] = "fixed"
    results["configs"][task]["generation_kwargs"] = GENERATION


def vouch(
    board: Path, samples: int = 20, *, doubt: Iterable[Path] = (), skip: Iterable[Path] = ()
) -> None:
    """Have the maintainers repeat `samples` of every cell of every submission, the blind ones too,
    and enter all into the ledger. Those in `doubt` do not repeat; those in `skip` nobody tried.
    """
    doubted, skipped, entries = set(doubt), set(skip), {}
    for each in check_board(board).submissions:
        if each.submission is None or each.faults or each.folder in skipped:
            continue
        cells = tuple(
            cell
            for record in each.records.values()
            for cell in repeated(record, samples, agree=each.folder not in doubted)
        )
        found = Rerun(
            records={path.name: file_digest(path) for path in each.records},
            seed=1,
            by="maintainer",
            date="2026-01-03",
            hardware="synthetic",
            versions={},
            revision=each.submission.facts.revision,
            pretrained=each.submission.facts.model,
            cells=cells,
        )
        (each.folder / RERUN).write_text(found.model_dump_json(), encoding="utf-8")
        entry = accept(
            each.submission, each.records, by="maintainer", date="2026-01-03", repeated=True
        )
        entries[each.submission.key] = entry
    write_ledger(BoardLedger(submissions=entries), board / LEDGER)


def repeated(record: Record, samples: int, *, agree: bool = True) -> Iterator[CellRepeat]:
    """What a repetition of `samples` of every cell finds; else that half the verdicts differ."""
    for cell in record.cells:
        n = min(samples, cell.n)
        yield CellRepeat(
            task=record.task,
            scheme=cell.scheme,
            filter=cell.filter,
            answer_mode=cell.answer_mode,
            resolution=cell.resolution,
            of=cell.n,
            n=n,
            agreeing=n if agree else n // 2,
            same_grid=n,
            recorded_correct=n // 2,
            correct=n // 2,
            shown=record.shown or "unknown",
        )


def score_of(folder: Path, task: str = "phantom_res") -> Path:
    """The document of the submission's score on `task`, not that of its blind control."""
    found = sorted(folder.glob(f"{task}-*.record.json"))
    (path,) = (p for p in found if '"shown": "image"' in p.read_text(encoding="utf-8"))
    return path
