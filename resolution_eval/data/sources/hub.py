"""Hub: tables of questions and images in a Hugging Face repository, at one pinned commit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from loguru import logger

from resolution_eval.answers.prompts import mark_fault, marked
from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.labels_row import YES_NO
from resolution_eval.data.sources.normal_form import matching
from resolution_eval.data.sources.pictures import components
from resolution_eval.data.sources.source import (
    SPLITS,
    Exclusion,
    Sample,
    class_of,
    fingerprint,
    listing,
    of_split,
    ordered,
)
from resolution_eval.evidence.attestation import Form
from resolution_eval.ground.errors import DataError, ImageError, suggest

if TYPE_CHECKING:
    from datasets import Dataset

    from resolution_eval.data.sources.containers import Container, Member

_LETTERED = re.compile(r"^\(?([A-Z])\s*[:.)]\s*(?=\S)")


class HubSource:
    """The data set in the repository that `card.hub` names, or in a local copy of it.

    Rows without a question, an answer or an image, and rows that repeat another word for word, are
    listed in `excluded`: loaded + excluded = rows of the test table. An image that cannot
    be decoded keeps its sample. The tables are loaded by `datasets`, the test split's alone.

    Raises:
        DataError: the card names no revision and there is no local copy; the repository, revision
            or a table cannot be had; a column is absent; or a label or choice is unknown.
    """

    name = "hub"

    def __init__(self, card: TaskCard, copy: Path | None = None, cache: Path | None = None) -> None:
        assert card.hub is not None
        self._card = card
        self._hub = card.hub
        self._copy = copy
        self._cache = cache
        if copy is None and not self._hub.revision:
            raise DataError(
                f"{card.name}: no commit of {self._hub.repository} is pinned in its card, and "
                "without one the data could change under a score; give a local copy, as the "
                "repository has it, or in the local layout"
            )
        self._tables: dict[str, Dataset] = {}
        self._contents: dict[str, str] = {}
        self._others: dict[str, tuple[Sample, ...]] = {}
        self._repeated = 0
        excluded: list[Exclusion] = []
        self._samples = ordered(self._read("test", excluded))
        self.excluded = tuple(excluded)

    @property
    def revision(self) -> str:
        """Commit of the repository; of a local copy nobody can say it, so its place is named."""
        if self._copy is not None:
            return f"local copy of {self._hub.repository}"
        return f"{self._hub.repository}@{self._hub.revision}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Test questions asked twice of an image with other answers; and what was not compared."""
        told = []
        if self._repeated:
            told.append(f"{self._repeated} questions stand more than once about the same image")
        named, there = self._hub.answer, self._table("test").column_names
        if self._hub.correct and named and named not in there:
            told.append(
                f"no column {named!r}: the choice that {self._hub.correct!r} marks right was not "
                "held against the answer's text"
            )
        if "train" in self._hub.files:
            told.append(
                "the train table was not read: whether test images stand in it too is not known"
            )
        answer = self._hub.answer
        if self._hub.correct and answer and answer not in self._table("test").column_names:
            told.append(f"no column {answer!r}: no text confirms the choice that is marked right")
        return tuple(told)

    def _table(self, split: str) -> Dataset:
        from datasets import Image

        if split not in self._tables:
            table = self._load(split)
            self._require(table)
            if self._hub.images is None:
                kind = table.features[self._hub.image]
                several = not isinstance(kind, Image) and hasattr(kind, "feature")
                raw = Image(decode=False)
                wanted = type(kind)(raw) if several else raw
                table = table.cast_column(self._hub.image, wanted)
            self._tables[split] = table
        return self._tables[split]

    def _load(self, split: str) -> Dataset:
        from datasets import load_dataset

        files = {str(name): pattern for name, pattern in self._hub.files.items()}
        if split not in files:
            raise DataError(f"{self._card.name} has no {split} table; {suggest(split, files)}")
        where = str(self._copy) if self._copy else self._hub.repository
        pinned = {} if self._copy else {"revision": self._hub.revision}
        try:
            return load_dataset(
                where,
                data_files={split: files[split]},
                split=split,
                cache_dir=str(self._cache) if self._cache else None,
                **pinned,
            )
        except Exception as error:
            advice = (
                "is the file there, and whole?"
                if self._copy
                else f"is there a connection, and is the commit {self._hub.revision or '(none)'} "
                "still in the repository?"
            )
            raise DataError(
                f"{self._card.name}: the {split} table of {where} cannot be loaded "
                f"({type(error).__name__}: {error}); {advice}"
            ) from error

    def _require(self, table: Dataset) -> None:
        hub = self._hub
        needed = [hub.image, *hub.choices]
        needed += [hub.question] if self._card.kind == "questions" else []
        answer = None if hub.correct else hub.answer  # beside an index the text only confirms
        needed += [c for c in (answer, hub.correct, hub.answer_type, hub.id, hub.cluster) if c]
        for column in needed:
            if column not in table.column_names:
                advice = suggest(column, table.column_names)
                raise DataError(f"{hub.repository} has no column {column!r}; {advice}")

    def _read(self, split: str, excluded: list[Exclusion]) -> list[Sample]:
        table, container = self._table(split), self._container
        samples: list[Sample] = []
        faults: list[str] = []
        locators: dict[str, str] = {}  # rows about one image share that of the first
        seen: Counter[tuple[str, str, str]] = Counter()
        asked: Counter[tuple[str, str]] = Counter()
        for index, row in enumerate(table):
            identity = self._id(row, split, index)
            contents = self._row_contents(row, container)
            row_locators = [
                locators.setdefault(
                    content, f"{split}/{index:06d}" + (f"/{place}" if place else "")
                )
                for place, content in enumerate(contents)
            ]
            try:
                sample = self._sample(row, identity, row_locators, contents, split)
            except _UnfitError as reason:
                excluded.append(Exclusion(identity, str(reason), split))
                continue
            except DataError as fault:
                faults.append(f"row {index}: {fault}")
                continue
            key = ("\n".join(contents), sample.question, sample.answer)
            seen[key] += 1
            if seen[key] > 1:
                excluded.append(Exclusion(identity, "repeats another row word for word", split))
                continue
            asked[key[:2]] += 1
            self._contents |= zip(row_locators, map(self._proof, contents), strict=True)
            samples.append(sample)
        if faults:
            raise DataError(f"{self._hub.repository}, {split}: {listing(faults)}")
        self._refuse_duplicates(samples)
        if split == "test":
            self._repeated = sum(count > 1 for count in asked.values())
        return self._clustered(samples, {where: what for what, where in locators.items()})

    def _clustered(self, samples: list[Sample], contents: Mapping[str, str]) -> list[Sample]:
        """The samples with their clusters: where the card names no column, questions that share an
        image are one, by the content of its least.
        """
        if self._hub.cluster:
            return samples
        images = [[contents[image] for image in sample.images] for sample in samples]
        case = components(images)
        return [
            replace(sample, cluster=case[first])
            for sample, (first, *_) in zip(samples, images, strict=True)
        ]

    def _refuse_duplicates(self, samples: list[Sample]) -> None:
        counts = Counter(sample.id for sample in samples)
        twice = [repr(name) for name, count in counts.items() if count > 1]
        if twice:
            raise DataError(f"{self._hub.repository}: duplicate id {listing(twice)}")

    def _id(self, row: Mapping[str, Any], split: str, index: int) -> str:
        return str(row[self._hub.id]) if self._hub.id else f"{split}/{index:06d}"

    def _row_contents(self, row: Mapping[str, Any], container: Container | None) -> list[str]:
        """What tells this row's images from others: their bytes' SHA-256, or names in the zip."""
        cells = _cells(row[self._hub.image])
        if container is not None:
            return [str(cell) for cell in cells]
        files = map(_image_bytes, cells)
        return [sha256(data).hexdigest() if data else "" for data in files]

    def _proof(self, content: str) -> str:
        """What the fingerprint holds of an image: its SHA-256, or its name and checksum in the zip;
        the name alone where the zip lacks it.
        """
        member = self._members.get(content)
        return content if member is None else f"{content} {member.checksum}"

    def _sample(
        self,
        row: Mapping[str, Any],
        identity: str,
        locators: Sequence[str],
        contents: Sequence[str],
        split: str,
    ) -> Sample:
        question = _text(row.get(self._hub.question))
        if self._card.kind == "classification":
            question = self._card.question or ""
        if not question:
            raise _UnfitError("has no question")
        if not contents or not any(contents):
            raise _UnfitError("has no image")
        if not all(contents):
            raise _UnfitError(f"has {len(contents)} images, one of them empty")
        choices, answer, form = self._answer(row)
        if not answer:
            raise _UnfitError("has no answer")
        text = marked(question, len(contents))
        if fault := mark_fault("\n".join((text, *choices)), len(contents)):
            raise _UnfitError(fault)
        return Sample(
            id=identity,
            image=locators[0],
            more=tuple(locators[1:]),
            question=text,
            answer=answer,
            choices=choices,
            cluster=_text(row[self._hub.cluster]) if self._hub.cluster else contents[0],
            split=split,
            form=form,
        )

    def _answer(self, row: Mapping[str, Any]) -> tuple[tuple[str, ...], str, Form]:
        if self._card.kind == "classification":
            return self._card.classes, self._class(row), "closed"
        choices = self._choices(row)
        if choices and self._hub.correct:
            return choices, self._by_index(row, choices), "closed"
        answer = _text(row.get(self._hub.answer or ""))
        kind = _text(row.get(self._hub.answer_type or "")).lower()
        if not choices and kind != "open" and answer.lower() in YES_NO:
            choices = YES_NO
        if not choices:
            return (), answer, "closed" if kind == "closed" else "open"
        same = matching(answer, choices)
        if same is None:
            raise DataError(f"answer {answer!r} is not one of the choices {choices}")
        return choices, same, "closed"

    def _by_index(self, row: Mapping[str, Any], choices: tuple[str, ...]) -> str:
        """The right choice by its letter or number, which the answer's text must not contradict."""
        chosen = choices[_index(row[self._hub.correct or ""], choices)]
        text = _text(row.get(self._hub.answer or ""))
        named = matching(text, choices) or matching(_LETTERED.sub("", text, count=1), choices)
        if text and named is not None and named != chosen:
            raise DataError(
                f"the answer {text!r} is not the choice {chosen!r} that is marked right"
            )
        return chosen

    def _class(self, row: Mapping[str, Any]) -> str:
        value = row[self._hub.answer or ""]
        kind = self._tables["test"].features[self._hub.answer or ""]
        label = kind.int2str(value) if hasattr(kind, "int2str") else _text(value)
        name = class_of(label, self._card)
        if name is None:
            raise DataError(f"unknown label {label!r}; {suggest(label, self._card.classes)}")
        return name

    def _choices(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        columns = [row[column] for column in self._hub.choices]
        values = columns[0] if len(columns) == 1 and isinstance(columns[0], list) else columns
        texts = [_text(value) for value in values]
        return unlettered(texts) if self._lettered else tuple(texts)

    @cached_property
    def _lettered(self) -> bool:
        """Whether every option of the test table has its letter before it: its habit, and not the
        abbreviated genus of "C. elegans".
        """
        table = self._table("test").select_columns(list(self._hub.choices))
        rows = ([row[column] for column in self._hub.choices] for row in table)
        listed = (row[0] if len(row) == 1 and isinstance(row[0], list) else row for row in rows)
        return all(has_letters([_text(value) for value in values]) for values in listed if values)

    @cached_property
    def _container(self) -> Container | None:
        """The zip with the images, where the tables only name them."""
        if self._hub.images is None:
            return None
        from resolution_eval.data.sources.containers import open_container

        if self._copy is not None:
            return open_container(self._copy / self._hub.images)
        from huggingface_hub import hf_hub_download

        try:
            file = hf_hub_download(
                self._hub.repository,
                self._hub.images,
                repo_type="dataset",
                revision=self._hub.revision,
            )
        except Exception as error:
            raise DataError(
                f"{self._hub.images} of {self._hub.repository} cannot be had: {error}"
            ) from error
        return open_container(Path(file))

    @cached_property
    def _members(self) -> dict[str, Member]:
        """Name of an image as the tables write it, to its member of the zip."""
        members = self._container.members if self._container else ()
        return {PurePosixPath(member.name).name: member for member in members}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, questions, answers and images (name and checksum, where in a zip)."""
        return fingerprint(self._samples, self._contents)

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown, or its table cannot be loaded.
        """
        if split == "test" or split not in SPLITS:
            return of_split(self._samples, split, self._hub.repository)
        if split not in self._others:
            excluded: list[Exclusion] = []
            self._others[split] = ordered(self._read(split, excluded))
            if excluded:
                counts = Counter(exclusion.reason for exclusion in excluded)
                told = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
                logger.warning(
                    f"{self._hub.repository}, {split}: {len(excluded)} of "
                    f"{len(excluded) + len(self._others[split])} rows excluded ({told})"
                )
        return self._others[split]

    def read(self, locator: str) -> bytes:
        """The image of the row `locator` ("test/000012"), the first about that image; "/1" behind
        it is the row's second.

        Raises:
            ImageError: it is missing or cannot be read.
        """
        split, index, *place = locator.split("/")
        cells = _cells(self._table(split)[int(index)][self._hub.image])
        value = cells[int(place[0]) if place else 0]
        if self._container is None:
            return _image_bytes(value)
        try:
            return self._container.read(self._members[str(value)].name)
        except (OSError, KeyError) as error:
            raise ImageError(
                f"image {value!r} is not in {self._hub.images}, or damaged: {error}"
            ) from error


class _UnfitError(Exception):
    """A row that is no sample, and why."""


def _cells(value: Any) -> list[Any]:
    """The images of a cell, which holds one or a list."""
    return list(value) if isinstance(value, list) else [value]


def _image_bytes(value: Any) -> bytes:
    """The encoded image of a cell; empty where there is none."""
    data = value.get("bytes") if isinstance(value, Mapping) else None
    return bytes(data) if data else b""


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def unlettered(choices: Iterable[str]) -> tuple[str, ...]:
    """The choices without the letters that the data puts before them ("B: kidney"), where all have
    theirs: else a "C." is a part of a name.

    Example:
        >>> unlettered(["A. E. coli", "B. C. elegans"]), unlettered(["mouse", "C. elegans"])
        (('E. coli', 'C. elegans'), ('mouse', 'C. elegans'))
    """
    texts = tuple(choices)
    return (
        tuple(_LETTERED.sub("", choice, count=1) for choice in texts)
        if has_letters(texts)
        else texts
    )


def has_letters(choices: Iterable[str]) -> bool:
    """Whether each choice begins with the letter of its place."""
    marks = [_LETTERED.match(choice) for choice in choices]
    return all(mark and mark[1] == ascii_uppercase[i % 26] for i, mark in enumerate(marks))


def _index(value: Any, choices: tuple[str, ...]) -> int:
    """The number that a letter, or a number from 0, stands for."""
    word = _text(value)
    number = ascii_uppercase.find(word) if len(word) == 1 and word.isalpha() else -1
    number = int(word) if word.isdecimal() else number
    if not 0 <= number < len(choices):
        raise DataError(f"{word!r} names none of {len(choices)} choices")
    return number
