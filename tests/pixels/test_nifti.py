"""Slices of NIfTI volumes: by the patient's axes, in every order in which a file can store them."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tracemalloc
import zlib
from contextlib import suppress
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from test_dicom import dicom

from resolution_eval.data.own_folder import folder_card
from resolution_eval.ground.errors import ImageError, ResolutionEvalError, UsageError
from resolution_eval.images import decode
from resolution_eval.pixels.display_choices import Cut, EncodedImage, Options, checked

nibabel = pytest.importorskip("nibabel", reason="the extra `nifti` is not installed")

ROOT = Path(__file__).parents[2]
SIDES = (18, 20, 22)
PATIENT = np.random.default_rng(0).permutation(np.prod(SIDES)).reshape(SIDES).astype(np.int16)
"""Voxels by right, anterior, superior: each side and each value is another."""
UPRIGHT = {
    "axial": lambda k: PATIENT[::-1, ::-1, k].T,
    "coronal": lambda k: PATIENT[::-1, k, ::-1].T,
    "sagittal": lambda k: PATIENT[k, ::-1, ::-1].T,
}
"""As radiologists hang them: right, or anterior, on the left; anterior, or superior, up."""


def packed(image) -> bytes:
    return image.to_bytes()


def stored(order=(0, 1, 2), flips=(1, 1, 1), kind=nibabel.Nifti1Image, values=PATIENT) -> bytes:
    """The patient's voxels with the axes in another order and direction, and what says so."""
    turned = values.transpose(*order, *range(3, values.ndim))[
        tuple(slice(None, None, flip) for flip in flips)
    ]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for place, (axis, flip) in enumerate(zip(order, flips, strict=True)):
        affine[axis, place] = 2.0 * flip
        affine[axis, 3] = 0 if flip > 0 else 2.0 * (SIDES[axis] - 1)
    return packed(kind(np.ascontiguousarray(turned), affine))


def spread(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """An independent min-max to 8 bits."""
    low = values.min() if low is None else low
    high = values.max() if high is None else high
    share = (values.astype(np.float64).clip(low, high) - low) / (high - low)
    return np.floor(share * 255 + 0.5)


def shown(data: bytes, slice: str = "axial:middle", **more) -> tuple[np.ndarray, tuple[str, ...]]:
    found = decode(EncodedImage.of(data, Options(slice=Cut.parse(slice), **more)))
    pixels = np.asarray(found.image)
    assert (pixels[..., 0] == pixels[..., 1]).all()
    return pixels[..., 0], found.notes


@pytest.mark.parametrize("axis", list(UPRIGHT))
def test_every_stored_order_shows_the_same_patient(axis):
    wanted = spread(UPRIGHT[axis](4))
    for order, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
        pixels, notes = shown(stored(order, flips), f"{axis}:5")
        assert np.array_equal(pixels, wanted), (order, flips)
        count = SIDES[{"sagittal": 0, "coronal": 1, "axial": 2}[axis]]
        assert notes[0] == f"{axis} slice 5 of {count}"


def test_what_nothing_is_said_of_is_the_middle_axial_slice():
    found = decode(stored())
    assert np.array_equal(np.asarray(found.image)[..., 0], spread(PATIENT[::-1, ::-1, 11].T))
    assert "axial slice 12 of 22" in found.notes


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_versions_byte_orders_and_compressions_are_one_picture(kind, zipped, order):
    image = kind(PATIENT, np.eye(4), kind.header_class(endianness=order))
    image.header.set_data_dtype(np.int16)
    data = gzip.compress(packed(image)) if zipped else packed(image)
    assert np.array_equal(shown(data)[0], spread(UPRIGHT["axial"](11)))


def test_slope_and_intercept_come_first_and_the_window_is_in_their_unit():
    image = nibabel.Nifti1Image(PATIENT, np.eye(4))
    image.header.set_slope_inter(0.5, -1000)
    raw = nibabel.Nifti1Image(PATIENT, np.eye(4), image.header).to_bytes()
    raw = bytearray(raw)
    raw[112:116], raw[116:120] = np.float32(0.5).tobytes(), np.float32(-1000).tobytes()
    measured = UPRIGHT["axial"](11) * 0.5 - 1000
    pixels, notes = shown(bytes(raw), window="0/2000")
    assert np.array_equal(pixels, spread(measured, -1000, 1000))
    assert any("window -1000..1000" in note for note in notes)


def test_the_page_for_users_tells_the_edges_of_a_window_in_either_format():
    ramp = np.arange(-500, 500, dtype=np.int16).reshape(25, 40)
    volume = packed(nibabel.Nifti1Image(ramp[..., None], np.eye(4)))
    slope = {"RescaleSlope": 1, "RescaleIntercept": 0}
    ends = {}
    for name, data in (("NIfTI", volume), ("DICOM", dicom(ramp, **slope))):
        notes = decode(EncodedImage.of(data, Options(window="40/400"))).notes
        (told,) = (note for note in notes if "window" in note)
        ends[name] = told.partition("window ")[2]
    assert ends == {"NIfTI": "-160..240", "DICOM": "-160..239"}
    page = " ".join((ROOT / "docs" / "data.md").read_text().split())
    assert "CENTRE ± WIDTH/2 in the file's unit" in page
    assert "from CENTRE - WIDTH/2 to CENTRE + WIDTH/2 - 1" in page
    assert "as for DICOM" not in page


@pytest.mark.parametrize("text", ["nan/400", "40/nan", "40/inf", "inf/400", "40/0", "40", "40/-1"])
def test_a_window_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="no window"):
        checked({"window": text})


def test_the_display_range_of_the_file_is_used_unless_another_is_asked_for():
    image = nibabel.Nifti1Image(PATIENT, np.eye(4))
    image.header["cal_min"], image.header["cal_max"] = 100, 5000
    pixels, notes = shown(packed(image))
    assert np.array_equal(pixels, spread(UPRIGHT["axial"](11), 100, 5000))
    assert "display range of the file" in notes
    assert np.array_equal(
        shown(packed(image), window="full range")[0], spread(UPRIGHT["axial"](11))
    )


FOUR = np.stack([PATIENT, PATIENT[::-1], PATIENT[:, ::-1]], axis=3)


def test_of_several_volumes_one_is_chosen_or_none_is_shown():
    with pytest.raises(ImageError, match=r"has 3 volumes; choose one: --slice axial:middle:1"):
        shown(stored(values=FOUR))
    pixels, notes = shown(stored(values=FOUR), "axial:12:2")
    assert np.array_equal(pixels, spread(PATIENT[:, ::-1, 11].T))
    assert "volume 2 of 3" in notes
    with pytest.raises(ImageError, match="volume 4 is asked for, and the file has 3"):
        shown(stored(values=FOUR), "axial:12:4")


def test_colour_stays_colour():
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    values = np.random.default_rng(1).integers(0, 256, (*SIDES, 3), dtype=np.uint8)
    data = packed(nibabel.Nifti1Image(values.view(kind)[..., 0], np.eye(4)))
    found = np.asarray(decode(data).image)
    assert np.array_equal(found, values[::-1, ::-1, 11].transpose(1, 0, 2))


def test_what_a_reader_must_know_of_the_geometry_is_noted():
    flat = packed(nibabel.Nifti1Image(PATIENT, np.diag([1, 1, 5, 1])))
    assert "voxels of 1x5 mm, shown as squares" in shown(flat, "coronal:1")[1]
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    oblique = packed(nibabel.Nifti1Image(PATIENT, turned))
    assert any(note.startswith("oblique by 17 degrees") for note in shown(oblique)[1])
    silent = nibabel.Nifti1Image(PATIENT, None)
    silent.header["sform_code"] = silent.header["qform_code"] = 0
    assert any("tells no orientation" in note for note in shown(packed(silent))[1])


def header(**fields) -> bytes:
    """A file of one header, as its fields say, and a few voxels."""
    made = nibabel.Nifti1Header()
    made.set_data_shape(SIDES)
    made.set_data_dtype(np.int16)
    made["magic"], made["vox_offset"] = b"n+1", 352
    for name, value in fields.items():
        made[name] = value
    return bytes(made.binaryblock) + bytes(4) + bytes(100)


HUGE = header(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])
DAMAGED = bytearray(gzip.compress(stored()))
DAMAGED[-7] ^= 1


@pytest.mark.parametrize(
    ("data", "slice", "told"),
    [
        (stored(), "axial:23", "axial slice 23 is asked for, and there are 22"),
        (stored()[:-9], "axial:1", "cut short"),
        (gzip.compress(stored())[:-30], "axial:1", "cut short"),
        (gzip.compress(stored())[:-4], "axial:1", "compression is cut short"),
        (bytes(DAMAGED), "axial:1", "compression is damaged"),
        (gzip.compress(stored() + bytes(9)), "axial:1", "unpacks to more than"),
        (HUGE, "axial:1", "limit 2,147,483,648"),
        (gzip.compress(HUGE), "axial:1", "limit 2,147,483,648"),
        (header(vox_offset=1e12), "axial:1", "begin at byte"),
        (header(dim=[2, 18, 20, 1, 1, 1, 1, 1]), "axial:1", "the NIfTI file holds 18x20"),
        (header(dim=[5, 3, 3, 3, 3, 3, 1, 1]), "axial:1", "the NIfTI file holds 3x3x3x3x3"),
        (header(datatype=32, bitpix=64), "axial:1", "cut short|complex"),
        (header(magic=b"ni1"), "axial:1", "header of a pair"),
        (header(datatype=4711), "axial:1", "header of the NIfTI file is damaged"),
        (header(dim=[3, 0, 20, 22, 1, 1, 1, 1]), "axial:1", "holds 0x20x22"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_shown_fails_by_name(data, slice, told):
    with pytest.raises(ImageError, match=told):
        shown(data, slice)


def unpacked_peak(data: bytes) -> int:
    """Most bytes of memory that Python held while `data` was refused for what it unpacks to."""
    with suppress(ImageError):  # libraries are imported before
        shown(data[:400])
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"unpacks to more than the 368 bytes of its header"):
            shown(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def zeros(first: bytes, count: int = 64) -> bytes:
    """A gzip file of `first` and so many MiB of zeros."""
    packer = zlib.compressobj(9, wbits=31)
    blocks = (packer.compress(bytes(2**20)) for _ in range(count))
    return b"".join((packer.compress(first), *blocks, packer.flush()))


def test_a_bomb_is_refused_before_it_unpacks():
    small = header(dim=[3, 2, 2, 2, 1, 1, 1, 1])[:352]
    for data in (zeros(small), gzip.compress(small) + zeros(b"")):
        assert len(data) < 2**20
        assert unpacked_peak(data) < 8 * 2**20
    claims_much = zeros(header(dim=[3, 1000, 1000, 1000, 1, 1, 1, 1], bitpix=16)[:352], 1)
    with pytest.raises(ImageError, match=r"cut short: 1048928 bytes of 2000000352"):
        shown(claims_much)


@pytest.mark.parametrize("size", [1, 100, 348, 352, 5000])
def test_a_gzip_file_of_several_members_is_their_sum(size):
    data = stored()
    members = b"".join(
        gzip.compress(data[place : place + size]) for place in range(0, min(len(data), 800), size)
    )
    rest = gzip.compress(data[-(-min(len(data), 800) // size) * size :])
    whole = members + rest
    assert gzip.decompress(whole) == data
    assert np.array_equal(shown(whole)[0], shown(data)[0])
    assert np.array_equal(shown(gzip.compress(b"") + whole + bytes(512))[0], shown(data)[0])
    for wrong, told in (
        (whole[:-5], "compression is cut short"),
        (members, "cut short"),
        (whole[:-8] + bytes(8), "compression is damaged"),
        (whole + b"more", "compression is damaged"),
        (whole + gzip.compress(b"more"), "unpacks to more than"),
    ):
        with pytest.raises(ImageError, match=told):
            shown(wrong)


def test_complex_voxels_are_refused_by_name():
    data = packed(nibabel.Nifti1Image(PATIENT.astype(np.complex64), np.eye(4)))
    with pytest.raises(ImageError, match="voxels are complex64; grey or RGB are read"):
        shown(data)


@given(st.binary(max_size=40), st.integers(0, 347))
@settings(max_examples=200, deadline=None)
def test_any_header_is_read_or_refused_by_us(noise, place):
    data = bytearray(stored())
    data[place : place + len(noise)] = noise
    for one in (bytes(data), gzip.compress(bytes(data))):
        with suppress(ResolutionEvalError):
            assert decode(one).image.mode == "RGB"


@pytest.mark.parametrize(
    "text", ["oblique:1", "axial:0", "axial:-1", "axial:1:0", "axial:1:2:3", "axial:x", "", "1"]
)
def test_a_slice_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="no slice"):
        checked({"slice": text})


def test_class_folders_of_volumes_are_found(tmp_path: Path):
    for label, name in (("well", "a.nii"), ("ill", "b.nii.gz")):
        (tmp_path / label).mkdir()
        data = stored()
        (tmp_path / label / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    card = folder_card(tmp_path, {"slice": "coronal:3"})
    assert card.classes == ("ill", "well")


@pytest.mark.whole
def test_volumes_run_by_one_command_and_the_slice_stands_in_the_attestation(tmp_path: Path):
    for place, label in enumerate(("well", "ill")):
        (tmp_path / "mine" / label).mkdir(parents=True)
        (tmp_path / "mine" / label / f"{place}.nii.gz").write_bytes(
            gzip.compress(stored(values=np.roll(PATIENT, place, 0)))
        )
    words = ("--tasks", "folder_res", "--data", "mine", "--model", "resflamingo")
    more = ("--slice", "coronal:7", "--log_samples", "--output_path", "out")
    line = [sys.executable, "-m", "resolution_eval", "run", *words, *more]
    ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    (path,) = (tmp_path / "out").rglob("*_samples_folder_res.jsonl")
    told = path.read_text().splitlines()
    assert told and all("coronal slice 7 of 20" in one for one in told)
    assert all("min-max" in one for one in told)
