"""Submissions: one checkpoint's records, with the facts that its submitter declares.

    leaderboard/records/MODEL/REVISION/
        submission.json          the declared facts, see `Facts`
        NAME.record.json         one per task and run, see `resolution_eval.records`
        NAME.answers.parquet     the answers of each record
        rerun.json               what the maintainers found when they repeated samples, if they did

MODEL is the model's id with `__` for `/`; REVISION is a commit or the digest of its weights.
"""

from __future__ import annotations

import datetime
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from resolution_eval.ground.errors import RecordError, unseen
from resolution_eval.ground.likeness import mixed
from resolution_eval.records.bounded import Document, read_as
from resolution_eval.records.store import SUFFIX
from resolution_eval.resolution import TrainingResolution, parse_resolution

FACTS = "submission.json"
RERUN = "rerun.json"
MAX_FACTS = 2**18
"""Largest `submission.json`, in bytes."""
MAX_ENTRIES = 1_000
"""Most entries in one model's folder, or one submission's."""
MAX_SUBMISSIONS = 100_000
"""Most models of a board."""

MODEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
MODEL_ID = rf"^(?:{MODEL}/)?{MODEL}$"
PRETRAINED = r"[A-Za-z0-9._/-]{1,200}"
"""A checkpoint's id or path: nothing in it starts another argument of `--model_args`."""
REVISION = r"^(?:[0-9a-f]{40}|sha256-[0-9a-f]{64})$"


def plain(text: str) -> str:
    """`text`, where every character in it can be seen and none changes how others are shown.

    Raises:
        ValueError: a control, format (bidi, zero-width), surrogate, unassigned or invisible
            character, a blank other than a space, or a word of letters of two scripts.
    """
    for place, character in enumerate(text):
        blank = unicodedata.category(character) in ("Zl", "Zp", "Zs") and character != " "
        if blank or unseen(character):
            raise ValueError(
                f"character {place} is U+{ord(character):04X}, which is not shown; leave it out"
            )
    word = mixed(text)
    if word is not None:
        raise ValueError(f"{word!r} mixes letters of two scripts that look alike; use one")
    return text


def _training(text: str) -> str:
    if str(TrainingResolution.parse(text)) != text:
        raise ValueError(f"write {TrainingResolution.parse(text)}")
    return text


def _resolution(text: str) -> str:
    if str(parse_resolution(text)) != text:
        raise ValueError(f"write {parse_resolution(text)}")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(plain)]
Url = Annotated[
    str, Field(max_length=500, pattern=r"^https?://[^\s\"'<>]+$"), AfterValidator(plain)
]
ModelId = Annotated[str, Field(pattern=MODEL_ID), AfterValidator(plain)]
Strategy = Literal["none", "low", "native", "mixed", "other", "unknown"]


class Claim(Document):
    """A score that the submitter states, to be shown beside the one that the answers give."""

    task: Name
    resolution: Annotated[str, Field(max_length=10), AfterValidator(_resolution)]
    accuracy: Annotated[float, Field(ge=0, le=1)]
    scheme: Name = "match"
    source: Sentence | None = None
    """Where the claim was made."""


class Facts(Document):
    """What a submitter declares about a checkpoint."""

    model: ModelId
    """Hugging Face id, or another name of one or two parts."""
    revision: Annotated[str, Field(pattern=REVISION)]
    """Full commit hash, or `sha256-` and the digest of the weights; a branch would move."""
    title: Name
    parameters: Annotated[int, Field(ge=1, le=10**14)] | None
    """Of the whole model; null where not known."""
    strategy: Strategy
    """How the checkpoint was trained as to resolution: `none` is not trained for the tasks."""
    training: Annotated[str, Field(max_length=200), AfterValidator(_training)]
    """Training resolution: fixed:N, native, mixed:[A,B] or unknown."""
    training_evidence: Sentence
    training_evidence_url: Url | None = None
    base: ModelId | None
    """Model that this one was made from; null where it was trained from scratch."""
    trained_on: Annotated[tuple[Name, ...], Field(strict=False, max_length=1000)]
    """Data sets that it was trained on: names of our cards where they have one."""
    base_trained_on: Annotated[tuple[Name, ...], Field(strict=False, max_length=1000)] = ()
    """Data sets that `base` and what that was made from were trained on."""
    recipe: Name | None = None
    """What tells its training from that of the submitter's other models of which all else here is
    the same. Where nothing does they are runs of one recipe, and one line of the board."""
    labels: Annotated[tuple[Name, ...], Field(strict=False, max_length=8)] = ()
    """What a reader must know, for instance `from scratch`, `generated images`."""
    licence: Name
    submitter: Name
    submitted: Annotated[datetime.date, Field(strict=False)]
    pretrained: Annotated[str, Field(pattern=rf"^{PRETRAINED}$")]
    """What `pretrained=` was given, so that the run can be repeated."""
    claims: Annotated[tuple[Claim, ...], Field(strict=False, max_length=1000)] = ()


@dataclass(frozen=True)
class Submission:
    """One folder of the records, its facts read."""

    folder: Path
    facts: Facts
    records: tuple[Path, ...]
    """The documents of its records, by name."""

    @property
    def key(self) -> str:
        """MODEL/REVISION, the name of the folder below the records."""
        return folder_name(self.facts.model, self.facts.revision)


def folder_name(model: str, revision: str) -> str:
    """Folder of a submission, below the records.

    Example:
        >>> folder_name("org/model", "0" * 40)
        'org__model/0000000000000000000000000000000000000000'
    """
    return f"{model.replace('/', '__')}/{revision}"


def key_of(folder: Path) -> str:
    """MODEL/REVISION, by which the ledger knows the submission in `folder`."""
    return f"{folder.parent.name}/{folder.name}"


def submissions(records: Path) -> Iterator[Path]:
    """Every folder MODEL/REVISION in the folder `records`, by name; and what is there and is none,
    for the checks to refuse.

    Raises:
        RecordError: there is no such folder, or one holds more entries than allowed.
    """
    for model in entries(records, MAX_SUBMISSIONS):
        if model.is_symlink() or not model.is_dir() or model.name.startswith("."):
            yield model
        else:
            yield from entries(model)


def entries(folder: Path, most: int = MAX_ENTRIES) -> list[Path]:
    """What is in `folder`, by name.

    Raises:
        RecordError: a link, not a folder, or more than `most` entries.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise RecordError(f"{folder}: not a folder; pass the leaderboard's records")
    with os.scandir(folder) as listing:
        names = [entry.name for _, entry in zip(range(most + 1), listing, strict=False)]
    if len(names) > most:
        raise RecordError(f"{folder}: more than {most} entries")
    return [folder / name for name in sorted(names)]


def read_submission(folder: Path) -> Submission:
    """The submission in `folder`; its records are named, not read.

    Raises:
        RecordError: the facts break their schema, or do not fit the folder's name.
    """
    facts = read_facts(folder / FACTS)
    wanted = folder_name(facts.model, facts.revision)
    if key_of(folder) != wanted:
        raise RecordError(
            f"{folder / FACTS}: its model and revision belong into {wanted}, not {key_of(folder)}"
        )
    records = tuple(path for path in entries(folder) if path.name.endswith(SUFFIX))
    return Submission(folder, facts, records)


def read_facts(path: Path) -> Facts:
    """The facts in `path`.

    Raises:
        RecordError: too large, not JSON, or breaking the schema; key and line are named.
    """
    if path.is_symlink():
        raise RecordError(f"{path}: a link; put the file itself there")
    if path.is_file() and path.stat().st_size > MAX_FACTS:
        raise RecordError(f"{path}: larger than {MAX_FACTS} bytes")
    return read_as(Facts, path)
