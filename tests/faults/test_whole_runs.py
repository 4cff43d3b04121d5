"""Faults planted in whole runs of lmms-eval, through its own command line, in this process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from resolution_eval.adapters.adapter import View
from resolution_eval.adapters.resflamingo import ResFlamingo
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.ground.errors import RecordError
from resolution_eval.host import runs
from resolution_eval.models.families.engine import Engine
from resolution_eval.records import Record, make_records
from resolution_eval.records.times import timeless

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]
LIMIT = 10
Scored = dict[tuple[str, str], int | None]


def lmms_eval(output: Path, *more: str, model: str = "resflamingo") -> int:
    """The status of a run of ten documents of five resolutions."""
    command = ["--model", model, "--tasks", "phantom_res", "--limit", str(LIMIT)]
    written = ["--output_path", str(output), "--log_samples", "--verbosity", "WARNING"]
    return runs.lmms_eval([*command, *written, "--batch_size", "4", *more])


def recorded(output: Path, *more: str, model: str = "resflamingo") -> Record:
    assert lmms_eval(output, *more, model=model) == 0
    (record,) = make_records(output)
    assert len(record.answers) == LIMIT
    return record


def scored(record: Record) -> Scored:
    rows = record.answers.rows()
    return {(row["sample"], row["resolution"]): row["correct"] for row in rows}


def failures(record: Record) -> dict[tuple[str, str], str]:
    return {(one.sample, one.resolution): f"{one.kind}: {one.message}" for one in record.failures}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The run without a fault."""
    return recorded(tmp_path_factory.mktemp("clean"))


# The adapter.


def test_an_adapter_that_raises_while_loading_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted: no weights")

    monkeypatch.setattr(ResFlamingo, "__init__", broken)
    assert lmms_eval(tmp_path) == 1
    assert not list(tmp_path.rglob("*_results.json"))
    with pytest.raises(RecordError, match="no results of our tasks"):
        make_records(tmp_path)


@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
def test_an_adapter_that_raises_on_its_first_or_last_batch_loses_that_batch(
    clean: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    answer = ResFlamingo.answer
    batches: list[set[tuple[str, str]]] = []
    lost: set[tuple[str, str]] = set()

    def keys(views: Sequence[View]) -> set[tuple[str, str]]:
        documents = [view.job.document or {} for view in views]
        return {(document["sample"], document["resolution"]) for document in documents}

    def watching(self: ResFlamingo, views: Sequence[View], *rest: Any) -> Sequence[Answer]:
        batches.append(keys(views))
        return answer(self, views, *rest)

    def planted(self: ResFlamingo, views: Sequence[View], *rest: Any) -> Sequence[Answer]:
        if keys(views) & lost:
            raise ValueError("planted: shapes differ")
        return answer(self, views, *rest)

    monkeypatch.setattr(ResFlamingo, "answer", watching)
    recorded(tmp_path / "watched")
    lost |= batches[place]
    monkeypatch.setattr(ResFlamingo, "answer", planted)
    found = recorded(tmp_path / "planted")
    assert failures(found) == dict.fromkeys(lost, "ValueError: planted: shapes differ")
    expected = {key: None if key in lost else score for key, score in scored(clean).items()}
    assert scored(found) == expected
    marked = {cell.resolution for cell in found.cells if cell.status == "incomplete"}
    assert marked == {resolution for _, resolution in lost}


def test_memory_that_is_really_refused_at_one_resolution_costs_its_samples_alone(
    clean: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is PyTorch's own: more is asked for than any machine has."""
    answer = ResFlamingo.answer

    def greedy(self: ResFlamingo, views: Sequence[View], *rest: Any) -> Sequence[Answer]:
        if views[0].job.resolution == 64:
            torch.empty(2**60, dtype=torch.uint8)
        return answer(self, views, *rest)

    monkeypatch.setattr(ResFlamingo, "answer", greedy)
    found = recorded(tmp_path)
    lost = {key for key in scored(clean) if key[1] == "64"}
    assert len(lost) == 2 and set(failures(found)) == lost
    assert all("DefaultCPUAllocator" in said for said in failures(found).values())
    expected = {key: None if key in lost else score for key, score in scored(clean).items()}
    assert scored(found) == expected


# The clock.


@pytest.mark.parametrize("jump", [-3600.0, 3600.0], ids=["back", "ahead"])
def test_a_clock_that_jumps_changes_no_more_than_the_times(
    clean: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    calls = iter(range(10**9))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump * next(calls))
    found = recorded(tmp_path)
    assert timeless(found) == timeless(clean)
    wall = found.environment.wall_time
    assert wall is None or wall >= 0
    costs = [cell.cost for cell in found.cells if cell.cost is not None]
    assert sum(cost.timed for cost in costs) == LIMIT
    assert all(0 <= cost.seconds < 60 for cost in costs), "of the monotonic clock"


# A Hugging Face checkpoint: its processor, its weights, its logits.


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_families.save("llava", tmp_path_factory.mktemp("llava"))


@pytest.fixture
def checkpoint(llava: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    import shutil

    return shutil.copytree(llava, tmp_path / "checkpoint")


def edited_processor(folder: Path) -> None:
    """Another mean colour, as a new version of a processor may bring."""
    path = folder / "processor_config.json"
    document = json.loads(path.read_text())
    document["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(document))


def edited_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    (path,) = folder.glob("*.safetensors")
    tensors = load_file(path)
    name = max(tensors, key=lambda each: tensors[each].numel())
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize("change", [edited_processor, edited_weights])
def test_what_changed_under_the_same_name_is_another_revision_and_serves_no_old_answer(
    checkpoint: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    given = ["--model_args", f"pretrained={checkpoint},answer_mode=rank"]
    given += ["--use_cache", str(tmp_path / "cache")]
    before = recorded(tmp_path / "before", *given, model="reshf")
    change(checkpoint)
    after = recorded(tmp_path / "after", *given, model="reshf")
    assert before.checkpoint.name == after.checkpoint.name
    assert before.checkpoint.revision != after.checkpoint.revision
    assert not failures(before) and set(failures(after)) == set(scored(after))
    assert all("delete the response cache" in said for said in failures(after).values())
    anew = recorded(tmp_path / "anew", *given[:2], model="reshf")
    assert not failures(anew) and anew.checkpoint.revision == after.checkpoint.revision
    columns = [record.answers.column("choice_scores") for record in (before, anew)]
    assert columns[0] != columns[1], "the change should have been felt"


@pytest.mark.parametrize("mode", ["rank", "generate"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_no_answer_of_a_hugging_face_model(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, value: float
) -> None:
    given = ["--model_args", f"pretrained={llava},answer_mode={mode}"]
    build = Engine.__init__

    def poisoned(self: Engine, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        with torch.no_grad():
            self.model.get_output_embeddings().weight.fill_(value)

    monkeypatch.setattr(Engine, "__init__", poisoned)
    found = recorded(tmp_path, *given, model="reshf")
    assert set(scored(found).values()) == {None}
    assert all("not finite" in said for said in failures(found).values())


def test_ten_thousand_tokens_are_written_counted_and_kept(checkpoint: Path, tmp_path: Path) -> None:
    path = checkpoint / "generation_config.json"
    own = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(own | {"min_new_tokens": 10_000}))
    given = ["--model_args", f"pretrained={checkpoint},answer_mode=generate", "--limit", "1"]
    asked = ["--gen_kwargs", "max_new_tokens=10000"]
    assert lmms_eval(tmp_path / "out", *given, *asked, model="reshf") == 0
    (record,) = make_records(tmp_path / "out")
    (row,) = record.answers.rows()
    assert row["generated_tokens"] > 9000
    assert len(row["answer"]) > 5000  # random bytes, several of which may make one character
    assert row["failure_kind"] is None and row["correct"] in (0, 1)
