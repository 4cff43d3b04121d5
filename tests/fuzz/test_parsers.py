"""Damaged and invented input of every parser gives a result or one of our errors."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsers import PARSERS, fed

from resolution_eval.data.sources.containers import open_container
from resolution_eval.ground.errors import DataError, ImageError


def damaged(seed: bytes, chance: random.Random) -> bytes:
    """The seed with bytes changed, cut out, doubled or swapped for awkward ones."""
    data = bytearray(seed)
    for _ in range(chance.randrange(1, 5)):
        place = chance.randrange(len(data) + 1)
        end = min(len(data), place + chance.randrange(8))
        awkward = (b"", b"\0", b"\xff", b'"', b"\n", b"=", b"..", b"9" * 30, b"[" * 70, data[:40])
        data[place:end] = chance.choice(awkward)
    return bytes(data)


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 2**32), invented=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(name: str, number: int, invented: bytes) -> None:
    chance = random.Random(number)
    fed(name, damaged(chance.choice(PARSERS[name][1]), chance))
    fed(name, invented)


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_a_beginning_is_no_crash_and_a_sound_one_is_read(name: str) -> None:
    parse, (first, *others) = PARSERS[name]
    for seed in others:
        fed(name, seed)
    if name == "images":  # a beginning alone
        with pytest.raises(ImageError):
            parse(first)
    else:
        parse(first)


FOUND = (
    # a zip that says it needs version 14.7 of the format
    (
        "archives",
        "UEsDBBQAAAAIAGwCeV0TLUMbBwAAACwBAAAHAJ0AYS8xLnBuZ6uoGAXEAgBQSwECFAOTAAAACABsAnld"
        "Ey1DGwcAAAAsAQAABwAAAAAAAAAAAAAAgAEAAAAAYS8xLnBuZ1BLBQYAAAAAAQABADUAAAAsAAAAAAA=",
    ),
    # a zip with a member whose name is empty
    (
        "archives",
        "UEsDBBQAAAAIAFEdeV0TLUMbBwAAACwBAAAHAAAAYS8xLpCKZ6uoGAXEAgBQSwECFAMUZ6uoGAXEAgBQSwEC"
        "FAMUAAAACABRHXldEy1DGwcAAAAsAQAABwAAAAAAAABuZ1BLBQYAEAAAAQABADUAAAAsAAAAAAA=",
    ),
)
"""Input in base64 that once raised something else, by parser."""


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_once_is_refused(name: str, data: str, tmp_path: Path) -> None:
    assert name == "archives", "say below how another parser refuses"
    (tmp_path / "a.zip").write_bytes(base64.b64decode(data))
    with pytest.raises(DataError):
        open_container(tmp_path / "a.zip")
    fed(name, base64.b64decode(data))
