"""docs/records.md and docs/record.schema.json, from the schema: `python -m tools.records_page`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resolution_eval.records.answer_table import IMAGE, SCHEMA
from resolution_eval.records.schema import Record
from resolution_eval.records.times import ANSWER_TIMES, TIMES
from tools import DOCS

ORDER = (
    "Checkpoint",
    "Dataset",
    "ExcludedItem",
    "Controls",
    "BlindControl",
    "Environment",
    "Arithmetic",
    "Hardware",
    "Cell",
    "CellCost",
    "JudgeCounts",
    "Serving",
    "Disagreement",
    "Grid",
    "Tokens",
    "FailedSample",
    "AnswersFile",
)

HEAD = """# Records

<!-- Made by `python -m tools.records_page`. -->

A record is one checkpoint on one task in one run: a JSON document with every cell and all that is
known of how it came about, and beside it a parquet file with every answer. Reports, comparisons and
the leaderboard are made from records.

```sh
lmms-eval --model resflamingo --tasks phantom_res --limit 100 --output_path out --log_samples
lmms-eval --model resflamingo --model_args blind=true --tasks phantom_res --limit 100 \\
  --output_path out --log_samples
resolution-eval record out --output records
resolution-eval report records
```

`record` prints the path of each record.

**The same twice.** The same command gives the same record, byte for byte, apart from its
[times](#times); so does a run that was killed and resumed, and one that lmms-eval's cache answers.
Another number of processes or another batch size gives the same answers; beside `processes` and
`batch_size` only the last digits of scores may differ, as sums are rounded in another order. What
makes them so:

- Every answer carries its attestation through the cache ([attestation.md](attestation.md)).
- What an answer cost is measured where it is given and is not kept by the cache: an answer out of
  the cache has no cost in the record, and `cost.timed` says how many samples a cell's times are
  over.
- Each process tells once what it ran on and which data it read. Processes that differ in data,
  versions or checkpoint are refused.

**Blind control.** The second run above runs the same model without the image (`reshf`: with no
image where the family allows it, otherwise with one of mean colour). Where such a run of the same
checkpoint, task, data and samples, with as many demonstrations and the options in the same order,
lies in the folder, or in `--blind DIR`, its score becomes the control of each cell of the same
setting. Without one `controls.blind` is empty and named in
`unknown`.

**Not known.** What nothing in the run says is null and named in `unknown`; nothing is guessed.
Models of lmms-eval's own that run without an adapter of ours tell neither grid nor cost.

**Secrets.** Values behind names like `api_key`, `token` or `password`, user and password of URLs,
and well-known forms of tokens are struck out of what a record repeats. lmms-eval's own files are
left as they are: look before you share them.

**Checks.** A record is made only if each accuracy in lmms-eval's results file is that of its
samples, and read only if its cells follow from its answers, these have the SHA-256 that it names,
and no answer's status, verdict and grid contradict each other.

**Judge.** A run with `--judge` has, beside exact match and F1, what the judge said of each open
answer, and per cell how many it was asked about, how many judgements failed, and how many it called
right (`judged`). Nothing of it enters `accuracy`.

**Options.** `options` has a question's options in the order in which the model was shown them, and
`choice_scores` has one score for each: with `--option-order seeded:N` the order differs by
question. Answers of versions 1 and 2 do not say it (null).

**Versions.** The present schema version is 3. Records of versions 1 and 2 are read: what they did
not say is null. A newer one is refused by its number. The schema is
[record.schema.json](record.schema.json) (JSON Schema 2020-12).
"""


def page() -> str:
    """The whole page."""
    schema = json_schema()
    parts = [HEAD, *section("Record", schema)]
    for name in ORDER:
        parts += section(name, schema["$defs"][name])
    return "\n".join([*parts, *_answers(), *_times()]) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON Schema of a record's document."""
    schema = Record.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def publish_schema(folder: Path) -> Path:
    """Write the JSON Schema into `folder`; its path."""
    path = folder / "record.schema.json"
    path.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
    return path


def section(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """A model's heading, its description, and its fields as a table."""
    yield f"## {name}\n\n{schema['description']}\n"
    yield "| field | type | meaning |\n| --- | --- | --- |"
    for field, facts in schema["properties"].items():
        meaning = " ".join(facts.get("description", "").split()).replace("|", "\\|")
        yield f"| `{field}` | {type_in_words(facts)} | {meaning} |"
    yield ""


def type_in_words(facts: Mapping[str, Any]) -> str:
    """A field's type in words."""
    if "$ref" in facts:
        name = facts["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in facts:
        return " or ".join(type_in_words(each) for each in facts["anyOf"])
    if "enum" in facts:
        return ", ".join(f"`{value}`" for value in facts["enum"])
    if "const" in facts:
        return f"`{facts['const']}`"
    if facts.get("type") == "array":
        items = facts.get("items") or facts["prefixItems"][0]
        return f"list of {type_in_words(items)}"
    if facts.get("type") == "object":
        return f"map to {type_in_words(facts['additionalProperties'])}"
    return str(facts["type"])


def _answers() -> Iterator[str]:
    yield "## Columns of the answers\n"
    yield "One row per sample and cell. `correct` is null for a failed sample; sizes are in pixels,"
    yield "`peak_memory` in bytes. `seconds` is null for a sample not answered in this run,"
    yield "`judged` where no judge was asked or its judgement failed (`judge_failure`).\n"
    yield "| column | type | null |\n| --- | --- | --- |"
    for field in SCHEMA:
        kind = "list of images" if field.name == "images" else str(field.type)
        yield f"| `{field.name}` | {kind} | {'yes' if field.nullable else 'no'} |"
    names = ", ".join(f"`{field.name}`" for field in IMAGE)
    yield "\nOf a question with several images `images` has each, in order: "
    yield f"{names}. Outside it, sizes and grids are the first image's, `visual_tokens` and"
    yield "`tiles` the sums; of a question with one image it is null."


def _times() -> Iterator[str]:
    yield "\n## Times\n"
    yield "The fields that differ where the same command runs again; all others are the same."
    yield "`unknown` names some of them where nothing was timed.\n"
    yield "| field | why |\n| --- | --- |"
    columns = {f"answers: {name}": why for name, why in ANSWER_TIMES.items()}
    for name, why in {**TIMES, **columns}.items():
        yield f"| `{name}` | {why} |"


if __name__ == "__main__":
    (DOCS / "records.md").write_text(page(), encoding="utf-8")
    publish_schema(DOCS)
