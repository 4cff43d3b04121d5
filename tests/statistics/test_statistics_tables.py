"""`metrics` and `gaps` on published tables: known values, the paper's claims, what is refused."""

import json
import os
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from resolution_eval.ground.errors import RecordError, UsageError
from resolution_eval.statistics.published_curves import gaps_of_file, metrics_of_file
from resolution_eval.statistics.strategy_gaps import IMAGE_DATASETS

RESOLUTIONS = [28, 64, 128, 224]
ACCURACY = {
    "LP DINO": [85.05, 93.9, 94.27, 96.14],
    "LP EfficientNet-B4": [80.51, 86.45, 87.62, 89.67],
    "LP DenseNet-121": [81.82, 90.03, 92.02, 91.28],
}
QWEN = {
    # low->low, low->native, native->low, native->native, mixed->low, mixed->native
    "Subcellular": (91.8, 64.35, 48.5, 97.2, 78.55, 95.2),
    "Compound": (72.3, 29.0, 46.3, 79.1, 58.8, 78.0),
    "Cervical": (96.37, 82.9, 80.83, 98.45, 89.24, 97.93),
    "WSI": (60.95, 58.91, 54.45, 61.49, 56.93, 61.34),
}
PAIRS = [("low", "low"), ("low", "native"), ("native", "low")]
PAIRS += [("native", "native"), ("mixed", "low"), ("mixed", "native")]
CLAIMS = {
    "alignment_gain": ["5.4", "6.8", "2.08", "0.54"],
    "native_trained_mismatch": ["-48.7", "-32.8", "-17.6", "-7.0"],
    "low_trained_mismatch": ["-27.4", "-43.3", "-13.5", "-2.0"],
}


def cells_of(tables=QWEN, model="Qwen2-VL 2B"):
    return [
        {"model": model, "dataset": name, "train": train, "infer": infer, "accuracy_percent": value}
        for name, values in tables.items()
        for (train, infer), value in zip(PAIRS, values, strict=True)
    ]


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "table.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def reference(name):
    data = os.environ.get("RESOLUTION_EVAL_DATA")
    path = Path(data or ".") / ".." / "reference" / name
    if data is None or not path.is_file():
        pytest.skip("RESOLUTION_EVAL_DATA is not set, or has no reference tables beside it")
    return path


def assert_known(metrics):
    dino, efficient = metrics["LP DINO"], metrics["LP EfficientNet-B4"]
    dense = metrics["LP DenseNet-121"]
    assert (dino["ace"], round(dino["rce"], 4)) == (11.09, 0.1201)
    assert (dino["rho"], dino["excess_ace"]) == (1.0, 0)
    assert efficient["ace"] == 9.16
    assert (dense["rho"], dense["excess_ace"]) == (0.8, 1.48)


def assert_printed(found, claims):
    """Every claim is the computed gap, rounded half to even to the digits that the paper prints."""
    for name, printed in claims.items():
        for dataset, claim in zip(IMAGE_DATASETS, printed, strict=True):
            exact = Decimal(str(found["datasets"][dataset][name]))
            assert exact.quantize(Decimal(claim), ROUND_HALF_EVEN) == Decimal(claim), (
                name,
                dataset,
            )


def test_known_metrics(write):
    assert_known(metrics_of_file(write({"resolutions": RESOLUTIONS, "accuracy": ACCURACY})))


def test_published_metrics():
    metrics = metrics_of_file(reference("medmnist_plus_pathmnist.json"))
    assert_known(metrics)
    assert len(metrics) == 17


def test_known_gaps(write):
    (found,) = gaps_of_file(write({"cells": cells_of()})).values()
    assert_printed(found, CLAIMS)
    assert round(found["means"]["image"]["mixed_native_loss"], 2) == -0.94
    assert found["means"]["all"] == found["means"]["image"]


def test_the_papers_claims_come_out_to_the_printed_digit():
    path = reference("chen2025.json")
    published = json.loads(path.read_text(), parse_float=str)["claims"]
    found = gaps_of_file(path)
    model = found[published["model"]]
    assert tuple(published["order"]) == IMAGE_DATASETS
    assert_printed(model, {name: published[name] for name in CLAIMS})
    loss = Decimal(str(model["means"]["image"]["mixed_native_loss"]))
    assert str(loss.quantize(Decimal("0.01"))) == published["mixed_native_loss_mean"]
    assert len(model["datasets"]) == 7
    for each in found.values():
        assert -9.6 < each["means"]["image"]["mixed_low_gap"] < -9.0
        every = [gaps["mixed_retention"] for gaps in each["datasets"].values()]
        assert each["means"]["all"]["mixed_retention"] == pytest.approx(sum(every) / 7)


def test_image_means_need_all_four_data_sets(write):
    three = {name: QWEN[name] for name in ("Subcellular", "Compound", "WSI")}
    (found,) = gaps_of_file(write({"cells": cells_of(three)})).values()
    assert list(found["means"]) == ["all"]


def test_models_are_kept_apart(write):
    found = gaps_of_file(write({"cells": [*cells_of(), *cells_of(model="other")]}))
    assert list(found) == ["Qwen2-VL 2B", "other"]
    assert found["other"] == found["Qwen2-VL 2B"]


def test_fractions_sort_and_reference_are_as_stated(write):
    table = {"resolutions": [224, 28, 56], "accuracy": {"a": [0.7, 0.2, 0.8]}, "reference": 56}
    figures = metrics_of_file(write(table))["a"]
    assert figures["ace"] == 0.7
    assert figures["worst_drop"] == 0.6
    assert figures["rho"] == 0.5
    del table["reference"]
    assert metrics_of_file(write(table))["a"]["worst_drop"] == 0.5


def test_rho_of_a_constant_curve_is_null_in_json(write):
    table = {"resolutions": [28, 56], "accuracy": {"a": [0.7, 0.7]}}
    assert json.loads(json.dumps(metrics_of_file(write(table))))["a"]["rho"] is None


GOOD = {"resolutions": [28, 56], "accuracy": {"a": [1, 2]}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "JSON object at the top"),
        ({}, "resolutions"),
        ({"resolutions": [28, 56]}, "found nothing"),
        (GOOD | {"accuracy": {}}, "accuracy"),
        (GOOD | {"accuracy": [1, 2]}, "found list"),
        (GOOD | {"accuracy": {"a": [1]}}, "'a' needs 2 accuracies, one per resolution, found 1"),
        (GOOD | {"accuracy": {"a": 1}}, "found int"),
        (GOOD | {"accuracy": {"a": [1, 101]}}, "101"),
        (GOOD | {"accuracy": {"a": [1, -1]}}, "-1"),
        (GOOD | {"accuracy": {"a": [1, "2"]}}, "'2'"),
        (GOOD | {"accuracy": {"a": [1, True]}}, "True"),
        ('{"resolutions": [28, 56], "accuracy": {"a": [1, NaN]}}', "NaN"),
        (GOOD | {"resolutions": [28, 28]}, "without repeats"),
        (GOOD | {"resolutions": [28, "native"]}, "native"),
        (GOOD | {"resolutions": [0, 28]}, "from 1 to 65535"),
        (GOOD | {"resolutions": [28, 10**400]}, "a number above 1e\\+30"),
        ('{"resolutions": [28, ' + "9" * 5000 + "]}", "not JSON"),
        (GOOD | {"reference": 64}, "reference 64"),
    ],
)
def test_metrics_refuses(write, content, message):
    with pytest.raises(RecordError, match=message):
        metrics_of_file(write(content))


def changed(position, **changes):
    cells = cells_of()
    cells[position] |= changes
    return {"cells": cells}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "found nothing"),
        ({"cells": []}, "cells"),
        ({"cells": ["x"]}, "cell 0 lacks"),
        ({"cells": [{"model": "m"}]}, r"cell 0 lacks \['accuracy_percent', 'dataset'"),
        (changed(2, train="nativ"), "no train named 'nativ'; did you mean 'native'"),
        (changed(2, infer="none"), "no infer named 'none'"),
        (changed(2, dataset=""), "dataset must be a name"),
        (changed(2, model=7), "model must be a name"),
        (changed(2, accuracy_percent=148.5), "148.5"),
        (changed(2, accuracy_percent=None), "None"),
        (changed(1, infer="low"), "cell 1 repeats Qwen2-VL 2B, Subcellular, low->low"),
        ({"cells": cells_of()[1:]}, "Qwen2-VL 2B on Subcellular: .* missing: low->low"),
        (changed(3, accuracy_percent=0), "nothing can be retained"),
    ],
)
def test_gaps_refuses(write, content, message):
    with pytest.raises(RecordError, match=message):
        gaps_of_file(write(content))


@pytest.mark.parametrize("read", [metrics_of_file, gaps_of_file])
def test_a_file_that_cannot_be_read_is_named(read, tmp_path):
    with pytest.raises(UsageError, match=r"absent\.json"):
        read(tmp_path / "absent.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary\.json is not text"):
        read(binary)
