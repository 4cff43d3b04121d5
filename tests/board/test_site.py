"""The site's files: the same bytes every time, readable strings, nothing that acts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from synthetic_board import CURVE, facts, submit, vouch

from resolution_eval.board.board_schema import STATUSES
from resolution_eval.board.rows import Board, load_board
from resolution_eval.board.scopes import slug
from resolution_eval.board.site import vendor
from resolution_eval.board.site.build import readable, write_site
from resolution_eval.board.site.serve import server
from resolution_eval.cli import main
from resolution_eval.ground import paths
from resolution_eval.ground.errors import DataError, UsageError

PATHMNIST = {"28": 0.2, "64": 0.5, "128": 0.8, "224": 0.9}
HIGH = dict.fromkeys(CURVE, 0.95)
SITE = paths.leaderboard() / "site"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rows on one data set, one of them on a second too, and one on open answers only."""
    home = tmp_path_factory.mktemp("board") / "leaderboard"
    submit(home, facts("synthetic/high"), {"phantom_res": HIGH, "pathmnist_res": PATHMNIST})
    submit(home, facts("synthetic/low", trained_on=["phantom"]), {"phantom_res": CURVE})
    submit(home, facts("synthetic/other", training="fixed:16"), training="fixed:16")
    vouch(home)
    return home


@pytest.fixture(scope="module")
def board(folder: Path) -> Board:
    return load_board(folder)


@pytest.fixture(scope="module")
def site(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("site") / "site"
    write_site(board, output)
    return output


def read(site: Path, name: str):
    return json.loads((site / "data" / name).read_text(encoding="utf-8"))


def contents(site: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(site)): path.read_bytes()
        for path in sorted(site.rglob("*"))
        if path.is_file()
    }


def test_the_same_records_make_the_same_bytes(folder, site, tmp_path, capsys):
    again = tmp_path / "again"
    assert main(["leaderboard", "build", "--board", str(folder), "--output", str(again)]) == 0
    assert contents(again) == contents(site)
    assert "3 rows, 0 published rows" in capsys.readouterr().out


def test_a_site_is_replaced_and_anything_else_is_not(board, tmp_path):
    output = tmp_path / "site"
    write_site(board, output)
    before = contents(output)
    write_site(board, output)
    assert contents(output) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years", encoding="utf-8")
    with pytest.raises(UsageError, match="did not write"):
        write_site(board, precious)
    assert (precious / "thesis.tex").read_text(encoding="utf-8") == "years"


def test_the_board_and_the_site_give_the_same_ranks_and_scores(board, site):
    document = read(site, "board.json")
    for scope, shown in zip(board.scopes, document["scopes"], strict=True):
        assert (shown["key"], shown["scheme"]) == (scope.key, "match")
        listed = read(site, shown["file"])["rows"]
        for line, row in zip(scope.lines, listed, strict=True):
            assert row["key"] == line.key and row["runs"] == [each.key for each in line.rows]
            assert row["place"] == line.place and row["rank"] == list(line.rank)
            found = [line.score.value, line.score.low, line.score.high]
            assert row["score"] == pytest.approx(found, abs=5e-5)
    standing = {row["key"]: row["standing"] for row in document["rows"]}
    for row in board.rows:
        place = standing[row.key]
        kind = "mean" if len(row.curves) > 1 else "dataset"
        assert place["scope"].startswith(kind) and place["runs"] == [row.key]


def test_what_a_status_means_is_said_once_and_shown_everywhere(site):
    assert read(site, "board.json")["meanings"] == STATUSES
    for path in SITE.glob("scripts/*.js"):
        assert not [text for text in STATUSES.values() if text in path.read_text(encoding="utf-8")]
    method = (site / "method.html").read_text(encoding="utf-8").lower()
    assert all(meaning in method for meaning in STATUSES.values())


def test_a_slow_model_does_not_stand_still(board, tmp_path):
    row = board.rows[0]
    points = []
    for point in row.curves[0].points:
        cost = point.cell.cost.model_copy(update={"samples_per_second": 0.0412})
        points.append(replace(point, cell=point.cell.model_copy(update={"cost": cost})))
    run = row.curves[0].run.model_copy(update={"samples_per_second": 0.00123})
    slow = replace(row.curves[0], run=run, points=tuple(points))
    write_site(replace(board, rows=(replace(row, curves=(slow,)),)), tmp_path / "site")
    (curve,) = read(tmp_path / "site", f"models/{row.key}.json")["curves"]
    assert (curve["speed"], {cell["speed"] for cell in curve["cells"]}) == (0.00123, {0.0412})


def test_a_data_set_ranks_every_row_on_it(site):
    lines = read(site, "datasets/phantom.json")["rows"]
    assert [line["rank"] for line in lines] == [[1, 1], [2, 3], [2, 3]]
    assert [line["place"] for line in lines] == [1, 2, 3]
    assert lines[0]["key"].startswith("synthetic__high")
    assert lines[0]["trained"] == ["64"] and lines[0]["floor"].startswith("0.")
    assert [each[:3] for each in lines[0]["budgets"]][:2] == [[64, "32", 64], [256, "64", 256]]


def test_the_first_scope_ranks_most_rows(board):
    first, *rest = board.scopes
    assert first.key == "dataset-phantom"
    assert {scope.kind for scope in rest} == {"mean", "modality", "dataset"}


def test_a_mean_over_data_sets_is_of_gains_over_the_floor(board, site):
    (mean,) = (scope for scope in read(site, "board.json")["scopes"] if scope["kind"] == "mean")
    (line,) = read(site, mean["file"])["rows"]
    (row,) = (row for row in board.rows if len(row.curves) == 2)
    gains = [curve.score.value for curve in row.curves]
    assert line["score"][0] == pytest.approx(sum(gains) / 2, abs=5e-5)
    assert line["area"][0] == pytest.approx(sum(c.area.value for c in row.curves) / 2, abs=5e-5)
    assert line["drop"][0] == pytest.approx(max(c.best_drop.value for c in row.curves), abs=5e-5)
    assert "budgets" not in line


def test_the_matrix_holds_rows_trained_at_other_resolutions(board, site):
    (other,) = (row for row in board.rows if row.facts.model == "synthetic/other")
    (matrix,) = read(site, f"models/{other.key}.json")["matrices"]
    assert {line["training"] for line in matrix["rows"]} == {"fixed:16", "fixed:64"}
    (mine,) = (line for line in matrix["rows"] if line["key"] == other.key)
    assert [cell["trained"] for cell in mine["cells"]] == [True, False, False, False, False]


def test_answers_are_paged_and_those_that_change_come_first(board, site):
    (low,) = (row for row in board.rows if row.facts.model == "synthetic/low")
    (curve,) = read(site, f"models/{low.key}.json")["curves"]
    about = curve["answers"]
    lines = read(site, f"answers/{about['folder']}-0.json")
    changes = [len({entry[0] for entry in line[2]}) > 1 for line in lines]
    assert len(lines) == about["samples"] == low.curves[0].n
    assert changes == sorted(changes, reverse=True)
    assert sum(changes) == about["flips"] > 0
    right = sum(line[2][0][0] for line in lines)
    assert right / len(lines) == pytest.approx(low.curves[0].points[0].accuracy.value)


def test_what_a_record_says_is_made_readable_and_stays_in_its_folder():
    assert readable("a\x00b\u202ec\u2066d\n\ud800é 漢") == "a\ufffdb\ufffdc\ufffdd \ufffdé 漢"
    for name in ("../../etc/passwd", "/", "..", ".", "a/b", "", "\u202e", "x" * 300):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", slug(name))
    assert slug("a/b") != slug("a-b") != slug("a b")


@pytest.mark.parametrize("key", ["../../outside", "a/../../../b"])
def test_a_key_that_leaves_the_site_is_refused(board, tmp_path, key):
    stray = replace(board, rows=(replace(board.rows[0], key=key),))
    with pytest.raises(ValueError, match="leaves the site's folder"):
        write_site(stray, tmp_path / "site")
    assert list(tmp_path.iterdir()) == []


def test_no_page_lets_a_string_act():
    for path in (*SITE.glob("scripts/*.js"), *SITE.glob("pages/*.html")):
        text = path.read_text(encoding="utf-8")
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert sink not in text, f"{path.name}: {sink}"
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=\"|\sstyle=\"|\|\s*safe", text), (
            path
        )


def test_every_page_carries_the_policy_and_names_no_other_host(site):
    for path in site.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
        assert "script-src &#39;self&#39;;" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for" in policy
        assert not re.findall(r'src="(?:https?:)?//', text)
        for tag in re.findall(r'<[^>]*href="(?:https?:)?//[^>]*>', text):
            assert tag.startswith("<a ") and 'rel="noopener"' in tag, tag


def test_what_was_generated_says_so_on_every_page(board, tmp_path):
    write_site(board, tmp_path / "site", generated="No model answered <this>.")
    pages = list((tmp_path / "site").glob("*.html"))
    assert len(pages) == 5
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert "Generated, not measured." in text
        assert "No model answered &lt;this&gt;." in text


def test_vendored_libraries_are_those_of_their_packages(monkeypatch, tmp_path):
    vendor.verify()
    for library in vendor.libraries():
        assert any(name.endswith("LICENSE.txt") for name in library["files"])
        assert library["version"] in library["tarball"]
    listed = (vendor.folder() / vendor.LIST).read_text(encoding="utf-8")
    (tmp_path / vendor.LIST).write_text(listed, encoding="utf-8")
    monkeypatch.setattr(vendor, "folder", lambda: tmp_path)
    with pytest.raises(DataError, match="no file, expected"):
        vendor.verify()


@pytest.fixture
def ask(site: Path) -> Iterator:
    """Asks a served site for a path; status, headers and body."""
    with server(site, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def get(path: str):
            connection = HTTPConnection(*serving.server_address, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

        yield get
        serving.shutdown()
        thread.join()


def test_serving_gives_the_site_and_nothing_beside_it(ask, site):
    status, headers, body = ask("/")
    assert (status, body) == (200, (site / "index.html").read_bytes())
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert ask("/scripts/board.js")[1]["Content-Type"].startswith("text/javascript")
    (site.parent / "secret.txt").write_text("secret", encoding="utf-8")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/data/", "/nothing"):
        status, _, body = ask(path)
        assert status == 404
        assert b"secret.txt" not in body


def test_serving_refuses_what_is_no_site_and_a_port_that_is_taken(site, tmp_path, capsys):
    assert main(["leaderboard", "serve", str(tmp_path)]) == 1
    assert "no site" in capsys.readouterr().err
    with server(site, 0) as serving, pytest.raises(UsageError, match="cannot be used"):
        server(site, serving.server_port)
    with pytest.raises(UsageError, match="port 70000"):
        server(site, 70000)


def test_serving_follows_no_link_out_and_shows_nothing_hidden(ask, site):
    (site.parent / "secret.txt").write_text("secret", encoding="utf-8")
    (site / "out.txt").symlink_to(site.parent / "secret.txt")
    (site / "folder").symlink_to(site.parent)
    (site / ".git").mkdir()
    (site / ".git" / "config").write_text("secret", encoding="utf-8")
    try:
        for path in ("/out.txt", "/folder/secret.txt", "/folder/", "/.git/config", "/a%00b"):
            status, _, body = ask(path)
            assert status == 404 and b"secret" not in body, path
    finally:
        for name in ("out.txt", "folder"):
            (site / name).unlink()
        (site / ".git" / "config").unlink()
        (site / ".git").rmdir()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_serving_answers_to_this_machines_names_alone(site, host, status):
    with server(site, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            connection = HTTPConnection(*serving.server_address, timeout=10)
            connection.request("GET", "/", headers={"Host": host})
            assert connection.getresponse().status == status
        finally:
            serving.shutdown()
            thread.join()
