"""Repeating: some samples of every cell run again by the maintainers, and their verdicts compared.

The samples are drawn with the digest of the record and a seed that the submitter does not know.
What was found lies beside the submission (`rerun.json`) and counts once the ledger names it.
"""

from __future__ import annotations

import datetime
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from pydantic import Field, model_validator

from resolution_eval.board.submission import PRETRAINED, RERUN, Facts, Name, Submission
from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.ground.files import file_digest, replace
from resolution_eval.host.taskfiles import Variation, derive
from resolution_eval.records import Record, make_records
from resolution_eval.records.answer_table import KEY
from resolution_eval.records.bounded import Document, read_as
from resolution_eval.records.cells import cells
from resolution_eval.records.schema import Count
from resolution_eval.resolution import parse_resolution
from resolution_eval.statistics.agreement import Flips, lean

AGREEMENT = 0.95
"""Least share of a cell's repeated samples with the same verdict: arithmetic differs by machine,
and a choice that was nearly a tie may fall the other way."""

Key = tuple[str, str, str, str, str]
"""Task, scheme, filter, answer mode, resolution."""


class CellRepeat(Document):
    """The repeated samples of one cell."""

    task: Name
    scheme: Name
    filter: Name
    answer_mode: Name
    resolution: Name
    of: Count
    """Samples that the record has in this cell."""
    n: Count
    agreeing: Count
    """Same verdict."""
    same_grid: Count
    """Same grid in the encoder."""
    recorded_correct: Count
    """Right among the n, by the record."""
    correct: Count
    """Right among the n, when repeated."""
    failed: Count = 0
    """Without a verdict among the n, when repeated: neither right nor wrong."""
    shown: Name = "image"
    """What the model was shown; without the image it is the blind control that was repeated."""
    verdicts: Annotated[str, Field(pattern="^[01]*$", max_length=10**6)] | None = None
    """Where all samples were repeated and none failed: each one's verdict, by id. Null elsewhere,
    and in re-runs of version 0.1.0."""

    @model_validator(mode="after")
    def _counts(self) -> CellRepeat:
        """Refuse counts that contradict each other."""
        small = (self.agreeing, self.same_grid, self.recorded_correct, self.correct + self.failed)
        if self.n > self.of or max(small) > self.n:
            raise ValueError(f"of {self.of} samples, {self.n} repeated: its counts are above that")
        if self.verdicts is not None:
            right = (len(self.verdicts), self.verdicts.count("1")) == (self.of, self.correct)
            if not right or self.failed or self.n != self.of:
                raise ValueError("its verdicts are not those of all its samples")
        return self

    @property
    def key(self) -> Key:
        return self.task, self.scheme, self.filter, self.answer_mode, self.resolution

    @property
    def accuracy(self) -> float:
        """Of the repeated samples with a verdict, as a fraction."""
        return self.correct / (self.n - self.failed)

    @property
    def flips(self) -> Flips:
        """Verdicts that fell otherwise; one that failed when repeated counts as lost."""
        turned = self.n - self.agreeing
        lost = min(turned, max(0, (turned + self.recorded_correct - self.correct + 1) // 2))
        return Flips(self.n, lost, turned - lost)

    @property
    def agrees(self) -> bool:
        """Whether the verdicts agree and every grid is the same."""
        return self.n > 0 and self.agreeing >= AGREEMENT * self.n and self.same_grid == self.n


class Rerun(Document):
    """What the maintainers found."""

    records: Mapping[str, str]
    """File name to the digest of each record that was repeated."""
    seed: int
    by: Name
    date: Name
    hardware: Name
    versions: Mapping[str, str]
    revision: Name | None = None
    """Of the checkpoint as it was found when it was repeated; null in re-runs of version 0.1.0."""
    pretrained: Name | None = None
    """What `pretrained=` was given; null in re-runs of version 0.1.0."""
    cells: Annotated[tuple[CellRepeat, ...], Field(strict=False)]

    @property
    def agrees(self) -> bool:
        """Whether every cell does, and their disagreements do not lie on one side."""
        return bool(self.cells) and all(cell.agrees for cell in self.cells) and not self.leans

    @property
    def leans(self) -> bool:
        """Whether disagreements favour the record, or go against it, more than chance allows."""
        sides = []
        for cell in self.cells:
            flips = cell.flips
            blind = cell.shown != "image"
            sides.append(Flips(flips.n, flips.gained, flips.lost) if blind else flips)
        return lean(sides)

    def is_of(self, facts: Facts) -> bool:
        """Whether what was repeated is what the submission calls itself."""
        revision = None if self.revision is None else self.revision.replace("sha256:", "sha256-")
        return revision == facts.revision and self.pretrained == facts.model

    @property
    def complete(self) -> bool:
        """Whether every sample of every cell was repeated."""
        return all(cell.n == cell.of for cell in self.cells)

    def repeats(self) -> dict[Key, CellRepeat]:
        """The cells that the board shows."""
        shown = (c for c in self.cells if c.n > c.failed and c.shown == "image")
        return {cell.key: cell for cell in shown}


def as_repeated(record: Record, rerun: Rerun | None) -> Record:
    """The record with the verdicts of a re-run of every sample, else the record itself."""
    if rerun is None:
        return record
    told = {cell.key: cell.verdicts for cell in rerun.cells if cell.shown == record.shown}
    names, correct = record.answers.column("sample"), record.answers.column("correct")
    for key, numbers in record.answers.groups().items():
        setting = (record.task, key.scheme, key.filter, key.answer_mode, key.resolution)
        verdicts = told.get(setting)
        if verdicts is None or len(verdicts) != len(numbers):
            return record
        for number, verdict in zip(sorted(numbers, key=names.__getitem__), verdicts, strict=True):
            correct[number] = None if correct[number] is None else int(verdict)
    answers = record.answers.with_correct(correct)
    return record.model_copy(update={"answers": answers, "cells": cells(answers)})


def read_rerun(folder: Path) -> Rerun | None:
    """What was found for the submission in `folder`; None where nothing was repeated.

    Raises:
        RecordError: it breaks its schema.
    """
    path = folder / RERUN
    return read_as(Rerun, path) if path.is_file() else None


@dataclass(frozen=True, kw_only=True)
class RerunPlan:
    """How to repeat."""

    samples: int
    """Of every cell; all where it has fewer."""
    seed: int
    """That the submitter cannot know."""
    by: str
    pretrained: str
    """Where the checkpoint lies on this machine, or its id."""
    batch_size: int = 16


def rerun(submission: Submission, records: Mapping[Path, Record], plan: RerunPlan) -> Rerun:
    """Repeat samples of every score, and of every blind control, through lmms-eval, and write what
    was found.

    Raises:
        UsageError: a record's adapter is none of ours, or the checkpoint's name is no plain one.
        RecordError: the submission has no record, or lmms-eval could not run it.
    """
    if all(record.blind is not None for record in records.values()):
        raise RecordError(f"{submission.folder}: no score to repeat")
    repeated = [
        (record, _again(record, path, submission, plan)) for path, record in records.items()
    ]
    environment = repeated[0][1][0].environment
    revisions = {str(one.checkpoint.revision) for _, again in repeated for one in again}
    repetition = Rerun(
        records={path.name: file_digest(path) for path in records},
        seed=plan.seed,
        by=plan.by,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        hardware=environment.hardware.summary if environment.hardware else "unknown",
        versions=environment.versions,
        revision=", ".join(sorted(revisions)),
        pretrained=plan.pretrained,
        cells=tuple(cell for record, again in repeated for cell in compared(record, again)),
    )
    text = repetition.model_dump_json(indent=1)
    replace(submission.folder / RERUN, text.encode() + b"\n")
    return repetition


def drawn(record: Record, path: Path, plan: RerunPlan) -> list[str]:
    """The samples to repeat, as many of every answer mode, the same at every resolution."""
    answered: dict[str, set[str]] = defaultdict(set)
    columns = (record.answers.column(name) for name in ("answer_mode", "sample"))
    for mode, sample in zip(*columns, strict=True):
        answered[mode].add(sample)
    chance = random.Random(f"{plan.seed} {file_digest(path)}")
    return sorted(
        sample
        for _, names in sorted(answered.items())
        for sample in chance.sample(sorted(names), min(plan.samples, len(names)))
    )


def _again(record: Record, path: Path, submission: Submission, plan: RerunPlan) -> list[Record]:
    """The records of a run of the drawn samples for each scheme and filter of the record."""
    samples = drawn(record, path, plan)
    resolutions = dict.fromkeys(cell.resolution for cell in record.cells)
    records = []
    for scheme, filter in sorted({cell.key.setting[:2] for cell in record.cells}):
        modes = {cell.answer_mode for cell in record.cells} & {"rank", "generate"}
        variation = Variation(
            resolutions=[parse_resolution(cell) for cell in resolutions],
            filter=filter,
            scheme=scheme,
            only=samples,
        )
        arguments = _arguments(record, submission, plan, scheme)
        # beside ranked options, a question without options is generated whatever is asked for
        arguments += [f"answer_mode={mode}" for mode in sorted(modes)[-1:]]
        records += _run(record, variation, arguments, plan)
    return records


def _arguments(record: Record, submission: Submission, plan: RerunPlan, scheme: str) -> list[str]:
    """`--model_args`, from checked facts alone: what the record says was given is not trusted."""
    facts = submission.facts
    if not re.fullmatch(PRETRAINED, plan.pretrained):
        raise UsageError(
            f"{plan.pretrained!r} is no plain name or path of a checkpoint; give --pretrained"
        )
    given = [f"pretrained={plan.pretrained}", f"scheme={scheme}"]
    if not facts.revision.startswith("sha256-"):
        given.append(f"revision={facts.revision}")
    if record.checkpoint.training_overridden:
        given.append(f"train_resolution={record.checkpoint.training}")
    if record.blind is not None:
        given.append("blind=true")
    return given


def _run(
    record: Record, variation: Variation, arguments: Sequence[str], plan: RerunPlan
) -> list[Record]:
    """Run the record's task, varied; the records of it."""
    from resolution_eval.ground.registry import ADAPTERS
    from resolution_eval.host.runs import lmms_eval, preferred

    adapter = record.checkpoint.adapter
    if adapter not in ADAPTERS:
        raise UsageError(f"only {', '.join(ADAPTERS)} can be repeated; the record has {adapter!r}")
    with TemporaryDirectory(prefix="resolution-eval-") as folder, preferred(folder):
        derive(record.task, Path(folder), variation)
        output = Path(folder) / "output"
        host = ["--model", adapter, "--model_args", ",".join(arguments), "--tasks", record.task]
        host += ["--batch_size", str(plan.batch_size), "--output_path", str(output)]
        if lmms_eval([*host, "--log_samples"]):
            raise RecordError(f"lmms-eval could not repeat {record.task}; its message is above")
        return make_records(output)


def compared(record: Record, again: Sequence[Record]) -> list[CellRepeat]:
    """Each cell of `record` beside the same samples in `again`."""
    repeated = {_at(row): row for run in again for row in run.answers.rows()}
    rows = record.answers.rows()
    made = []
    for key, numbers in record.answers.groups().items():
        pairs = [(rows[i], repeated[_at(rows[i])]) for i in numbers if _at(rows[i]) in repeated]
        made.append(
            CellRepeat(
                task=record.task,
                **{name: getattr(key, name) for name in KEY},
                of=len(numbers),
                n=len(pairs),
                agreeing=sum(a["correct"] == b["correct"] for a, b in pairs),
                same_grid=sum(_grid(a) == _grid(b) for a, b in pairs),
                recorded_correct=sum(a["correct"] or 0 for a, _ in pairs),
                correct=sum(b["correct"] or 0 for _, b in pairs),
                failed=sum(b["correct"] is None for _, b in pairs),
                shown=record.shown or "unknown",
                verdicts=_verdicts(pairs) if len(pairs) == len(numbers) else None,
            )
        )
    return made


def _verdicts(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str | None:
    """Each repeated verdict, by the sample's id; None where one failed."""
    by_id = sorted((b["sample"], b["correct"]) for _, b in pairs)
    if any(correct is None for _, correct in by_id):
        return None
    return "".join(str(correct) for _, correct in by_id)


def _at(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("sample", *KEY))


def _grid(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["grid_height"], row["grid_width"], row["visual_tokens"]
