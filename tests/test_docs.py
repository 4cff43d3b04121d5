"""The documentation: generated pages are current, and the site asks no other host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from tools import DOCS, cards_page, commands_page

ROOT = Path(__file__).parent.parent
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
"""What a browser fetches without being asked, by element."""
HARMLESS = ("canonical", "next", "prev", "edit")


@pytest.mark.parametrize("module", [cards_page, commands_page])
def test_pages_made_from_the_program_are_current(module: ModuleType) -> None:
    name = module.__name__.rpartition(".")[2]
    written = (DOCS / f"{name.removesuffix('_page')}.md").read_text(encoding="utf-8")
    assert written == module.page(), f"run python -m tools.{name}"


MADE = re.compile(r"[Mm]ade by `python -m ([\w.]+)")


def test_what_makes_a_page_is_there_and_not_in_the_wheel() -> None:
    """The wheel holds `resolution_eval` alone; pages are made from a checkout."""
    makers = {
        maker
        for page in DOCS.rglob("*.md")
        for maker in MADE.findall(page.read_text(encoding="utf-8"))
    }
    assert len(makers) > 10
    assert {maker.partition(".")[0] for maker in makers} == {"benchmarks", "tools"}
    assert all(find_spec(maker) for maker in makers)


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
