"""The site in a real browser: ranking, filters, links, keyboard, phone, dark mode, no network."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import SHOWN, hostile, published_row
from synthetic_board import CURVE, facts, submit, vouch

from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.site.build import write_site
from resolution_eval.board.site.serve import server
from resolution_eval.board.submission import Claim

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]
PATHMNIST = {"28": 0.2, "64": 0.5, "128": 0.8, "224": 0.9}
PHONE = {"width": 375, "height": 780}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Siblings trained at two resolutions, a large model that does not look, one under another
    scheme.
    """
    home = tmp_path_factory.mktemp("board") / "leaderboard"
    high = dict.fromkeys(CURVE, 0.95)
    submit(
        home,
        facts("synthetic/high", strategy="native", labels=["from scratch"]),
        {"phantom_res": high, "pathmnist_res": PATHMNIST},
        samples=120,
    )
    submit(
        home,
        facts("synthetic/low", training="fixed:16", trained_on=["phantom"]),
        samples=120,
        training="fixed:16",
    )
    for name, scheme in (("big", "match"), ("restored", "restore")):
        declared = facts(
            f"other/{name}", parameters=7_000_000_000, strategy="none", base="other/base"
        )
        level = 0.125 if scheme == "match" else 0.9
        curve = dict.fromkeys(CURVE, level)
        submit(home, declared, {"phantom_res": curve}, samples=120, scheme=scheme)
    vouch(home)
    found = load_board(home)
    rows = (*found.rows, _claimed(found.rows[0]))
    return replace(found, rows=rows, published=(published_row(),))


def _claimed(row):
    """A row of a submission without records."""
    claim = Claim(task="phantom_res", resolution="64", accuracy=0.99, source="A press release")
    facts = row.facts.model_copy(update={"title": "boast", "claims": (claim,)})
    bare = replace(row, key="boast", facts=facts, status="claimed", curves=())
    return replace(bare, scheme="", filter="", mode="")


@pytest.fixture(scope="module")
def served(board, tmp_path_factory) -> Iterator[dict[str, str]]:
    """Addresses of two served sites: `plain`, and `hostile` of the same rows."""
    home = tmp_path_factory.mktemp("sites")
    write_site(board, home / "plain")
    write_site(hostile(board), home / "hostile")
    running = {name: server(home / name, 0) for name in ("plain", "hostile")}
    threads = [
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05})
        for each in running.values()
    ]
    for thread in threads:
        thread.start()
    yield {name: f"http://127.0.0.1:{each.server_port}/" for name, each in running.items()}
    for each in running.values():
        each.shutdown()
        each.server_close()


class Opened:
    """Opens pages, and keeps what they asked for and said."""

    def __init__(self, browser, addresses):
        self.browser, self.addresses = browser, addresses
        self.said, self.asked, self.contexts = [], [], []

    def __call__(self, path: str = "", *, site: str = "plain", ready: bool = True, **options):
        context = self.browser.new_context(**options)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.addresses[site] + path)
        if ready:
            page.locator("#content[data-ready]").wait_for()
        return page


@pytest.fixture
def opened(browser, served):
    """Opens a page; after the test, no other host was asked and nothing said on the console."""
    opened = Opened(browser, served)
    yield opened
    for context in opened.contexts:
        context.close()
    assert opened.said == []
    assert not [u for u in opened.asked if not u.startswith(tuple(served.values()))]


def key(board: Board, model: str) -> str:
    return next(row.key for row in board.rows if row.facts.model == model)


def column(page, name: str, table: str = "#ranking") -> list[str]:
    """Texts of a column, without their small print."""
    heads = [text.rstrip(" ↑↓") for text in page.locator(f"{table} thead th").all_inner_texts()]
    cells = page.locator(f"{table} tbody tr > :nth-child({heads.index(name) + 1})")
    return [text.split("\n")[0] for text in cells.all_inner_texts()]


def test_rows_stand_by_score_and_those_that_do_not_look_apart(opened, board):
    page = opened("?columns=all")
    assert column(page, "Rank") == ["1", "2"]
    assert column(page, "Model") == ["high", "low"]
    scores = [float(text) for text in column(page, "Score")]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(board.rows[0].curves[-1].score.value, abs=6e-4)
    assert "trained on it" in page.locator("#ranking tr", has_text="low").inner_text()
    assert "from scratch" in page.locator("#ranking tr", has_text="high").inner_text()
    assert column(page, "@ 64") == [f"{board.rows[0].curves[-1].budgets[0].accuracy.value:.3f}",
                                    column(page, "@ 64")[1]]  # fmt: skip
    apart = page.locator("#apart")
    assert column(page, "Model", "#apart table") == ["big"]
    assert "does not look" in column(page, "Why it has none", "#apart table")[0]
    assert page.locator("#ranking").get_by_text("does not look").count() == 0
    assert apart.locator("h2").inner_text() == "Without a rank"
    published = page.locator("#published")
    assert "classifier" in published.inner_text()
    assert column(page, "Status", "#published table") == ["published"]
    assert "classifier" not in column(page, "Model")


def test_the_first_look_is_which_model_at_which_resolution_at_what_cost(opened, board):
    page = opened(viewport={"width": 1280, "height": 800})
    curve = board.rows[0].curves[-1]
    best = max((p for p in curve.points if p.accuracy), key=lambda point: point.accuracy.value)
    assert column(page, "Best at")[0] == best.resolution
    first = page.locator("#ranking tbody tr").first
    assert f"{round(best.tokens)} token" in first.inner_text()
    assert page.locator("#ranking .scroller").evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
    drop = page.locator("#ranking thead th", has_text="Drop")
    assert drop.is_hidden()
    page.get_by_role("button", name="All columns").click()
    assert drop.is_visible() and "columns=all" in page.url


def test_a_phone_has_cards_and_its_filters_folded(opened):
    page = opened(viewport=PHONE)
    assert page.get_by_label("Strategy").is_hidden()
    boxes = page.locator("#ranking tbody tr").first.locator("td:visible").all()
    edges = [each.bounding_box() for each in boxes]
    assert len(edges) > 3 and all(one["x"] + one["width"] <= PHONE["width"] for one in edges)
    assert page.locator("table.plain tbody tr").first.bounding_box()["y"] < PHONE["height"]
    page.locator(".fold > summary").click()
    assert page.get_by_label("Strategy").is_visible()


def test_nothing_is_cut_on_paper(opened):
    page = opened(viewport={"width": 700, "height": 990})
    page.emulate_media(media="print")
    wide = page.locator("table").evaluate_all(
        "(all) => all.map((each) => each.getBoundingClientRect().right).filter((x) => x > 701)"
    )
    assert wide == []
    assert page.evaluate("() => getComputedStyle(document.body).printColorAdjust") == "exact"


def test_what_is_restored_first_has_a_list_of_its_own(opened):
    page = opened("?scope=dataset-phantom-restore")
    assert column(page, "Model") == ["restored"] and column(page, "Rank") == ["1"]
    assert page.locator("#apart").is_hidden()
    other = opened("dataset.html?id=phantom&scheme=restore")
    assert column(other, "Model", "section:last-of-type") == ["restored"]


def test_what_is_only_claimed_stands_apart(opened):
    page = opened()
    assert "boast" not in column(page, "Model")
    assert column(page, "Model", "#claimed table") == ["boast"]
    assert column(page, "Claimed accuracy", "#claimed table") == ["0.990"]
    page.get_by_role("link", name="boast").click()
    page.locator("h1", has_text="boast").wait_for()
    assert page.locator(".ladder li.reached strong").all_inner_texts() == ["claimed"]
    assert "phantom_res at 64, match: 0.990, A press release" in page.locator("main").inner_text()


@pytest.mark.parametrize(
    ("label", "option", "query", "left"),
    [
        ("Answers", "ranked options", "mode=rank", ["high", "low"]),
        ("Strategy", "native", "strategy=native", ["high"]),
        ("Size", "below 1 B", "size=0-1e9", ["high", "low"]),
        ("Status", "verified", "status=verified", []),
        ("Status", "re-scored or better", "status=re-scored", ["high", "low"]),
        (
            "Data",
            "PathMNIST at its source: colorectal H&E tiles (CRC-VAL-HE-7K) · match",
            "scope=dataset-pathmnist",
            ["high"],
        ),
        ("Data", "histopathology (H&E, colon) · match", "scope=modality-histopathology", ["high"]),
    ],
)
def test_a_filter_is_kept_in_the_link(opened, label, option, query, left):
    page = opened()
    page.get_by_label(label, exact=True).select_option(label=option)
    rows = page.locator("#ranking tbody tr")
    if left:  # the page filters after the choice: reading at once finds the rows before it
        pytest.importorskip("playwright.sync_api").expect(rows).to_have_count(len(left))
    rows.nth(max(len(left), 1) - 1).wait_for()
    shown = column(page, "Model") if left else []
    assert shown == left
    assert query in page.url
    again = opened(page.url.split("/", 3)[3])
    assert (column(again, "Model") if left else []) == left
    assert again.get_by_label(label, exact=True).locator("option:checked").inner_text() == option


def test_words_and_filters_join_and_ranks_stay(opened):
    page = opened()
    page.get_by_label("Search").fill("LOW")
    page.locator("#shown", has_text="1 of 3").wait_for()
    assert column(page, "Model") == ["low"]
    assert column(page, "Rank") == ["2"]
    page.get_by_label("Strategy").select_option("native")
    page.locator("#ranking").get_by_text("No row fits these filters.").wait_for()
    page.get_by_role("button", name="Reset").click()
    page.locator("#shown", has_text="3 of 3").wait_for()
    assert page.url.endswith("/")


def test_sorting_goes_up_and_down_and_is_kept_in_the_link(opened):
    page = opened("?columns=all")
    drops = [float(text) for text in column(page, "Drop") if text != "–"]
    head = page.locator("#ranking thead th", has_text="Drop")
    head.get_by_role("button").click()
    assert [float(t) for t in column(page, "Drop") if t != "–"] == sorted(drops)
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert [float(t) for t in column(page, "Drop") if t != "–"] == sorted(drops)[::-1]
    assert "sort=-drop" in page.url
    again = opened(page.url.split("/", 3)[3])
    assert again.locator("#ranking [aria-sort]").get_attribute("aria-sort") == "descending"
    assert column(again, "Model") == column(page, "Model")


def test_the_keyboard_sorts_chooses_and_compares(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    reach(page, page.locator("#ranking").get_by_role("button", name="Model"))
    page.keyboard.press("Enter")
    assert column(page, "Model") == ["high", "low"]
    assert page.locator(":focus").inner_text().startswith("Model")
    for name in ("low", "big"):
        reach(page, page.get_by_label(f"Compare {name}"))
        page.keyboard.press("Space")
    reach(page, page.get_by_role("link", name="Compare", exact=True).last)
    page.keyboard.press("Enter")
    page.locator("h1", has_text="Compare").wait_for()
    assert page.locator("#comparison tbody tr").first.inner_text().startswith("low")
    assert page.url.count("m=") == 2


def reach(page, target) -> None:
    """Press Tab until `target` has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError("Tab does not reach it")


def test_a_models_page_has_curves_matrix_cost_attestation_and_answers(opened, board):
    page = opened(f"model.html?id={key(board, 'synthetic/high')}")
    assert page.locator("h1").inner_text() == "high"
    page.locator("#curves .chart[data-drawn]").nth(1).wait_for()
    words = page.locator("#curves .chart").last.get_attribute("aria-label")
    assert "at 16" in words
    assert "chance 0.125" in words
    assert "blind" in page.locator("#curves .legend").inner_text()
    assert page.locator("#matrix .trained").count() == 2
    assert page.locator("#attestation tbody tr").count() == len(CURVE) + len(PATHMNIST)
    assert column(page, "Grid received", "#attestation")[0] == "28 × 28"
    page.locator("#cost .chart[data-drawn]").nth(1).wait_for()
    steps = page.locator(".ladder li.reached strong").all_inner_texts()
    assert steps == ["claimed", "re-scored", "re-run"]
    assert not [url for url in opened.asked if "/answers/" in url]
    page.get_by_role("button", name="Show the answers").click()
    page.locator("#answer-pages tbody tr").first.wait_for()
    assert page.locator("#answer-pages tbody tr").count() == 100
    page.get_by_role("button", name="Next").click()
    page.locator("#answer-pages", has_text="Page 2 of 2").wait_for()
    assert page.locator("#answer-pages tbody tr").count() == 20
    assert len([url for url in opened.asked if "/answers/" in url]) == 2


def test_a_data_sets_page_ranks_its_rows_and_draws_those_chosen(opened, board):
    page = opened("dataset.html")
    page.get_by_role("link", name="Phantoms").click()
    page.locator("h1", has_text="Phantoms").wait_for()
    assert column(page, "Model", "section:last-of-type") == ["high", "low", "big"]
    chart = page.locator(".chart[data-drawn]")
    assert "big: " in chart.get_attribute("aria-label")
    page.get_by_role("checkbox", name="big").uncheck()
    assert "big: " not in page.locator(".chart").get_attribute("aria-label")
    assert page.url.count("m=") == 2


def test_up_to_four_rows_are_compared_by_the_link(opened, board):
    keys = [row.key for row in board.rows]
    page = opened(f"compare.html?m={keys[0]}&m={keys[1]}&m=../../nothing&m={keys[0]}")
    assert page.locator("#comparison > .scroller tbody tr").count() == 2
    assert page.locator("article").count() == 1
    page.get_by_label("Row 3").select_option(label="big")
    page.locator("#comparison > .scroller tbody tr").nth(2).wait_for()
    assert page.url.count("m=") == 3
    empty = opened("compare.html")
    assert "Choose rows" in empty.locator("#comparison").inner_text()


def test_a_name_that_is_not_on_the_board_is_said(opened):
    assert opened("model.html?id=../../x").locator("h1").inner_text() == "No such row"
    assert opened("dataset.html?id=x").locator("h1").inner_text() == "No such data set"


PAGES = (
    "",
    "model.html?id=KEY&answers=phantom",
    "dataset.html?id=phantom",
    "dataset.html",
    "compare.html?m=KEY",
    "method.html",
)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_phone(opened, board, path):
    address = path.replace("KEY", key(board, "synthetic/high"))
    page = opened(address, ready=path != "method.html", viewport=PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("h1").first.is_visible()
    assert not re.search(r"\b(null|undefined|NaN|\[object)\b", page.locator("body").inner_text())


@pytest.mark.parametrize(
    ("path", "scheme"),
    [*((path, "light") for path in PAGES), *((path, "dark") for path in PAGES[:2])],
)
def test_no_page_has_an_accessibility_issue(opened, board, path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    address = path.replace("KEY", key(board, "synthetic/high"))
    page = opened(address, ready=path != "method.html", color_scheme=scheme, bypass_csp=True)
    page.locator("details").evaluate_all("(all) => all.forEach((each) => { each.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []


def test_pages_follow_the_colour_scheme(opened):
    shades = {}
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        colours = page.evaluate(
            "() => [document.body, document.querySelector('h1')].map((node, i) =>"
            " getComputedStyle(node)[i ? 'color' : 'backgroundColor'])"
        )
        shades[scheme] = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert shades["light"][0] > 600 > 300 > shades["light"][1]
    assert shades["dark"][0] < 300 < 600 < shades["dark"][1]


@pytest.mark.parametrize("page_of", ["board", "model", "dataset", "compare"])
def test_a_hostile_record_is_text_and_nothing_else(opened, board, served, page_of):
    row = key(board, "synthetic/high")
    addresses = {
        "board": "",
        "model": f"model.html?id={row}",
        "compare": f"compare.html?m={row}",
        "dataset": "dataset.html",
    }
    page = opened(addresses[page_of], site="hostile")
    if page_of == "dataset":
        page.locator("tbody a").first.click()
        page.locator(".chart[data-drawn]").wait_for()
    if page_of == "model":
        page.get_by_role("button", name="Show the answers").click()
        page.locator("#answer-pages tbody tr").first.wait_for()
    page.locator("details").evaluate_all("(all) => all.forEach((each) => { each.open = true; })")
    text = page.locator("body").inner_text()
    assert text.count(SHOWN) >= 5
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x07\x1b]", text)
    assert "{{ 7*7 }}" in text
    assert page.evaluate("() => window.owned") is None
    scripts = page.locator("script").evaluate_all("(all) => all.map((s) => s.getAttribute('src'))")
    assert all(re.match(r"(vendor|scripts)/", each or "") for each in scripts)
    assert (
        page.locator(
            "main img, main iframe, main [onerror], main [style], a[href^=javascript]"
        ).count()
        == 0
    )


def test_the_policy_stops_what_a_page_would_let_through(browser, served):
    """The net below: markup, script and style that reach a page do not act."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(served["plain"])
    page.locator("#content[data-ready]").wait_for()
    stopped = page.evaluate(
        """() => {
            const found = [];
            try { document.body.innerHTML = '<img src=x onerror=window.owned=1>'; }
            catch (error) { found.push('markup'); }
            try { document.body.append(Object.assign(document.createElement('script'),
                { text: 'window.owned = 1' })); } catch (error) { found.push('script'); }
            try { document.body.setAttribute('onclick', 'window.owned = 1'); }
            catch (error) { found.push('handler'); }
            document.body.click();
            return [found, window.owned];
        }"""
    )
    assert stopped == [["markup", "script", "handler"], None]
    context.close()


def test_a_page_opened_from_disk_says_how_to_see_it(browser, served, board, tmp_path):
    write_site(board, tmp_path / "site")
    page = browser.new_page()
    page.goto(Path(tmp_path / "site" / "index.html").as_uri())
    said = page.get_by_text("leaderboard serve")
    said.wait_for(state="visible")
    assert said.count() >= 1
    page.close()


def test_a_curve_without_a_chance_level_is_drawn(browser, board, tmp_path):
    """As open answers have none: a model's page and its data set's."""
    rows = tuple(
        replace(row, curves=tuple(replace(curve, chance=None) for curve in row.curves))
        for row in board.rows
    )
    write_site(replace(board, rows=rows), tmp_path / "site")
    running = server(tmp_path / "site", 0)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    opened = Opened(browser, {"plain": f"http://127.0.0.1:{running.server_port}/"})
    try:
        page = opened(f"model.html?id={key(board, 'synthetic/high')}")
        page.locator("svg.plot").first.wait_for()
        assert page.locator("text=/^chance/").count() == 0
        assert opened.said == []
    finally:
        for context in opened.contexts:
            context.close()
        running.shutdown()
        running.server_close()
        thread.join()
