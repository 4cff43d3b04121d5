"""Targets in a local folder: boxes and masks become details, and faults are named by line."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "pixels"))
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.stored_size import size_on_disk
from resolution_eval.data.sources.targets import detail_of
from resolution_eval.ground.errors import DataError
from resolution_eval.pixels.display_choices import Cut, Options

CARD = task_cards()["chestxray14"]


def header_of_png(width, height):
    """A grey PNG of that size whose pixels are left out: nobody should look for them."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    pixels = struct.pack(">I", 100) + b"IDAT" + bytes(104)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum + pixels


def picture(folder, name="a.png", size=(200, 120)):
    Image.new("RGB", size, (0, 0, ord(name[0]))).save(folder / name)
    return name


def masked(folder, name, *parts, size=(200, 120)):
    marked = np.zeros((size[1], size[0]), dtype=np.uint8)
    for x, y, width, height in parts:
        marked[y : y + height, x : x + width] = 255
    Image.fromarray(marked).save(folder / name)
    return name


class TestBoxes:
    def test_a_box_is_x_y_width_height(self, tmp_path):
        cells = {"file": picture(tmp_path), "target": "20, 30, 41.5,17"}
        detail = detail_of(cells, 2, tmp_path)
        assert (detail.width, detail.height, detail.kind) == (41.5, 17, "box")
        assert detail.chance == 0.5
        assert detail.size == pytest.approx((41.5 * 17) ** 0.5)

    def test_of_several_the_largest_counts(self, tmp_path):
        cells = {"file": picture(tmp_path), "target": "0,0,10,10;50,50,30,20; 5,5,9,9"}
        assert detail_of(cells, 2, tmp_path).width == 30

    def test_an_empty_cell_is_no_finding(self, tmp_path):
        assert detail_of({"file": picture(tmp_path), "target": " "}, 2, tmp_path) is None
        assert detail_of({"file": "a.png"}, 2, tmp_path) is None

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("10,20,30", "four numbers"),
            ("a,b,c,d", "four numbers"),
            ("10,20,0,5", "no extent"),
            ("10,20,-4,5", "no extent"),
            ("10,20,nan,5", "no extent"),
            ("190,20,30,5", "outside its image of 200x120"),
            ("20,110,5,30", "outside its image"),
            ("-3,20,30,5", "outside"),
        ],
    )
    def test_an_impossible_box_is_refused(self, tmp_path, text, said):
        with pytest.raises(DataError, match=said):
            detail_of({"file": picture(tmp_path), "target": text}, 2, tmp_path)

    def test_grades_of_subtlety_are_kinds_of_their_own(self, tmp_path):
        cells = {"file": picture(tmp_path), "target": "1,1,5,5", "subtlety": "3"}
        assert detail_of(cells, 2, tmp_path).kind == "subtlety 3"


class TestMasks:
    def test_the_largest_part_counts(self, tmp_path):
        mask = masked(tmp_path, "m.png", (5, 5, 6, 7), (60, 40, 31, 22))
        detail = detail_of({"file": picture(tmp_path), "mask": mask}, 4, tmp_path)
        assert (detail.width, detail.height, detail.chance) == (31, 22, 0.25)

    def test_parts_that_touch_at_a_corner_are_one(self, tmp_path):
        mask = masked(tmp_path, "m.png", (10, 10, 5, 5), (15, 15, 5, 5))
        assert detail_of({"file": picture(tmp_path), "mask": mask}, 2, tmp_path).width == 10

    def test_a_mask_of_another_size_is_refused(self, tmp_path):
        mask = masked(tmp_path, "m.png", (1, 1, 5, 5), size=(100, 60))
        with pytest.raises(DataError, match="100x60 px and its image 200x120"):
            detail_of({"file": picture(tmp_path), "mask": mask}, 2, tmp_path)

    @pytest.mark.parametrize("size", [(199, 120), (120, 200)])
    def test_an_image_that_pillow_does_not_read_has_a_size_too(self, tmp_path, size):
        pydicom_form = pytest.importorskip("test_dicom")
        values = np.arange(200 * 120).reshape(120, 200).astype(np.uint16)
        (tmp_path / "a.dcm").write_bytes(pydicom_form.dicom(values))
        mask = masked(tmp_path, "m.png", (1, 1, 5, 6), size=(200, 120))
        assert detail_of({"file": "a.dcm", "mask": mask}, 2, tmp_path).height == 6
        mask = masked(tmp_path, "m.png", (1, 1, 5, 6), size=size)
        with pytest.raises(DataError, match=f"{size[0]}x{size[1]} px and its image 200x120"):
            detail_of({"file": "a.dcm", "mask": mask}, 2, tmp_path)
        with pytest.raises(DataError, match="outside its image of 200x120"):
            detail_of({"file": "a.dcm", "target": "190,0,20,5"}, 2, tmp_path)

    def test_a_damaged_header_leaves_the_size_unknown(self, tmp_path):
        """pydicom raises errors of many types; the sample fails by name when it is asked for."""
        data = pytest.importorskip("test_dicom").dicom(np.zeros((20, 20), np.uint16))
        at = data.index(b"\x28\x00\x10\x00") + 4
        (tmp_path / "a.dcm").write_bytes(data[:at] + b"Uo" + data[at + 2 :])
        assert size_on_disk(tmp_path / "a.dcm") is None
        assert detail_of({"file": "a.dcm", "target": "1,0,20,5"}, 2, tmp_path) is not None

    def test_of_a_large_picture_the_header_is_read_alone(self, tmp_path, monkeypatch):
        file = tmp_path / picture(tmp_path)
        monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read whole"))
        assert size_on_disk(file) == (200, 120)

    def test_a_slice_of_a_volume_has_the_size_that_is_shown(self, tmp_path):
        nibabel = pytest.importorskip("nibabel")
        volume = nibabel.Nifti1Image(np.zeros((18, 20, 22), np.int16), np.eye(4))
        (tmp_path / "a.nii").write_bytes(volume.to_bytes())
        cells = {"file": "a.nii", "target": "0,0,18,22"}
        coronal = Options(slice=Cut.parse("coronal:3"))
        assert detail_of(cells, 2, tmp_path, coronal).height == 22
        with pytest.raises(DataError, match="outside its image of 18x20"):
            detail_of(cells, 2, tmp_path)

    def test_what_a_jpeg_makes_of_black_is_no_finding(self, tmp_path):
        image = picture(tmp_path)
        boxes = ((60, 40, 31, 22), (96, 40, 31, 22))
        masked(tmp_path, "m.png", *boxes)
        with Image.open(tmp_path / "m.png") as opened:
            opened.convert("L").save(tmp_path / "m.jpg", quality=40)
        found = detail_of({"file": image, "mask": "m.jpg"}, 2, tmp_path)
        assert abs(found.width - 31) <= 1 and abs(found.height - 22) <= 1

    def test_a_mask_beyond_any_limit_is_an_error_of_its_line(self, tmp_path, monkeypatch):
        image, mask = picture(tmp_path), masked(tmp_path, "m.png", (1, 1, 5, 5))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.raises(DataError, match=r"mask 'm\.png' cannot be read"):
            detail_of({"file": image, "mask": mask}, 2, tmp_path)

    def test_a_black_mask_is_refused(self, tmp_path):
        with pytest.raises(DataError, match="all black"):
            detail_of({"file": picture(tmp_path), "mask": masked(tmp_path, "m.png")}, 2, tmp_path)

    def test_a_mask_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(DataError, match=r"gone\.png"):
            detail_of({"file": picture(tmp_path), "mask": "gone.png"}, 2, tmp_path)

    @pytest.mark.parametrize("mask", ["../m.png", "/etc/passwd", "a\0b"])
    def test_a_mask_outside_the_folder_is_refused(self, tmp_path, mask):
        with pytest.raises(DataError, match="leads out"):
            detail_of({"file": picture(tmp_path), "mask": mask}, 2, tmp_path)

    def test_a_mask_or_an_image_of_gigapixels_is_refused_by_its_header(self, tmp_path):
        bomb = tmp_path / "bomb.png"
        bomb.write_bytes(header_of_png(200_000, 200_000))
        with pytest.raises(DataError, match=r"exceeds limit of 178956970 pixels"):
            detail_of({"file": picture(tmp_path), "mask": "bomb.png"}, 2, tmp_path)
        with pytest.raises(DataError, match="too large: 144,000,000 pixels"):
            bomb.write_bytes(header_of_png(12_000, 12_000))
            detail_of({"file": picture(tmp_path), "mask": "bomb.png"}, 2, tmp_path)
        assert detail_of({"file": "bomb.png", "target": "1,1,5,5"}, 2, tmp_path).width == 5

    def test_a_mask_that_is_a_program_is_not_run(self, tmp_path, monkeypatch):
        """Pillow hands PostScript to Ghostscript, which runs it."""
        (tmp_path / "m.png").write_text(
            "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 120\n%%EndComments\nshowpage\n"
        )
        with Image.open(tmp_path / "m.png") as opened:
            assert opened.format == "EPS"
        monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("was run"))
        with pytest.raises(DataError, match="cannot be read"):
            detail_of({"file": picture(tmp_path), "mask": "m.png"}, 2, tmp_path)

    def test_box_and_mask_together_are_refused(self, tmp_path):
        cells = {"file": picture(tmp_path), "mask": "m.png", "target": "1,1,2,2"}
        with pytest.raises(DataError, match="both"):
            detail_of(cells, 2, tmp_path)


class TestFolder:
    def folder(self, tmp_path, lines):
        for name in ("a.png", "b.png"):
            picture(tmp_path, name)
        (tmp_path / "labels.csv").write_text("file,label,split,patient,target\n" + lines)
        return tmp_path

    def card(self):
        return CARD.model_copy(update={"cluster": "patient"})

    def test_samples_carry_their_findings(self, tmp_path):
        classes = self.card().classes
        lines = f'a.png,{classes[0]},test,p1,\nb.png,{classes[1]},test,p2,"10,20,30,20"\n'
        source = LocalSource(self.folder(tmp_path, lines), self.card())
        found = {sample.id: sample.detail for sample in source.samples("test")}
        assert found["a.png"] is None
        assert found["b.png"].size == pytest.approx(600**0.5)

    def test_the_fingerprint_follows_the_box(self, tmp_path):
        classes = self.card().classes
        prints = []
        for box in ("10,20,30,20", "10,20,31,20"):
            lines = f'a.png,{classes[0]},test,p1,"{box}"\n'
            prints.append(LocalSource(self.folder(tmp_path, lines), self.card()).fingerprint)
        assert prints[0] != prints[1]

    def test_every_line_at_fault_is_named(self, tmp_path):
        classes = self.card().classes
        lines = f'a.png,{classes[0]},test,p1,"1,2"\nb.png,{classes[1]},test,p2,"x"\n'
        with pytest.raises(DataError, match=r"line 2: .*line 3: "):
            LocalSource(self.folder(tmp_path, lines), self.card())
