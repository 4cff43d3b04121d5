"""The documentation's page of every type, made from the census's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

HEAD = """# Every type of checkpoint

<!-- Made by `python -m benchmarks.census --page` from benchmarks/census.json; change the code. -->

Find your checkpoint's `model_type` (in its config.json): whether `--model reshf` runs it, whether
its grid can follow the resolution, and why not where it cannot.

The census

    uv run python -m benchmarks.census

builds a tiny checkpoint of every image-text-to-text type of the transformers that is installed (its
real classes, random weights, two layers), saves it, and runs it as `--model reshf` does, at six
resolutions (56, 112, 168, 224, 336 and 448) of three aspects (1:1, 2:1, 1:3). A type is
**attested** where at every one of them the grid that entered the tower and the visual tokens in the
prompt are those that were foretold from the processor alone, where eight questions together get the
grids and answers that each gets alone, where a blind run sees nothing, where `answer_mode=rank`
scores alike in every batch, and where `resolution-eval doctor` foretells what entered. The
checkpoints are random: this proves the machinery, and nothing of what a model knows.

    uv run python -m benchmarks.census --doctor

holds the two commands against each other, for one checkpoint of every attested type: the rows of
`resolution-eval doctor --model reshf --model_args pretrained=DIR` and what `resolution-eval run`
attested of images of the same nine sizes and resolutions, sample by sample: grid, expected grid,
tiles and visual tokens. The column "doctor" says how many agreed.

`match`: the grid follows the resolution. `restore`: the grid is what the checkpoint's own processor
makes of the source, and only the information follows. A family *probed* is one that nobody wrote:
it was found from the checkpoint's processor and a random miniature of its model. "rank" says
whether choices can be ranked; a decoder that does not continue its prompt cannot. Tiles count as
the area that they cover together, in the columns and rows in which the processor lays them.
"""


def page(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The page in Markdown."""
    lines = [HEAD, *_versions(figures)]
    for number in sorted(figures, key=_ascending, reverse=True):
        lines += _section(number, figures[number])
    return "\n".join(lines)


WORDS = {"match": "match, restore", "restore": "restore"}
"""Schemes of an attested type, by its state."""


def _versions(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Every type under every version that the census was run on."""
    numbers = sorted(figures, key=_ascending)
    yield "## By version of transformers\n"
    yield (
        "The schemes under which a type is attested; otherwise why it is not, in the section of "
        "that version. A dash: that version has no such type.\n"
    )
    yield f"| type | {' | '.join(numbers)} |"
    yield f"| --- |{' --- |' * len(numbers)}"
    for name in sorted(set().union(*figures.values())):
        states = (figures[number].get(name, {}).get("state", "–") for number in numbers)
        yield f"| {name} | {' | '.join(WORDS.get(state, state) for state in states)} |"
    yield ""


def attested_types(types: Mapping[str, Any]) -> dict[str, Any]:
    """The types of which every check came out, with their figures."""
    return {name: row for name, row in types.items() if row["state"] in ("match", "restore")}


def _ascending(number: str) -> list[int]:
    return [int(part) if part.isdecimal() else 0 for part in number.split(".")]


def _section(number: str, types: Mapping[str, Any]) -> Iterator[str]:
    attested = attested_types(types)
    matched = sum(row["state"] == "match" for row in attested.values())
    yield f"## transformers {number}\n"
    checked = [row["checkup"] for row in attested.values() if "checkup" in row]
    agreed = sum("samples" in each for each in checked)
    foretold = f"; of {agreed} the doctor foretold every sample of a run" if checked else ""
    yield (
        f"{len(attested)} of {len(types)} types are attested, {matched} of them under `match` as "
        f"well{foretold}.\n"
    )
    quick = sum(bool(row.get("quick")) for row in attested.values())
    if quick:
        yield (
            f"{quick} of them were looked at quickly: at two resolutions, 112 and 336, rather than "
            "six.\n"
        )
    if checked:
        yield from _rows(attested)
    yield from _reasons("Under `restore` only, since:", attested, "restore")
    lacking = [
        f"- **{name}**: {ability}: {_line(reason)}"
        for name, row in sorted(attested.items())
        for ability, reason in sorted(row.get("lacks", {}).items())
    ]
    if lacking:
        yield "What a checkpoint cannot do beside that, and what its processor or model said:\n"
        yield from (*lacking, "")
    differing = [
        f"- **{name}**: {_line(row['checkup']['reason'])}"
        for name, row in sorted(attested.items())
        if "reason" in row.get("checkup", {})
    ]
    if differing:
        yield "Where a run did not do what the doctor foretold:\n"
        yield from (*differing, "")
    others = {name: row for name, row in types.items() if name not in attested}
    yield from _reasons("Not attested:", others, None)


def _rows(attested: Mapping[str, Any]) -> Iterator[str]:
    """What every attested type can do."""
    yield "| type | schemes | family | training, as inferred | blind | rank | doctor |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, row in sorted(attested.items()):
        family = "probed" if row["family"] == "generic" else "written"
        yield (
            f"| {name} | {WORDS[row['state']]} | {family} | `{row['training']}` | {row['blind']} | "
            f"{row['rank']} | {_checkup(row.get('checkup'))} |"
        )
    yield ""


def _checkup(found: Mapping[str, Any] | None) -> str:
    """How many samples of a run came out as the doctor foretold."""
    if found is None:
        return "not run"
    return f"{found['samples']} of {found['samples']}" if "samples" in found else "differs"


def _reasons(title: str, types: Mapping[str, Any], state: str | None) -> Iterator[str]:
    told = {name: row for name, row in types.items() if state in (None, row["state"])}
    if not told:
        return
    yield f"{title}\n"
    for name, row in sorted(told.items()):
        yield f"- **{name}** ({row['state']}): {_line(row.get('reason', ''))}"
    yield ""


def _line(reason: Any) -> str:
    return " ".join(str(reason).replace("|", "/").split())[:300]
