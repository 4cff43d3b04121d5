"""The page in a real browser: charts, sorting, keyboard, dark mode, a phone, no network."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image
from synthetic_runs import line, phantom_lines, phantom_source, sweep, write_run

from resolution_eval.records import make_records
from resolution_eval.report import demo_page, load, write_page

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> str:
    """A page with sound, incomplete, mismatched and unattested cells, and a hostile sample."""
    folder = tmp_path_factory.mktemp("site")
    lines = sweep({"28": 0.3, "64": 0.6, "128": 0.8, "native": 0.85}, samples=30)
    for each in lines:
        verdict, attestation = each["verdict"], each["attestation"]
        if verdict["resolution"] == "128" and verdict["sample"].endswith("3"):
            attestation.update(status="mismatched", grid=[64, 64])
        if verdict["sample"] == "tile-7":
            verdict["sample"] = HOSTILE
    late = [line("late", "28", correct=None), *(line("late", r) for r in ("64", "128", "native"))]
    write_run(folder / "runs" / "a", [*lines, *late])
    other = sweep(
        {"28": 0.2, "64": 0.5, "128": 0.7, "native": 0.75},
        samples=30,
        checkpoint=f"org/{HOSTILE.replace('/', '')}",
        status="unattested",
        grid=None,
    )
    write_run(folder / "runs" / "b", other, date="20260105_000000")
    return write_page(load([folder / "runs"]), folder / "site").as_uri()


@pytest.fixture(scope="module")
def pictured(tmp_path_factory) -> str:
    """A page of invented answers to generated images: all its parts are there."""
    folder = tmp_path_factory.mktemp("pictured")
    source = phantom_source()
    for i, training in enumerate(("fixed:16", "native")):
        lines = phantom_lines(source, {"16": 0.3, "32": 0.5, "64": 0.9}, training=training)
        write_run(folder / str(i), lines, task="phantom_res", date=f"2026010{i}_000000")
    return write_page(make_records(folder), folder / "site").as_uri()


@pytest.fixture
def opened(browser, site):
    """Opens the page; after the test, nothing may have been fetched or said on the console."""
    said, asked, contexts = [], [], []

    def open_page(address: str = site, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        # a locator waits without evaluating text, which the page's content policy would report
        for chart in page.locator(".chart").all():
            chart.scroll_into_view_if_needed()
        page.locator(".chart:not([data-drawn])").first.wait_for(state="detached")
        page.evaluate("scrollTo(0, 0)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert not [url for url in asked if not re.match(r"(file|data|blob):", url)]


def column(page, table: str, number: int) -> list[str]:
    """Texts of a column, from 0, without intervals."""
    return page.eval_on_selector_all(
        f"[id='{table}'] tbody tr",
        f"(rows) => rows.map((row) => row.cells[{number}].querySelector('.value').textContent)",
    )


def unfold(page) -> None:
    page.eval_on_selector_all("details", "(all) => all.forEach((node) => { node.open = true; })")


def test_the_chart_is_drawn_and_marks_what_is_mismatched(opened):
    page = opened()
    chart = page.locator("#task-1-chart")
    assert chart.get_attribute("data-drawn") == "yes"
    assert chart.locator("svg path").count() > 10
    box = chart.locator("svg").bounding_box()
    assert box["width"] > 600
    assert box["height"] > 250
    legend = chart.locator("svg text").all_text_contents()
    assert {"attested", "incomplete", "mismatched", "unattested"} <= set(legend)
    assert any(text.startswith("<img src=x onerror") for text in legend)
    assert page.title().startswith("<img src=x onerror")  # the finding, as text


def test_a_click_sorts_by_number_up_then_down(opened):
    page = opened()
    unfold(page)
    table = "synthetic_res-cells"
    head = page.locator(f"[id='{table}'] thead th", has_text="accuracy")
    number = 3
    before = [float(text) for text in column(page, table, number)]
    head.locator("button").click()
    assert [float(text) for text in column(page, table, number)] == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert [float(text) for text in column(page, table, number)] == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("[aria-sort]").count() == 1


def test_resolutions_sort_as_numbers_with_native_last(opened):
    page = opened()
    unfold(page)
    page.locator("[id='synthetic_res-cells'] thead th button").nth(1).click()
    order = ["28", "28", "64", "64", "128", "128", "native", "native"]
    assert column(page, "synthetic_res-cells", 1) == order


def test_the_keyboard_reaches_and_sorts(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    button = page.locator("[id='synthetic_res-accuracy'] thead th button").first
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("(node) => node === document.activeElement"):
            break
    before = column(page, "synthetic_res-accuracy", 0)
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert column(page, "synthetic_res-accuracy", 0) == sorted(before, key=str.lower, reverse=True)
    assert "descending" in page.locator("#announcer").text_content()


def test_a_table_is_copied_with_its_heads(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.locator("button", has_text="Copy").first.click()
    page.locator("#announcer", has_text="Table copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].split("\t")[:5] == ["checkpoint", "trained at", "floor", "28", "64"]
    assert len(copied) == 3
    assert "mismatched" in copied[1]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_chart_is_saved(opened, kind):
    page = opened()
    with page.expect_download() as download:
        page.locator("button", has_text=f"Save as {kind.upper()}").first.click()
    saved = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == f"task-1-chart.{kind}"
    assert saved.startswith(b"\x89PNG" if kind == "png" else b"<svg")


def luminance(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_page_and_chart_follow_the_colour_scheme(opened, scheme, dark):
    page = opened(color_scheme=scheme)
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
        " document.querySelector('.chart svg .role-axis-label text').getAttribute('fill')]"
    )
    page_colour, ink = luminance(colours[0]), luminance(colours[1])
    assert (page_colour < ink) is dark
    label = luminance(" ".join(str(int(colours[2][i : i + 2], 16)) for i in (1, 3, 5)))
    assert abs(label - page_colour) > 0.4


def test_the_chart_is_drawn_again_when_the_scheme_changes(opened):
    page = opened(color_scheme="light")
    fill = ".chart svg .role-axis-label text"
    before = page.get_attribute(fill, "fill")
    page.emulate_media(color_scheme="dark")
    page.locator(f".chart svg .role-axis-label text[fill='{before}']").first.wait_for(
        state="detached"
    )
    assert page.get_attribute(fill, "fill") != before


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_no_width_scrolls_the_page_sideways(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for drawn in page.locator(".chart svg").all():
        assert drawn.bounding_box()["width"] <= width


SCREENSHOTS = Path(__file__).parents[1] / "docs" / "images"
SHOTS = {"report.png": "header", "report_gallery.png": ".exhibit"}
"""File, and the element whose top is that of the picture."""
WINDOW = {"width": 1180, "height": 1000}


def shoot(page, selector: str) -> bytes:
    """The page from the top of the first `selector` on, one window high."""
    top = page.locator(selector).first.evaluate(
        "(node) => node.getBoundingClientRect().top + scrollY"
    )
    clip = {"x": 0, "y": max(0, top - 4), **WINDOW}
    return page.screenshot(full_page=True, clip=clip)


def test_the_screenshots_are_of_this_page(opened, pictured):
    """With RESOLUTION_EVAL_SCREENSHOTS=DIR, they are made anew from the demo in DIR."""
    asked = os.environ.get("RESOLUTION_EVAL_SCREENSHOTS")
    page = opened(demo_in(Path(asked)) if asked else pictured, viewport=WINDOW)
    for name, selector in SHOTS.items():
        picture = shoot(page, selector)
        if asked:
            SCREENSHOTS.mkdir(exist_ok=True)
            (SCREENSHOTS / name).write_bytes(picture)
        stored = Image.open(io.BytesIO((SCREENSHOTS / name).read_bytes()))
        taken = Image.open(io.BytesIO(picture))
        assert taken.size == stored.size == tuple(WINDOW.values())
        assert len(set(taken.convert("L").resize((64, 64)).tobytes())) > 20
    readme = (SCREENSHOTS.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"docs/images/{next(iter(SHOTS))}" in readme


def demo_in(folder: Path) -> str:
    """Address of the page of the demo in `folder`, which is run where it was not."""
    from resolution_eval.embedded_demo import STRATEGIES, demo

    if not folder.is_dir():
        demo(folder)
    records = load([folder / strategy for strategy in STRATEGIES])
    return demo_page(records, folder).as_uri()


def test_every_picture_of_the_gallery_is_shown_and_enlarged_by_pixel(opened, pictured):
    page = opened(pictured)
    unfold(page)
    pictures = page.locator(".exhibit img")
    assert pictures.count() == 8 * 3
    sizes = page.eval_on_selector_all(
        ".exhibit img", "(all) => all.map((node) => [node.naturalWidth, node.width])"
    )
    assert [natural for natural, _ in sizes] == [16, 32, 64] * 8
    assert {shown for _, shown in sizes} == {100}
    assert pictures.first.evaluate("(node) => getComputedStyle(node).imageRendering") == "pixelated"
    assert page.locator(".exhibit tbody tr").count() == 8 * 3


def test_the_cost_is_drawn_beside_the_accuracy(opened, pictured):
    page = opened(pictured)
    drawn = page.locator("#task-1-cost svg text").all_text_contents()
    assert {"16", "32", "64"} <= set(drawn)
    assert any("visual tokens" in text for text in drawn)


def test_without_scripts_the_figures_and_a_drawn_chart_are_there(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    assert page.locator("noscript img").count() or page.locator("img.static").is_visible()
    assert page.locator("table.data caption").first.is_visible()
    context.close()


def test_the_demo_page_works(opened, tmp_path):
    curves = {
        "fixed:16": {"16": 0.8, "64": 0.3},
        "native": {"16": 0.2, "64": 0.9},
        "mixed:[16,64]": {"16": 0.7, "64": 0.9},
    }
    for i, (training, curve) in enumerate(curves.items(), 1):
        lines = sweep(curve, samples=30, training=training, checkpoint=f"synthetic/{i}")
        write_run(tmp_path / str(i), lines, date=f"2026010{i}_000000")
    page = opened(demo_page(make_records(tmp_path), tmp_path / "site").as_uri())
    assert column(page, "train-inference", 0) == ["low", "native", "mixed"]
    assert len(column(page, "gaps", 0)) == 6


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_axe_finds_nothing_serious(opened, pictured, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    size = {"width": width, "height": 900}
    page = opened(pictured, color_scheme=scheme, viewport=size, bypass_csp=True)
    unfold(page)
    found = Axe().run(page).response
    serious = [
        (each["id"], each["help"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert len(found["passes"]) > 20
    assert serious == []
