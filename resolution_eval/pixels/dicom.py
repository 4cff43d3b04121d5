"""DICOM: stored values by the rules of their own file, through pydicom (extra `dicom`).

Only tags that say how pixels are shown are looked at: no name, number or date of a patient is
read, and no message repeats what a library says of the file.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.display_choices import FIRST, FULL, Options, numbers, place_among
from resolution_eval.pixels.jpeg import refuse_damaged_scan
from resolution_eval.pixels.raster import Raster, Values, refuse_large

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BASELINE = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_PALETTE = "PALETTE COLOR"
MAX_INFLATED = 2**29
"""Most bytes that a deflated file may become: pydicom takes twice that memory."""
_BLOCK = 2**20
_NEEDED = (
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated"),
    *("BitsStored", "PixelRepresentation"),
)
"""What a file must say of its pixels; the last two not of floats."""


def read_dicom(data: bytes, limit: int, options: Options) -> Raster:
    """One frame of the DICOM file `data`: modality rescale first, then the window of `options`.

    Raises:
        ImageError: pydicom is not installed; there are no pixels; they are damaged or compressed
            in a way that none of its decoders reads; or there are more than `limit`.
    """
    dataset, (rows, columns) = _dataset(data)
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise ImageError("the DICOM file has no pixels (a report, a directory or a structure set?)")
    refuse_large(columns, rows, limit)
    return _raster(dataset, options)


def dicom_size(data: bytes) -> tuple[int, int] | None:
    """Columns and rows of the DICOM file `data`, by its header alone, which is refused as by
    `read_dicom`; None where it tells none.
    """
    _, (rows, columns) = _dataset(data, header_alone=True)
    return (columns, rows) if rows and columns else None


def _dataset(data: bytes, *, header_alone: bool = False) -> tuple[Dataset, tuple[int, int]]:
    """The data set in a file, as pydicom reads it, and its rows and columns."""
    try:
        import pydicom
    except ImportError as error:
        raise ImageError(
            "the image file is DICOM; install resolution-eval[dicom] to read it"
        ) from error
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE
    try:
        refuse_inflated(data)
        dataset = pydicom.dcmread(BytesIO(data), force=True, stop_before_pixels=header_alone)
        return dataset, (int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0))
    except ImageError:
        raise
    except Exception as error:  # of many types, whose texts may hold a patient's name
        raise ImageError(
            f"the DICOM file of {len(data)} bytes is damaged ({type(error).__name__})"
        ) from error


def refuse_inflated(data: bytes) -> None:
    """Raise ImageError where a deflated DICOM file would become more than `MAX_INFLATED`: pydicom
    inflates all of it at once, before it looks at the first tag.
    """
    from pydicom.filereader import _read_file_meta_info, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    file = BytesIO(data)
    read_preamble(file, True)
    if _read_file_meta_info(file).get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    unpacking, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while inflated <= MAX_INFLATED and (waiting := unpacking.unconsumed_tail or file.read(_BLOCK)):
        inflated += len(unpacking.decompress(waiting, _BLOCK))
    if inflated > MAX_INFLATED:
        raise ImageError(
            f"the DICOM file of {len(data)} bytes inflates to more than {MAX_INFLATED:,} bytes; "
            "save it without deflation if it is an image"
        )


def _raster(dataset: Dataset, options: Options) -> Raster:
    _refuse_untold(dataset)
    frames = int(dataset.get("NumberOfFrames") or 1)
    refusal = f"frame {options.frame} is asked for, and the file has"
    frame = place_among(frames, options.frame, refusal)
    assumed = _assumed_syntax(dataset)
    values = _stored(dataset, frame)
    _take_from_groups(dataset, frame)
    notes = [f"frame {frame + 1} of {frames}"] if frames > 1 else []
    notes += [*assumed, *_assumed_rescale(dataset)]
    notes += _geometry(dataset)
    if any(element.tag.group in range(0x6000, 0x6020, 2) for element in dataset):
        notes.append("overlays left out")
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric == _PALETTE:
        return Raster(values=_looked_up(dataset, values), bits=8, notes=(*notes, "palette"))
    _refuse_contradiction(photometric, values)
    bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16)
    if values.ndim == 3:
        return Raster(values=values, bits=bits, notes=tuple(notes))
    return _grey(dataset, values, bits, tuple(notes), options.window)


def _refuse_untold(dataset: Dataset) -> None:
    """Raise where the file does not say what its pixels are."""
    from pydicom.datadict import tag_for_keyword

    needed = _NEEDED if "PixelData" in dataset else _NEEDED[:5]
    several = int(dataset.get("SamplesPerPixel") or 1) > 1
    for name in (*needed, *(("PlanarConfiguration",) if several else ())):
        if dataset.get(name) in (None, ""):
            tag = int(tag_for_keyword(name) or 0)
            raise ImageError(
                f"the DICOM file has no {name} ({tag >> 16:04x},{tag & 0xFFFF:04x}), which says "
                "what its pixels are; export it again"
            )


def _assumed_syntax(dataset: Dataset) -> list[str]:
    """Of a file that does not say how it is written, as it was written before there were headers,
    take what it was read as, and say so.

    Raises:
        ImageError: its pixels are compressed, and nothing says how.
    """
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if dataset.file_meta.get("TransferSyntaxUID"):
        return []
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise ImageError(
            "the DICOM file does not name its transfer syntax (0002,0010), and its pixels are "
            "compressed; export it again, with its header"
        )
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return [f"no transfer syntax told: read as {dataset.file_meta.TransferSyntaxUID.name}"]


def _assumed_rescale(dataset: Dataset) -> list[str]:
    """Complete a rescale of which the file tells one half, and say so."""
    halves = {"RescaleSlope": 1, "RescaleIntercept": 0}
    absent = [name for name in halves if dataset.get(name) in (None, "")]
    if len(absent) != 1:
        return []
    setattr(dataset, absent[0], halves[absent[0]])
    return [f"no {absent[0]} told: taken as {halves[absent[0]]}"]


def _refuse_contradiction(photometric: str, values: Values) -> None:
    """Raise where the file says that its samples are what so many of them cannot be, or what is
    not read.
    """
    told = ("RGB", "YBR_") if values.ndim == 3 else ("MONOCHROME",)
    if not photometric.startswith(told):
        count = 3 if values.ndim == 3 else 1
        raise ImageError(
            f"the DICOM file has {count} samples a pixel and calls them {photometric or 'nothing'} "
            "(0028,0004), which is not read; save it as MONOCHROME2 or RGB"
        )


_OF_A_FRAME = {
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction"),
    "PixelMeasuresSequence": ("PixelSpacing",),
}
"""What enhanced files say of each frame: sequences in functional groups, and their tags."""


def _take_from_groups(dataset: Dataset, frame: int) -> None:
    """Bring what an enhanced multi-frame file says of `frame` to where other files say it: its own
    functional group counts before the one that all frames share (DICOM PS3.3 C.7.6.16).
    """
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())[frame : frame + 1]
    for group in (*shared, *own):
        for sequence, names in _OF_A_FRAME.items():
            items = list(group.get(sequence) or ())
            for name in names if items else ():
                if items[0].get(name) is not None:
                    setattr(dataset, name, items[0].get(name))


def _geometry(dataset: Dataset) -> list[str]:
    """That pixels are no squares, which a model is shown as squares."""
    for name, unit in (("PixelSpacing", " mm"), ("PixelAspectRatio", "")):
        sides = dataset.get(name)
        if sides is None or isinstance(sides, str) or len(sides) != 2:
            continue
        down, across = float(sides[0]), float(sides[1])
        if min(down, across) > 0 and not np.isclose(down, across, rtol=0.01):
            return [f"pixels of {across:.3g}x{down:.3g}{unit}, shown as squares"]
    return []


def _stored(dataset: Dataset, frame: int) -> Values:
    """The values of one frame as stored, from their lowest bit; YBR as RGB."""
    stored = int(dataset.get("BitsStored") or 0)
    above = int(dataset.get("HighBit") or 0) + 1 - stored
    if not stored or above <= 0 or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return _decoded(dataset, frame)
    dataset.BitsStored = stored + above  # older files begin at a higher bit
    values = _decoded(dataset, frame)
    dataset.BitsStored = stored
    return values >> above


def _decoded(dataset: Dataset, frame: int) -> Values:
    from pydicom.pixels.utils import pixel_array

    _refuse_damaged(dataset, frame)
    try:
        pixels = np.asarray(pixel_array(dataset, index=frame))
    except Exception as error:  # as above
        kind = dataset.file_meta.TransferSyntaxUID.name
        raise ImageError(
            f"the pixels of the DICOM file cannot be decoded ({kind}; {type(error).__name__}): "
            "they are damaged or cut short, or compressed in a way that is not read"
        ) from error
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        raise ImageError(f"the DICOM image has {pixels.shape[2]} samples a pixel; 1 or 3 are read")
    return pixels


def _refuse_damaged(dataset: Dataset, frame: int) -> None:
    """Raise where a baseline JPEG in the file has a damaged scan: its decoders are lenient."""
    if dataset.file_meta.TransferSyntaxUID not in _BASELINE:
        return
    from pydicom.encaps import generate_frames

    count = int(dataset.get("NumberOfFrames") or 1)
    for number, part in enumerate(generate_frames(dataset.PixelData, number_of_frames=count)):
        if number == frame:
            refuse_damaged_scan(part.rstrip(b"\0"))


def _looked_up(dataset: Dataset, values: Values) -> Values:
    from pydicom.pixels.processing import apply_color_lut

    colours = np.asarray(apply_color_lut(values, dataset))
    return (colours >> 8).astype(np.uint8) if colours.dtype == np.uint16 else colours


def _grey(
    dataset: Dataset, values: Values, bits: int, notes: tuple[str, ...], window: str
) -> Raster:
    from pydicom.pixels.processing import apply_modality_lut

    padding = _padding(dataset, values, apply_modality_lut)
    measured = np.asarray(apply_modality_lut(values, dataset))
    shown, edges, told = _shown(dataset, measured, window)
    inverse = str(dataset.get("PresentationLUTShape", "")) == "INVERSE"
    eight = window == FIRST and edges is None and measured.dtype == np.uint8
    told = "greyscale" if eight else told
    return Raster(
        values=shown if eight else shown.astype(np.float64),
        bits=bits,
        white_is_zero=dataset.PhotometricInterpretation == "MONOCHROME1" or inverse,
        padding=padding if shown is measured else (),
        window=edges,
        notes=(*notes, *([told] if told else [])),
    )


def _shown(
    dataset: Dataset, measured: Values, window: str
) -> tuple[Values, tuple[float, float] | None, str]:
    """What is shown, from which value to which, and the note on it: through the `window` asked for,
    else the file's own VOI LUT, else its first window, else over its own range.
    """
    if window != FIRST:
        return measured, None if window == FULL else _edges(*numbers(window)), ""
    if dataset.get("VOILUTSequence"):
        from pydicom.pixels.processing import apply_voi

        looked_up = np.asarray(apply_voi(measured.astype(np.int64), dataset, index=0))
        depth = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return looked_up, (0.0, float(2**depth - 1)), "VOI LUT of the file"
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is None or width is None or width <= 0:
        return measured, None, ""
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    note = f"window {centre:g}/{width:g} of the file ({function})"
    if function == "SIGMOID":
        curve = 1 / (1 + np.exp(-4 * (measured.astype(np.float64) - centre) / width))
        return curve, (0.0, 1.0), note
    exact = function == "LINEAR_EXACT"
    edges = (centre - width / 2, centre + width / 2) if exact else _edges(centre, width)
    return measured, edges, note


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _edges(centre: float, width: float) -> tuple[float, float]:
    """Lowest and highest value shown by the function LINEAR (DICOM PS3.3 C.11.2.1.2.1)."""
    half = max(width - 1, 1e-6) / 2
    return centre - 0.5 - half, centre - 0.5 + half


def _padding(dataset: Dataset, values: Values, measure: Any) -> tuple[float, ...]:
    """Values of no pixel, as measured: the padding value, or all stored ones up to its limit."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return ()
    if isinstance(value, bytes):  # written without a type: by the sign of the pixels
        value = int.from_bytes(value, "little", signed=values.dtype.kind == "i")
    end = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if end is None or isinstance(end, bytes) else end)))
    stored = np.unique(values[(values >= low) & (values <= high)])
    return tuple(float(one) for one in np.asarray(measure(stored, dataset)).ravel())
