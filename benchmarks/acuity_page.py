"""Tables of docs/acuity.md, made from benchmarks/acuity.json: no figure in them is typed by hand.

    python -m benchmarks.acuity_page

writes them between their marks, `<!-- NAME: ... -->` and `<!-- /NAME -->`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.acuity_results import SEED, load

PAGE = Path(__file__).parent.parent / "docs" / "acuity.md"
Section = Mapping[str, Any]


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; columns after the first are set right."""
    names = list(heads)
    lines = [" | ".join(names), " | ".join(["---", *["---:"] * (len(names) - 1)])]
    return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(row) for row in rows)])


def figure(found: Section | None, digits: int = 2, smallest: float = 0.75) -> str:
    """A figure with its interval; what lies beyond the sizes that were shown is said."""
    if found is None:
        return "–"
    low, high = (_end(found[name], digits) for name in ("low", "high"))
    if found["estimate"] is None:
        return f"not reached [{low}, {high}]"
    if found["estimate"] == 0:
        return f"below {smallest:.2f} [{low}, {high}]"
    return f"{found['estimate']:.{digits}f} [{low}, {high}]"


def _end(value: float | None, digits: int) -> str:
    return "∞" if value is None else f"{value:.{digits}f}"


NO_FIT, DOUBTED = 0.01, 0.05
"""Probability of a deviance as large, below which kinds together are no one curve; and below which
the sizes of one kind are to be read with care.
"""
FAINT, TOGETHER = "faint grating", "all stripes"


def _size(kind: Section, name: str, thing: str) -> str:
    if name not in kind["n"]:
        return "–"
    if name not in kind["sizes"]:
        return "does not see"
    if not _one_curve(kind, name, thing):
        return "no one curve"
    return figure(kind["sizes"][name]) + ("*" if kind["fit"][name] < DOUBTED else "")


def _one_curve(kind: Section, name: str, thing: str) -> bool:
    return thing != TOGETHER or kind["fit"].get(name, 1.0) >= NO_FIT


def _ratio(kind: Section, one: str, other: str, thing: str) -> str:
    if not all(_one_curve(kind, name, thing) for name in (one, other)):
        return "–"
    return figure(kind["ratios"].get(f"{one} / {other}"))


def acuity(section: Section) -> str:
    """Every checkpoint against the observers, as the stored image is and cut."""
    heads = ["checkpoint, grid", "thing", "n", "50 % size, px of the chart", "one pixel"]
    heads += ["ideal", "ideal, its noise", "to one pixel", "to ideal, its noise"]
    return table(
        [*heads, "right at the largest"],
        (
            [
                f"{name}{', cut' if way == 'cut' else ''}",
                kind,
                str(each["n"][way]),
                _size(each, way, kind),
                _size(each, "rule", kind),
                _size(each, f"ideal, {way}", kind),
                _size(each, f"noisy, {way}", kind),
                _ratio(each, way, "rule", kind),
                _ratio(each, way, f"noisy, {way}", kind),
                f"{each['largest']:.2f}" if way == "as is" else "",
            ]
            for name, found in section.items()
            for kind, each in found["kinds"].items()
            for way in ("as is", "cut")
        ),
    )


def noise(section: Section) -> str:
    """How much noise of its own each checkpoint that sees stripes is said to have."""
    seeing = {
        n: each for n, each in section.items() if "as is" in each["kinds"]["grating"]["sizes"]
    }
    return table(
        ["checkpoint, grid", "n", "faint stripes right", "its own noise, grey levels"],
        (
            [name, str(found["n"]), f"{found['right']:.2f}", f"{found['noise']:.1f}"]
            for name, found in ((name, each["own noise"]) for name, each in seeing.items())
        ),
    )


def hidden(section: Section) -> str:
    """The hidden factor, found again, as the stored image is and cut before each."""
    heads = ["checkpoint, grid", "thing", "n", "50 % size", "behind it", "factor found"]
    return table(
        heads,
        (
            [
                f"{name}{', cut' if way == 'cut' else ''}",
                kind,
                str(each["n"][behind]),
                _size(each, way, kind),
                _size(each, behind, kind),
                _ratio(each, behind, way, kind),
            ]
            for name, found in section.items()
            for kind, each in found["kinds"].items()
            for way, behind in (("as is", "hidden"), ("cut", "hidden, cut"))
            if "as is" in each["sizes"]
        ),
    )


def confirmed(section: Section) -> str:
    """The hidden factor from faint stripes, on images of its own."""
    return table(
        ["checkpoint, grid", "n", "50 % size", "behind it", "factor found"],
        (
            [
                name,
                str(found["n"]),
                *(
                    _size({**found, "n": found["fit"]}, way, FAINT)
                    for way in ("cut", "hidden, cut")
                ),
                figure(found["factor"]),
            ]
            for name, found in section.items()
        ),
    )


def retest(section: Section) -> str:
    """Two charts of other images."""
    heads = ["checkpoint, grid", "thing", "n each", "first chart", "second chart", "ratio"]
    return table(
        heads,
        (
            [
                name,
                thing,
                str(found["n"]["first"]),
                figure(found["sizes"]["first"]),
                figure(found["sizes"]["second"]),
                figure(found["ratio"]),
            ]
            for name, things in section.items()
            for thing, found in things.items()
        ),
    )


def lesions(section: Section) -> str:
    """Sizes at the encoder per resolution, and whether they are one; then what nobody sees."""
    resolutions = sorted({r for found in section.values() for r in found["resolutions"]})
    heads = ["checkpoint", "finding", "n per r", *(f"50 % at {r}" for r in resolutions)]
    rows = (
        [
            name,
            kind,
            str(each["n"]),
            *(_at(found, each, r) for r in resolutions),
            _verdict(each),
            *_widest(each["ratios"]),
        ]
        for name, found in section.items()
        for kind, each in found["kinds"].items()
        if each["sizes"]
    )
    made = table([*heads, "curves", "widest ratio", "between"], rows)
    unlike = (
        f"- {name}, {kind}, right and, in brackets, by the curve of {each['of']} px: "
        + ", ".join(_unlike(r, one) for r, one in each["unlike"].items())
        for name, found in section.items()
        for kind, each in found["kinds"].items()
        if each["unlike"]
    )
    return "\n".join([made, "", *unlike]).rstrip()


def _unlike(r: str, found: Section) -> str:
    p = found["probability"]
    probability = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"{r} px {found['right']:.2f} ({found['expected']:.2f}; {probability})"


def _at(found: Section, kind: Section, r: int) -> str:
    if r not in found["resolutions"]:
        return "–"
    if str(r) not in kind["sizes"]:
        return "does not see"
    size, smallest = kind["sizes"][str(r)], kind["smallest"][str(r)]
    return figure(size, smallest=smallest) + ("*" if kind["fit"][str(r)] < DOUBTED else "")


def _verdict(kind: Section) -> str:
    among = [size for size in kind["sizes"].values() if size["estimate"]]
    return str(kind["verdict"]) if len(among) > 1 else "no two to compare"


def family(section: Section) -> str:
    """Plain stripes by Hugging Face models, per resolution."""
    heads = [
        "checkpoint",
        "r",
        "n",
        "right",
        "right at the largest",
        "50 % size, px at the encoder",
    ]
    return table(
        heads,
        (
            [
                name,
                str(r),
                str(found["n"]),
                f"{found['accuracy'][str(r)]:.2f}",
                f"{found['largest'][str(r)]:.2f}",
                _at(found, found, r),
            ]
            for name, found in section.items()
            for r in found["resolutions"]
        ),
    )


def _widest(ratios: Section) -> tuple[str, str]:
    if not ratios:
        return "–", "–"
    between, found = max(ratios.items(), key=lambda pair: abs(_apart(pair[1]["estimate"])))
    return figure(found), between


def _apart(value: float) -> float:
    return max(value, 1 / value)


HELD = (0.93, 0.97)
"""Share of runs, of 95 % intervals, that is wanted."""


def coverage(section: Section) -> str:
    """The simulation's table and its sentences."""
    found = section["simulated"]
    (seen, charts), (wrong, trios) = found["seeing"], found["differing"]
    heads = ["true threshold, slope, lapse", "answers", "images"]
    heads += ["50 % size held", "90 % size held", "fit rejected"]
    return "\n".join(
        [
            table(heads, map(_cell, found["cells"])),
            "",
            f"{found['repetitions']} repetitions per cell ({found['fits']} for the fit), seed "
            f"{found['seed']}. {_outside(found['cells'])} A model that guesses was said to see in "
            f"{seen} of {charts} charts of 96 answers (allowed: 0.001). "
            f"Three equal curves were said to differ in {wrong} of {trios} (allowed: 0.05). A "
            f"share of 0.95 has a standard error of {_error(found['repetitions'])} points, one of "
            f"0.05 for the fit {_error(found['fits'])}.",
        ]
    )


def _cell(cell: Section) -> list[str]:
    return [
        _truth(cell),
        str(cell["answers"]),
        str(cell["images"]),
        f"{cell['half']:.3f}",
        "never seen" if cell["most"] is None else f"{cell['most']:.3f}",
        f"{cell['rejected']:.3f}",
    ]


def _truth(cell: Section) -> str:
    return ", ".join(f"{value:g}" for value in cell["truth"])


def _outside(cells: Sequence[Section]) -> str:
    """The cells whose coverage is not as wanted, in sentences."""
    low, high = HELD
    shares = [
        (cell[key], f"the {size} size at ({_truth(cell)}), {cell['answers']} answers", cell)
        for cell in cells
        for key, size in (("half", "50 %"), ("most", "90 %"))
        if cell[key] is not None
    ]
    seldom = [_said(*each) for each in shares if each[0] < low]
    often = [_said(*each) for each in shares if each[0] > high]
    found = [f"Held in less than {low:g}: {'; '.join(seldom)}."] if seldom else []
    found += [f"Held in more than {high:g}: {'; '.join(often)}."] if often else []
    return " ".join(found) or f"All sizes are held in {low:g} to {high:g}."


def _said(share: float, what: str, cell: Section) -> str:
    images = f" to {cell['images']} images" if cell["images"] < cell["answers"] else ""
    return f"{what}{images} ({share:.3f})"


def _error(repetitions: int) -> str:
    """Standard error, in points, of a share of 0.05 or 0.95 over so many repetitions."""
    return f"{100 * math.sqrt(0.05 * 0.95 / repetitions):.1f}"


def probe(section: Section) -> str:
    """What the probe says, as it is and behind a reduction."""
    heads = ["checkpoint, promised", "in front of it", "fine", "reduced", "wide", "outcome"]
    return table(
        heads,
        (
            [
                f"{name}, {found['promised']} px",
                "nothing" if row["hidden"] == 1 else f"a hidden reduction by {row['hidden']:g}",
                *("/".join(map(str, row[arm])) for arm in ("fine", "reduced", "coarse")),
                row["sentence"].partition(" (")[0],
            ]
            for name, found in section.items()
            for row in found["rows"]
        ),
    )


BLOCKS: Mapping[str, tuple[str, Callable[[Section], str]]] = {
    "acuity": ("charts", acuity),
    "noise": ("charts", noise),
    "hidden": ("charts", hidden),
    "confirmed": ("confirmed", confirmed),
    "retest": ("retest", retest),
    "lesions": ("lesions", lesions),
    "family": ("family", family),
    "coverage": ("coverage", coverage),
    "probe": ("probe", probe),
}
"""Per block of the page, the section that it is made from, and what makes it."""


def page(text: str, found: Section) -> str:
    """The page `text` with every block made anew; a section that was not measured says so.

    Raises:
        ValueError: a block's marks are not there once.
    """
    for name, (section, made) in BLOCKS.items():
        begin, end = (
            f"<!-- {name}: made by `python -m benchmarks.acuity_page` -->",
            f"<!-- /{name} -->",
        )
        if (text.count(begin), text.count(end)) != (1, 1):
            raise ValueError(f"{PAGE} has {text.count(begin)} blocks named {name}; need one")
        before, rest = text.split(begin)
        inside = made(found[section]) if section in found else "Not measured."
        text = f"{before}{begin}\n{inside}\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), load()), encoding="utf-8")
    print(f"{PAGE}: made from benchmarks/acuity.json (seed {SEED})")
