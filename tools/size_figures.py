"""The figures by size of a report as one picture: `python -m tools.size_figures REPORT`.

REPORT is the `acuity/index.html` that `resolution-eval demo` wrote. The picture is
`docs/images/acuity_figure.png`.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tools.screenshots import CHROMIUM, DESKTOP

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "acuity_figure.png"
FIGURES = "figure:has(.chart[id*='-detail']), figure:has(.chart[id*='-seen-'])"
COLOURS = 64


def stacked(page: Page) -> Image.Image:
    """Every figure by size of the page, one above the other.

    Raises:
        ValueError: the page has none.
    """
    found = [figure.screenshot() for figure in page.locator(FIGURES).all()]
    if not found:
        raise ValueError("the page has no figure by size; give acuity/index.html of a demo")
    images = [Image.open(io.BytesIO(one)).convert("RGB") for one in found]
    whole = Image.new(
        "RGB", (max(one.width for one in images), sum(one.height for one in images)), "white"
    )
    top = 0
    for one in images:
        whole.paste(one, (0, top))
        top += one.height
    return whole


def main() -> None:
    """Make the picture anew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, metavar="REPORT", help="its index.html")
    known = parser.parse_args()
    own = str(CHROMIUM) if CHROMIUM.exists() else None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])
        page = browser.new_page(viewport=DESKTOP)
        page.goto(known.report.resolve().as_uri())
        page.wait_for_timeout(500)  # charts draw when they know their width
        stacked(page).quantize(COLOURS).save(PICTURE, optimize=True)
        browser.close()
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
