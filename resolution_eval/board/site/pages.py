"""Pages: the templates of `leaderboard/site/pages`, and the policy that each carries.

No page holds a string of a record: scripts read those from the data and make them text nodes.
"""

from __future__ import annotations

from importlib.metadata import version

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from resolution_eval.board.add import pinned
from resolution_eval.board.board_schema import STATUSES
from resolution_eval.board.printed import in_short, printed
from resolution_eval.board.site import vendor
from resolution_eval.board.site.public import SIZES, defaults
from resolution_eval.ground import paths

NAMES = ("index.html", "model.html", "dataset.html", "compare.html", "method.html")

PLOT_STYLE = "'sha256-+TfQir1nvDucAdvE6XUQBt4ayUjpAWkbw2kCdSfekHM='"
"""The one style element that Observable Plot puts into a chart of class `plot`."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {PLOT_STYLE}",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Content security policy: files of this site only; no markup, script or style from a string."""


def pages(count: str, generated: str | None, warning: str = "") -> dict[str, str]:
    """Every page by its file's name; `count` says how much the board holds, `warning` what must be
    known before its first row is read.
    """
    environment = Environment(
        loader=FileSystemLoader(paths.leaderboard() / "site" / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = {
        "policy": POLICY,
        "version": version("resolution-eval"),
        "generated": generated,
        "count": f"the records of {count}",
        "statuses": STATUSES,
        "libraries": vendor.libraries(),
        "banner": warning,
        "pinned": pinned(paths.leaderboard()),
        "sizes": SIZES,
        "defaults": defaults(),
        "printed": tuple(printed()),
        "summary": in_short(printed()),
    }
    return {name: environment.get_template(name).render(values) for name in NAMES}
