"""The subject: what CHECKPOINT names, found in seconds and without a model library."""

from __future__ import annotations

import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from resolution_eval.ground.errors import ModelError, UsageError, suggest
from resolution_eval.ground.notation import NotationError, json_value

PATIENCE = 2.0
"""Seconds that the hub or a server is waited for when a name is checked."""
FORMS = (
    "a folder, a hub id (ORGANISATION/NAME), embedded/NAME, openai:NAME@URL, claude:NAME or "
    "gemini:NAME"
)
CLOSED = ("claude", "gemini")
"""Bases of lmms-eval's that ask their provider alone."""
UNREACHABLE = 0
"""In place of a status, where there is no way to the hub."""
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.pt")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is scored."""

    model: str
    """Adapter's name, as `lmms-eval --model` takes it."""
    arguments: Mapping[str, str]
    """As `--model_args`."""
    folder: Path | None = None
    """Where its weights lie; None where they are elsewhere."""
    served: bool = False
    """Whether it runs behind a server."""

    @property
    def name(self) -> str:
        """What the user called it."""
        names = (self.arguments.get(key) for key in ("pretrained", "model", "model_version"))
        return next(filter(None, names), "")

    def written(self, **more: str) -> str:
        """The arguments in lmms-eval's spelling, with `more`."""
        return ",".join(f"{key}={value}" for key, value in (dict(self.arguments) | more).items())


def subject(text: str, extra: Mapping[str, str] | None = None) -> Subject:
    """What `text` names; `extra` are more of its arguments.

    Raises:
        UsageError: it names nothing: no folder here, no checkpoint of the hub, no server.
        ModelError: it is a folder without a checkpoint, the hub or the server does not answer, or a
            package that a provider is asked with is absent.
    """
    more = dict(extra or {})
    for name, value in more.items():
        if "," in value:
            raise UsageError(f"{name}={value!r}: a comma parts arguments; give a value without one")
    if text.startswith("openai:"):
        return _served(text, more)
    if text.partition(":")[0] in CLOSED and ":" in text:
        return _closed(text, more)
    if Path(text).expanduser().is_dir():
        return _local(Path(text).expanduser(), more)
    if text.startswith("embedded/"):
        return _embedded(text, more)
    if text.startswith((".", "/", "~")) or text.count("/") != 1 or Path(text).exists():
        fault = "is a file" if Path(text).is_file() else "is no folder here"
        raise UsageError(f"{text} {fault}, and no name of a checkpoint; give {FORMS}")
    return _of_hub(text, more)


def _local(folder: Path, more: Mapping[str, str]) -> Subject:
    if "," in str(folder):
        raise UsageError(f"{folder}: a comma in the name parts arguments; rename the folder")
    given = {"pretrained": str(folder), **more}
    if (folder / "adapter_config.json").is_file():
        return Subject(model="reshf", arguments=given, folder=folder)
    config = folder / "config.json"
    if not config.is_file():
        inside = ", ".join(sorted(path.name for path in folder.iterdir())[:4]) or "nothing"
        raise ModelError(
            f"{folder} holds no checkpoint: neither config.json nor adapter_config.json is in it "
            f"({inside}); give the folder that save_pretrained wrote"
        )
    try:
        told = json_value(config.read_bytes())
    except NotationError as error:
        raise ModelError(f"{config} is no JSON ({error}); get the checkpoint again") from error
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise ModelError(f"{folder} has a config.json and no weights (*.safetensors); get it again")
    ours = isinstance(told, dict) and "flamingo" in told
    return Subject(model="resflamingo" if ours else "reshf", arguments=given, folder=folder)


def _embedded(text: str, more: Mapping[str, str]) -> Subject:
    known = embedded()
    if text not in known:
        raise UsageError(f"there is no checkpoint {text!r}; {suggest(text, known)}")
    given = {"pretrained": text, **more}
    return Subject(model="resflamingo", arguments=given, folder=known[text])


def embedded() -> dict[str, Path]:
    """The folders of the checkpoints that the package brings along, by name."""
    from resolution_eval.ground import paths

    folders = sorted((paths.models() / "embedded").glob("*"))
    return {f"embedded/{folder.name}": folder for folder in folders if folder.is_dir()}


def _served(text: str, more: Mapping[str, str]) -> Subject:
    name, at, url = text.removeprefix("openai:").partition("@")
    place = urlsplit(url)
    nowhere = at and (place.scheme not in ("http", "https") or not place.hostname)
    if not name or "," in text or nowhere:
        raise UsageError(f"{text!r} names no server; write openai:NAME@URL, say {EXAMPLE}")
    if not at and not os.environ.get("OPENAI_API_KEY"):
        fault = "is asked at api.openai.com, and OPENAI_API_KEY is not set; set it"
        raise UsageError(f"{text} {fault}")
    if at:
        _answers(place.hostname or "", place.port or (443 if place.scheme == "https" else 80), url)
        # the client wants one, a server of one's own does not
        os.environ.setdefault("OPENAI_API_KEY", "none")
    given = {"base": "openai", "model": name, **({"base_url": url} if at else {}), **more}
    return Subject(model="reswrap", arguments=given, served=True)


def _closed(text: str, more: Mapping[str, str]) -> Subject:
    from resolution_eval.models.wrapped.services import refuse_unready

    base, _, name = text.partition(":")
    if not name or "," in name:
        raise UsageError(f"{text!r} names no model; write {base}:NAME")
    refuse_unready(base, more)
    given = {"base": base, "model_version": name, **more}
    return Subject(model="reswrap", arguments=given, served=True)


EXAMPLE = "openai:Qwen/Qwen2.5-VL-7B-Instruct@http://localhost:8000/v1"


def _answers(host: str, port: int, url: str) -> None:
    """Refuse a server that nobody listens at."""
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except OSError as error:
        raise ModelError(
            f"nothing listens at {url} ({error}); start the server, or check host and port"
        ) from error


def _of_hub(text: str, more: Mapping[str, str]) -> Subject:
    """A checkpoint of the hub: in the cache here, or known to the hub."""
    from resolution_eval.data.cards import model_cards

    card = model_cards().get(text)
    model = "resflamingo" if card is not None and card.flamingo is not None else "reshf"
    checkpoint = Subject(model=model, arguments={"pretrained": text, **more}, folder=_cached(text))
    if checkpoint.folder is not None:
        return checkpoint
    close = suggest(text, model_cards()) if card is None else ""
    close = close if close.startswith("did you mean") else ""
    if any(os.environ.get(name, "") not in ("", "0") for name in OFFLINE):
        raise ModelError(
            f"{text} is neither a folder here nor in the cache of the hub, which is turned off "
            f"({' or '.join(OFFLINE)}); get it first{close and f', or: {close}'}"
        )
    status = _hub_status(text)
    if status in (None, 200):  # a slow hub may know it: who loads it will see
        return checkpoint
    if status == UNREACHABLE:
        raise ModelError(
            f"{text} is no folder here, and the hub cannot be reached; give a folder"
            f"{close and f', or: {close}'}"
        )
    raise UsageError(
        f"the hub has no open checkpoint {text!r} (status {status}); {close or f'give {FORMS}'}"
    )


def _cached(text: str) -> Path | None:
    """The newest copy in the hub's cache on this machine; None where there is none."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    root = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    copies = (root / f"models--{text.replace('/', '--')}" / "snapshots").glob("*/*config.json")
    return max((copy.parent for copy in copies), key=lambda c: c.stat().st_mtime, default=None)


def _hub_status(text: str) -> int | None:
    """What the hub says of the name, as HTTP does; None where nothing came in time.

    In a thread, since the look-up of a host's name heeds no time limit.
    """
    url = f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/api/models/{text}"
    said: list[int] = []

    def ask() -> None:
        token = os.environ.get("HF_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=PATIENCE) as it:
                said.append(int(it.status))
        except urllib.error.HTTPError as error:
            said.append(error.code)
        except TimeoutError:
            return
        except (OSError, ValueError):
            said.append(UNREACHABLE)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return said[0] if said else None
