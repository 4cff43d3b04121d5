"""Choices behind one shared cache: the scores of each choice alone behind its whole prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import tiny_families
import torch
from test_families import NAMES, Engine, Question, _grid, _noise

from resolution_eval.models.families import family_of
from resolution_eval.models.families.engine import packs
from resolution_eval.models.families.inputs import extended
from resolution_eval.models.families.parts import Parts
from resolution_eval.resolution import Size

pytestmark = [pytest.mark.filterwarnings("ignore")]

TEXTS = (
    ("Which phantom does this image show?", (" striped disc", " ring", " checked cross pair")),
    ("Which?", (" disc", " striped ring or cross, checked", " a", " checked pair")),
)
"""Prompts of different lengths, of three and four choices of one to many tokens."""


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    return {}


@pytest.fixture
def engine(name: str, engines: dict[str, Engine]) -> Engine:
    from transformers import AutoModelForImageTextToText, set_seed

    if name not in engines:
        torch.set_num_threads(1)
        config, processor = tiny_families.BUILDERS[name]()
        set_seed(0)
        model = AutoModelForImageTextToText.from_config(config).float().eval()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim >= 2:
                    weight.copy_(torch.randn_like(weight) * 0.2)
        parts = Parts(model.config, processor)
        engines[name] = Engine(family_of(parts.config), parts, model)
    return engines[name]


def _questions(name: str, engine: Engine) -> list[Question]:
    grid = _grid(name, engine, Size(60, 60))
    return [
        Question(
            engine.family.prompt(engine.parts, text, image=True), _noise(grid, seed), tuple(choices)
        )
        for seed, (text, choices) in enumerate(TEXTS)
    ]


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How choices went through the model, in order."""
    found: list[str] = []
    for way in ("_packed_pass", "_tail_pass"):
        monkeypatch.setattr(Engine, way, _noting(getattr(Engine, way), found))
    return found


def _noting(way: Any, found: list[str]) -> Any:
    def noting(self: Engine, *rest: Any) -> Any:
        found.append(way.__name__)
        return way(self, *rest)

    return noting


@pytest.mark.parametrize("name", NAMES)
def test_packed_choices_score_as_each_alone_does(
    name: str, engine: Engine, ways: list[str]
) -> None:
    if not engine.family.caches or not engine.family.continues_prompt(engine.parts):
        pytest.skip("its choices do not continue a cache")
    questions = _questions(name, engine)
    together = engine.rank(questions)
    copied = engine.of_family(replace(engine.family, packs=False)).rank(questions)
    window = name == "gemma3"  # shorter than the text, in the tiny one
    assert ways == ["_tail_pass" if window else "_packed_pass", "_tail_pass"]
    for question, packed, copy in zip(questions, together, copied, strict=True):
        assert packed.scores == pytest.approx(copy.scores, abs=2e-5)
        if name != "paligemma":  # which lets a whole text, its choice too, look at its own end
            assert packed.scores == pytest.approx(_alone(engine, question), abs=2e-5)


@pytest.mark.parametrize("name", ["mistral3", "gemma3"])
@pytest.mark.parametrize("window", [8, 100])
def test_a_window_shorter_than_the_text_keeps_the_copies(
    name: str, window: int, engine: Engine, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = engine.model.config.get_text_config()
    for part in (text, *(getattr(each, "config", text) for each in engine.model.modules())):
        if getattr(part, "sliding_window", None):
            monkeypatch.setattr(part, "sliding_window", window)
    for module in engine.model.modules():
        if getattr(module, "sliding_window", None):
            monkeypatch.setattr(module, "sliding_window", window)
    questions = _questions(name, engine)
    found = engine.rank(questions)
    longest = max(len(engine.preparation.prepare(each)["input_ids"][0]) for each in questions)
    assert (window > longest + 60) or ways == ["_tail_pass"]
    for question, ranked in zip(questions, found, strict=True):
        alone = engine.rank([question])[0].scores
        assert ranked.scores == pytest.approx(alone, abs=2e-5)


def _alone(engine: Engine, question: Question) -> list[float]:
    """Log-likelihood of each choice, the model run on its whole text without a cache."""
    sample, tails, starts = engine.preparation.split(question)
    found = []
    for tail, start in zip(tails, starts, strict=True):
        batch = engine._entering(engine.preparation.collated([extended(sample, tail)]))
        with engine._watched([question]), torch.inference_mode():
            logits = engine.model(**batch, use_cache=False).logits[0, -len(tail) - 1 : -1]
        said = logits.log_softmax(-1)[torch.arange(len(tail)), torch.tensor(tail)]
        found.append(float(said[start:].sum()))
    return found


@pytest.mark.parametrize("name", ["qwen2_vl"])
def test_no_copy_of_the_cache_is_made(
    name: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.cache_utils import DynamicCache

    copied: list[Any] = []
    monkeypatch.setattr(
        DynamicCache, "batch_select_indices", lambda self, rows: copied.append(rows)
    )
    engine.rank(_questions(name, engine))
    assert copied == []


@pytest.mark.parametrize("kind", ["flash_attention_2", "sdpa"])
def test_a_full_window_and_an_attention_without_masks_are_not_packed(kind: str) -> None:
    from transformers import MistralConfig
    from transformers.cache_utils import DynamicCache

    model = torch.nn.Module()
    model.config = MistralConfig(num_hidden_layers=1, sliding_window=None)
    model.config._attn_implementation = kind
    whole = DynamicCache(config=model.config)
    sliding = DynamicCache(config=MistralConfig(num_hidden_layers=1, sliding_window=8))
    for cache in (whole, sliding):
        cache.update(torch.zeros(1, 1, 3, 1), torch.zeros(1, 1, 3, 1), 0)
    allowed = kind == "sdpa"
    assert packs(model, whole, 1000) is allowed
    assert packs(model, sliding, 4) is allowed
    assert not packs(model, sliding, 5)
    assert not packs(model, object(), 1)


def test_a_mask_hides_every_other_choice_and_the_padding() -> None:
    from resolution_eval.models.tails import Tails, packed

    tails = Tails(owners=[0, 0, 1], ids=[[5, 6, 7], [8, 9], [4]], starts=[0, 0, 0])
    together = packed(tails, 2, device=torch.device("cpu"))
    assert together.ids.tolist() == [[5, 6, 8], [0, 0, 0]]
    assert together.places.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert together.columns == [0, 2, 0]
    hidden = together.hidden(torch.tensor([[0, 1], [1, 1]]), torch.float32)
    seen = (hidden[:, 0] == 0).int().tolist()
    assert seen[0] == [[0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 0, 1]]
