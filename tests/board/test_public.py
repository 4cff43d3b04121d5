"""The board's table of public checkpoints: what is stated, and what reaches their encoders."""

from __future__ import annotations

import re

import pytest

from resolution_eval.board.published_figures import in_short, printed
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


def test_a_model_in_short_is_its_printed_scores_each_against_its_tasks_best() -> None:
    for found in printed():
        for line in in_short([found]):
            mine = [each for each in found.curves if each.model == line.model]
            scores = [{point.at: point.value for point in each.points} for each in mine]
            assert line.tasks == len(mine)
            wins = [
                sum(one.get(size) == max(one.values()) for one in scores)
                for size in dict.fromkeys(size for one in scores for size in one)
            ]
            assert line.wins == max(wins)
            near = [
                size
                for size in scores[0]
                if all(one.get(size, 0) >= 0.98 * max(one.values()) for one in scores)
            ]
            first = near[0].partition(" (")[0] if near else ""
            assert (line.enough or "").startswith(first)
            assert bool(near) == (line.enough is not None)


def test_the_size_that_one_task_needs_is_not_called_enough_for_all() -> None:
    qwen = next(line for line in in_short(printed()) if line.model == "Qwen2-VL-7B")
    assert qwen.best == "3136 tokens" and qwen.wins == 3 and qwen.tasks == 4
    assert qwen.enough is not None and qwen.enough.startswith("1924")
    assert "3136: 91–100 %" in qwen.shares  # OCRBench falls from 866 to 786 points


def test_sizes_of_one_number_stand_as_the_source_has_them() -> None:
    """And not as a set of texts happens to lie: the same board has the same bytes."""
    for found in printed():
        for line in in_short([found]):
            mine = [each for each in found.curves if each.model == line.model]
            names = dict.fromkeys(point.at for each in mine for point in each.points)
            numbers = {name: re.search(r"\d+", name) for name in names}
            order = sorted(names, key=lambda n: int(numbers[n][0]) if numbers[n] else 10**9)
            shown = [share.rpartition(": ")[0] for share in line.shares]
            assert shown == [name.partition(" (")[0] for name in order]
