"""The registry of data sets as people read it: a list, one entry with its contact sheet, and the
table of the documentation.

python -m resolution_eval.datasets      writes docs/datasets.md anew
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval import paths
from resolution_eval.cards import TaskCard, task_cards
from resolution_eval.errors import DataError, ImageError, UsageError, suggest
from resolution_eval.resolution import label
from resolution_eval.sources import PUBLISHED_FORMS, Sample, Source, at_hand, ways

if TYPE_CHECKING:
    from PIL.Image import Image

PAGE = paths.PACKAGE.parent / "docs" / "datasets.md"
MEASURED = "<!-- measured on the data at hand -->\n"
"""Parts of the page before and after: only the first follows from the cards alone."""
TILE = 224
"""Height in pixels of an image on a contact sheet."""
MARGIN = 8
CAPTION = 30

_PAGE_HEAD = """\
<!-- Made by `python -m resolution_eval.datasets` from tasks/*/card.toml; change the cards. -->
# Data sets

Every data set is a card, `tasks/NAME/card.toml`, and a task `NAME_res`. How data is found, and what
becomes of broken data, is told in [data.md](data.md). `resolution-eval datasets NAME` shows one
entry with a contact sheet: one image at every resolution.

n is the number of published test samples. Chance is that of the closed questions; open questions
have none. Cluster is what the intervals resample. A star marks what no published page could be
found for.
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a data set at hand holds."""

    source: str
    revision: str
    samples: dict[str, int]
    """Per split."""
    closed: int
    """Test questions with one of few answers."""
    open: int
    clusters: int
    """Clusters of the test split."""
    largest: int
    """Test samples of the largest cluster."""
    excluded: dict[str, int]
    """Rows that are no samples, per reason."""
    notes: tuple[str, ...]


def find_card(name: str) -> TaskCard:
    """The card of the data set, or task, `name`.

    Raises:
        UsageError: there is none.
    """
    cards = task_cards()
    key = name.removesuffix("_res")
    if key not in cards:
        raise UsageError(f"no data set is named {name!r}; {suggest(key, cards)}")
    return cards[key]


def list_datasets() -> str:
    """Every data set in a table of text: name, modality, source, n, and whether it is at hand."""
    from tabulate import tabulate

    rows = [
        (card.name, card.modality, _source(card), _count(card), _state(card))
        for card in task_cards().values()
    ]
    return tabulate(rows, headers=("name", "modality", "source px", "n", "state"))


def _state(card: TaskCard) -> str:
    if card.refused:
        return "refused"
    try:
        if at_hand(card) is not None:
            return "at hand"
    except DataError:
        return "damaged"
    if card.registration:
        return "registration needed"
    published = [file for file in (card.npz, card.archive) if file and file.md5 and file.download]
    pinned = card.hub is not None and card.hub.revision
    return "downloaded when run" if published or pinned else "to be brought"


def is_at_hand(card: TaskCard) -> bool:
    """Whether the data is on this machine, so that nothing need be downloaded to look at it."""
    return at_hand(card) is not None


def describe(card: TaskCard) -> str:
    """All that the card says, each way to get the data, and what the data at hand holds."""
    lines = [f"{key:13} {value}" for key, value in _facts(card) if value]
    lines += ["", "how to get it:"]
    numbered = [f"  {number}. {way}" for number, way in enumerate(ways(card), start=1)]
    generated = "phantom" in card.sources
    lines += ["  nothing to get: it is generated"] if generated else numbered
    source = at_hand(card)
    if source is not None:
        lines += ["", "at hand:", *(f"  {line}" for line in _measured_lines(measure(source)))]
    return "\n".join(lines)


def _facts(card: TaskCard) -> Iterator[tuple[str, str]]:
    yield "name", f"{card.name} (task {card.name}_res)"
    yield "title", card.title
    yield "refused", card.refused or ""
    yield "modality", card.modality
    yield "kind", f"{card.kind}, {' and '.join(card.forms)}"
    yield "source", f"{_source(card)} px"
    yield "resolutions", ", ".join(label(r) for r in card.resolutions)
    yield "cap", f"{card.cap} px: {card.cap_reason}" if card.cap else ""
    yield "n", ", ".join(f"{count:,} {split}" for split, count in card.counts.items())
    yield "chance", f"{card.chance:.3f}"
    yield "cluster", card.cluster
    yield "prompt", card.question or "each question's own"
    yield "licence", f"{card.licence}, {card.licence_url}"
    yield "registration", card.registration or ""
    yield "citation", card.citation
    yield "revision", card.revision
    yield "groups", ", ".join(f"{group}_res" for group in card.groups)
    yield "remark", card.remark or ""
    yield "unconfirmed", ", ".join(card.unconfirmed)


def measure(source: Source) -> Measured:
    """What `source` holds, split by split."""
    splits = {split: _samples(source, split) for split in ("train", "val", "test")}
    test = splits["test"]
    clusters = Counter(sample.cluster for sample in test)
    return Measured(
        source=source.name,
        revision=source.revision,
        samples={split: len(samples) for split, samples in splits.items() if samples},
        closed=sum(sample.form == "closed" for sample in test),
        open=sum(sample.form == "open" for sample in test),
        clusters=len(clusters),
        largest=max(clusters.values(), default=0),
        excluded=dict(Counter(exclusion.reason for exclusion in source.excluded)),
        notes=tuple(source.notes),
    )


def _samples(source: Source, split: str) -> tuple[Sample, ...]:
    """The split's samples; none where the data has no such split."""
    try:
        return tuple(source.samples(split))
    except DataError:
        return ()


def _measured_lines(found: Measured) -> Iterator[str]:
    yield f"{found.source}, {found.revision}"
    yield ", ".join(f"{count:,} {split}" for split, count in found.samples.items())
    if found.open:
        yield f"{found.closed} closed and {found.open} open test questions"
    yield f"{found.clusters:,} clusters in test, the largest of {found.largest}"
    for reason, count in found.excluded.items():
        yield f"excluded: {count:,} ({reason})"
    yield from found.notes


def contact_sheet(card: TaskCard, file: Path) -> Path:
    """Write a PNG of one test image at every resolution of the card, and return `file`.

    Each is rendered as a model would get it, then shown at one height with every pixel enlarged.

    Raises:
        DataError: the data cannot be had.
        ImageError: none of the first images can be decoded.
    """
    from resolution_eval.sources import open_source

    source = open_source(card)
    image, name = _first_image(source)
    tiles = [_tile(image, card, index) for index in range(len(card.resolutions))]
    sheet = _sheet(tiles, f"{card.name}: {name}")
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file, "PNG")
    return file


def _first_image(source: Source) -> tuple[Image, str]:
    from resolution_eval.images import decode

    samples = source.samples("test")
    for sample in samples[:20]:
        try:
            return decode(source.read(sample.image)).image, sample.id
        except ImageError as error:
            last = error
    raise last


def _tile(image: Image, card: TaskCard, index: int) -> tuple[str, Image]:
    """Caption and picture of the image at one resolution."""
    from resolution_eval.images import render, resize
    from resolution_eval.resolution import Size, is_capped

    resolution = card.resolutions[index]
    rendered = render(image, resolution, card.filter)
    capped = " (capped)" if is_capped(Size(*image.size), resolution) else ""
    caption = f"{label(resolution)}: {rendered.width} x {rendered.height}{capped}"
    width = max(1, round(rendered.width * TILE / rendered.height))
    enlarge = "nearest" if rendered.height < TILE else card.filter
    return caption, resize(rendered, Size(width, TILE), enlarge)


def _sheet(tiles: list[tuple[str, Image]], title: str) -> Image:
    from PIL import Image as Images
    from PIL import ImageDraw

    widths = [max(picture.width, 120) + MARGIN for _, picture in tiles]
    sheet = Images.new("RGB", (sum(widths) + MARGIN, TILE + 2 * CAPTION + 2 * MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, fill="black")
    left = MARGIN
    for (caption, picture), width in zip(tiles, widths, strict=True):
        sheet.paste(picture, (left, MARGIN + CAPTION))
        draw.text((left, 2 * MARGIN + CAPTION + TILE), caption, fill="black")
        left += width
    return sheet


_COLUMNS = (
    "task",
    "what",
    "source px",
    "resolutions",
    "licence",
    "n",
    "chance",
    "cluster",
    "how to get it",
)
_MEASURED_COLUMNS = (
    "task",
    "found as",
    "n per split",
    "closed, open",
    "clusters in test (largest)",
    "excluded",
    "notes",
)


def _head(columns: tuple[str, ...]) -> str:
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"


def page() -> str:
    """The part of docs/datasets.md that follows from the cards alone."""
    cards = task_cards().values()
    rows = "".join(_row(card) for card in cards)
    remarks = "".join(f"- **{card.name}**: {text}\n" for card in cards for text in _remarks(card))
    told_ways = "".join(f"- **{card.name}**: {'; or '.join(ways(card))}\n" for card in cards)
    sections = {"Groups": _groups(), "How to get the data": told_ways, "Remarks": remarks}
    told = "".join(f"\n## {title}\n{text}" for title, text in sections.items())
    return f"{_PAGE_HEAD}\n{_head(_COLUMNS)}{rows}{told}\n## Not tried\n{_NOT_TRIED}"


_NOT_TRIED = """\
The machines that built this have no connection to the hub or to Zenodo. Hub tables, MedMNIST+ files
and archives were read from files made in the same formats, through the same code; the live
repositories, the commits above and the published MD5 sums were not. CheXpert's folder was made by
hand after its description, and BreakHis's names after the published pattern.
"""


def _row(card: TaskCard) -> str:
    cells = (
        f"{card.name}_res",
        f"{card.title}; {card.modality}",
        _source(card) + _star(card, "source_width", "source_note"),
        ", ".join(label(r) for r in card.resolutions),
        f"[{card.licence}]({card.licence_url})" + _star(card, "licence"),
        _count(card) + _star(card, "counts"),
        f"{card.chance:.3f}" + _star(card, "chance"),
        card.cluster,
        _how(card),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _how(card: TaskCard) -> str:
    """How the data is got, in a few words; the section below the table has the details."""
    if card.refused:
        return "refused"
    words = {"local": "folder", "medmnist": "MedMNIST+ file", "chexpert": "official folder"}
    words |= dict.fromkeys(PUBLISHED_FORMS, "published files")
    kinds = ", ".join(words.get(kind, kind) for kind in card.sources if kind != "phantom")
    return f"{kinds}; registration" if card.registration else kinds or "generated"


def _source(card: TaskCard) -> str:
    if card.source_width and card.source_height:
        size = f"{card.source_width} x {card.source_height}"
        return f"{size}, cap {card.cap}" if card.cap else size
    return card.source_note or "varies"


def _count(card: TaskCard) -> str:
    return f"{card.counts['test']:,}" if "test" in card.counts else "not published"


def _star(card: TaskCard, *keys: str) -> str:
    return " \\*" if set(keys) & set(card.unconfirmed) else ""


def _groups() -> str:
    from resolution_eval.taskfiles import groups

    return "".join(
        f"- `{group}`: {', '.join(tasks)}\n"
        for group, tasks in groups(task_cards().values()).items()
    )


def _remarks(card: TaskCard) -> Iterator[str]:
    if card.refused:
        yield f"Refused: {card.refused}."
    if card.cap_reason and not card.refused:
        yield card.cap_reason
    if card.registration:
        yield card.registration
    if card.remark:
        yield card.remark
    if card.unconfirmed:
        yield f"Not confirmed: {', '.join(card.unconfirmed)}."


def measured_page() -> str:
    """The part of docs/datasets.md that says what the data at hand holds."""
    found = {name: at_hand(card) for name, card in task_cards().items()}
    rows = "".join(
        _measured_row(name, measure(source)) for name, source in found.items() if source is not None
    )
    title = "## Data at hand when this page was made"
    return f"{MEASURED}\n{title}\n{_head(_MEASURED_COLUMNS)}{rows}"


def _measured_row(name: str, found: Measured) -> str:
    cells = (
        f"{name}_res",
        found.source,
        ", ".join(f"{count:,} {split}" for split, count in found.samples.items()),
        f"{found.closed}, {found.open}",
        f"{found.clusters:,} ({found.largest})",
        ", ".join(f"{count:,} {reason}" for reason, count in found.excluded.items()) or "none",
        "; ".join(found.notes) or "none",
    )
    return "| " + " | ".join(cells) + " |\n"


def main() -> None:
    """Write docs/datasets.md anew."""
    PAGE.write_text(f"{page()}\n{measured_page()}", encoding="utf-8")


if __name__ == "__main__":
    main()
