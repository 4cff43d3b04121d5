"""Coverage-guided fuzzing by hand: `python tests/fuzz/harness.py PARSER SECONDS`.

It ends with status 0 where nothing but errors of ours was raised, and prints the input otherwise.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["resolution_eval", "parsers"]):
    import parsers


def main() -> None:
    name, seconds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as corpus:
        for place, seed in enumerate(parsers.PARSERS[name][1]):
            Path(corpus, str(place)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=65536", "-rss_limit_mb=4096"]
        crash = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-"
        atheris.Setup([sys.argv[0], *options, crash, corpus], lambda data: parsers.fed(name, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
