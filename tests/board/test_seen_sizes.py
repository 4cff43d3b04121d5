"""How small a thing is still seen, as columns of the board's lists."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from plate_runs import plate_lines
from synthetic_board import facts, submit, vouch
from synthetic_runs import facts as run_facts
from synthetic_runs import write_run

from resolution_eval.analysis import by_task
from resolution_eval.analysis.sizes import sizes
from resolution_eval.board.rows import load_board
from resolution_eval.board.scopes import scopes
from resolution_eval.board.site.build import write_site
from resolution_eval.board.site.documents import seen_sizes
from resolution_eval.board.site.serve import server
from resolution_eval.data.acuity import AcuityBook
from resolution_eval.records import make_records
from resolution_eval.statistics.psychometric import Weibull

GRIDS = {"32": 32, "64": 64}
SHARP, BLIND = Weibull(1.1, 4.0, 0.0), Weibull(1e9, 4.0, 0.0)


def figures_of(folder, observer):
    """Figures by size of a simulated observer."""
    lines = plate_lines(AcuityBook(128), GRIDS, observer, images=480)
    told = run_facts()
    told["data"]["source"] = "acuity"
    lines[0]["run"] = told
    write_run(folder, lines, task="acuity_res")
    return sizes(by_task(make_records(folder))[0].sweeps[0])


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """Two rows: one that sees details of 1.1 px at the encoder, one that guesses."""
    home = tmp_path_factory.mktemp("board") / "leaderboard"
    seeing, blind = facts("synthetic/sharp"), facts("synthetic/guessing")
    for declared, level in ((seeing, 0.9), (blind, 0.5)):
        submit(
            home, declared, {"phantom_res": dict.fromkeys(("16", "24", "32", "48", "64"), level)}
        )
    vouch(home)
    found = load_board(home)
    made = {
        "synthetic/sharp": figures_of(tmp_path_factory.mktemp("sharp"), SHARP),
        "synthetic/guessing": figures_of(tmp_path_factory.mktemp("guessing"), BLIND),
    }
    rows = tuple(
        replace(row, curves=tuple(replace(c, sizes=made[row.facts.model]) for c in row.curves))
        for row in found.rows
    )
    return replace(found, rows=rows, scopes=scopes(rows))


def seen_of(board, model):
    (row,) = (row for row in board.rows if row.facts.model == model)
    (found,) = seen_sizes(row.curves)
    return found


@pytest.mark.whole
def test_a_size_stands_with_its_interval_and_what_it_is_of(board):
    found = seen_of(board, "synthetic/sharp")
    assert found["kind"] == "all together"
    for resolution, grid in GRIDS.items():
        cell = found["cells"][resolution]
        estimate, low, high = cell["size"]
        assert cell["said"] is None
        assert low < estimate < high
        assert estimate == pytest.approx(1.1 * 128 / grid, rel=0.2)
        assert cell["encoder"][0] == pytest.approx(estimate * grid / 128, rel=1e-3)


@pytest.mark.whole
def test_a_model_that_guesses_has_words_and_no_size(board):
    cells = seen_of(board, "synthetic/guessing")["cells"]
    assert [(cell["said"], cell["size"]) for cell in cells.values()] == [("does not see", None)] * 2


@pytest.mark.whole
def test_a_data_set_without_details_has_no_such_column(board, tmp_path):
    rows = tuple(
        replace(row, curves=tuple(replace(c, sizes=None) for c in row.curves)) for row in board.rows
    )
    write_site(replace(board, rows=rows, scopes=scopes(rows)), tmp_path / "site")
    document = json.loads((tmp_path / "site/data/datasets/phantom.json").read_text("utf-8"))
    assert [line["seen"] for line in document["rows"]] == [[], []]


def unbounded(value):
    """At 32 px, every size that is seen has an interval without an upper end."""
    if isinstance(value, dict):
        seen = value.get("cells")
        if isinstance(seen, dict) and (size := seen.get("32", {}).get("size")):
            size[2] = None
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            unbounded(each)


@pytest.mark.whole
@pytest.mark.parametrize("path", ["?scope=dataset-phantom&columns=all", "dataset.html?id=phantom"])
def test_the_pages_show_it_as_columns(browser, board, tmp_path, path):
    write_site(board, tmp_path / "site")
    for file in (tmp_path / "site" / "data").rglob("*.json"):
        document = json.loads(file.read_text("utf-8"))
        unbounded(document)
        file.write_text(json.dumps(document), encoding="utf-8")
    running = server(tmp_path / "site", 0)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    context = browser.new_context()
    said = []
    try:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"http://127.0.0.1:{running.server_port}/{path}")
        page.locator("#content[data-ready]").wait_for()
        heads = page.locator("thead th").all_inner_texts()
        assert any(head.startswith("Smallest seen, px") for head in heads)
        for resolution in GRIDS:
            assert any(head.startswith(f"Seen at r = {resolution}, px") for head in heads)
        text = page.locator("#content").inner_text()
        size = seen_of(board, "synthetic/sharp")["cells"]["64"]["size"][0]
        assert f"{size:.2f}\n[" in text
        assert ", ∞]" in text
        assert "does not see" in text
        assert said == []
    finally:
        context.close()
        running.shutdown()
        running.server_close()
        thread.join()
