"""The board's table of public checkpoints: what is stated, and what reaches their encoders."""

from __future__ import annotations

import pytest

from resolution_eval.board.site.public import SIZES, defaults
from resolution_eval.data.cards import model_cards

ROWS = {row.checkpoint: row for row in defaults()}


@pytest.mark.parametrize("checkpoint", ROWS)
def test_the_training_resolution_is_the_cards(checkpoint: str) -> None:
    card = model_cards().get(checkpoint)
    assert ROWS[checkpoint].training == ("unknown" if card is None else card.training)


def test_a_default_that_enlarges_every_image_is_flat_and_control_is_not() -> None:
    row = ROWS["HuggingFaceTB/SmolVLM2-2.2B-Instruct"]
    assert [each.grid for each in row.left_alone] == ["1536x1536"] * len(SIZES)
    assert len({each.grid for each in row.controlled}) == len(SIZES)
    assert row.training == "fixed:1536"


def test_the_hosts_floor_flattens_qwen_up_to_448() -> None:
    row = ROWS["Qwen/Qwen2.5-VL-7B-Instruct"]
    grids = dict(zip(SIZES, (each.grid for each in row.left_alone), strict=True))
    assert grids[224] == grids[448] == "448x448" != grids[896]
    assert row.controlled[0].grid == "224x224"
