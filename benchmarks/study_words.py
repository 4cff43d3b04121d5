"""The study's claims in words: sentences whose truth hangs on the figures are made from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.study_answers import recomputed, trained_again
from benchmarks.study_claims import (
    TARGETS,
    accuracy,
    anew,
    price_parts,
    reached,
    reached_anew,
    seconds,
)
from resolution_eval.report.matrix_tables import GAPS

Document = Mapping[str, Any]

LONG = {"pbc84-long": "blood cells", "phantom-long": "phantoms"}
"""The studies whose strategies all train longest, and on what."""
MARKS = ("<!-- study: made by `python -m benchmarks.study render` -->", "<!-- /study -->")
SHOWN = 0.025
"""Largest one-sided p, by Holm, of a gap that is shown to reach its aim."""
MOVED_HEADS = ("", "strategy", "gap", "as first trained", "trained again")


def number(value: float, ratio: bool) -> str:
    """A ratio with three decimals, another gap in points with its sign."""
    return (f"{value:.3f}" if ratio else f"{100 * value:+.1f}").replace("-", "−")


def ends(low: float, high: float, ratio: bool) -> str:
    """An interval as the page writes it."""
    return f"[{number(low, ratio)}, {number(high, ratio)}]"


def aimed(one: Document, strategy: str) -> dict[str, Document]:
    """The strategy's gaps that have an aim; empty where one is withheld or absent."""
    mine = {g["name"]: g for g in one["matrix"]["gaps"] if g["strategy"] == strategy}
    sound = mine.keys() >= TARGETS.keys() and not any("withheld" in mine[k] for k in TARGETS)
    return {name: mine[name] for name in TARGETS} if sound else {}


def between(one: Document, strategy: str) -> tuple[float, str] | None:
    """Lowest accuracy in percent between both ends, and where; None without one."""
    matrix = one["matrix"]
    found = [
        (float(cell["accuracy_percent"]), str(cell["infer"]))
        for cell in matrix["further_cells"]
        if cell["train"] == strategy and cell["infer"].isdecimal() and "withheld" not in cell
        and int(matrix["low"]) < int(cell["infer"]) < int(matrix["native"])
    ]  # fmt: skip
    return min(found, default=None)


def reaching(matrices: Mapping[str, Document], strategy: str) -> str:
    """In which of the longest studies the strategy reaches both aims, and its lowest in between."""
    told = {name: all(map(reached, aimed(matrices[name], strategy).values())) for name in LONG}
    both = [f"`{name}`" for name, found in told.items() if found]
    where = {
        2: f"in both studies where every strategy trains longest ({', '.join(both)})",
        1: f"in one of the two studies where every strategy trains longest ({', '.join(both)})",
        0: "in neither of the studies where every strategy trains longest",
    }[len(both)]
    lowest = [
        f"{low[0]:.1f} % in `{name}` (`mixed`: {other[0]:.1f} %)"
        for name in LONG
        if (low := between(matrices[name], strategy))
        and (other := between(matrices[name], "mixed"))
    ]
    return (
        f"Of these seeds, `{strategy}` reaches both {where}; its lowest accuracy between the ends "
        f"is {' and '.join(lowest)}."
    )


def to_come(matrices: Mapping[str, Document], strategy: str) -> str:
    """What holds of seeds to come: intervals with seeds drawn anew, and Holm over the table."""
    parts = []
    for name, gap in aimed(matrices["pbc84-long"], strategy).items():
        one = anew(gap)
        assert one is not None
        ratio, aim = gap["unit"] == "ratio", TARGETS[name]
        verdict = "reaches its aim" if one.low >= aim else (
            f"falls short of its aim by {abs(number_of(aim - one.low, ratio)):.3g}"
            + ("" if ratio else " points")
        )  # fmt: skip
        value = number(one.estimate, ratio)
        parts.append(f"{GAPS[name]} {value} {ends(one.low, one.high, ratio)}, which {verdict}")
    return f"{'; '.join(parts)}. {holm_words(matrices)}"


def number_of(value: float, ratio: bool) -> float:
    """A gap in the unit it is told in."""
    return value if ratio else 100 * value


def holm_words(matrices: Mapping[str, Document]) -> str:
    """Which strategies reach both aims over all that was tested."""
    missed = reached_anew(matrices)
    kinds = sorted({(name, strategy) for name, _, strategy in missed})
    shown = [
        f"`{strategy}` in `{name}`"
        for name, strategy in kinds
        if all(missed.get((name, gap, strategy), 1.0) <= SHOWN for gap in TARGETS)
    ]
    return (
        f"Over the whole table {', '.join(shown)} reaches both."
        if shown
        else "Over the whole table no strategy reaches both, on neither task."
    )


def ceiling(one: Document) -> str:
    """The ceiling that all who were trained at an end of the phantoms share."""
    low = [accuracy(one, name, "low") for name in ("low", "mixed", "anchored")]
    native = [accuracy(one, name, "native") for name in ("native", "mixed", "anchored")]
    return (
        f"at {one['matrix']['low']} px one answer in fifteen hangs on a texture that is not in the "
        f"image, and all stop between {min(low):.1f} and {max(low):.1f} %; at "
        f"{one['matrix']['native']} px all are at {min(native):.1f} % and more"
    )


def answers(names: Sequence[str], matrices: Mapping[str, Document]) -> str:
    """Whether the intervals of the studies `names` follow from answers that were kept."""
    found = {name: recomputed(name, matrices[name]) for name in names}
    kept = [f"`{n}`" for n, one in found.items() if one.checkpoints == one.of and not one.different]
    lost = [f"`{n}`" for n, one in found.items() if not one.checkpoints]
    said = []
    if kept:
        said.append(f"every answer behind {' and '.join(kept)} is in `studies/`")
    if lost:
        said.append(
            f"the intervals of {' and '.join(lost)} are version 0.1.0's: the answers behind them "
            "were not kept"
        )
    text = ", and ".join(said) or "of some checkpoints the answers were not kept"
    return f"{text[0].upper()}{text[1:]}."


def first_trained(one: Document) -> dict[str, Any]:
    """What a study said before it was trained again, for the page to set beside."""
    matrix = one["matrix"]
    kept = ("name", "strategy", "unit", "estimate", "low", "high")
    return one.get("before") or {
        "date": max(run["date"] for runs in matrix["checkpoints"].values() for run in runs)[:8],
        "cells": [
            {name: cell[name] for name in ("train", "infer", "accuracy_percent")}
            for cell in (*matrix["cells"], *matrix["further_cells"])
            if "withheld" not in cell
        ],
        "gaps": [{n: gap[n] for n in kept} for gap in matrix["gaps"] if "withheld" not in gap],
    }


def again(matrices: Mapping[str, Document]) -> str:
    """Which studies were trained again, when, and how far their figures moved, in sentences."""
    said = [
        f"{_again(name, one)}{_seconds(one)}" for name, one in matrices.items() if "before" in one
    ]
    return " ".join(said) or "No study was trained again."


def _again(name: str, one: Document) -> str:
    matrix, old = one["matrix"], one["before"]
    day = max(run["date"] for runs in matrix["checkpoints"].values() for run in runs)[:8]
    now = {(c["train"], c["infer"]): c for c in (*matrix["cells"], *matrix["further_cells"])}
    steps = {
        (cell["train"], cell["infer"]): now[cell["train"], cell["infer"]]["accuracy_percent"]
        - cell["accuracy_percent"]
        for cell in old["cells"]
        if "accuracy_percent" in now.get((cell["train"], cell["infer"]), {})
    }
    if not any(abs(step) > 1e-6 for step in steps.values()):
        return (
            f"{_who(name, one)} made again by the same commands on {_day(day)}, to keep the "
            f"answers: all {len(steps)} mean accuracies of the study came out the same."
        )
    (trained, at), most = max(steps.items(), key=lambda item: abs(item[1]))
    mean = sum(map(abs, steps.values())) / len(steps)
    return (
        f"{_who(name, one)} made again by the same commands on {_day(day)}, to keep the answers "
        f"(first on {_day(old['date'])}): the {len(steps)} mean accuracies of the study moved by "
        f"{mean:.1f} points on average, most that of `{trained}` at {at}: "
        + f"{most:+.1f}.".replace("-", "−")
    )


def _seconds(one: Document) -> str:
    """What training took the second time; the page's seconds are of the first."""
    if "training_again" not in one:
        return ""
    spent = {name: seconds({"training": one["training_again"]}, name) for name in one_trained(one)}
    listed = ", ".join(f"{name} {value:.0f} s" for name, value in spent.items())
    return (
        " Seconds on this page are of the first training; the second ran beside much other work, "
        f"which costs processor time as well, and took {listed}."
    )


def one_trained(one: Document) -> list[str]:
    """The strategies of a study that are trained at all."""
    return [name for name in one["matrix"]["checkpoints"] if name != "none"]


def _who(name: str, one: Document) -> str:
    """What of the study was trained again, as the beginning of a sentence."""
    mine, every = trained_again(name), one["matrix"]["checkpoints"]
    if not mine or mine >= every.keys():
        return f"`{name}` was"
    return f"Of `{name}`, {' and '.join(f'`{each}`' for each in sorted(mine))} was"


def _day(text: str) -> str:
    return f"{text[:4]}‑{text[4:6]}‑{text[6:8]}"


def moved_rows(matrices: Mapping[str, Document]) -> Iterator[list[str]]:
    """Every gap of a study that was trained again, before and after."""
    for name, one in matrices.items():
        now = {(g["name"], g["strategy"]): g for g in one["matrix"]["gaps"]}
        for old in one.get("before", {}).get("gaps", ()):
            new = now.get((old["name"], old["strategy"]), {"withheld": True})
            if "withheld" not in new:
                ratio = old["unit"] == "ratio"
                shown = (
                    f"{number(g['estimate'], ratio)} {ends(g['low'], g['high'], ratio)}"
                    for g in (old, new)
                )
                yield [name, old["strategy"], GAPS[old["name"]], *shown]


def claim(matrices: Mapping[str, Document], seeing: Mapping[str, Document], tried: int) -> str:
    """The paragraph of docs/explain/measured.md that makes the claim, with its price."""
    long, phantoms = matrices["pbc84-long"], matrices["phantom-long"]
    matrix, parts = long["matrix"], price_parts(matrices)
    values, drawn = [], []
    for name, gap in aimed(long, "anchored").items():
        ratio, one = gap["unit"] == "ratio", anew(gap)
        assert one is not None
        unit = "" if ratio else " points"
        value = f"{number(gap['estimate'], ratio)}{unit} {ends(gap['low'], gap['high'], ratio)}"
        values.append(f"{GAPS[name]} {value}")
        drawn.append((ends(one.low, one.high, ratio), one.low >= TARGETS[name]))
    lowest, hole = between(long, "anchored"), between(long, "mixed")
    assert lowest is not None and hole is not None
    both = all(hit for _, hit in drawn)
    aims = "the aims (−2 points and 0.99) are " + ("both reached" if both else "not both reached")
    seeds, n = len(matrix["checkpoints"]["anchored"]), max(c["n"] for c in matrix["cells"])
    text = (
        f"**Keeping both ends, at a price.** Every grid from low to native mixed, its ends more "
        f"often (`train --mix anchored:{matrix['low']}-{matrix['native']}/14`), and trained long: "
        f"small Flamingos from scratch again, {seeds} seeds, n = {n}, {matrix['low']} to "
        f"{matrix['native']} px: {', '.join(values)}, never below {lowest[0]:.1f} % between the "
        f"ends, where half low and half native falls to {hole[0]:.1f} % at {hole[1]} px. With "
        f"seeds as a random effect too: {' and '.join(text for text, _ in drawn)}, so that {aims}. "
        f"{holm_words(seeing)} It took {parts['spent']:.0f} s of training against "
        f"{parts['native']:.0f} s of the better native specialist; at an equal short budget it "
        f"loses {parts['loss']:.1f} points [{parts['low']:.1f}, {parts['high']:.1f}] at native. It "
        f"is one of {tried} variants tried, on test splits that earlier studies had used. On "
        f"phantoms, too, the ends can hardly tell strategies apart, since all share a ceiling: "
        f"{ceiling(phantoms)}. {answers(list(LONG), matrices)}"
    )
    return wrapped(text)


def wrapped(text: str, width: int = 120) -> str:
    """`text` in lines of at most `width` characters."""
    lines, line = [], ""
    for word in re.split(r" ", text):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def put_in(page: str, text: str) -> str:
    """The page with `text` between the marks."""
    first, last = MARKS
    head, rest = page.split(first)
    return f"{head}{first}\n{text}\n{last}{rest.split(last)[1]}"
