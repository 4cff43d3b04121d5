"""WSI-VQA: its question files as published, beside one picture per slide that the user drew.

`WsiVQA_train.json`, `WsiVQA_val.json`, `WsiVQA_test.json` and `images/TCGA-XX-XXXX*.png` (or jpg,
tif): slides are too large to be decoded as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources.delimited import read_table
from resolution_eval.data.sources.folder_files import escape
from resolution_eval.data.sources.sample_source import FolderSource
from resolution_eval.data.sources.source import SPLITS, Exclusion, Sample, listing
from resolution_eval.ground.errors import DataError
from resolution_eval.ground.files import file_digest
from resolution_eval.ground.notation import BOM, NotationError, json_value

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


class WsiVqaSource(FolderSource):
    """The questions about every slide that there is a picture of in `folder`, closed and open ones.

    Questions about other slides, with an answer that is none of their options, with an option
    twice, or that repeat another, are listed in `excluded`: loaded + excluded = questions in the
    files. A full stop at the end of an option or answer does not tell it from another.

    Raises:
        DataError: a file is absent, no JSON or no list of questions; or a slide has two pictures.
    """

    name = "wsivqa"

    def __init__(self, folder: Path, card: TaskCard) -> None:
        super().__init__(card, folder, "WsiVQA_test.json")
        self.revision = card.revision
        pictures = _pictures(self._folder / "images")
        self._keep(self._entries(pictures))
        images = {sample.image for sample in self._samples}
        self._known = {image: file_digest(self._folder / image) for image in images}

    def _entries(self, pictures: Mapping[str, str]) -> Iterator[Sample | Exclusion]:
        seen: set[str] = set()
        for split in SPLITS:
            for number, item in enumerate(_items(self._folder / f"WsiVQA_{split}.json")):
                match _sample(item, split, pictures):
                    case str() as reason:
                        yield Exclusion(f"{split}/{number:05d}", reason, split)
                    case sample if sample.id in seen:
                        yield Exclusion(sample.id, "repeats another question", split)
                    case sample:
                        seen.add(sample.id)
                        yield sample


def _pictures(folder: Path) -> dict[str, str]:
    """A patient's id, the first three parts of the name, to its picture's path."""
    slides: dict[str, list[str]] = {}
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files:
        if file.suffix.lower() in ENDINGS and escape(file.name, folder) is None:
            slide = "-".join(file.stem.split(".")[0].split("-")[:3])
            slides.setdefault(slide, []).append(f"{folder.name}/{file.name}")
    several = [f"{slide}: {names}" for slide, names in slides.items() if len(names) > 1]
    if several:
        raise DataError(f"{folder} has several pictures of one slide: {listing(several)}; keep one")
    return {slide: names[0] for slide, names in slides.items()}


def _items(table: Path) -> list[Mapping[str, Any]]:
    try:
        items = json_value(read_table(table).removeprefix(BOM))
    except NotationError as error:
        raise DataError(f"{table} is not JSON in UTF-8 ({error}); download it again") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError(f"{table} is not a list of questions; download it again")
    return items


def _sample(item: Mapping[str, Any], split: str, pictures: Mapping[str, str]) -> Sample | str:
    """The question, or why it is none."""
    slide, question, answer = (_text(item.get(key)) for key in ("Id", "Question", "Answer"))
    options = item.get("Choice")
    if not slide or not question or not answer:
        return "lacks its slide, question or answer"
    if slide not in pictures:
        return "no picture of its slide"
    choices = tuple(_text(option) for option in options) if isinstance(options, list) else ()
    if options is not None:
        alike = [choice for choice in choices if choice.casefold() == answer.casefold()]
        if not alike:
            return "answer is none of its options"
        if len({choice.casefold() for choice in choices}) < len(choices):
            return "has an option twice"
        answer = alike[0]
    told = "\x1f".join((question, *choices))
    return Sample(
        id=f"{split}/{slide}#{sha256(told.encode()).hexdigest()[:12]}",
        image=pictures[slide],
        question=question,
        answer=answer,
        choices=choices,
        cluster=slide,
        split=split,
        form="closed" if choices else "open",
    )


def _text(value: Any) -> str:
    return value.strip().removesuffix(".").strip() if isinstance(value, str) else ""
