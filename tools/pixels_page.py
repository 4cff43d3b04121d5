"""docs/pixels.md, how every pixel becomes RGB, from rules and formats.

python -m tools.pixels_page
"""

from __future__ import annotations

from resolution_eval.pixels.formats import READ, REFUSED
from resolution_eval.pixels.rules import RULES
from tools import DOCS

PAGE = DOCS / "pixels.md"
_TAGS = (
    (
        "TIFF",
        "photometric interpretation, subfile type, planar configuration, sample format, extra "
        "samples, fill and byte order decide before any decoding; of several pages the first that "
        "is no reduced copy and no mask; GDAL's value of no data is padding",
    ),
    (
        "whole slide in TIFF (extra `wsi`)",
        "only with --resolutions in µm per pixel, --microns UM (one size for all), or a column "
        "region: the coarsest level that is no coarser is read and averaged down (box); level, "
        "size, region and the µm that a pixel is stand in the attestation. A file that does not "
        "say how many µm its pixels are, or has none so fine, or a region that leads out of it, "
        "fails by name",
    ),
    (
        "PNG",
        "only the chunks that pixels need are decoded, each with its checksum: no profile or text "
        "can fail a picture; 16 bits a channel are kept; of an animation the first picture",
    ),
    (
        "JPEG",
        "metadata is left out; every scan is decoded strictly: what is cut, damaged, left over or "
        "never sent fails the picture by name; 12 bits are kept. Damage of a few bytes that leaves "
        "as many blocks as there were cannot be seen by any decoder: compare checksums",
    ),
    ("BMP", "an opacity of 0 everywhere means none"),
    ("Netpbm", "values above 255 are held against the largest value that the file names"),
    ("JPEG 2000, JPEG XL, JPEG-LS", "at their own depth"),
    (
        "DICOM (extra `dicom`)",
        "rescale first, then the file's VOI LUT or first window, of an enhanced file those of the "
        "frame's own functional group, or --window 'full range' or "
        "CENTRE/WIDTH (from CENTRE - WIDTH/2 to CENTRE + WIDTH/2 - 1); MONOCHROME1 and an inverse "
        "presentation are inverted; overlays are left out; of several frames the first, or "
        "--frame; pixel padding is left out of the range. The window stands in the attestation; "
        "nothing that names a patient is read",
    ),
    (
        "NIfTI, .nii and .nii.gz (extra `nifti`)",
        "one slice: --slice AXIS:SLICE, by default axial:middle (number n // 2 + 1), along the "
        "patient's axes whatever the stored order (canonical RAS), shown with the patient's right "
        "on the left, anterior or superior up, anterior on the left of a sagittal one; slope and "
        "intercept first, then the file's display range (cal_min, cal_max), else the slice's own "
        "lowest to highest value, or --window 'full range' (the latter always) or CENTRE/WIDTH "
        "(CENTRE ± WIDTH/2); of several volumes the one that --slice "
        "AXIS:SLICE:VOLUME names, else it fails. A gzipped file is unpacked no further than its "
        "header says, to 2 GiB at most; slice, volume and range stand in the attestation",
    ),
)


def page() -> str:
    """The page in Markdown."""
    rules = "".join(f"| {what} | {done} | {_code(note)} |\n" for what, done, note in RULES)
    formats = "".join(f"| {name} | {how} |\n" for name, how in _TAGS)
    refused = "".join(f"| {name} | {remedy} |\n" for name, remedy in REFUSED.items())
    return f"""<!-- Made by `python -m tools.pixels_page`; change its rules, not this page. -->

# How every kind of pixel becomes RGB

A model is shown 8-bit RGB. This page says what becomes of every other kind of pixel on the way, and
by which words the attestation of a sample tells it. Nothing is guessed: what a file means is read
from the file, and what cannot be read fails by name.

    resolution-eval run --tasks folder_res --data my_scans --model resflamingo --window 40/400

## Rules

| what a file has | what is done | the note in the attestation |
| --- | --- | --- |
{rules}
## What each format is asked first

Read are {", ".join(READ)}.

| format | how |
| --- | --- |
{formats}
`--max-pixels N` raises the limit of 89,478,485 pixels for a folder of your own.

What no decoder can see: a few changed bytes inside a JPEG scan can decode to as many blocks as were
sent, with other pixels in them: it has no checksum of its pixels. Damage that changes the number of
blocks, or ends a scan, fails; compare checksums of the files where they are published. PNG, with
a checksum of every chunk, fails on any changed byte that its pixels need.

## What is told apart and refused

| what it is | what to do |
| --- | --- |
{refused}"""


def _code(note: str) -> str:
    return f"`{note}`" if note else "–"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
