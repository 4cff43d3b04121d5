"""Image overlap: which test images of one data set stand in another's train split, by their pixels.

Two images are the same here where their decoded pixels are. A copy that was resized, cropped or
compressed anew is not found: so images of different sizes, or one of JPEG and one without loss, are
not compared, and what was not compared is not known, never zero. `tasks/image_overlap.toml` holds
what could be compared, with its date and the fingerprints of the data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from resolution_eval.data.cards import GENERATED, TaskCard, task_cards
from resolution_eval.data.sources import Source, at_hand
from resolution_eval.data.sources.source import samples_of
from resolution_eval.ground import paths
from resolution_eval.ground.errors import DataError, ImageError, UsageError, suggest
from resolution_eval.ground.notation import toml_table
from resolution_eval.images import decode
from resolution_eval.pixels import format_of

FILE = "image_overlap.toml"
_LOSSY = ("JPEG", "WebP", "JPEG 2000", "JPEG XL")
"""Formats that change pixels as a rule: a copy in another one has other pixels."""
_HEAD = """\
# Test images of data sets that stand in the train splits of others, by their decoded pixels.
# Made by `resolution-eval datasets --overlap tasks/image_overlap.toml`; change no figure by hand.
"""


@dataclass(frozen=True, kw_only=True)
class ImageOverlap:
    """What was found of one data set's test images in another's train split."""

    test: str
    """Data set whose test images were looked for."""
    train: str
    """Data set in whose train split they were looked for."""
    images: int
    """Different test images that could be decoded."""
    failed: int
    """Test images that could not."""
    compared: int
    """Test images that have the size and the kind of compression of a train image."""
    shared: int
    """Those of them whose pixels a train image has."""
    train_images: int
    """Different train images that could be decoded."""
    train_failed: int
    """Train images that could not."""
    train_apart: int
    """Train images of another size or kind of compression than some test image, which were not
    compared with that one."""
    whole: bool
    """Whether the train split was at hand as a whole, by its published count, every image of it
    decoded."""
    date: date
    test_fingerprint: str
    """Of the data compared, as records name it."""
    train_fingerprint: str

    @property
    def told(self) -> str:
        """The share in words; "not known" wherever an image was not compared with each train image.

        Example:
            >>> known = dict(test="a", train="b", date=date(2026, 1, 2), test_fingerprint="",
            ...              train_fingerprint="", images=50, train_images=9, train_failed=0)
            >>> ImageOverlap(compared=50, shared=5, failed=0, train_apart=0, whole=True,
            ...              **known).told
            '0.100 (5 of 50 images), 2026-01-02'
            >>> ImageOverlap(compared=40, shared=5, failed=2, train_apart=9, whole=False,
            ...              **known).told
            'not known, at least 5 of 50 images (10 of them have no train image of their kind, \
2 more cannot be decoded, 9 train images were at hand, not shown to be all), 2026-01-02'
        """
        why = list(self._unknown())
        if not why:
            share = self.shared / self.images
            return f"{share:.3f} ({self.shared} of {self.images:,} images), {self.date}"
        least = f", at least {self.shared} of {self.images:,} images" if self.shared else ""
        return f"not known{least} ({', '.join(why)}), {self.date}"

    def _unknown(self) -> Iterator[str]:
        """What was not compared with what."""
        other = self.images - self.compared
        of = "of them" if self.shared else f"of {self.images:,} images"
        if other:
            yield f"{other:,} {of} have no train image of their kind"
        elif self.train_apart:
            yield (
                f"{self.train_apart:,} of {self.train_images:,} train images are of another kind "
                "than some test images"
            )
        if self.failed:
            yield f"{self.failed:,} more cannot be decoded"
        if not self.whole:
            yield f"{self.train_images:,} train images were at hand, not shown to be all"
        if self.train_failed:
            yield f"{self.train_failed:,} train images cannot be decoded"


@dataclass(frozen=True)
class PixelDigests:
    """The different images of one split, by a digest of their pixels."""

    kinds: Mapping[str, tuple[int, int, str]]
    """Width, height and kind of compression of each, by digest."""
    failed: int = 0
    """Images that cannot be decoded, and so have no digest."""

    @classmethod
    def of(cls, source: Source, split: str) -> PixelDigests:
        """Those of a split; none where the data has no such split.

        Raises:
            DataError: what holds its images is damaged.
        """
        kinds: dict[str, tuple[int, int, str]] = {}
        failed = 0
        for locator in {one for sample in samples_of(source, split) for one in sample.images}:
            try:
                data = source.read(locator)
                image = decode(data).image
            except ImageError:
                failed += 1
                continue
            head = f"{image.width}x{image.height} ".encode()
            digest = sha256(head + image.tobytes()).hexdigest()
            kinds[digest] = (*image.size, _compression(data))
        return cls(kinds, failed)


def _compression(data: bytes) -> str:
    """What images must have in common for a copy to have the same pixels."""
    name = format_of(data).name
    lossless = name not in _LOSSY or (name == "WebP" and data[12:16] == b"VP8L")
    return "without loss" if lossless else name


def overlaps(copies: Mapping[str, Path] | None = None) -> list[ImageOverlap]:
    """Every pair of a test split and another set's train split that are both at hand.

    `copies` names folders in the local layout that hold a set's images elsewhere.

    Raises:
        UsageError: `copies` names no data set.
        DataError: data at hand is damaged, or nothing can be compared.
    """
    sources = _sources(copies or {})
    for source in sources.values():
        _ = source.fingerprint  # first: what changes afterwards is refused when it is read
    tests = {name: PixelDigests.of(source, "test") for name, source in sources.items()}
    trains = {name: PixelDigests.of(source, "train") for name, source in sources.items()}
    cards = task_cards()
    pairs = [
        _overlap(cards[test], cards[train], tests[test], trains[train], sources)
        for test in sources
        for train in sources
        if test != train and tests[test].kinds and trains[train].kinds
    ]
    if not pairs:
        raise DataError(
            "no train split of one data set and test split of another are at hand; put folders "
            "under RESOLUTION_EVAL_DATA, or name them by --copy NAME=FOLDER"
        )
    return pairs


def _sources(copies: Mapping[str, Path]) -> dict[str, Source]:
    cards = task_cards()
    for name in copies:
        if name not in cards:
            raise UsageError(f"--copy names no data set {name!r}; {suggest(name, cards)}")
    sources: dict[str, Source] = {}
    for name, card in cards.items():
        if name in copies:
            card = card.model_copy(update={"path": str(copies[name].resolve())})
        source = None if GENERATED & set(card.sources) else at_hand(card)
        if source is not None:
            sources[name] = source
    return sources


def _overlap(
    test: TaskCard,
    train: TaskCard,
    asked: PixelDigests,
    known: PixelDigests,
    sources: Mapping[str, Source],
) -> ImageOverlap:
    kinds, asked_kinds = set(known.kinds.values()), set(asked.kinds.values())
    published = train.counts.get("train")
    held = len(sources[train.name].samples("train"))
    return ImageOverlap(
        test=test.name,
        train=train.name,
        images=len(asked.kinds),
        failed=asked.failed,
        compared=sum(kind in kinds for kind in asked.kinds.values()),
        shared=len(asked.kinds.keys() & known.kinds.keys()),
        train_images=len(known.kinds),
        train_failed=known.failed,
        train_apart=sum(asked_kinds != {kind} for kind in known.kinds.values()),
        whole=published is not None and held >= published and not known.failed,
        date=datetime.now(UTC).date(),
        test_fingerprint=sources[test.name].fingerprint[:16],
        train_fingerprint=sources[train.name].fingerprint[:16],
    )


def read_overlaps(file: Path | None = None) -> list[ImageOverlap]:
    """What the table `file`, by default the project's own, says.

    Raises:
        DataError: it is no such table.
    """
    place = paths.tasks() / FILE if file is None else file
    if not place.is_file():
        return []
    try:
        rows = toml_table(place.read_text(encoding="utf-8"))["pair"]
        return [ImageOverlap(**row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place} is no table of image overlaps: {error}") from error


def write_overlaps(rows: Iterable[ImageOverlap], file: Path) -> None:
    """Write the table `file`: pairs that were not compared now keep what it says of them."""
    pairs = {(one.test, one.train): one for one in (*read_overlaps(file), *rows)}
    text = "".join(_entry(pairs[pair]) for pair in sorted(pairs))
    file.write_text(_HEAD + text, encoding="utf-8")


def _entry(one: ImageOverlap) -> str:
    def value(each: object) -> str:
        return str(each) if isinstance(each, date) else json.dumps(each)

    lines = (f"{key} = {value(each)}\n" for key, each in asdict(one).items())
    return "\n[[pair]]\n" + "".join(lines)


def told(name: str, table: Sequence[ImageOverlap] | None = None) -> list[str]:
    """Lines that say which share of a set's test images stands in other sets' train splits."""
    rows = read_overlaps() if table is None else table
    known = {one.train: one for one in rows if one.test == name}
    others = [card.name for card in task_cards().values() if card.name != name and _trains(card)]
    unknown = [train for train in others if train not in known]
    lines = [f"{train}: {known[train].told}" for train in sorted(known)]
    if unknown:
        lines.append(f"not known, no copies were at hand: {', '.join(unknown)}")
    return lines


def _trains(card: TaskCard) -> bool:
    """Whether the set is published with a train split, as far as its card says."""
    hub = card.hub is not None and "train" in card.hub.files
    return not card.refused and ("train" in card.counts or hub)
