"""Ways to game the board: none of them gains a rank.

Each row of the table is a submission whose model is as good as the honest twin, or worse; what it
does to look better gives it no rank, or none above the twin's.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from synthetic_board import CURVE, REVISION, facts, new_board, say, score_of, submit, vouch
from test_validate import answers, document, keeping

from resolution_eval.board.checks import CheckedBoard, check_board
from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.scopes import RankLine, Scope
from resolution_eval.data.cards import task_cards
from resolution_eval.records.store import answers_of

pytestmark = pytest.mark.whole

SAMPLES = 120
TWIN = "honest/twin"
CLASSES = task_cards()["phantom"].classes
Lines = list[dict[str, Any]]


def saying(choice: int) -> Callable[[Lines], None]:
    """Every question is answered with one choice."""

    def change(made: Lines) -> None:
        for one in made:
            say(one, CLASSES, choice, random.Random(str(one["verdict"]["sample"])))

    return change


def from_the_question(made: Lines) -> None:
    """Answers that are right for six samples in ten, whatever is shown, and noise in the scores."""
    noise = random.Random(json.dumps(made[0]["attestation"]))
    for one in made:
        right = CLASSES.index(one["verdict"]["target"])
        known = random.Random(f"prior {one['verdict']['sample']}").random() < 0.6
        say(one, CLASSES, right if known else (right + 1) % len(CLASSES), noise)


def failing(share: float) -> Callable[[Lines], None]:
    """So large a share of the samples of every resolution fails, wrong ones only."""

    def change(made: Lines) -> None:
        for r in CURVE:
            wrong = [o for o in made if o["verdict"]["resolution"] == r and not right(o)]
            for one in wrong[: max(1, int(share * SAMPLES))]:
                fail(one)

    return change


def right(one: dict[str, Any]) -> bool:
    return bool(one["verdict"]["correct"])


def fail(one: dict[str, Any]) -> None:
    one["verdict"] |= {"correct": None, "prediction": None, "answer": None, "choice_scores": None}
    one["verdict"]["failure"] = {"kind": "memory", "message": "out of memory"}
    nothing = dict.fromkeys(("source", "information", "expected_grid", "grid", "visual_tokens"))
    one["attestation"] |= {"status": "failed", "evidence": "none", "adapter": "", **nothing}
    one["attestation"] |= {"checkpoint": "", "training": "unknown", "rounding": None}
    one.pop("cost", None)


def cheat(board: Path, name: str, **options: Any) -> Path:
    """A submission that answers as the twin does, changed as `options` say."""
    declared = {k: options.pop(k) for k in ("training", "recipe") if k in options}
    model = f"cheat/{name}"
    if "training" in declared:
        options["training"] = declared["training"]
    return submit(board, facts(model, **declared), like=TWIN, samples=SAMPLES, **options)


def lucky_seeds(board: Path) -> None:
    for seed in range(5):
        level = 0.2 if seed == 3 else 0.0
        curve = {r: a + level for r, a in CURVE.items()}
        declared = facts(f"cheat/seed-{seed}", recipe="five seeds")
        submit(board, declared, {"phantom_res": curve}, samples=SAMPLES)


def revisions(board: Path) -> None:
    for number in range(3):
        level = 0.15 if number == 2 else 0.0
        submit(
            board,
            facts("cheat/revisions", f"{number}" * 40, recipe="revisions"),
            {"phantom_res": {r: a + level for r, a in CURVE.items()}},
            samples=SAMPLES,
            change=revised(number),
            unseen=revised(number),
            like=f"revision {number}",
        )


def revised(number: int) -> Callable[[Lines], None]:
    def change(made: Lines) -> None:
        made[0]["run"]["checkpoint"]["revision"] = f"{number}" * 40

    return change


def both_answers(board: Path) -> None:
    flat = {"phantom_res": dict.fromkeys(CURVE, 0.97)}
    declared = facts("cheat/both")
    submit(board, declared, flat, samples=SAMPLES)
    submit(board, declared, like=TWIN, samples=SAMPLES, answer_mode="generate")


RESTORED = {"phantom_res": dict.fromkeys(CURVE, 0.97)}
LOW_ONLY = {"phantom_res": {"48": 0.97, "64": 0.97}}
MORE = {"phantom_res": {**CURVE, "40": 1.1, "56": 1.1}}


@dataclass(frozen=True)
class Played:
    """The board on which all is played that is accepted."""

    board: Board
    checked: CheckedBoard

    @property
    def scope(self) -> Scope:
        return next(scope for scope in self.board.scopes if scope.key == "dataset-phantom")

    def line(self, model: str, scope: Scope | None = None) -> RankLine:
        (found,) = (
            line
            for line in (scope or self.scope).lines
            if any(row.facts.model == model for row in line.rows)
        )
        return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    board = new_board(tmp_path_factory.mktemp("gaming"), samples=SAMPLES)
    for name, curve in (
        ("honest/top", dict.fromkeys(CURVE, 0.99)),
        (TWIN, CURVE),
        ("honest/bottom", dict.fromkeys(CURVE, 0.3)),
    ):
        submit(board, facts(name), {"phantom_res": curve}, samples=SAMPLES)
    cheat(board, "constant", change=saying(3), unseen=saying(3))
    cheat(board, "majority", change=saying(0), unseen=saying(0))
    cheat(board, "prior", change=from_the_question, unseen=from_the_question)
    cheat(board, "restored", curves=RESTORED, scheme="restore")
    cheat(board, "called-low", training="fixed:16")
    cheat(board, "called-mixed", training="mixed:[16,64]")
    cheat(board, "few-failures", change=failing(0.01))
    cheat(board, "many-failures", change=failing(0.1))
    cheat(board, "dropped", curves=LOW_ONLY)
    cheat(board, "more", curves=MORE)
    cheat(board, "spam", answer_mode="generate", change=spam)
    lucky_seeds(board)
    revisions(board)
    both_answers(board)
    claimed = cheat(board, "modality")
    document(claimed, lambda d: d["dataset"].update(modality="a modality of its own"))
    made_up = cheat(board, "made-up", curves=RESTORED)
    caught = cheat(board, "caught", curves=RESTORED)
    doctored = cheat(board, "doctored", change=from_the_question)
    vouch(board, doubt=[caught, doctored], skip=[made_up])
    return Played(load_board(board), check_board(board))


def spam(made: Lines) -> None:
    """Every option at once, so that the right one is among them."""
    for one in made:
        one["verdict"] |= {"answer": ", ".join(CLASSES), "prediction": None, "correct": 0}


def test_everything_that_is_played_here_is_accepted_as_it_is(played: Played) -> None:
    faults = "\n".join(str(fault)[-220:] for fault in played.checked.all_faults)
    assert faults == ""
    assert played.line("honest/top").rank == (1, 1) or played.line("honest/top").place == 1
    assert played.line(TWIN).rank is not None


NO_RANK = {
    "constant": "does not look",
    "majority": "does not look",
    "prior": "does not look",
    "spam": "does not look",
    "many-failures": "have no verdict",
    "dropped": "the sweep lacks 16, 24, 32",
    "made-up": "not repeated by the maintainers",
    "caught": "not repeated by the maintainers",
    "doctored": "not repeated by the maintainers",
}


@pytest.mark.parametrize("name", NO_RANK)
def test_it_has_no_rank_and_the_board_says_why(played: Played, name: str) -> None:
    line = played.line(f"cheat/{name}")
    assert (line.rank, line.place) == (None, None)
    assert line.why is not None and NO_RANK[name] in line.why


AS_THE_TWIN = ("called-low", "called-mixed", "more", "modality")


@pytest.mark.parametrize("name", AS_THE_TWIN)
def test_it_scores_as_its_honest_twin(played: Played, name: str) -> None:
    line, twin = played.line(f"cheat/{name}"), played.line(TWIN)
    assert line.score is not None and twin.score is not None
    assert line.score.value == pytest.approx(twin.score.value, abs=0.02)  # blind answers differ
    assert line.rank is not None and twin.rank is not None and line.rank[1] >= twin.rank[0]
    assert line.curves[0][0].area == twin.curves[0][0].area


def test_failing_where_it_is_hard_counts_as_wrong(played: Played) -> None:
    line, twin = played.line("cheat/few-failures"), played.line(TWIN)
    assert line.curves[0][0].failed >= 1
    assert line.curves[0][0].area == twin.curves[0][0].area
    plain = line.curves[0][0].points[0].accuracy
    assert plain is not None and plain.value > twin.curves[0][0].points[0].accuracy.value


def test_restoring_first_stands_in_another_list(played: Played) -> None:
    names = {row.facts.model for line in played.scope.lines for row in line.rows}
    assert "cheat/restored" not in names
    (other,) = (s for s in played.board.scopes if s.scheme == "restore" and s.kind == "dataset")
    assert played.line("cheat/restored", other).rank == (1, 1)


@pytest.mark.parametrize(("model", "runs"), [("cheat/seed-3", 5), ("cheat/revisions", 3)])
def test_the_luckiest_of_several_runs_has_no_line_of_its_own(
    played: Played, model: str, runs: int
) -> None:
    lines = [line for line in played.scope.lines if any(r.facts.model == model for r in line.rows)]
    (line,) = lines
    assert len(line.rows) == runs
    each = [curve.score.value for curve in line.curves[0] if curve.score is not None]
    assert line.score is not None and len(each) == runs
    assert line.score.value == pytest.approx(sum(each) / runs, abs=1e-9)
    assert line.score.value < max(each) - 0.05


def test_the_better_of_two_ways_to_answer_does_not_rank(played: Played) -> None:
    lines = [
        line
        for line in played.scope.lines
        if any(row.facts.model == "cheat/both" for row in line.rows)
    ]
    by_mode = {line.rows[0].mode: line for line in lines}
    assert by_mode["generate"].rank is not None
    assert by_mode["rank"].rank is None and "its other answers" in (by_mode["rank"].why or "")
    assert by_mode["rank"].score.value > by_mode["generate"].score.value


def test_a_modality_is_the_cards(played: Played) -> None:
    labels = {scope.label for scope in played.board.scopes if scope.kind == "modality"}
    assert labels == {task_cards()["phantom"].modality}


def test_order_and_rank_never_disagree(played: Played) -> None:
    for scope in played.board.scopes:
        ranked = [line for line in scope.lines if line.rank is not None]
        scores = [line.score.value for line in ranked if line.score is not None]
        assert scores == sorted(scores, reverse=True) and len(scores) == len(ranked)
        for above, below in pairwise(ranked):
            assert above.rank[0] <= below.rank[0] and above.rank[1] <= below.rank[1]
        for line in ranked:
            assert line.rank[0] <= line.place <= line.rank[1]


def copied(folder: Path, model: str) -> Path:
    """The submission again under another name, encoded anew and with one answer in ten changed."""
    declared = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    place = folder.parents[1] / model.replace("/", "__") / folder.name
    shutil.copytree(folder, place)
    (place / "submission.json").write_text(
        json.dumps({**declared, "model": model, "title": "mine"}), encoding="utf-8"
    )
    noise = random.Random(4)

    def changed(rows: Lines) -> None:
        for row in rows:
            if row["correct"] == 0 and noise.random() < 0.1:
                scores = [-3.0] * len(CLASSES)
                scores[CLASSES.index(row["target"])] = -0.1
                row |= {"correct": 1, "prediction": row["target"], "choice_scores": scores}
                row["answer"] = row["target"]

    answers(changed)(place)
    table = pq.read_table(answers_of(score_of(place)))
    assert table.num_rows
    return place


def test_a_copied_record_is_refused_and_the_first_one_stays(tmp_path: Path) -> None:
    board = new_board(tmp_path, samples=30)
    honest = submit(board, facts(TWIN), samples=30)
    vouch(board)
    copy = copied(honest, "aaa/first-in-the-alphabet")
    found = {each.folder: each.faults for each in check_board(board).submissions}
    assert found[honest] == ()
    assert "a copy" in " ".join(map(str, found[copy]))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "the easy half only": (
        answers(keeping(lambda row: hash_of(row["sample"]) % 2 == 0)),
        "run without a limit",
    ),
    "a tiny number of samples": (
        answers(keeping(lambda row: row["sample"] <= "test/00003")),
        "run without a limit",
    ),
    "chance called lower than it is": (
        lambda folder: document(folder, lambda d: d["controls"].update(chance=0.01)),
        "the chance level of phantom is 0.125",
    ),
    "no blind run": (
        lambda folder: document(folder, lambda d: d["controls"].update(blind=[])),
        "no blind control",
    ),
}


def hash_of(text: str) -> int:
    return int(text.rpartition("/")[2])


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(tmp_path: Path, name: str) -> None:
    board = new_board(tmp_path, samples=24)
    folder = submit(board, facts("cheat/one"), samples=24)
    play, said = REFUSED[name]
    play(folder)
    (each,) = check_board(board).submissions
    assert any(said in str(fault) for fault in each.faults), each.faults


def test_a_bad_cell_cannot_be_withdrawn(tmp_path: Path) -> None:
    board = new_board(tmp_path, samples=24)
    folder = submit(board, facts("cheat/one"), samples=24)
    vouch(board)
    answers(keeping(lambda row: row["resolution"] != "24"))(folder)
    (each,) = check_board(board).submissions
    assert any("was accepted and is withdrawn" in str(fault) for fault in each.faults)


def test_there_are_at_least_sixteen_ways() -> None:
    ways = {*NO_RANK, *AS_THE_TWIN, *REFUSED}
    assert len(ways) + len(("few failures", "restored", "seeds", "revisions", "both", "copy")) >= 16
    assert REVISION.startswith("sha256-")
