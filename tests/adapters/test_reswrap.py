"""`--model reswrap` over lmms-eval's own models: tiny real checkpoints, and a real local server."""

from __future__ import annotations

import base64
import functools
import io
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from PIL import Image

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.errors import ImageError
from resolution_eval.host import runs, tasks
from resolution_eval.host.verdicts import verdict_of
from resolution_eval.models.families.parts import TowerGrid
from resolution_eval.models.wrapped.base_answers import tile_notes
from resolution_eval.resolution import Size, budget_size

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
ASPECTS = {"square": (240, 240), "wide": (300, 150), "tall": (90, 270)}
SIZES = (28, 64, 96, 130)
CHOICES = ["ring", "disc"]


class _Source:
    """Images of noise in three aspect ratios, one that cannot be read."""

    name, revision, fingerprint = "fake", "1", "f1"

    def read(self, locator: str) -> bytes:
        if locator not in ASPECTS:
            raise ImageError(f"no image {locator!r}")
        data = io.BytesIO()
        noise = Image.effect_noise(ASPECTS[locator], 80).convert("RGB")
        noise.save(data, "PNG")
        return data.getvalue()


@pytest.fixture(autouse=True)
def _source(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.set_num_threads(1)
    monkeypatch.setitem(tasks._SOURCES, "fake", _Source())  # type: ignore[arg-type]
    yield
    LEDGER.adapter = None
    LEDGER.failures.clear()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tiny_families.save(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


def _documents(scheme: str = "match", sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    return [
        {
            "dataset": "fake",
            "sample": sample,
            "image": sample,
            "resolution": str(size),
            "filter": "bicubic",
            "scheme": scheme,
            "question": "Which?",
            "choices": CHOICES,
            "answer": "ring",
            "cluster": sample,
            "fingerprint": "f1",
            "form": "closed",
            "data": "",
        }
        for sample in ASPECTS
        for size in sizes
    ]


def _judged(adapter: ResWrap, documents: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    adapter.task_dict = {"task": {"test": Dataset.from_list(documents)}}
    generation = {"max_new_tokens": 3, "until": ["\n"], "do_sample": False}
    requests = [
        SimpleNamespace(
            metadata={},
            args=(
                tasks.doc_to_text(document),
                dict(generation),
                tasks.doc_to_visual,
                n,
                "task",
                "test",
            ),
        )
        for n, document in enumerate(documents)
    ]
    replies = adapter.generate_until(requests)  # type: ignore[arg-type]
    return {
        (doc["sample"], doc["resolution"]): verdict_of(doc, reply)
        for doc, reply in zip(documents, replies, strict=True)
    }


def _nearest(length: int, unit: int) -> int:
    return max(1, (2 * length + unit) // (2 * unit)) * unit


def _check_whole_patches(judged: dict[tuple[str, str], Any], unit: int) -> None:
    """Grid and tokens are those of the rendered image in whole merged patches."""
    for (sample, size), (_, attestation) in judged.items():
        shown = budget_size(Size(*ASPECTS[sample]), int(size))
        height, width = _nearest(shown.height, unit), _nearest(shown.width, unit)
        assert attestation.status == "attested", attestation
        assert attestation.grid == (height, width)
        assert attestation.visual_tokens == (height // unit) * (width // unit)


@pytest.mark.parametrize("part", ["lm_head", "merger", "layers.1.mlp.up_proj"])
def test_a_base_whose_weights_are_not_whole_is_refused(
    part: str, folders: Any, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders("qwen2_5_vl"), tmp_path / "folder")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if part not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SystemExit, match="is not whole") as refused:
        ResWrap("qwen2_5_vl", pretrained=str(folder), force_simple=True)
    assert part in str(refused.value.code)


def test_a_base_cuts_no_question_and_writes_as_it_is_told(
    folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Source, "read", functools.cache(_Source.read))
    folder = shutil.copytree(folders("qwen2_5_vl"), tmp_path / "folder")
    cut = {"direction": "Right", "max_length": 40, "strategy": "LongestFirst", "stride": 0}
    for file, more in (
        ("tokenizer.json", {"truncation": cut}),
        ("generation_config.json", {"repetition_penalty": 2.0, "no_repeat_ngram_size": 1}),
    ):
        told = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**told, **more}))
    answers = []
    for each in (folder, folders("qwen2_5_vl")):
        adapter = ResWrap("qwen2_5_vl", pretrained=str(each), force_simple=True)
        judged = _judged(adapter, _documents(sizes=(96,)))
        answers.append([verdict.answer for verdict, _ in judged.values()])
        assert all(attestation.status == "attested" for _, attestation in judged.values())
    assert answers[0] == answers[1]


QWENS = [
    ("qwen2_5_vl", "qwen2_5_vl", True, 28),
    ("qwen3_vl", "qwen3_vl", True, 32),
    ("qwen2_vl", "qwen2_vl", True, 28),
]


@pytest.mark.parametrize(("base", "family", "simple", "unit"), QWENS)
@pytest.mark.parametrize("batch", [1, 4])
def test_the_grid_follows_where_the_floor_is_the_bases_argument(
    base: str, family: str, simple: bool, unit: int, batch: int, folders: Any
) -> None:
    adapter = ResWrap(base, pretrained=str(folders(family)), force_simple=simple, batch_size=batch)
    _check_whole_patches(_judged(adapter, _documents()), unit)
    own, ours = adapter.plan.limits["min_pixels"]
    assert own > ours == 28 * 28


@pytest.mark.parametrize("base", ["qwen2_5_vl"])
def test_the_bases_own_floor_is_seen_where_it_is_asked_for(base: str, folders: Any) -> None:
    adapter = ResWrap(base, pretrained=str(folders(base)), force_simple=True, min_pixels=112 * 112)
    judged = _judged(adapter, _documents())
    statuses = {(sample, size): found.status for (sample, size), (_, found) in judged.items()}
    assert {statuses[sample, "28"] for sample in ASPECTS} == {"mismatched"}
    assert statuses["square", "130"] == "attested"
    assert judged["square", "28"][1].grid == (112, 112)


def test_chat_qwens_have_a_floor_that_no_argument_moves(folders: Any) -> None:
    adapter = ResWrap("qwen3_vl", pretrained=str(folders("qwen3_vl")))
    judged = _judged(adapter, _documents())
    small = judged["square", "28"][1]
    assert (small.status, small.expected_grid, small.grid) == ("mismatched", (32, 32), (64, 64))
    assert judged["square", "96"][1].status == "attested"


def test_a_base_that_brings_all_to_one_size_is_mismatched_under_match(folders: Any) -> None:
    adapter = ResWrap("llava_hf", pretrained=str(folders("llava")))
    judged = _judged(adapter, _documents())
    assert {found.grid for _, found in judged.values()} == {(56, 56)}
    assert {found.status for _, found in judged.values()} == {"mismatched"}


@pytest.mark.parametrize("simple", [True, False])
def test_restore_is_attested_at_the_training_grid(simple: bool, folders: Any) -> None:
    folder = folders("llava")
    more = {}
    if simple:  # its own template is for text, not for parts
        more["chat_template"] = "{% for m in messages %}{{ m['content'] }} {% endfor %}assistant:"
    adapter = ResWrap("llava_hf", pretrained=str(folder), force_simple=simple, **more)
    judged = _judged(adapter, _documents("restore"))
    assert {(found.status, found.grid) for _, found in judged.values()} == {("attested", (56, 56))}
    assert {found.visual_tokens for _, found in judged.values()} == {16}
    informed = {found.information for _, found in judged.values()}
    assert len(informed) == len(judged)
    assert {found.training for _, found in judged.values()} == {"fixed:56"}


@pytest.mark.parametrize("batch", [1, 8])
def test_huggingface_is_mended_and_attested(batch: int, folders: Any) -> None:
    adapter = ResWrap("huggingface", pretrained=str(folders("pixtral")), batch_size=batch)
    judged = _judged(adapter, _documents())
    for (sample, size), (_, found) in judged.items():
        shown = budget_size(Size(*ASPECTS[sample]), int(size))
        assert found.expected_grid == (_nearest(shown.height, 14), _nearest(shown.width, 14))
        assert found.grid == found.expected_grid
        assert "huggingface (chat)" in found.evidence


def test_an_error_that_the_base_hides_is_a_failure(
    folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llava_hf answers an empty text, and goes on."""
    from transformers import LlavaForConditionalGeneration as Model

    generate = Model.generate

    def planted(self: Any, **inputs: Any) -> Any:
        if inputs["pixel_values"].abs().sum() > 0 and planted.calls.pop(0):  # type: ignore[attr-defined]
            raise torch.cuda.OutOfMemoryError("planted: out of memory")
        return generate(self, **inputs)

    planted.calls = [False, True, *[False] * 20]  # type: ignore[attr-defined]
    monkeypatch.setattr(Model, "generate", planted)
    adapter = ResWrap("llava_hf", pretrained=str(folders("llava")))
    judged = _judged(adapter, _documents("restore"))
    failed = {key: verdict.failure for key, (verdict, _) in judged.items() if verdict.failure}
    assert list(failed) == [("square", "64")]
    assert failed["square", "64"].kind == "OutOfMemoryError"
    assert "planted" in failed["square", "64"].message


def test_an_empty_text_that_the_model_wrote_is_an_answer(
    folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlavaForConditionalGeneration as Model

    monkeypatch.setattr(Model, "generate", lambda self, **inputs: _nothing(self, **inputs))
    adapter = ResWrap("llava_hf", pretrained=str(folders("llava")), scheme="restore")
    judged = _judged(adapter, _documents(sizes=(64,)))
    assert {(v.failure, v.correct, v.prediction) for v, _ in judged.values()} == {(None, 0, None)}


def _nothing(model: Any, **inputs: Any) -> torch.Tensor:
    """An encoded image, and the end of the text at once."""
    model.model.vision_tower(inputs["pixel_values"])
    end = torch.full((len(inputs["input_ids"]), 1), 2)
    return torch.cat([inputs["input_ids"], end], dim=1)


def test_a_blind_base_is_shown_its_mean_colour(folders: Any) -> None:
    adapter = ResWrap("qwen2_5_vl", pretrained=str(folders("qwen2_5_vl")), blind="true")
    shown: list[set[Any]] = []
    ask = adapter.answer

    def noting(views: Any, prepared: Any) -> Any:
        shown.extend(set(view.image.getdata()) for view in views)
        return ask(views, prepared)

    adapter.answer = noting  # type: ignore[method-assign]
    judged = _judged(adapter, _documents(sizes=(96,)))
    assert {found.blind for _, found in judged.values()} == {"mean image"}
    assert len(shown) == 3 and all(colours == {(123, 117, 104)} for colours in shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "base=NAME"),
        ({"base": "llava_fh"}, "did you mean 'llava_hf'"),
        ({"base": "reshf"}, "--model reshf"),
        ({"base": "qwen2_5_vl", "min_pixel": 4}, "did you mean 'min_pixels'"),
        ({"base": "qwen2_5_vl", "scheme": "macth"}, "match"),
        ({"base": "qwen2_5_vl", "answer_mode": "rank"}, "generate"),
        ({"base": "vllm"}, "vllm"),
        ({"base": "internvl2"}, "trust_remote_code=true"),
        ({"base": "qwen2_5_vl", "pretrained": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"base": "qwen2_5_vl", "train_resolution": "big"}, "fixed:224"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: dict[str, Any], said: str, folders: Any) -> None:
    if "train_resolution" in arguments:
        arguments = {**arguments, "pretrained": str(folders("qwen2_5_vl"))}
    with pytest.raises(SystemExit) as stopped:
        ResWrap(**arguments)
    assert str(stopped.value.code).startswith("resolution-eval: ")
    assert said in str(stopped.value.code)


def test_code_of_a_checkpoint_is_off_where_the_base_has_it_on() -> None:
    from resolution_eval.models.wrapped.base_plan import accepted, find, plan, trusts_always

    assert plan("huggingface", {}, force_simple=False).arguments["trust_remote_code"] is False
    assert trusts_always(find("internvl2", force_simple=True))
    assert not trusts_always(find("qwen3_vl", force_simple=False))
    own, takes_any = accepted(find("openai", force_simple=False))
    assert {"pass_video_url", "base_url"} <= set(own) and takes_any


# Whole runs through lmms-eval.


def _run(output: Path, arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The results' row of phantom_res, and the line of every one of ten documents."""
    command = ["--model", "reswrap", "--model_args", arguments, "--tasks", "phantom_res"]
    written = ["--output_path", str(output), "--log_samples", "--verbosity", "WARNING"]
    assert runs.lmms_eval([*command, "--limit", "10", "--batch_size", "2", *written]) == 0
    (results,) = output.rglob("*_results.json")
    (samples,) = output.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    return json.loads(results.read_text())["results"]["phantom_res"], lines


@pytest.mark.whole
def test_out_of_memory_at_the_largest_r_leaves_the_others_through_a_whole_run(
    folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlavaForConditionalGeneration as Model

    arguments = f"base=huggingface,pretrained={folders('pixtral')}"
    clean, attested = _run(tmp_path / "clean", arguments)
    assert clean["attestation,none"] == "10 attested"
    nearest = {"16": 14, "24": 28, "32": 28, "48": 42, "64": 70}
    for line in attested:
        edge = nearest[line["attestation"]["requested"]]
        assert line["attestation"]["grid"] == [edge, edge]
        assert line["attestation"]["visual_tokens"] == (edge // 14) ** 2
    generate, poison = Model.generate, []

    def planted(self: Any, **inputs: Any) -> Any:
        pixels = inputs["pixel_values"]
        if pixels.shape[-1] == 70:
            poison.extend([float(pixels[0].sum())][: 1 - len(poison)])
        if {float(image.sum()) for image in pixels} & set(poison):
            raise torch.cuda.OutOfMemoryError("planted: out of memory")
        return generate(self, **inputs)

    monkeypatch.setattr(Model, "generate", planted)
    row, lines = _run(tmp_path / "planted", arguments)
    failed = [line["verdict"] for line in lines if line["verdict"]["failure"]]
    assert [verdict["resolution"] for verdict in failed] == ["64"]
    assert "planted" in failed[0]["failure"]["message"] and failed[0]["correct"] is None
    assert "incomplete (1 of 2 failed)" in row["acc@64,none"]
    others = [f"acc@{edge},none" for edge in (16, 24, 32, 48)]
    assert [row[name] for name in others] == [clean[name] for name in others]


@pytest.mark.whole
def test_a_run_against_a_server_is_unattested_and_says_what_was_sent(
    server: _Server, tmp_path: Path
) -> None:
    told = f"base=openai,model=m,base_url={server.url},api_key=none,httpx_trust_env=False"
    row, lines = _run(tmp_path, f"{told},train_resolution=32")
    assert row["attestation,none"] == "10 unattested"
    sent = [(line["attestation"]["sent"], line["attestation"]["requested"]) for line in lines]
    assert all(told["width"] == told["height"] == int(size) for told, size in sent)
    assert len(server.received) == 10
    assert {line["attestation"]["training"] for line in lines} == {"fixed:32"}


# A server, which nobody can look into.


class _Server(ThreadingHTTPServer):
    """Answers as an OpenAI-compatible server would, with the size of the image that it received."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[tuple[int, int], str, int]] = []
        self.refused: set[tuple[int, int]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = body["messages"][-1]["content"]
        (url,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        data = base64.b64decode(url.partition("base64,")[2])
        image = Image.open(io.BytesIO(data))
        self.server.received.append((image.size, str(image.format), len(data)))
        refused = image.size in self.server.refused
        message = {"role": "assistant", "content": f"ring {image.size}"}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }
        text = {"error": {"message": "out of memory"}} if refused else answer
        written = json.dumps(text).encode()
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    running = _Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def _openai(server: _Server, **more: Any) -> ResWrap:
    return ResWrap(
        "openai",
        model="some/model",
        base_url=server.url,
        api_key="none",
        max_retries=1,
        httpx_trust_env=False,
        **more,
    )


@pytest.mark.parametrize("simple", [True, False])
def test_a_server_receives_the_image_at_r_and_the_sample_is_unattested(
    server: _Server, simple: bool
) -> None:
    judged = _judged(_openai(server, force_simple=simple), _documents())
    wanted = []
    for (sample, size), (verdict, found) in judged.items():
        shown = budget_size(Size(*ASPECTS[sample]), int(size))
        wanted.append((shown.width, shown.height))
        assert verdict.answer == f"ring {(shown.width, shown.height)}", "one sample's own answer"
        assert (found.status, found.grid, found.visual_tokens) == ("unattested", None, None)
        assert (found.sent.width, found.sent.height, found.sent.format) == (*wanted[-1], "PNG")
        assert found.information == wanted[-1]
        assert (wanted[-1], "PNG", found.sent.bytes) in server.received
        assert f"{shown} px was sent as PNG" in found.evidence
    assert sorted(size for size, _, _ in server.received) == sorted(wanted)


def test_nobody_measures_the_memory_of_a_server(server: _Server) -> None:
    adapter = _openai(server, batch_size="auto")
    adapter.device = torch.device("cuda:0")  # this machine's own, which the server does not use
    judged = _judged(adapter, _documents(sizes=(28,)))
    assert {verdict.failure for verdict, _ in judged.values()} == {None}
    assert {cost.peak_memory for cost in LEDGER.costs.values()} == {None}
    assert adapter.checkpoint_facts().device is None
    assert not adapter.finds_batch, "the base runs the batches that it was built for"


def test_a_server_under_restore_is_sent_the_training_grid_of_the_source(server: _Server) -> None:
    adapter = _openai(server, scheme="restore", train_resolution=64)
    judged = _judged(adapter, _documents("restore"))
    sizes = {size for size, _, _ in server.received}
    assert sizes == {(64, 64), (91, 45), (37, 111)}
    assert {found.training for _, found in judged.values()} == {"fixed:64"}


def test_restore_without_a_training_resolution_is_refused(server: _Server) -> None:
    with pytest.raises(SystemExit, match="train_resolution"):
        _judged(_openai(server, scheme="restore"), _documents("restore"))


def test_a_request_that_the_server_refuses_fails_its_samples_alone(server: _Server) -> None:
    server.refused = {(130, 130)}
    judged = _judged(_openai(server), _documents())
    failed = {key: v.failure for key, (v, _) in judged.items() if v.failure}
    assert list(failed) == [("square", "130")]
    assert "out of memory" in failed["square", "130"].message
    assert all(v.correct == 1 for key, (v, _) in judged.items() if key not in failed)


def test_the_arrangement_of_tiles_is_said_not_to_be_read() -> None:
    """Their number and size are all that enters a tower."""
    cut, whole = (TowerGrid(grid=(28, 14 * images), images=images) for images in (3, 1))
    (note,) = tile_notes(cut)
    assert "not read" in note and tile_notes(whole) == tile_notes(None) == ()
