"""Grids in steps: a processor that takes one of a few budgets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.census.checkpoints import parts_of
from resolution_eval.answers.generation import Generation
from resolution_eval.models.families import Parts, intended_grid
from resolution_eval.models.families.engine import Engine, Question
from resolution_eval.models.families.generic import generic_family
from resolution_eval.models.families.generic.controls import Steps
from resolution_eval.models.families.generic.trial import Bench, noise
from resolution_eval.models.families.own_processor import foretold
from resolution_eval.resolution import Size

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("size", "value"),
    [(Size(10, 10), 70), (Size(470, 470), 70), (Size(900, 260), 140), (Size(4000, 4000), 280)],
)
def test_the_budget_is_the_one_whose_grid_is_nearest(size: Size, value: int) -> None:
    steps = Steps("max_soft_tokens", ((70, 400), (140, 566), (280, 800)))
    assert steps.nearest(size) == value
    assert "140 (566 px)" in str(steps)


@pytest.mark.whole
def test_gemma_4_moves_in_its_budgets_and_the_tower_gets_what_was_foretold() -> None:
    torch.set_num_threads(1)
    parts = Parts(*parts_of("gemma4"))
    family = generic_family(parts)
    assert family.refusal(parts) is None
    assert family.steps is not None
    assert [value for value, _ in family.steps.edges] == [70, 140, 280, 560, 1120]
    bench = Bench(parts)
    engine = Engine(family, parts._replace(config=bench.model.config), bench.model)
    most = []
    for edge in (300, 500, 700):
        information = Size(edge, edge)
        drawn = intended_grid(
            family, parts, family.training(parts), "match", information, information
        )
        expected = foretold(family, parts, drawn)
        prompt = family.prompt(parts, "Which?", image=True)
        (spoken,) = engine.generate([Question(prompt, noise(drawn))], Generation(max_new_tokens=1))
        assert spoken.received is not None
        assert (spoken.received.grid, spoken.visual_tokens) == (expected.grid, expected.tokens)
        most.append(spoken.visual_tokens)
    assert most[0] <= 70 < most[1] <= 140 < most[2] <= 280
