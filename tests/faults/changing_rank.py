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

from resolution_eval import runs
from resolution_eval.adapters.base import ResolutionAdapter

FAULT, IMAGE, SIGN = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
generate = ResolutionAdapter.generate_until


def in_turn(self: ResolutionAdapter, requests: list[Any]) -> list[str]:
    if os.environ["RANK"] == "0":
        replies = generate(self, requests)
        SIGN.touch()
        return replies
    deadline = time.monotonic() + 300
    while not SIGN.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    if FAULT == "deleted":
        IMAGE.unlink()
    elif FAULT == "changed":
        Image.new("RGB", (72, 64), "white").save(IMAGE)
    return generate(self, requests)


ResolutionAdapter.generate_until = in_turn  # type: ignore[method-assign]
sys.exit(runs.lmms_eval(sys.argv[4:]))
