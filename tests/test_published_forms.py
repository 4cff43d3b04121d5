"""Loaders of publishers' own forms: BBBC021's plates, WSI-VQA's files, the Protein Atlas's XML."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from resolution_eval.data.cards import TaskCard, task_cards
from resolution_eval.data.sources import at_hand, data_summary, open_source, ways
from resolution_eval.ground.errors import DataError, ImageError
from resolution_eval.host import tasks
from resolution_eval.images import decode
from resolution_eval.resolution import Size

COMPOUND, WSI, HPA = (task_cards()[name] for name in ("compound", "wsi_vqa", "subcellular"))


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty RESOLUTION_EVAL_DATA folder."""
    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def reasons(source: Any) -> Counter[str]:
    return Counter(exclusion.reason for exclusion in source.excluded)


# BBBC021

HEADER = (
    "TableNumber,ImageNumber,Image_FileName_DAPI,Image_PathName_DAPI,Image_FileName_Tubulin,"
    "Image_PathName_Tubulin,Image_FileName_Actin,Image_PathName_Actin,Image_Metadata_Plate_DAPI,"
    "Image_Metadata_Well_DAPI,Replicate,Image_Metadata_Compound,Image_Metadata_Concentration"
)
MOA = "compound,concentration,moa\ntaxol,0.3,Microtubule stabilizers\nDMSO,0.0,DMSO\nALLN,3.0,{}\n"


def tiff(low: int, high: int, size: tuple[int, int] = (8, 6)) -> bytes:
    """A 16-bit ramp."""
    values = np.linspace(low, high, size[0] * size[1]).reshape(size[1], size[0])
    stored = BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(stored, "TIFF")
    return stored.getvalue()


def line(number: int, plate: str, compound: str, dose: str) -> str:
    names = {channel: f"{plate}_B02_s{number}_w{channel}.tif" for channel in (1, 2, 4)}
    week = plate.partition("_")[0]
    files = ",".join(f"{names[channel]},{week}/{plate}" for channel in (1, 2, 4))
    return f"4,{number},{files},{plate},B02,1,{compound},{dose}"


def write_compound(folder: Path, *lines: str, moa: str = "Protein degradation") -> Path:
    """Both tables, plate Week1_22123 as the published zip and Week2_24121 unpacked."""
    folder = folder / "compound"
    folder.mkdir(exist_ok=True)
    (folder / "BBBC021_v1_image.csv").write_text("\n".join((HEADER, *lines, "")))
    (folder / "BBBC021_v1_moa.csv").write_text(MOA.format(moa))
    channels = {1: tiff(500, 700), 2: tiff(40000, 100), 4: tiff(7, 7)}
    with ZipFile(folder / "BBBC021_v1_images_Week1_22123.zip", "w") as packed:
        for number in (1, 2):
            for channel, content in channels.items():
                name = f"Week1_22123_B02_s{number}_w{channel}.tif"
                packed.writestr(f"Week1_22123/{name}", content)
    (folder / "Week2_24121").mkdir(exist_ok=True)
    for channel, content in channels.items():
        (folder / "Week2_24121" / f"Week2_24121_B02_s1_w{channel}.tif").write_bytes(content)
    return folder


LINES = (
    line(1, "Week1_22123", "taxol", "0.30"),
    line(2, "Week1_22123", "DMSO", "0"),
    line(1, "Week2_24121", "ALLN", "3"),
    line(1, "Week9_39206", "taxol", "0.3"),
    line(2, "Week2_24121", "ALLN", "100"),
    line(1, "Week1_22123", "taxol", "0.3"),
    line(9, "Week1_22123", "taxol", "0.3"),
)


def test_bbbc021_is_read_as_it_is_published_and_every_line_is_accounted_for(data: Path) -> None:
    write_compound(data, *LINES)
    source = open_source(COMPOUND)
    samples = {sample.id: sample for sample in source.samples()}
    first = samples["Week1_22123/Week1_22123_B02_s1_w1"]
    assert (first.answer, first.cluster) == ("Microtubule stabilizers", "taxol")
    assert samples["Week2_24121/Week2_24121_B02_s1_w1"].answer == "Protein degradation"
    assert reasons(source) == {
        "control (DMSO)": 1,
        "plate is not there": 1,
        "treatment without a known mechanism": 1,
        "repeats another line's image": 1,
    }
    assert len(samples) + len(source.excluded) == len(LINES)
    assert "3 samples, 4 excluded" in data_summary(source)


@pytest.mark.parametrize("where", ["Week1_22123", "Week2_24121"])
def test_actin_tubulin_and_dna_become_red_green_and_blue(data: Path, where: str) -> None:
    write_compound(data, *LINES)
    source = open_source(COMPOUND)
    sample = next(one for one in source.samples() if one.id.startswith(f"{where}/{where}_B02_s1"))
    pixels = np.array(decode(source.read(sample.image)).image)
    assert pixels.shape == (6, 8, 3)
    red, green, blue = (pixels[..., band] for band in range(3))
    assert set(red.ravel()) == {128}, "constant actin"
    assert (green[0, 0], green[-1, -1]) == (255, 0), "tubulin falls from 40000 to 100"
    assert (blue[0, 0], blue[-1, -1]) == (0, 255), "DNA rises from 500 to 700"


def test_a_missing_channel_fails_its_own_sample_by_name(data: Path) -> None:
    write_compound(data, *LINES)
    source = open_source(COMPOUND)
    gone = next(sample for sample in source.samples() if "s9" in sample.id)
    with pytest.raises(ImageError, match="Week1_22123_B02_s9_w4"):
        source.read(gone.image)


def test_channels_of_two_sizes_are_no_image(data: Path) -> None:
    folder = write_compound(data, *LINES)
    (folder / "Week2_24121" / "Week2_24121_B02_s1_w2.tif").write_bytes(tiff(0, 9, (4, 4)))
    source = open_source(COMPOUND)
    sample = next(one for one in source.samples() if "Week2" in one.id)
    with pytest.raises(ImageError, match="differ in size"):
        source.read(sample.image)


def test_bbbc021_with_an_unknown_mechanism_or_dose_is_refused(data: Path) -> None:
    write_compound(data, *LINES, moa="Magic")
    with pytest.raises(DataError, match=r"BBBC021_v1_moa\.csv: unknown mechanism line 4: 'Magic'"):
        open_source(COMPOUND)
    write_compound(data, line(1, "Week1_22123", "taxol", "much"))
    with pytest.raises(DataError, match=r"'much' is no concentration"):
        open_source(COMPOUND)


def test_a_plates_name_cannot_lead_out(data: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.tif").write_bytes(tiff(0, 9))
    bad = line(1, "Week1_22123", "taxol", "0.3").replace("Week1/Week1_22123", "../..")
    inside = line(1, "Week2_24121", "ALLN", "3").replace(
        "Week2_24121_B02_s1_w4.tif", "../../../secret/x.tif"
    )
    write_compound(data, bad, inside)
    source = open_source(COMPOUND)
    assert reasons(source) == {"plate is not there": 1}
    (sample,) = source.samples()
    with pytest.raises(ImageError, match="is not in"):
        source.read(sample.image)


# WSI-VQA


def write_wsi(folder: Path, *items: Any, pictures: tuple[str, ...] = ("TCGA-BH-A0BV",)) -> Path:
    folder = folder / "wsi_vqa"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    train = {"Id": "TCGA-BH-A0BV", "Question": "please predict her2?", "Answer": "0"}
    (folder / "WsiVQA_train.json").write_text(json.dumps([train]))
    (folder / "WsiVQA_val.json").write_text("[]")
    (folder / "WsiVQA_test.json").write_text(json.dumps(items))
    for number, name in enumerate(pictures):
        Image.new("RGB", (9 + number, 7)).save(folder / "images" / f"{name}.png")
    return folder


def asked(question: str, answer: str, *options: str, slide: str = "TCGA-BH-A0BV") -> Any:
    choices = {"Choice": list(options)} if options else {}
    return {"Id": slide, "Question": question, **choices, "Answer": answer}


QUESTIONS = (
    asked("what is the grade?", "grade 3.", "grade 1", "Grade 3", "grade 4"),
    asked("what is her2 according to the slide?", "2+"),
    asked("is it there?", "yes", "yes", "no", slide="TCGA-AR-A1AI"),
    asked("what is the size?", "9 cm", "1 cm", "2 cm"),
    asked("what is the margin?", "yes", "Yes", "yes.", "no"),
    asked("what is her2 according to the slide?", "2+"),
    asked("", "2+"),
)


def test_wsi_vqa_is_read_as_it_is_published_and_every_question_is_accounted_for(
    data: Path,
) -> None:
    write_wsi(data, *QUESTIONS, pictures=("TCGA-BH-A0BV-01Z-00-DX1.3a2b",))
    source = open_source(WSI)
    by_form = {sample.form: sample for sample in source.samples()}
    closed = by_form["closed"]
    assert (closed.answer, closed.choices) == ("Grade 3", ("grade 1", "Grade 3", "grade 4"))
    assert by_form["open"].answer == "2+" and by_form["open"].choices == ()
    assert {sample.cluster for sample in source.samples()} == {"TCGA-BH-A0BV"}
    assert reasons(source) == {
        "no picture of its slide": 1,
        "answer is none of its options": 1,
        "has an option twice": 1,
        "repeats another question": 1,
        "lacks its slide, question or answer": 1,
    }
    assert len(source.samples()) + len(source.excluded) == len(QUESTIONS)
    assert [sample.answer for sample in source.samples("train")] == ["0"]
    assert decode(source.read(closed.image)).size == Size(9, 7)


def test_two_pictures_of_a_slide_are_an_error(data: Path) -> None:
    write_wsi(data, *QUESTIONS, pictures=("TCGA-BH-A0BV-01Z", "TCGA-BH-A0BV-02Z"))
    with pytest.raises(DataError, match="several pictures of one slide: TCGA-BH-A0BV"):
        open_source(WSI)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[{", "not JSON"),
        (b'{"a": 1}', "not a list"),
        (b'["a"]', "not a list"),
        (b"\xff\xfe", "JSON"),
    ],
)
def test_a_broken_file_of_questions_is_an_error(data: Path, content: bytes, complaint: str) -> None:
    (write_wsi(data, *QUESTIONS) / "WsiVQA_test.json").write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        open_source(WSI)


def test_a_missing_file_of_questions_is_an_error(data: Path) -> None:
    (write_wsi(data, *QUESTIONS) / "WsiVQA_val.json").unlink()
    with pytest.raises(DataError, match=r"WsiVQA_val\.json cannot be read"):
        open_source(WSI)


# Human Protein Atlas

ENTRY = """<entry version="23.0"><name>{gene}</name><identifier id="{ensembl}" db="Ensembl"/>
<tissueExpression><image><imageUrl>http://images.proteinatlas.org/1/t.jpg</imageUrl></image>
</tissueExpression><antibody id="HPA1"><cellExpression source="HPA" technology="ICC/IF">
<subAssay type="human" subtype="human cell lines">{data}</subAssay>
<subAssay type="mouse" subtype="mouse cell line"><data><cellLine>NIH 3T3</cellLine><assayImage>
<image><imageUrl>http://images.proteinatlas.org/1/m.jpg</imageUrl></image></assayImage></data>
</subAssay></cellExpression></antibody></entry>"""
DATA = """<data><cellLine organ="Bone">{line}</cellLine><location>cytosol</location><assayImage>
<image imageType="selected"><channel color="green">antibody</channel>
<imageUrl>http://images.proteinatlas.org/{path}</imageUrl></image></assayImage></data>"""


def write_hpa(folder: Path, name: str = "proteinatlas.xml.gz", head: str = "") -> Path:
    folder = folder / "subcellular"
    lines = (
        ("U2OS", "15813/2006_A9_4_blue_red_green.jpg"),
        ("MCF-7", "15813/2006_A9_5_blue_red_green.jpg"),
        ("U-2 OS", "15813/2006_A9_4_blue_red_green.jpg"),
        ("Hep G2", "15813/gone_blue_red_green.jpg"),
        ("Unheard", "15813/2006_A9_5_blue_red_green.jpg"),
        ("HeLa", "../secret.jpg"),
    )
    told = "".join(DATA.format(line=cell, path=path) for cell, path in lines)
    entries = ENTRY.format(gene="DYRK1A", ensembl="ENSG00000157540", data=told)
    text = f"{head}<proteinAtlas>{entries}</proteinAtlas>".encode()
    (folder / "images" / "15813").mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    (folder / "secret.jpg").write_bytes(b"")
    for number in (4, 5):
        file = folder / "images" / "15813" / f"2006_A9_{number}_blue_red_green.jpg"
        Image.new("RGB", (12, 12), (0, number, 0)).save(file)
    return folder


@pytest.mark.parametrize("name", ["proteinatlas.xml.gz", "ENSG00000157540.xml"])
def test_the_atlas_is_read_as_it_is_published_and_every_image_is_accounted_for(
    data: Path, name: str
) -> None:
    write_hpa(data, name)
    source = open_source(HPA)
    found = {sample.id: (sample.answer, sample.cluster) for sample in source.samples()}
    assert found == {
        "15813/2006_A9_4_blue_red_green.jpg": ("U-2 OS", "ENSG00000157540"),
        "15813/2006_A9_5_blue_red_green.jpg": ("MCF7", "ENSG00000157540"),
    }
    assert reasons(source) == {
        "listed more than once": 1,
        "image is not there": 2,
        "cell line is none of the classes": 1,
    }
    assert len(found) + len(source.excluded) == 6
    assert decode(source.read(source.samples()[0].image)).size == Size(12, 12)


def test_an_xml_with_a_document_type_is_refused(data: Path) -> None:
    write_hpa(data, head='<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]>')
    with pytest.raises(DataError, match="document type"):
        open_source(HPA)


@pytest.mark.parametrize("cut", [10, 200])
def test_a_cut_xml_is_refused(data: Path, cut: int) -> None:
    file = write_hpa(data) / "proteinatlas.xml.gz"
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(DataError, match="not a whole XML"):
        open_source(HPA)


def test_an_xml_without_images_of_cell_lines_is_refused(data: Path) -> None:
    (data / "subcellular").mkdir()
    (data / "subcellular" / "a.xml").write_text("<proteinAtlas><entry/></proteinAtlas>")
    with pytest.raises(DataError, match="list no image of a cell line"):
        open_source(HPA)


# all three


@pytest.mark.parametrize("card", [COMPOUND, WSI, HPA], ids=lambda card: card.name)
def test_a_published_form_is_named_where_nothing_is_there_and_runs_where_it_is(
    data: Path, card: TaskCard
) -> None:
    assert at_hand(card) is None
    with pytest.raises(DataError, match=r"gives it:\n  1\. in .*\n  2\. a folder "):
        open_source(card)
    assert any("BBBC021_v1_moa" in w or "WsiVQA_test" in w or "xml.gz" in w for w in ways(card))
    if card is COMPOUND:
        write_compound(data, *LINES)
    elif card is WSI:
        write_wsi(data, *QUESTIONS)
    else:
        write_hpa(data)
    assert at_hand(card) is not None
    tasks._open(card)
    (document, *_) = list(tasks._documents(card))
    (image,) = tasks.doc_to_visual(document)
    assert image.mode == "RGB" and document["resolution"] == str(card.resolutions[0])
