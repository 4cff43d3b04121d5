"""The rows of lmms-eval's table: what a number may be shown for, and what it is withheld for."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from resolution_eval.host import task_metrics


def _item(sample: str, resolution: str, score: float | None, **more: object) -> dict[str, object]:
    """One sample at one resolution, in the forms of a cell and of a curve at once."""
    item: dict[str, object] = {
        "correct": score,
        "sample": sample,
        "resolution": resolution,
        "status": "attested",
        "training": "fixed:64",
        "cluster": sample,
        **more,
    }
    return item if score is None else {**item, "score": score}


SWEEP = [
    *(
        _item(sample, "16", score)
        for sample, score in zip("abcd", (1.0, 0.0, 0.0, 0.0), strict=True)
    ),
    *(
        _item(sample, "32", score)
        for sample, score in zip("abcd", (1.0, 1.0, 0.0, 0.0), strict=True)
    ),
    *(
        _item(sample, "64", score)
        for sample, score in zip("abcd", (1.0, 1.0, 1.0, 0.0), strict=True)
    ),
]


def test_worst_drop_is_taken_from_the_training_resolution() -> None:
    assert task_metrics.worst_drop(SWEEP) == pytest.approx(0.75 - 0.25)


def test_area_weighs_by_octaves() -> None:
    assert task_metrics.area(SWEEP) == pytest.approx((0.25 + 0.5) / 2 / 2 + (0.5 + 0.75) / 2 / 2)


def test_native_has_no_place_on_the_axis_of_area() -> None:
    native = [_item(sample, "native", 0.0) for sample in "abcd"]
    assert task_metrics.area([*SWEEP, *native]) == task_metrics.area(SWEEP)


def test_figures_use_the_samples_that_every_resolution_has() -> None:
    assert task_metrics.worst_drop(SWEEP[:-1]) == pytest.approx(1.0 - 1 / 3)


@pytest.mark.parametrize("figure", [task_metrics.area, task_metrics.worst_drop])
@pytest.mark.parametrize(
    ("planted", "word"),
    [
        (_item("a", "32", 1.0, status="mismatched"), "mismatched"),
        (_item("a", "32", None, status="failed"), "incomplete"),
    ],
)
def test_figures_are_withheld_where_a_cell_is_not_what_was_asked_for(
    figure: object, planted: dict[str, object], word: str
) -> None:
    assert figure([*SWEEP, planted]) == f"withheld: acc@32 is {word}"  # type: ignore[operator]


def test_without_the_training_resolution_in_the_sweep_there_is_no_worst_drop() -> None:
    items = [{**item, "training": "fixed:336"} for item in SWEEP]
    assert "fixed:336" in str(task_metrics.worst_drop(items))
    assert "fixed:336" in str(task_metrics.balanced_accuracy(items))


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_equal_scikit_learns(seed: int) -> None:
    chance = random.Random(seed)
    targets = chance.choices("xyz", weights=(6, 3, 1), k=60)
    predictions = [chance.choice((target, "x", None)) for target in targets]
    items = [
        _item(str(index), "64", float(target == prediction), target=target, prediction=prediction)
        for index, (target, prediction) in enumerate(zip(targets, predictions, strict=True))
    ]
    said = [prediction or "unparseable" for prediction in predictions]
    assert task_metrics.accuracy(items) == pytest.approx(accuracy_score(targets, said))
    with_own_label = pytest.warns(UserWarning) if "unparseable" in said else None
    if with_own_label is None:
        expected = balanced_accuracy_score(targets, said)
    else:
        with with_own_label:
            expected = balanced_accuracy_score(targets, said)
    assert task_metrics.balanced_accuracy(items) == pytest.approx(expected)


def test_balanced_accuracy_reads_the_training_resolution_alone() -> None:
    items = [
        _item("a", "64", 1.0, target="x", prediction="x"),
        _item("b", "64", 1.0, target="x", prediction="x"),
        _item("c", "64", 0.0, target="y", prediction="x"),
        _item("c", "16", 1.0, target="y", prediction="y"),
    ]
    assert task_metrics.balanced_accuracy(items) == 0.5


def test_a_mismatched_cell_never_shows_a_bare_number() -> None:
    cell = [_item("a", "64", 1.0), _item("b", "64", 0.0, status="mismatched")]
    assert task_metrics.accuracy(cell) == "0.5000 mismatched"


def test_a_cell_of_failures_alone_has_no_accuracy() -> None:
    cell = [_item("a", "64", None, status="failed"), _item("b", "64", None, status="failed")]
    assert task_metrics.accuracy(cell) == "no sample scored (2 failed)"
