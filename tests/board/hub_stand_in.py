"""A stand-in for the hub's HTTP interface: what `huggingface_hub` asks of it to hold a repository.

Written from what the client sends. It keeps files in memory, wants a token for every change, and
puts the token that it was sent into its refusals, as a careless server might.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_standInToken0123456789"


class Hub:
    """What the server holds."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.commits: list[tuple[str, tuple[str, ...]]] = []
        self.created: list[dict[str, Any]] = []
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: Any) -> None: ...

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length")
        if length is not None:
            return self.rfile.read(int(length))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _say(self, content: Any, status: int = 200, **headers: str) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _missing(self) -> None:
        self._say({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        if given == f"Bearer {TOKEN}":
            return True
        self._say({"error": f"no access with {given}"}, 403)
        return False

    def do_GET(self) -> None:
        match = re.fullmatch(r"/api/(\w+)s/([\w.-]+/[\w.-]+)/tree/main", urlsplit(self.path).path)
        files = self.hub.repositories.get(f"{match[1]}:{match[2]}") if match else None
        if files is None:
            self._missing()
            return
        self._say([_entry(name, data) for name, data in sorted(files.items())])

    def do_PUT(self) -> None:
        self.hub.objects[self.path.rpartition("/")[2]] = self._body()
        self._say({})

    def do_POST(self) -> None:
        body, path = self._body(), urlsplit(self.path).path
        if path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        elif not self._allowed():
            return
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path.endswith("/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            self._say({"objects": [self._object(each) for each in wanted], "transfer": "basic"})
        elif match := re.fullmatch(r"/api/(\w+)s/([\w.-]+/[\w.-]+)/(preupload|commit)/main", path):
            files = self.hub.repositories[f"{match[1]}:{match[2]}"]
            if match[3] == "preupload":
                self._modes(json.loads(body)["files"])
            else:
                self._commit(f"{match[1]}:{match[2]}", files, body)
        else:
            self._missing()

    def _create(self, asked: dict[str, Any]) -> None:
        self.hub.created.append(asked)
        name = (
            f"{asked['organization']}/{asked['name']}" if "organization" in asked else asked["name"]
        )
        kind = asked.get("type", "model")
        self.hub.repositories.setdefault(f"{kind}:{name}", {".gitattributes": b"*.parquet lfs\n"})
        self._say({"url": f"{self.hub.url}/{kind}s/{name}"})

    def _object(self, wanted: dict[str, Any]) -> dict[str, Any]:
        href = f"{self.hub.url}/objects/{wanted['oid']}"
        return {**wanted, "actions": {"upload": {"href": href}}}

    def _modes(self, files: list[dict[str, Any]]) -> None:
        modes = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith(".parquet") else "regular",
                "shouldIgnore": False,
            }
            for each in files
        ]
        self._say({"files": modes})

    def _commit(self, name: str, files: dict[str, bytes], body: bytes) -> None:
        changed = []
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
            if "path" in value:
                changed.append(value["path"])
        self.hub.commits.append((name, tuple(sorted(changed))))
        oid = f"{len(self.hub.commits):040}"
        kind, _, place = name.partition(":")
        url = f"{self.hub.url}/{kind}s/{place}/commit/{oid}"
        self._say({"commitUrl": url, "commitOid": oid})


def _entry(name: str, data: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": blob}
    if name.endswith(".parquet"):
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 130}
    return entry


@contextmanager
def stand_in() -> Iterator[Hub]:
    """A hub that listens on the loopback address while the context lasts."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield hub
        server.shutdown()
        thread.join()
