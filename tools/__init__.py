"""Tools: what makes pages of the documentation, and is no part of the package."""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
