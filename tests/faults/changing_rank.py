"""Runs lmms-eval as one rank of two: rank 0 answers, an image is changed, then rank 1 answers.

changing_rank.py {changed,deleted,nothing} IMAGE SIGN [lmms-eval's arguments ...]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from resolution_eval.adapters.adapter import ResolutionAdapter
from resolution_eval.host import runs


def main(fault: str, image: Path, sign: Path, arguments: list[str]) -> int:
    """The exit status of lmms-eval."""
    generate = ResolutionAdapter.generate_until

    def in_turn(self: ResolutionAdapter, requests: list[Any]) -> list[str]:
        if os.environ["RANK"] == "0":
            replies = generate(self, requests)
            sign.touch()
            return replies
        deadline = time.monotonic() + 300
        while not sign.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        if fault == "deleted":
            image.unlink()
        elif fault == "changed":
            Image.new("RGB", (72, 64), "white").save(image)
        return generate(self, requests)

    ResolutionAdapter.generate_until = in_turn  # type: ignore[method-assign]
    return runs.lmms_eval(arguments)


if __name__ == "__main__":
    _, fault, image, sign, *arguments = sys.argv
    sys.exit(main(fault, Path(image), Path(sign), arguments))
