"""Hub: tables of questions and images in a Hugging Face repository, at one pinned commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from loguru import logger

from resolution_eval.answers.prompts import mark_fault, marked
from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.containers import Container, Member, open_container
from resolution_eval.data.sources.labels_row import YES_NO
from resolution_eval.data.sources.normal_form import matching
from resolution_eval.data.sources.option_letters import has_letters, unlettered, without_letter
from resolution_eval.data.sources.pictures import components
from resolution_eval.data.sources.published.item import text
from resolution_eval.data.sources.sample_source import SampleSource
from resolution_eval.data.sources.source import (
    SPLITS,
    Exclusion,
    Sample,
    class_of,
    listing,
    ordered,
    reasons,
)
from resolution_eval.evidence.verdict import Form
from resolution_eval.ground.errors import DataError, ImageError, suggest

if TYPE_CHECKING:
    from datasets import Dataset


class HubSource(SampleSource):
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
        super().__init__(card, card.hub.repository)
        self._hub = card.hub
        self._copy = copy
        self._cache = cache
        if copy is None and not self._hub.revision:
            raise DataError(
                f"{card.name}: no commit of {self._hub.repository} is pinned in its card, and "
                "without one the data could change under a score; give a local copy, as the "
                "repository has it, or in the local layout"
            )
        where = self._hub.repository
        self.revision = f"local copy of {where}" if copy else f"{where}@{self._hub.revision}"
        self._known: dict[str, str] = {}
        self._tables: dict[str, Dataset] = {}
        self._others: dict[str, tuple[Sample, ...]] = {}
        self._samples, self.excluded = self._split("test")
        self._notes = tuple(self._told())

    def _told(self) -> Iterator[str]:
        """Test questions asked twice of an image with other answers; and what was not compared."""
        asked = Counter((sample.images, sample.question) for sample in self._samples)
        repeated = sum(count > 1 for count in asked.values())
        if repeated:
            yield f"{repeated} questions stand more than once about the same image"
        if "train" in self._hub.files:
            yield "the train table was not read: whether test images stand in it too is not known"
        answer = self._hub.answer
        if self._hub.correct and answer and answer not in self._table("test").column_names:
            yield f"no column {answer!r}: no text confirms the choice that is marked right"

    def _table(self, split: str) -> Dataset:
        from datasets import Image

        if split not in self._tables:
            table = self._load(split)
            self._require(table)
            if self._hub.images is None:
                kind = table.features[self._hub.image]
                several = not isinstance(kind, Image) and hasattr(kind, "feature")
                raw = Image(decode=False)
                table = table.cast_column(self._hub.image, type(kind)(raw) if several else raw)
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

    def _split(self, split: str) -> tuple[tuple[Sample, ...], tuple[Exclusion, ...]]:
        """The samples of a table, and its rows that are none.

        Raises:
            DataError: it cannot be loaded, rows are at fault, or an id stands twice.
        """
        kept: dict[tuple[object, ...], Sample] = {}
        excluded: list[Exclusion] = []
        faults: list[str] = []
        places: dict[str, str] = {}  # rows about one image share that of the first
        for index, row in enumerate(self._table(split)):
            place = f"{split}/{index:06d}"
            identity = str(row[self._hub.id]) if self._hub.id else place
            contents = self._row_contents(row)
            own = [f"{place}/{number}" if number else place for number in range(len(contents))]
            images = tuple(map(places.setdefault, contents, own))
            try:
                sample = self._sample(row, identity, images, contents, split)
            except DataError as fault:
                faults.append(f"row {index}: {fault}")
                continue
            match sample:
                case str() as reason:
                    excluded.append(Exclusion(identity, reason, split))
                case sample if _asked(sample) in kept:
                    excluded.append(Exclusion(identity, "repeats another row word for word", split))
                case sample:
                    kept[_asked(sample)] = sample
        if faults:
            raise DataError(f"{self._hub.repository}, {split}: {listing(faults)}")
        self._refuse_duplicates(kept.values())
        contents_of = {where: content for content, where in places.items()}
        self._known |= {where: self._proof(content) for where, content in contents_of.items()}
        return ordered(self._clustered(list(kept.values()), contents_of)), tuple(excluded)

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

    def _refuse_duplicates(self, samples: Iterable[Sample]) -> None:
        counts = Counter(sample.id for sample in samples)
        twice = [repr(name) for name, count in counts.items() if count > 1]
        if twice:
            raise DataError(f"{self._hub.repository}: duplicate id {listing(twice)}")

    def _row_contents(self, row: Mapping[str, Any]) -> list[str]:
        """What tells this row's images from others: their bytes' SHA-256, or names in the zip."""
        cells = _cells(row[self._hub.image])
        if self._container is not None:
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
        images: Sequence[str],
        contents: Sequence[str],
        split: str,
    ) -> Sample | str:
        """The question of a row, or why it is none.

        Raises:
            DataError: its label or choice is unknown.
        """
        asks = self._card.kind == "questions"
        question = text(row.get(self._hub.question)) if asks else self._card.question
        if not question:
            return "has no question"
        if not any(contents):
            return "has no image"
        if not all(contents):
            return f"has {len(contents)} images, one of them empty"
        choices, answer, form = self._answer(row)
        if not answer:
            return "has no answer"
        question = marked(question, len(contents))
        if fault := mark_fault("\n".join((question, *choices)), len(contents)):
            return fault
        return Sample(
            id=identity,
            image=images[0],
            more=tuple(images[1:]),
            question=question,
            answer=answer,
            choices=choices,
            cluster=text(row[self._hub.cluster]) if self._hub.cluster else contents[0],
            split=split,
            form=form,
        )

    def _answer(self, row: Mapping[str, Any]) -> tuple[tuple[str, ...], str, Form]:
        if self._card.kind == "classification":
            return self._card.classes, self._class(row), "closed"
        choices = self._choices(row)
        if choices and self._hub.correct:
            return choices, self._by_index(row, choices), "closed"
        answer = text(row.get(self._hub.answer or ""))
        kind = text(row.get(self._hub.answer_type or "")).lower()
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
        told = text(row.get(self._hub.answer or ""))
        named = matching(told, choices) or matching(without_letter(told), choices)
        if told and named is not None and named != chosen:
            raise DataError(
                f"the answer {told!r} is not the choice {chosen!r} that is marked right"
            )
        return chosen

    def _class(self, row: Mapping[str, Any]) -> str:
        value = row[self._hub.answer or ""]
        kind = self._tables["test"].features[self._hub.answer or ""]
        label = kind.int2str(value) if hasattr(kind, "int2str") else text(value)
        name = class_of(label, self._card)
        if name is None:
            raise DataError(f"unknown label {label!r}; {suggest(label, self._card.classes)}")
        return name

    def _listed(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The options of a row as its columns, or its column of lists, have them."""
        columns = [row[column] for column in self._hub.choices]
        values = columns[0] if len(columns) == 1 and isinstance(columns[0], list) else columns
        return tuple(map(text, values))

    def _choices(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return unlettered(self._listed(row)) if self._lettered else self._listed(row)

    @cached_property
    def _lettered(self) -> bool:
        """Whether every option of the test table has its letter before it: its habit, and not the
        abbreviated genus of "C. elegans".
        """
        table = self._table("test").select_columns(list(self._hub.choices))
        return all(has_letters(self._listed(row)) for row in table)

    @cached_property
    def _container(self) -> Container | None:
        """The zip with the images, where the tables only name them."""
        if self._hub.images is None:
            return None
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

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id.

        Raises:
            DataError: the split is unknown, or its table cannot be loaded.
        """
        if split == "test" or split not in SPLITS:
            return super().samples(split)
        if split not in self._others:
            self._others[split], excluded = self._split(split)
            if excluded:
                logger.warning(
                    f"{self._hub.repository}, {split}: {len(excluded)} of "
                    f"{len(excluded) + len(self._others[split])} rows excluded "
                    f"({reasons(excluded)})"
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


def _asked(sample: Sample) -> tuple[object, ...]:
    """What rows that repeat each other have in common."""
    return sample.images, sample.question, sample.answer


def _cells(value: Any) -> list[Any]:
    """The images of a cell, which holds one or a list."""
    return list(value) if isinstance(value, list) else [value]


def _image_bytes(value: Any) -> bytes:
    """The encoded image of a cell; empty where there is none."""
    data = value.get("bytes") if isinstance(value, Mapping) else None
    return bytes(data) if data else b""


def _index(value: Any, choices: tuple[str, ...]) -> int:
    """The number that a letter, or a number from 0, stands for."""
    word = text(value)
    number = ascii_uppercase.find(word) if len(word) == 1 and word.isalpha() else -1
    number = int(word) if word.isdecimal() else number
    if not 0 <= number < len(choices):
        raise DataError(f"{word!r} names none of {len(choices)} choices")
    return number
