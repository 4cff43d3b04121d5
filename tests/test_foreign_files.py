"""Somebody else's file where a command would write its own: it stays, and the command says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from synthetic_runs import sweep, write_run

from resolution_eval import cli
from resolution_eval.ground import paths
from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.files import refuse_stranger
from resolution_eval.jobs.matrix_output import refuse_foreign_matrix

sys.path.insert(0, str(Path(__file__).parent / "board"))
from synthetic_board import facts, new_board, submit

THESIS = '<h1>My thesis</h1><p>Curves measured with resolution-eval 0.2.0, "mixed inference".</p>'
EMBEDDED = paths.models() / "embedded"
COMMANDS = {
    "report": ("index.html", ["report", "RUN", "--no-images", "--output"]),
    "demo": ("index.html", ["demo", "--output"]),
    "score": ("index.html", ["score", "embedded/low", "phantom_res", "--output"]),
    "matrix": (
        "matrix.md",
        [
            *("matrix", "--task", "phantom_res", "--checkpoints", f"low={EMBEDDED / 'low'}"),
            *(f"native={EMBEDDED / 'native'}", "--output"),
        ],
    ),
    "export": ("board.csv", ["leaderboard", "export", "--board", "BOARD", "--output"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_somebody_else_wrote_is_not_written_over(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", sweep({"28": 0.4, "64": 0.8}, samples=6))
    board = new_board(tmp_path)
    submit(board, facts())
    file, command = COMMANDS[name]
    output = tmp_path / "out"
    output.mkdir()
    (output / file).write_text(THESIS)
    places = {"RUN": str(tmp_path / "run"), "BOARD": str(board)}
    assert cli.main([*(places.get(word, word) for word in command), str(output)]) == 1
    said = capsys.readouterr().err
    assert (file in said and "another folder" in said) or "a new folder" in said
    assert (output / file).read_text() == THESIS
    assert [path.name for path in output.iterdir()] == [file]


def test_what_a_command_wrote_itself_is_written_anew(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sweep({"28": 0.4, "64": 0.8}, samples=6))
    command = ["report", str(tmp_path / "run"), "--no-images", "--output", str(tmp_path / "out")]
    assert [cli.main(command), cli.main(command)] == [0, 0]
    board = new_board(tmp_path)
    submit(board, facts())
    command = ["leaderboard", "export", "--board", str(board), "--output", str(tmp_path / "table")]
    assert [cli.main(command), cli.main(command)] == [0, 0]
    (tmp_path / "matrix.json").write_text('{"mixed_inference": "half"}')
    (tmp_path / "matrix.md").write_text("| a |")
    refuse_foreign_matrix(tmp_path)


def test_a_folder_by_the_name_of_a_page_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(UsageError, match="was not written by this command"):
        refuse_stranger(tmp_path / "index.html")
    refuse_stranger(tmp_path / "none.html")
