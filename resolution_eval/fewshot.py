"""Few-shot: refused for now, since our adapters take one image per question."""

from __future__ import annotations

import random
from typing import Any, NoReturn

from resolution_eval.errors import UsageError, host_boundary

SAMPLER = "resolution_eval"
"""Name of the sampler in lmms-eval's table and in our tasks' YAML."""


class NoExamples:
    """Stands where lmms-eval looks for a sampler of demonstrations, and refuses to give any.

    Without it, `--num_fewshot` ends in a traceback; with the host's own, demonstrations would come
    from the test set, at other resolutions, and without their images.
    """

    fewshot_delimiter = "\n\n"

    def __init__(
        self, docs: Any, task: Any, fewshot_indices: Any = None, rnd: random.Random | None = None
    ) -> None:
        self.rnd = rnd

    def get_context(self, doc: Any, num_fewshot: int) -> NoReturn:
        """Refuse.

        Raises:
            SystemExit: always, with one sentence.
        """
        with host_boundary():
            raise UsageError(
                f"--num_fewshot {num_fewshot}: demonstrations need an adapter that takes several "
                "images per question, and none here does yet; run without --num_fewshot"
            )
        raise AssertionError

    get_chat_context = get_context
