"""The gallery: samples whose verdict changes with the resolution, with the image at each.

Every picture is the stored image as `images.render` renders it at r, from data on this machine that
has the fingerprint that the record names. Where there is none, no picture is shown, and why.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval.analysis import Sweep, TaskSweeps
from resolution_eval.analysis.changing_samples import chosen
from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources.slide_views import locator_at
from resolution_eval.data.sources.source import Sample, Source
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.ground.tables import Entry, shorten
from resolution_eval.report.changes import answers_of, said_at
from resolution_eval.resolution import Size, in_microns, parse_resolution

if TYPE_CHECKING:
    from PIL.Image import Image

BUDGET = 1_500_000
"""Characters of all pictures of a page."""
MOST_EXHIBITS = 8
"""Of one task."""
MOST_CHECKPOINTS = 8
"""Whose answers stand under a picture."""
SHOWN = 192
"""Longest side in pixels at which a picture is kept on the page."""
LOSSLESS = 96
"""Longest side in pixels up to which a picture is kept exactly."""
QUALITY = 82
"""Of a picture that is not: WebP's scale from 0 to 100."""


@dataclass(frozen=True)
class Picture:
    """The image at one resolution."""

    resolution: str
    address: str
    """The picture as a data address."""
    rendered: Size
    """What the image was rendered to, in pixels."""
    shown: Size
    """What of that is on the page: smaller where the rendered image is large."""


@dataclass(frozen=True)
class Exhibit:
    """One sample: its image at every resolution, and what each checkpoint answered."""

    sample: str
    question: str
    target: str
    pictures: tuple[Picture, ...]
    answers: tuple[tuple[str, tuple[Entry, ...]], ...]
    """By checkpoint, one entry per picture."""
    more: int
    """Checkpoints whose answers are not shown."""

    @property
    def size(self) -> int:
        """Characters of its pictures."""
        return sum(len(picture.address) for picture in self.pictures)


@dataclass(frozen=True)
class Gallery:
    """The exhibits of one task."""

    exhibits: tuple[Exhibit, ...]
    remark: str
    """How they were chosen; or why there are none, though verdicts change."""


def source_of(task: TaskSweeps, folder: Path | None = None) -> Source | str:
    """The data that the records of `task` were made from, or in words why it is not at hand.

    `folder` is where the user's own data lies, for `folder_res`.
    """
    from resolution_eval.data.sources import at_hand

    record = task.sweeps[0].record
    prints = {sweep.record.dataset.fingerprint for sweep in task.sweeps}
    if None in prints or len(prints) != 1:
        return "the records do not name one fingerprint of their data"
    try:
        card = _card(record.dataset.name, folder, task.resolutions)
        if card is None:
            return "no data set of that name is known here"
        if card.registration:
            return "its owner asks for registration, so its images are put on no page"
        source = at_hand(card)
        if source is None:
            return "the data is not on this machine"
        same = source.fingerprint in prints
    except (DataError, ImageError, OSError) as error:
        return f"the data on this machine cannot be read ({shorten(str(error))})"
    return source if same else "the data on this machine is not what the records were made from"


def _card(name: str, folder: Path | None, resolutions: Sequence[str]) -> TaskCard | None:
    if folder is None:
        return task_cards().get(name)
    from resolution_eval.data.own_folder import folder_card

    asked = tuple(map(parse_resolution, resolutions))
    card = folder_card(folder, {"resolutions": asked} if in_microns(asked) else None)
    return card if card.name == name else task_cards().get(name)


def gallery(task: TaskSweeps, source: Source | str, *, budget: int = BUDGET) -> Gallery | None:
    """The samples of `task` that change most, with pictures of at most `budget` characters.

    None where no sample changes.
    """
    sweeps = _alike(task)
    names = chosen(sweeps)
    if not names:
        return None
    if isinstance(source, str):
        return Gallery((), f"{len(names)} samples change, none is shown: {source}.")
    known = {sample.id: sample for sample in source.samples("test")}
    made: list[Exhibit] = []
    broken = 0
    tried = [known[name] for name in names if name in known][: 4 * MOST_EXHIBITS]
    for sample in tried:
        if len(made) == MOST_EXHIBITS:
            break
        try:
            exhibit = _exhibit(task, sweeps, sample, source)
        except ImageError:
            broken += 1
            continue
        if exhibit.size > budget:
            break
        budget -= exhibit.size
        made.append(exhibit)
    return Gallery(tuple(made), _remark(len(made), len(names), broken, task))


def _alike(task: TaskSweeps) -> list[Sweep]:
    """The sweeps whose images were reduced by one filter, the first sweep's."""
    filter = task.sweeps[0].cells[0].filter
    return [sweep for sweep in task.sweeps if sweep.cells[0].filter == filter]


def _remark(shown: int, samples: int, broken: int, task: TaskSweeps) -> str:
    licence = task.sweeps[0].record.dataset.licence
    return (
        f"{shown} of {samples} samples whose verdict changes with the resolution: those that "
        "change for most checkpoints, right answers in turn. Each picture is the stored image "
        "rendered at r as the model's was, enlarged pixel by pixel."
        + (f" {broken} images could not be decoded." if broken else "")
        + (f" Licence of the images: {shorten(licence)}." if licence else "")
    )


def _exhibit(task: TaskSweeps, sweeps: Sequence[Sweep], sample: Sample, source: Source) -> Exhibit:
    filter = sweeps[0].cells[0].filter
    at = groupby(task.resolutions, lambda name: locator_at(sample.image, parse_resolution(name)))
    pictures = [one for locator, names in at for one in _pictures(source, locator, names, filter)]
    answers = tuple(
        (sweep.name, said_at(task.resolutions, answers_of(sweep, [sample.id])[sample.id]))
        for sweep in sweeps[:MOST_CHECKPOINTS]
    )
    own = task.sweeps[0].record.dataset.kind == "questions"
    return Exhibit(
        sample=shorten(sample.id),
        question=shorten(sample.question) if own else "",
        target=shorten(sweeps[0].targets.get(sample.id, sample.answer)),
        pictures=tuple(pictures),
        answers=answers,
        more=len(sweeps) - len(answers),
    )


def _pictures(source: Source, locator: str, names: Iterable[str], filter: str) -> list[Picture]:
    """Those of the resolutions that one decoding serves; of a slide each µm is another, and may be
    gigabytes: it is let go before the next is decoded.
    """
    from resolution_eval.images import decode

    image = decode(source.read(locator)).image
    return [_picture(image, name, filter) for name in names]


def _picture(image: Image, resolution: str, filter: str) -> Picture:
    from resolution_eval.images import render, resize

    rendered = render(image, parse_resolution(resolution), filter)
    size = Size(*rendered.size)
    reduction = SHOWN / max(size.width, size.height)
    if reduction < 1:
        width, height = (max(1, round(side * reduction)) for side in rendered.size)
        rendered = resize(rendered, Size(width, height))
    return Picture(resolution, _address(rendered), size, Size(*rendered.size))


def _address(image: Image) -> str:
    """`image` as a WebP data address: exact where small. Nothing of the file's own text is kept."""
    buffer = BytesIO()
    exact = max(image.size) <= LOSSLESS
    image.save(buffer, "WEBP", lossless=exact, quality=QUALITY, method=4, exif=b"", icc_profile=b"")
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
