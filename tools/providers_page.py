"""docs/providers.md, from the providers' rules: `python -m tools.providers_page`."""

from __future__ import annotations

from resolution_eval.models.providers.library import Provider, providers
from resolution_eval.models.providers.rule import RuleBase
from tools import DOCS

HEAD = """# Providers' rules

What a provider says that its models make of an image, and where servers count its tokens. A rule
*predicts*; nothing here is attested. A model that no rule names is unknown, and is never guessed.
A page that changes gets a new entry with its own date; a record keeps the title of the rule that
held for it, as `anthropic/claude-later@2026-10-01`.

See what a sweep would become, offline:

```sh
resolution-eval doctor --model reswrap --model_args base=openai,model=claude-opus-4-8 --sizes 224
```

Made by `python -m tools.providers_page` from `models/providers/*.toml`.
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *map(_section, providers().values())])


def _section(provider: Provider) -> str:
    parts = [f"## {provider.title}\n"]
    if provider.rules:
        parts += ["| rule | what the page says | read | open |", "| --- " * 4 + "|"]
        parts += [_row(rule) for rule in provider.rules]
        parts.append("")
    if provider.counts:
        parts += ["| counted in | what it is | read |", "| --- " * 3 + "|"]
        parts += [
            f"| `{each.where}` | [{each.words}]({each.url}) | {each.read} |"
            for each in provider.counts
        ]
        parts.append("")
    return "\n".join(parts)


def _row(rule: RuleBase) -> str:
    said = f"[{rule.words}]({rule.url})"
    return f"| `{rule.name}` | {said} | {rule.read} | {'; '.join(rule.notes) or '-'} |"


if __name__ == "__main__":
    (DOCS / "providers.md").write_text(page(), encoding="utf-8")
