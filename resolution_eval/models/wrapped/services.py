"""Closed services: which package a base asks its provider with, and what that needs.

A base such as `claude` takes no address and says nothing of a missing package or key: it tries each
question five times, and then has no answer to tell (lmms-eval 0.7.3).
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from packaging.requirements import Requirement

from resolution_eval.ground.errors import ModelError, UsageError


@dataclass(frozen=True)
class ClosedService:
    """A provider's service, as one of lmms-eval's models asks it."""

    client: Requirement
    """The provider's package, in the versions that the base can ask with."""
    keys: tuple[str, ...]
    """Environment variables of which one holds the key; none where the base goes without."""
    address: str
    """Environment variable that names another server than the provider's."""
    arguments: tuple[str, ...] = ()
    """The base's own arguments with which it goes without these."""
    version: str = ""
    """Path of the interface's version, where the variable's address holds it."""

    @contextmanager
    def moved(self, url: str) -> Iterator[None]:
        """Has the service's client ask the server at `url` meanwhile, with a key that is none.

        `url` is without the version of the provider's interface.
        """
        variables = {self.address: url + self.version} | dict.fromkeys(self.keys[:1], "none")
        with patch.dict(os.environ, variables):
            yield


CLOSED_SERVICES: dict[str, ClosedService] = {
    "claude": ClosedService(
        client=Requirement("anthropic>=0.60,<1"),  # it gives a temperature, which 1.0 does not take
        keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        address="ANTHROPIC_BASE_URL",
    ),
    "gemini": ClosedService(
        client=Requirement("google-genai>=1"),
        keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        address="GOOGLE_GEMINI_BASE_URL",
        arguments=("api_key", "vertexai"),
    ),
    "gpt4v": ClosedService(
        client=Requirement("openai>=1"),
        keys=(),  # a key is made up where there is none, for servers that want none
        address="OPENAI_BASE_URL",
        version="/v1",
    ),
}
"""By the name of the base."""


def refuse_unready(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse to ask for the base `name` without what its service needs, if it asks one.

    Raises:
        ModelError: the package is absent, or of a version that the base cannot ask with.
        UsageError: there is no key.
    """
    service = CLOSED_SERVICES.get(name)
    if service is None:
        return
    client, there = service.client, _installed(service.client.name)
    if there is None or not client.specifier.contains(there, prereleases=True):
        shown = "is not installed" if there is None else f"is {there} here"
        raise ModelError(
            f"base={name} asks with the package {client.name}, which {shown}: pip install "
            f"'{client}'"
        )
    told = any(arguments.get(argument) for argument in service.arguments)
    if service.keys and not told and not any(os.environ.get(key) for key in service.keys):
        raise UsageError(f"base={name} has no key; set {' or '.join(service.keys)}")


def _installed(package: str) -> str | None:
    """Version of a package that is there; None where it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
