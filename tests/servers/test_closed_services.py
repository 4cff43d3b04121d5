"""lmms-eval's `claude` and `gemini` with their providers' own client packages, on loopback."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asking import documents, judged
from closed_stand_in import AnthropicStandIn, GeminiStandIn
from packaging.requirements import Requirement
from stand_in import StandIn, claude, running

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.cli import main
from resolution_eval.evidence.attestation import Attestation
from resolution_eval.evidence.verdict import Failure, Verdict
from resolution_eval.host.cache_folder import keeping
from resolution_eval.models.wrapped import services
from resolution_eval.models.wrapped.exchange import images_of
from resolution_eval.models.wrapped.services import CLOSED_SERVICES

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = Path(__file__).parents[2]
SIZES = [56, 448, "native"]
CLAUDE = "claude-sonnet-4-5-20250929"
BUDGET = 1120
"""Tokens of an image under Gemini 3's default."""


@contextmanager
def asked_through(base: str, kind: type[StandIn], *told: Any, **more: Any) -> Iterator[StandIn]:
    with running(*told, kind=kind, **more) as server, CLOSED_SERVICES[base].moved(server.url):
        yield server


def answers(
    base: str, model: str, images: tuple[str, ...] = ("300x150", "700x700"), **more: Any
) -> list[tuple[Verdict, Attestation]]:
    made = ResWrap(base, model_version=model, **more)
    return judged(made, documents(list(images), SIZES))


def test_claude_is_counted_by_the_free_count() -> None:
    with asked_through("claude", AnthropicStandIn, claude) as server:
        told = answers("claude", CLAUDE)
    for verdict, attestation in told:
        assert verdict.answer == "A" and attestation.status == "counted"
        served, sent = attestation.served, attestation.sent
        assert served is not None and sent is not None
        assert served.counted_by == "count_tokens" and served.model == CLAUDE
        assert served.counted_tokens == claude(sent.width, sent.height)
        assert "the base encoded the image as JPEG" in attestation.notes
    assert {each.body["model"] for each in server.questions} == {CLAUDE}


def test_claude_sent_an_image_that_its_provider_made_smaller_is_mismatched() -> None:
    with asked_through("claude", AnthropicStandIn, claude, faults=["halved"]):
        told = answers("claude", CLAUDE, ("700x700",))
    assert [attestation.status for _, attestation in told] == ["mismatched"] * 3


@pytest.mark.parametrize("simple", [False, True])
def test_gemini_counts_by_modality(simple: bool) -> None:
    """Every image is read from its request, though the client writes it in another alphabet."""
    with asked_through("gemini", GeminiStandIn, lambda *_: BUDGET) as server:
        told = answers("gemini", "gemini-3-pro-preview", force_simple=simple)
    assert len(server.questions) == 6
    for _, attestation in told:
        served, sent = attestation.served, attestation.sent
        assert served is not None and sent is not None and sent.format == "PNG"
        assert served.counted_tokens == BUDGET
        assert served.counted_by == "usageMetadata.promptTokensDetails"
        assert attestation.status == "predicted", "the count is the budget's, whatever the size"


def test_an_answer_that_gemini_holds_back_is_a_failure() -> None:
    with asked_through("gemini", GeminiStandIn, lambda *_: BUDGET, faults=["safety"]):
        told = answers("gemini", "gemini-3-pro-preview", ("300x150",))
    for verdict, _ in told:
        assert verdict.correct is None and isinstance(verdict.failure, Failure)
        assert verdict.failure.kind == "refusal" and "SAFETY" in verdict.failure.message


@pytest.mark.parametrize("fault", ["no text", "no candidate"])
def test_an_answer_of_gemini_without_a_text_is_a_failure_and_is_not_kept(
    fault: str, tmp_path: Path
) -> None:
    """Thinking may take all the tokens: lmms-eval writes a text of its own then."""
    with asked_through("gemini", GeminiStandIn, lambda *_: BUDGET, faults=[fault]) as server:
        with keeping(tmp_path):
            told = answers("gemini", "gemini-3-pro-preview", ("300x150",))
            asked = len(server.questions)
            answers("gemini", "gemini-3-pro-preview", ("300x150",))
        assert len(server.questions) == 2 * asked, "asked again"
    for verdict, _ in told:
        assert verdict.correct is None and verdict.failure is not None
        assert verdict.failure.kind == "empty"
        assert "the server's answer has no text" in verdict.failure.message
        assert fault == "no candidate" or "MAX_TOKENS" in verdict.failure.message


def test_a_refusal_of_claude_is_a_failure() -> None:
    with asked_through("claude", AnthropicStandIn, claude, faults=["refusal"]):
        told = answers("claude", CLAUDE, ("300x150",))
    assert {verdict.failure and verdict.failure.kind for verdict, _ in told} == {"refusal"}


def test_a_key_that_the_provider_does_not_know_is_told_in_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """lmms-eval tries five times, and then stumbles over the answer that it does not have."""
    monkeypatch.setattr("lmms_eval.models.simple.claude.NUM_SECONDS_TO_SLEEP", 0)
    with asked_through("claude", AnthropicStandIn, claude, says={"error": "invalid x-api-key"}):
        told = answers("claude", CLAUDE, ("300x150",))
    for verdict, _ in told:
        assert verdict.correct is None and verdict.failure is not None
        assert verdict.failure.kind == "refused request"
        assert "status 401" in verdict.failure.message
        assert "invalid x-api-key" in verdict.failure.message


@pytest.mark.parametrize("text", ["_-8=", "_-8", "/+8="])
def test_an_image_is_read_in_either_alphabet(text: str) -> None:
    (sent,) = images_of({"contents": [{"parts": [{"inlineData": {"data": text}}]}]})
    assert sent.bytes == 2 and sent.format == "unknown"


@pytest.mark.parametrize(
    ("base", "named", "shown"),
    [
        ("claude", CLAUDE, "predicted by anthropic/"),
        ("gemini", "gemini-3-pro-preview", "predicted by google/"),
        ("gpt4v", "gpt-4o", "predicted by openai/"),
    ],
)
def test_the_doctor_sees_what_is_sent(
    base: str, named: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = f"base={base},model_version={named}"
    main(["doctor", "--model", "reswrap", "--model_args", told, "--sizes", "56,448"])
    said = capsys.readouterr().out
    assert shown in said and "448x448" in said


@pytest.mark.parametrize(
    ("there", "said"), [(None, "is not installed"), ("1.0.0", r"is 1\.0\.0 here")]
)
def test_a_package_that_is_absent_or_of_another_version_is_named(
    monkeypatch: pytest.MonkeyPatch, there: str | None, said: str
) -> None:
    monkeypatch.setattr(services, "_installed", lambda _: there)
    with pytest.raises(SystemExit, match=rf"anthropic, which {said}: pip install 'anthropic[<>]"):
        ResWrap("claude", model_version=CLAUDE)


def test_the_extras_bring_what_the_bases_ask_with() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for base in ("claude", "gemini"):
        (wanted,) = extras["optional-dependencies"][base]
        assert Requirement(wanted) == CLOSED_SERVICES[base].client


@pytest.mark.parametrize("base", [name for name, one in CLOSED_SERVICES.items() if one.keys])
def test_a_key_that_is_absent_is_asked_for(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = CLOSED_SERVICES[base].keys
    for key in CLOSED_SERVICES[base].keys:
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(SystemExit, match=f"base={base} has no key; set {first}"):
        ResWrap(base, model_version="any")


def test_an_argument_that_the_base_ignores_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in CLOSED_SERVICES["claude"].keys:
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(SystemExit, match="base=claude has no key"):
        ResWrap("claude", model_version="any", api_key="one that lmms-eval does not hand on")


def test_the_doctor_asks_no_other_cloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under lmms-eval's API_TYPE=azure, `gpt4v` has another address, which no variable moves."""
    monkeypatch.setenv("API_TYPE", "azure")
    told = "base=gpt4v,model_version=gpt-4o"
    assert main(["doctor", "--model", "reswrap", "--model_args", told, "--sizes", "56"]) != 0
    assert "no model in this process and no base_url" in capsys.readouterr().err
