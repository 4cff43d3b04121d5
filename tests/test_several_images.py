"""Several images per question, from a folder's table to the record."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from resolution_eval import cli
from resolution_eval.adapters.requests import SampleRequest
from resolution_eval.answers.prompts import BARE, IMAGE, mark_fault, marked, pieces
from resolution_eval.data.cards import task_cards
from resolution_eval.data.own_folder import folder_card
from resolution_eval.data.sources import data_summary, open_source
from resolution_eval.data.sources.local import LocalSource
from resolution_eval.data.sources.pictures import components
from resolution_eval.evidence.attestation import Attestation
from resolution_eval.ground.errors import DataError, RecordError
from resolution_eval.host import runs
from resolution_eval.records.host_output import read_samples
from resolution_eval.records.make import make_records
from resolution_eval.records.store import read_record, write_record

pytestmark = pytest.mark.filterwarnings("ignore")

SIZES = {"a": (60, 40), "b": (24, 96), "c": (50, 50), "d": (30, 20)}
"""Width and height in pixels of the images of `folder`: none is square, or as large as another."""


def folder(root: Path, table: str) -> Path:
    (root / "images").mkdir(parents=True)
    for seed, (name, (width, height)) in enumerate(SIZES.items()):
        values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(values).save(root / "images" / f"{name}.png")
    (root / "labels.csv").write_text(table, encoding="utf-8")
    return root


def opened(root: Path) -> LocalSource:
    return LocalSource(root, folder_card(root))


QUESTIONS = """file,question,choices,label,split
images/a.png|images/b.png,Is <image 2> darker than <image 1>?,yes|no,yes,test
images/b.png|images/c.png|images/a.png,Which one is odd?,first|second|third,third,test
images/d.png,What is it?,ring|disc,ring,test
"""


@pytest.mark.parametrize(
    "table",
    [
        "file,question,label,split\nimages/a.png|images/b.png,Alike?,yes,test\n",
        "file,question,label,split\nimages\\a.png | ./images/b.png,Alike?,yes,test\n",
        "file,file_2,question,label,split\nimages/a.png,images/b.png,Alike?,yes,test\n",
        "File 2;question;label;file;split\nimages/b.png;Alike?;yes;images/a.png;test\n",
    ],
    ids=["separator", "spelling", "columns", "any order"],
)
def test_a_line_may_name_several_images_in_order(tmp_path: Path, table: str) -> None:
    (sample,) = opened(folder(tmp_path / "f", table)).samples()
    assert sample.images == ("images/a.png", "images/b.png")


def test_a_name_with_the_separator_in_it_is_one_file(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", "file,question,label,split\nimages/a|b.png,Alike?,yes,test\n")
    (root / "images" / "a.png").rename(root / "images" / "a|b.png")
    (sample,) = opened(root).samples()
    assert sample.images == ("images/a|b.png",)


def test_metadata_may_list_several_files(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", "")
    (root / "labels.csv").unlink()
    line = {"file_names": ["images/b.png", "images/a.png"], "question": "Alike?", "answer": "no"}
    (root / "metadata.jsonl").write_text(json.dumps(line))
    source = opened(root)
    (sample,) = source.samples()
    assert sample.images == ("images/b.png", "images/a.png")
    assert {one.item for one in source.excluded} == {"images/c.png", "images/d.png"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("images/a.png||images/b.png,Alike?,yes,test", "a name is empty"),
        ("images/a.png|../b.png,Alike?,yes,test", "not a plain path"),
        ("images/a.png|images/b.png,Like <image 3>?,yes,test", "names image 3"),
        ("images/a.png|images/b.png,Like <image 0>?,yes,test", "names image 0"),
        ("images/a.png|images/b.png,<image>Alike?,yes,test", "1 marks <image> in place"),
        ("images/a.png,Is <image 2> alike?,yes,test", "the question has one image"),
    ],
)
def test_a_line_that_cannot_be_followed_is_named(tmp_path: Path, line: str, said: str) -> None:
    root = folder(tmp_path / "f", f"file,question,label,split\n{line}\n")
    with pytest.raises(DataError, match=said) as found:
        opened(root)
    assert "line 2" in str(found.value)


def test_a_repeated_column_is_told_how_to_be_several(tmp_path: Path) -> None:
    table = "file,file,question,label,split\nimages/a.png,images/b.png,Alike?,yes,test\n"
    with pytest.raises(DataError, match="file_2, file_3"):
        opened(folder(tmp_path / "f", table))


def test_questions_that_share_an_image_are_one_case(tmp_path: Path) -> None:
    table = "file,question,label,split\n" + "".join(
        f"{files},Which {place}?,yes,test\n"
        for place, files in enumerate(
            ["images/a.png|images/b.png", "images/b.png|images/c.png", "images/c.png|images/a.png"]
        )
    )
    source = opened(folder(tmp_path / "f", table + "images/d.png,Which?,yes,test\n"))
    clusters = Counter(sample.cluster for sample in source.samples())
    assert sorted(clusters.values()) == [1, 3]


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4), max_size=12))
def test_cases_are_the_connected_components_of_shared_images(found: list[list[int]]) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups = [[f"{member:02d}" for member in group] for group in found]
    edges = [(int(group[0]), int(other)) for group in groups for other in group]
    rows, columns = zip(*edges, strict=True) if edges else ((), ())
    matrix = coo_array((np.ones(len(edges)), (rows, columns)), shape=(13, 13))
    _, labels = connected_components(matrix, directed=False)
    case = components(groups)
    for one in case:
        for other in case:
            assert (case[one] == case[other]) is bool(labels[int(one)] == labels[int(other)])
        assert case[one] == min(each for each in case if case[each] == case[one])


def test_order_and_content_of_every_image_are_in_the_fingerprint(tmp_path: Path) -> None:
    line = "file,question,label,split\n{},Alike?,yes,test\n"
    one = opened(folder(tmp_path / "1", line.format("images/a.png|images/b.png"))).fingerprint
    turned = opened(folder(tmp_path / "2", line.format("images/b.png|images/a.png"))).fingerprint
    third = folder(tmp_path / "3", line.format("images/a.png|images/b.png"))
    (third / "images/b.png").write_bytes((third / "images/c.png").read_bytes())
    assert len({one, turned, opened(third).fingerprint}) == 3


TEXTS = st.lists(
    st.one_of(
        st.integers(1, 5).map(lambda n: f"<image {n}>"), st.sampled_from(["a ", "<", "?", "image "])
    ),
    max_size=8,
).map("".join)


@given(TEXTS, st.integers(2, 5))
def test_every_image_is_placed_once_and_no_word_is_lost(text: str, count: int) -> None:
    if mark_fault(text, count):
        with pytest.raises(ValueError, match="image"):
            pieces(text, count)
        return
    found = pieces(text, count)
    assert sorted(piece for piece in found if isinstance(piece, int)) == list(range(count))
    told = "".join(f"image {p + 1}" if isinstance(p, int) else p for p in found)
    named = {int(number) for number in IMAGE.findall(text)}
    before = "".join(f"image {n}" for n in range(1, count + 1) if n not in named)
    assert told == before + IMAGE.sub(r"image \1", text)


@given(st.integers(2, 6), st.lists(st.sampled_from(["a", " b?"]), min_size=7, max_size=7))
def test_bare_marks_are_numbered_in_order(count: int, words: list[str]) -> None:
    text = "".join(word + BARE for word in words[:count]) + words[-1]
    assert [int(n) for n in IMAGE.findall(marked(text, count))] == list(range(1, count + 1))
    assert mark_fault(marked(text, count), count) is None


def test_flamingo_sees_every_image_of_a_question() -> None:
    """Its words attend to the image before them alone: one without words of its own is lost."""
    from resolution_eval.adapters.resflamingo import ResFlamingo
    from resolution_eval.adapters.views import EncoderView, View
    from resolution_eval.resolution import Size

    torch.set_num_threads(1)
    adapter = ResFlamingo()

    def view(prompt: str, *colours: int) -> View:
        images = [Image.new("RGB", (32, 16), (colour, 90, 30)) for colour in colours]
        facts = {"source": Size(32, 16), "notes": (), "information": Size(32, 16)}
        job = SampleRequest(
            index=0,
            prompt=prompt,
            choices=("ring", "disc"),
            resolution=28,
            filter="bicubic",
            scheme="match",
            document={"sample": "a"},
            load=lambda: None,  # type: ignore[arg-type,return-value]
            more=(lambda: None,) * (len(images) - 1),  # type: ignore[arg-type]
        )
        more = tuple(EncoderView(image=image, **facts) for image in images[1:])
        return View(job=job, image=images[0], more=more, **facts)

    for prompt in ("Which?", "Is <image 2> like <image 1>?"):
        answers = [adapter.answer([view(prompt, *c)])[0] for c in ((9, 9), (250, 9), (9, 250))]
        assert len({answer.choice_scores for answer in answers}) == 3
        assert [entry.grid for entry in answers[0].images] == [(16, 32), (16, 32)]
        assert answers[0].visual_tokens == 2 * 8
    named = adapter.answer([view("Is <image 2> like <image 1>?", 9, 250)])[0].choice_scores
    turned = adapter.answer([view("Is <image 1> like <image 2>?", 250, 9)])[0].choice_scores
    assert named is not None and turned is not None
    assert named != turned, "the names differ, the places of the images do not"
    assert placed(adapter, view("Is <image 2> like <image 1>?", 9, 250)) == [250, 9]
    assert placed(adapter, view("Is <image 1> like <image 2>?", 9, 250)) == [9, 250]
    together = adapter.answer([view("Which?", 9, 250), view("Which?", 250, 9)])
    alone = [adapter.answer([view("Which?", *c)])[0] for c in ((9, 250), (250, 9))]
    for one, other in zip(together, alone, strict=True):
        assert one.choice_scores == pytest.approx(other.choice_scores, abs=1e-4)


def placed(adapter: Any, view: Any) -> list[int]:
    """Red of each image, in the order in which they are encoded for the places of the prompt."""
    seen: list[int] = []
    encode = adapter._encode
    adapter._encode = lambda sent: (
        seen.append(int(sent.arrived()["pixels"][0, 0, 0, 0])),
        encode(sent),
    )[1]
    try:
        answer = adapter.answer([view])[0]
    finally:
        del adapter._encode
    assert [entry.grid for entry in answer.images] == [(16, 32)] * len(seen)
    return seen


def test_an_adapter_that_takes_one_is_told_so_before_the_first_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from datasets import Dataset

    from resolution_eval.adapters.adapter import ResolutionAdapter
    from resolution_eval.host import tasks

    rows = [
        {"dataset": "d", "resolution": "28", "image": "a", "more_images": more}
        for more in ([], ["b"], ["b", "c"], [])
    ]
    monkeypatch.setitem(tasks._SOURCES, "d", SimpleNamespace())
    documents = Dataset.from_list(rows)
    requests = [SimpleNamespace(args=("", {}, None, i, "t", "test"), metadata={}) for i in range(3)]
    adapter: Any = SimpleNamespace(
        task_dict={"t": {"test": documents}}, no_several_images=lambda: "it takes one"
    )
    with pytest.raises(
        SystemExit, match=r"2 of its 3 documents .* several images, and it takes one"
    ):
        ResolutionAdapter._check_images(adapter, requests)  # type: ignore[arg-type]
    adapter.no_several_images = lambda: None
    ResolutionAdapter._check_images(adapter, requests)  # type: ignore[arg-type]
    adapter.no_several_images = lambda: "it takes one"
    ResolutionAdapter._check_images(adapter, requests[:1])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run over `QUESTIONS` by the host, on the embedded checkpoint."""
    root = tmp_path_factory.mktemp("several")
    arguments = ["--model", "resflamingo", "--output_path", str(root / "out"), "--log_samples"]
    status = runs.run(
        ["folder_res"],
        [*arguments, "--verbosity", "WARNING"],
        resolutions=[28, "native"],
        data=folder(root / "f", QUESTIONS),
    )
    assert status == 0
    return root / "out"


def _lines(output: Path) -> dict[tuple[str, str], dict[str, Any]]:
    (path,) = output.rglob("*_samples_*.jsonl")
    lines = map(json.loads, path.read_text().splitlines())
    return {
        (one["verdict"]["sample"].split("#")[0], one["verdict"]["resolution"]): one for one in lines
    }


@pytest.mark.whole
def test_every_image_is_attested_in_the_order_of_the_question(swept: Path) -> None:
    lines = _lines(swept)
    assert len(lines) == 6
    for (files, resolution), line in lines.items():
        attested = Attestation.model_validate(line["attestation"])
        assert attested.status == "attested"
        names = [Path(file).stem for file in files.split("|")]
        if len(names) == 1:
            assert attested.images == () and line["attestation"]["images"] == []
            continue
        assert [one.source for one in attested.images] == [SIZES[name] for name in names]
        for one in attested.images:
            height, width = one.grid or (0, 0)
            assert one.grid == one.expected_grid and one.visual_tokens == height * width // 64
            if resolution == "native":
                assert one.information == one.source
            else:
                assert one.information[0] * one.information[1] <= 28 * 28 * 1.1
        assert attested.visual_tokens == sum(one.visual_tokens or 0 for one in attested.images)
        assert attested.grid == attested.images[0].grid


@pytest.mark.whole
def test_the_record_has_each_image_and_the_sum_of_tokens(swept: Path, tmp_path: Path) -> None:
    (record,) = make_records(swept)
    again = read_record(write_record(record, tmp_path))
    rows = {(row["sample"].split("#")[0], row["resolution"]): row for row in again.answers.rows()}
    for key, line in _lines(swept).items():
        images = line["attestation"]["images"]
        row = rows[key]
        assert (row["images"] is None) is (not images)
        for stored, told in zip(row["images"] or [], images, strict=True):
            assert [stored["grid_height"], stored["grid_width"]] == told["grid"]
            assert [stored["source_width"], stored["source_height"]] == told["source"]
        assert row["visual_tokens"] == line["attestation"]["visual_tokens"]
    native = again.cells[-1]
    tokens = [rows[key]["visual_tokens"] for key in rows if key[1] == "native"]
    assert native.visual_tokens is not None and native.visual_tokens.mean == sum(tokens) / 3
    sizes = [SIZES[name] for name in "abbcad"]
    assert native.source_edge == pytest.approx(np.sqrt(np.mean([w * h for w, h in sizes])))


@pytest.mark.whole
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a["images"][1].update(grid=[8, 8]), "status 'attested'"),
        (lambda a: a.update(visual_tokens=a["visual_tokens"] + 1), "visual tokens"),
        (lambda a: a["images"][0].update(source=[9, 9]), "its first image"),
        (lambda a: a.update(images=a["images"][:1]), "a list of one image"),
        (lambda a: a["images"][1].update(tiles=-1), "counts lie between"),
    ],
    ids=["grid", "sum", "first", "one", "negative"],
)
def test_images_that_contradict_their_sample_are_refused(
    swept: Path, tmp_path: Path, change: Any, said: str
) -> None:
    (path,) = swept.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(next(line["attestation"] for line in lines if line["attestation"]["images"]))
    edited = tmp_path / path.name
    edited.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RecordError, match=said):
        read_samples(edited)


def test_a_model_that_knows_nothing_of_us_is_handed_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import Dataset

    from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
    from resolution_eval.host import tasks

    card = folder_card(folder(tmp_path / "f", QUESTIONS)).model_copy(update={"scheme": "match"})
    text = Dataset.from_list([{"text": ""}])
    monkeypatch.setattr(tasks, "parse_task_card", lambda _: card)
    documents = tasks.documents(text)
    assert documents.features[tasks.MORE] is not None
    document = next(
        one for one in documents if len(one[tasks.MORE]) == 2 and one["resolution"] == "native"
    )
    handed = tasks.doc_to_visual(document)
    assert [image.size for image in handed] == [SIZES[name] for name in "bca"]
    known = LEDGER.renderings[SampleKey.of(document)]
    assert [one.source for one in known.images] == [SIZES[name] for name in "bca"]
    assert known.status == "unattested"


def test_data_of_single_images_has_documents_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import Dataset

    from resolution_eval.host import tasks

    table = "file,question,label,split\nimages/a.png,Alike?,yes,test\n"
    card = folder_card(folder(tmp_path / "f", table))
    monkeypatch.setattr(tasks, "parse_task_card", lambda _: card)
    assert tasks.MORE not in tasks.documents(Dataset.from_list([{"text": ""}])).column_names


def test_each_of_several_images_is_read_once(tmp_path: Path) -> None:
    source = opened(folder(tmp_path / "f", QUESTIONS))
    for sample in source.samples():
        sizes = [Image.open(BytesIO(source.read(image))).size for image in sample.images]
        assert sizes == [SIZES[Path(image).stem] for image in sample.images]


# --- most images


def test_questions_about_more_images_than_asked_are_left_out_and_counted(tmp_path: Path) -> None:
    root = folder(tmp_path / "f", QUESTIONS)
    whole, one, two, three = (
        open_source(folder_card(root, {"most_images": most} if most else {}))
        for most in (None, 1, 2, 3)
    )
    assert [len(source.samples()) for source in (whole, one, two, three)] == [3, 1, 2, 3]
    assert data_summary(one).startswith("1 samples, 2 excluded (2 is about more than 1 image)")
    assert {each.item for each in one.excluded} == {
        sample.id for sample in whole.samples() if sample.more
    }
    assert "2 of 3 questions are about more than 1 image and were left out" in one.notes[-1]
    assert three.fingerprint == whole.fingerprint and three.notes == whole.notes
    assert len({source.fingerprint for source in (whole, one, two)}) == 3
    (left,) = one.samples()
    assert one.read(left.image) == whole.read(left.image)


def test_chance_and_forms_of_a_folder_are_those_of_the_questions_that_are_asked(
    tmp_path: Path,
) -> None:
    root = folder(tmp_path / "f", QUESTIONS)
    assert folder_card(root).chance == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3)
    assert folder_card(root, {"most_images": 1}).chance == pytest.approx(1 / 2)


def test_where_no_question_is_left_that_is_said(tmp_path: Path) -> None:
    table = "file,question,label,split\nimages/a.png|images/b.png,Alike?,yes,test\n"
    with pytest.raises(DataError, match="no test question is about at most 1 image; raise"):
        folder_card(folder(tmp_path / "f", table), {"most_images": 1})


@pytest.mark.parametrize("written", ["0", "-1", "one", "1.5", ""])
def test_a_number_of_images_that_is_none_is_refused(
    written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--tasks", "mmmu_med_res", f"--most-images={written}"])
    assert "is no number of images; give one from 1" in capsys.readouterr().err


SEVERAL = ("mmmu_med", "medxpertqa_mm", "microvqa", "rexvqa")
"""Sets with questions about several images among those about one."""


@pytest.mark.whole
def test_single_image_questions_of_the_sets_that_have_both_run_by_one_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record tells how many were left out, and every question that was asked has one image."""
    from test_published_benchmarks import BUILD

    monkeypatch.setenv("RESOLUTION_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RESOLUTION_EVAL_DATA", str(tmp_path / "data"))
    names = [name for name in SEVERAL if name in BUILD]
    for name in names:
        BUILD[name](tmp_path / "data" / task_cards()[name].folder)
    left_out = {
        name: sum(bool(one.more) for one in open_source(task_cards()[name]).samples())
        for name in names
    }
    assert all(left_out.values()), left_out
    tasks = ",".join(f"{name}_res" for name in names)
    arguments = ["run", "--tasks", tasks, "--most-images", "1", "--resolutions", "28,native"]
    named = ["--model", "resflamingo", "--output_path", str(tmp_path / "out"), "--log_samples"]
    assert cli.main([*arguments, *named, "--verbosity", "WARNING"]) == 0
    records = make_records(tmp_path / "out")
    assert len(records) == len(names)
    for record in records:
        reasons = Counter(each.reason for each in record.dataset.excluded)
        name = record.task.removesuffix("_res")
        assert reasons["is about more than 1 image"] == left_out[name]
        assert any("left out, as the run asked" in note for note in record.dataset.notes)
    for path in (tmp_path / "out").rglob("*_samples_*.jsonl"):
        for line in path.read_text().splitlines():
            assert not json.loads(line)["attestation"].get("images")
