"""Servers that misbehave: each fault is named, and none becomes a wrong answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from asking import MODEL, adapter, ask, documents, judged
from openai.types.chat import ChatCompletion
from stand_in import qwen, running

from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.verdict import Failure, Verdict
from resolution_eval.host.cache_folder import keeping
from resolution_eval.models.wrapped.spending import AROUND

pytestmark = pytest.mark.filterwarnings("ignore")
IMAGE, SIZES = ["420x420"], (140, 280)
Pairs = list[tuple[Verdict, Attestation]]


def misbehaving(*faults: str, sizes: tuple[Any, ...] = SIZES, **more: Any) -> Pairs:
    told = {key: more.pop(key) for key in ("details", "wrapping") if key in more}
    with running(qwen, faults=faults, **told) as server:
        return ask(server, more.pop("images", IMAGE), sizes, **more)


@contextmanager
def budget(tokens: int) -> Iterator[None]:
    """lmms-eval's own, of the run under way."""
    from lmms_eval.models.model_utils import usage_metrics

    usage_metrics.set_budget(tokens)
    try:
        yield
    finally:
        usage_metrics.reset_usage_metrics()


def failures(pairs: Pairs) -> list[Failure]:
    """Of samples that all failed, and none of which is wrong."""
    found = [verdict.failure for verdict, _ in pairs]
    assert all(verdict.correct is None for verdict, _ in pairs)
    assert {attested.status for _, attested in pairs} == {"failed"}
    return [failure for failure in found if failure is not None]


def notes(pairs: Pairs) -> list[str]:
    return [note for _, attested in pairs for note in attested.notes]


def statuses(pairs: Pairs) -> list[str]:
    return [attested.status for _, attested in pairs]


def test_an_image_that_is_dropped_is_a_failure() -> None:
    for details in (True, False):
        for failure in failures(misbehaving("dropped", details=details)):
            assert failure.kind == "dropped" and "0 image tokens" in failure.message


def test_an_image_that_a_relay_replaces_by_a_text_is_a_failure() -> None:
    for failure in failures(misbehaving("placeholder", sizes=(280, 420))):
        assert failure.kind == "dropped" and failure.message.startswith("4 image tokens")


def test_an_image_halved_on_the_way_is_mismatched_with_both_figures() -> None:
    found = misbehaving("halved")
    assert statuses(found) == ["mismatched"] * 2
    assert "9 image tokens were counted, 25 to 27 were due" in notes(found)[0] or (
        "4 image tokens were counted" in notes(found)[0]
    )


def test_an_image_capped_at_a_megapixel_is_mismatched_above_and_counted_below() -> None:
    found = misbehaving("capped", images=["1260x1260"], sizes=(980, 1260))
    assert statuses(found) == ["counted", "mismatched"]
    assert "2025 to 2027 were due" in notes(found)[-1]


def test_an_answer_of_another_model_is_a_failure_by_both_names() -> None:
    for failure in failures(misbehaving("another model")):
        assert failure.kind == "another model"
        assert MODEL in failure.message and "some/other-model-3b" in failure.message


def test_an_absent_usage_leaves_the_samples_predicted() -> None:
    found = misbehaving("no usage")
    assert statuses(found) == ["predicted"] * 2
    assert all(verdict.correct is not None for verdict, _ in found)


def test_a_doubled_usage_is_mismatched_however_it_is_counted() -> None:
    for details in (True, False):
        found = misbehaving("doubled", details=details)
        assert statuses(found) == ["mismatched"] * 2
    assert "50 image tokens were counted" in notes(found)[0]


def test_the_usage_of_the_previous_request_is_mismatched_where_sizes_change() -> None:
    found = misbehaving("previous", sizes=(140, 280, 420))
    assert sorted(statuses(found)) == ["counted", "mismatched", "mismatched"]


def test_a_storm_of_429_is_waited_out_and_every_attempt_is_counted() -> None:
    with running(qwen, faults=["storm"]) as server:
        found = ask(server, IMAGE, SIZES, max_retries=3, retry_backoff_s=0)
        assert server.refusals == 3 and len(server.questions) == 2
    assert statuses(found) == ["counted"] * 2
    assert sorted(attested.served.attempts for _, attested in found)[-1] > 1  # type: ignore[union-attr]


def test_a_server_that_stays_busy_is_a_failure_by_its_status() -> None:
    for failure in failures(misbehaving("always busy", sizes=(140,))):
        assert failure.kind == "rate limited" and "status 429" in failure.message


def test_an_answer_that_comes_after_the_timeout_is_said_to_be_billed_perhaps() -> None:
    with running(qwen, faults=["late"]) as server:
        made = adapter(server)
        made.base.client = made.base.client.with_options(timeout=0.3, max_retries=0)
        (failure,) = failures(judged(made, documents(IMAGE, (140,))))
        assert len(server.questions) == 1, "asked once, and not again by itself"
    assert failure.kind == "timeout" and "may have been billed" in failure.message


def test_truncated_json_is_a_failure() -> None:
    for failure in failures(misbehaving("truncated", sizes=(140,))):
        assert failure.kind == "truncated" and "ends early" in failure.message


def test_a_model_name_that_changes_within_the_run_is_noted() -> None:
    found = misbehaving("changing model", sizes=(84, 112, 140, 168, 196))
    changed = [note for note in notes(found) if "model changed within the run" in note]
    assert len(changed) == 2 and f"{MODEL}, then {MODEL}-2026-11-20" in changed[0]
    assert statuses(found) == ["counted"] * 5


def test_a_fingerprint_that_changes_within_the_run_is_noted() -> None:
    found = misbehaving("changing fingerprint", sizes=(84, 112, 140, 168, 196))
    changed = [note for note in notes(found) if "fingerprint changed" in note]
    assert len(changed) == 2 and "fp_1, then fp_2" in changed[0]


def test_a_refusal_is_a_failure_in_the_models_words() -> None:
    for failure in failures(misbehaving("refusal")):
        assert failure.kind == "refusal" and "cannot help" in failure.message


def test_a_filtered_answer_is_a_failure() -> None:
    for failure in failures(misbehaving("filtered")):
        assert failure.kind == "refusal" and "content_filter" in failure.message


def test_an_empty_answer_is_a_failure() -> None:
    for failure in failures(misbehaving("empty")):
        assert failure.kind == "empty"


def test_a_page_of_a_proxy_is_a_failure_by_its_type() -> None:
    for failure in failures(misbehaving("html", sizes=(140,))):
        assert failure.kind == "not JSON" and "text/html" in failure.message


def test_an_image_that_the_base_made_smaller_to_fit_a_limit_of_bytes_is_mismatched() -> None:
    found = misbehaving(sizes=(280,), max_size_in_mb=0.1, force_simple=True)
    assert statuses(found) == ["mismatched"]
    assert "sent at" in notes(found)[0] and "not 280x280" in notes(found)[0]


# Of the kinds above, others that were seen or can be thought of.


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("counts as text", "prompt_tokens is '"),
        ("negative counts", "image_tokens is -25"),
        ("fractional counts", "image_tokens is 25.5"),
        ("immense counts", "image_tokens is 1099511627801"),
    ],
)
@pytest.mark.parametrize("simple", [True, False])
def test_counts_that_are_none_are_named_and_count_nothing(
    fault: str, said: str, simple: bool
) -> None:
    found = misbehaving(fault, sizes=(84, 140), force_simple=simple, num_concurrent=2)
    assert statuses(found) == ["predicted"] * 2
    assert all(verdict.correct is not None for verdict, _ in found)
    assert any(said in note and "which is no count" in note for note in notes(found))


def test_the_usage_of_a_whole_conversation_is_mismatched_but_for_the_first() -> None:
    for details in (True, False):
        found = misbehaving("whole conversation", sizes=(140, 168, 196), details=details)
        assert sorted(statuses(found))[-2:] == ["mismatched"] * 2


def test_a_field_of_zero_that_is_not_filled_accuses_nobody_and_is_named() -> None:
    found = misbehaving("unfilled", wrapping=2)
    assert statuses(found) == ["counted"] * 2
    assert {attested.served.counted_by for _, attested in found} == {"difference"}  # type: ignore[union-attr]
    assert all("the field is not filled" in note for note in notes(found))
    alone = misbehaving("unfilled", count_difference=False)
    assert statuses(alone) == ["predicted"] * 2


def test_a_field_of_zero_of_an_image_that_was_dropped_is_believed() -> None:
    for failure in failures(misbehaving("unfilled", "dropped")):
        assert failure.kind == "dropped"
    assert (
        statuses(misbehaving("unfilled", "dropped", count_difference=False)) == ["mismatched"] * 2
    )
    nothing = misbehaving("dropped", model="some/model", count_difference=False)
    for failure in failures(nothing):  # no rule and no other count contradicts it
        assert failure.kind == "dropped"


def test_an_error_by_status_200_is_a_failure_and_is_asked_again_later(tmp_path: Any) -> None:
    with running(qwen, faults=["error of status 200"]) as server, keeping(tmp_path):
        for failure in failures(ask(server, IMAGE, (140,))):
            assert failure.kind == "refused request" and "out of memory" in failure.message
        server.faults.clear()
        assert statuses(ask(server, IMAGE, (140,))) == ["counted"], "the error was not kept"


def test_an_answer_whose_connection_is_cut_is_a_failure() -> None:
    for failure in failures(misbehaving("cut off", sizes=(140,))):
        assert failure.kind == "truncated" and "may have been billed" in failure.message


def test_an_answer_that_is_not_in_the_encoding_it_says_is_a_failure() -> None:
    for failure in failures(misbehaving("gzip", sizes=(140,))):
        assert failure.kind == "unreadable" and "DecodingError" in failure.message


def test_an_answer_with_a_key_twice_is_a_failure_though_the_base_reads_it() -> None:
    for failure in failures(misbehaving("key twice", sizes=(140,))):
        assert failure.kind == "unreadable" and "'prompt_tokens' stands twice" in failure.message


def content(value: Any) -> Callable[[dict[str, Any]], Any]:
    """The answer with `value` where its text belongs."""
    message = {"role": "assistant", "content": value}
    return choice({"index": 0, "finish_reason": "stop", "message": message})


def choice(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: {**document, "choices": [value]}


SHAPES: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    "a number": (content(5), "unreadable", "its content is 5, and no text"),
    "false": (content(False), "unreadable", "its content is False, and no text"),
    "parts": (content([{"type": "text", "text": "B"}]), "unreadable", "its content is [{'type'"),
    "a table": (content({"text": "B"}), "unreadable", "its content is {'text': 'B'}"),
    "no choice": (lambda d: {**d, "choices": []}, "unreadable", "an answer without a text"),
    "null": (lambda d: {**d, "choices": None}, "unreadable", "an answer without a text"),
    "a choice of null": (choice(None), "unreadable", "a choice is None"),
    "a word": (choice({"message": "B"}), "unreadable", "a choice is {'message': 'B'}"),
    "within": (lambda d: {"data": d}, "unreadable", "an answer without a text (status 200)"),
    "a list": (lambda d: [d], "unreadable", "JSON that is no object (status 200)"),
    "nothing": (lambda _: b"", "empty", "status 200, and nothing else"),
    "detail": (lambda _: {"detail": "no GPU"}, "unreadable", "{'detail': 'no GPU'}"),
    "old vLLM's error": (
        lambda _: {"object": "error", "message": "no GPU", "code": 500},
        "unreadable",
        "'message': 'no GPU'",
    ),
    "broken off": (
        lambda d: {**d, "error": {"message": "upstream broke"}},
        "refused request",
        "upstream broke",
    ),
    "a choice broken off": (
        choice({"finish_reason": "error", "message": {"content": "B"}}),
        "refused request",
        "finish_reason error",
    ),
    "no thought's end": (
        choice({"message": {"reasoning_content": "B"}, "finish_reason": "length"}),
        "empty",
        "the server's answer has no text, but reasoning_content (finish_reason length)",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("simple", [True, False])
def test_an_answer_in_another_shape_is_a_failure_by_what_came_and_is_asked_again(
    shape: str, simple: bool, tmp_path: Path
) -> None:
    made, kind, said = SHAPES[shape]
    with running(qwen) as server, keeping(tmp_path):
        server.shape = made
        for failure in failures(ask(server, IMAGE, (140,), force_simple=simple)):
            assert failure.kind == kind and said in failure.message
        server.shape = lambda document: document
        again = ask(server, IMAGE, (140,), force_simple=simple)
        assert statuses(again) == ["counted"], "nothing of it was kept"


def test_a_mark_before_the_json_and_errors_of_nothing_accuse_nobody() -> None:
    for shape in (
        lambda document: b"\xef\xbb\xbf" + json.dumps(document).encode(),
        lambda document: {**document, "error": None},
        lambda document: {**document, "error": {"code": 0, "message": ""}},
        lambda document: {**document, "model": None, "system_fingerprint": 5, "id": None},
    ):
        with running(qwen) as server:
            server.shape = shape
            assert statuses(ask(server, IMAGE, (140,))) == ["counted"]


@pytest.mark.parametrize(
    ("status", "kind", "billed"),
    [
        (204, "empty", True),
        (304, "refused request", True),
        (400, "refused request", False),
        (408, "timeout", True),
        (504, "timeout", True),
        (529, "refused request", False),
    ],
)
def test_what_a_status_says_of_the_bill_is_counted(status: int, kind: str, billed: bool) -> None:
    """A gateway that did not wait says nothing of what the server behind it bills."""
    with running(qwen, faults=[f"status {status}"]) as server:
        made = adapter(server)
        made.base.client = made.base.client.with_options(max_retries=0)
        with budget(200):
            (failure,) = failures(judged(made, documents(IMAGE, (140,))))
    assert failure.kind == kind and f"status {status}" in failure.message
    assert ("may have been billed" in failure.message) == (status in (408, 504))
    assert (made.channel.spending.spent > 25) == billed


def test_an_upload_that_a_client_sends_piece_by_piece_is_no_question() -> None:
    import httpx

    from resolution_eval.models.wrapped.exchange import begun

    request = httpx.Request("POST", "http://x/v1/files", files={"file": b"messages"})
    assert begun(request, []) is None


class ByRequests:
    """The part of OpenAI's client that the base uses, over `requests`."""

    def __init__(self, url: str) -> None:
        self.url, self.chat, self.completions = f"{url}/chat/completions", self, self

    def create(self, **body: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            told = {"Authorization": "Bearer sk-secretsecretsecret"}
            answer = session.post(self.url, json=body, headers=told, timeout=20)
        return ChatCompletion.model_validate(answer.json())

    def close(self) -> None:
        pass


@pytest.mark.timeout(60)
@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_an_answer_of_another_machine_is_a_failure_by_its_name(client: str) -> None:
    with running(qwen) as other, running(qwen, faults=["redirect"]) as server:
        server.elsewhere = other.url.replace("127.0.0.1", "localhost")
        made = adapter(server)
        if client == "requests":
            made.base.client.close()
            made.base.client = ByRequests(server.url)
        with budget(200):  # of room for one question, and not for a second beside it
            found = judged(made, documents(IMAGE, (140,)))
        assert len(other.questions) == 1
        assert all("authorization" in headers for headers in server.headers_seen)
        assert all("authorization" not in headers for headers in other.headers_seen)
    for failure in failures(found):
        assert failure.kind == "redirected" and "localhost answered" in failure.message
        assert "requests)" not in failure.message, "it was one question"


@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_a_redirect_that_loses_the_question_is_a_failure_by_its_cause(client: str) -> None:
    """As of http:// to https:// by status 301, which clients follow by GET."""
    with running(qwen, faults=["moved"]) as server:
        made = adapter(server)
        made.base.client = (
            ByRequests(server.url)
            if client == "requests"
            else made.base.client.with_options(max_retries=0)
        )
        (failure,) = failures(judged(made, documents(IMAGE, (140,))))
        assert len(server.received) == 1
    assert failure.kind == "redirected" and "status 301" in failure.message
    assert "by GET" in failure.message


@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_a_server_that_hangs_up_may_have_billed_and_gave_no_answer(client: str) -> None:
    with running(qwen, faults=["hung up"]) as server:
        made = adapter(server)
        made.base.client = (
            ByRequests(server.url)
            if client == "requests"
            else made.base.client.with_options(max_retries=0)
        )
        with budget(200):
            (failure,) = failures(judged(made, documents(IMAGE, (140,))))
        assert len(server.received) == 1
    assert failure.kind == "no connection"
    assert "no answer came, and the request may have been billed" in failure.message
    assert made.channel.spending.spent > 25, "all that was set aside"


@pytest.mark.parametrize("client", ["httpx", "requests"])
def test_a_question_that_never_left_costs_nothing_and_one_counted_without_its_image_neither(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resolution_eval.models.wrapped import baselines
    from resolution_eval.models.wrapped.exchange import Exchange

    with running(qwen) as server:
        made = adapter(server)
        made.base.client = (
            ByRequests(server.url)
            if client == "requests"
            else made.base.client.with_options(max_retries=0)
        )
    with budget(200):  # nobody listens any more
        (failure,) = failures(judged(made, documents(IMAGE, (140,))))
        assert failure.kind == "no connection" and "billed" not in failure.message
        body = {"model": MODEL, "messages": [{"role": "user", "content": "?"}], "max_tokens": 5}
        exchange = Exchange(f"{server.url}/chat/completions", {}, body, text="?")
        monkeypatch.setattr(baselines, "PATIENCE", baselines.PATIENCE.new(total=0))
        counts = baselines.Baselines(channel=made.channel, trust_environment=False)
        made.channel.spending.budget = 200
        assert counts.tokens(exchange) is None
    assert made.channel.spending.spent == 0


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("not UTF-8", "unreadable", "an answer that is not read (not UTF-8 at byte"),
        ("no JSON", "not JSON", "an answer that is called JSON and is none (line 1: not JSON"),
        ("gzip", "unreadable", "DecodingError: an answer came that cannot be read, and"),
    ],
)
def test_why_an_answer_is_not_read_is_told_as_it_is(fault: str, kind: str, said: str) -> None:
    for failure in failures(misbehaving(fault, sizes=(140,))):
        assert failure.kind == kind and said in failure.message


def test_a_count_of_a_request_without_its_image_that_is_refused_or_lost_is_spent_truly() -> None:
    """A refusal costs nothing; of a lost answer that which was set aside, once."""
    from resolution_eval.models.wrapped.baselines import Baselines
    from resolution_eval.models.wrapped.exchange import Exchange
    from resolution_eval.models.wrapped.traffic import Channel

    body = {"model": MODEL, "messages": [{"role": "user", "content": "Which?"}], "max_tokens": 5}
    for fault, spent in (("refused text", 0), ("hung up", 6 + AROUND + 1)):
        with running(qwen, faults=[fault]) as server:
            channel = Channel()
            channel.spending.budget = 1000
            exchange = Exchange(f"{server.url}/chat/completions", {}, body, text="Which?")
            counts = Baselines(channel=channel, trust_environment=False)
            assert counts.tokens(exchange) is None
            assert len(server.received) == 1 and channel.spending.spent == spent, fault


def test_what_one_run_spent_and_saw_is_nothing_to_the_next_of_the_same_instance() -> None:
    with running(qwen) as server:
        made = adapter(server, max_retries=3)
        with budget(200):  # for one question of the two
            found = judged(made, documents(["420x420", "400x400"], (140,)))
        assert [verdict.failure.kind for verdict, _ in found if verdict.failure] == ["budget"]
        assert made.base.max_retries == 3, "as the base was given it"
        server.says["fingerprint"] = "fp_2"
        with budget(200):
            again = judged(made, documents(["400x400"], (140,)))
        assert statuses(again) == ["counted"] and notes(again) == []
        assert len(server.questions) == 2 and made.channel.spending.spent < 100


def test_an_answer_out_of_a_cache_between_is_a_failure_but_for_the_first() -> None:
    """A proxy that knows a question by its text gives every image the answer of the first."""
    found = misbehaving("cached", images=["420x420", "400x430"], sizes=(140, 141))
    kinds = [verdict.failure.kind for verdict, _ in found if verdict.failure is not None]
    assert kinds == ["repeated answer"] * 3
    assert sum(verdict.correct is not None for verdict, _ in found) == 1


def test_a_short_id_that_comes_twice_accuses_nobody() -> None:
    from resolution_eval.models.wrapped.exchange import Exchange
    from resolution_eval.models.wrapped.traffic import Channel

    channel, one, other = Channel(), Exchange("u", {}, {"n": 1}), Exchange("u", {}, {"n": 2})
    for said, found in (("chatcmpl-999", False), ("chatcmpl-0123456789", True)):
        assert not channel.gave_before(one, {"id": said})
        assert not channel.gave_before(one, {"id": said}), "of the same question, asked again"
        assert channel.gave_before(other, {"id": said}) is found
