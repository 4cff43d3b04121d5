"""The page of providers' rules: `python -m resolution_eval.models.providers.provider_page`."""

from __future__ import annotations

from collections.abc import Sequence

from resolution_eval.ground import paths
from resolution_eval.models.providers.library import Provider, RuleTally, providers
from resolution_eval.models.providers.rule import Rule

HEAD = """# Providers' rules

What a provider says that its models make of an image, and where servers count its tokens. A rule
*predicts*; nothing here is attested. A model that no rule names is unknown, and is never guessed.
A page that changes gets a new entry with its own date; a record keeps the title of the rule that
held for it, as `anthropic/claude-later@2026-10-01`.

See what a sweep would become, offline:

```sh
resolution-eval doctor --model reswrap --model_args base=openai,model=claude-opus-4-8 --sizes 224
```

Made by `python -m resolution_eval.models.providers.provider_page` from `models/providers/*.toml`.
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *map(_section, providers().values())])


def _section(provider: Provider) -> str:
    rules = [
        (f"`{rule.name}`", _said(rule), str(rule.read), "; ".join(rule.notes) or "-")
        for rule in provider.rules
    ]
    counts = [(f"`{each.where}`", _said(each), str(each.read)) for each in provider.counts]
    return "\n".join(
        [
            f"## {provider.title}\n",
            *_table(("rule", "what the page says", "read", "open"), rules),
            *_table(("counted in", "what it is", "read"), counts),
        ]
    )


def _said(of: Rule | RuleTally) -> str:
    return f"[{of.words}]({of.url})"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return [lines[0], "| --- " * len(head) + "|", *lines[1:], ""] if rows else []


def main() -> None:
    """Write the page into `docs/`."""
    path = paths.PACKAGE.parent / "docs" / "providers.md"
    path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
