"""The rule library: what the pages print, to the digit, and a brute force of their words."""

from __future__ import annotations

import datetime
import json
import math
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from resolution_eval.ground.errors import CardError, UsageError
from resolution_eval.models.providers import Forecast, find_rule, providers, rules
from resolution_eval.models.providers.library import parse_provider
from resolution_eval.models.providers.rule import Shrink
from resolution_eval.resolution import Size
from tools.providers_page import page

EARLIER, LATER = "claude-3-5-sonnet-20241022", "claude-opus-4-8"


def forecast(model: str, width: int, height: int, **more: object) -> Forecast:
    found = find_rule(model)
    assert found is not None
    title, rule = found
    return rule.forecast(title, Size(width, height), **more)  # type: ignore[arg-type]


def around(*edges: int, steps: tuple[int, ...] = (-2, -1, 0, 1, 2)) -> list[int]:
    return sorted({max(1, edge + step) for edge in edges for step in steps})


# What the pages print (read in September and October 2026).


@pytest.mark.parametrize(
    ("model", "sent", "left", "tokens", "off"),
    [
        (EARLIER, (200, 200), (200, 200), 64, 0),
        (EARLIER, (1000, 1000), (1000, 1000), 1296, 0),
        (EARLIER, (1092, 1092), (1092, 1092), 1521, 0),
        (EARLIER, (1920, 1080), (1456, 819), 1560, 0),
        (EARLIER, (2000, 1500), (1269, 952), 1564, 1),
        (EARLIER, (3840, 2160), (1456, 819), 1560, 0),
        (EARLIER, (2048, 2500), (987, 1204), 1548, 0),
        (LATER, (200, 200), (200, 200), 64, 0),
        (LATER, (1000, 1000), (1000, 1000), 1296, 0),
        (LATER, (1092, 1092), (1092, 1092), 1521, 0),
        (LATER, (1920, 1080), (1920, 1080), 2691, 0),
        (LATER, (2000, 1500), (2000, 1500), 3888, 0),
        (LATER, (3840, 2160), (2576, 1449), 4784, 0),
        (LATER, (2048, 2500), (1736, 2120), 4712, 0),
    ],
)
def test_what_anthropic_prints(
    model: str, sent: tuple[int, int], left: tuple[int, int], tokens: int, off: int
) -> None:
    found = forecast(model, *sent)
    assert found.size is not None and found.tokens is not None
    assert abs(found.size.width - left[0]) <= off and abs(found.size.height - left[1]) <= off
    assert found.pieces == tokens and found.tokens[0] <= tokens <= found.tokens[1]
    assert found.tokens == (tokens, tokens) or found.size != Size(*sent)


@pytest.mark.parametrize(
    ("model", "sent", "left", "count"),
    [
        ("gpt-5-mini", (1800, 2400), (1056, 1408), 1452),
        ("gpt-5-mini", (2048, 2500), (1120, 1367), 35 * 43),
        ("gpt-5.4", (2048, 2500), (1440, 1758), 45 * 55),
        ("gpt-4o", (2048, 2500), (768, 938), 4),
    ],
)
def test_what_openai_prints(
    model: str, sent: tuple[int, int], left: tuple[int, int], count: int
) -> None:
    found = forecast(model, *sent)
    assert (found.size, found.pieces) == (Size(*left), count)


def test_tokens_of_tiles_and_the_budgets_of_gemini() -> None:
    assert forecast("gpt-4o", 1024, 1024).tokens == (765, 765)
    assert forecast("gpt-4.1", 2048, 4096).tokens == (1105, 1105)
    assert forecast("gpt-4o", 4000, 3000, detail="low").tokens == (85, 85)
    assert forecast("o3", 1024, 1024).tokens is None and forecast("o3", 1024, 1024).pieces == 4
    told = [
        forecast("gemini-3-pro-preview", 9, 9, detail=level).tokens
        for level in ("low", "medium", "high", "ultra_high", "auto")
    ]
    assert told == [(280, 280), (560, 560), (1120, 1120), (2240, 2240), (1120, 1120)]
    assert not forecast("gemini-3-pro-preview", 9, 9).by_size
    assert forecast("gemini-2.5-flash", 2000, 9).tokens is None


def test_details_of_the_newest_patches() -> None:
    high, original = ((2048, 2500), (6000, 10000))
    assert forecast("gpt-5.4", 4096, 4096) == forecast("gpt-5.4", 4096, 4096, detail="high")
    assert forecast("gpt-5.5", 2900, 2900).size == Size(2900, 2900), "auto is original"
    assert forecast("gpt-5.5", 2900, 2900, detail="high").pieces <= high[1]  # type: ignore[operator]
    assert forecast("gpt-5.5", 9000, 5000).pieces <= original[1]  # type: ignore[operator]
    kept = forecast("gpt-6", 5504, 5504)
    assert kept.size == Size(5504, 5504) and kept.pieces == 172**2 and kept.refused is None
    assert "30000" in str(forecast("gpt-6", 5569, 5504).refused)


# The published words once more, without the library's arithmetic.


def claude_by_walking(width: int, height: int, long_edge: int, tokens: int) -> Size:
    """Every pair of whole sides that one scale gives, the largest scale that is in bounds first."""
    if height > width:
        turned = claude_by_walking(height, width, long_edge, tokens)
        return Size(turned.height, turned.width)
    top = min(Fraction(1), Fraction(long_edge, max(width, height)))
    half, best = Fraction(1, 2), (Fraction(0), Size(1, 1))
    for wide in range(width, 0, -1):
        if best[0]:
            break
        low, high = (wide - half) / width, (wide + half) / width
        for tall in {math.floor(height * low + half), math.ceil(height * high - half)}:
            if tall < 1:
                continue
            least = max(low, (tall - half) / height)
            most = min(high, (tall + half) / height, top)
            if least > top or least >= most > least:
                continue
            squares = sum(1 for _ in range(0, wide, 28)) * sum(1 for _ in range(0, tall, 28))
            if least <= most and squares <= tokens and most > best[0]:
                best = (most, Size(wide, tall))
    return best[1]


def claude_sizes(edge: int) -> Iterator[tuple[int, int]]:
    yield from ((w, w) for w in around(28, 56, edge // 2, 1092, 1109))
    yield from ((w, 300) for w in around(edge))
    yield from ((300, h) for h in around(edge))
    yield from ((w, 1500) for w in around(1036, 2000))
    yield from ((w, 1080) for w in around(1456, 1920))


@pytest.mark.parametrize(("model", "edge", "most"), [(EARLIER, 1568, 1568), (LATER, 2576, 4784)])
def test_claude_against_a_walk_over_all_sizes(model: str, edge: int, most: int) -> None:
    sizes = list(claude_sizes(edge))
    assert len(sizes) >= 40
    for width, height in sizes:
        found, walked = forecast(model, width, height), claude_by_walking(width, height, edge, most)
        assert found.size == walked, (width, height)
        assert found.pieces == -(-walked.width // 28) * -(-walked.height // 28) <= most


def openai_sizes() -> list[tuple[int, int]]:
    square = [(w, w) for w in around(32, 512, 768, 1254, 1600, 2048)]
    flat = [(w, h) for w in around(768, 1536, 2048) for h in (400, 1024, 2049)]
    return square + flat + [(h, w) for w, h in flat]


def test_tiles_against_covering_by_hand() -> None:
    sizes = openai_sizes()
    assert len(sizes) >= 40
    for width, height in sizes:
        wide, high = float(width), float(height)
        if max(wide, high) > 2048:
            wide, high = wide * 2048 / max(wide, high), high * 2048 / max(wide, high)
        if min(wide, high) > 768:
            wide, high = wide * 768 / min(wide, high), high * 768 / min(wide, high)
        tiles = sum(1 for x in range(0, 4096, 512) if x < wide - 1e-6) * sum(
            1 for y in range(0, 4096, 512) if y < high - 1e-6
        )
        found = forecast("gpt-4o", width, height)
        assert found.tokens is not None and found.size is not None
        assert found.tokens[0] <= 85 + 170 * tiles <= found.tokens[1], (width, height)
        assert abs(found.size.width - wide) <= 0.5001 and abs(found.size.height - high) <= 0.5001


def patch_sizes(edge: int, most: int) -> list[tuple[int, int]]:
    """Sizes around the long edge and the number of patches at which the rule begins to act."""
    side = 32 * math.isqrt(most)
    square = [(w, w) for w in around(32, side, edge, 2 * edge)]
    long = [(w, h) for w in around(edge) for h in (31, 32, 33, side - 1, side, side + 1)]
    return openai_sizes() + square + long + [(h, w) for w, h in long]


@pytest.mark.parametrize(
    ("model", "detail", "edge", "most"),
    [
        *((name, "high", 2048, 1536) for name in ("gpt-5-mini", "gpt-5.2", "o4-mini")),
        *((name, "high", 2048, 2500) for name in ("gpt-5.4", "gpt-5.5")),
        *((name, "original", 6000, 10000) for name in ("gpt-5.4", "gpt-5.5")),
    ],
)
def test_patches_against_the_steps_in_floating_point(
    model: str, detail: str, edge: int, most: int
) -> None:
    sizes = patch_sizes(edge, most)
    assert len(sizes) >= 40
    for width, height in sizes:
        wide, high = float(width), float(height)
        if max(wide, high) > edge:
            wide, high = wide * edge / max(wide, high), high * edge / max(wide, high)
        if math.ceil(wide / 32) * math.ceil(high / 32) > most:
            ratio = math.sqrt(32 * 32 * most / (wide * high))
            across, down = wide * ratio / 32, high * ratio / 32
            whole = (math.floor(across + 1e-9) / across, math.floor(down + 1e-9) / down)
            wide, high = wide * ratio * min(whole), high * ratio * min(whole)
        found = forecast(model, width, height, detail=detail)
        assert found.size is not None and found.pieces is not None
        assert abs(found.size.width - wide) <= 0.5001, (width, height)
        assert abs(found.size.height - high) <= 0.5001, (width, height)
        assert found.pieces <= most


def test_the_newest_patches_are_kept_or_refused_by_their_number_alone() -> None:
    sizes = [(w, h) for w in around(32, 5536, 5568, 6000, 9600) for h in (1, 32, 3200, 5504, 5536)]
    sizes += [(h, w) for w, h in sizes]
    assert len(sizes) >= 40
    for width, height in sizes:
        squares = len(range(0, width, 32)) * len(range(0, height, 32))
        found = forecast("gpt-6", width, height)
        assert (found.size, found.pieces) == (Size(width, height), squares)
        assert (found.refused is not None) == (squares > 30_000), (width, height)


def test_tiles_of_the_o_series_are_those_of_gpt_4o_without_their_tokens() -> None:
    for width, height in openai_sizes():
        tiled, found = forecast("gpt-4o", width, height), forecast("o3", width, height)
        assert (found.size, found.pieces, found.tokens) == (tiled.size, tiled.pieces, None)


def test_a_budget_is_the_same_at_every_size() -> None:
    levels = {"low": 280, "medium": 560, "high": 1120, "ultra_high": 2240, "auto": 1120}
    for level, tokens in levels.items():
        for width, height in openai_sizes():
            found = forecast("gemini-3-pro-preview", width, height, detail=level)
            assert (found.tokens, found.size, found.by_size) == ((tokens, tokens), None, False)


def test_every_rule_that_computes_is_among_those_compared_here() -> None:
    compared = {
        *("anthropic/claude-earlier", "anthropic/claude-later", "google/gemini-3"),
        *("openai/tiles-85-170", "openai/tiles-o-series", "openai/patches-1536"),
        *("openai/patches-5.4", "openai/patches-5.5", "openai/patches-kept"),
        *("qwen/qwen2-vl", "qwen/qwen3-vl", "llamacpp/qwen2-vl", "llamacpp/qwen3-vl"),
    }
    computing = {title.partition("@")[0] for title, rule in rules() if rule.kind != "unstated"}
    assert computing == compared


def test_every_collected_example_comes_out_to_the_digit() -> None:
    """The examples as they were collected, with the ones that are not stated by a page."""
    folder = os.environ.get("RESOLUTION_EVAL_DATA", "")
    path = Path(folder).parent / "reference" / "providers.json"
    if not folder or not path.is_file():
        pytest.skip("the collected examples are not here (RESOLUTION_EVAL_DATA)")
    examples, compared = json.loads(path.read_text(encoding="utf-8"))["examples"], 0
    for example in examples["anthropic"]:
        off = 1 if "1 px off" in example.get("note", "") else 0
        for name, model in (("earlier", EARLIER), ("later", LATER)):
            found, told = forecast(model, *example["size"]), example[name]
            assert found.pieces == told["tokens"] and found.size is not None
            left = told.get("size", (found.size.width, found.size.height))
            assert abs(found.size.width - left[0]) <= off
            assert abs(found.size.height - left[1]) <= off
            compared += 1
    for example in examples["openai_patches"]:
        found = forecast("gpt-5-mini", *example["size"])
        assert (found.size, found.pieces) == (Size(*example["resized"]), example["patches"])
        compared += 1
    derived = dict(examples["derived_by_us"])
    size = derived.pop("size")
    names = {
        "GPT-4o": "gpt-4o",
        "Claude earlier": EARLIER,
        "gpt-5-mini": "gpt-5-mini",
        "Claude later": LATER,
        "gpt-5.4 high": "gpt-5.4",
    }
    for name, left in derived.items():
        assert forecast(names[name], *size).size == Size(*left), name
        compared += 1
    assert compared >= 18


@pytest.mark.parametrize(
    ("model", "factor", "least", "most"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", 28, 3136, 12845056),
        ("Qwen/Qwen3-VL-8B-Instruct", 32, 65536, 16777216),
    ],
)
def test_qwen_against_the_processor_itself(model: str, factor: int, least: int, most: int) -> None:
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    edges = around(factor, 2 * factor, 3 * factor + factor // 2, 256, math.isqrt(most))
    sizes = [(w, h) for w in edges for h in (*around(factor, 300), 2000) if w / h < 200]
    assert len(sizes) >= 40
    for width, height in sizes:
        if max(width, height) / min(width, height) > 200:
            continue
        high, wide = smart_resize(height, width, factor, least, most)
        found = forecast(model, width, height)
        assert found.size == Size(wide, high), (width, height)
        assert found.tokens == (wide * high // factor**2,) * 2
    assert forecast(model, 201 * 40, 40).refused is not None


def single(value: float) -> float:
    """The nearest number of single precision."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def llama_cpp(width: int, height: int, align: int, least: int, most: int) -> tuple[int, int]:
    """The words of its source, every step rounded to C's `float` by itself."""
    wide, high = (max(align, int(single(side / align) + 0.5) * align) for side in (width, height))
    area = single(float(height) * float(width))
    if high * wide > most:
        beta = single(math.sqrt(single(area / most)))
        wide, high = (
            max(align, math.floor(single(single(side / beta) / align)) * align)
            for side in (width, height)
        )
    elif high * wide < least:
        beta = single(math.sqrt(single(least / area)))
        wide, high = (
            math.ceil(single(single(side * beta) / align)) * align for side in (width, height)
        )
    return wide, high


@pytest.mark.parametrize(
    ("model", "align", "least", "most"),
    [("llama.cpp/qwen2-vl", 28, 6272, 3211264), ("llama.cpp/qwen3-vl", 32, 8192, 4194304)],
)
def test_llama_cpp_against_its_words_in_single_precision(
    model: str, align: int, least: int, most: int
) -> None:
    edges = around(align, align // 2, 3 * align // 2, 5 * align // 2, 256, math.isqrt(most))
    sizes = [(w, h) for w in edges for h in (*around(align, 300), 5 * align // 2, 2000)]
    sizes += [(h, w) for w, h in sizes] + [(9000, 30), (1, 1)]
    assert len(sizes) >= 40
    for width, height in sizes:
        found = forecast(model, width, height)
        assert found.size == Size(*llama_cpp(width, height, align, least, most)), (width, height)
        assert found.wrapping == 2 and found.by_size
    halves = forecast(model, 5 * align // 2, 10 * align)
    assert halves.size == Size(3 * align, 10 * align), "away from zero, not to even"


# Who is known, and until when.


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mini",
        "gpt-4.1-mini",
        "gpt-5",
        "gpt-5.1",
        "gpt-4",
        "claude-2.1",
        "claude-opus-4-8-gateway",
        "my-gpt-4o",
        "gemini-1.5-pro",
        "Qwen/Qwen2.5-7B-Instruct",
        "some/model",
        "",
    ],
)
def test_a_model_that_no_page_names_is_unknown(model: str) -> None:
    assert find_rule(model) is None


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        ("gpt-4o-2024-08-06", "openai/tiles-85-170"),
        ("openai/gpt-4.1", "openai/tiles-85-170"),
        ("o4-mini-2025-04-16", "openai/patches-1536"),
        ("o3", "openai/tiles-o-series"),
        ("claude-sonnet-4-20250514", "anthropic/claude-earlier"),
        ("claude-3-opus-20240229", "anthropic/claude-earlier"),
        ("claude-opus-4-6", "anthropic/claude-earlier"),
        ("anthropic/claude-opus-4.7", "anthropic/claude-later"),
        ("claude-sonnet-5", "anthropic/claude-later"),
        ("gemini-2.5-pro", "google/gemini-2.5"),
        ("models/gemini-3-pro-preview", "google/gemini-3"),
        ("google/gemma-4-12b-it", "google/gemma-4"),
    ],
)
def test_a_name_finds_its_rule(model: str, rule: str) -> None:
    found = find_rule(model)
    assert found is not None and found[0].partition("@")[0] == rule
    others = [title for title, each in rules() if each.holds_for(model)]
    assert others == [found[0]], "no two rules name one model"


def test_every_rule_has_a_date_and_a_link_and_none_is_read_before_it_was() -> None:
    assert len(list(rules())) >= 12 and {"vllm", "sglang"} <= set(providers())
    for title, rule in rules():
        assert rule.url.startswith("https://") and str(rule.read) in title
    assert find_rule("gpt-4o", on=datetime.date(2026, 9, 1)) is None


def test_a_later_entry_takes_the_place_of_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from resolution_eval.models.providers import library

    def entry(read: datetime.date, edge: int) -> tuple[str, Shrink]:
        made = Shrink(
            name="m", words="w", models="m", read=read, url="https://x.org", kind="shrink",
            patch=10, long_edge=edge, tokens_at_most=10**6,
        )  # fmt: skip
        return made.title("p"), made

    old, new = entry(datetime.date(2026, 1, 1), 50), entry(datetime.date(2026, 6, 1), 90)
    monkeypatch.setattr(library, "rules", lambda: iter([old, new]))
    assert library.find_rule("m") == new
    assert library.find_rule("m", on=datetime.date(2026, 5, 31)) == old
    assert old[1].forecast("t", Size(100, 1)).size == Size(50, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider = ", "not TOML"),
        ('provider = "p"\ntitel = "P"', "titel"),
        ('provider = "p"\ntitle = "P"\n[[rules]]\nkind = "guess"\nname = "n"', "kind"),
    ],
)
def test_a_broken_file_is_named(text: str, said: str) -> None:
    with pytest.raises(CardError, match=said):
        parse_provider(text, "p.toml")


def test_a_detail_that_a_rule_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'high'"):
        forecast("gpt-5.4", 9, 9, detail="hihg")


def test_tokens_per_patch_are_the_users_word() -> None:
    assert forecast("gpt-5-mini", 1024, 1024).tokens is None
    least, most = forecast("gpt-5-mini", 1024, 1024, per_patch=1.2).tokens or (0, 0)
    assert least <= 1228.8 <= most <= least + 1
    assert forecast("gpt-5-mini", 256, 256, per_patch=1.62).tokens == (103, 104)


def test_the_page_is_that_of_the_files() -> None:
    kept = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
    assert kept == page(), "run `python -m tools.providers_page`"
