"""Cards of tasks: one data set each, pinned to one revision, and how it is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from resolution_eval.data.cards.card_base import CardBase, Edge, Name, SlideSize, Text, Url
from resolution_eval.evidence.verdict import Form
from resolution_eval.ground.errors import suggest
from resolution_eval.images import FILTERS
from resolution_eval.pixels.display_choices import Options, checked
from resolution_eval.resolution import Resolution, ascending, in_microns, label

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
JudgeName = Annotated[str, Field(pattern=r"^[a-z]+:[^\s\"\\]+$", max_length=200)]
OptionOrder = Annotated[str, Field(pattern=r"^(fixed|seeded:[0-9]{1,9})$")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
SourceKind = Literal[
    "local",
    "medmnist",
    "archive",
    "chexpert",
    "hub",
    "phantom",
    "acuity",
    "lesion",
    "bbbc021",
    "wsivqa",
    "hpa",
    "published",
    "shipped",
]
GENERATED = frozenset({"phantom", "acuity", "lesion"})
"""Sources whose images are drawn, not stored."""


class _FileCard(CardBase):
    """A published file."""

    url: Url
    bytes: Annotated[int, Field(gt=0)] | None = None
    """Size of the file, where it is published."""
    md5: Md5 | None = None
    """Without it, the file is not downloaded, only read where the user put it."""
    download: bool = True
    """Whether it may be downloaded at all; a very large one may not."""

    @property
    def file_name(self) -> str:
        """Name of the file, the last part of the URL's path."""
        return self.url.partition("?")[0].rstrip("/").rpartition("/")[2]


class ArchiveCard(_FileCard):
    """A published zip or tar with one folder of images per class: one split, in one download."""

    folders: Mapping[str, str]
    """Name of a class's folder in the archive, to the class; the deepest such folder counts."""
    cluster: str | None = None
    """Regular expression whose first group, found in an image's path, is its cluster."""

    @field_validator("cluster")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        if value is not None and re.compile(value).groups != 1:
            raise ValueError("the expression needs exactly one group, around the cluster")
        return value


class NpzCard(_FileCard):
    """A MedMNIST+ file."""

    labels: Literal["class", "findings"] = "class"
    """One class number per image; or a 0 or 1 for each class but the last, which stands for none
    of them: images with several are excluded.
    """


class ChexpertCard(CardBase):
    """Which question the official CheXpert table answers."""

    finding: Text
    """Column of the table; its classes are the card's, absent first."""
    uncertain: Literal["exclude", "positive", "negative"] = "exclude"
    """What becomes of images labelled -1. A blank (not mentioned) is absent."""


class HubCard(CardBase):
    """A data set on the Hugging Face hub, and the columns of its tables that are asked."""

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    """Commit of the repository; where empty, nothing is loaded from the hub."""
    files: Mapping[Literal["train", "val", "test"], str]
    """Our split, to the pattern of its tables (parquet or csv) in the repository."""
    image: Text = "image"
    """Column of images, of lists of images, or of names in `images`."""
    images: Text | None = None
    """Zip file in the repository that holds the images."""
    question: Text = "question"
    answer: Text | None = "answer"
    choices: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """One column of lists, or one column per choice."""
    correct: Text | None = None
    """Column with the right choice's letter, or number from 0; else the answer says it."""
    answer_type: Text | None = None
    id: Text | None = None
    cluster: Text | None = None
    """Column of the cluster; else the image's content."""


class TaskCard(CardBase):
    """One benchmark task, pinned to one revision of its data."""

    name: Name
    title: Text
    modality: Text
    kind: Literal["classification", "questions"]
    folder: FolderName
    """Name of the data set's folder under RESOLUTION_EVAL_DATA."""
    path: Text | None = None
    """The folder itself, of data that the user brought; it counts in place of `folder`."""
    root: Text | None = None
    """A folder that links in the data may lead into, a store of images say."""
    window: Text = "first"
    """DICOM: `first` (the file's own first window or table), `full range`, or `CENTRE/WIDTH`;
    NIfTI: `first` is the file's display range."""
    frame: Annotated[int, Field(ge=1)] | Literal["first", "middle"] = "first"
    """DICOM: the frame of several, by number from 1, `first` or `middle`."""
    slice: Text = "axial:middle"
    """NIfTI: the slice of a volume, `AXIS:SLICE` or, of several volumes, `AXIS:SLICE:VOLUME`."""
    max_pixels: Annotated[int, Field(ge=1)] | None = None
    """Most pixels of an image that is decoded; none: Pillow's own limit, 89,478,485."""
    resolutions: Annotated[
        tuple[Edge | Literal["native"] | SlideSize, ...], Field(min_length=1, strict=False)
    ]
    """Inference resolutions to evaluate: edge in pixels of the budget, ascending, native last; or,
    of whole slides, µm per pixel, from coarse to fine."""
    classes: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Class names in the order of the published label numbers, also the order of the options."""
    label_names: Mapping[str, str] = Field(default_factory=dict)
    """Label as written in the data, to the class; a class's own name needs no entry."""
    question: Text | None = None
    """Asked of every image of a classification task; question tasks bring their own."""
    only: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Ids of the test samples to ask; all of them where empty. For repeating some of a run."""
    microns: Annotated[float, Field(gt=0)] | None = None
    """Whole-slide images: µm that are one pixel; none: a TIFF's first page as it is."""
    most_images: Annotated[int, Field(ge=1)] | None = None
    """Most images of a question that is asked; those about more are left out and counted."""
    forms: Annotated[tuple[Form, ...], Field(min_length=1, strict=False)] = ("closed",)
    """Forms of question that there are; closed and open ones are scored apart."""
    chance: Annotated[float, Field(ge=0, lt=1)]
    """Accuracy of guessing, as a fraction; of the closed questions, since open ones have none."""
    source_width: Edge | None = None
    source_height: Edge | None = None
    """Source resolution in pixels; none where it varies from image to image."""
    source_note: Text | None = None
    """Source resolution in words, where it varies."""
    cap: Edge | None = None
    """Largest edge that the stored images have content for, where that is less than their size."""
    cap_reason: Text | None = None
    licence: Text
    licence_url: Url
    citation: Text
    revision: Text
    """Version of the published data: a commit hash, a record number, a checksum; never a branch."""
    counts: Mapping[Literal["train", "val", "test"], int] = Field(default_factory=dict)
    """Samples per split as published."""
    registration: Text | None = None
    """What the owner asks for before the data may be had, and where."""
    obtain: Text | None = None
    """How to get the data, where this program does not."""
    remark: Text | None = None
    """What else a reader of the table of data sets should know."""
    groups: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Groups of tasks that this one belongs to, besides `biomed`."""
    refused: Text | None = None
    """Why the task is known and cannot be run."""
    unconfirmed: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Keys of this card whose values no published page could be found for."""
    sources: Annotated[tuple[SourceKind, ...], Field(min_length=1, strict=False)]
    """Where the data may come from, the first that has it wins."""
    cluster: Text = "image"
    """Unit that the intervals resample: a column of labels.csv (patient, slide), or the image."""
    filter: str = "bicubic"
    scheme: Literal["match", "restore"] = "match"
    judge: JudgeName | None = None
    """Language model that judges open answers besides, `PROVIDER:MODEL`; none as a rule."""
    option_order: OptionOrder = "fixed"
    """`fixed`: options as the data lists them; `seeded:N`: shuffled per question by the seed N."""
    npz: NpzCard | None = None
    archive: ArchiveCard | None = None
    chexpert: ChexpertCard | None = None
    hub: HubCard | None = None

    @field_validator("resolutions")
    @classmethod
    def _ascending(cls, value: tuple[Resolution, ...]) -> tuple[Resolution, ...]:
        if tuple(sorted(set(value), key=ascending)) != value:
            labels = ", ".join(map(label, value))
            raise ValueError(
                "resolutions must ascend, each once, native last, µm per pixel from coarse to "
                f"fine; found {labels}"
            )
        if in_microns(value) and any(isinstance(r, int | str) for r in value):
            raise ValueError(
                "resolutions are in pixels or in µm per pixel, not both: a curve has one axis; "
                f"found {', '.join(map(label, value))}"
            )
        return value

    @field_validator("filter")
    @classmethod
    def _known_filter(cls, value: str) -> str:
        if value not in FILTERS:
            raise ValueError(f"no filter named {value!r}; {suggest(value, FILTERS)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> TaskCard:
        rules = (self._kind_faults, self._class_faults, self._source_faults, self._limit_faults)
        for fault in (fault for rule in rules for fault in rule()):
            raise ValueError(fault)
        return self

    def _kind_faults(self) -> list[str]:
        faults = []
        if self.kind == "classification":
            if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
                faults.append("a classification needs two or more different classes")
            elif abs(self.chance * len(self.classes) - 1) > 1e-3:
                faults.append(f"chance {self.chance} is not 1/{len(self.classes)} of the classes")
            if self.question is None:
                faults.append("a classification needs a question")
            if self.forms != ("closed",):
                faults.append("a classification is closed")
        elif self.classes or self.label_names or self.question:
            faults.append("a question task has no classes, label_names or question of its own")
        return faults

    def _class_faults(self) -> list[str]:
        folders = self.archive.folders if self.archive else {}
        named = {"label_names": self.label_names, "archive.folders": folders}
        return [
            f"{table} maps {raw!r} to {name!r}, which is not one of the classes {self.classes}"
            for table, names in named.items()
            for raw, name in names.items()
            if name not in self.classes
        ]

    def _source_faults(self) -> list[str]:
        needs = {
            "archive": ("archive", self.archive),
            "medmnist": ("npz", self.npz),
            "chexpert": ("chexpert", self.chexpert),
            "hub": ("hub", self.hub),
        }
        return [
            f"the source {source!r} needs the key {key!r}"
            for source, (key, value) in needs.items()
            if source in self.sources and value is None
        ] + (["a source is named twice"] if len(set(self.sources)) < len(self.sources) else [])

    def _limit_faults(self) -> list[str]:
        beyond = [r for r in self.resolutions if isinstance(r, int) and self.cap and r > self.cap]
        unknown = sorted(set(self.unconfirmed) - set(type(self).model_fields))
        slides = in_microns(self.resolutions)
        faults = {
            "resolutions in µm per pixel, and microns, which is one for all: give one of them "
            "(--resolutions, or --microns)": slides and self.microns is not None,
            f"resolutions {beyond} lie above the cap of {self.cap}: {self.cap_reason}": beyond,
            "a judge is for open questions, and this task has none": bool(self.judge)
            and "open" not in self.forms,
            "cap and cap_reason go together": bool(self.cap) != bool(self.cap_reason),
            f"unconfirmed names {unknown}, which are no keys of a card": unknown,
        }
        return [fault for fault, present in faults.items() if present]


def display_options(card: TaskCard) -> Options:
    """How image files of the data set are shown where their format leaves a choice.

    Raises:
        UsageError: the card says something impossible.
    """
    names = ("window", "frame", "slice", "max_pixels", "microns")
    return checked({name: getattr(card, name) for name in names})
