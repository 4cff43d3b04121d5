"""A busy server's word holds for every request to it, not for the one that it was said to."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

import pytest
from asking import adapter, documents, judged
from stand_in import qwen, running

from resolution_eval.models.wrapped import pauses
from resolution_eval.models.wrapped.pauses import Pauses, seconds

pytestmark = pytest.mark.filterwarnings("ignore")
URL, OTHER = "http://one:8000/v1/chat/completions", "http://two:8000/v1/chat/completions"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, [0.0]

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pauses, "time", made)
    return made


def test_all_requests_to_a_server_wait_as_long_as_it_told_one(clock: Clock) -> None:
    shared = Pauses()
    shared.note(URL, 429, {"retry-after": "7"}, sent=100.0)
    assert shared.left(URL) == 7 and shared.left(OTHER) == 0
    assert shared.wait(URL) == 107 and shared.wait(URL) == 107


def test_a_shorter_word_does_not_end_a_longer_pause(clock: Clock) -> None:
    shared = Pauses()
    shared.note(URL, 429, {"retry-after": "7"}, sent=100.0)
    shared.note(URL, 429, {"retry-after": "2"}, sent=100.0)
    shared.note(URL, 200, {}, sent=99.0)
    assert shared.left(URL) == 7


def test_a_server_that_names_no_time_is_asked_after_twice_as_long_each_time(clock: Clock) -> None:
    shared, found = Pauses(), []
    for _ in range(9):
        sent = shared.wait(URL)
        for _ in range(5):  # five were under way together: one pause
            shared.note(URL, 429, {}, sent)
        found.append(shared.left(URL))
    assert found == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    shared.note(URL, 200, {}, shared.wait(URL))
    shared.note(URL, 429, {}, clock.now)
    assert shared.left(URL) == 0.5, "an answer ends the doubling"


def test_other_errors_begin_no_pause(clock: Clock) -> None:
    shared = Pauses()
    for status in (200, 400, 404, 500, 502, 504):
        shared.note(URL, status, {"retry-after": "7"}, sent=100.0)
    assert shared.left(URL) == 0
    shared.note(URL, 503, {"retry-after": "7"}, sent=100.0)
    assert shared.left(URL) == 7


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, 3600.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
        ({}, None),
    ],
)
def test_the_header_is_read_in_every_form(headers: dict[str, str], found: float | None) -> None:
    assert seconds(headers) == found


def test_a_date_is_so_many_seconds_from_now() -> None:
    import time

    found = seconds({"retry-after": formatdate(time.time() + 90, usegmt=True)})
    assert found is not None and 60 < found <= 90


def test_clients_that_share_a_thread_wait_without_holding_it(clock: Clock) -> None:
    async def both(shared: Pauses) -> list[str]:
        said: list[str] = []

        async def asking() -> None:
            await shared.wait_async(URL)
            said.append("asked")

        async def working() -> None:
            said.append("worked")
            clock.now += 1

        await asyncio.gather(asking(), working())
        return said

    shared = Pauses()
    shared.note(URL, 429, {"retry-after": "0.05"}, sent=100.0)
    assert asyncio.run(both(shared)) == ["worked", "asked"]


def test_a_refusal_of_a_count_without_an_image_holds_the_questions_back_too() -> None:
    """What the server asks of one request it asks of all."""
    from resolution_eval.models.wrapped.baselines import ATTEMPTS, Baselines
    from resolution_eval.models.wrapped.exchange import Exchange
    from resolution_eval.models.wrapped.traffic import Channel

    noted: list[tuple[int, float | None]] = []

    class Noting(Pauses):
        def wait(self, url: str) -> float:
            return 0.0

        def note(self, url: str, status: int, headers: Any, sent: float) -> None:
            noted.append((status, seconds(headers)))

    body = {"model": "m", "messages": [{"role": "user", "content": "Which?"}]}
    with running(qwen, faults=["always busy"]) as server:
        server.retry = "7"
        channel = Channel(pauses=Noting())
        counts = Baselines(channel=channel, trust_environment=False)
        exchange = Exchange(f"{server.url}/chat/completions", {}, body, text="Which?")
        assert counts.tokens(exchange) is None
    assert noted == [(429, 7.0)] * ATTEMPTS


@pytest.mark.whole
def test_one_refusal_holds_all_concurrent_requests_back() -> None:
    many, at_once = 30, 4
    images = [f"{60 + number}x{90 + number}" for number in range(many)]
    with running(qwen, faults=["one refusal"]) as server:
        server.retry = "2"
        made = adapter(server, num_concurrent=at_once, max_retries=3)
        found: list[Any] = judged(made, documents(images, (84,)))
        assert server.refused_at is not None and server.refusals == 1
        meanwhile = [at for at in server.arrivals if 0 < at - server.refused_at < 1.9]
        assert len(server.arrivals) == many + 1
    assert len(meanwhile) <= at_once - 1, "those alone that were under way when it was refused"
    assert {attested.status for _, attested in found} == {"counted"}
