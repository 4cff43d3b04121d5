"""A data set in memory: 28 x 14 px, one half bright; some images may be tall, or broken."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from resolution_eval.data.sources import Sample
from resolution_eval.ground.errors import ImageError

SIZES = {"train": 96, "val": 8, "test": 8}
CHOICES = ("left bright", "right bright")


class Halves:
    name, revision, fingerprint = "local", "1", "f" * 64
    excluded: tuple[object, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, *, tall=0, broken=(), forms=CHOICES):
        self._tall, self._broken, self._choices = tall, broken, forms

    def samples(self, split="test"):
        ids = [f"{split}/{number}" for number in range(SIZES[split])]
        answers = self._choices or CHOICES
        return tuple(
            Sample(name, name, "Which half?", answers[i % 2], self._choices, name, split)
            for i, name in enumerate(ids)
        )

    def read(self, locator):
        if locator in self._broken:
            raise ImageError(f"{locator} is broken")
        split, number = locator.split("/")
        random = np.random.RandomState(int(number) + 1000 * len(split))
        pixels = random.randint(0, 90, (14, 28, 3))
        half = slice(0, 14) if int(number) % 2 == 0 else slice(14, 28)
        pixels[:, half] += 120
        if int(number) < self._tall:
            pixels = np.concatenate([pixels, pixels])
        buffer = BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()
