"""Table benchmarks: questions in tables that hold the images, or name them."""

from __future__ import annotations

import ast
import base64
import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from resolution_eval.data.sources.delimited import read_table, rows_of
from resolution_eval.data.sources.labels_row import YES_NO
from resolution_eval.data.sources.option_letters import unlettered
from resolution_eval.data.sources.published.item import (
    Images,
    Item,
    letter,
    need,
    parquet_rows,
    text,
)
from resolution_eval.ground.errors import DataError

_SHORTEST_IMAGE = 64
"""Characters: a shorter cell of a TSV names the row that holds the image."""
SUBJECTS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)


LONGEST_CELL = 2**28
"""Characters of one cell: an image of 192 MiB in base64."""


def tsv_rows(file: Path) -> Iterator[Mapping[str, str]]:
    """The rows of a table in the convention of VLMEvalKit, megabytes of base64 in a cell included.

    Raises:
        DataError: it cannot be read, names a column twice, or a row has more or fewer cells.
    """
    csv.field_size_limit(LONGEST_CELL)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter="\t")
            names = next(reader, [])
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise DataError(f"{file}: the header names the column {twice[0]!r} twice")
            for cells in filter(None, reader):
                if len(cells) != len(names):
                    more = "more" if len(cells) > len(names) else "fewer"
                    raise DataError(
                        f"{file}, line {reader.line_num}: {more} cells than the {len(names)} "
                        "columns of the header; it is cut or was edited, download it again"
                    )
                yield dict(zip(names, cells, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read ({type(error).__name__})") from error


def gmai_mmbench(folder: Path, images: Images) -> Iterator[Item]:
    """GMAI-MMBench: its VAL table; TEST has no answers."""
    file = next(iter(sorted(folder.glob("GMAI*VAL.tsv"))), folder / "GMAI-MMBench_VAL.tsv")
    yield from _of_letters(tsv_rows(file), images, file, "ABCDE", last_may_be_none=True)


def hrbench(folder: Path, images: Images) -> Iterator[Item]:
    """HR-Bench: hr_bench_4k or hr_bench_8k as parquet or TSV; its cycles are one cluster."""
    files = sorted(folder.glob("hr_bench_*k.parquet"))
    if files:
        yield from _of_letters(parquet_rows(files[:1]), images, files[0], "ABCD")
        return
    tables = sorted(folder.glob("hr_bench_*k.tsv"))
    file = tables[0] if tables else folder / "hr_bench_4k.tsv"
    yield from _of_letters(tsv_rows(file), images, file, "ABCD")


def _of_letters(
    rows: Iterator[Mapping[str, Any]],
    images: Images,
    file: Path,
    letters: str,
    *,
    last_may_be_none: bool = False,
) -> Iterator[Item]:
    kept: dict[str, tuple[str, ...]] = {}
    for row in rows:
        need(row, ("index", "image", "question", "answer", *letters[:2]), file)
        options = tuple(text(row.get(name)) for name in letters)
        while options and options[-1] == "":
            options = options[:-1]
        # The publisher pads the last column with the word; a None between options stays text.
        if last_may_be_none and len(options) == len(letters) and options[-1] == "None":
            options = options[:-1] if text(row["answer"]) != letters[-1] else options
        index, cell = text(row["index"]), text(row["image"])
        if len(cell) > _SHORTEST_IMAGE:
            kept[index] = tuple(map(images.hold, _encoded(cell)))
        yield Item(
            id=index,
            images=kept.setdefault(index, kept.get(cell, ())),
            question=text(row["question"]),
            options=options,
            answer=letter(text(row["answer"]), options),
        )


def _encoded(cell: str) -> Iterator[bytes]:
    """The images in a cell of base64, or of a list of such as Python writes it."""
    try:
        parts = ast.literal_eval(cell) if cell.startswith("[") else [cell]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        parts = []
    for part in parts:
        with suppress(ValueError):  # no base64
            data = base64.b64decode(str(part), validate=True)
            yield from [data] if data else []


def mmmu(folder: Path, images: Images) -> Iterator[Item]:
    """MMMU's five subjects of health and medicine: SUBJECT/validation-*.parquet."""
    for subject in SUBJECTS:
        files = sorted((folder / subject).glob("validation-*.parquet"))
        for row in parquet_rows(files):
            need(row, ("id", "question", "options", "answer", "question_type", "image_1"), files[0])
            yield _of_mmmu(row, images)


def _of_mmmu(row: Mapping[str, Any], images: Images) -> Item:
    try:
        listed = ast.literal_eval(text(row["options"]) or "[]")
    except (ValueError, SyntaxError) as error:
        raise DataError(f"MMMU, {row['id']}: its options are no list") from error
    options = tuple(text(option) for option in listed)
    answer = text(row["answer"])
    return Item(
        id=text(row["id"]),
        images=_held(row, images, 7),
        question=text(row["question"]),
        options=options,
        answer=letter(answer, options) if options else answer,
    )


def _held(row: Mapping[str, Any], images: Images, most: int) -> tuple[str, ...]:
    """The images in the columns `image_1` to `image_<most>` of a row, those that there are."""
    cells = (row.get(f"image_{number}") for number in range(1, most + 1))
    return tuple(images.hold(cell["bytes"]) for cell in cells if cell and cell.get("bytes"))


def medframeqa(folder: Path, images: Images) -> Iterator[Item]:
    """MedFrameQA: data/*.parquet, two to five frames per question; a video is a cluster.

    Its options have no letters, and its answers are letters.
    """
    columns = ("question_id", "question", "options", "correct_answer", "image_1", "video_id")
    for row in parquet_rows(sorted(folder.glob("data/*.parquet"))):
        need(row, columns, folder / "data")
        options = tuple(text(option) for option in row["options"] or ())
        yield Item(
            id=text(row["question_id"]),
            images=_held(row, images, 5),
            question=text(row["question"]),
            options=options,
            answer=letter(text(row["correct_answer"]), options),
            cluster=text(row["video_id"]) or None,
        )


def vstar(folder: Path, images: Images) -> Iterator[Item]:
    """V*Bench as lmms-eval mirrors it: options and an instruction stand in the text."""
    for row in parquet_rows(sorted(folder.glob("data/test-*.parquet"))):
        need(row, ("image", "text", "label", "question_id"), folder / "data")
        lines = text(row["text"]).splitlines()
        marked = [line for line in lines if line[:1] == "(" and line[2:3] == ")"]
        options = unlettered(marked)
        yield Item(
            id=f"{text(row.get('category'))}/{text(row['question_id'])}",
            images=(images.hold(row["image"]["bytes"]),),
            question=lines[0] if lines else "",
            options=options,
            answer=letter(text(row["label"]), options),
        )


def kvasir_vqa(folder: Path, images: Images) -> Iterator[Item]:
    """Kvasir-VQA: data/*.parquet, one split for all; questions of one image are one cluster."""
    files = sorted(folder.glob("data/*.parquet"))
    for number, row in enumerate(parquet_rows(files)):
        need(row, ("image", "question", "answer", "img_id"), folder / "data")
        answer = text(row["answer"])
        yes_no = answer.lower() in YES_NO
        yield Item(
            id=f"{text(row['img_id'])}/{number:06d}",
            images=(images.hold(row["image"]["bytes"]),),
            question=text(row["question"]),
            options=YES_NO if yes_no else (),
            answer=answer.lower() if yes_no else answer,
            cluster=text(row["img_id"]),
        )


def skincap(folder: Path, images: Images) -> Iterator[Item]:
    """SkinCAP: its table of captions asks for the disease; flagged pictures are left out."""
    file = next(iter(sorted(folder.glob("skincap_v*.csv"))), folder / "skincap_v240623.csv")
    for row in rows_of(read_table(file), file):
        need(row.cells, ("id", "skincap_file_path", "disease"), file)
        flagged = row["Do not consider this image"] in ("1", "1.0", "True")
        yield Item(
            id=row["id"],
            images=(f"skincap/{row['skincap_file_path']}",),
            question="Which skin disease does the photograph show?",
            answer=row["disease"],
            reason="flagged by its authors as not to be considered" if flagged else None,
        )
