"""Figures by size in records and reports: earned from attested grids, withheld where not."""

from __future__ import annotations

import json

import pytest
from plate_runs import plate_lines
from synthetic_runs import facts, line, write_run

from resolution_eval.analysis import by_task
from resolution_eval.analysis import figures as curve_figures
from resolution_eval.analysis.sizes import TOGETHER, sizes, task_sizes
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.lesions import LesionBook
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import make_records, read_record
from resolution_eval.records.store import write_record
from resolution_eval.report import report, write_page
from resolution_eval.report.frontpage import front
from resolution_eval.report.size_tables import size_tables
from resolution_eval.statistics.psychometric import Weibull

GRIDS = {"32": 32, "64": 64, "128": 128}
SHARP = Weibull(1.1, 4.0, 0.0)
"""Sees half of the details of 1.1 px at the encoder."""


def record_of(folder, lines, *, task="acuity_res", source="acuity"):
    told = facts()
    told["data"]["source"] = source
    lines[0]["run"] = told
    write_run(folder, lines, task=task)
    return make_records(folder)[0]


def sweep_of(record):
    return by_task([record])[0].sweeps[0]


@pytest.fixture(scope="module")
def acuity(tmp_path_factory):
    lines = plate_lines(AcuityBook(128), GRIDS, SHARP, images=480)
    return record_of(tmp_path_factory.mktemp("acuity"), lines)


@pytest.fixture(scope="module")
def figures(acuity):
    return sizes(sweep_of(acuity))


class TestAcuity:
    def test_the_threshold_is_the_observers_at_every_grid(self, figures):
        together = figures.kinds[0]
        assert together.kind == TOGETHER
        for resolution, grid in GRIDS.items():
            interval = together.at_encoder(resolution)
            assert interval.low <= 1.1 <= interval.high
            assert interval.estimate == pytest.approx(1.1, rel=0.15)
            stored = together.threshold(resolution)
            assert stored.estimate == pytest.approx(interval.estimate * 128 / grid, rel=1e-6)

    def test_the_limit_is_two_pixels_per_period(self, figures):
        limits = [cell.limit for cell in figures.kinds[0].cells]
        assert limits == pytest.approx([4.0, 2.0, 1.0])

    def test_curves_that_are_one_at_the_encoder_are_not_said_to_differ(self, figures):
        assert figures.kinds[0].coincidence.verdict in ("coincide", "undecided")
        assert figures.kinds[0].enough is None  # every step up brings finer sight

    def test_controls_have_curves_of_their_own_and_are_in_no_other(self, figures):
        kinds = [kind.kind for kind in figures.kinds]
        assert {"letter E", "two dots", "faint grating", "landolt 8"} <= set(kinds)
        together = len(figures.kinds[0].cells[0].source)
        assert together == 480 // 2

    def test_the_grid_that_was_received_counts_and_not_the_one_asked_for(self, tmp_path):
        """A model that was given half the grid sees half as much, at the encoder alike."""
        halved = {name: grid // 2 for name, grid in GRIDS.items()}
        lines = plate_lines(AcuityBook(128), halved, SHARP, images=240, status="mismatched")
        together = sizes(sweep_of(record_of(tmp_path, lines))).kinds[0]
        assert together.threshold("128").estimate == pytest.approx(2.2, rel=0.2)
        assert together.at_encoder("128").estimate == pytest.approx(1.1, rel=0.2)
        assert together.cells[-1].limit == pytest.approx(2.0)

    def test_content_that_is_coarser_than_the_grid_is_the_limit(self, tmp_path):
        lines = plate_lines(
            AcuityBook(128),
            {"64": 128},
            SHARP,
            images=240,
            scheme="restore",
            expected_grid=[128, 128],
        )
        found = sizes(sweep_of(record_of(tmp_path, lines))).kinds[0]
        assert found.cells[0].limit == pytest.approx(2.0)

    def test_details_survive_a_record_on_disk(self, acuity, tmp_path):
        read = read_record(write_record(acuity, tmp_path))
        assert read.answers.column("detail") == acuity.answers.column("detail")
        assert json.loads(read.answers.column("detail")[0])["kind"] == "landolt 4"


class TestWithheld:
    def test_a_model_that_guesses_has_no_threshold_anywhere(self, tmp_path):
        lines = plate_lines(AcuityBook(128), GRIDS, Weibull(1e9, 3.0, 0.0), images=480)
        found = sizes(sweep_of(record_of(tmp_path, lines)))
        for kind in found.kinds:
            for cell in kind.cells:
                assert kind.threshold(cell.resolution) is None
        text = report([tmp_path])
        assert "does not see" in text

    def test_a_grid_that_nobody_saw_gives_no_size_at_the_encoder(self, tmp_path):
        lines = plate_lines(
            AcuityBook(128), {"64": 64}, SHARP, images=240, status="unattested", grid=None
        )
        found = sizes(sweep_of(record_of(tmp_path, lines))).kinds[0]
        assert found.threshold("64") is not None
        assert found.at_encoder("64") is None
        assert found.cells[0].limit is None

    def test_tiles_give_no_size_at_the_encoder(self, tmp_path):
        lines = plate_lines(AcuityBook(128), {"64": 64}, SHARP, images=240, tiles=5)
        found = sizes(sweep_of(record_of(tmp_path, lines)))
        assert found.tiled
        assert found.kinds[0].at_encoder("64") is None

    def test_a_task_that_says_nothing_of_sizes_has_none(self, tmp_path):
        write_run(tmp_path, [line(f"tile-{i}") for i in range(20)])
        assert task_sizes(by_task(make_records(tmp_path))[0]) == ()

    def test_a_broken_detail_is_an_error_that_names_the_sample(self, acuity):
        sweep = sweep_of(acuity)
        rows = sweep.record.answers.rows()
        rows[0]["detail"] = '{"kind": "ring", "width": -1, "height": 2}'
        broken = type(sweep.record.answers).from_rows(rows)
        record = sweep.record.model_copy(update={"answers": broken})
        with pytest.raises(RecordError, match=rows[0]["sample"]):
            sizes(sweep_of(record))


class TestFalseAlarms:
    """Real data: images with a finding carry its size, images without one carry nothing."""

    @staticmethod
    def lines(found, alarms, count=120):
        """`found` of the findings and `alarms` of the other images are said to hold one."""
        made = []
        for i in range(count):
            there = i % 2 == 0
            target = "adipose" if there else "mucosa"
            share = found if there else alarms
            says_there = (i // 2) % 20 < round(20 * share)
            made.append(line(f"tile-{i}", "64", target=target, correct=int(says_there == there)))
            if not there and says_there:
                made[-1]["verdict"]["prediction"] = "adipose"
            if there:
                size = 4.0 * 2 ** (i // 2 % 6)
                made[-1]["verdict"]["detail"] = {
                    "kind": "box",
                    "width": size,
                    "height": size,
                    "chance": 0.5,
                }
        return made

    def test_whoever_says_yes_to_everything_is_not_said_to_see(self, tmp_path):
        write_run(tmp_path, self.lines(1.0, 1.0))
        assert task_sizes(by_task(make_records(tmp_path))[0]) == ()

    def test_a_guess_is_worth_the_share_of_false_alarms(self, tmp_path):
        write_run(tmp_path, self.lines(0.9, 0.3))
        found = task_sizes(by_task(make_records(tmp_path))[0])[0]
        assert found.kinds[0].cells[0].source.chance == pytest.approx([0.3] * 60)

    def test_a_finding_that_nobody_measured_is_no_image_without_one(self, tmp_path):
        lines = self.lines(0.9, 0.3)
        for each in lines:
            if each["verdict"]["target"] == "mucosa":  # the other finding, of unknown size
                each["verdict"]["target"] = "adipose"
                each["verdict"]["correct"] = int(each["verdict"]["prediction"] == "adipose")
        write_run(tmp_path, lines)
        (found,) = task_sizes(by_task(make_records(tmp_path))[0])
        assert found.kinds[0].cells[0].source.chance == pytest.approx([0.5] * 60)
        assert found.left_out == 60

    def test_as_many_alarms_as_findings_is_guessing(self, tmp_path):
        write_run(tmp_path, self.lines(0.6, 0.6))
        found = task_sizes(by_task(make_records(tmp_path))[0])[0]
        assert not found.kinds[0].cells[0].sees


class TestPage:
    def test_both_figures_and_both_tables_are_on_the_page(self, tmp_path):
        lines = plate_lines(AcuityBook(128), {"64": 64, "128": 128}, SHARP, images=96)
        acuity = record_of(tmp_path, lines)
        page = write_page([acuity], tmp_path, images=False).read_text(encoding="utf-8")
        for name in (
            "task-1-detail",
            "task-1-seen-1",
            "acuity_res-sizes",
            "acuity_res-coincidence",
        ):
            assert f'id="{name}"' in page
        assert "sampling limit" in page
        assert "cycles per image" in page

    def test_lesions_have_curves_by_size_and_no_cycles(self, tmp_path):
        lines = plate_lines(LesionBook(128), {"128": 128}, Weibull(2.0, 2.0, 0.0), images=96)
        record = record_of(tmp_path, lines, task="lesion_res", source="lesion")
        page = write_page([record], tmp_path, images=False).read_text(encoding="utf-8")
        assert 'id="task-1-seen-1"' in page
        assert "sampling limit" not in page
        assert "cycles per image" not in page
        assert "not medical images" in page


def test_kinds_with_too_few_answers_everywhere_are_named_and_have_no_rows(tmp_path):
    """Of 50 images no line has 16 answers: a page of rows would say nothing."""
    record = record_of(tmp_path, plate_lines(AcuityBook(128), GRIDS, SHARP, images=50))
    (thresholds, _) = size_tables(by_task([record])[0])
    assert {row[1].text for row in thresholds.rows} == {TOGETHER}
    said = thresholds.remark.partition("Fewer than 16 answers at every resolution: ")[2]
    assert {"grating", "landolt 4", "two dots"} <= set(said.partition(".")[0].split(", "))


def test_one_checkpoint_on_two_tasks_is_one_and_its_lines_say_which_task(tmp_path):
    chart = record_of(tmp_path / "a", plate_lines(AcuityBook(128), GRIDS, SHARP, images=50))
    lesions = plate_lines(LesionBook(128), GRIDS, SHARP, images=50)
    other = record_of(tmp_path / "b", lesions, task="lesion_res", source="lesion")
    curves = [curve_figures(sweep) for task in by_task([chart, other]) for sweep in task.sweeps]
    found = front(curves)
    assert found.subject.startswith("1 checkpoint on 2 tasks")
    assert [name.rpartition(", ")[2] for name, _ in found.lines] == ["acuity_res", "lesion_res"]
