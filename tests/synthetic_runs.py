"""Generators of lmms-eval output folders, clearly synthetic: no model answered any of this."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

CLASSES = ("adipose", "mucosa", "lymph")
TASK = "synthetic_res"
Change = Callable[[dict[str, Any]], None]


def line(
    sample: str = "tile-0",
    resolution: str = "28",
    *,
    correct: int | None = 1,
    target: str = "adipose",
    cluster: str | None = None,
    edge: int | None = None,
    source: tuple[int, int] = (240, 200),
    patch: int = 4,
    training: str = "fixed:64",
    checkpoint: str = "synthetic/small-flamingo",
    seconds: float | None = 0.25,
    **attestation: Any,
) -> dict[str, Any]:
    """One line of a samples file; further keyword arguments change its attestation."""
    native = resolution == "native"
    side = edge or (max(source) if native else int(resolution))
    grid = [side // patch * patch, side // patch * patch]
    wrong = CLASSES[(CLASSES.index(target) + 1) % 3] if target in CLASSES else "something else"
    failed = correct is None
    prediction = None if failed else (target if correct else wrong)
    return {
        "doc_id": 0,
        "target": target,
        "input": "Which tissue is shown?",
        "filtered_resps": ["..."],
        "verdict": {
            "sample": sample,
            "resolution": resolution,
            "cluster": cluster or sample,
            "target": target,
            "prediction": prediction,
            "correct": correct,
            "answer": prediction,
            "failure": {"kind": "image", "message": f"{sample} is truncated"} if failed else None,
            "choice_scores": None if failed else [-0.5, -1.25, -2.0],
            "form": "closed",
            "f1": None,
        },
        "attestation": {
            "status": "failed" if failed else "attested",
            "source": None if failed else list(source),
            "requested": resolution,
            "information": None if failed else grid[::-1],
            "capped": False,
            "filter": "bicubic",
            "scheme": "match",
            "expected_grid": None if failed else grid,
            "grid": None if failed else grid,
            "rounding": None if failed else [0, 0],
            "visual_tokens": None if failed else (grid[0] // patch) ** 2,
            "evidence": "none" if failed else "encoder input",
            "training": "unknown" if failed else training,
            "answer_mode": "generate" if failed else "rank",
            "fingerprint": "synthetic-fingerprint",
            "adapter": "" if failed else "resflamingo",
            "checkpoint": "" if failed else checkpoint,
            "notes": [],
            **attestation,
        },
        **(
            {} if failed or seconds is None else {"cost": {"seconds": seconds, "peak_memory": None}}
        ),
    }


def _cost(seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "peak_memory": None}


def facts(rank: int = 0, **checkpoint: Any) -> dict[str, Any]:
    """What a process tells of itself, a line's `run`; further keywords change its checkpoint."""
    return {
        "rank": rank,
        "hardware": {"cpu": "Synthetic CPU", "cores": 2, "memory": 8_000_000_000, "gpus": []},
        "platform": "Synthetic-6.1",
        "versions": {"python": "3.11.7", "torch": "2.15.0"},
        "peak_memory": 1_000_000 + rank,
        "checkpoint": {
            "revision": "sha256:" + "ab" * 32,
            "declared": "fixed:64",
            "evidence": "config.json in the checkpoint's folder",
            "overridden": False,
            "strategy": "native",
            "training_data": "phantom",
            "dtype": "float32",
            "device": "cpu",
            **checkpoint,
        },
        "data": {
            "source": "local",
            "revision": "local-1",
            "loaded": 60,
            "excluded_total": 1,
            "excluded": [{"item": "images/odd.png", "reason": "label not a class of the card"}],
            "notes": [],
        },
    }


def sweep(
    accuracy: Mapping[str, float], *, samples: int = 60, seed: int = 7, **options: Any
) -> list[dict[str, Any]]:
    """Lines of a whole sweep, each sample right at r with probability `accuracy[r]`, paired."""
    chance = random.Random(seed)
    lines = []
    for i in range(samples):
        hardness = chance.random()
        for resolution, probability in accuracy.items():
            noisy = 0.8 * hardness + 0.2 * chance.random()
            lines.append(
                line(
                    f"tile-{i}",
                    resolution,
                    correct=int(noisy < probability),
                    target=CLASSES[i % 3 if i % 5 else 0],
                    cluster=f"patient-{i // 2}",
                    **options,
                )
            )
    return lines


def failed_at(
    lines: Sequence[dict[str, Any]], names: set[str], resolution: str
) -> list[dict[str, Any]]:
    """`lines` with the samples `names` failed at one resolution."""
    found = []
    for each in lines:
        verdict = each["verdict"]
        if verdict["resolution"] == resolution and verdict["sample"] in names:
            failed = line(verdict["sample"], resolution, correct=None)
            kept = {name: verdict[name] for name in ("cluster", "target")}
            found.append({**failed, "verdict": {**failed["verdict"], **kept}})
        else:
            found.append(each)
    return found


RULE = "synthetic/kept@2026-01-02"


def behind_server(lines: Sequence[dict[str, Any]], step: str = "counted") -> list[dict[str, Any]]:
    """`lines` as a server would have answered them, all of one step of the ladder."""
    return [_behind_server(each, step) for each in lines]


def _behind_server(one: dict[str, Any], step: str) -> dict[str, Any]:
    told = one["attestation"]
    if told["status"] == "failed":
        return one
    height, width = told["expected_grid"]
    tokens, ruled = told["visual_tokens"], step != "unattested"
    counted = {"counted": tokens, "mismatched": 2 * tokens + 9}.get(step)
    sent = {"width": width, "height": height, "format": "PNG", "bytes": 99, "sha256": "a" * 64}
    served = {
        "rule": RULE if ruled else None,
        "predicted_size": [width, height] if ruled else None,
        "predicted_tokens": [tokens, tokens] if ruled else None,
        "unit": 4,
        "by_size": True,
        "wrapping": 0,
        "counted_tokens": counted,
        "counted_by": None if counted is None else "usage",
        "model": "synthetic",
        "fingerprint": "fp-1",
        "attempts": 1,
    }
    unseen = {"grid": None, "rounding": None, "visual_tokens": None, "evidence": "none"}
    changed = {"status": step, "sent": sent, "served": served, "adapter": "reswrap", **unseen}
    return {**one, "attestation": {**told, **changed}}


def phantom_source() -> Any:
    """The generated images that `phantom_lines` are about."""
    from resolution_eval.data.cards import task_cards
    from resolution_eval.data.sources import open_source

    return open_source(task_cards()["phantom"])


def phantom_lines(
    source: Any, accuracy: Mapping[str, float], *, samples: int = 40, **options: Any
) -> list[dict[str, Any]]:
    """Lines of a sweep over the first phantoms: invented answers to images that can be drawn."""
    shown = source.samples("test")[:samples]
    lines = sweep(accuracy, samples=samples, source=(64, 64), **options)
    for each in lines:
        verdict = each["verdict"]
        sample = shown[int(verdict["sample"].removeprefix("tile-"))]
        others = [choice for choice in sample.choices if choice != sample.answer]
        said = sample.answer if verdict["correct"] else others[0]
        verdict.update(sample=sample.id, cluster=sample.cluster, target=sample.answer)
        verdict.update(prediction=said, answer=said)
        each["attestation"]["fingerprint"] = source.fingerprint
    return lines


def accuracies(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results file's accuracy rows for `lines`, in the form that the task's own table has."""
    rows: dict[str, Any] = {}
    for resolution in dict.fromkeys(each["verdict"]["resolution"] for each in lines):
        cell = [each for each in lines if each["verdict"]["resolution"] == resolution]
        verdicts = [each["verdict"]["correct"] for each in cell]
        scored = [verdict for verdict in verdicts if verdict is not None]
        statuses = {each["attestation"]["status"] for each in cell}
        value: Any = sum(scored) / len(scored) if scored else "no sample scored"
        if scored and "mismatched" in statuses:
            value = f"{value:.4f} mismatched"
        elif scored and "failed" in statuses:
            value = f"{value:.4f} incomplete ({len(cell) - len(scored)} of {len(cell)} failed)"
        rows[f"acc@{resolution},none"] = value
    return rows


def write_run(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    *,
    task: str = TASK,
    date: str = "20260102_030405",
    change: Change | None = None,
) -> Path:
    """Write one run of one task as lmms-eval does; the results file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "results": {task: {"alias": task, **accuracies(lines)}},
        "configs": {
            task: {"task": task, "metadata": {"version": 1, "card": task.removesuffix("_res")}}
        },
        "config": {
            "model": "resflamingo",
            "model_args": "pretrained=synthetic/small-flamingo",
            "batch_size": 8,
            "device": "cpu",
            "limit": None,
            "random_seed": 0,
            "numpy_seed": 1234,
        },
        "lmms_eval_version": "0.7.3",
        "git_hash": "0123abc",
        "date": date,
        "total_evaluation_time_seconds": "12.5",
        "model_name": "synthetic/small-flamingo",
    }
    if change is not None:
        change(results)
    path = folder / f"{date}_results.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (folder / f"{date}_samples_{task}.jsonl").write_text(text, encoding="utf-8")
    return path
