"""Duplicates: files of one content under several names, by their bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from resolution_eval.data.sources.pictures import components
from resolution_eval.data.sources.source import Sample, listing


def groups(contents: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Locators of images to the locators of all that have the same content, the first the least.

    `contents` has the content of each image, by locator; one that stands alone has no entry.
    """
    locators: dict[str, list[str]] = defaultdict(list)
    for locator, content in sorted(contents.items()):
        locators[content].append(locator)
    return {
        locator: tuple(members)
        for members in locators.values()
        if len(members) > 1
        for locator in members
    }


def clustered(samples: Sequence[Sample], alike: Mapping[str, Sequence[str]]) -> tuple[Sample, ...]:
    """`samples` whose cluster is their image: copies have one, that of the first of them, and so
    have questions that share an image, or are joined by others that do.
    """
    shared = [sample.images for sample in samples if sample.cluster == sample.image]
    case = components([*shared, *alike.values()])
    return tuple(
        replace(sample, cluster=case[sample.image]) if sample.cluster == sample.image else sample
        for sample in samples
    )


def contradictions(
    samples: Iterable[Sample], alike: Mapping[str, Sequence[str]], name: Callable[[Sample], str]
) -> list[str]:
    """Each set of copies that samples of a classification give several answers, in words; of
    samples with several images all must be copies.
    """
    answers: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for sample in samples:
        if any(image in alike for image in sample.images):
            key = tuple(alike.get(image, (image,))[0] for image in sample.images)
            answers[key].setdefault(sample.answer, name(sample))
    return [
        " and ".join(f"{where} says {answer!r}" for answer, where in sorted(places.items()))
        for places in answers.values()
        if len(places) > 1
    ]


def notes(
    samples: Sequence[Sample],
    alike: Mapping[str, Sequence[str]],
    contradicting: Sequence[str] = (),
    *,
    noun: str = "images",
) -> Iterator[str]:
    """What a reader should know of copies: how many there are, and across which splits; `noun`
    says what the samples' images are: images, or the files that they are regions of.
    """
    test = {image for one in samples if one.split == "test" for image in one.images}
    copied = {image for image in test if not test.isdisjoint(alike.get(image, ()))}
    several = {image for image in copied if len(set(alike[image]) & test) > 1}
    if several:
        distinct = len({alike[image][0] for image in several})
        yield (
            f"{len(several)} of {len(test)} test {noun} are copies, byte for byte, of "
            f"{distinct} pictures; copies are one cluster"
        )
    train = {image for one in samples if one.split == "train" for image in one.images}
    seen = {image for image in test if set(alike.get(image, ())) & (train - {image})}
    if seen:
        yield (
            f"{len(seen)} of {len(test)} test {noun} are copies, byte for byte, of train {noun}: a "
            "model trained on that train split has seen them"
        )
    if contradicting:
        yield f"{len(contradicting)} pictures stand under several labels: {listing(contradicting)}"
