"""The documentation: generated pages are current, and the site asks no other host for anything."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from resolution_eval import command_reference

ROOT = Path(__file__).parent.parent
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
"""What a browser fetches without being asked, by element."""
HARMLESS = ("canonical", "next", "prev", "edit")


@pytest.mark.parametrize("name", command_reference.PAGES)
def test_pages_made_from_the_program_are_current(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == command_reference.page(name), (
        "run python -m resolution_eval.command_reference"
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CI builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


class _Fetched(HTMLParser):
    """Addresses on other hosts that a page fetches by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(LOADING.get(tag, "")) or ""
        if "//" in address and values.get("rel") not in HARMLESS:
            self.found.append(address)


@pytest.mark.whole
def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    for page in pages:
        parser = _Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found == [], page
    styles = [file.read_text(encoding="utf-8") for file in site.rglob("*.css")]
    assert len(pages) > 20 and styles
    assert not any("url(http" in style or "@import" in style for style in styles)
