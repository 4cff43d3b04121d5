"""Reader: the raster of a file, by the reader of its format."""

from __future__ import annotations

import re
from collections.abc import Callable

from PIL import Image, UnidentifiedImageError

from resolution_eval.ground.errors import ImageError, ResolutionEvalError
from resolution_eval.pixels import formats
from resolution_eval.pixels.dicom import read_dicom
from resolution_eval.pixels.display_choices import Options
from resolution_eval.pixels.formats import Format, format_of
from resolution_eval.pixels.jpeg import read_jpeg
from resolution_eval.pixels.modern import read_jpeg2000, read_modern
from resolution_eval.pixels.nifti import read_nifti
from resolution_eval.pixels.plain import read_netpbm, read_plain
from resolution_eval.pixels.png import read_png
from resolution_eval.pixels.raster import Raster
from resolution_eval.pixels.slide import read_slide, refuse_no_slide
from resolution_eval.pixels.tiff import read_tiff


def _tiff(data: bytes, limit: int, options: Options) -> Raster:
    if options.microns is None and options.region is None:
        return read_tiff(data, limit)
    return read_slide(data, limit, options)


READERS: dict[Format, Callable[[bytes, int, Options], Raster]] = {
    formats.PNG: lambda data, limit, _: read_png(data, limit),
    formats.JPEG: lambda data, limit, _: read_jpeg(data, limit),
    formats.TIFF: _tiff,
    formats.BMP: lambda data, limit, _: read_plain(data, "BMP", limit),
    formats.GIF: lambda data, limit, _: read_plain(data, "GIF", limit),
    formats.WEBP: lambda data, limit, _: read_plain(data, "WEBP", limit),
    formats.NETPBM: lambda data, limit, _: read_netpbm(data, limit),
    formats.JPEG2000: lambda data, limit, _: read_jpeg2000(data, limit),
    formats.JPEGXL: lambda data, limit, _: read_modern(data, formats.JPEGXL, limit),
    formats.JPEGLS: lambda data, limit, _: read_modern(data, formats.JPEGLS, limit),
    formats.DICOM: read_dicom,
    formats.NIFTI: read_nifti,
}
_ADDRESS = re.compile(r"<[^<>]*0x[0-9a-fA-F]+[^<>]*>|0x[0-9a-fA-F]{6,}")


def read(data: bytes, limit: int, options: Options) -> Raster:
    """The raster of the image file `data` of at most `limit` pixels, shown as `options` say.

    Raises:
        ImageError: it is no image that is read (its format is named, with the remedy), is damaged
            or cut short, or has too many pixels.
    """
    format = format_of(data)
    size = options.file_size(data)
    if format not in READERS:
        known = "its format is unknown" if format is formats.UNKNOWN else f"it is {format.name}"
        raise ImageError(
            f"the image file of {size} bytes cannot be decoded: {known}, which is not read; "
            f"{format.remedy}"
        )
    refuse_no_slide(format, options)
    try:
        return READERS[format](data, limit, options)
    except ResolutionEvalError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(f"the image is too large: {error}") from error
    except Exception as error:  # libraries raise a dozen types on broken files; each is named here
        raise ImageError(_told(error, format, size)) from error


def _told(error: Exception, format: Format, size: int) -> str:
    """A library's complaint in words that are the same in every run."""
    said = _ADDRESS.sub("", str(error)).strip()
    if format is formats.DICOM:  # its text may hold a patient's name
        said = ""
    if isinstance(error, UnidentifiedImageError):
        said = "its header is damaged"
    told = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return (
        f"the {format.name} file of {size} bytes cannot be decoded, it is damaged or of a kind "
        f"that is not read: {told}"
    )
