"""Downloads from a real server on this machine: resumed, verified, bounded, whole or not there."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from resolution_eval.data.sources import download as module
from resolution_eval.data.sources.download import Remote, download
from resolution_eval.ground.errors import DataError

CONTENT = np.random.default_rng(11).bytes(3_000_017)
MD5 = hashlib.md5(CONTENT).hexdigest()
TIMEOUT = (2.0, 1.0)

pytestmark = pytest.mark.timeout(60)


@dataclass
class Server:
    """A file server that meets its requests with `plan`, one behaviour each, then serves well."""

    url: str = ""
    plan: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of each request so far."""

    def remote(self, size: int = len(CONTENT), md5: str = MD5) -> Remote:
        return Remote(self.url, size, md5)


class Handler(BaseHTTPRequestHandler):
    state: Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.state.ranges.append(self.headers.get("Range"))
        behaviour = self.state.plan.pop(0) if self.state.plan else "serve"
        name, _, value = behaviour.partition(":")
        if name == "status":
            return self._error(int(value))
        if name == "html":
            return self._send(b"<html>log in</html>", {"Content-Type": "text/html; charset=utf-8"})
        if name == "hang":
            time.sleep(float(value))
            return None
        if name == "drop":
            return None
        return self._serve(name, value)

    def do_HEAD(self) -> None:
        missing = self.state.plan[:1] == ["status:404"]
        self.send_response(404 if missing else 200)
        if self.state.plan[:1] != ["nolength"]:
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def _error(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Retry-After", "7")
        self.end_headers()

    def _serve(self, name: str, value: str) -> None:
        asked = self.headers.get("Range")
        start = offset(asked) if asked and name not in ("norange", "norangecut") else 0
        sent_from = start + 5 if name == "shifted" else start
        body = CONTENT[sent_from:]
        if name in (
            "cut",
            "norangecut",
        ):  # the whole length is promised, and only up to a point in the file sent
            stop = max(0, len(CONTENT) * int(value) // 100 - start)
            return self._send(body[:stop], self._headers(start, len(body)))
        if name == "longer":
            body += b"more"
        if name == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        headers = {} if name == "nolength" else self._headers(sent_from, len(body))
        return self._send(body, headers)

    def _headers(self, start: int, length: int) -> dict[str, str]:
        headers = {"Content-Length": str(length)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{start + length}"
        return headers

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(206 if "Content-Range" in headers else 200)
        for key, text in headers.items():
            self.send_header(key, text)
        self.end_headers()
        with suppress(ConnectionError):  # a client that refuses the file hangs up
            self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    handler = type("StatefulHandler", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}/file.zip"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The pauses that were asked for, none of them taken."""
    monkeypatch.setenv("NO_PROXY", "*")
    return []


def fetched(server: Server, target: Path, waits: list[float], **remote) -> Path:
    return download(server.remote(**remote), target, sleep=waits.append, timeout=TIMEOUT)


def assert_whole(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert not target.with_name(target.name + ".part").exists()


def offset(asked: str | None) -> int:
    """First byte that a Range header asks for."""
    assert asked is not None
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def test_a_file_arrives_whole_with_progress_shown(server, waits, tmp_path, capsys):
    target = tmp_path / "deep" / "file.zip"
    assert fetched(server, target, waits) == target
    assert_whole(target)
    assert waits == []
    shown = capsys.readouterr().err
    assert "file.zip" in shown
    assert "100%" in shown


def test_a_file_that_is_there_is_not_asked_for_again(server, waits, tmp_path):
    fetched(server, tmp_path / "f", waits)
    fetched(server, tmp_path / "f", waits)
    assert len(server.ranges) == 1


def test_a_file_of_another_size_is_replaced(server, waits, tmp_path):
    (tmp_path / "f").write_bytes(b"half a fi")
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")


@pytest.mark.parametrize("percent", [10, 50, 99])
def test_a_cut_connection_is_continued_where_it_stopped(server, waits, tmp_path, percent):
    server.plan = [f"cut:{percent}"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert server.ranges[0] is None
    assert 0 <= len(CONTENT) * percent // 100 - offset(server.ranges[1]) < module.CHUNK
    assert len(server.ranges) == 2
    assert waits == [1.0]


def test_a_connection_cut_again_and_again_still_arrives(server, waits, tmp_path):
    server.plan = ["cut:10", "cut:40", "cut:40", "cut:99"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_after_five_cuts_it_gives_up_and_the_next_run_continues(server, waits, tmp_path):
    server.plan = ["cut:10", "cut:20", "cut:30", "cut:40", "cut:50"]
    with pytest.raises(DataError, match=r"gave up after 5 attempts.*run again to continue"):
        fetched(server, tmp_path / "f", waits)
    assert not (tmp_path / "f").exists()
    kept = (tmp_path / "f.part").read_bytes()
    assert 0 <= len(CONTENT) // 2 - len(kept) < module.CHUNK
    assert CONTENT.startswith(kept)
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert offset(server.ranges[-1]) == len(kept)


def test_a_server_that_ignores_ranges_is_started_over(server, waits, tmp_path):
    server.plan = ["cut:50", "norange"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")


def test_a_server_that_sends_other_bytes_than_asked_is_refused(server, waits, tmp_path):
    server.plan = ["cut:50", "shifted"]
    with pytest.raises(DataError, match="was sent those from"):
        fetched(server, tmp_path / "f", waits)
    assert not (tmp_path / "f").exists()


def test_a_range_that_the_server_has_no_bytes_of_is_started_over(server, waits, tmp_path):
    target = tmp_path / "file"
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    server.plan = ["status:416"]
    assert download(server.remote(), target, sleep=waits.append).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_file_that_the_server_made_shorter_leaves_nothing_to_be_believed(server, waits, tmp_path):
    target = tmp_path / "file"
    (tmp_path / "file.part").write_bytes(CONTENT[:-5])
    server.plan = ["status:416"]
    with pytest.raises(DataError, match=r"has 3,000,017 bytes, expected 3,000,020"):
        download(server.remote(size=len(CONTENT) + 3), target, sleep=waits.append)
    assert not target.exists() and not (tmp_path / "file.part").exists()


def test_a_refused_range_of_a_new_download_is_an_error(server, waits, tmp_path):
    server.plan = ["status:416"]
    with pytest.raises(DataError, match="the server answered 416"):
        download(server.remote(), tmp_path / "file", sleep=waits.append)


def test_a_server_that_tells_no_length_is_read_to_its_end(server, waits, tmp_path):
    server.plan = ["nolength"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_when_it_says(server, waits, tmp_path, status):
    server.plan = [f"status:{status}"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert waits == [7.0]


def test_a_server_that_stays_busy_is_asked_five_times(server, waits, tmp_path):
    server.plan = ["status:500"] * 9
    with pytest.raises(DataError, match=r"gave up after 5 attempts; the last one: .* 500"):
        fetched(server, tmp_path / "f", waits)
    assert len(server.ranges) == 5


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(server, waits, tmp_path, status):
    server.plan = [f"status:{status}"]
    with pytest.raises(DataError, match=f"the server answered {status}"):
        fetched(server, tmp_path / "f", waits)
    assert len(server.ranges) == 1


def test_a_web_page_in_place_of_the_file_is_refused(server, waits, tmp_path):
    server.plan = ["html"]
    with pytest.raises(DataError, match="a web page in place of the file"):
        fetched(server, tmp_path / "f", waits)
    assert list(tmp_path.glob("f*")) == [tmp_path / "f.lock"]


def test_a_wrong_md5_leaves_nothing_behind(server, waits, tmp_path):
    server.plan = ["wrong"]
    with pytest.raises(DataError, match=f"expected {MD5}; the download was deleted"):
        fetched(server, tmp_path / "f", waits)
    assert list(tmp_path.glob("f*")) == [tmp_path / "f.lock"]


def test_a_stale_beginning_is_thrown_away_once(server, waits, tmp_path):
    (tmp_path / "f.part").write_bytes(b"X" * 1000)
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert server.ranges == ["bytes=1000-", None]


def test_a_server_that_starts_over_and_is_cut_leaves_nothing_of_the_stale_part(
    server, waits, tmp_path
):
    (tmp_path / "f.part").write_bytes(b"X" * 2_000_000)
    server.plan = ["norangecut:10"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert offset(server.ranges[1]) <= len(CONTENT) // 10


def test_a_whole_part_file_is_verified_and_taken(server, waits, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT)
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert server.ranges == []


def test_a_part_file_longer_than_the_file_is_started_over(server, waits, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT + b"X")
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")


@pytest.mark.parametrize("behaviour", ["longer", "serve"])
def test_a_file_of_another_size_on_the_server_is_refused(server, waits, tmp_path, behaviour):
    server.plan = [behaviour]
    size = len(CONTENT) + (0 if behaviour == "longer" else 9)
    with pytest.raises(DataError, match="not the published"):
        fetched(server, tmp_path / "f", waits, size=size)
    assert not (tmp_path / "f").exists()


def test_more_bytes_than_the_file_has_are_refused(server, waits, tmp_path):
    server.plan = ["nolength"]
    with pytest.raises(DataError, match="more than the expected"):
        fetched(server, tmp_path / "f", waits, size=2_000_000)
    assert not (tmp_path / "f").exists()


def test_a_silent_server_is_given_up_on_and_asked_again(server, waits, tmp_path):
    server.plan = ["hang:1.5", "drop"]
    fetched(server, tmp_path / "f", waits)
    assert_whole(tmp_path / "f")
    assert waits == [1.0, 2.0]


def test_no_connection_ends_at_once_without_a_retry(waits, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    remote = Remote(f"http://127.0.0.1:{port}/f", 9, MD5)
    started = time.monotonic()
    with pytest.raises(DataError, match=r"no connection to .* may be offline"):
        download(remote, tmp_path / "f", sleep=waits.append)
    assert time.monotonic() - started < 5
    assert waits == []


def test_an_unknown_host_ends_at_once_without_a_retry(waits, tmp_path, monkeypatch):
    def unresolved(*args: object, **keys: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(DataError, match=r"no connection to http://nowhere\.invalid/f"):
        download(Remote("http://nowhere.invalid/f", 9, MD5), tmp_path / "f", sleep=waits.append)
    assert waits == []


def test_a_connection_that_is_never_accepted_times_out_once(waits, tmp_path, monkeypatch):
    def never(*args: object, **keys: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", never)
    with pytest.raises(DataError, match="no connection to"):
        download(Remote("http://127.0.0.1:9/f", 9, MD5), tmp_path / "f", sleep=waits.append)
    assert waits == []
    assert module.CONNECT_SECONDS <= 10


def test_a_full_disk_is_noticed_before_the_start(server, waits, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": len(CONTENT)})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"3,000,017 bytes free, but .* RESOLUTION_EVAL_CACHE"):
        fetched(server, tmp_path / "f", waits)
    assert server.ranges == []


def test_a_folder_that_cannot_be_written_is_named(server, waits, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be written .* RESOLUTION_EVAL_CACHE"):
        fetched(server, tmp_path / "file" / "f", waits)


def test_two_at_once_download_it_once(server, waits, tmp_path):
    threads = [
        threading.Thread(target=fetched, args=(server, tmp_path / "f", waits)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_whole(tmp_path / "f")
    assert len(server.ranges) == 1


def test_a_file_whose_size_is_not_known_is_asked_for_it_first(server, waits, tmp_path):
    remote = module.published(server.url, MD5, TIMEOUT)
    assert remote == Remote(server.url, len(CONTENT), MD5)
    assert_whole(download(remote, tmp_path / "f", sleep=waits.append, timeout=TIMEOUT))


@pytest.mark.parametrize("behaviour", ["status:404", "nolength"])
def test_a_server_that_does_not_tell_the_size_is_one_error(server, waits, behaviour):
    server.plan = [behaviour]
    with pytest.raises(DataError, match="when asked for the size of the file; download it by hand"):
        module.published(server.url, MD5, TIMEOUT)


def test_without_a_connection_the_size_is_not_asked_for_twice(waits):
    with pytest.raises(DataError, match=r"no connection to http://127\.0\.0\.1:9/f"):
        module.published("http://127.0.0.1:9/f", MD5, TIMEOUT)
