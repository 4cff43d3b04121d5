"""NIfTI: one slice of a volume by a stated rule, through nibabel (extra `nifti`).

The slice is cut along the patient's axes, whatever the order in which the file stores them: the
nearest axes of right, anterior and superior count (canonical RAS). It is shown as radiologists hang
it: the patient's right on the viewer's left; anterior, or superior, up.
"""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from resolution_eval.ground.errors import ImageError
from resolution_eval.pixels.display_choices import FIRST, FULL, Cut, Options, numbers, place_among
from resolution_eval.pixels.formats import inflated_head
from resolution_eval.pixels.raster import Raster, Values

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

LARGEST_VOLUME = 2 * 2**30
"""Most bytes of a file that is unpacked, by its own header: 2 GiB."""
_EXTENSIONS = 64 * 2**20
"""Most bytes between header and voxels."""
_CHUNK = 2**20
"""Bytes that are unpacked at once: memory is what a file holds, not what its header claims."""
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Names of slices, to the axis of the patient that they stand across: right, anterior, superior."""


def read_nifti(data: bytes, limit: int, options: Options) -> Raster:
    """The slice of the NIfTI file `data`, plain or gzipped, that `options` choose.

    Raises:
        ImageError: nibabel is not installed; the file is damaged, cut short, only a header, or
            unpacks to more than its header says; its voxels are no grey or RGB; it has several
            volumes and none was chosen; there is no such slice; or it has more pixels than `limit`.
    """
    try:
        import nibabel
    except ImportError as error:
        raise ImageError(
            "the image file is NIfTI; install resolution-eval[nifti] to read it"
        ) from error
    head = inflated_head(data)
    if b"ni1\0" in head[344:348] or b"ni2\0" in head[4:8]:
        raise ImageError(
            "it is the header of a pair (.hdr, .img) without its voxels; save it as one .nii file"
        )
    kind = nibabel.Nifti2Image if head[4:7] == b"n+2" else nibabel.Nifti1Image
    try:
        header = kind.header_class(head[: kind.header_class.template_dtype.itemsize], check=True)
        needed = _bytes(header)
    except ImageError:
        raise
    except Exception as error:  # nibabel raises a dozen types
        raise ImageError(
            f"the header of the NIfTI file is damaged ({type(error).__name__})"
        ) from error
    image = kind.from_bytes(_whole(data, needed))
    return _raster(image, limit, options)


def _bytes(header: Any) -> int:
    """Bytes of the file that the header tells of, voxels included; refused where no file has so
    many or so few.
    """
    shape = tuple(int(side) for side in header.get_data_shape())
    offset = int(header["vox_offset"])
    if not 3 <= len(shape) <= 4 or min(shape) < 1:
        told = "x".join(map(str, shape)) or "nothing"
        raise ImageError(f"the NIfTI file holds {told}; one volume, or several, are read")
    if not 0 <= offset <= _EXTENSIONS:
        raise ImageError(f"the NIfTI file's voxels begin at byte {offset}: it is damaged")
    needed = offset + prod(shape) * int(header.get_data_dtype().itemsize)
    if needed > LARGEST_VOLUME:
        raise ImageError(
            f"the NIfTI file would be {needed:,} bytes, limit {LARGEST_VOLUME:,}; save the volume "
            "or the slices that are asked about by themselves"
        )
    return needed


def _whole(data: bytes, needed: int) -> bytes:
    """The file, unpacked: no fewer bytes than its header says, and, of a gzipped one, no more."""
    plain = _unpacked(data, needed + 1) if data.startswith(b"\x1f\x8b") else data
    if len(plain) < needed:
        raise ImageError(f"the NIfTI file is cut short: {len(plain)} bytes of {needed}")
    if plain is not data and len(plain) > needed:
        raise ImageError(f"the NIfTI file unpacks to more than the {needed} bytes of its header")
    return plain


def _unpacked(data: bytes, most: int) -> bytes:
    """The first `most` bytes that the gzip file `data`, of one member or several, holds; refused
    where it is cut short before them or its end.
    """
    plain = BytesIO()
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            while chunk := file.read(min(_CHUNK, most - plain.tell())):
                plain.write(chunk)
    except EOFError as error:
        raise ImageError("the NIfTI file's compression is cut short") from error
    except (OSError, zlib.error) as error:
        raise ImageError("the NIfTI file's compression is damaged") from error
    return plain.getvalue()


def _raster(image: Nifti1Image, limit: int, options: Options) -> Raster:
    cut = options.slice
    shape, axes, notes = _axes(image)
    volume = _volume(image.shape, cut)
    count = shape[AXES[cut.axis]]
    refusal = f"{cut.axis} slice {cut.place} is asked for, and there are"
    place = place_among(count, cut.place, refusal)
    across, down = (axis for axis in range(3) if axis != AXES[cut.axis])
    if shape[across] * shape[down] > limit:
        raise ImageError(
            f"the image is too large: a slice of {shape[across]}x{shape[down]} pixels, "
            f"limit {limit}"
        )
    values = _shown(image, axes, cut, place, volume)
    notes.insert(0, f"{cut.axis} slice {place + 1} of {count}")
    if len(image.shape) == 4 and image.shape[3] > 1:
        notes.append(f"volume {(volume or 0) + 1} of {image.shape[3]}")
    sides = [float(image.header.get_zooms()[axes[axis][0]]) for axis in (across, down)]
    if not np.isclose(sides[0], sides[1], rtol=0.01):
        notes.append(f"voxels of {sides[0]:.3g}x{sides[1]:.3g} mm, shown as squares")
    return _ranged(image, values, tuple(notes), options)


def _axes(image: Nifti1Image) -> tuple[tuple[int, ...], list[tuple[int, bool]], list[str]]:
    """Sizes along right, anterior, superior; of each the stored axis, and whether it is reversed;
    and what is to be noted.
    """
    from nibabel.affines import obliquity
    from nibabel.orientations import io_orientation

    orientation = io_orientation(image.affine)
    if np.isnan(orientation).any():
        raise ImageError("the NIfTI file's orientation is none: an axis of it has no length")
    stored = {int(axis): (place, bool(flip < 0)) for place, (axis, flip) in enumerate(orientation)}
    axes = [stored[axis] for axis in range(3)]
    header = image.header
    notes = []
    if not int(header["qform_code"]) and not int(header["sform_code"]):
        notes.append("the file tells no orientation: taken as left, anterior, superior")
    elif (angle := float(np.degrees(obliquity(image.affine).max()))) > 1:
        notes.append(f"oblique by {angle:.0f} degrees: cut along the stored axes")
    return tuple(image.shape[place] for place, _ in axes), axes, notes


def _volume(shape: tuple[int, ...], cut: Cut) -> int | None:
    """Number of the volume from 0; none where the file has one without a fourth axis."""
    count = shape[3] if len(shape) == 4 else 1
    if cut.volume is None and count > 1:
        raise ImageError(
            f"the NIfTI file has {count} volumes; choose one: --slice {cut.axis}:{cut.place}:1"
        )
    if (cut.volume or 1) > count:
        raise ImageError(f"volume {cut.volume} is asked for, and the file has {count}")
    return None if len(shape) == 3 else (cut.volume or 1) - 1


def _shown(
    image: Nifti1Image, axes: list[tuple[int, bool]], cut: Cut, place: int, volume: int | None
) -> Values:
    """The slice, upright: rows from above, or the front, columns from the patient's right."""
    from nibabel.orientations import apply_orientation, io_orientation

    stored, reverse = axes[AXES[cut.axis]]
    at = image.shape[stored] - 1 - place if reverse else place
    index: list[Any] = [slice(None)] * 3
    index[stored] = slice(at, at + 1)
    if volume is not None:
        index.append(volume)
    try:
        values = np.asarray(image.dataobj[tuple(index)])
    except Exception as error:  # as above
        raise ImageError(f"the NIfTI file's voxels are damaged ({type(error).__name__})") from error
    canonical = apply_orientation(values, io_orientation(image.affine)).take(0, AXES[cut.axis])
    return np.ascontiguousarray(canonical[::-1, ::-1].T)


def _ranged(image: Nifti1Image, values: Values, notes: tuple[str, ...], options: Options) -> Raster:
    if values.dtype.fields is not None:
        names = tuple(values.dtype.fields)
        if names != ("R", "G", "B"):
            raise ImageError(
                f"the NIfTI file's voxels are {', '.join(names)}; grey or RGB are read"
            )
        colour = np.dstack([values[name] for name in names])
        return Raster(values=colour, bits=8, notes=(*notes, "RGB"))
    if values.dtype.kind not in "iuf":
        raise ImageError(f"the NIfTI file's voxels are {values.dtype}; grey or RGB are read")
    bits = int(image.get_data_dtype().itemsize) * 8
    grey = values.astype(np.float64)
    header = image.header
    low, high = float(header["cal_min"]), float(header["cal_max"])
    window: tuple[float, float] | None = None
    if options.window not in (FIRST, FULL):
        centre, width = numbers(options.window)
        window = (centre - width / 2, centre + width / 2)
    elif options.window == FIRST and np.isfinite([low, high]).all() and low < high:
        window, notes = (low, high), (*notes, "display range of the file")
    return Raster(values=grey, bits=bits, window=window, notes=notes)
