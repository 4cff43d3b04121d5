"""Bring your own: any folder in the local layout, as the task `folder_res` of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

from resolution_eval.data.cards import TaskCard, task_card
from resolution_eval.data.sources.delimited import TableRow, require_columns
from resolution_eval.data.sources.folder_files import refuse_all_missing
from resolution_eval.data.sources.image_limit import limited
from resolution_eval.data.sources.layout import layout_of, refuse_without_layout
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.normal_form import spellings
from resolution_eval.data.sources.slide_views import refuse_without_microns
from resolution_eval.data.sources.source import Sample, Source, listing
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode
from resolution_eval.resolution import NATIVE, PixelResolution, in_microns

TASK = "folder_res"
EDGES = (14, 28, 56, 112, 224, 448, 896, 1792)
"""Edges in pixels that a sweep is chosen from."""
LOWER_EDGES = 4
"""How many edges below the native resolution a sweep has at most."""
MOST_CLASSES = 500
SAMPLED = 500
"""Images whose size is looked at, of a large folder."""


def folder_card(folder: Path, choices: Mapping[str, Any] | None = None) -> TaskCard:
    """The card of the data set in `folder`, as its table or class folders and images describe it.

    `choices` are keys of the card that the user chose: window, frame, slice, max_pixels, microns,
    root, most_images; resolutions only where they are in µm per pixel.

    Questions where there is a column `question`, else a classification among the labels found; the
    intervals resample the column `cluster` where there is one, else the image. The sweep ends at
    `native`, below it up to four edges that three in four images reach.

    Raises:
        DataError: no labels.csv, a broken one (see `LocalSource`), one label only, or no image that
            can be decoded.
    """
    folder = folder.resolve()
    refuse_without_layout(folder)
    layout = layout_of(folder, "cluster")
    columns = layout.rows[0].cells if layout.rows else {}
    facts = _facts(folder, "questions" if "question" in columns else "classification")
    facts |= dict(choices or {})
    if "cluster" in columns:
        facts["cluster"] = "cluster"
    if facts["kind"] == "classification":
        require_columns(layout.rows, ("file", "label", "split"), layout.table)
        facts |= _classes(layout.rows, layout.table)
    card = task_card(facts, str(layout.table))
    local = LocalSource(folder, card)
    source = limited(local, card.most_images)
    samples = source.samples("test")
    files = list(dict.fromkeys(local.file_of(image) for image in _images(samples)))
    refuse_all_missing(files, folder)
    if card.kind == "questions":
        facts |= _forms(samples)
    if in_microns(card.resolutions):
        refuse_without_microns([folder / file for file in files], card.resolutions)
    else:
        facts["resolutions"] = sweep(edges_of(source, samples))
    return task_card(facts, str(layout.table))


def _facts(folder: Path, kind: str) -> dict[str, Any]:
    return {
        "name": TASK.removesuffix("_res"),
        "title": folder.name.replace("_", " "),
        "modality": "as brought",
        "kind": kind,
        "folder": "folder",
        "path": str(folder),
        "resolutions": [NATIVE],
        "chance": 0.0,
        "licence": "your own",
        "licence_url": "https://example.org/your-own",
        "citation": f"Your own data in {folder.name}.",
        "revision": "as found",
        "sources": ["local"],
    }


def _classes(rows: Sequence[TableRow], table: Path) -> dict[str, Any]:
    """The classes: labels that are one in normal form are one, by its most frequent spelling."""
    unlabelled = [f"line {row.line}: label is empty" for row in rows if not row["label"]]
    if unlabelled:
        raise DataError(f"{table}: {listing(unlabelled)}")
    labels = sorted(spelt[0] for spelt in spellings(row["label"] for row in rows).values())
    if not 2 <= len(labels) <= MOST_CLASSES:
        raise DataError(
            f"{table} has {len(labels)} different labels; a classification needs 2 to "
            f"{MOST_CLASSES}, and questions need a column 'question'"
        )
    return {
        "classes": labels,
        "chance": 1 / len(labels),
        "question": "Which of these does the image show?",
    }


def _images(samples: Sequence[Sample]) -> list[str]:
    """Every image of the samples, once."""
    return list(dict.fromkeys(image for sample in samples for image in sample.images))


def _forms(samples: Sequence[Sample]) -> dict[str, Any]:
    """Which forms of question there are, and what guessing among the options would score."""
    guesses = [1 / len(sample.choices) for sample in samples if len(sample.choices) > 1]
    return {
        "forms": sorted({sample.form for sample in samples}),
        "chance": fmean(guesses) if guesses else 0.0,
    }


def edges_of(source: Source, samples: Sequence[Sample], *, most: int = SAMPLED) -> list[float]:
    """Edge in pixels of the square that each of the first `most` images has as many pixels as.

    Raises:
        DataError: none of them can be decoded.
    """
    edges = []
    failures = []
    for image in _images(samples)[:most]:
        try:
            size = decode(source.read(image)).size
        except ImageError as error:  # its samples fail in the run, and are named there
            failures.append(f"{image}: {error}")
            continue
        edges.append(sqrt(size.width * size.height))
    if not edges:
        raise DataError(
            f"none of the {len(samples)} test images can be decoded; the first: {failures[0]}"
        )
    return edges


def sweep(edges: Sequence[float]) -> list[PixelResolution]:
    """The resolutions for images of these edges: up to four that three in four exceed, and native.

    Example:
        >>> sweep([300.0, 310.0, 320.0, 90.0])
        [28, 56, 112, 224, 'native']
    """
    quarter = sorted(edges)[len(edges) // 4]
    below: list[PixelResolution] = [edge for edge in EDGES if edge < quarter]
    return [*below[-LOWER_EDGES:], NATIVE]
