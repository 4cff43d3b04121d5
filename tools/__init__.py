"""Tools: what makes pages of the documentation, and is no part of the package."""
