"""Resolutions: sizes within a budget, and what a checkpoint was trained at."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolution_eval.ground.errors import UsageError
from resolution_eval.resolution import (
    Size,
    TrainingResolution,
    budget_size,
    is_capped,
    label,
    parse_resolution,
    patch_size_fit,
)

SIDES = st.integers(1, 5000)
EDGES = st.integers(1, 6000)


@pytest.mark.parametrize(
    ("source", "r", "expected"),
    [
        ((224, 224), 28, (28, 28)),
        ((360, 363), 28, (28, 28)),
        ((360, 363), 224, (223, 225)),
        ((363, 360), 224, (225, 223)),
        ((360, 363), 360, (359, 361)),
        ((1024, 512), 224, (317, 158)),
        ((512, 1024), 224, (158, 317)),
        ((100, 200), 224, (100, 200)),
        ((200, 100), "native", (200, 100)),
        ((1, 1), 224, (1, 1)),
        ((5000, 1), 10, (100, 1)),
        ((5000, 1), 100, (5000, 1)),
        ((1, 5000), 1, (1, 1)),
    ],
)
def test_budget_size_of_known_sources(source, r, expected):
    assert budget_size(Size(*source), r) == Size(*expected)


@given(SIDES, SIDES, EDGES)
@example(5000, 1, 10)
@example(360, 363, 361)
def test_a_budget_is_kept_and_never_above_the_source(width, height, r):
    size = budget_size(Size(width, height), r)
    assert 1 <= size.width <= width
    assert 1 <= size.height <= height
    assert size.pixels <= max(1, r * r)


@given(SIDES, SIDES, EDGES)
def test_the_aspect_ratio_is_kept_to_within_rounding(width, height, r):
    scale = min(1.0, r / sqrt(width * height))
    if min(width, height) * scale >= 1:
        size = budget_size(Size(width, height), r)
        assert abs(size.width - width * scale) <= 1.5
        assert abs(size.height - height * scale) <= 1.5


@given(SIDES, SIDES, EDGES)
def test_a_turned_image_gets_the_turned_size(width, height, r):
    upright, turned = budget_size(Size(width, height), r), budget_size(Size(height, width), r)
    assert (upright.width, upright.height) == (turned.height, turned.width)


@given(SIDES, EDGES)
def test_a_square_source_is_shown_at_exactly_r(side, r):
    assert budget_size(Size(side, side), r) == Size(min(side, r), min(side, r))


@given(SIDES, SIDES, EDGES)
def test_capped_exactly_where_more_pixels_were_asked_than_there_are(width, height, r):
    source = Size(width, height)
    assert is_capped(source, r) == (r * r > width * height)
    assert not is_capped(source, "native")
    if is_capped(source, r):
        assert budget_size(source, r) == source


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [
        ((223, 225), 14, (224, 224)),
        ((28, 28), 8, (32, 32)),
        ((27, 20), 8, (24, 24)),
        ((3, 700), 14, (14, 700)),
        ((7, 6), 14, (14, 14)),
        ((35, 36), 2, (36, 36)),
        ((5, 9), 1, (5, 9)),
    ],
)
def test_patch_fit_of_known_sizes(size, patch, expected):
    assert patch_size_fit(Size(*size), patch) == Size(*expected)


@given(SIDES, SIDES, st.integers(1, 64))
def test_a_patch_fit_is_the_nearest_multiple(width, height, patch):
    size = patch_size_fit(Size(width, height), patch)
    for fitted, asked in ((size.width, width), (size.height, height)):
        assert fitted % patch == 0
        assert fitted >= patch
        assert abs(fitted - asked) * 2 <= patch or asked < patch


def test_a_patch_of_no_pixels_is_refused():
    with pytest.raises(ValueError, match="at least 1 pixel, received 0"):
        patch_size_fit(Size(28, 30), 0)


def test_a_size_without_pixels_is_refused():
    with pytest.raises(ValueError, match="at least 1x1"):
        Size(0, 3)


@given(st.one_of(st.integers(1, 65_535), st.just("native")))
def test_a_label_reads_back(r):
    assert parse_resolution(label(r)) == r
    assert parse_resolution(r) == r


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        0,
        -28,
        "-28",
        "28.5",
        "28px",
        "1e3",
        "²",
        "２８",
        "Native",
        True,
        "9" * 5000,
        65_536,
    ],
)
def test_what_is_no_resolution_is_refused(text):
    with pytest.raises(UsageError, match="no resolution"):
        parse_resolution(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("fixed:224", "fixed:224"),
        (" native ", "native"),
        ("unknown", "unknown"),
        ("mixed:[16,64]", "mixed:[16,64]"),
        ("mixed:[native, 224]", "mixed:[224,native]"),
        ("mixed:[64,16,64]", "mixed:[16,64]"),
    ],
)
def test_training_resolutions_are_read_and_written(text, canonical):
    training = TrainingResolution.parse(text)
    assert str(training) == canonical
    assert TrainingResolution.parse(canonical) == training


@pytest.mark.parametrize(
    "text",
    [
        *("", "224", "native:224"),
        *("fixed", "fixed:", "fixed:0", "fixed:native", "Fixed:224", "fixed:224,336"),
        *("mixed:16,64", "mixed:[]", "mixed:[16]", "mixed:[16,x]"),
    ],
)
def test_what_is_no_training_resolution_is_refused(text):
    with pytest.raises(UsageError, match=r"write fixed:224, native, mixed"):
        TrainingResolution.parse(text)


@pytest.mark.parametrize(
    ("training", "sweep", "reference"),
    [
        ("fixed:64", (28, 64, 128), 64),
        ("fixed:56", (28, 64, 128), None),
        ("native", (28, 128, 64), 128),
        ("native", (28, "native", 224), "native"),
        ("native", (), None),
        ("mixed:[16,64]", (16, 32, 64, 128), 64),
        ("mixed:[16,64]", (16, 32, 128), 16),
        ("mixed:[224,native]", (28, 224, "native"), "native"),
        ("mixed:[224,native]", (28, 224, 360), 224),
        ("mixed:[16,64]", (28, 224), None),
        ("unknown", (28, 64), None),
    ],
)
def test_the_reference_is_the_members_of_the_sweep_trained_at(training, sweep, reference):
    assert TrainingResolution.parse(training).reference(sweep) == reference
