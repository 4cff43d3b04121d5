"""Questions about several images behind a server: all are sent, in order, and counted together."""

from __future__ import annotations

from typing import Any

import pytest
from asking import adapter, documents, judged
from stand_in import Received, gpt_4o, qwen, running

from resolution_eval.evidence.attestation import ImageAttestation, ServerFacts
from resolution_eval.evidence.ladder import step

pytestmark = pytest.mark.filterwarnings("ignore")
CASES = {"280x280": ["420x210", "150x450"], "210x420": ["280x140", "90x90"]}


def several(sizes: tuple[Any, ...] = (84, 140)) -> list[dict[str, Any]]:
    question = "Is <image 2> like <image 1>?"
    return [
        {**doc, "more_images": CASES[doc["image"]], "question": question}
        for doc in documents(list(CASES), sizes)
    ]


def _content(asked: Received) -> list[str]:
    content = asked.body["messages"][-1]["content"]
    return [part["text"] if part["type"] == "text" else "image" for part in content]


@pytest.mark.parametrize("details", [True, False])
@pytest.mark.parametrize("simple", [True, False])
def test_every_image_is_sent_in_order_and_counted_with_the_others(
    simple: bool, details: bool
) -> None:
    with running(qwen, details=details, wrapping=2) as server:
        made = adapter(server, force_simple=simple, num_concurrent=3)
        found = judged(made, several())
    assert [verdict.failure for verdict, _ in found] == [None] * 4
    for _, attested in found:
        assert attested.status == "counted", attested
        served = attested.served
        assert served is not None and len(attested.images) == 3
        sent = [one.sent for one in attested.images]
        assert all(one is not None for one in sent)
        tokens = sum(qwen(one.width, one.height) for one in sent if one)
        assert served.predicted_tokens == (tokens, tokens)
        assert served.counted_tokens == tokens + (0 if details else 6)
        for one in attested.images:
            assert one.sent is not None
            assert (one.sent.height, one.sent.width) == one.expected_grid
        assert attested.sent == sent[0]
    shown = (0, 1, 2) if simple else (2, 1, 0)  # as the text names them, the unnamed one before it
    attested_sizes = sorted(
        tuple((each[place].sent.width, each[place].sent.height) for place in shown)  # type: ignore[union-attr]
        for each in (attested.images for _, attested in found)
    )
    assert attested_sizes == sorted(asked.sizes for asked in server.questions)


def test_a_chat_base_is_handed_each_image_where_the_text_names_it() -> None:
    with running(qwen) as server:
        judged(adapter(server), several((84,)))
    for asked in server.questions:
        first, *rest = _content(asked)
        assert first == "image", "the third image, which the text does not name, stands before it"
        assert rest[:3] == ["Is ", "image", " like "] and rest[3] == "image"


@pytest.mark.parametrize("fault", ["halved", "doubled"])
def test_a_count_that_is_not_that_of_all_images_is_mismatched(fault: str) -> None:
    with running(qwen, faults=[fault]) as server:
        found = judged(adapter(server), several((140,)))
    assert {attested.status for _, attested in found} == {"mismatched"}


def test_an_image_that_a_rule_would_change_makes_the_sample_mismatched() -> None:
    def image(width: int, height: int, predicted: tuple[int, int] | None) -> dict[str, Any]:
        sent = {"width": width, "height": height, "format": "PNG", "bytes": 1, "sha256": None}
        return {
            "source": (width, height),
            "information": (width, height),
            "capped": False,
            "expected_grid": (height, width),
            "grid": None,
            "visual_tokens": None,
            "sent": sent,
            "predicted_size": predicted,
        }

    served = ServerFacts(
        rule="r",
        predicted_size=(56, 28),
        predicted_tokens=None,
        unit=28,
        by_size=True,
        wrapping=0,
        counted_tokens=None,
        counted_by=None,
        model=None,
        fingerprint=None,
        attempts=1,
    )

    def said(second: tuple[int, int] | None) -> str:
        both = [image(56, 28, (56, 28)), image(84, 28, second)]
        each = [ImageAttestation.model_validate(one) for one in both]
        return step(served, each[0].sent, each[0].expected_grid, each)

    assert said((84, 28)) == "predicted"
    assert said((168, 56)) == "mismatched"
    assert said(None) == "unattested"


def test_a_model_that_no_rule_names_stays_unattested() -> None:
    with running(gpt_4o) as server:
        found = judged(adapter(server, model="some/unknown-model"), several((84,)))
    assert {attested.status for _, attested in found} == {"unattested"}
    assert all(len(attested.images) == 3 for _, attested in found)
