"""Tables: one shape for everything that is shown in rows, and its forms outside the page.

Text in a table may come from a stranger's file: each form escapes what would act there (control
characters in a terminal, pipes and tags in Markdown, formulas in a spreadsheet).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

LONGEST = 300
"""Characters of one entry that are shown; what is cut off is marked with an ellipsis."""


@dataclass(frozen=True)
class Entry:
    """One entry of a table."""

    text: str
    sort: float | None = None
    """What a sorted column goes by instead of the text."""
    mark: str = ""
    """What is wrong with the value: a cell's status, or nothing."""
    note: str = ""
    """Said in addition, small: an interval."""
    shade: float | None = None
    """How strongly the page tints the entry, from 0 to 1: an accuracy."""
    ends: tuple[float, float] | None = None
    """Of the interval that the note shows, for the form that has numbers in full."""


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers are set flush right."""

    name: str
    numeric: bool = False
    title: str = ""
    """What the heading means, in a sentence."""


@dataclass(frozen=True)
class Table:
    """A captioned table; the first column names its row."""

    name: str
    """Identifier within the page: letters, digits, hyphens."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    remark: str = ""
    subject: str = ""
    """What the table is about, where the heading above it does not say so: the task's title."""
    folded: bool = False
    """Whether the page shows it only on demand."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: {len(row)} entries in {len(self.columns)} columns")

    @property
    def title(self) -> str:
        """Subject and caption."""
        return f"{self.subject} · {self.caption}" if self.subject else self.caption

    def select(self, names: Sequence[str]) -> Table:
        """The table with those of its columns that are named, in its own order."""
        kept = [i for i, column in enumerate(self.columns) if column.name in names]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows)


def entry(
    value: object,
    *,
    digits: int = 4,
    sign: bool = False,
    mark: str = "",
    note: str = "",
    shade: bool = False,
) -> Entry:
    """An entry for a number, a text, or None (shown as a dash); `shade` tints it by its value."""
    if value is None:
        return Entry("–", mark=mark, note=note)
    if isinstance(value, float):
        text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
        tint = min(max(value, 0.0), 1.0) if shade else None
        return Entry(text.replace("-", "−"), sort=value, mark=mark, note=note, shade=tint)
    if isinstance(value, int):
        return Entry(f"{value:,}".replace(",", " "), sort=value, mark=mark, note=note)
    return Entry(shorten(str(value)), mark=mark, note=note)


def shorten(text: str, longest: int = LONGEST) -> str:
    """`text` on one line, without control characters, cut at `longest` characters."""
    plain = "".join(char if _shown(char) else "\ufffd" for char in text[: longest + 1])
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _shown(char: str) -> bool:
    """Whether a character shows itself: no control, no change of direction, no line break."""
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _plain(item: Entry) -> str:
    parts = (item.text, item.note, f"({item.mark})" if item.mark else "")
    return shorten(" ".join(part for part in parts if part))


def as_text(tables: Sequence[Table]) -> str:
    """Tables for a terminal, columns aligned."""
    return "\n\n".join(_text(table) for table in tables)


def _text(table: Table) -> str:
    heads = [shorten(column.name) for column in table.columns]
    rows = [[_plain(item) for item in row] for row in table.rows]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    lines = [
        "  ".join(
            text.rjust(width) if column.numeric else text.ljust(width)
            for text, width, column in zip(row, widths, table.columns, strict=True)
        ).rstrip()
        for row in (heads, *rows)
    ]
    rule = "─" * max(len(line) for line in lines)
    remark = [shorten(table.remark)] if table.remark else []
    return "\n".join([shorten(table.title), rule, lines[0], rule, *lines[1:], *remark])


def as_markdown(tables: Sequence[Table]) -> str:
    """Tables in GitHub's Markdown."""
    return "\n\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    heads = [shorten(column.name) for column in table.columns]
    rules = ["---:" if column.numeric else "---" for column in table.columns]
    rows = [[_escaped(_plain(item)) for item in row] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in (list(map(_escaped, heads)), rules, *rows)]
    remark = ["", _escaped(shorten(table.remark))] if table.remark else []
    return "\n".join([f"**{_escaped(shorten(table.title))}**", "", *lines, *remark])


def _escaped(text: str) -> str:
    """`text` without effect in Markdown."""
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)


def as_csv(tables: Sequence[Table]) -> str:
    """Tables as comma-separated values, one after the other, each named in the first column.

    A column of figures with intervals is followed by their low and high ends.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for table in tables:
        wide = [any(row[i].ends for row in table.rows) for i in range(len(table.columns))]
        heads = [
            name
            for column, ends in zip(table.columns, wide, strict=True)
            for name in (column.name, f"{column.name} low", f"{column.name} high")[: 1 + 2 * ends]
        ]
        writer.writerow(["table", *heads])
        for row in table.rows:
            fields = [
                text
                for item, ends in zip(row, wide, strict=True)
                for text in (_field(item), *(_ends(item) if ends else ()))
            ]
            writer.writerow([table.name, *fields])
    return file.getvalue().rstrip("\n")


_NUMBER = re.compile(r"(?:< )?[+−]?\d")
"""How an entry begins that shows a number; `native` is sorted by one and shows none."""


def _ends(item: Entry) -> tuple[str, ...]:
    ends = item.ends or (None, None)
    return tuple("" if end is None else f"{end:.10g}" for end in ends)


def _field(item: Entry) -> str:
    """A number in full where the entry shows one; a text that no spreadsheet runs as a formula."""
    if item.sort is not None and item.mark in ("", "!") and _NUMBER.match(item.text):
        return f"{item.sort:.10g}"
    text = _plain(item)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "text": as_text,
    "md": as_markdown,
    "csv": as_csv,
}
"""What `resolution-eval report --format` prints, by name."""
