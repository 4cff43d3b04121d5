"""docs/study.md, made from the results in docs/study.

    python -m benchmarks.study collect NAME --matrix DIR --checkpoints DIR [--timed DIR]
    python -m benchmarks.study keep NAME --matrix DIR
    python -m benchmarks.study recompute [--write]
    python -m benchmarks.study render

`collect` keeps what a matrix and its checkpoints' folders say as docs/study/NAME.json, and every
answer in studies/NAME; `keep` keeps the answers of some of its strategies alone; `recompute`
computes cells, gaps and intervals from the answers again, and says where docs/study has another,
or puts it there; `render` writes the page from all these, and the paragraph of
docs/explain/measured.md on them. A study that is collected again keeps what it said before.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.study_answers import keep, recomputed, renewed
from benchmarks.study_claims import (
    TARGETS,
    Key,
    price,
    price_rows,
    reached,
    reached_anew,
    sign_rows,
)
from benchmarks.study_folders import (
    BLIND_HEADS,
    COST_HEADS,
    TIMED_HEADS,
    blind_rows,
    cost_rows,
    timed_rows,
    trained,
)
from benchmarks.study_words import (
    MOVED_HEADS,
    again,
    aimed,
    between,
    ceiling,
    claim,
    ends,
    first_trained,
    moved_rows,
    number,
    put_in,
    reaching,
    to_come,
)
from resolution_eval.report.matrix_tables import GAPS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "study"
RECORDS = ROOT / "leaderboard" / "records"
TEMPLATE = Path(__file__).with_name("study_template.md")
PAGE = ROOT / "docs" / "study.md"
MEASURED = ROOT / "docs" / "explain" / "measured.md"
CLAIMED = ("alignment_gain", "native_trained_mismatch", "low_trained_mismatch", "mixed_low_gap")
NOT_LOOKING = {
    "vqa56": "**These models [do not look](#do-they-look-at-the-image)**: the figures below are "
    "luck with the questions, and no sign and no gap is one of resolution.",
    "vqa56-blind": "The checkpoints of `vqa56`, **shown one mean image for all**: a control, no "
    "score.",
}
"""Matrices of models that do not look at the image, or are shown none, and what is said above them:
no figure of theirs is one of resolution."""
PRICE_HEADS = ("", "study", "strategy", "processor seconds", "at low (%)", "at native (%)")
BESIDE = ("variants", "cost")
"""Files in the folder of results that are no matrix."""

Document = Mapping[str, Any]


def collect(name: str, matrix: Path, checkpoints: Path, timed: Path | None = None) -> Path:
    """Keep the matrix in the folder `matrix`, what training cost, and what a run timed in processor
    seconds says in the folder `timed`, as docs/study/NAME.json.
    """
    kept: dict[str, Any] = {"matrix": json.loads((matrix / "matrix.json").read_text())}
    keep(name, matrix)
    if timed is not None:
        kept["timed"] = trained(timed)
    path = RESULTS / f"{name}.json"
    kept["training"] = [trained(p.parent) for p in sorted(checkpoints.glob("*/config.json"))]
    if path.is_file():
        old = json.loads(path.read_text())
        kept |= {"before": first_trained(old), "training_again": kept["training"]}
        kept["training"] = old["training"]
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")
    return path


def recompute(matrices: Mapping[str, Document]) -> str:
    """Per study, how much of it the answers at hand give again, and what they give otherwise."""
    rows = []
    for name, one in matrices.items():
        found = recomputed(name, one)
        other = ", ".join(found.different) or ("none" if found.compared else "–")
        rows.append([name, f"{found.checkpoints} of {found.of}", found.compared, other])
    heads = ["", "checkpoints with answers", "cells and gaps computed again", "that differ"]
    return _table(heads, rows)


def renew() -> None:
    """Put the figures that the answers give in the place of those in docs/study."""
    for name, one in _matrices(results()).items():
        text = json.dumps(renewed(name, one), indent=1) + "\n"
        (RESULTS / f"{name}.json").write_text(text)


def results() -> dict[str, Document]:
    """Every file of docs/study by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def _matrices(found: Mapping[str, Document]) -> dict[str, Document]:
    return {name: one for name, one in found.items() if name not in BESIDE}


def page() -> str:
    """The text of docs/study.md."""
    found = results()
    matrices = _matrices(found)
    seeing = looking(found)
    parts = {
        "MATRICES": "\n\n".join(_matrix(name, one) for name, one in matrices.items()),
        "SIGNS": signs(seeing),
        "ANEW": signs_anew(seeing),
        "TOLD": told_apart(seeing),
        "REACHED": reaching(matrices, "anchored"),
        "DRAWN": to_come(seeing, "anchored"),
        "CEILING": ceiling(matrices["phantom-long"]),
        "AGAIN": again(matrices),
        "MOVED": _moved(matrices),
        "TARGETS": targets(seeing),
        "PRICES": _table(PRICE_HEADS, list(price_rows(matrices))),
        "PRICE": price(matrices),
        "TRIED": str(len(found["variants"])),
        "VARIANTS": variants(found["variants"]),
        "RECIPES": recipes(matrices),
        "TRAINING": training(matrices),
        "FOLDERS": _table(COST_HEADS, list(cost_rows(matrices))),
        "TIMED": _table(TIMED_HEADS, list(timed_rows(matrices))),
        "BLIND": _table(BLIND_HEADS, list(blind_rows(RECORDS, "56"))),
        "COST": cost(found["cost"]),
        "ANSWERS": recompute(matrices),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return text


def measured_page() -> str:
    """The text of docs/explain/measured.md, its paragraph on the study made anew."""
    found = results()
    text = claim(_matrices(found), looking(found), len(found["variants"]))
    return put_in(MEASURED.read_text(encoding="utf-8"), text)


def _moved(matrices: Mapping[str, Document]) -> str:
    rows = list(moved_rows(matrices))
    return _table(MOVED_HEADS, rows) if rows else ""


def looking(found: Mapping[str, Document]) -> dict[str, Document]:
    """The matrices among `found` whose models are shown the image and look at it."""
    return {name: one for name, one in found.items() if name not in (*BESIDE, *NOT_LOOKING)}


def _matrix(name: str, one: Document) -> str:
    note = f"{NOT_LOOKING[name]}\n\n" if name in NOT_LOOKING else ""
    return f"### {name}\n\n{note}{cells(one['matrix'])}\n\n{gaps(one['matrix'])}"


def cells(matrix: Document) -> str:
    """The table of cells: percent, 95 % interval, standard deviation between seeds."""
    every = [*matrix["cells"], *matrix["further_cells"]]
    across = sorted({cell["infer"] for cell in every}, key=lambda at: _order(matrix, at))
    rows = []
    for strategy, checkpoints in matrix["checkpoints"].items():
        mine = {cell["infer"]: cell for cell in every if cell["train"] == strategy}
        rows.append([strategy, len(checkpoints), *(_shown(mine[at]) for at in across)])
    return _table(["trained", "seeds", *(_head(matrix, at) for at in across)], rows)


def _order(matrix: Document, at: str) -> tuple[int, int]:
    """Resolutions ascending by pixels, mixed inference last."""
    text = str(matrix.get(at, at))
    return (1, 0) if text == "mixed" else (0, int(text) if text.isdecimal() else 1 << 20)


def _head(matrix: Document, at: str) -> str:
    return f"{at} ({matrix[at]})" if at in ("low", "native") else at


def _shown(cell: Document) -> str:
    if "withheld" in cell:
        return "withheld"
    low, high = cell["interval_percent"]
    seeds = cell["per_seed_percent"]
    spread = f" ± {statistics.stdev(seeds):.1f}" if len(seeds) > 1 else ""
    return f"{cell['accuracy_percent']:.1f} [{low:.1f}, {high:.1f}]{spread}"


def gaps(matrix: Document) -> str:
    """The gaps, in points (the retention a ratio), by seed, and whether the sign holds."""
    return _table(
        ["gap", "definition", "value", "by seed", "the paper's sign"],
        [_gap_row(gap) for gap in matrix["gaps"]],
    )


def _gap_row(gap: Document) -> list[str]:
    ratio = gap["unit"] == "ratio"
    definition = f" {'/' if ratio else '−'} ".join(gap["cells"]).replace("->", "→")
    seeds = ", ".join(number(value, ratio) for value in gap.get("per_seed", ()))
    sign = "–" if gap["sign"] == "none" else gap["sign"]
    return [GAPS[gap["name"]], definition, _interval(gap), seeds or "–", sign]


def _interval(gap: Document) -> str:
    if "withheld" in gap:
        return "withheld"
    return _ends(gap["estimate"], gap["low"], gap["high"], gap["unit"] == "ratio")


def _ends(value: float, low: float, high: float, ratio: bool) -> str:
    return f"{number(value, ratio)} {ends(low, high, ratio)}"


def signs(matrices: Mapping[str, Document]) -> str:
    """Per matrix, whether each of the paper's signs holds."""
    rows = []
    for name, one in matrices.items():
        mine = {g["name"]: g for g in one["matrix"]["gaps"] if g["strategy"] == "mixed"}
        rows.append([name, *(f"{_interval(mine[k])}: {mine[k]['sign']}" for k in CLAIMED)])
    return _table(["", *(GAPS[name] for name in CLAIMED)], rows)


def signs_anew(matrices: Mapping[str, Document]) -> str:
    """The same gaps with seeds drawn anew too, and p over all of them by Holm."""
    rows = [
        [
            name, _definition_of(matrices[name]["matrix"], gap, strategy),
            _ends(one.estimate, one.low, one.high, ratio=False), _p(p),
        ]
        for (name, gap, strategy), (one, p) in sign_rows(matrices, CLAIMED).items()
    ]  # fmt: skip
    return _table(["", "gap", "value", "p (Holm)"], rows)


def told_apart(matrices: Mapping[str, Document]) -> str:
    """How many of each gap differ from zero with seeds drawn anew, by Holm, in a sentence."""
    found = sign_rows(matrices, CLAIMED)
    counts = []
    for name in CLAIMED:
        mine = [p for (_, gap, _), (_, p) in found.items() if gap == name]
        counts.append(f"{GAPS[name]} {sum(p <= 0.05 for p in mine)} of {len(mine)}")
    return f"Told from zero so, at 5 % over the whole table: {', '.join(counts)}."


def _definition_of(matrix: Document, name: str, strategy: str) -> str:
    (gap,) = (g for g in matrix["gaps"] if (g["name"], g["strategy"]) == (name, strategy))
    return f"{GAPS[name]}, {_gap_row(gap)[1]}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def targets(matrices: Mapping[str, Document]) -> str:
    """What the variants of mixed training keep, against the targets."""
    missed = reached_anew(matrices)
    rows = [
        [name, strategy, *_target(name, strategy, one, missed)]
        for name, one in matrices.items()
        for strategy in one["matrix"]["checkpoints"]
        if aimed(one, strategy)
    ]
    heads = [*(GAPS[name] for name in TARGETS), "lowest between the ends"]
    shown = ["reached, of these seeds", "p of missing, seeds drawn anew (Holm)"]
    return _table(["", "strategy", *heads, *shown], rows)


def _target(name: str, strategy: str, one: Document, missed: Mapping[Key, float]) -> Iterator[str]:
    gaps = aimed(one, strategy)
    yield from map(_interval, gaps.values())
    worst = between(one, strategy)
    yield "–" if worst is None else f"{worst[0]:.1f} at {worst[1]}"
    old = "" if recomputed(name, one).compared else ", by intervals of 0.1.0"
    yield f"yes{old}" if all(map(reached, gaps.values())) else "no"
    found = [missed.get((name, gap, strategy)) for gap in TARGETS]
    yield ", ".join("one seed" if p is None else _p(p) for p in found)


def variants(tried: Sequence[Document]) -> str:
    """Every variant that was tried, as it was logged."""
    rows = [
        [
            one["setting"], one["name"], one["seed"], one["steps"], f"{one['tokens'] / 1e6:.2f}",
            f"{one['cpu_s']:.0f}", "  ".join(f"{r}: {a:.3f}" for r, a in one["acc"].items()),
        ]
        for one in tried
    ]  # fmt: skip
    heads = ["setting", "variant", "seed", "steps", "Mtokens", "s", "validation accuracy at r"]
    return _table(heads, rows)


def recipes(matrices: Mapping[str, Document]) -> str:
    """How the strategies of a matrix were trained, where the checkpoints' folders were kept."""
    rows = []
    for name, one in matrices.items():
        plans = {run["strategy"]: run["recipe"] for run in one["training"] if "recipe" in run}
        for strategy, plan in plans.items():
            if strategy != "none":
                rows.append([name, strategy, *_recipe(plan)])
    heads = ["", "strategy", "patch", "share of batches at r", "steps", "of answering", "average"]
    return _table(heads, rows)


def _recipe(plan: Document) -> list[object]:
    ends = [[plan["low"], 0.5], [plan["native"], 0.5]]
    shares = plan["mix"] or (ends if plan["strategy"] == "mixed" else [[plan[plan["strategy"]], 1]])
    total = sum(weight for _, weight in shares)
    shown = "  ".join(f"{r}: {weight / total:.2f}" for r, weight in shares)
    steps = (plan["encoder"]["steps"], plan["joint"]["steps"])
    return [plan["architecture"]["patch"], shown, *steps, plan.get("average", 0) or "–"]


def training(matrices: Mapping[str, Document]) -> str:
    """What training cost, by strategy: mean and range over seeds of its seconds."""
    rows = []
    for name, one in matrices.items():
        for strategy in one["matrix"]["checkpoints"]:
            mine = [run for run in one["training"] if run["strategy"] == strategy]
            spent = [run["processor_seconds"] for run in mine if "processor_seconds" in run]
            wall = [run["seconds"] for run in mine if "seconds" in run]
            if spent:
                rows.append([name, strategy, len(spent), *_spread(spent), *_spread(wall)])
    heads = ["", "strategy", "seeds", "processor seconds", "range", "wall time (s)", "range"]
    return _table(heads, rows)


def _spread(seconds: Sequence[float]) -> tuple[str, str]:
    if not seconds:
        return "–", "–"
    return f"{statistics.fmean(seconds):.0f}", f"{min(seconds):.0f} to {max(seconds):.0f}"


def cost(measured: Document) -> str:
    """Cost by resolution, and the laws that were fitted."""
    rows = [
        [
            one["edge"], one["visual_tokens"], f"{1 / statistics.median(one['train_seconds']):.0f}",
            f"{1 / statistics.median(one['answer_seconds']):.0f}",
            f"{one['peak_memory'] / 2**20:.0f}",
        ]
        for one in measured["measured"]
    ]  # fmt: skip
    heads = ["r", "visual tokens", "trained per s", "answered per s", "peak memory (MiB)"]
    laws = [
        f"- {kind}: {1000 * law['fixed']:.2f} ms + {1000 * law['factor']:.4f} ms × "
        f"tokens^{law['exponent']:.2f}, 95 % interval of the exponent "
        f"[{law['low']:.2f}, {law['high']:.2f}]"
        for kind, law in measured["laws"].items()
    ]
    return f"On {measured['hardware']}:\n\n{_table(heads, rows)}\n\n" + "\n".join(laws)


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True)


def main() -> None:
    """Collect one matrix, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    collecting = actions.add_parser("collect")
    collecting.add_argument("name")
    collecting.add_argument("--matrix", type=Path, required=True)
    collecting.add_argument("--checkpoints", type=Path, required=True)
    collecting.add_argument("--timed", type=Path, help="run with processor seconds per step")
    keeping = actions.add_parser("keep")
    keeping.add_argument("name")
    keeping.add_argument("--matrix", type=Path, required=True)
    again = actions.add_parser("recompute")
    again.add_argument("--write", action="store_true", help="put what is computed into docs/study")
    actions.add_parser("render")
    given = parser.parse_args()
    if given.action == "collect":
        print(collect(given.name, given.matrix, given.checkpoints, given.timed))
    elif given.action == "keep":
        path = RESULTS / f"{given.name}.json"
        one = json.loads(path.read_text())
        path.write_text(json.dumps({**one, "before": first_trained(one)}, indent=1) + "\n")
        print(keep(given.name, given.matrix))
    elif given.action == "recompute":
        if given.write:
            renew()
        print(recompute(_matrices(results())))
    else:
        PAGE.write_text(page(), encoding="utf-8")
        MEASURED.write_text(measured_page(), encoding="utf-8")
        print(PAGE)


if __name__ == "__main__":
    main()
