"""Benchmark folder: a published benchmark in the user's folder, as a source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from math import sqrt
from pathlib import Path

from resolution_eval.answers.prompts import mark_fault, marked
from resolution_eval.data.cards import TaskCard, display_options
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.folder_contents import MISSING
from resolution_eval.data.sources.normal_form import matching, normal
from resolution_eval.data.sources.published import questions, radiographs, table_benchmarks
from resolution_eval.data.sources.published.item import Images, Item
from resolution_eval.data.sources.sample_source import SampleSource
from resolution_eval.data.sources.source import Exclusion, Sample, class_of, ordered
from resolution_eval.evidence.details import Detail
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode
from resolution_eval.pixels.display_choices import EncodedImage

_LOOKED_AT = 5
"""Images whose size is held against the smallest of the published ones."""


@dataclass(frozen=True)
class Form:
    """How a benchmark is published."""

    items: Callable[[Path, Images], Iterator[Item]]
    mark: str
    """Pattern of a file that shows it is there."""
    told: str
    """Its files, for a user."""
    zips: tuple[str, ...] = ()
    """Names of zips that may hold its images."""
    least_edge: int | None = None
    """Edge in pixels that its images have at least: a smaller one is of a reduced mirror."""
    masks: bool = False
    """Whether masks say where its findings are."""


SETS: dict[str, Form] = {
    "medxpertqa_mm": Form(
        questions.medxpertqa, "MM/test.jsonl", "MM/test.jsonl and images.zip", ("images.zip",)
    ),
    "omnimedvqa": Form(
        questions.omnimedvqa,
        "**/QA_information/Open-access/*.json",
        "the unpacked OmniMedVQA.zip (QA_information/ and Images/)",
    ),
    "gmai_mmbench": Form(table_benchmarks.gmai_mmbench, "GMAI*VAL.tsv", "GMAI-MMBench_VAL.tsv"),
    "mmmu_med": Form(
        table_benchmarks.mmmu,
        "*/validation-*.parquet",
        "the folders of the five subjects, each with validation-*.parquet",
    ),
    "medframeqa": Form(table_benchmarks.medframeqa, "data/*.parquet", "data/*.parquet"),
    "rexvqa": Form(
        questions.rexvqa,
        "metadata/test_vqa_data.json",
        "metadata/test_vqa_data.json and the unpacked deid_png/ of ReXGradient-160K",
    ),
    "vindr_cxr": Form(
        radiographs.vindr_cxr,
        "annotations/image_labels_test.csv",
        "annotations/image_labels_test.csv and test/*.dicom",
        least_edge=1000,
    ),
    "vindr_cxr_vqa": Form(
        questions.vindr_vqa, "data_v1.json", "data_v1.json and VinDr-CXR's test/ or train/"
    ),
    "cbis_ddsm": Form(
        radiographs.cbis_ddsm,
        "**/*_case_description_test_set.csv",
        "the four *_case_description_*_set.csv and CBIS-DDSM/ (or csv/ and jpeg/), masks included "
        "where scores by the size of findings are wanted",
        least_edge=1000,
        masks=True,
    ),
    "mammovqa": Form(
        questions.mammovqa,
        "Benchmark/MammoVQA-Image-Bench.json",
        "Benchmark/ with MammoVQA-Image-Bench.json and the images its notebooks write",
        least_edge=500,
    ),
    "pathmmu": Form(
        questions.pathmmu, "data.json", "data.json and images/ (or images.zip)", ("images.zip",)
    ),
    "quilt_vqa": Form(
        questions.quilt_vqa,
        "quiltvqa_test_w_ans.json",
        "quiltvqa_test_w_ans.json, quiltvqa_test_wo_ans.jsonl and quilt_vqa.zip",
        ("quilt_vqa.zip",),
    ),
    "kvasir_vqa": Form(table_benchmarks.kvasir_vqa, "data/*.parquet", "data/*.parquet"),
    "skincap": Form(table_benchmarks.skincap, "skincap_v*.csv", "skincap_v240623.csv and skincap/"),
    "mimic_cxr_vqa": Form(
        questions.mimic_cxr_vqa,
        "**/dataset/test.json",
        "dataset/test.json and files/ of MIMIC-CXR-JPG",
    ),
    "hrbench": Form(table_benchmarks.hrbench, "hr_bench_*k.*", "hr_bench_4k.parquet (or .tsv)"),
    "vstar": Form(
        table_benchmarks.vstar, "data/test-*.parquet", "data/test-*.parquet of lmms-eval's mirror"
    ),
}
"""Card to the form of its files."""


class BenchmarkFolder(SampleSource):
    """The benchmark of `card` in `folder`: loaded + excluded = items of its files.

    Raises:
        DataError: a file is absent, broken or not in its published form; or the images are of a
            reduced mirror.
    """

    name = "published"

    def __init__(self, folder: Path, card: TaskCard) -> None:
        folder, form = folder.resolve(), SETS[card.name]
        super().__init__(card, folder)
        self._images = Images(folder, form.zips)
        self._options = display_options(card)
        kept: dict[str, Sample] = {}
        excluded = []
        for item in form.items(folder, self._images):
            reason = _unfit(item, card, kept)
            if reason:
                excluded.append(Exclusion(item.id, reason, item.split))
            else:
                kept[item.id] = _sample(item, card)
        samples = tuple(kept.values())
        named = {image for sample in samples for image in sample.images}
        self._known = {image: self._images.content(image) for image in sorted(named)}
        alike = duplicates.groups({k: v for k, v in self._known.items() if v != MISSING})
        digest = sha256(repr(sorted(self._known.items())).encode()).hexdigest()
        self.revision = f"files of the user, {digest[:16]}"
        self.excluded = tuple(excluded)
        self._samples = ordered(duplicates.clustered(samples, alike))
        self._notes = (*duplicates.notes(samples, alike), *self._lacking(form.masks))
        if form.least_edge is not None:
            self._refuse_mirror(samples, form.least_edge)

    def _lacking(self, masks: bool) -> Iterator[str]:
        """That image files are not there, or `masks` of findings."""
        missing = sum(MISSING in map(self._content, sample.images) for sample in self._samples)
        if missing:
            yield f"{missing} samples lack an image file: they fail, and are not left out"
        test = [sample for sample in self._samples if sample.split == "test"]
        unsized = sum(sample.detail is None for sample in test)
        if masks and unsized:
            yield (
                f"{unsized} of {len(test)} test images have no mask file, or not for each of their "
                "findings: they are in no score by size"
            )

    def _refuse_mirror(self, samples: Iterable[Sample], least: int) -> None:
        """Raise where the first images that can be decoded are smaller than the published ones."""
        edges: list[float] = []
        for sample in samples:
            try:
                size = decode(self.read(sample.image)).size
            except ImageError:
                continue
            edges.append(sqrt(size.width * size.height))
            if len(edges) == _LOOKED_AT:
                break
        if edges and max(edges) < least:
            raise DataError(
                f"{self._where}: its images have an edge of about {max(edges):.0f} px, the "
                f"published ones {least} px or more: these are a reduced mirror, on which "
                "resolution means nothing; get the originals"
            )

    def read(self, locator: str) -> bytes:
        """The encoded image, with how it is shown.

        Raises:
            ImageError: it is missing, damaged, or another than when the source was opened.
        """
        return EncodedImage.of(self._images.read(locator), self._options)


def _unfit(item: Item, card: TaskCard, kept: Collection[str]) -> str | None:
    """Why an item is no sample."""
    if item.reason:
        return item.reason
    if item.id in kept:
        return "repeats the id of another"
    if not item.images:
        return "has no image"
    if card.kind == "classification":
        return None if class_of(item.answer, card) else f"has the unknown label {item.answer!r}"
    if not item.question:
        return "has no question"
    if not item.answer:
        return "has no answer"
    if not all(item.options):
        return "has an empty option"
    if len({normal(option) for option in item.options}) < len(item.options):
        return "has an option twice"
    if item.options and matching(item.answer, item.options) is None:
        return "its answer is none of its options"
    count = len(item.images)
    return mark_fault("\n".join((marked(item.question, count), *item.options)), count)


def _sample(item: Item, card: TaskCard) -> Sample:
    asks = card.kind == "questions"
    options = item.options if asks else card.classes
    answer = (matching(item.answer, options) if options else item.answer) or ""
    return Sample(
        id=item.id,
        image=item.images[0],
        more=item.images[1:],
        question=marked(item.question, len(item.images)) if asks else card.question or "",
        answer=answer if asks else class_of(item.answer, card) or "",
        choices=options,
        cluster=item.cluster or item.images[0],
        split=item.split,
        form="closed" if options else "open",
        detail=_detail(item, len(options)),
    )


def _detail(item: Item, options: int) -> Detail | None:
    """The largest finding that is marked, the easiest to see; none where none is."""
    if not item.boxes:
        return None
    width, height = max(item.boxes, key=lambda box: box[0] * box[1])
    chance = 1 / options if options > 1 else 0.0
    return Detail(kind=item.kind, width=width, height=height, chance=chance)
