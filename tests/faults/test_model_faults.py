"""Faults of the model, and of the cache of its answers: scores stand, or samples are named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from planted import (
    RESOLUTIONS,
    SAMPLES,
    Scored,
    Scripted,
    documents,
    failed,
    opened,
    right,
    scored,
)
from tiny_flamingo import TEXTS, pixels, tiny

from resolution_eval.adapters.adapter import View
from resolution_eval.answers.generation import Generation
from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.finite import finite_logits, watched_logits
from resolution_eval.identity import revision_of, stamp_of
from resolution_eval.models import flamingo


@pytest.fixture(autouse=True)
def _data() -> Iterator[None]:
    with opened():
        yield


@pytest.fixture
def clean() -> Scored:
    """The run without a fault."""
    return scored(Scripted(), documents())


def key_of(view: View) -> tuple[str, str]:
    assert view.job.document is not None
    return view.job.document["sample"], view.job.document["resolution"]


def raising(error: BaseException, when: Callable[[View], bool]) -> Callable[[Sequence[View]], None]:
    def fault(views: Sequence[View]) -> None:
        if any(when(view) for view in views):
            raise error

    return fault


def others_stand(found: Scored, clean: Scored, lost: set[tuple[str, str]]) -> None:
    """The samples in `lost` have no score and all others that of the fault-free run."""
    assert set(failed(found)) == lost
    assert {key: score for key, score in right(found).items() if key not in lost} == {
        key: score for key, score in right(clean).items() if key not in lost
    }
    assert all(found[key][1].status == "failed" for key in lost)


def test_the_fault_free_run_scores_four_in_five(clean: Scored) -> None:
    assert sum(score or 0 for score in right(clean).values()) == 12 and not failed(clean)


def test_out_of_memory_at_one_resolution_costs_its_samples_alone(clean: Scored) -> None:
    adapter = Scripted()
    oom = torch.cuda.OutOfMemoryError("planted: out of memory")
    adapter.fault = raising(oom, lambda view: key_of(view)[1] == "64")
    found = scored(adapter, documents())
    others_stand(found, clean, {(sample, "64") for sample in SAMPLES})
    assert all("out of memory" in said for said in failed(found).values())


def test_out_of_memory_of_a_batch_alone_changes_nothing(clean: Scored) -> None:
    adapter = Scripted(batch=4)

    def fault(views: Sequence[View]) -> None:
        if len(views) > 1 and key_of(views[0])[1] == "64":
            raise torch.cuda.OutOfMemoryError("planted: out of memory")

    adapter.fault = fault
    assert right(scored(adapter, documents())) == right(clean)


@pytest.mark.parametrize("which", ["first", "last"])
def test_an_adapter_that_raises_on_one_batch_loses_that_sample(clean: Scored, which: str) -> None:
    order: list[tuple[str, str]] = []
    watching = Scripted(batch=1)
    watching.fault = lambda views: order.extend(map(key_of, views))
    scored(watching, documents())
    lost = order[0] if which == "first" else order[-1]
    adapter = Scripted(batch=1)
    adapter.fault = raising(ValueError("planted: shapes differ"), lambda v: key_of(v) == lost)
    found = scored(adapter, documents())
    others_stand(found, clean, {lost})
    assert failed(found)[lost] == "ValueError: planted: shapes differ"


def test_an_adapter_that_raises_while_loading_leaves_no_score() -> None:
    class Broken(Scripted):
        def __init__(self) -> None:
            super().__init__()
            raise ModelError("planted: no weights")

    with pytest.raises(ModelError, match="no weights"):
        Broken()


def test_an_interrupt_is_not_a_failed_sample() -> None:
    adapter = Scripted()
    adapter.fault = raising(KeyboardInterrupt(), lambda view: True)
    with pytest.raises(KeyboardInterrupt):
        scored(adapter, documents())


def test_an_empty_text_that_was_written_is_unparseable_and_wrong() -> None:
    adapter = Scripted()
    adapter.text = lambda view: ""
    found = scored(adapter, documents())
    assert not failed(found) and set(right(found).values()) == {0}
    assert {verdict.prediction for verdict, _ in found.values()} == {None}


@pytest.mark.whole
def test_ten_thousand_words_are_kept_whole_and_parsed_as_few_are() -> None:
    short, long = Scripted(), Scripted()
    short.text = lambda view: "Answer: adipose"
    long.text = lambda view: "Well, let me see. " * 2_500 + "Answer: adipose"
    found = scored(long, documents())
    assert right(found) == right(scored(short, documents()))
    assert {len((verdict.answer or "").split()) for verdict, _ in found.values()} == {10_002}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_no_text(value: float) -> None:
    bundle = tiny()
    encoded = flamingo.encode(bundle, pixels(1))
    prompt = "<image>" + TEXTS[0]
    assert flamingo.write(bundle, encoded, [prompt], Generation(max_new_tokens=2))
    head = bundle.model.lang_encoder.get_output_embeddings()
    kept = head.weight.data.clone()
    try:
        head.weight.data.fill_(value)
        with pytest.raises(ModelError, match="logits are not finite at token"):
            flamingo.write(bundle, encoded, [prompt], Generation(max_new_tokens=2))
    finally:
        head.weight.data.copy_(kept)


def test_a_token_that_is_ruled_out_is_no_fault() -> None:
    scores = torch.tensor([[0.5, float("-inf")]])
    assert finite_logits(torch.zeros(1, 3), scores) is scores
    with pytest.raises(ModelError):
        finite_logits(torch.zeros(1, 3), torch.full((1, 2), float("-inf")))


def test_a_wrapped_bases_logits_are_watched_and_let_go() -> None:
    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(2, 3)

        def get_output_embeddings(self) -> torch.nn.Module:
            return self.head

    model = Tiny()
    overflowed = torch.full((1, 4, 2), float("nan"))
    with watched_logits(model), pytest.raises(ModelError, match="not finite"):
        model.head(overflowed)
    assert model.head(overflowed).isnan().all()


# The response cache: what was answered before, under the same name.


def second(
    folder: Path, again: Scripted, docs: list[dict[str, Any]] | None = None
) -> tuple[Scored, Scored]:
    """A cold run, and the run `again` of the same names on the cache that it left."""
    cold = scored(Scripted(), documents(), folder)
    return cold, scored(again, docs or documents(), folder)


def test_a_warm_cache_gives_the_cold_answers(tmp_path: Path) -> None:
    again = Scripted()
    cold, warm = second(tmp_path, again)
    assert again.asked == 0
    assert warm == cold


CHANGES: dict[str, Callable[[], Scripted]] = {
    "weights": lambda: Scripted(weights="sha256:two"),
    "filter": lambda: Scripted(filter="box"),
    "scheme": lambda: Scripted(scheme="restore"),
}


@pytest.mark.parametrize("changed", sorted(CHANGES))
def test_a_cache_filled_under_the_same_name_by_another_is_not_believed(
    tmp_path: Path, changed: str
) -> None:
    _, warm = second(tmp_path, CHANGES[changed]())
    assert set(right(warm).values()) == {None}
    assert all("delete the response cache" in said for said in failed(warm).values())


def test_a_processor_whose_default_changed_is_not_served_the_old_answers(tmp_path: Path) -> None:
    again = Scripted()
    again.processor = "do_resize=false"
    _, warm = second(tmp_path, again)
    assert set(right(warm).values()) == {None}


def test_a_package_that_was_upgraded_is_not_served_the_old_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = scored(Scripted(), documents(), tmp_path)
    from resolution_eval.adapters import adapter

    monkeypatch.setattr(adapter, "versions", lambda: {"transformers": "99.0"})
    assert set(right(scored(Scripted(), documents(), tmp_path)).values()) == {None}
    assert None not in right(cold).values()


@pytest.mark.parametrize(
    "changes",
    [{"filter": "box"}, {"scheme": "restore"}, {"fingerprint": "f2"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_cache_filled_for_another_document_is_not_believed(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    _, warm = second(tmp_path, Scripted(), documents(**changes))
    assert set(right(warm).values()) == {None}


def test_other_choices_are_another_prompt_and_are_asked_anew(tmp_path: Path) -> None:
    again = Scripted()
    docs = documents(choices=["debris", "adipose", "mucus"])
    _, warm = second(tmp_path, again, docs)
    assert again.asked == len(docs) and warm == scored(Scripted(), docs)


def test_a_cache_filled_at_another_resolution_is_not_believed(tmp_path: Path) -> None:
    docs = documents()
    for doc in docs:
        doc["resolution"] = {"16": "32", "32": "16", "64": "64"}[doc["resolution"]]
    _, warm = second(tmp_path, Scripted(), docs)
    lost = {(sample, r) for sample in SAMPLES for r in RESOLUTIONS if r != "64"}
    assert set(failed(warm)) == lost
    assert all(said.startswith("stale") for said in failed(warm).values())


def rewrite(folder: Path, change: Callable[[str], str]) -> None:
    with sqlite3.connect(folder / "cache.db") as database:
        rows = database.execute("SELECT cache_key, response FROM responses").fetchall()
        for place, (key, response) in enumerate(rows):
            if place == 0:
                update = "UPDATE responses SET response = ? WHERE cache_key = ?"
                database.execute(update, (change(response), key))
    database.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2] + '"',
        lambda text: text.replace('\\"choice\\":0', '\\"choice\\":1'),
        lambda text: text.replace('\\"choice\\":0', '\\"choice\\":7'),
        lambda text: text.replace('\\"choice\\":0', '\\"choice\\":-1'),
        lambda text: text.replace("-1.0,-2.0", "-2.0"),
    ],
    ids=["cut", "another choice", "no such choice", "a negative choice", "too few scores"],
)
def test_a_corrupted_cache_loses_its_sample_and_no_other(
    tmp_path: Path, clean: Scored, change: Callable[[str], str]
) -> None:
    scored(Scripted(), documents(), tmp_path)
    rewrite(tmp_path, change)
    warm = scored(Scripted(), documents(), tmp_path)
    (lost,) = failed(warm)
    others_stand(warm, clean, {lost})
    assert failed(warm)[lost].startswith("unreadable: ")


# Weights whose name stays and whose bytes change.


def test_a_folders_revision_follows_its_bytes_and_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    (tmp_path / "preprocessor_config.json").write_text('{"do_resize": true}')
    first, stamp = revision_of(tmp_path), stamp_of(tmp_path)
    assert first is not None and first.startswith("sha256:") and revision_of(tmp_path) == first
    (tmp_path / "preprocessor_config.json").write_text('{"do_resize": false}')
    second = revision_of(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert len({first, second, revision_of(tmp_path)}) == 3
    assert stamp_of(tmp_path) != stamp
    assert revision_of(tmp_path / "nowhere") is None
