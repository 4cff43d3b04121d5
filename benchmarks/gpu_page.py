"""docs/gpu.md: every mark of speed and sameness, what was found, and the command that finds it.

    python -m benchmarks.gpu_page          (the page, from what is kept)
    python -m benchmarks.gpu_page DIR      (keeps the session in DIR first, then the page)

`results/gpu/card.json` is a session on a card, `results/gpu/rehearsal.json` one on a processor. No
figure of the page is written by hand.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from tabulate import tabulate

from benchmarks.memory_lines import FILE, MOMENTS
from benchmarks.table import RESULTS
from benchmarks.time_shares import KINDS

KEPT = RESULTS / "gpu"
PAGE = Path(__file__).parents[1] / "docs" / "gpu.md"
TEMPLATE = Path(__file__).with_name("gpu_template.md")
SESSION = "python3 -m uv run python -m benchmarks.gpu_session --output gpu"
MARKS = {
    "gpu-overhead": ("a warm `reshf` sweep, against the model's own time", "at most 1.1"),
    "gpu-overhead-flamingo": (
        "the same of `resflamingo` at OpenFlamingo-3B's sizes",
        "at most 1.1",
    ),
    "gpu-rank": ("eight choices ranked, against one bare prefill", "at most 1.5"),
    "gpu": ("prefill: least share of the card's bf16 matrix rate", "at least 0.4"),
    "gpu-generate": ("short answers, against lmms-eval's own at its best batch", "at least 3"),
    "gpu-batch": ("the batch that is found, against the largest that fits", "at least 0.5"),
}
"""Parts of a session that have a mark: what each compares, and the mark."""
ON_A_PROCESSOR = {
    "memory": "peak memory of 20,000 images, against that of 200",
    "generate": "short answers on a processor, against lmms-eval's own at its best batch",
}
"""Marks that need no card, and stand in RESULTS.md with the others."""
REHEARSED = {
    "gpu-overhead": "a tiny model, the device played by a sleep of 0.03 s an image. Nothing can "
    "be made beside the first batch's making, and where others take most of the cores that is "
    "slowed, the sleep is not",
    "gpu-overhead-flamingo": "the same of a tiny Flamingo",
    "gpu-rank": "a tiny model, both sides on the processor",
    "gpu": "a tiny model against the processor's own rate: count and clock work, no more",
    "gpu-generate": "a tiny model, both sides on the processor: with next to no arithmetic, what "
    "is compared is the work around it",
    "gpu-batch": "memory played: so many bytes for each pixel of a batch",
}
"""What a rehearsal of each is of."""
ABSENT = "not measured: no card"
BARE = (
    "tifffile", "imagecodecs", "simplejpeg", "detect-secrets", "shtab", "filelock", "platformdirs",
)  # fmt: skip
"""Packages of ours that an image with PyTorch seldom has, and that a list made before they came in
lacks.
"""


def main() -> None:
    """Keep a session, where one is named, and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("session", nargs="?", type=Path, metavar="DIR", help="a session's --output")
    given = parser.parse_args()
    if given.session is not None:
        path = given.session / "session.json"
        if not path.is_file():
            parser.error(f"{path}: no session there; make one with {SESSION}")
        keep(json.loads(path.read_text(encoding="utf-8")))
    PAGE.write_text(page(), encoding="utf-8")


def keep(session: dict[str, Any]) -> Path:
    """Put the parts of a session that ended well beside those that are kept of its kind."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / ("rehearsal.json" if session["size"] == "rehearsal" else "card.json")
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = before.get("card") == session["card"]
    parts = {part["part"]: part for part in (before["parts"] if same else [])}
    parts |= {part["part"]: part for part in session["parts"]}
    text = json.dumps({**session, "parts": list(parts.values())}, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def kept(kind: str) -> dict[str, Any] | None:
    """The session that is kept of `card` or `rehearsal`; None where none is."""
    path = KEPT / f"{kind}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def page() -> str:
    """The whole page."""
    card, rehearsal = kept("card"), kept("rehearsal")
    said = (f"- `{name}`: {what}." for name, what in REHEARSED.items())
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        machines=_machines(card, rehearsal),
        session=SESSION,
        bare=" ".join(BARE),
        speed=_table(_speed(card, rehearsal)),
        rehearsed="\n".join(said),
        parts=_shared(card or rehearsal),
        prefill=_prefill(card or rehearsal),
        answers=_table(_answers(card, rehearsal)),
        cost=_cost(card, rehearsal),
        processor=_table([_processor(name) for name in ON_A_PROCESSOR]),
        remarks="\n\n".join(filter(None, map(_remark, ON_A_PROCESSOR))),
    )
    return text.strip() + "\n"


def _machines(card: dict[str, Any] | None, rehearsal: dict[str, Any] | None) -> str:
    """Which machines the figures are of."""
    told = []
    if card is not None:
        found = card["card"]
        told.append(
            f"Measured on {', '.join(found['gpus'])}, driver {found['driver']}, CUDA "
            f"{found['cuda']}, on {card['date']}; {_versions(found)}."
        )
    else:
        told.append(
            "**No card was at hand since version 0.1.0**: what stands here is a rehearsal on a "
            "processor, and no statement on a card."
        )
    if rehearsal is not None:
        found = rehearsal["card"]
        told.append(
            f"The rehearsal is of {rehearsal['date']}, on {found['cores']} cores of "
            f"{found['cpu']}, without a GPU; {_versions(found)}. Other programs ran beside it; "
            "each row says how much of the cores they took."
        )
    return " ".join(told)


def _versions(found: dict[str, Any]) -> str:
    names = ("resolution-eval", "lmms-eval", "torch", "transformers", "open-flamingo")
    return ", ".join(f"{name} {found['versions'][name]}" for name in names)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _speed(card: dict[str, Any] | None, rehearsal: dict[str, Any] | None) -> list[dict[str, str]]:
    """One row for every mark that a card can reach."""
    on, off = _parts(card), _parts(rehearsal)
    return [
        {
            "name": name,
            "what": what,
            "must reach": must,
            "on a card": _ratio(on.get(name), "ratio") or ABSENT,
            "rehearsal": _ratio(off.get(name), "rehearsed") or "not rehearsed",
            "others took": _others(on.get(name) or off.get(name)),
            "command": f"`{SESSION} --parts {name}`",
        }
        for name, (what, must) in MARKS.items()
    ]


PROFILED = ("gpu-overhead", "gpu-overhead-flamingo", "gpu-generate")
"""Parts of a session whose rows say where the time goes."""


def _shared(session: dict[str, Any] | None) -> str:
    """The rows of these parts: on a card, where one was met, and of a rehearsal otherwise."""
    found = _parts(session)
    rows = [
        {"of": f"`{name}`", **row}
        for name in PROFILED
        if name in found
        for row in found[name]["rows"]
    ]
    return _table(rows)


def _prefill(session: dict[str, Any] | None) -> str:
    """Where the time of a prefill goes, by resolution and kind of work."""
    part = _parts(session).get("gpu")
    rows = [
        {
            "r": str(row["r"]),
            "batch": str(row["batch"]),
            **{name: f"{100 * row[name]:.0f} %" for name in ("of matrix rate", *KINDS)},
        }
        for row in (part["rows"] if part else ())
        if row.keys() >= set(KINDS)
    ]
    return _table(rows) if rows else "Not profiled."


def _parts(session: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    return {} if session is None else {part["part"]: part for part in session["parts"]}


def _ratio(part: dict[str, Any] | None, field: str) -> str:
    """A part's ratio with its rounds; how it ended where it has none; empty where it never ran."""
    if part is None:
        return ""
    if part[field] is None:
        return "" if part["ended"] == "well" else part["ended"]
    rounds = part["rounds"]
    spread = (
        f" [{min(rounds):.2f}, {max(rounds):.2f}], n = {len(rounds)}"
        if rounds
        else f", n = {part.get('repetitions', 1)}"
    )
    return f"{part[field]:.2f}{spread}"


def _others(part: dict[str, Any] | None) -> str:
    return "" if part is None or part["foreign"] is None else f"{100 * part['foreign']:.0f} %"


def _answers(card: dict[str, Any] | None, rehearsal: dict[str, Any] | None) -> list[dict[str, str]]:
    """How the suite of tests ended."""
    found = (("on a card", _parts(card)), ("rehearsal", _parts(rehearsal)))
    return [
        {"where": where, "ended": parts["tests"]["said"] if "tests" in parts else ABSENT}
        for where, parts in found
    ]


def _cost(card: dict[str, Any] | None, rehearsal: dict[str, Any] | None) -> str:
    """Samples per second, memory and energy by resolution."""
    on = _parts(card).get("cost")
    told = [f"On a card: {ABSENT}." if on is None else _costs(on, "On a card")]
    off = _parts(rehearsal).get("cost")
    if off is not None:
        told.append(_costs(off, "On a processor"))
    return "\n\n".join(told)


def _costs(part: dict[str, Any], where: str) -> str:
    absent = {"J trained", "J answered"}
    rows = [
        {
            name: (ABSENT if name in absent else "") if value is None else f"{value:.4g}"
            for name, value in row.items()
        }
        for row in part["rows"]
    ]
    return f"{where}, {part['machine']}; {part['said']}.\n\n{_table(rows)}"


def _processor(name: str) -> dict[str, str]:
    """The row of a mark that needs no card."""
    document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    detail = document["detail"]
    rounds = detail.get("rounds") or []
    found = {
        "ratio": document["ratio"],
        "ended": "well",
        "rounds": rounds,
        "repetitions": detail["sizes"].get("repetitions", 1),
    }
    return {
        "name": name,
        "what": ON_A_PROCESSOR[name],
        "must reach": f"{detail['sense']} {document['target']:g}",
        "found": _ratio(found, "ratio"),
        "others took": _others(detail),
        "on": detail["date"],
        "command": f"`python3 -m uv run python -m benchmarks {name}`",
    }


def _remark(name: str) -> str:
    """What holds a mark back, or how it was reached, with the profile."""
    path = RESULTS / f"{name}.md"
    said = [f"### {name}", path.read_text(encoding="utf-8").strip(), _profile(name)]
    return "\n\n".join(filter(None, said)) if path.is_file() else ""


def _profile(name: str) -> str:
    """The figures behind a remark."""
    if name == "memory":
        return _held(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.is_file() else ""
    document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return f"{_table(document['detail']['rows'])}\n\n{document['detail']['note']}"


def _held(document: dict[str, Any]) -> str:
    """What a request costs, and the lines that hold it."""
    moments = document["moments"]
    sums = [
        {
            "when": MOMENTS[when],
            "bytes a request": str(found["bytes"]),
            **{f"of {whose}": str(size) for whose, size in found["by"].items()},
        }
        for when, found in moments.items()
    ]
    lines = [
        {"line": f"`{line}`", "bytes a request": str(size)}
        for line, size in moments["scored"]["lines"].items()
    ]
    return (
        f"A profile (`python -m benchmarks.memory_lines`, {document['date']}, "
        f"{document['requests']} requests, {document['machine']}), by the innermost line of "
        f"lmms-eval or of ours; torch and other libraries aside:\n\n{_table(sums)}\n\n"
        f"The lines that hold most {MOMENTS['scored']}:\n\n{_table(lines)}"
    )


if __name__ == "__main__":
    main()
