"""A row behind a server in a real browser: its step stands on every page that shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic_board import new_board, vouch
from test_steps import BETTER, probed_at_32, submitted

from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.site.build import write_site
from resolution_eval.board.site.serve import server
from resolution_eval.evidence.ladder import STEPS

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = new_board(tmp_path_factory.mktemp("served"), samples=60)
    submitted(folder, "hooked", "attested", BETTER)
    probed_at_32(submitted(folder, "served", "counted", BETTER))
    vouch(folder)
    return load_board(folder)


@pytest.fixture(scope="module")
def address(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    site: Path = tmp_path_factory.mktemp("site") / "site"
    write_site(board, site)
    running = server(site, 0)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Any]:
    """Opens a page; after the test, nothing was said on the console."""
    context, said = browser.new_context(), []
    context.set_default_timeout(10_000)

    def open_page(path: str) -> Any:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address + path)
        page.locator("#content[data-ready]").wait_for()
        return page

    yield open_page
    context.close()
    assert said == []


def key(board: Board, title: str) -> str:
    return next(row.key for row in board.rows if row.facts.title == title)


def test_the_board_has_a_list_for_each_step_and_marks_the_row(opened, board) -> None:
    first = opened("").locator("#ranking")
    assert "hooked" in first.inner_text()
    assert "served" not in first.inner_text()
    page = opened("index.html?scope=dataset-phantom-counted")
    options = page.locator("option").all_inner_texts()
    assert any(text.endswith("(counted)") for text in options), options
    assert "hooked" not in page.locator("#ranking").inner_text()
    mark = page.locator("#ranking .mark", has_text="counted").first
    assert STEPS["counted"] in (mark.get_attribute("title") or "")


def test_the_models_page_says_it_of_every_cell(opened, board) -> None:
    page = opened(f"model.html?id={key(board, 'served')}")
    section = page.locator("#attestation")
    assert section.locator("tbody .mark", has_text="counted").count() == 5
    assert "60 counted" in section.inner_text()
    probed = section.locator("tbody .mark", has_text="probed")
    assert probed.count() == sum(edge.isdecimal() and int(edge) <= 32 for edge in BETTER) > 0
    assert "a lower bound" in (probed.first.get_attribute("title") or "")
    other = opened(f"model.html?id={key(board, 'hooked')}")
    assert other.locator("#attestation tbody .mark", has_text="attested").count() == 5
    assert other.locator(".mark", has_text="counted").count() == 0


def test_a_data_sets_page_holds_the_steps_apart(opened, board) -> None:
    page = opened("dataset.html?id=phantom&scheme=match%2C+counted")
    assert {"match", "match, counted"} <= set(page.locator("option").all_inner_texts())
    assert page.locator("table .mark", has_text="counted").count() >= 1
    assert page.get_by_role("link", name="served").count() >= 1
    assert page.get_by_role("link", name="hooked").count() == 0


def test_rows_laid_side_by_side_each_name_their_step(opened, board) -> None:
    rows = "&m=".join(key(board, title) for title in ("hooked", "served"))
    page = opened(f"compare.html?m={rows}")
    table = page.locator("table", has_text="The chosen rows")
    assert table.locator(".mark", has_text="attested").count() == 1
    assert table.locator(".mark", has_text="counted").count() >= 1
