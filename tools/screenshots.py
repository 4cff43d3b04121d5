"""Screenshots of the report and the board for the docs: `python -m tools.screenshots SITE REPORT`.

SITE is what `leaderboard build` wrote, REPORT the page that `report` did. Each is pictured as a
desktop, a phone, a dark screen and a sheet of A4 show it, into `docs/assets`.
"""

from __future__ import annotations

import argparse
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from resolution_eval.board.site.serve import server

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
LARGEST = 150_000
"""Bytes of one picture."""
QUALITIES: tuple[dict[str, Any], ...] = ({"lossless": True}, {"quality": 90}, {"quality": 75})
CHROMIUM = Path("/usr/bin/chromium")
"""A distribution's browser is taken where there is one, else Playwright's own."""
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
SHEET = {"width": 718, "height": 1000}
"""Of A4 between margins of 12 mm, in CSS pixels."""
KINDS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": DESKTOP},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "print": {"viewport": SHEET},
}


def taken(browser: Browser, address: str, kind: str) -> bytes:
    """The first screen, or sheet, of a page as PNG."""
    context = browser.new_context(**KINDS[kind])
    page = context.new_page()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    if kind == "print":
        page.emulate_media(media="print")
    page.wait_for_timeout(500)  # charts draw when they know their width
    picture = page.screenshot()
    context.close()
    return picture


def small(picture: bytes) -> bytes:
    """`picture` as WebP, without loss where that is small enough.

    Raises:
        ValueError: it is larger than `LARGEST` at any quality.
    """
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for options in QUALITIES:
        packed = io.BytesIO()
        image.save(packed, "webp", method=6, **options)
        if len(packed.getvalue()) < LARGEST:
            return packed.getvalue()
    raise ValueError(f"the picture is larger than {LARGEST} bytes at every quality")


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Address of the board's site: its pages fetch their data, which no file: address may."""
    running = server(site, 0)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def main() -> None:
    """Make every picture anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("site", type=Path, metavar="SITE")
    parser.add_argument("report", type=Path, metavar="REPORT", help="its index.html")
    known = parser.parse_args()
    ASSETS.mkdir(exist_ok=True)
    own = str(CHROMIUM) if CHROMIUM.exists() else None
    with served(known.site) as board, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])
        for name, address in (("board", board), ("report", known.report.resolve().as_uri())):
            for kind in KINDS:
                path = ASSETS / f"{name}_{kind}.webp"
                path.write_bytes(small(taken(browser, address, kind)))
                print(f"{path.name}: {path.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
