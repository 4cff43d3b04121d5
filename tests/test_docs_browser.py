"""The documentation in a real browser: no page asks another host, and a phone can read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PHONE = {"width": 375, "height": 780}
DESKTOP = {"width": 1280, "height": 900}

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ,
        reason="no chromium on this machine: apt-get install chromium",
    ),
    pytest.mark.timeout(300),
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", made]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=flags, timeout=120_000
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visited(browser, folder: Path, address: str) -> dict[str, list[str]]:
    """Every page opened on a phone: what it asked for, what failed, and what stuck out."""
    page = browser.new_page(viewport=PHONE)
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "requestfailed",
        lambda request: (
            faults.append(f"{request.failure}: {request.url}")
            if request.failure != "net::ERR_ABORTED"  # the next page was opened meanwhile
            else None
        ),
    )
    page.on("response", lambda got: faults.append(got.url) if got.status >= 400 else None)
    found: dict[str, list[str]] = {"asked": asked, "faults": faults, "wide": []}
    for file in sorted(folder.rglob("*.html")):
        if file.name == "404.html":
            continue
        page.goto(address + file.relative_to(folder).as_posix(), wait_until="load")
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            found["wide"].append(file.name)
    page.close()
    return found


def test_no_page_asks_another_host(visited, address: str) -> None:
    assert [url for url in visited["asked"] if not url.startswith((address, "data:"))] == []
    assert len(visited["asked"]) > 50


def test_nothing_on_any_page_fails(visited) -> None:
    assert visited["faults"] == []


def test_no_page_is_wider_than_a_phone(visited) -> None:
    assert visited["wide"] == []


def test_search_finds_a_page_and_asks_no_other_host(browser, address: str) -> None:
    page = browser.new_page(viewport=DESKTOP)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + "index.html")
    page.get_by_role("textbox", name="Search").click()
    page.keyboard.type("attestation")
    page.locator(".md-search-result__item a[href*='attestation.html']").first.wait_for()
    page.close()
    assert any("search" in url for url in asked)
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []


def test_the_dark_scheme_follows_the_system(browser, address: str) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport=DESKTOP, color_scheme=scheme)
        page.goto(address + "index.html")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    light, dark = (sum(map(int, c.strip("rgb()").split(","))) for c in colours)
    assert light > 600 > 200 > dark
