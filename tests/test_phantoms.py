"""Phantoms: the same everywhere, and made so that one class needs coarse and fine detail."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import open_source
from resolution_eval.data.sources.phantoms import (
    CLASSES,
    CUE_PERIOD,
    SHAPES,
    SIDE,
    SPLITS,
    TEXTURES,
    PhantomSource,
    draw,
    phantom_of,
)
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.images import decode, render

DIGEST = """
from hashlib import sha256
from resolution_eval.data.sources.phantoms import draw, phantom_of
print(sha256(b"".join(draw(phantom_of("test", i)).tobytes() for i in range(3, 12))).hexdigest())
"""


@pytest.fixture(scope="module")
def source():
    return open_source(task_cards()["phantom"])


def seen_at(resolution, image):
    """The image as pixels in 0..255, float, after the project's own rendering."""
    return np.asarray(render(Image.fromarray(image), resolution, "bicubic"), dtype=float)


@pytest.mark.whole
def test_the_images_are_the_same_in_another_process():
    here = sha256(b"".join(draw(phantom_of("test", i)).tobytes() for i in range(3, 12)))
    environment = {"PYTHONHASHSEED": "77", "PATH": ""}
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env=environment
    )
    assert there.stdout.strip() == here.hexdigest()


def test_the_first_phantom_has_not_changed_since_its_revision_was_named():
    image = draw(phantom_of("test", 0))
    assert image.shape == (SIDE, SIDE, 3)
    assert image.dtype == np.uint8
    assert image.mean(axis=(0, 1)).round(1).tolist() == MEANS


MEANS = [216.6, 184.3, 190.5]
"""Mean red, green and blue of test image 0 at revision phantoms-1."""


def test_no_image_of_one_split_is_in_another():
    seeds = [phantom_of(split, i).seed for split, count in SPLITS.items() for i in range(count)]
    assert len(set(seeds)) == sum(SPLITS.values())


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_as_many_images_of_each_class(split):
    names = [phantom_of(split, i).name for i in range(SPLITS[split])]
    assert {names.count(name) for name in CLASSES} == {SPLITS[split] // len(CLASSES)}


def test_exactly_one_test_image_of_fifteen_has_the_other_textures_tone():
    textures = list(TEXTURES)
    phantoms = [phantom_of("test", i) for i in range(SPLITS["test"])]
    other = [p.name for p in phantoms if textures[p.tone] != p.texture]
    assert len(other) == SPLITS["test"] // CUE_PERIOD
    assert {other.count(name) for name in CLASSES} == {2}


class TestEveryClassNeedsFineDetail:
    """The two textures of one shape, told apart by the direction of the finest waves."""

    @staticmethod
    def twins(count):
        """Pairs of images alike in all but the texture, tone included."""
        for index in range(count):
            base = replace(phantom_of("train", index), tone=0)
            yield [draw(replace(base, texture=texture)) for texture in TEXTURES]

    def difference(self, resolution, count=40):
        """Root mean square difference of twins, in grey levels."""
        pairs = [[seen_at(resolution, image) for image in pair] for pair in self.twins(count)]
        return np.sqrt(np.mean([(one - other) ** 2 for one, other in pairs]))

    def test_twins_differ_by_ten_levels_at_64_px_and_by_noise_alone_at_16(self):
        assert self.difference(64) > 10
        assert self.difference(16) < 1.5  # the noise of one image is 0.9 to 2.2 levels there

    def probe(self, resolution, count=160):
        """Accuracy of a linear probe for the texture, given the spectrum by direction."""
        features, textures = [], []
        for pair in self.twins(count):
            for texture, image in enumerate(pair):
                features.append(self.directions(seen_at(resolution, image).mean(axis=2)))
                textures.append(2 * texture - 1)
        x, y = np.array(features), np.array(textures, dtype=float)
        half = count  # pairs stay together: 2 rows each
        centre, scale = x[:half].mean(0), x[:half].std(0) + 1e-9
        x = np.column_stack([(x - centre) / scale, np.ones(len(x))])
        weights = np.linalg.solve(x[:half].T @ x[:half] + np.eye(x.shape[1]), x[:half].T @ y[:half])
        return np.mean(np.sign(x[half:] @ weights) == y[half:])

    @staticmethod
    def directions(grey, bins=12):
        """Share of the energy of fine waves per direction, strongest first."""
        power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
        rows, columns = np.meshgrid(*[np.fft.fftfreq(len(grey))] * 2, indexing="ij")
        fine = np.hypot(rows, columns) > 0.2
        place = ((np.arctan2(rows, columns) % np.pi) / np.pi * bins).astype(int).clip(0, bins - 1)
        energy = np.bincount(place[fine], power[fine], minlength=bins)
        return np.sort(energy)[::-1] / energy.sum()

    def test_a_linear_probe_of_the_spectrum_tells_them_apart_at_64_px_and_not_at_16(self):
        assert self.probe(64) >= 0.95
        assert self.probe(16) <= 0.65

    def test_the_texture_is_there_at_48_px_too(self):
        assert self.probe(48) >= 0.95


class TestEveryClassNeedsCoarseDetail:
    def test_the_shape_is_told_at_16_px_by_the_likest_image(self):
        shapes = list(SHAPES)
        count = 800
        phantoms = [phantom_of("train", i) for i in range(count)]
        images = np.array([self.silhouette(seen_at(16, draw(p))) for p in phantoms])
        labels = np.array([shapes.index(p.shape) for p in phantoms])
        known, asked = slice(0, 640), slice(640, count)
        similarity = images[asked] @ images[known].T
        assert np.mean(labels[known][similarity.argmax(1)] == labels[asked]) >= 0.9

    @staticmethod
    def silhouette(pixels):
        """Green channel, mean 0 and length 1: both tones are dark in it."""
        green = pixels[..., 1].ravel() - pixels[..., 1].mean()
        return green / np.linalg.norm(green)

    def test_the_texture_alone_does_not_tell_the_shape(self):
        by_texture = {name.split()[0] for name in CLASSES}
        assert len(by_texture) < len(CLASSES) / 2


class TestSource:
    def test_the_card_lists_the_classes_in_order(self, source):
        card = task_cards()["phantom"]
        assert card.classes == CLASSES
        assert card.revision == source.revision
        assert card.chance <= 0.17
        assert (card.source_width, card.source_height) == (SIDE, SIDE)

    def test_an_image_is_a_png_of_what_was_drawn(self, source):
        sample = source.samples("val")[5]
        split, index = sample.id.split("/")
        data = source.read(sample.image)
        assert Image.open(BytesIO(data)).format == "PNG"
        drawn = draw(phantom_of(split, int(index)))
        assert np.array_equal(np.asarray(decode(data).image), drawn)
        assert sample.answer == phantom_of(split, int(index)).name

    def test_the_first_few_samples_mix_the_classes(self, source):
        assert len({sample.answer for sample in source.samples("test")[:24]}) >= 6

    @pytest.mark.parametrize("locator", ["test/00240", "exam/00001", "test/1", "../etc", ""])
    def test_a_locator_of_no_phantom_is_an_image_error_that_names_it(self, source, locator):
        with pytest.raises(ImageError, match="no phantom"):
            source.read(locator)

    def test_an_unknown_split_is_an_error(self, source):
        with pytest.raises(DataError, match="tset"):
            source.samples("tset")

    def test_a_card_with_other_classes_is_refused(self):
        card = task_cards()["phantom"]
        other = card.model_copy(update={"classes": (*card.classes[1:], "plain disc")})
        with pytest.raises(DataError, match="striped disc"):
            PhantomSource(other)

    def test_the_fingerprint_changes_with_the_question(self, source):
        other = task_cards()["phantom"].model_copy(update={"question": "What is this?"})
        assert PhantomSource(other).fingerprint != source.fingerprint
        assert PhantomSource(task_cards()["phantom"]).fingerprint == source.fingerprint
