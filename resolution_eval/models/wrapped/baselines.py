"""Prompt tokens of a request without its image, asked of the server once for each prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import requests
from loguru import logger
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from resolution_eval.ground.files import replace
from resolution_eval.ground.notation import json_table
from resolution_eval.models.providers.usage import read_usage
from resolution_eval.models.wrapped.exchange import Exchange, digest_of, elsewhere, never_left
from resolution_eval.models.wrapped.pauses import BUSY
from resolution_eval.models.wrapped.traffic import Channel

PATIENCE = Retry(
    total=5,
    allowed_methods=None,
    backoff_factor=0.5,
    respect_retry_after_header=True,
    raise_on_status=False,
)
"""How often, and how long apart, a server that is busy is asked again; it may say so itself."""
ATTEMPTS = 6
"""How often a count is asked of a busy server, whose pauses hold for all requests to it."""
TIMEOUT = 120
"""Seconds to wait for the answer to a text of which one token is wanted."""
LENGTH = ("content-length", "accept-encoding", "connection", "host")
"""Headers that belong to the request that was sent, not to this one."""


def patient(
    *, trust_environment: bool, billed: bool = False, busy: Sequence[int] = BUSY
) -> requests.Session:
    """A session that asks again where the status is one of `busy`, or an error of the server's; of
    requests that are `billed`, none whose answer was lost on the way, or behind a gateway (504), as
    it may be billed already. Where none is `busy`, its `Retry-After` is the caller's to heed:
    urllib3 would wait for it by itself, whatever the statuses.
    """
    statuses = (*busy, 500, 502)
    again = (
        PATIENCE.new(read=0, status_forcelist=statuses, respect_retry_after_header=bool(busy))
        if billed
        else PATIENCE.new(status_forcelist=(*statuses, 504))
    )
    session = requests.Session()
    session.trust_env = trust_environment
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    return session


class Baselines:
    """What prompts count without their images, kept for the run, and in a file where one is named.

    The file holds digests and numbers alone.
    """

    def __init__(
        self,
        path: Path | None = None,
        channel: Channel | None = None,
        *,
        trust_environment: bool = True,
    ) -> None:
        self._path, self._lock, self._channel = path, Lock(), channel or Channel()
        self._known: dict[str, int | None] = {} if path is None else _read(path)
        self._trust_environment = trust_environment
        self.asked = 0
        """Requests that this run spent on them."""

    def tokens(self, exchange: Exchange) -> int | None:
        """Prompt tokens of the same request without its image; None where the server counts none.

        It goes to where the exchange went, with its headers.
        """
        body = exchange.without_images()
        key = digest_of(exchange.url, body)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._ask(exchange, body)
                self._write()
            return self._known[key]

    def count(self, exchange: Exchange) -> int | None:
        """Image tokens by Anthropic's free count: of the request less those without its image."""
        url = exchange.url.partition("?")[0] + "/count_tokens"
        keys = ("model", "messages", "system")
        whole, bare = exchange.body, exchange.without_images()
        try:
            counts = [
                self._post(url, exchange.headers, {key: body[key] for key in keys if key in body})
                for body in (whole, bare)
            ]
        except requests.RequestException as error:
            _warn(type(error).__name__)
            return None
        with_image, without = (read_usage({"usage": usage or {}}).prompt for _, usage in counts)
        return None if with_image is None or without is None else with_image - without

    def _ask(self, exchange: Exchange, body: dict[str, Any]) -> int | None:
        """None too where the budget has no room for it."""
        bare = Exchange(exchange.url, exchange.headers, body, text=exchange.text)
        held = self._channel.spending.reserve(bare)
        if held is None:
            return None
        try:
            bare.status, bare.answer = self._post(bare.url, bare.headers, body)
        except requests.RequestException as error:
            bare.unsent = never_left(error)
            _warn(type(error).__name__)
        finally:
            self._channel.spending.settle(held, bare)
        return None if bare.answer is None else read_usage(bare.answer).prompt

    def _post(
        self, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any] | None]:
        """Status and JSON of the answer; None, with a warning, where it has none.

        Raises:
            RequestException: no answer came.
        """
        own = {name: value for name, value in headers.items() if name.lower() not in LENGTH}
        self.asked += 1
        pauses, data = self._channel.pauses, json.dumps(body).encode()
        with patient(trust_environment=self._trust_environment, billed=True, busy=()) as session:
            for _ in range(ATTEMPTS):
                sent = pauses.wait(url)
                response = session.post(url, data=data, headers=own, timeout=TIMEOUT)
                pauses.note(url, response.status_code, response.headers, sent)
                if response.status_code not in BUSY:
                    break
        good = response.status_code < 400 and elsewhere(url, response.url) is None
        answer = json_table(response.content) if good else None
        if answer is None:
            _warn(response.status_code)
        return response.status_code, answer

    def _write(self) -> None:
        if self._path is None:
            return
        known = {key: count for key, count in self._known.items() if count is not None}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace(self._path, json.dumps(known, indent=0).encode())


def _warn(why: object) -> None:
    logger.warning(f"no count of the prompt without its image ({why})")


def _read(path: Path) -> dict[str, int | None]:
    """Counts kept by an earlier run; none of a file that is not ours."""
    try:
        known = json_table(path.read_bytes()) or {}
    except OSError:
        return {}
    return {key: count for key, count in known.items() if isinstance(count, int)}
