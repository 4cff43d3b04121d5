"""Two workers share the machine: one thread each, set before torch is imported.

No test leaves its run behind: each begins as a new process would.
"""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fast
import pytest

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# containers often forbid it, and then every process that a test starts compiles torch anew
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fast`, for a look in between."""
    parser.addoption(
        "--fast",
        action="store_true",
        help="only tests of functions, without models, runs, servers and pages: under a minute",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--fast`, slow files are not even imported."""
    file = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if config.getoption("fast") and file and not fast.is_fast(collection_path) else None


def pytest_collection_finish() -> None:
    """What is imported by now stays: no later look for rubbish goes through all of torch again."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _as_fast_as_said(request: pytest.FixtureRequest) -> Iterator[None]:
    before = "torch" in sys.modules
    yield
    if request.config.getoption("fast") and not before:
        assert "torch" not in sys.modules, "this imports torch; tell tests/fast.py"


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    from resolution_eval.evidence.run_ledger import LEDGER, Ledger
    from resolution_eval.ground import registry

    folders, asked = list(registry.FOLDERS), list(registry.ASKED)
    yield
    registry.FOLDERS[:], registry.ASKED[:] = folders, asked
    vars(LEDGER).update(vars(Ledger()))


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; a machine that has none skips the test, unless it is CI's."""
    if CHROMIUM is None and "CI" not in os.environ:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=120_000
        )
        yield browser
        browser.close()
