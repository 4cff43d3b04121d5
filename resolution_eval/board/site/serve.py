"""Serving: the site on this machine only, for a look before it is published."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from typing import Any

from resolution_eval.board.site.build import MARKER, POLICY
from resolution_eval.ground.errors import UsageError

LOOPBACK = "127.0.0.1"
HOSTS = frozenset({LOOPBACK, "localhost"})
"""Names by which a browser on this machine asks."""
PORT = 8000


class _Site(SimpleHTTPRequestHandler):
    """Files of one folder: no listing, nothing kept by the browser, the pages' own policy."""

    extensions_map = {  # noqa: RUF012 - declared so by the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".json": "application/json",
        ".svg": "image/svg+xml",
    }

    def send_head(self) -> Any:
        """The file that is asked for; nothing that a link leads out to, and to nobody who came by
        another name than this machine's own, as a stranger's page with a DNS entry of its own may.
        """
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in HOSTS:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "served to this machine alone")
            return None
        asked = Path(self.translate_path(self.path))
        try:
            inside = asked.resolve().is_relative_to(Path(self.directory).resolve())
        except (OSError, ValueError):  # a loop of links, a NUL
            inside = False
        parts = asked.relative_to(self.directory).parts if inside else ()
        if not inside or any(part.startswith(".") for part in parts):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", f"{POLICY}; frame-ancestors 'none'")
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the browser shows what is missing."""


def server(site: Path, port: int = PORT) -> ThreadingHTTPServer:
    """A server of the folder `site` on the loopback address; port 0 takes a free one.

    Raises:
        UsageError: the folder is no site, or the port is taken.
    """
    if not (site / MARKER).is_file():
        raise UsageError(
            f"{site}: no site ({MARKER} is not there); make one with "
            "resolution-eval leaderboard build --output SITE"
        )
    refuse_unusable(port)
    return ThreadingHTTPServer((LOOPBACK, port), partial(_Site, directory=str(site)))


def refuse_unusable(port: int) -> None:
    """Refuse a port that is taken or none, by a UsageError."""
    with socket() as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"port {port} cannot be used ({error}); choose another") from error


def serve(site: Path, port: int = PORT) -> None:
    """Serve the site until it is interrupted.

    Raises:
        UsageError: the folder is no site, or the port is taken.
    """
    with server(site, port) as serving:
        print(f"http://{LOOPBACK}:{serving.server_port}/ shows {site}; Ctrl-C ends it", flush=True)
        serving.serve_forever()
