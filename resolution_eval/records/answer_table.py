"""Every answer of a record, one row per sample and cell, in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from resolution_eval.resolution import ascending, parse_resolution

_SIZES = (
    *("source_width", "source_height", "information_width", "information_height"),
    *("expected_height", "expected_width", "grid_height", "grid_width"),
    *("visual_tokens", "tiles", "sent_width", "sent_height", "sent_bytes"),
    *("predicted_width", "predicted_height"),
)
IMAGE = pa.struct({"capped": pa.bool_(), **dict.fromkeys(_SIZES, pa.int32())})
"""One image of a question that has several: the columns of the same names, of that image."""

_TEXT, _SIZE, _NUMBER = pa.string(), pa.int32(), pa.float64()
_NEVER_NULL = (
    *("sample", "resolution", "scheme", "filter", "answer_mode", "cluster", "target"),
    *("form", "status", "capped", "evidence", "notes"),
)


def _columns(*kinds: tuple[pa.DataType, str]) -> tuple[pa.Field, ...]:
    """Columns in order: types, each with the names that it stands for, a blank between them."""
    return tuple(
        pa.field(name, kind, nullable=name not in _NEVER_NULL)
        for kind, names in kinds
        for name in names.split()
    )


GENERATIONS: tuple[tuple[pa.Field, ...], ...] = (
    _columns(
        (_TEXT, "sample resolution scheme filter answer_mode cluster target prediction"),
        (pa.int8(), "correct"),
        (_TEXT, "answer failure_kind failure_message"),
        (pa.list_(_NUMBER), "choice_scores"),
        (_TEXT, "form"),
        (_NUMBER, "f1"),
        (_TEXT, "status"),
        (_SIZE, "source_width source_height information_width information_height"),
        (pa.bool_(), "capped"),
        (_SIZE, "expected_height expected_width grid_height grid_width visual_tokens"),
        (_TEXT, "evidence"),
        (pa.list_(_TEXT), "notes"),
    ),
    _columns(
        (_SIZE, "tiles"),
        (_TEXT, "blind adapter"),
        (_SIZE, "generated_tokens"),
        (_NUMBER, "seconds"),
        (pa.int64(), "peak_memory"),
    ),
    _columns((_TEXT, "judge judge_model"), (pa.int8(), "judged"), (_TEXT, "judge_failure")),
    _columns((pa.list_(_TEXT), "options")),
    _columns(
        (_SIZE, "sent_width sent_height"),
        (_TEXT, "sent_format"),
        (pa.int64(), "sent_bytes"),
        (_TEXT, "sent_sha256 rule"),
        (_SIZE, "predicted_width predicted_height predicted_least predicted_most counted_tokens"),
        (_TEXT, "counted_by server_model server_fingerprint"),
        (_SIZE, "attempts"),
    ),
    _columns((_TEXT, "detail")),
    _columns((pa.list_(IMAGE), "images")),
    _columns((_NUMBER, "microns_across microns_down")),
)
"""Columns in the order in which they came: with version 1, with version 2, within it, with version
3, and within that: of samples that a server answered, of what had to be seen, of several images,
and of slides in µm per pixel."""
SCHEMA: pa.Schema = pa.schema([field for columns in GENERATIONS for field in columns])
"""Columns of the file beside a record. `correct` is null for a failed sample; sizes: pixels;
`seconds` and `peak_memory` (bytes) are null for a sample that the run did not answer itself;
`judged` is what the run's judge said of an open answer, null where it was not asked or failed;
`options` are the choices in the order shown, which is that of `choice_scores`: none of an open
question, null in records of version 2 and before. From `sent_width` to `attempts`, a sample that a
server answered: what was sent, and what was predicted of it and counted; null of any other.
`detail` is a JSON object: what had to be seen and how large it is, null where nobody said. `images`
has each image of a question with several, in order, null of one image: sizes and grids outside it
are then the first image's, `visual_tokens` and `tiles` the sums. `microns_across` and
`microns_down` are the µm that a pixel of the information is, of a whole slide read at a number of
µm per pixel; null of any other."""


KEY = ("resolution", "scheme", "filter", "answer_mode")
"""Columns, and fields of a cell, that name its cell."""


@dataclass(frozen=True, order=True)
class CellKey:
    """What makes one score: the resolution, and how the image and the answer were made."""

    order: tuple[bool, float]
    """Numeric resolutions ascending, then native; µm per pixel from coarse to fine."""
    resolution: str
    scheme: str
    filter: str
    answer_mode: str

    @classmethod
    def of(cls, resolution: str, scheme: str, filter: str, answer_mode: str) -> CellKey:
        """The key of the cell at `resolution`.

        Raises:
            ValueError: `resolution` is no number of pixels, no µm per pixel and not native.
        """
        return cls(resolution_order(resolution), resolution, scheme, filter, answer_mode)

    def __str__(self) -> str:
        return " ".join((*self.setting, self.resolution))

    @property
    def setting(self) -> tuple[str, str, str]:
        """Scheme, filter and answer mode: the cells of one setting make one curve."""
        return self.scheme, self.filter, self.answer_mode


def resolution_order(resolution: str) -> tuple[bool, float]:
    """Sort key of a resolution's label: numeric ascending, `native` last; µm from coarse to fine.

    Example:
        >>> sorted(["native", "224", "28"], key=resolution_order)
        ['28', '224', 'native']
    """
    return ascending(parse_resolution(resolution))


@dataclass(frozen=True, eq=False)
class Scores:
    """Verdicts of several cells on the same samples."""

    samples: tuple[str, ...]
    """Ids, ascending; one per row of `correct`."""
    clusters: tuple[str, ...]
    """Patient, slide or image of each sample."""
    targets: tuple[str, ...]
    correct: NDArray[np.float64]
    """(samples, cells): 1 right, 0 wrong, NaN where the sample failed or is absent in that cell."""

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether each sample was scored in every cell."""
        return np.asarray(~np.isnan(self.correct).any(axis=1))


@dataclass(frozen=True, eq=False)
class Answers:
    """All answers of one record: a table with the columns of `SCHEMA`."""

    table: pa.Table

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Answers:
        """The table of `rows`, in order of resolution and then of sample; a thousand of the rows
        are in memory at once.

        Raises:
            ValueError: a value does not fit its column.
        """
        rest, batches = iter(rows), []
        while some := list(islice(rest, 1_000)):
            try:
                batches.append(pa.RecordBatch.from_pylist(some, schema=SCHEMA))
            except (pa.ArrowException, OverflowError) as error:
                raise ValueError(f"an answer does not fit its column: {error}") from error
        made = cls(pa.Table.from_batches(batches, schema=SCHEMA))
        places = made._in_order()
        left, ordered = made.table.columns[::-1], []
        del made, batches  # each column goes once it is in order
        while left:
            try:
                ordered.append(left.pop().take(places).combine_chunks())
            except pa.ArrowException as error:
                raise ValueError(f"a column of answers is too long: {error}") from error
        return cls(pa.Table.from_arrays(ordered, schema=SCHEMA))

    def _in_order(self) -> pa.Array:
        """Row numbers in order of resolution and then of sample, by code points."""
        names = self.table.column("resolution").unique()
        order = [resolution_order(name) for name in names.to_pylist()]
        ranks = pa.array([sorted(set(order)).index(each) for each in order], pa.int32())
        where = compute.index_in(self.table.column("resolution"), names)
        keys = {"rank": ranks.take(where.combine_chunks()), "sample": self.table.column("sample")}
        by = [(name, "ascending") for name in keys]
        return compute.sort_indices(pa.table(keys), sort_keys=by)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> list[Any]:
        """One column as Python values."""
        return list(self.table.column(name).to_pylist())

    def rows(self, numbers: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Answers as mappings from column to value: those of some rows, or every one."""
        return list((self.table if numbers is None else self.table.take(numbers)).to_pylist())

    def each(self) -> Iterator[dict[str, Any]]:
        """Every answer in turn, a thousand of them in memory at once."""
        for batch in self.table.to_batches(max_chunksize=1_000):
            yield from batch.to_pylist()

    def with_correct(self, correct: Sequence[int | None] | pa.Array | pa.ChunkedArray) -> Answers:
        """The same answers with other verdicts, one a row."""
        place = self.table.schema.get_field_index("correct")
        field = self.table.schema.field(place)
        column = pa.array(correct, field.type) if isinstance(correct, Sequence) else correct
        return Answers(self.table.set_column(place, field, column))

    def groups(self) -> Mapping[CellKey, Sequence[int]]:
        """Row numbers of each cell, cells in order."""
        return self._groups

    @cached_property
    def _groups(self) -> Mapping[CellKey, Sequence[int]]:
        groups: dict[tuple[str, ...], list[int]] = {}
        for number, key in enumerate(zip(*map(self.column, KEY), strict=True)):
            groups.setdefault(key, []).append(number)
        keys = {CellKey.of(*key): numbers for key, numbers in groups.items()}
        return dict(sorted(keys.items()))

    def samples(self) -> dict[CellKey, set[str]]:
        """Ids of the samples of each cell."""
        names = self.column("sample")
        return {key: {names[row] for row in rows} for key, rows in self._groups.items()}

    def scores(self, keys: Sequence[CellKey]) -> Scores:
        """Verdicts of the cells `keys`, with one row per sample that is in any of them."""
        groups = self._groups
        samples, correct = self.column("sample"), self.column("correct")
        clusters, targets = self.column("cluster"), self.column("target")
        first = {samples[i]: i for key in keys for i in groups[key]}
        names = sorted(first)
        row = {name: number for number, name in enumerate(names)}
        table = np.full((len(names), len(keys)), np.nan)
        for column, key in enumerate(keys):
            for i in groups[key]:
                if correct[i] is not None:
                    table[row[samples[i]], column] = correct[i]
        return Scores(
            samples=tuple(names),
            clusters=tuple(clusters[first[name]] for name in names),
            targets=tuple(targets[first[name]] for name in names),
            correct=table,
        )
