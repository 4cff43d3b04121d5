"""Benchmark folder: a published benchmark in the user's folder, as a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from resolution_eval.data.sources.source import Exclusion, Sample, class_of
from resolution_eval.data.sources.table_source import GatheredSource
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


def is_here(folder: Path, card: TaskCard) -> bool:
    """Whether the benchmark's files are in `folder`."""
    return any(folder.glob(SETS[card.name].mark))


def open_published(folder: Path, card: TaskCard) -> GatheredSource:
    """The benchmark of `card` in `folder`: loaded + excluded = items of its files.

    Raises:
        DataError: a file is absent, broken or not in its published form; or the images are of a
            reduced mirror.
    """
    folder, form = folder.resolve(), SETS[card.name]
    images = Images(folder, form.zips)
    samples: list[Sample] = []
    excluded: list[Exclusion] = []
    seen: set[str] = set()
    for item in form.items(folder, images):
        reason = _unfit(item, card, seen)
        if reason:
            excluded.append(Exclusion(item.id, reason, item.split))
            continue
        seen.add(item.id)
        samples.append(_sample(item, card))
    named = {image for sample in samples for image in sample.images}
    contents = {image: images.content(image) for image in sorted(named)}
    alike = duplicates.groups({k: v for k, v in contents.items() if v != MISSING})
    options = display_options(card)
    digest = sha256(repr(sorted(contents.items())).encode()).hexdigest()
    source = GatheredSource(
        name="published",
        revision=f"files of the user, {digest[:16]}",
        where=str(folder),
        gathered=duplicates.clustered(samples, alike),
        excluded=tuple(excluded),
        contents=contents,
        reader=lambda locator: EncodedImage.of(images.read(locator), options),
        notes=tuple(_notes(samples, alike, contents, form)),
    )
    _refuse_mirror(source, form)
    return source


def _unfit(item: Item, card: TaskCard, seen: set[str]) -> str | None:
    """Why an item is no sample."""
    if item.reason:
        return item.reason
    if item.id in seen:
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


def _notes(
    samples: list[Sample], alike: dict[str, tuple[str, ...]], contents: dict[str, str], form: Form
) -> Iterator[str]:
    yield from duplicates.notes(samples, alike)
    missing = sum(any(contents[one] == MISSING for one in sample.images) for sample in samples)
    if missing:
        yield f"{missing} samples lack an image file: they fail, and are not left out"
    sized = sum(one.detail is not None for one in samples if one.split == "test")
    test = sum(one.split == "test" for one in samples)
    if form.masks and sized < test:
        yield (
            f"{test - sized} of {test} test images have no mask file, or not for each of their "
            "findings: they are in no score by size"
        )


def _refuse_mirror(source: GatheredSource, form: Form) -> None:
    """Raise where the first images that can be decoded are smaller than the published ones."""
    if form.least_edge is None:
        return
    edges = []
    for sample in source.gathered:
        try:
            size = decode(source.read(sample.image)).size
        except ImageError:
            continue
        edges.append(sqrt(size.width * size.height))
        if len(edges) == _LOOKED_AT:
            break
    if edges and max(edges) < form.least_edge:
        raise DataError(
            f"{source.where}: its images have an edge of about {max(edges):.0f} px, the published "
            f"ones {form.least_edge} px or more: these are a reduced mirror, on which resolution "
            "means nothing; get the originals"
        )


def told(card: TaskCard) -> str:
    """The files that the user puts into the folder."""
    return SETS[card.name].told
