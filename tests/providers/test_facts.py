"""Every collected fact that decides tokens or a price is used by a rule, or its reason is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resolution_eval.models.providers import find_rule, providers, rules
from resolution_eval.resolution import Size
from tools.providers_page import page

ABOUT = ("provider", "models")
"""Keys that say whom an entry is of."""
Check = Callable[[Any], bool]


def rule(name: str) -> Any:
    (found,) = (each for _, each in rules() if each.name == name)
    return found


def told(words: str) -> Check:
    """A fact that nothing can be computed from: why stands on the page."""
    return lambda _: words in page()


def ceiling(name: str, key: str) -> Check:
    return lambda value: getattr(rule(name), key) == value


def bounds(name: str, detail: str) -> Check:
    """What one detail of a rule in patches allows."""

    def check(value: Any) -> bool:
        found = rule(name).details[detail]
        return all(getattr(found, key) == most for key, most in value.items())

    return check


def counted_at(name: str, where: str) -> Check:
    return lambda _: where in {each.where for each in providers()[name].counts}


def tiled(value: str) -> bool:
    found = rule("tiles-85-170")
    own = (found.box, found.short_side, found.tile)
    return own == (2048, 768, 512) and all(str(number) in value for number in own)


def per_tile(value: str) -> bool:
    found = rule("tiles-85-170")
    return value.startswith(f"{found.base} + {found.per_tile} per tile") and value.endswith(
        f"low detail {found.low}"
    )


def automatic(value: str) -> bool:
    own = (rule("patches-5.4").auto, rule("patches-5.5").auto)
    return value == f"{own[0]} for 5.4, {own[1]} for 5.5"


def budgets(value: list[int]) -> bool:
    return sorted(rule("gemini-3").levels.values()) == value


def usual(value: int) -> bool:
    title, found = find_rule("gemini-3-pro-preview") or ("", None)
    return found is not None and found.forecast(title, Size(9, 9)).tokens == (value, value)


def kept(value: str) -> bool:
    return f"{rule('patches-kept').details['original'].refused_above:,}" in value


def by_patch(edge: int) -> Check:
    """Tokens are whole patches of that edge, rounded up on each side."""

    def check(value: str) -> bool:
        found = rule("claude-later").forecast("", Size(edge + 1, 2 * edge))
        return f"ceil(w/{edge})" in value and found.tokens == (4, 4)

    return check


CLAUDE = ("long_edge", "tokens_at_most", "patch")
CHECKS: dict[tuple[str, str], dict[str, Check]] = {
    ("anthropic", "Claude 4.7 and later"): {
        **{key: ceiling("claude-later", key) for key in CLAUDE},
        "tokens": by_patch(28),
        "free_count": counted_at("anthropic", "count_tokens"),
        "refuse_instead_of_resizing": told("oversized_image=error"),
    },
    ("anthropic", "earlier Claude models with vision"): {
        **{key: ceiling("claude-earlier", key) for key in CLAUDE},
        "tokens": by_patch(28),
    },
    ("openai", "GPT-4o, GPT-4.1, o-series but o4-mini"): {"steps": tiled, "tokens": per_tile},
    ("openai", "gpt-5-mini, gpt-5-nano, gpt-5.2, gpt-5.4-mini, o4-mini"): {
        "patch": ceiling("patches-1536", "patch"),
        "patches_at_most": lambda value: bounds("patches-1536", "high")({"patches_at_most": value}),
        "long_edge": lambda value: bounds("patches-1536", "high")({"long_edge": value}),
        "multipliers_seen": told("1.62, 2.46 and 1.72 were seen"),
    },
    ("openai", "gpt-5.4, gpt-5.5"): {
        "patch": lambda value: rule("patches-5.4").patch == rule("patches-5.5").patch == value,
        "high": lambda value: all(bounds(f"patches-5.{n}", "high")(value) for n in (4, 5)),
        "original": lambda value: all(bounds(f"patches-5.{n}", "original")(value) for n in (4, 5)),
        "auto": automatic,
    },
    ("openai", "gpt-5.6, gpt-6"): {"original": kept},
    ("google", "Gemini 3"): {
        "media_resolution_tokens": budgets,
        "default": usual,
        "evidence": counted_at("google", "usageMetadata.promptTokensDetails"),
    },
    ("google", "Gemini 2.5"): {"tokens": told("64 or 256 tokens, with pan and scan")},
    ("google", "Gemma 4 (open weights)"): {"budgets": told("70, 140, 280, 560 or 1,120 tokens")},
    ("vllm", ""): {"evidence": counted_at("vllm", "usage.prompt_tokens_details.image_tokens")},
    ("sglang", ""): {"evidence": counted_at("sglang", "usage.prompt_tokens_details.image_tokens")},
}


@pytest.fixture(scope="module")
def collected() -> dict[str, Any]:
    folder = os.environ.get("RESOLUTION_EVAL_DATA", "")
    path = Path(folder).parent / "reference" / "providers.json"
    if not folder or not path.is_file():
        pytest.skip("the collected facts are not here (RESOLUTION_EVAL_DATA)")
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_collected_fact_is_used_or_its_reason_is_on_the_page(
    collected: dict[str, Any],
) -> None:
    seen = set()
    for entry in collected["rules"]:
        own = CHECKS[entry["provider"], entry.get("models", "")]
        facts = {key: value for key, value in entry.items() if key not in ABOUT}
        assert set(facts) == set(own), entry
        for key, value in facts.items():
            assert own[key](value), (entry, key)
        seen.add((entry["provider"], entry.get("models", "")))
    assert seen == set(CHECKS)


def test_what_was_seen_in_the_field_is_what_the_rules_say_of_it(collected: dict[str, Any]) -> None:
    """That a relay's bill agreed where its images were smaller is on the page of attestation; a
    prompt that is too short for its image is tested with the servers.
    """
    relay, billed, live = collected["seen_in_the_field"]
    title, later = find_rule("claude-opus-4-8") or ("", None)
    assert later is not None and "2,691 tokens for 1920 x 1080" in billed
    assert later.forecast(title, Size(1920, 1080)).tokens == (2691, 2691)
    assert "without remainder" in live and "without remainder" in page()
    assert later.forecast(title, Size(200, 200)).wrapping == 0
    assert "46 to 114 prompt tokens where 756 to 1943 were due" in relay
