"""The page of the rooms, from the contract in pyproject.toml and the docstrings of what it names.

python -m tools.rooms > docs/explain/rooms.md
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "resolution_eval"
PAGE = ROOT / "docs" / "explain" / "rooms.md"
HEAD = """# The rooms, and the ways through them

<!-- Made by `python -m tools.rooms`; change docstrings or `pyproject.toml`, not this page. -->

Where to look in the code: which room holds what, which may know which, and how three things pass through all of them.

The package is a house of rooms: a folder, or a module that needs none. A room imports only rooms of
lower lines of this table, or of its own line; imports for type-checkers count too, and
nowhere is there a circle. `lint-imports`, which CI runs, says so. A newcomer reads from below: the
last line stands on nothing.

| line | room | what it holds |
| --- | --- | --- |
"""
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "A resolution, from the command to the record": (
        "What is asked for with `--resolutions 56` becomes pixels once, is read again from the "
        "tensor that enters the encoder, and both stand in the record.",
        (
            "resolution_eval.resolution.parse_resolution",
            "resolution_eval.host.taskfiles.derive",
            "resolution_eval.host.tasks.documents",
            "resolution_eval.images.render",
            "resolution_eval.adapters.views.View",
            "resolution_eval.models.families.tower_hooks.watched",
            "resolution_eval.evidence.model_answer.Answer",
            "resolution_eval.evidence.attestation.Attestation",
            "resolution_eval.host.tasks.process_results",
            "resolution_eval.records.make.make_records",
            "resolution_eval.records.schema.Cell",
        ),
    ),
    "An answer, to the board": (
        "What a model wrote is parsed once, kept whole, and parsed again by whoever checks it.",
        (
            "resolution_eval.evidence.model_answer.Answer",
            "resolution_eval.host.verdicts.verdict_of",
            "resolution_eval.answers.choices.parse_choice",
            "resolution_eval.records.answer_table.Answers",
            "resolution_eval.records.cells.cells",
            "resolution_eval.analysis.curve.figures",
            "resolution_eval.board.add.add",
            "resolution_eval.board.checks.check_submission",
            "resolution_eval.board.rescore.sample_faults",
            "resolution_eval.board.record_scores.curves",
            "resolution_eval.board.scopes.scopes",
            "resolution_eval.board.site.documents.documents",
        ),
    ),
    "A declaration of training": (
        "At which resolution a checkpoint was trained is written where it is trained, or read from "
        "what others left, and followed to the row of the matrix.",
        (
            "resolution_eval.training.plan.TrainingPlan",
            "resolution_eval.declaration.Declaration",
            "resolution_eval.declaration.read_declaration",
            "resolution_eval.models.families.checkpoint.known_training",
            "resolution_eval.models.arguments.declared_training",
            "resolution_eval.evidence.facts.CheckpointFacts",
            "resolution_eval.records.schema.Checkpoint",
            "resolution_eval.analysis.strategies.matrix_of_records",
        ),
    ),
}
"""Title of each way: a sentence, and the functions and classes on it, in order."""


def lines() -> list[tuple[str, ...]]:
    """The contract's lines, highest first, each its rooms."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    return [tuple(word for word in layer.split() if word not in ":|") for layer in layers]


def file_of(module: str) -> Path:
    """The module's file.

    Raises:
        ValueError: there is none.
    """
    base = ROOT / module.replace(".", "/")
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    raise ValueError(f"no module {module}")


def said(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    """The first sentence of a docstring, on one line; nothing without one."""
    paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def said_of(name: str) -> str:
    """The first paragraph of what the function or class says of itself.

    Raises:
        ValueError: there is none of that name, or it says nothing.
    """
    module, _, last = name.rpartition(".")
    for node in ast.parse(file_of(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == last and said(node):
            return said(node)
    raise ValueError(f"{module} has no {last} that says what it is")


def page() -> Iterator[str]:
    """The page, part by part."""
    yield HEAD
    for number, rooms in enumerate(lines(), 1):
        for room in rooms:
            module = f"{PACKAGE}.{room}"
            text = said(ast.parse(file_of(module).read_text(encoding="utf-8")))
            yield f"| {number} | `{room}` | {text} |\n"
    for title, (sentence, steps) in WAYS.items():
        yield f"\n## {title}\n\n{sentence}\n\n"
        for number, step in enumerate(steps, 1):
            yield f"{number}. `{step}`: {said_of(step)}\n"


if __name__ == "__main__":
    print("".join(page()), end="")
