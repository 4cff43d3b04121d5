"""The documentation in a real browser: no page asks another host, and a phone can read it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PHONE = {"width": 375, "height": 780}
DESKTOP = {"width": 1280, "height": 900}

FEW = ("index.html", "tutorial.html", "models.html", "report.html", "howto/vllm.html")
"""Pages of every sort; the others are opened by a slow test, and read as text by test_docs.py."""

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]


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


def look(browser, address: str, pages: Iterable[str]) -> dict[str, list[str]]:
    """Every page opened on a phone: what it asked others for, what failed, and what stuck out."""
    page = browser.new_page(viewport=PHONE)
    found: dict[str, list[str]] = {"asked": [], "failed": [], "wide": []}

    def asked(request) -> None:
        if not request.url.startswith((address, "data:")):
            found["asked"].append(request.url)

    def answered(response) -> None:
        if response.status >= 400:
            found["failed"].append(response.url)

    page.on("request", asked)
    page.on("response", answered)
    page.on("pageerror", lambda error: found["failed"].append(str(error)))
    for name in pages:
        page.goto(address + name, wait_until="load")
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            found["wide"].append(name)
    page.close()
    return found


SOUND: dict[str, list[str]] = {"asked": [], "failed": [], "wide": []}


def test_pages_ask_no_other_host_fail_at_nothing_and_fit_a_phone(browser, address: str) -> None:
    assert look(browser, address, FEW) == SOUND


@pytest.mark.slow
def test_every_page_is_so(browser, folder: Path, address: str) -> None:
    pages = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.html"))]
    assert len(pages) > 30
    assert look(browser, address, [name for name in pages if name != "404.html"]) == SOUND


def test_a_page_that_asks_another_host_is_found(browser, folder: Path, address: str) -> None:
    planted = folder / "planted.html"
    planted.write_text(
        "<p style=width:900px>wide</p><img src=http://localhost:9/x><script src=no.js>"
    )
    found = look(browser, address, ["planted.html"])
    planted.unlink()
    assert found["asked"] == ["http://localhost:9/x"] and found["wide"] == ["planted.html"]
    assert found["failed"] == [f"{address}no.js"]


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
