"""docs/datasets.md: the table of every data set, made from the cards and the data at hand.

python -m tools.datasets_page
"""

from __future__ import annotations

from collections.abc import Iterator

from resolution_eval.data.cards import GENERATED, TaskCard, task_cards
from resolution_eval.data.sources import PUBLISHED_FORMS, at_hand, ways
from resolution_eval.datasets.entry import DataMeasures, measure, published_count, source_size
from resolution_eval.datasets.image_overlap import read_overlaps
from resolution_eval.host.taskfiles import groups
from resolution_eval.resolution import label
from tools import DOCS

PAGE = DOCS / "datasets.md"
MEASURED = "<!-- measured on the data at hand -->\n"
"""Parts of the page before and after: only the first follows from the cards alone."""

_PAGE_HEAD = """\
<!-- Made by `python -m tools.datasets_page` from tasks/*/card.toml; change the cards. -->
# Data sets

Every data set is a card, `tasks/NAME/card.toml`, and a task `NAME_res`. How data is found, and what
becomes of broken data, is told in [data.md](data.md). `resolution-eval datasets NAME` shows one
entry with a contact sheet: one image at every resolution.

n is the number of published test samples. Chance is that of the closed questions; open questions
have none. Cluster is what the intervals resample. A star marks what no published page could be
found for.
"""

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
    sections = {
        "Groups": _groups(),
        "How to get the data": told_ways,
        "Test images in other sets' train splits": _overlaps(),
        "Remarks": remarks,
    }
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
        source_size(card) + _star(card, "source_width", "source_note"),
        ", ".join(label(r) for r in card.resolutions),
        f"[{card.licence}]({card.licence_url})" + _star(card, "licence"),
        published_count(card) + _star(card, "counts"),
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
    kinds = ", ".join(words.get(kind, kind) for kind in card.sources if kind not in GENERATED)
    return f"{kinds}; registration" if card.registration else kinds or "generated"


def _star(card: TaskCard, *keys: str) -> str:
    return " \\*" if set(keys) & set(card.unconfirmed) else ""


def _groups() -> str:
    return "".join(
        f"- `{group}`: {', '.join(tasks)}\n"
        for group, tasks in groups(task_cards().values()).items()
    )


_OVERLAP_HEAD = """\
Which share of a set's test images stands in the train split of another registered set, so that a
model trained on that one has seen them. Two images are the same where their decoded pixels are; a
copy that was resized or compressed anew is not found. A share is given where every test image has
train images of its size and kind of compression, and the whole train split was at hand; all else,
every pair that is not listed included, is not known, which is not zero.
`resolution-eval datasets --overlap TABLE` compares the sets at hand.

"""


def _overlaps() -> str:
    rows = "".join(
        f"| {one.test} | {one.train} | {one.told} | {one.train_images:,} | "
        f"{one.test_fingerprint}, {one.train_fingerprint} |\n"
        for one in read_overlaps()
    )
    columns = ("test images of", "train split of", "share", "train images", "fingerprints")
    return _OVERLAP_HEAD + _head(columns) + rows


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
    sources = {name: at_hand(card) for name, card in task_cards().items()}
    rows = "".join(
        _measured_row(name, measure(source))
        for name, source in sources.items()
        if source is not None
    )
    title = "## Data at hand when this page was made"
    return f"{MEASURED}\n{title}\n{_head(_MEASURED_COLUMNS)}{rows}"


def _measured_row(name: str, measures: DataMeasures) -> str:
    cells = (
        f"{name}_res",
        measures.source,
        ", ".join(f"{count:,} {split}" for split, count in measures.samples.items()),
        f"{measures.closed}, {measures.open}",
        f"{measures.clusters:,} ({measures.largest})",
        ", ".join(f"{count:,} {reason}" for reason, count in measures.excluded.items()) or "none",
        "; ".join(measures.notes) or "none",
    )
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(f"{page()}\n{measured_page()}", encoding="utf-8")
