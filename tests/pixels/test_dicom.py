"""DICOM: built with pydicom, shown by the rules of the standard."""

from __future__ import annotations

from io import BytesIO

import imagecodecs
import numpy as np
import pytest

from resolution_eval.ground.errors import ImageError, UsageError
from resolution_eval.images import decode
from resolution_eval.pixels.display_choices import EncodedImage, Options

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import (  # noqa: E402
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

VALUES = np.random.default_rng(5).integers(0, 4096, (24, 40)).astype(np.uint16)
VALUES[0, :2] = 0, 4095
NAME = "Doe^Jane"


ENCODERS = {
    JPEG2000Lossless: lambda values: imagecodecs.jpeg2k_encode(
        values, codecformat="j2k", reversible=True
    ),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEGLosslessSV1: lambda values: imagecodecs.ljpeg_encode(values, bitspersample=16),
}


def dicom(values: np.ndarray, syntax=ExplicitVRLittleEndian, **tags) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.PatientName, dataset.PatientID = NAME, "12345"
    colour = values.ndim >= 3 and values.shape[-1] == 3
    size = values.dtype.itemsize * 8
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = values.shape[-3:-1] if colour else values.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = size, size, size - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(dataset, name, value)
    little = syntax != ExplicitVRBigEndian
    stored = values.astype(values.dtype.newbyteorder("<" if little else ">"))
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax == RLELossless:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(syntax, generate_instance_uid=False)
    if syntax in ENCODERS:
        dataset.PixelData = encapsulate([ENCODERS[syntax](values)])
        dataset["PixelData"].VR = "OB"
    data = BytesIO()
    pydicom.dcmwrite(data, dataset, enforce_file_format=True)
    return data.getvalue()


def shown(data: bytes, **options) -> np.ndarray:
    image = decode(EncodedImage.of(data, Options(**options))).image
    return np.asarray(image)[..., 0].astype(int)


def windowed(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, for each pixel in its own words, to 0..255."""
    out = np.empty(values.shape)
    for place, x in np.ndenumerate(values.astype(float)):
        if x <= centre - 0.5 - (width - 1) / 2:
            out[place] = 0
        elif x > centre - 0.5 + (width - 1) / 2:
            out[place] = 255
        else:
            out[place] = ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255
    return out


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
        JPEGLosslessSV1,
    ],
)
@pytest.mark.parametrize("kind", ["uint16", "int16"])
def test_stored_values_through_every_syntax(syntax, kind):
    values = VALUES.astype(kind) - (1000 if kind == "int16" else 0)
    if syntax in (JPEGLSLossless, JPEGLosslessSV1) and kind == "int16":
        pytest.skip("imagecodecs writes no signed values in this syntax")
    found = shown(dicom(values, syntax))
    assert np.abs(found - np.round(VALUES / 4095 * 255)).max() <= 1


def test_the_first_window_of_the_file_after_its_rescale():
    data = dicom(
        VALUES,
        RescaleSlope=2,
        RescaleIntercept=-1024,
        WindowCenter=[40, 600],
        WindowWidth=[400, 2800],
    )
    measured = VALUES.astype(float) * 2 - 1024
    assert np.abs(shown(data) - windowed(measured, 40, 400)).max() <= 1
    assert "window 40/400 of the file (LINEAR)" in decode(data).notes
    assert "16-bit, window -160..239" in decode(data).notes
    assert np.abs(shown(data, window="600/2800") - windowed(measured, 600, 2800)).max() <= 1
    assert np.abs(shown(data, window="full range") - np.round(VALUES / 4095 * 255)).max() <= 1


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        ("LINEAR_EXACT", lambda x: np.clip((x - 2000) / 1000 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 1000))),
    ],
)
def test_the_other_functions_of_a_window(function, formula):
    data = dicom(VALUES, WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function)
    assert np.abs(shown(data) - 255 * formula(VALUES.astype(float))).max() <= 1


def test_a_table_of_the_file_comes_before_its_window():
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = [min(65535, (4095 - i) * 16) for i in range(4096)]
    data = dicom(VALUES, BitsStored=12, HighBit=11, WindowCenter=9, WindowWidth=9)
    dataset = pydicom.dcmread(BytesIO(data))
    dataset.VOILUTSequence = [table]
    dataset.VOILUTSequence[0]["LUTDescriptor"].VR = "US"
    dataset.VOILUTSequence[0]["LUTData"].VR = "US"
    written = BytesIO()
    dataset.save_as(written)
    expected = (4095 - VALUES.astype(int)) * 16 / 65535 * 255
    assert np.abs(shown(written.getvalue()) - expected).max() <= 1
    assert "VOI LUT of the file" in decode(written.getvalue()).notes


@pytest.mark.parametrize(
    "tags", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}]
)
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_monochrome_one_is_white_at_zero(tags, window):
    found = shown(dicom(VALUES, **tags, **window))
    assert np.abs(found - np.round(255 - VALUES / 4095 * 255)).max() <= 1


def test_padding_is_left_out_of_the_range():
    values = VALUES.astype(np.int16)
    padded = values.copy()
    padded[5:9, 5:9] = -2000
    data = dicom(padded, PixelPaddingValue=-2000)
    outside = padded != -2000
    assert np.abs(shown(data) - np.round(values / 4095 * 255))[outside].max() <= 1
    assert "padding -2000 in 16 of 960 pixels left out of the range" in decode(data).notes


def test_of_several_frames_the_one_that_is_asked_for():
    frames = np.stack([VALUES, VALUES[::-1], VALUES[:, ::-1]])
    data = dicom(frames, NumberOfFrames=3)
    for frame, expected in (("first", 0), ("middle", 1), (3, 2)):
        found = shown(data, frame=frame)
        assert np.abs(found - np.round(frames[expected] / 4095 * 255)).max() <= 1
    assert "frame 1 of 3" in decode(data).notes
    with pytest.raises(ImageError, match="frame 4 is asked for"):
        shown(data, frame=4)


def test_bits_above_those_stored_and_overlays_are_left_out():
    data = dicom((VALUES | 0xF000).astype(np.uint16), BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(BytesIO(data))
    dataset.add_new(0x60000010, "US", 24)
    dataset.add_new(0x60000011, "US", 40)
    dataset.add_new(0x60003000, "OW", bytes([255] * 120))
    written = BytesIO()
    dataset.save_as(written)
    assert np.abs(shown(written.getvalue()) - np.round(VALUES / 4095 * 255)).max() <= 1
    assert "overlays left out" in decode(written.getvalue()).notes


def test_colour_and_a_file_without_its_preamble():
    colours = np.random.default_rng(2).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    data = dicom(colours)
    assert np.array_equal(np.asarray(decode(data).image), colours)
    assert np.array_equal(np.asarray(decode(data[132:]).image), colours)


def test_no_message_or_note_names_the_patient():
    data = dicom(VALUES)
    told = list(decode(data).notes)
    for cut in range(140, len(data), 97):
        try:
            told += decode(data[:cut]).notes
        except ImageError as error:
            told.append(str(error))
    assert len(told) > 15
    assert not any("Doe" in text or "12345" in text for text in told)


def test_a_file_without_pixels_and_a_window_misspelt():
    dataset = pydicom.dcmread(BytesIO(dicom(VALUES)))
    del dataset.PixelData
    written = BytesIO()
    dataset.save_as(written)
    with pytest.raises(ImageError, match="has no pixels"):
        decode(written.getvalue())
    with pytest.raises(UsageError, match="write CENTRE/WIDTH"):
        shown(dicom(VALUES), window="bone")


def group(intercept: float, centre: float, width: float) -> Dataset:
    """A functional group of an enhanced file: its rescale and its window."""
    rescale, window, found = Dataset(), Dataset(), Dataset()
    rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = intercept, 2, "HU"
    window.WindowCenter, window.WindowWidth = centre, width
    found.PixelValueTransformationSequence = [rescale]
    found.FrameVOILUTSequence = [window]
    return found


FRAMES = np.stack([VALUES, VALUES[::-1]]).astype(np.uint16)


@pytest.mark.parametrize(("frame", "centre", "width"), [(1, 40, 400), (2, 300, 1500)])
def test_an_enhanced_file_is_shown_by_what_it_says_of_each_frame(frame, centre, width):
    own = [group(-1024, 40, 400), group(-1024, 300, 1500)]
    data = dicom(
        FRAMES,
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[group(5, 6, 7)],
        PerFrameFunctionalGroupsSequence=own,
    )
    measured = FRAMES[frame - 1].astype(float) * 2 - 1024
    expected = windowed(measured, centre, width)
    assert np.abs(shown(data, frame=frame) - expected).max() <= 1
    asked = windowed(measured, 1000, 3000)
    assert np.abs(shown(data, frame=frame, window="1000/3000") - asked).max() <= 1


def test_what_an_enhanced_file_says_of_all_frames_counts_where_none_says_more():
    data = dicom(
        FRAMES, NumberOfFrames=2, SharedFunctionalGroupsSequence=[group(-1024, 1000, 3000)]
    )
    expected = windowed(FRAMES[1].astype(float) * 2 - 1024, 1000, 3000)
    assert np.abs(shown(data, frame=2) - expected).max() <= 1


def test_values_that_begin_at_a_higher_bit_are_those_that_were_meant():
    values = (VALUES % 4096).astype(np.uint16)
    high = dicom(values << 4, BitsStored=12, HighBit=15)
    low = dicom(values, BitsStored=12, HighBit=11)
    assert np.array_equal(shown(high), shown(low))


@pytest.mark.parametrize("tags", [{"PixelSpacing": [2.0, 1.0]}, {"PixelAspectRatio": [2, 1]}])
def test_pixels_that_are_no_squares_are_noted(tags):
    notes = decode(dicom(VALUES, **tags)).notes
    assert any(note.startswith("pixels of 1x2") for note in notes)
    assert not any("pixels of" in note for note in decode(dicom(VALUES)).notes)


@pytest.mark.parametrize("name", ["RGB", "YBR_RCT"])
def test_one_sample_that_is_called_a_colour_is_refused(name):
    with pytest.raises(ImageError, match=f"has 1 samples a pixel and calls them {name}"):
        decode(dicom(VALUES, PhotometricInterpretation=name))


def test_three_samples_of_another_colour_space_are_refused():
    with pytest.raises(ImageError, match="has 3 samples a pixel and calls them HSV"):
        decode(dicom(np.dstack([VALUES.astype(np.uint8)] * 3), PhotometricInterpretation="HSV"))


def edited(data: bytes, *without: str, meta: bool = True, implicit: bool = False) -> bytes:
    """The file without some elements, or without its header."""
    found = pydicom.dcmread(BytesIO(data))
    for name in without:
        delattr(found if name in found else found.file_meta, name)
    if not meta:
        found = Dataset({element.tag: element for element in found})
    made = BytesIO()
    pydicom.dcmwrite(
        made, found, implicit_vr=implicit, little_endian=True, enforce_file_format=False
    )
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("SamplesPerPixel", "0028,0002"),
        ("PhotometricInterpretation", "0028,0004"),
        ("Rows", "0028,0010"),
        ("Columns", "0028,0011"),
        ("BitsAllocated", "0028,0100"),
        ("BitsStored", "0028,0101"),
        ("PixelRepresentation", "0028,0103"),
    ],
)
def test_what_a_file_does_not_say_of_its_pixels_is_named(name, tag):
    with pytest.raises(ImageError, match=rf"the DICOM file has no {name} \({tag}\)"):
        decode(edited(dicom(VALUES.astype(np.uint16)), name))


def test_colour_must_say_how_its_channels_are_stored():
    with pytest.raises(ImageError, match=r"has no PlanarConfiguration \(0028,0006\)"):
        decode(edited(dicom(np.zeros((9, 9, 3), np.uint8)), "PlanarConfiguration"))


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("without", [("TransferSyntaxUID",), ("SOPClassUID",), ()])
def test_a_file_from_before_headers_is_read_as_what_it_is_and_that_is_noted(implicit, without):
    data = dicom(VALUES.astype(np.uint16))
    bare = edited(data, *without, meta="TransferSyntaxUID" in without, implicit=implicit)
    assert np.array_equal(shown(bare), shown(data))
    (note,) = (note for note in decode(bare).notes if "no transfer syntax told" in note)
    assert ("Implicit" if implicit else "Explicit") in note


def test_compressed_pixels_without_a_transfer_syntax_are_refused_by_name():
    data = edited(dicom(VALUES.astype(np.uint16), JPEG2000Lossless), "TransferSyntaxUID")
    with pytest.raises(ImageError, match="does not name its transfer syntax"):
        decode(data)


@pytest.mark.parametrize(
    ("tags", "measured", "note"),
    [
        ({"RescaleSlope": 2}, VALUES.astype(int) * 2, "no RescaleIntercept told: taken as 0"),
        ({"RescaleIntercept": -50}, VALUES.astype(int) - 50, "no RescaleSlope told: taken as 1"),
    ],
)
def test_half_a_rescale_counts_and_is_noted(tags, measured, note):
    data = dicom(VALUES.astype(np.uint16), **tags)
    assert np.abs(shown(data, window="600/900") - windowed(measured, 600, 900)).max() <= 1
    assert note in decode(data).notes
