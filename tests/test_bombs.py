"""Bombs: a file of kilobytes that would become gigabytes is refused before it does."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_runs import sweep, write_run

from resolution_eval.data.sources import delimited as tables
from resolution_eval.data.sources.containers import open_container
from resolution_eval.data.sources.delimited import read_table, rows_of
from resolution_eval.data.sources.published import item
from resolution_eval.data.sources.roots import CACHE_VARIABLE
from resolution_eval.ground.errors import DataError, RecordError
from resolution_eval.records import make_records, read_record, write_record


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("record")
    write_run(home / "run", sweep({"28": 0.4, "64": 0.8}, samples=40))
    (made,) = make_records(home / "run")
    return write_record(made, home / "records")


def repeated(column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """The table with one value in every row of a column."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        kind = table.schema.field(column).type
        if pa.types.is_list(kind):
            offsets = pa.array([i * len(value) for i in range(len(table) + 1)], pa.int32())
            each = pa.array(value, kind.value_type)
            flat = pa.chunked_array([each] * len(table)).combine_chunks()
            made = pa.ListArray.from_arrays(offsets, flat)
        else:
            made = pa.array([value] * len(table), kind)
        return table.set_column(place, table.schema.field(column), made)

    return change


def planted(record: Path, folder: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """The record with other answers, its document restated as a forger would."""
    shutil.copytree(record.parent, folder)
    (document,), (answers,) = folder.glob("*.json"), folder.glob("*.parquet")
    pq.write_table(change(pq.read_table(answers)), answers, compression="zstd")
    found = json.loads(document.read_text(encoding="utf-8"))
    found["answers_file"]["sha256"] = hashlib.sha256(answers.read_bytes()).hexdigest()
    document.write_text(json.dumps(found), encoding="utf-8")
    return document


BOMBS = {
    "scores": repeated("choice_scores", [0.0] * 500_000),
    "notes": repeated("notes", ["x"] * 300_000),
    "options": repeated("options", ["x"] * 300_000),
    "answers": repeated("answer", "x" * 5_000_000),
}
READ = """
import sys
from pathlib import Path
from resolution_eval.ground.errors import RecordError
from resolution_eval.records import read_record
def peak():
    told = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(told.split()[0]) // 1024
before = peak()
try:
    read_record(Path(sys.argv[1]))
except RecordError as error:
    print(str(error)[-200:])
print(peak() - before)
"""


@pytest.mark.whole
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_answers_that_would_fill_the_memory_are_refused(
    record: Path, tmp_path: Path, name: str
) -> None:
    document = planted(record, tmp_path / "bomb", BOMBS[name])
    size = sum(path.stat().st_size for path in document.parent.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", READ, str(document)], capture_output=True, text=True, check=True
    )
    said, grown = done.stdout.splitlines()
    assert "at most" in said and size < 4 * 2**20
    assert int(grown) < 300, "MiB that reading it took"


def lying(data: bytes, column: str) -> bytes:
    """The file with a footer that says fewer values of the column than its one page has."""
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    made, group = bytearray(data), pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0)
    told = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    wanted = _varint(2 * told[f"{column}.list.element"].num_values)
    place = made.find(wanted, footer)
    while place >= 0:
        made[place : place + len(wanted)] = _varint(2 * 100, len(wanted))
        place = made.find(wanted, place + 1)
    return bytes(made)


def _varint(value: int, width: int = 1) -> bytes:
    """A number as Thrift writes it, in at least `width` bytes."""
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < width:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes([*out, value])


def test_a_footer_that_says_less_than_its_pages_is_not_believed(
    record: Path, tmp_path: Path
) -> None:
    document = planted(record, tmp_path / "lie", repeated("choice_scores", [0.0] * 40_000))
    (answers,) = document.parent.glob("*.parquet")
    table = pq.read_table(answers)
    one_page = {"data_page_size": 2**30, "write_batch_size": 2**28}
    pq.write_table(table, answers, compression="zstd", **one_page)
    answers.write_bytes(lying(answers.read_bytes(), "choice_scores"))
    group = pq.ParquetFile(answers).metadata.row_group(0)
    told = [group.column(i).num_values for i in range(group.num_columns)]
    assert max(told) <= 100, "the footer's word"
    found = json.loads(document.read_text(encoding="utf-8"))
    found["answers_file"]["sha256"] = hashlib.sha256(answers.read_bytes()).hexdigest()
    document.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(RecordError, match=r"320000\d elements of choice_scores"):
        read_record(document)


@pytest.mark.parametrize("damage", range(0, 4_000, 97))
def test_a_damaged_file_of_answers_is_one_error(record: Path, tmp_path: Path, damage: int) -> None:
    folder = Path(shutil.copytree(record.parent, tmp_path / "damaged"))
    (document,), (answers,) = folder.glob("*.json"), folder.glob("*.parquet")
    data = bytearray(answers.read_bytes())
    data[damage % len(data)] ^= 0x5A
    answers.write_bytes(data)
    found = json.loads(document.read_text(encoding="utf-8"))
    found["answers_file"]["sha256"] = hashlib.sha256(data).hexdigest()
    document.write_text(json.dumps(found), encoding="utf-8")
    with contextlib.suppress(RecordError):
        assert len(read_record(document).answers) == len(read_record(record).answers)


@pytest.mark.parametrize("parts", [1, 2])
def test_an_archive_that_unpacks_to_far_more_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """In one part of gzip, or in two of which each alone would pass."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = 90 * 2**20
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    data, half = plain.getvalue(), -(-len(plain.getvalue()) // parts)
    packed = [gzip.compress(data[i : i + half]) for i in range(0, len(data), half)]
    file = tmp_path / "a.tar.gz"
    file.write_bytes(b"".join(packed))
    assert file.stat().st_size < 2**18 and len(packed) == parts
    with pytest.raises(DataError, match="20 times its size"):
        open_container(file)
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any(name.endswith((".tar", ".part")) for name in left)


def test_an_honest_record_is_read(record: Path) -> None:
    assert len(read_record(record).answers) == 80


def test_more_answers_than_a_board_pins_are_refused_before_they_are_read(record: Path) -> None:
    assert len(read_record(record, most=80).answers) == 80
    with pytest.raises(RecordError, match="80 answers; at most 79"):
        read_record(record, most=79)


def test_a_table_has_so_many_cells_and_columns_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "labels.csv"
    monkeypatch.setattr(tables, "MAX_CELLS", 10)
    monkeypatch.setattr(tables, "MAX_TABLE", 50)
    with pytest.raises(DataError, match="more than 10 cells"):
        list(rows_of(b"a,b\n" + b"1,2\n" * 6, file))
    assert len(list(rows_of(b"a,b\n" + b"1,2\n" * 5, file))) == 5
    with pytest.raises(DataError, match="1,001 columns"):
        list(rows_of(b",".join(b"c%d" % i for i in range(1001)) + b"\n", file))
    file.write_bytes(b"x" * 51)
    with pytest.raises(DataError, match="larger than 50 bytes"):
        read_table(file)


def test_a_table_whose_rows_all_say_one_long_text_is_read_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty-four rows of a text of megabytes, which the table keeps once, were gigabytes."""
    monkeypatch.setattr(item, "BATCH", 4 * 2**20)
    pq.write_table(pa.table({"text": ["a" * 2**20] * 200}), tmp_path / "a.parquet")
    rows = item.parquet_rows([tmp_path / "a.parquet"])
    before = pa.total_allocated_bytes()
    sizes = [pa.total_allocated_bytes() - before for _ in rows]
    assert len(sizes) == 200 and max(sizes) < 20 * 2**20


def test_a_table_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item, "SPARE", 2**20)
    for name, text in (("bomb", bytes(4 * 2**20)), ("table", b"abc")):
        table = pa.table({"image": [text] * 2})
        pq.write_table(
            table, tmp_path / f"{name}.parquet", compression="zstd", use_dictionary=False
        )
    assert len(list(item.parquet_rows([tmp_path / "table.parquet"]))) == 2
    with pytest.raises(DataError, match=r"unpacks to 8,[0-9,]+ bytes"):
        list(item.parquet_rows([tmp_path / "bomb.parquet"]))
