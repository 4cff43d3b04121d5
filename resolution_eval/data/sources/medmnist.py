"""MedMNIST+ files: `<name>_<edge>.npz`, with images and numbered labels for three splits."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resolution_eval.data.cards import TaskCard
from resolution_eval.data.sources import duplicates
from resolution_eval.data.sources.containers import MOST_UNPACKED, SPARE
from resolution_eval.data.sources.sample_source import SampleSource, png
from resolution_eval.data.sources.source import SPLITS, Exclusion, Sample, listing
from resolution_eval.ground.errors import DataError

_BROKEN = (
    *(OSError, ValueError, KeyError, EOFError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What NumPy raises on a file that is cut short, corrupt, pickled or not an npz at all, or that
claims more than the memory holds."""


class MedMnistSource(SampleSource):
    """The data set in the npz `file`. Labels are read at once, a split's images at its first use.

    Images are arrays in the file, and given as PNG, which loses nothing. No pickle is loaded. Where
    an image may have several findings, those with several are listed in `excluded`.

    Raises:
        DataError: the file is truncated, corrupt or not MedMNIST's; or it has a label that is
            not the number of one of the card's classes.
    """

    name = "medmnist"

    def __init__(self, file: Path, card: TaskCard) -> None:
        super().__init__(card, file)
        self._file = file
        self._images: dict[str, NDArray[np.uint8]] = {}
        self._findings = card.npz is not None and card.npz.labels == "findings"
        self._lock = Lock()
        try:
            with zipfile.ZipFile(file) as archive:
                _refuse_bomb(archive, file.stat().st_size)
                self._checksums = {info.filename: info.CRC for info in archive.infolist()}
                counts = {split: _image_count(archive, split) for split in SPLITS}
            with np.load(file, allow_pickle=False) as arrays:
                labels = {split: arrays[f"{split}_labels"] for split in SPLITS}
        except _BROKEN as error:
            raise self._unusable(error) from error
        if self._findings:
            labels = {split: self._single(split, findings) for split, findings in labels.items()}
        self._check(labels, counts)
        contents = repr(sorted(self._checksums.items()))
        self.revision = f"{file.name} crc32:{zlib.crc32(contents.encode()):08x}"
        self._keep(self._entries(labels))

    def _unusable(self, error: Exception) -> DataError:
        return DataError(
            f"{self._file} is not a whole MedMNIST+ file ({type(error).__name__}: {error}); "
            "delete it and download it again"
        )

    def _single(self, split: str, findings: NDArray[np.integer]) -> NDArray[np.integer]:
        """Class numbers from a row of zeros and ones per image; -1 where several are one."""
        named = len(self._card.classes) - 1
        fits = findings.ndim == 2 and findings.shape[1] == named
        if not (fits and set(np.unique(findings)) <= {0, 1}):
            raise DataError(
                f"{self._file}: {split} has labels of shape {findings.shape}; a 0 or 1 for each of "
                f"{named} findings is needed"
            )
        several = findings.sum(axis=1) > 1
        number = np.where(findings.any(axis=1), findings.argmax(axis=1), named)
        return np.where(several, -1, number)

    def _check(self, labels: dict[str, NDArray[np.integer]], counts: dict[str, int]) -> None:
        for split, numbers in labels.items():
            count = counts[split]
            if numbers.dtype.kind not in "iu" or numbers.shape not in ((count,), (count, 1)):
                raise DataError(
                    f"{self._file}: {split} has {count} images, but labels of {numbers.dtype} and "
                    f"shape {numbers.shape}; one whole number per image is needed"
                )
            known = range(-1 if self._findings else 0, len(self._card.classes))
            unknown = sorted({int(number) for number in numbers.ravel()} - set(known))
            if unknown:
                raise DataError(
                    f"{self._file}: {split} has the labels {listing([str(n) for n in unknown])}, "
                    f"but {self._card.name} has classes 0 to {known[-1]}"
                )

    def _entries(self, labels: dict[str, NDArray[np.integer]]) -> Iterator[Sample | Exclusion]:
        for split, numbers in labels.items():
            for index, number in enumerate(numbers.ravel()):
                identity = f"{split}/{index:06d}"
                if number < 0:
                    yield Exclusion(identity, "has several findings", split)
                else:
                    yield self._of_class(identity, self._card.classes[int(number)], split=split)

    def _content(self, locator: str) -> str:
        """The checksum that the file holds of all images of the split."""
        split = locator.partition("/")[0]
        return f"{self._checksums[f'{split}_images.npy']:08x}"

    @cached_property
    def _alike(self) -> dict[str, tuple[str, ...]]:
        """Test images that are one picture, pixel for pixel."""
        test = [sample.image for sample in self._samples if sample.split == "test"]
        try:
            images = self._split_images("test")
        except DataError:  # told where an image is read
            return {}
        places = {locator: int(locator.partition("/")[2]) for locator in test}
        return duplicates.groups(
            {name: sha256(images[place].tobytes()).hexdigest() for name, place in places.items()}
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Test images that are copies of each other, and those with several labels."""
        test = [sample for sample in self._samples if sample.split == "test"]
        contradictions = duplicates.contradictions(test, self._alike, lambda sample: sample.id)
        return tuple(duplicates.notes(test, self._alike, contradictions))

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        """The samples of one split, ordered by the SHA-256 of their id; of the test split, copies
        are one cluster.

        Raises:
            DataError: the split is unknown or empty.
        """
        samples = super().samples(split)
        return duplicates.clustered(samples, self._alike) if split == "test" else samples

    def read(self, locator: str) -> bytes:
        """The image `locator` ("test/000012") as PNG.

        Raises:
            DataError: the split's images are truncated, corrupt or not 8-bit.
        """
        split, _, index = locator.partition("/")
        return png(Image.fromarray(self._split_images(split)[int(index)]), compress_level=1)

    def _split_images(self, split: str) -> NDArray[np.uint8]:
        with self._lock:
            if split not in self._images:
                self._images[split] = self._load(split)
            return self._images[split]

    def _load(self, split: str) -> NDArray[np.uint8]:
        try:
            with np.load(self._file, allow_pickle=False) as arrays:
                images: NDArray[np.uint8] = arrays[f"{split}_images"]
        except _BROKEN as error:
            raise self._unusable(error) from error
        return images


def _refuse_bomb(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse a file of `size` bytes that unpacks to far more.

    Raises:
        ValueError: it does.
    """
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > MOST_UNPACKED * size + SPARE:
        raise ValueError(
            f"it unpacks to {unpacked} bytes, more than {MOST_UNPACKED} times its size"
        )


def _image_count(archive: zipfile.ZipFile, split: str) -> int:
    """Number of images of a split, from the header of its array alone.

    Raises:
        ValueError: the array is not grey or RGB images of 8 bits.
    """
    with archive.open(f"{split}_images.npy") as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    grey_or_rgb = len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)
    if dtype != np.uint8 or not grey_or_rgb:
        raise ValueError(
            f"{split}_images is {dtype} of shape {shape}, not 8-bit grey or RGB images"
        )
    return int(shape[0])
