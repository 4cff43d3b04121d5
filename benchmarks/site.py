"""How fast the leaderboard's pages open at full size: 300 rows, 20 data sets, 6 resolutions.

    python -m benchmarks.site [--output SITE]

Makes a board of random numbers (marked so on every page), builds its site, serves it on this
machine, and opens each page in Chromium with an empty cache, several times. Printed are medians of
the time from navigation until the page's table or chart stands, and the bytes that were fetched.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.generated_board import RESOLUTIONS, SAYS, answerless, generated_board
from resolution_eval.board.site.build import write_site
from resolution_eval.board.site.serve import server

REPEATS = 5
PAGES = {
    "board": ("", "#ranking tbody tr"),
    "board, one data set": ("?scope=dataset-generated_03", "#ranking tbody tr"),
    "model": ("model.html?id=generated__model-007", "#curves .chart[data-drawn]"),
    "data set": ("dataset.html?id=generated_03", ".chart[data-drawn]"),
    "compare": (
        "compare.html?m=generated__model-001&m=generated__model-002",
        "#comparison .chart[data-drawn]",
    ),
}


def main() -> None:
    """Build, open, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, help="keep the site here")
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--datasets", type=int, default=20)
    known = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        site = known.output or Path(place) / "site"
        board = generated_board(_record(), models=known.models, datasets=known.datasets)
        started = time.perf_counter()
        write_site(board, site, generated=SAYS)
        took = time.perf_counter() - started
        files = [path for path in site.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
        print(
            f"{known.models} rows x {known.datasets} data sets x {len(RESOLUTIONS)} resolutions: "
            f"{len(files)} files, {size:.1f} MB, written in {took:.1f} s"
        )
        _measure(site)


def _record() -> Any:
    """A record of made-up answers, without them."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from synthetic_runs import sweep, write_run

    from resolution_eval.records import make_records

    with tempfile.TemporaryDirectory() as place:
        write_run(Path(place), sweep({"28": 0.5, "64": 0.6}, samples=4))
        (record,) = make_records(Path(place))
    return answerless(record)


def _measure(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    serving = server(site, 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{serving.server_port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (path, stands) in PAGES.items():
            found = [_open(browser, address + path, stands) for _ in range(REPEATS)]
            seconds = statistics.median(each[0] for each in found)
            print(f"{name}: {seconds:.2f} s, {found[0][1] / 1e3:.0f} kB in {found[0][2]} files")
        browser.close()
    serving.shutdown()


def _open(browser: Any, url: str, stands: str) -> tuple[float, int, int]:
    """Seconds until the page stands, and bytes and number of the files fetched."""
    context = browser.new_context()
    page = context.new_page()
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(stands).first.wait_for()
    page.locator("#content[data-ready]").wait_for()
    took = time.perf_counter() - started
    size = sum(len(answer.body()) for answer in answers)
    context.close()
    return took, size, len(answers)


if __name__ == "__main__":
    main()
