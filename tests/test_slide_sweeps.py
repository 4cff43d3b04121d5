"""Sweeps of whole slides and their regions in µm per pixel, of files in a scanner's form."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openslide", reason="the extra `wsi` is not installed")
sys.path.insert(0, str(Path(__file__).parent / "pixels"))
import openslide
from PIL import Image
from pydantic import ValidationError
from test_slide import FINEST, aperio, plain

from resolution_eval.data.cards import parse_task_card
from resolution_eval.data.own_folder import folder_card
from resolution_eval.data.sources import folder_contents
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.slide_views import locator_at
from resolution_eval.ground.errors import DataError, ImageError, UsageError
from resolution_eval.ground.files import file_digest
from resolution_eval.host.task_metrics import area
from resolution_eval.images import decode
from resolution_eval.pixels import slide
from resolution_eval.pixels.display_choices import EncodedImage, Options
from resolution_eval.records import read_record
from resolution_eval.resolution import (
    MicronsPerPixel,
    TrainingResolution,
    ascending,
    label,
    parse_pixels,
    parse_resolution,
)

MICRONS = tuple(map(MicronsPerPixel, (2, 1, 0.5)))


@pytest.mark.parametrize(
    "text",
    (
        *("0.5um", "0.5µm", "0.5\u03bcm", ".5UM", " 0.50 Um ", "0.5mpp", "0.5 MPP", "0.5um/px"),
        *("0.5 µm per pixel", "0.5 micron / pixel", "0.5\u00a0µm"),
    ),
)
def test_every_spelling_of_half_a_micron_is_one_resolution(text):
    assert parse_resolution(text) == MicronsPerPixel(0.5)
    assert label(parse_resolution(text)) == "0.5um"


@pytest.mark.parametrize(
    "text", ["0um", "-1um", "0.5mm", "0.5nm", "um", "1e9um", "0,5um", "nanum", "0.12345678um"]
)
def test_what_is_no_number_of_microns_is_refused_by_name(text):
    with pytest.raises(UsageError, match="no resolution"):
        parse_resolution(text)


def test_where_only_pixels_count_microns_are_refused_with_the_way():
    with pytest.raises(UsageError, match="are for whole slides: resolution-eval run"):
        parse_pixels("0.5um")


def test_the_finer_the_pixel_the_higher_the_resolution():
    assert sorted({*MICRONS}, key=ascending) == list(MICRONS)
    assert TrainingResolution("native").reference(MICRONS) == MicronsPerPixel(0.5)
    assert TrainingResolution.parse("fixed:64").reference(MICRONS) is None


def folder(root: Path, table: str = "", **slides: bytes) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, data in slides.items():
        (root / f"{name}.svs").write_bytes(data)
    (root / "labels.csv").write_text(table or "file,label\na.svs,benign\nb.svs,malignant\n")
    return root


def opened(root: Path, *microns: float) -> LocalSource:
    asked = {"resolutions": tuple(map(MicronsPerPixel, microns))} if microns else None
    return LocalSource(root, folder_card(root, asked))


REGIONS = """file,label,region
a.svs,benign,"96,64,160,80"
a.svs,malignant,"0,0,480,320"
b.svs,malignant,"96,64,160,80"
"""


@pytest.mark.parametrize(("microns", "step"), [(0.25, 1), (0.5, 2), (1, 4)])
def test_a_region_is_what_the_slide_holds_there_at_the_microns_asked_for(tmp_path, microns, step):
    source = opened(folder(tmp_path, REGIONS, a=aperio(), b=aperio(finest=FINEST[::-1])), microns)
    (sample,) = (one for one in source.samples() if one.id == "a.svs[96,64,160,80]")
    found = decode(source.read(locator_at(sample.image, MicronsPerPixel(microns))))
    assert np.array_equal(np.asarray(found.image), FINEST[64:144, 96:256][::step, ::step])
    assert found.microns == (microns, microns)
    assert any("region 96,64,160,80 of the slide" in note for note in found.notes)


def test_microns_are_those_that_whole_pixels_really_are(tmp_path):
    source = opened(folder(tmp_path, REGIONS, a=aperio(), b=aperio(finest=FINEST[::-1])), 0.7)
    locator = locator_at("a.svs[96,64,160,80]", MicronsPerPixel(0.7))
    found = decode(source.read(locator))
    assert found.image.size == (57, 29)
    assert found.microns == pytest.approx((160 * 0.25 / 57, 80 * 0.25 / 29))


def test_regions_of_one_slide_and_of_its_copies_are_one_cluster(tmp_path):
    source = opened(folder(tmp_path, REGIONS, a=aperio(), b=aperio(finest=FINEST[::-1])), 1)
    assert {one.id: one.cluster for one in source.samples()} == {
        "a.svs[96,64,160,80]": "a.svs",
        "a.svs[0,0,480,320]": "a.svs",
        "b.svs[96,64,160,80]": "b.svs",
    }
    table = 'file,label,region\na.svs,x,"0,0,9,9"\nb.svs,y,"9,0,9,9"\n'
    copies = opened(folder(tmp_path / "copies", table, a=aperio(), b=aperio()), 1)
    assert {one.cluster for one in copies.samples()} == {"a.svs"}


def test_one_region_of_two_copies_under_two_labels_is_a_contradiction(tmp_path):
    root = folder(tmp_path, REGIONS, a=aperio(), b=aperio())
    with pytest.raises(DataError, match="byte for byte, has several labels"):
        folder_card(root, {"resolutions": MICRONS})


def test_without_microns_a_region_is_the_finest_level(tmp_path):
    source = opened(folder(tmp_path, REGIONS, a=plain(), b=aperio(finest=FINEST[::-1])))
    found = decode(source.read("a.svs[96,64,160,80]"))
    assert np.array_equal(np.asarray(found.image), FINEST[64:144, 96:256])
    assert found.microns is None


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("400,0,81,10", "leads out of the slide of 480x320 pixels"),
        ("0,320,1,1", "leads out of the slide"),
    ],
)
def test_a_region_out_of_its_slide_fails_by_name(tmp_path, region, told):
    table = f'file,label,region\na.svs,x,"{region}"\na.svs,y,"0,0,9,9"\n'
    source = opened(folder(tmp_path, table, a=aperio()), 1)
    with pytest.raises(ImageError, match=told):
        decode(source.read(locator_at(f"a.svs[{region}]", MicronsPerPixel(1))))


@pytest.mark.parametrize("region", ["1,2,3", "a,b,c,d", "-1,0,9,9", "0,0,0,9", "0,0,1.5,9"])
def test_a_region_that_is_none_is_named_with_its_line(tmp_path, region):
    table = f'file,label,region\na.svs,x,"0,0,9,9"\na.svs,y,"{region}"\n'
    with pytest.raises(DataError, match=f"line 3: region '{region}'"):
        opened(folder(tmp_path, table, a=aperio()), 1)


def test_a_region_of_a_file_that_is_no_slide_fails_by_name(tmp_path):
    table = 'file,label,region\nc.png,x,"0,0,9,9"\na.svs,y,"0,0,9,9"\n'
    Image.fromarray(FINEST).save(tmp_path / "c.png")
    source = opened(folder(tmp_path, table, a=aperio()))
    with pytest.raises(ImageError, match="it is PNG, and a region is of a whole slide"):
        decode(source.read("c.png[0,0,9,9]"))


def test_targets_and_microns_are_not_mixed(tmp_path):
    table = 'file,label,target\na.svs,x,"0,0,9,9"\nb.svs,y,\n'
    root = folder(tmp_path, table, a=aperio(), b=aperio(finest=FINEST[::-1]))
    with pytest.raises(UsageError, match="target and mask are in pixels of the stored image"):
        folder_card(root, {"resolutions": MICRONS})
    with pytest.raises(UsageError, match="target and mask"):
        folder_card(root, {"microns": 1.0})


@pytest.mark.parametrize(
    ("slide", "asked", "told"),
    [
        (plain(), 1, "does not say how many µm a pixel is"),
        (aperio(), 0.1, "has 0.25 µm per pixel, and 0.1 were asked for: there is nothing finer"),
        (b"\x89PNG\r\n\x1a\n", 1, "it is PNG, which does not say how many µm"),
    ],
    ids=["no size", "finer", "no slide"],
)
def test_a_folder_that_cannot_be_read_in_microns_is_refused_before_the_run(
    tmp_path, slide, asked, told
):
    root = folder(tmp_path, a=slide, b=slide + b"\0")
    with pytest.raises(DataError, match=f"(?s)for whole slides.*{told}.*in pixels"):
        folder_card(root, {"resolutions": (MicronsPerPixel(asked),)})


def slide_of_dicom() -> bytes:
    """Four tiles of VL whole slide microscopy at 0.25 µm per pixel, which OpenSlide opens."""
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    from pydicom.encaps import encapsulate

    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    found = pydicom.Dataset()
    found.file_meta = meta
    found.SOPClassUID = meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    found.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    found.StudyInstanceUID, found.SeriesInstanceUID, found.Modality = "1.2", "1.2.3", "SM"
    found.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    found.Rows = found.Columns = 256
    found.TotalPixelMatrixRows = found.TotalPixelMatrixColumns = 512
    found.NumberOfFrames, found.NumberOfOpticalPaths, found.TotalPixelMatrixFocalPlanes = 4, 1, 1
    found.SamplesPerPixel, found.PhotometricInterpretation = 3, "YBR_FULL_422"
    found.BitsAllocated, found.BitsStored, found.HighBit = 8, 8, 7
    found.PixelRepresentation = found.PlanarConfiguration = 0
    found.DimensionOrganizationType = "TILED_FULL"
    found.ImagedVolumeWidth = found.ImagedVolumeHeight = 0.128
    found.ImagedVolumeDepth = 1.0
    measures, shared = pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.00025, 0.00025], 1
    shared.PixelMeasuresSequence = [measures]
    found.SharedFunctionalGroupsSequence = [shared]
    found.OpticalPathSequence = [pydicom.Dataset()]
    tile = BytesIO()
    Image.fromarray(FINEST[:256, :256]).save(tile, "JPEG", subsampling=1)
    found.PixelData = encapsulate([tile.getvalue()] * 4)
    found["PixelData"].is_undefined_length = True
    data = BytesIO()
    found.save_as(data, enforce_file_format=True)
    return data.getvalue()


def test_a_slide_that_the_reader_refuses_is_refused_before_the_run(tmp_path):
    table = "file,label\na.dcm,x\nb.dcm,y\n"
    root = folder(tmp_path, table)
    for name in ("a.dcm", "b.dcm"):
        (root / name).write_bytes(slide_of_dicom() + b"\0" * (name == "b.dcm"))
    with openslide.OpenSlide(root / "a.dcm") as opens:
        assert opens.properties["openslide.mpp-x"] == "0.25"
    with pytest.raises(DataError, match=r"[ab]\.dcm: it is DICOM, which does not say how many µm"):
        folder_card(root, {"resolutions": MICRONS})
    encoded = EncodedImage.of((root / "a.dcm").read_bytes(), Options(microns=1.0))
    with pytest.raises(ImageError, match="it is DICOM, which does not say how many µm"):
        decode(encoded)


def test_a_slide_as_fine_as_asked_but_for_rounding_is_read_by_probe_and_reader(tmp_path):
    root = folder(tmp_path, a=aperio(0.5004), b=aperio(0.5004, FINEST[::-1]))
    source = opened(root, 0.5)
    assert decode(source.read("a.svs@0.5um")).image.size == (480, 320)
    root = folder(tmp_path / "coarser", a=aperio(0.5006), b=aperio(0.5006, FINEST[::-1]))
    with pytest.raises(DataError, match=r"has 0\.5006 µm per pixel, and 0\.5 were asked for"):
        folder_card(root, {"resolutions": (MicronsPerPixel(0.5),)})


def test_a_file_that_is_read_in_place_is_told_by_its_own_size(tmp_path):
    table = 'file,label,region\na.svs,x,"0,0,9,9"\nb.svs,y,"0,0,9,9"\nc.svs,y,"0,0,9,9"\n'
    root = folder(tmp_path, table, a=b"no image" * 1000, b=aperio(), c=aperio()[:9000])
    source = opened(root)
    with pytest.raises(ImageError, match="the image file of 8000 bytes cannot be decoded"):
        decode(source.read("a.svs[0,0,9,9]"))
    with pytest.raises(ImageError, match="the TIFF file of 9000 bytes is no slide"):
        decode(source.read("c.svs[0,0,9,9]"))
    data = source.read("b.svs[0,0,9,9]")
    (root / "b.svs").unlink()
    with pytest.raises(ImageError, match="is no longer there"):
        decode(data)


def test_a_file_that_is_read_in_place_is_not_copied(tmp_path, monkeypatch):
    source = opened(folder(tmp_path, REGIONS, a=aperio(), b=aperio(finest=FINEST[::-1])), 1)
    monkeypatch.setattr(slide, "NamedTemporaryFile", None)
    assert decode(source.read("a.svs[0,0,480,320]@1um")).image.size == (120, 80)


def test_a_slide_that_changes_while_it_is_read_fails(tmp_path):
    root = folder(tmp_path, a=aperio(), b=aperio(finest=FINEST[::-1]))
    source = opened(root, 1)
    assert source.fingerprint
    (root / "a.svs").write_bytes(aperio(0.5))
    with pytest.raises(ImageError, match="changed while the run was under way"):
        source.read("a.svs@1um")


def test_a_slide_that_changes_between_its_digest_and_its_reading_fails(tmp_path):
    root = folder(tmp_path, a=aperio(), b=aperio(finest=FINEST[::-1]))
    assert len({(root / name).stat().st_size for name in ("a.svs", "b.svs")}) == 1
    source = opened(root, 1)  # which compares the two, since they are of one size
    (root / "a.svs").write_bytes(aperio(0.5))
    assert source.fingerprint
    with pytest.raises(ImageError, match="changed while the run was under way"):
        source.read("a.svs@1um")


def test_a_slide_that_changes_between_its_reading_and_its_digest_is_an_error(tmp_path):
    root = folder(tmp_path, a=aperio(), b=aperio(finest=FINEST[:160]))
    source = opened(root, 1)
    source.read("a.svs@1um")
    (root / "a.svs").write_bytes(aperio(0.5))
    with pytest.raises(DataError, match=r"'a.svs' of .* changed while the run was under way"):
        source.fingerprint  # noqa: B018


def test_a_slide_that_comes_or_changes_while_its_digest_is_taken_is_an_error(tmp_path, monkeypatch):
    root = folder(tmp_path, a=aperio(), b=aperio(finest=FINEST[:160]))

    def digest(path: Path) -> str:
        with path.open("ab") as file:
            file.write(b"more")
        return file_digest(path)

    source = opened(root, 1)
    monkeypatch.setattr(folder_contents, "file_digest", digest)
    for _ in range(2):
        with pytest.raises(DataError, match="changed while the run was under way"):
            source.fingerprint  # noqa: B018
    (root / "a.svs").unlink()
    source = opened(root, 1)
    monkeypatch.setattr(folder_contents, "file_digest", file_digest)
    assert source.fingerprint
    (root / "a.svs").write_bytes(aperio())
    with pytest.raises(ImageError, match="changed while the run was under way"):
        source.read("a.svs@1um")


def test_a_slide_alone_in_its_size_is_not_read_whole_before_its_digest_is_asked_for(
    tmp_path, monkeypatch
):
    digested = []
    monkeypatch.setattr(folder_contents, "file_digest", lambda path: digested.append(path) or "x")
    root = folder(tmp_path, REGIONS, a=aperio(), b=aperio(finest=FINEST[:160]))
    source = opened(root, 1)
    assert not digested
    assert source.fingerprint
    assert {path.name for path in digested} == {"a.svs", "b.svs"} and len(digested) == 2


@pytest.mark.parametrize(
    ("table", "name", "told"),
    [
        ("file,label\na.svs,x\na.svs@1um,y\n", "a.svs@1um", "what 'a.svs' at 1um per pixel"),
        (
            'file,label,region,qid\na.svs,x,"0,0,9,9",1\n"a.svs[0,0,9,9]",y,,2\n',
            "a.svs[0,0,9,9]",
            "line 3: .* a region of another",
        ),
    ],
    ids=["microns", "region"],
)
def test_a_file_that_is_called_as_a_view_of_another_is_refused(tmp_path, table, name, told):
    root = folder(tmp_path, table, a=aperio())
    (root / name).write_bytes(aperio(finest=FINEST[::-1]))
    with pytest.raises(DataError, match=told):
        opened(root, 2, 1)


def test_such_a_name_is_any_name_where_nothing_else_is_called_so(tmp_path):
    root = folder(tmp_path, "file,label\na.svs@1um,x\nb.svs,y\n", b=aperio())
    (root / "a.svs@1um").write_bytes(aperio(finest=FINEST[::-1]))
    source = opened(root, 1)
    found = decode(source.read(locator_at("a.svs@1um", MicronsPerPixel(1))))
    assert np.array_equal(np.asarray(found.image), FINEST[::-1][::4, ::4])


def test_who_saw_a_region_of_a_slide_in_training_has_seen_the_slide(tmp_path):
    table = 'file,label,split,region\na.svs,x,train,"0,0,99,99"\na.svs,x,test,"200,200,99,99"\n'
    table += 'a.svs,y,test,"300,200,99,99"\nb.svs,y,test,"0,0,99,99"\n'
    one = opened(folder(tmp_path / "one", table, a=aperio(), b=aperio(finest=FINEST[::-1])), 1)
    assert any(
        note.startswith("1 of 2 test files are in train too, with 2 of the test samples")
        for note in one.notes
    )
    table = 'file,label,split,region\na.svs,x,train,"0,0,99,99"\nb.svs,y,test,"200,200,99,99"\n'
    table += 'b.svs,x,test,"0,0,80,80"\n'
    copies = opened(folder(tmp_path / "copies", table, a=aperio(), b=aperio()), 1)
    assert any(
        note.startswith("1 of 1 test files are copies, byte for byte, of train files")
        for note in copies.notes
    )


def test_a_card_has_one_axis_and_reads_back_what_it_writes(tmp_path):
    root = folder(tmp_path, a=aperio(), b=aperio(finest=FINEST[::-1]))
    card = folder_card(root, {"resolutions": MICRONS})
    assert parse_task_card(card.model_dump_json()) == card
    assert json.loads(card.model_dump_json())["resolutions"] == ["2um", "1um", "0.5um"]
    for wrong in ((*MICRONS, 28), (*MICRONS, "native")):
        with pytest.raises((ValidationError, ValueError), match=r"one axis|ascend"):
            folder_card(root, {"resolutions": wrong})
    with pytest.raises(ValueError, match="give one of them"):
        folder_card(root, {"resolutions": MICRONS, "microns": 1.0})


def typed(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "resolution_eval", "run", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_regions_are_swept_in_microns_by_one_command_to_the_report(tmp_path):
    table = ["file,label,region"]
    for place in range(4):
        table.append(f'a.svs,benign,"{place * 96},0,96,128"')
        table.append(f'b.svs,malignant,"{place * 96},64,96,64"')
    table.append('b.svs,benign,"400,300,96,96"')
    folder(tmp_path / "mine", "\n".join(table), a=aperio(), b=aperio(finest=FINEST[::-1]))
    ran = typed(
        *("--tasks", "folder_res", "--data", "mine", "--model", "resflamingo"),
        *("--resolutions", "0.5um, 1µm,2UM", "--log_samples", "--output_path", "out"),
        folder=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    (path,) = (tmp_path / "out").rglob("*_samples_folder_res.jsonl")
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 9 * 3
    failed = [row for row in rows if row["verdict"]["failure"]]
    assert {row["verdict"]["sample"] for row in failed} == {"b.svs[400,300,96,96]"}
    assert "leads out of the slide" in failed[0]["verdict"]["failure"]["message"]
    for row in rows:
        told = row["attestation"]
        if row not in failed:
            asked = float(told["requested"].removesuffix("um"))
            assert told["status"] == "attested"
            assert told["microns"] == [asked, asked]
            assert told["source"] == told["information"] == [96 * 0.25 / asked, told["source"][1]]
            assert told["grid"] == told["expected_grid"]
    assert all(f"acc@{size}" in ran.stdout for size in ("2um", "1um", "0.5um")), ran.stdout[-3000:]
    made = subprocess.run(
        [sys.executable, "-m", "resolution_eval", "report", "out", "--output", "page"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    page = (tmp_path / "page" / "index.html").read_text()
    assert all(size in page for size in ("2um", "1um", "0.5um"))
    records = subprocess.run(
        [sys.executable, "-m", "resolution_eval", "record", "out", "--output", "records"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert records.returncode == 0, records.stderr[-3000:]
    (file,) = (tmp_path / "records").rglob("*.json")
    record = read_record(file)
    assert [cell.resolution for cell in record.cells] == ["2um", "1um", "0.5um"]
    for row in record.answers.rows():
        if row["correct"] is not None:
            assert row["resolution"] == f"{row['microns_across']:g}um"
            assert row["source_width"] * row["microns_across"] == 96 * 0.25
            assert row["grid_width"] == row["expected_width"]


def test_the_mean_over_microns_is_that_over_the_pixels_they_make():
    def item(resolution: str, correct: int) -> dict[str, Any]:
        return {"sample": "a", "resolution": resolution, "status": "attested", "correct": correct}

    microns = [item("4um", 0), item("2um", 1), item("0.5um", 1)]
    pixels = [item("28", 0), item("56", 1), item("224", 1)]
    assert area(microns) == pytest.approx(area(pixels))
    assert area(microns) == pytest.approx(2.5 / 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tasks", "phantom_res"), "need whole slides, and the images of phantom_res"),
        (("--tasks", "folder_res", "--data", "plain"), "does not say how many µm a pixel is"),
    ],
)
def test_microns_without_slides_are_refused_with_the_remedy(tmp_path, words, told):
    folder(tmp_path / "plain", a=plain(), b=plain() + b"\0")
    ran = typed(*words, "--model", "resflamingo", "--resolutions", "1um,2um", folder=tmp_path)
    assert ran.returncode != 0
    assert told in ran.stderr + ran.stdout and "Traceback" not in ran.stderr
    assert "in pixels" in ran.stderr or "give pixels" in ran.stderr
