"""Samples behind a server: predicted by a rule, counted by its usage, never accused unjustly."""

from __future__ import annotations

import random
from typing import Any

import pytest
from asking import MODEL, adapter, ask, documents, judged
from stand_in import Received, StandIn, claude, gpt_4o, qwen, running

from resolution_eval.evidence.attestation import Sent
from resolution_eval.evidence.ladder import due, keeps, step
from resolution_eval.models.wrapped.exchange import Exchange
from resolution_eval.models.wrapped.meter import TokenMeter, dropped
from resolution_eval.models.wrapped.predictors import predictor

pytestmark = pytest.mark.filterwarnings("ignore")
IMAGES = ["280x280", "420x210", "150x450"]
SIZES = (84, 140, 210)


@pytest.mark.parametrize("simple", [True, False])
def test_image_tokens_of_the_usage_make_a_sample_counted(simple: bool) -> None:
    with running(qwen) as server:
        found = ask(server, IMAGES, SIZES, force_simple=simple, num_concurrent=4)
    assert [verdict.failure for verdict, _ in found] == [None] * 9
    for _, attested in found:
        served, sent = attested.served, attested.sent
        assert served is not None and sent is not None
        assert attested.status == "counted" and attested.grid is None
        assert served.counted_tokens == qwen(sent.width, sent.height)
        assert served.counted_by == "usage.prompt_tokens_details.image_tokens"
        assert served.rule is not None and served.rule.startswith("qwen/qwen2-vl@")
        assert served.model == MODEL and served.fingerprint == "fp_1" and served.attempts == 1
        assert sent.sha256 is not None and sent.bytes > 0
        assert (sent.height, sent.width) == attested.expected_grid
    assert server.most_busy <= 4 and len(server.questions) == len(server.received) == 9


@pytest.mark.parametrize(
    ("speaks", "field"),
    [
        ("vllm", "usage.prompt_tokens_details.multimodal_tokens.image"),
        ("sglang", "usage.prompt_tokens_details.image_tokens"),
    ],
)
def test_each_servers_own_field_is_read_and_a_dropped_image_is_found_without_it(
    speaks: str, field: str
) -> None:
    with running(qwen, speaks=speaks, wrapping=2) as server:
        found = ask(server, IMAGES, SIZES, num_concurrent=4)
        assert len(server.received) == len(server.questions) == 9
    assert {attested.status for _, attested in found} == {"counted"}
    assert {attested.served.counted_by for _, attested in found} == {field}  # type: ignore[union-attr]
    with running(qwen, speaks=speaks, faults=["dropped"]) as server:
        ((verdict, _),) = ask(server, IMAGES[:1], (210,))
    assert verdict.failure is not None and verdict.failure.kind == "dropped"
    with running(qwen, speaks=speaks, faults=["halved"]) as server:
        ((_, attested),) = ask(server, IMAGES[:1], (210,))
    assert attested.status == "mismatched"


@pytest.mark.parametrize(("prompt", "due"), [(46, 756), (114, 1943)])
def test_a_prompt_shorter_than_its_image_is_mismatched_without_any_count(
    prompt: int, due: int
) -> None:
    """As a relay was seen to answer for models of text alone."""
    width, height = {756: (27 * 28, 28 * 28), 1943: (29 * 28, 67 * 28)}[due]
    sent = Sent(width=width, height=height, format="PNG", bytes=1)
    meter = TokenMeter(MODEL, predictor(MODEL, {}), counts_by_difference=False)
    told = {"model": MODEL, "usage": {"prompt_tokens": prompt}}
    body = {"messages": [{"role": "user", "content": "Which?"}]}
    exchange = Exchange("http://x/v1/chat/completions", {}, body, [sent], "Which?", 200, told)
    served = meter.served([exchange], [sent])
    assert served.predicted_tokens == (due, due) and served.counted_tokens == prompt
    assert step(served, sent, (height, width)) == "mismatched"
    enough = exchange.__class__(**{**vars(exchange), "answer": {"usage": {"prompt_tokens": due}}})
    assert meter.served([enough], [sent]).counted_tokens is None


def test_two_fields_that_contradict_each_other_count_nothing() -> None:
    from resolution_eval.models.providers.usage import read_usage

    details = {"image_tokens": 25, "multimodal_tokens": {"image": 9}}
    told = read_usage({"usage": {"prompt_tokens": 40, "prompt_tokens_details": details}})
    assert (told.image, told.image_field) == (None, None)
    details["multimodal_tokens"] = {"image": 25, "audio": 3}
    assert read_usage({"usage": {"prompt_tokens_details": details}}).image == 25


@pytest.mark.parametrize(
    ("told", "prompt", "image", "said"),
    [
        ({"prompt_tokens": 40, "input_tokens": 44}, None, None, "prompt_tokens is 40 and input_"),
        ({"prompt_tokens": 40, "input_tokens": 40}, 40, None, None),
        (
            {"prompt_tokens": 40, "prompt_tokens_details": {"image_tokens": 41}},
            None, None, "usage.prompt_tokens_details.image_tokens is 41 and the whole prompt's",
        ),
        (
            {f"{kind}_tokens_details": {"image_tokens": len(kind)} for kind in ("prompt", "input")},
            None, None, "usage.prompt_tokens_details.image_tokens is 6 and usage.input_tokens_det",
        ),
    ],
)  # fmt: skip
def test_counts_of_one_thing_that_differ_are_none_of_them_believed(
    told: dict[str, Any], prompt: int | None, image: int | None, said: str | None
) -> None:
    from resolution_eval.models.providers.usage import read_usage

    found = read_usage({"usage": told})
    assert (found.prompt, found.image, found.image_field) == (prompt, image, None)
    assert len(found.conflicts) == (said is not None)
    assert not found.conflicts or found.conflicts[0].startswith(str(said))
    whole = {"promptTokenCount": 5, "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 6}]}
    assert read_usage({"usageMetadata": whole}).image is None


def test_two_fields_that_contradict_each_other_are_noted() -> None:
    """The image's tokens are then counted by the prompts, and otherwise by nothing."""
    for differs, status in ((True, "counted"), (False, "predicted")):
        with running(qwen, speaks="both", wrapping=2) as server:
            found = ask(server, IMAGES[:1], SIZES[:1], count_difference=differs)
        ((_, attested),) = found
        assert attested.status == status
        (note,) = attested.notes
        assert "image_tokens is 9 and" in note and "multimodal_tokens.image is 10" in note
        assert note.endswith("they contradict each other, and none counts")


def test_without_image_tokens_the_same_request_without_its_image_is_asked_once_a_prompt() -> None:
    with running(qwen, details=False, wrapping=2) as server:
        found = ask(server, IMAGES, SIZES, num_concurrent=3)
    assert {attested.status for _, attested in found} == {"counted"}
    for _, attested in found:
        served = attested.served
        assert served is not None and served.counted_by == "difference"
        assert served.counted_tokens == (served.predicted_tokens or (0, 0))[0] + 2
    assert len(server.questions) == 9 and len(server.received) == 10


def test_a_missing_count_leaves_a_sample_predicted() -> None:
    with running(qwen, faults=["no usage"]) as server:
        found = ask(server, IMAGES[:1], SIZES)
    assert {attested.status for _, attested in found} == {"predicted"}
    with running(qwen, details=False) as server:
        found = ask(server, IMAGES[:1], SIZES, count_difference=False)
        assert len(server.received) == 3
    assert {attested.status for _, attested in found} == {"predicted"}


def test_a_model_that_no_rule_names_stays_unattested_with_the_count_beside_it() -> None:
    with running(qwen) as server:
        found = ask(server, IMAGES[:1], SIZES, model="some/model")
    assert {attested.status for _, attested in found} == {"unattested"}
    assert all(attested.served.rule is None for _, attested in found)  # type: ignore[union-attr]
    counts = [attested.served.counted_tokens for _, attested in found]  # type: ignore[union-attr]
    assert counts == [9, 25, 64]


def test_a_rule_can_be_named_for_a_model_served_under_another_name() -> None:
    with running(qwen) as server:
        found = ask(server, IMAGES[:1], SIZES, model="mine", rule=MODEL)
    assert {attested.status for _, attested in found} == {"counted"}
    with running(qwen) as server, pytest.raises(SystemExit, match="no rule names such a model"):
        ask(server, IMAGES[:1], SIZES, rule="nobody/knows")


def test_a_size_that_the_rule_enlarges_is_mismatched_before_anything_is_counted() -> None:
    with running(qwen) as server:
        ((_, small), (_, large)) = ask(server, IMAGES[:1], (24, 84))
    assert (small.status, large.status) == ("mismatched", "counted")
    assert small.served is not None and small.served.counted_tokens == 4, "the count agrees"
    assert any("makes 56x56 px of 24x24" in note for note in small.notes)


def test_limits_that_the_server_was_given_are_told() -> None:
    def unbounded(width: int, height: int) -> int:
        return max(1, round(width / 28)) * max(1, round(height / 28))

    with running(unbounded) as server:
        ((_, small),) = ask(server, IMAGES[:1], (28,), served_min_pixels=784)
    assert small.status == "counted" and small.served is not None
    assert "min_pixels=784" in str(small.served.rule)


def test_a_disagreement_names_both_figures() -> None:
    with running(lambda width, height: qwen(width, height) + 5) as server:
        ((_, found),) = ask(server, IMAGES[:1], (140,))
    assert found.status == "mismatched"
    assert any(
        note.startswith("30 image tokens were counted, 25 to 27 were due") for note in found.notes
    )


def test_anthropics_free_count_is_asked_where_its_own_form_is_spoken() -> None:
    from resolution_eval.models.wrapped.baselines import Baselines
    from resolution_eval.models.wrapped.exchange import Exchange

    image = {"type": "image", "source": {"type": "base64", "data": _png(100, 60)}}
    body = {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": [image, {"type": "text", "text": "Which?"}]}],
    }
    with running(claude) as server:
        exchange = Exchange(f"{server.url}/messages", {"x-api-key": "k"}, body)
        assert Baselines(trust_environment=False).count(exchange) == 4 * 3
    assert [each.size for each in server.received] == [(100, 60), None]


def _png(width: int, height: int) -> str:
    import base64
    import io

    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def test_anthropics_prompt_is_counted_with_what_a_cache_had_of_it() -> None:
    from resolution_eval.models.providers.usage import read_usage

    cached = {"cache_creation_input_tokens": 5, "cache_read_input_tokens": 1600}
    assert read_usage({"usage": {"input_tokens": 12, **cached}}).prompt == 1617
    assert (
        read_usage({"usage": {"input_tokens": 12, "prompt_tokens": 1617, **cached}}).prompt == 1617
    )
    assert read_usage({"usage": {"prompt_tokens": 1617, **cached}}).prompt == 1617


@pytest.mark.parametrize(
    "answer",
    [
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}},
        {"candidates": [{"finishReason": "PROHIBITED_CONTENT", "index": 0}]},
    ],
)
def test_what_gemini_held_back_is_a_refusal(answer: dict[str, Any]) -> None:
    from resolution_eval.models.providers.usage import refusal_of

    assert refusal_of(answer) in ("blockReason SAFETY", "finishReason PROHIBITED_CONTENT")
    assert refusal_of({"candidates": [{"finishReason": "STOP"}]}) is None


def test_geminis_details_by_modality_are_read() -> None:
    from resolution_eval.models.providers.usage import read_usage

    told = {
        "usageMetadata": {
            "promptTokenCount": 1130,
            "candidatesTokenCount": 3,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 10},
                {"modality": "IMAGE", "tokenCount": 1120},
            ],
        }
    }
    usage = read_usage(told)
    assert (usage.prompt, usage.image, usage.generated) == (1130, 1120, 3)


def test_a_budget_that_agrees_says_nothing_of_the_size() -> None:
    with running(lambda *_: 1120) as server:
        ((_, found),) = ask(server, IMAGES[:1], (140,), model="gemini-3-pro-preview")
    assert found.status == "predicted" and found.served is not None
    assert (found.served.counted_tokens, found.served.by_size) == (1120, False)
    with running(lambda *_: 560) as server:
        ((_, found),) = ask(server, IMAGES[:1], (140,), model="gemini-3-pro-preview")
    assert found.status == "mismatched", "another budget than the usual one"


@pytest.mark.parametrize(
    ("model", "count", "wrapping", "details"),
    [
        (MODEL, qwen, 2, True),
        (MODEL, qwen, 2, False),
        ("claude-3-5-sonnet-20241022", claude, 0, False),
        ("gpt-4o", gpt_4o, 0, False),
    ],
)
def test_an_honest_server_is_never_accused_over_500_sizes(
    model: str, count: Any, wrapping: int, details: bool
) -> None:
    """The meter reads what the stand-in would send, without a picture of every size on the way."""
    chosen, body = random.Random(1), {"messages": [{"role": "user", "content": "Which?"}]}
    server = StandIn(count, wrapping=wrapping, details=details)
    meter = TokenMeter(model, predictor(model, {}), trust_environment=False)
    meter.baselines.tokens = lambda _: server.usage(Received(None, "Which?", {}))["prompt_tokens"]  # type: ignore
    kept = 0
    for _ in range(500):
        width, height = chosen.randint(15, 2600), chosen.randint(15, 2600)
        sent = Sent(width=width, height=height, format="PNG", bytes=1)
        told = {"model": model, "usage": server.usage(Received((width, height), "Which?", {}))}
        exchange = Exchange("http://x/v1/chat/completions", {}, body, [sent], "Which?", 200, told)
        served = meter.served([exchange], [sent])
        least, most = due(served) or (0, 0)
        assert served.counted_tokens is not None and dropped(served) is None
        assert least <= served.counted_tokens <= most, (width, height)
        word = step(served, sent, (height, width))
        assert word == "counted" or (word == "mismatched" and not keeps(served, sent))
        kept += word == "counted"
    server.server_close()
    assert kept > 50


def test_an_honest_server_is_never_accused_over_http() -> None:
    chosen = random.Random(2)
    images = {f"{chosen.randint(60, 220)}x{chosen.randint(60, 220)}" for _ in range(80)}
    with running(qwen, wrapping=2, details=False) as server:
        found = judged(adapter(server, num_concurrent=8), documents(sorted(images)))
        assert len(server.questions) == len(images) > 70
    assert {attested.status for _, attested in found} == {"counted"}


def test_no_key_header_or_address_stands_in_a_reply() -> None:
    with running(qwen, details=False) as server:
        found = ask(server, IMAGES[:1], SIZES)
        assert "sk-secretsecretsecret" in str(server.headers_seen)
        told = "".join(each.model_dump_json() for pair in found for each in pair)
        assert "secret" not in told and "127.0.0.1" not in told and "Authorization" not in told


def test_counts_without_images_are_kept_for_a_resumed_run(tmp_path: Any) -> None:
    kept = tmp_path / "kept" / "baselines.json"
    with running(qwen, details=False) as server:
        for _ in range(2):
            ask(server, IMAGES[:1], (84,), baselines=str(kept))
        assert len(server.received) - len(server.questions) == 1
    assert "Which" not in kept.read_text() and "secret" not in kept.read_text()
