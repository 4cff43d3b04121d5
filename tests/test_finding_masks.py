"""Masks of CBIS-DDSM in its published form: the size of a finding is that of its mask."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "pixels"))
from test_dicom import dicom
from test_published_benchmarks import put

from resolution_eval import cli
from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import Source, open_source
from resolution_eval.ground.errors import DataError
from resolution_eval.records import make_records

HEAD = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,"
    "mass shape,mass margins,assessment,pathology,subtlety,image file path,"
    "cropped image file path,ROI mask file path\n"
)
SIZE = (1200, 1000)
"""Rows and columns of the mammogram."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "cbis_ddsm"


def row(number: int, pathology: str, crop: str, mask: str, kind: str = "mass") -> str:
    study = "Mass-Test_P_1_LEFT_CC"
    return (
        f"P_1,3,LEFT,CC,{number},{kind},ROUND,CIRCUMSCRIBED,4,{pathology},4,"
        f'{study}/1.2/1.3/000000.dcm,"{study}_{number}/1.4/1.{number}0/{crop}\n",'
        f'"{study}_{number}/1.4/1.{number}0/{mask}\n"\n'
    )


def mask(*boxes: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> np.ndarray:
    """White where the boxes (left, top, width, height) are."""
    values = np.zeros(size, np.uint8)
    for left, top, width, height in boxes:
        values[top : top + height, left : left + width] = 255
    return values


def jpeg(values: np.ndarray) -> bytes:
    data = BytesIO()
    Image.fromarray(values).save(data, "JPEG", quality=90)
    return data.getvalue()


MAMMOGRAM = np.random.default_rng(0).integers(0, 60_000, SIZE).astype(np.uint16)
CROP = np.random.default_rng(1).integers(0, 60_000, (90, 80)).astype(np.uint16)


def of_tcia(root: Path, first: np.ndarray, second: np.ndarray, swapped: bool) -> Source:
    """Two findings on one mammogram as DICOM; of the first, crop and mask share a folder."""
    names = ("000001.dcm", "000000.dcm") if swapped else ("000000.dcm", "000001.dcm")
    table = row(1, "BENIGN", *names) + row(2, "MALIGNANT", "000000.dcm", "000001.dcm", "calc")
    put(root / "mass_case_description_test_set.csv", HEAD + table)
    study = root / "CBIS-DDSM" / "Mass-Test_P_1_LEFT_CC"
    put(study / "1.2" / "1.3" / "000000.dcm", dicom(MAMMOGRAM))
    for number, values in ((1, first), (2, second)):
        series = study.with_name(f"{study.name}_{number}") / "1.4" / f"1.{number}0"
        put(series / "000000.dcm", dicom(CROP))
        put(series / "000001.dcm", dicom(values))
    return open_source(task_cards()["cbis_ddsm"])


@pytest.mark.parametrize("swapped", [False, True], ids=["as named", "named the other way round"])
def test_the_largest_finding_gives_the_size_and_the_kind(root, swapped):
    source = of_tcia(root, mask((300, 500, 41, 23)), mask((20, 30, 61, 70)), swapped)
    (sample,) = source.samples()
    assert sample.answer == "malignant"
    assert (sample.detail.kind, sample.detail.width, sample.detail.height) == ("calc", 61, 70)
    assert sample.detail.chance == 0.5
    assert not [note for note in source.notes if "mask" in note]


def test_a_speck_beside_the_finding_does_not_widen_it(root):
    source = of_tcia(root, mask((300, 500, 41, 23), (2, 2, 1, 1)), mask((9, 9, 3, 3)), False)
    (sample,) = source.samples()
    assert (sample.detail.kind, sample.detail.width, sample.detail.height) == ("mass", 41, 23)


def test_a_mask_of_another_size_is_an_error_that_names_both(root):
    with pytest.raises(DataError) as error:
        of_tcia(root, mask((1, 1, 9, 9), size=(1200, 999)), mask((9, 9, 3, 3)), False)
    told = str(error.value)
    assert "Mass-Test_P_1_LEFT_CC/1.2/1.3/000000.dcm, abnormality 1" in told
    assert "the mammogram has 1000x1200 px" in told and "of 999x1200" in told
    assert "take them away" in told


@pytest.mark.parametrize(
    "path", ["/a/1.2/000000.dcm", "../a/1.2/0.dcm", "a\\1.2\\0.dcm", "C:/a/0.dcm", "a" * 300]
)
def test_a_mask_outside_the_folder_is_an_error_of_the_table(root, path):
    put(
        root / "mass_case_description_test_set.csv",
        HEAD + row(1, "BENIGN", "a", "b").replace("Mass-Test_P_1_LEFT_CC_1/1.4/1.10/b", path),
    )
    put(root / "CBIS-DDSM/Mass-Test_P_1_LEFT_CC/1.2/1.3/000000.dcm", dicom(MAMMOGRAM))
    with pytest.raises(DataError, match=r"1: ROI mask file path .*(inside the folder|longer)"):
        open_source(task_cards()["cbis_ddsm"])


def test_a_black_mask_is_an_error(root):
    with pytest.raises(DataError, match=r"000001.dcm, a mask: it is all black"):
        of_tcia(root, mask(), mask((9, 9, 3, 3)), False)


def of_jpeg(root: Path, masks: bool) -> Source:
    put(root / "csv" / "mass_case_description_test_set.csv", HEAD + row(1, "BENIGN", "a", "b"))
    values = (MAMMOGRAM >> 8).astype(np.uint8)
    put(root / "jpeg" / "1.3" / "1-249.jpg", jpeg(values))
    if masks:
        put(root / "jpeg" / "1.10" / "1-001.jpg", jpeg((CROP >> 8).astype(np.uint8)))
        put(root / "jpeg" / "1.10" / "2-002.jpg", jpeg(mask((304, 504, 48, 24))))
    return open_source(task_cards()["cbis_ddsm"])


def test_the_jpeg_copy_is_joined_by_its_series_and_its_noise_is_no_finding(root):
    (sample,) = of_jpeg(root, masks=True).samples()
    assert (sample.detail.width, sample.detail.height) == (48, 24)


def test_without_masks_the_question_stays_and_that_is_noted(root):
    source = of_jpeg(root, masks=False)
    (sample,) = source.samples()
    assert sample.detail is None and sample.answer == "benign"
    assert any("1 of 1 test images have no mask file" in note for note in source.notes)


SIZES = (6, 9, 13, 19, 28, 41, 60, 88, 130, 190)
"""Edges in pixels of square findings, each of four mammograms."""
LARGE = 19


def mammogram(number: int) -> np.ndarray:
    """A breast of its own: a slope with a bright disc, no two alike."""
    rows, columns = np.indices((1100, 1000))
    centre = 200 + 13 * number, 150 + 11 * number
    disc = np.hypot(rows - centre[0], columns - centre[1]) < 60 + 3 * number
    return (40 + rows // 20 + columns // 25 + 100 * disc).astype(np.uint8)


def published(root: Path) -> dict[str, tuple[int | None, bool]]:
    """Forty mammograms with a mask and ten without, in the form of the JPEG copy: their ids to
    the edge of the finding, and whether it is benign: the large ones are, and half of the others.
    """
    tables: dict[str, list[str]] = {"mass": [], "calc": []}
    made: dict[str, tuple[int | None, bool]] = {}
    for n in range(50):
        kind = "calc" if n % 2 else "mass"
        study, edge = f"{kind.title()}-Test_P_{n}_LEFT_CC", SIZES[n // 4] if n < 40 else None
        benign = n % 4 < 2 or (edge is not None and edge >= LARGE)
        image, series = f"{study}/1.2/1.3.{n}/000000.dcm", f"{study}_1/1.4/1.5.{n}"
        made[image] = edge, benign
        tables[kind].append(
            f"P_{n},3,LEFT,CC,1,{kind},ROUND,CIRCUMSCRIBED,4,"
            f"{'BENIGN' if benign else 'MALIGNANT'},4,{image},{series}/000000.dcm,"
            f"{series}/000001.dcm\n"
        )
        put(root / "jpeg" / f"1.3.{n}" / "1-1.jpg", jpeg(mammogram(n)))
        if edge is not None:
            place = (100 + 7 * n, 300 + 5 * n, edge, edge)
            marked = mask(place, size=(1100, 1000))
            put(root / "jpeg" / f"1.5.{n}" / "1-2.jpg", jpeg(marked))
    for kind, rows in tables.items():
        put(root / "csv" / f"{kind}_case_description_test_set.csv", HEAD + "".join(rows))
    return made


RUN = ("--model", "resflamingo", "--model_args", "scheme=restore", "--tasks", "cbis_ddsm_res")
RESOLUTIONS = ["112", "224", "448", "896", "1792", "native"]


@pytest.mark.whole
def test_scores_by_the_size_of_findings_reach_record_and_report(root, tmp_path, capsys):
    """The embedded model says "benign" to all of these. So it is right about every large finding
    and about half of the small ones, as far as the set is made: that must be told.
    """
    made = published(root)
    line = [str(Path(sys.executable).parent / "lmms-eval"), *RUN, "--log_samples"]
    ran = subprocess.run(
        [*line, "--output_path", "out"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    (record,) = make_records(tmp_path / "out")
    assert [cell.resolution for cell in record.cells] == RESOLUTIONS
    rows = record.answers.rows()
    assert len(rows) == 50 * 6 and {row["prediction"] for row in rows} == {"benign"}
    for row in rows:
        edge, benign = made[row["sample"]]
        assert row["correct"] == benign
        detail = json.loads(row["detail"]) if row["detail"] else {}
        assert (detail.get("width"), detail.get("height")) == (edge, edge)
        assert detail.get("kind") == (row["sample"][:4].lower() if edge else None)
    report = ["report", str(tmp_path / "out"), "--output", str(tmp_path / "page")]
    assert cli.main([*report, "--format", "tables"]) == 0
    said = capsys.readouterr().out
    lines = [one.split(",") for one in said.splitlines() if one.startswith("cbis_ddsm_res-sizes")]
    sizes = {(thing, r): (int(n), half) for _, _, thing, r, n, half, *_ in lines}
    assert set(sizes) == set(product(("all together", "mass", "calc"), RESOLUTIONS))
    for (kind, _), (n, half) in sizes.items():
        if kind == "all together":
            assert n == 40 and 13 < float(half) < LARGE
        else:
            assert (n, half) == (20, "does not see")
    page = (tmp_path / "page" / "index.html").read_text()
    assert "Smallest detail (all together) seen half of the time" in page
    assert "60 answers about things of unknown size, or without one, are left out" in page
