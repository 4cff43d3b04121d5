"""Batch services: handed over once, collected once, and scored as any other run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import adapter, documents, judged
from batch_stand_in import LOST, BatchStandIn
from stand_in import qwen, running

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.host.cache_folder import keeping
from resolution_eval.models.wrapped import batch_services
from resolution_eval.models.wrapped.batch_run import FILE, Batching, BatchQueue
from resolution_eval.models.wrapped.batch_services import service
from resolution_eval.models.wrapped.journal import Journal

pytestmark = pytest.mark.filterwarnings("ignore")
IMAGES, SIZES = ["280x280", "420x210"], (84, 140)


def served(*faults: str) -> Any:
    return running(qwen, kind=BatchStandIn, faults=faults)


def step(server: Any, turn: str | None, **more: Any) -> Any:
    """One run; its samples, or the status by which it ended."""
    told = {} if turn is None else {"batch": turn}
    try:
        return judged(adapter(server, **told, **more), documents(IMAGES, SIZES))
    except SystemExit as stopped:
        return stopped.code


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    with keeping(tmp_path / "kept"):
        yield tmp_path / "kept"


@pytest.mark.parametrize("simple", [True, False])
def test_a_batch_is_submitted_collected_and_counted_and_nothing_is_asked_at_once(
    kept: Path, simple: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with served() as server:
        assert step(server, "submit", force_simple=simple) == 0
        assert "4 questions were handed to OpenAI as batch_0" in capsys.readouterr().out
        assert step(server, "collect", force_simple=simple) == batch_status("not yet")
        assert "batch_0 is in_progress" in capsys.readouterr().out
        server.ready = True
        found = step(server, "collect", force_simple=simple)
        assert server.received == [] and [len(batch) for batch in server.batches] == [4]
        again = step(server, "collect", force_simple=simple)
        assert server.received == []
    for samples in (found, again):
        assert [attested.status for _, attested in samples] == ["counted"] * 4
        assert [verdict.prediction for verdict, _ in samples] == ["ring"] * 4


def batch_status(_: str) -> int:
    from resolution_eval.adapters.reswrap import NOT_YET

    return NOT_YET


def test_what_is_under_way_is_not_handed_over_twice(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served() as server:
        step(server, "submit")
        capsys.readouterr()
        assert step(server, "submit") == 0
        assert "every question is answered or in a batch" in capsys.readouterr().out
        assert len(server.batches) == 1


def test_a_request_that_the_service_lost_is_said_and_handed_over_again(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(LOST) as server:
        step(server, "submit")
        server.ready = True
        capsys.readouterr()
        assert step(server, "collect") == batch_status("not yet")
        assert "1 of 4 questions are in no batch" in capsys.readouterr().out
        assert step(server, "submit") == 0
        assert [len(batch) for batch in server.batches] == [4, 1]
        found = step(server, "collect")
        assert server.received == []
    assert [attested.status for _, attested in found] == ["counted"] * 4


def test_without_batch_the_rest_is_asked_at_once(kept: Path) -> None:
    with served(LOST) as server:
        step(server, "submit")
        server.ready = True
        step(server, "collect")
        found = step(server, None)
        assert len(server.questions) == 1
    assert [attested.status for _, attested in found] == ["counted"] * 4


def test_a_refusal_in_a_batch_is_a_failure_by_name(kept: Path) -> None:
    with served() as server:
        step(server, "submit")
        server.ready = True
        plain = server.answer
        server.answer = lambda body: (
            plain(body)
            | {
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": None, "refusal": "I cannot."},
                    }
                ]
            }
        )
        found = step(server, "collect", max_retries=1)
    assert {verdict.failure.kind for verdict, _ in found} == {"refusal"}


def test_a_batch_needs_a_folder_to_be_kept_in() -> None:
    with served() as server:
        assert "give --use_cache FOLDER" in str(step(server, "submit"))
        with pytest.raises(SystemExit, match="did you mean 'submit'"):
            adapter(server, batch="submitt")


# Each provider's own form.


def questions(server: Any, kind: str, count: int = 3) -> BatchQueue:
    """A queue of questions in the provider's form."""
    queue = BatchQueue()
    for number in range(count):
        text = f"Which of {number}?"
        if kind == "Gemini":
            root = server.url.removesuffix("/v1")
            url = f"{root}/v1beta/models/gemini-3-pro-preview:generateContent"
            body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
            headers = {"x-goog-api-key": "secretsecret"}
        else:
            body = {"model": "m", "messages": [{"role": "user", "content": text}]}
            body |= {"system": "s"} if kind == "Anthropic" else {}
            end = "/messages" if kind == "Anthropic" else "/chat/completions"
            url, headers = server.url + end, {"x-api-key": "secretsecret"}
        queue.take(url, body, headers)
    return queue


KINDS = ["OpenAI", "Anthropic", "Gemini"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_service_gives_every_question_its_own_answer(kind: str, tmp_path: Path) -> None:
    with served() as server:
        queue = questions(server, kind)
        journal = Journal(tmp_path / "answers.jsonl")
        said = Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        assert said is not None and f"3 questions were handed to {kind}" in said
        collect = Batching("collect", tmp_path, trust_environment=False)
        assert "Nothing was scored" in str(collect.settle(queue, journal))
        server.ready = True
        assert collect.settle(queue, journal) is None
        sent = [body for _, body in server.batches[0]]
        assert sent == [question.body for question in queue.questions]
        for question in queue.questions:
            assert journal.take(question.url, question.body) == server.answer(dict(question.body))
            assert journal.take(question.url, question.body) is None
        assert set(server.keys) == {"secretsecret"} and server.received == []
    for file in tmp_path.iterdir():
        assert "secret" not in file.read_text() and "127.0.0.1" not in file.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_each_service_says_which_question_it_lost(kind: str, tmp_path: Path) -> None:
    with served(LOST) as server:
        queue, journal = questions(server, kind), Journal(tmp_path / "answers.jsonl")
        Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        server.ready = True
        collect = Batching("collect", tmp_path, trust_environment=False)
        said = str(collect.settle(queue, journal))
        assert "1 of 3 questions" in said
        # OpenAI's file of errors has no line of a question that was never run
        assert (f"{kind} said of the first: " in said) == (kind != "OpenAI")
        held = [journal.holds(question.digest) for question in queue.questions]
    assert held == [0, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_larger_than_a_batch_becomes_several(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in batch_services.SERVICES:
        monkeypatch.setattr(each, "most_requests", 2)
    with served() as server:
        queue, journal = questions(server, kind, 5), Journal(tmp_path / "answers.jsonl")
        Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        assert [len(batch) for batch in server.batches] == [2, 2, 1]
        server.ready = True
        collect = Batching("collect", tmp_path, trust_environment=False)
        assert collect.settle(queue, journal) is None
    assert json.loads((tmp_path / FILE).read_text()) == []


def test_the_same_question_asked_twice_is_answered_twice(tmp_path: Path) -> None:
    with served() as server:
        queue = questions(server, "OpenAI", 1)
        queue.questions *= 2
        journal = Journal(tmp_path / "answers.jsonl")
        Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        server.ready = True
        assert Batching("collect", tmp_path, trust_environment=False).settle(queue, journal) is None
        assert journal.holds(queue.questions[0].digest) == 2


def test_a_key_goes_to_no_other_machine(tmp_path: Path) -> None:
    with served() as server:
        queue, journal = questions(server, "Anthropic"), Journal(tmp_path / "answers.jsonl")
        Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        server.ready, server.results_at = True, "http://127.0.0.2:9/results"
        with pytest.raises(ModelError, match="another machine"):
            Batching("collect", tmp_path, trust_environment=False).settle(queue, journal)
    assert len(json.loads((tmp_path / FILE).read_text())) == 1, "it can be collected later"


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://api.openai.com/v1/responses", "/v1/responses"),
        ("https://x.azure.com/deployments/a/chat/completions?api-version=1", "chat/completions"),
    ],
)
def test_a_provider_without_a_batch_service_that_we_know_is_refused(url: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        service(url, {})


def test_a_service_that_refuses_is_named(tmp_path: Path) -> None:
    with running(qwen) as server:  # it knows no files
        queue = questions(server, "Anthropic")
        with pytest.raises(ModelError, match="batch service of Anthropic"):
            Batching("collect", tmp_path, trust_environment=False).settle(
                _written(tmp_path, queue), Journal(None)
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_whose_name_is_lost_on_the_way_is_not_handed_over_again(
    kind: str, tmp_path: Path
) -> None:
    """The service took it, and the connection broke before it said so."""
    with served("name lost") as server:
        queue, journal = questions(server, kind), Journal(tmp_path / "answers.jsonl")
        with pytest.raises(ModelError, match="before you submit again"):
            Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        assert len(server.batches) == 1
        server.faults = {"name absent"}
        with pytest.raises(ModelError, match="answered without"):
            Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [None, "text", ["list"], 5])
def test_an_outcome_in_another_shape_is_a_question_without_an_answer(
    kind: str, shape: Any, tmp_path: Path
) -> None:
    with served() as server:
        queue, journal = questions(server, kind), Journal(tmp_path / "answers.jsonl")
        Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        server.ready, server.odd = True, shape
        said = Batching("collect", tmp_path, trust_environment=False).settle(queue, journal)
    assert said is not None and "have no answer in theirs" in said


def test_an_answer_keeps_its_letters_and_every_end_of_line_within_it(tmp_path: Path) -> None:
    with served("as text") as server:
        server.reply = lambda _: "Ä\u2028\x85B"
        queue, journal = questions(server, KINDS[0]), Journal(tmp_path / "answers.jsonl")
        Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        server.ready = True
        assert Batching("collect", tmp_path, trust_environment=False).settle(queue, journal) is None
        question = queue.questions[0]
        held = Journal(tmp_path / "answers.jsonl").take(question.url, question.body)
    assert held is not None and held["choices"][0]["message"]["content"] == "Ä\u2028\x85B"


def _written(folder: Path, queue: BatchQueue) -> BatchQueue:
    """The queue, with a file that says it was handed over."""
    batch = {"batch": "b", "requests": [question.digest for question in queue.questions]}
    (folder / FILE).write_text(json.dumps([batch]))
    return queue


@pytest.mark.parametrize("text", ["{}", '[{"batch": "b"}]', "[1]", "[", '"b"'])
def test_a_list_of_batches_that_cannot_be_read_hands_nothing_over_again(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text(text)
    with served() as server:
        queue, journal = questions(server, KINDS[0]), Journal(tmp_path / "answers.jsonl")
        with pytest.raises(UsageError, match="names the batches under way"):
            Batching("submit", tmp_path, trust_environment=False).settle(queue, journal)
        assert server.batches == []
