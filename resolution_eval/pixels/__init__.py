"""Pixels: from the bytes of an image file to grey or colour of any depth, and from there to RGB.

| module | noun |
| --- | --- |
| `formats` | the format of a file, by its first bytes and by our own name |
| `raster` | pixels of any depth with what their file says of them |
| `exif` | the orientation that a file tells |
| `display_choices` | what a user may choose |
| `rules` | the rules by which a raster becomes 8-bit RGB |
| `tiff`, `jpeg`, `png`, `modern`, `plain` | readers of formats |
| `dicom`, `nifti` | readers of scans |
| `slide` | a whole slide at a size of its pixels in µm |
| `reader` | which of them reads a file |
"""

from resolution_eval.pixels.formats import Format, format_of
from resolution_eval.pixels.raster import Raster
from resolution_eval.pixels.reader import read

__all__ = ["Format", "Raster", "format_of", "read"]
