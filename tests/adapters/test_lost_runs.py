"""A run that has nothing to show ends with status 1 and one sentence, however it was started."""

from __future__ import annotations

import copy
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.reply import Reply, decode_reply
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import runs
from resolution_eval.host.saving import watch_saving
from resolution_eval.models.families.engine import Engine, Utterance

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    LEDGER.adapter = None


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_families.save("llava", tmp_path_factory.mktemp("llava"))


def _command(output: Path, folder: Path, *more: str) -> list[str]:
    asked = ["--model", "reshf", "--model_args", f"pretrained={folder}", "--tasks", "phantom_res"]
    written = ["--output_path", str(output), "--log_samples", "--verbosity", "WARNING"]
    return [*asked, "--limit", "5", *written, *more]


def _miscounting(folder: Path) -> None:
    file = folder / "processor_config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "num_additional_image_tokens": 0}))


def test_a_run_begins_with_nobody_of_ours_answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another model answers after one of our adapters in a process is no reply of it."""
    import lmms_eval.__main__ as host

    seen: list[object] = []
    monkeypatch.setattr(
        host, "cli_evaluate", lambda: seen.append((LEDGER.adapter, LEDGER.describe, LEDGER.state))
    )
    LEDGER.begin("reshf", lambda: pytest.fail("asked"), lambda: "state")
    LEDGER.error = "of the run before"
    assert runs.lmms_eval([]) == 0
    assert seen == [(None, None, None)]


@pytest.mark.whole
def test_a_run_in_which_every_sample_failed_ends_with_status_1(
    llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(llava, tmp_path / "folder")
    _miscounting(folder)
    assert runs.lmms_eval(_command(tmp_path / "out", folder)) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "all 5 samples failed" in line]
    assert len(said) == 1 and "image tokens into the prompt" in said[0]
    assert list((tmp_path / "out").rglob("*_samples_*.jsonl")), (
        "what failed is written all the same"
    )


@pytest.mark.slow
@pytest.mark.parametrize("what", ["every sample fails", "an error in the run", "a sound run"])
def test_the_host_s_own_command_ends_with_the_same_status(
    what: str, llava: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(llava, tmp_path / "folder")
    if what == "every sample fails":
        _miscounting(folder)
    command = [str(Path(sys.executable).with_name("lmms-eval")), *_command(tmp_path / "o", folder)]
    if what == "an error in the run":
        (tmp_path / "sitecustomize.py").write_text(
            "import resolution_eval.adapters.adapter as base\n"
            "def broken(self, requests): raise RuntimeError('planted')\n"
            "base.ResolutionAdapter.generate_until = broken\n"
        )
    paths = {"PYTHONPATH": str(tmp_path)} if what == "an error in the run" else {}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={**os.environ, **paths}
    )
    if what == "a sound run":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    planted = "planted" if what == "an error in the run" else "all 5 samples failed"
    assert last.startswith("resolution-eval: ") and planted in last


# What lmms-eval saves


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Within, this process may write no file of more bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, kept)


@pytest.mark.parametrize("what", ["results", "samples"])
def test_results_that_are_not_whole_on_the_disk_are_an_error_and_are_removed(
    what: str, tmp_path: Path
) -> None:
    """lmms-eval logs a warning, leaves the half file, and ends with status 0."""
    from lmms_eval.loggers import EvaluationTracker

    watch_saving()
    LEDGER.rest()
    tracker = EvaluationTracker(output_path=str(tmp_path))
    tracker.general_config_tracker.model_name_sanitized = "m"
    lines = [
        {"arguments": ["q"], "resps": [["a" * 400]], "filtered_resps": ["a"], "target": 1, "doc": 0}
        for _ in range(2)
    ]

    def saved() -> list[str]:
        tracker.save_results_aggregated({"a": "b" * 400}, {}, "20260102_030405")
        if what == "samples":
            tracker.save_results_samples("phantom_res", copy.deepcopy(lines))
        return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())

    assert len(saved()) == (2 if what == "samples" else 1) and LEDGER.lost is None
    for path in tmp_path.rglob("*json*"):
        path.unlink()
    with no_file_above(900 if what == "samples" else 100):
        left = saved()
    assert left == [], "half a run would be in the next one's way"
    assert LEDGER.lost is not None and "the run's results are not saved" in LEDGER.lost
    assert what in LEDGER.lost
    LEDGER.rest()
    assert len(saved()) == (2 if what == "samples" else 1) and LEDGER.lost is None


# Replies and thinking


def _lines(output: Path) -> list[dict[str, Any]]:
    (samples,) = output.rglob("*_samples_*.jsonl")
    return [json.loads(line) for line in samples.read_text().splitlines()]


def _thinking(folder: Path) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text().replace("assistant:", "assistant:<think>\n"))


@pytest.mark.whole
@pytest.mark.parametrize("tags", [(), ("--reasoning_tags", "none")])
def test_an_answer_behind_its_thinking_survives_the_host(
    tags: tuple[str, ...], llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(llava, tmp_path / "folder")
    _thinking(folder)
    generate, limits = Engine.generate, []
    said = "rings?\nQuestion: which? Answer: checked disc\n</think>\nstriped ring\nQuestion: more?"

    def planted(self: Engine, questions: Any, asked: Any, *rest: Any) -> list[Utterance]:
        limits.append(asked.max_new_tokens)
        spoken = generate(self, questions, asked.model_copy(update={"max_new_tokens": 1}))
        return [Utterance(said, None, one.received, one.visual_tokens, 9) for one in spoken]

    monkeypatch.setattr(Engine, "generate", planted)
    assert runs.lmms_eval(_command(tmp_path / "out", folder, *tags)) == 0
    lines = _lines(tmp_path / "out")
    assert {line["verdict"]["prediction"] for line in lines} == {"striped ring"}
    assert set(limits) == {4096}
    (told,) = [line["run"]["checkpoint"]["writing"] for line in lines if "run" in line]
    assert "it thinks: 4096 tokens" in told


@pytest.mark.whole
def test_a_thinking_that_the_limit_cut_is_unparseable_and_counted(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(llava, tmp_path / "folder")
    _thinking(folder)
    generate = Engine.generate

    def planted(self: Engine, questions: Any, asked: Any, *rest: Any) -> list[Utterance]:
        spoken = generate(self, questions, asked.model_copy(update={"max_new_tokens": 1}))
        words = "Is it a striped ring? Answer: striped ring"
        return [
            Utterance(words, None, one.received, one.visual_tokens, 8, ended=False)
            for one in spoken
        ]

    monkeypatch.setattr(Engine, "generate", planted)
    more = ("--gen_kwargs", "max_new_tokens=8")
    assert runs.lmms_eval(_command(tmp_path / "out", folder, *more)) == 0
    lines = _lines(tmp_path / "out")
    assert {line["verdict"]["prediction"] for line in lines} == {None}
    assert {line["verdict"]["correct"] for line in lines} == {0}
    note = "cut while thinking at max_new_tokens=8; raise it with --gen_kwargs max_new_tokens=32"
    assert all(note in line["attestation"]["notes"] for line in lines)
    (results,) = (tmp_path / "out").rglob("*_results.json")
    row = json.loads(results.read_text())["results"]["phantom_res"]
    assert row["unparseable,none"] == f"5 (5 {note})"
    from resolution_eval.records import make_records

    (record,) = make_records(tmp_path / "out")
    assert [cell.cut for cell in record.cells] == [1] * 5
    assert [cell.unparseable for cell in record.cells] == [1] * 5


@pytest.mark.whole
def test_ranking_stands_behind_an_empty_thinking(llava: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(llava, tmp_path / "folder")
    _thinking(folder)
    command = _command(tmp_path / "out", folder)
    command[command.index("--model_args") + 1] += ",answer_mode=rank"
    assert runs.lmms_eval(command) == 0
    notes = {tuple(line["attestation"]["notes"]) for line in _lines(tmp_path / "out")}
    assert notes == {("an empty thinking stands before the choices",)}


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think> b",
        "[THINK]a[/THINK]b",
        "◁think▷ ◁/think▷",
        '"quoted" \\ back\\\\slash\\u003c',
        "</think>",
        "<analysis>x</analysis>",
        "line\nbreak\ttab\x00 \u202e ünïcode 漢字 😀",
        '{"resolution_eval_reply":1,',
        "<|channel>thought<channel|>",
        "%#@!$^&*()=~`|/?",
    ],
)
def test_a_reply_holds_no_tag_and_comes_back_as_it_was(text: str) -> None:
    from lmms_eval.api.reasoning import strip_reasoning_tags

    attestation = Attestation(
        status="attested",
        source=(28, 28),
        requested="28",
        information=(28, 28),
        capped=False,
        filter="bicubic",
        scheme="match",
        expected_grid=(28, 28),
        grid=(28, 28),
        rounding=(0, 0),
        visual_tokens=4,
        evidence="<seen>",
        training="fixed:56",
        answer_mode="generate",
        fingerprint="f",
        adapter="reshf",
        checkpoint="<c>",
    )
    reply = Reply(
        sample="s", answer=text, choice=None, choice_scores=(-0.1, -1e-300), attestation=attestation
    )
    LEDGER.adapter = "reshf"
    tags = [["<", ">"], ["[THINK]", "[/THINK]"], ["◁", "▷"], ["*", "*"], ["/", "/"], ["=", "="]]
    assert decode_reply(strip_reasoning_tags(reply.encode(), tags)) == reply
