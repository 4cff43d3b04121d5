"""Spending: the tokens that a run pays a server for, kept within its budget.

lmms-eval's own check (0.7.3) begins a question while the budget is not passed yet, and so passes
it, by as many questions as are under way; and it counts answers kept from an earlier run. Here a
question is asked only where the most that it can take still fits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Condition
from typing import Any

from resolution_eval.models.providers.usage import read_usage
from resolution_eval.models.wrapped.exchange import LATE, Exchange

AROUND = 64
"""Tokens that a chat template may put around a text, until an answer tells better."""
FINEST = 14**2
"""Pixels of one token, of an image of which no rule tells the tokens, until an answer tells."""
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens")
"""Keys under which a request says how long its answer may be."""
LOOK = 0.02
"""Seconds between two looks at what is under way, of clients that share one thread."""


class Spending:
    """What was spent and what is under way, against one budget for the run."""

    def __init__(self, images: Callable[[Exchange], int | None] = lambda _: None) -> None:
        self.images = images
        """Most tokens of a question's images by a rule; None where none tells."""
        self.budget: int | None = None
        """Most tokens that may be spent; None without end."""
        self.spent = 0
        self.ended: str | None = None
        """Why nothing is asked any more; None while the budget lasts."""
        self._under_way = 0
        self._around, self._largest, self._longest = AROUND, 0, 0
        self._settled = Condition()

    def most(self, exchange: Exchange) -> int:
        """Most tokens that a question can take, with its answer.

        A text has no more tokens than bytes. Of images without a rule, and of answers without a
        limit, it is the most that was seen so far.
        """
        shown = self._shown(exchange)
        if shown is None:
            pixels = sum(image.width * image.height for image in exchange.images)
            shown = max(self._largest, -(-pixels // FINEST))
        return shown + len(exchange.text.encode()) + self._around + self._answer(exchange.body)

    def _shown(self, exchange: Exchange) -> int | None:
        return self.images(exchange) if exchange.images else 0

    def _answer(self, body: Mapping[str, Any]) -> int:
        settings = body.get("generationConfig")
        places = [body, settings] if isinstance(settings, dict) else [body]
        told = [place.get(name) for place in places for name in LIMITS]
        return max((limit for limit in told if isinstance(limit, int)), default=self._longest)

    def reserve(self, exchange: Exchange) -> int | None:
        """Set aside what a question can take; None where that no longer fits.

        Where it would fit only if those under way take less than they can, it waits for them.
        """
        with self._settled:
            while (held := self._reserved(exchange)) == 0:
                self._settled.wait()
            return held

    async def reserve_async(self, exchange: Exchange) -> int | None:
        """As `reserve`, of a client that other requests share a thread with."""
        while True:
            with self._settled:
                held = self._reserved(exchange)
            if held != 0:
                return held
            await asyncio.sleep(LOOK)

    def _reserved(self, exchange: Exchange) -> int | None:
        """What was set aside; None where nothing more is asked, 0 where that is not known yet."""
        if self.ended is not None:
            return None
        most = 1 if self.budget is None else self.most(exchange)
        if self.budget is not None and self.spent + self._under_way + most > self.budget:
            if self._under_way:
                return 0
            self.ended = (
                f"the budget of {self.budget:,} tokens might be passed: {self.spent:,} are spent, "
                f"and the next question may take {most:,}; what was answered is kept"
            )
            return None
        self._under_way += most
        return most

    def settle(self, reserved: int, exchange: Exchange) -> None:
        """Count what a question took: by the answer's word, nothing where it was refused or never
        left, and otherwise all that was set aside, since it may have been billed.
        """
        with self._settled:
            self._under_way -= reserved
            self.spent += self._took(reserved, exchange)
            self._settled.notify_all()

    def _took(self, reserved: int, exchange: Exchange) -> int:
        refused = exchange.status is not None and exchange.status >= 400
        if exchange.unsent or (refused and exchange.status not in LATE):
            return 0
        usage = read_usage(exchange.answer or {})
        if usage.prompt is None:
            return reserved
        written = usage.generated or 0
        shown = 0 if self.budget is None else self._shown(exchange)
        if shown is None:
            self._largest = max(self._largest, usage.prompt)
        else:
            around = usage.prompt - shown - len(exchange.text.encode())
            self._around = max(self._around, 0 if self.budget is None else around)
        self._longest = max(self._longest, written)
        return usage.prompt + written


@contextmanager
def budgeted(spending: Spending) -> Iterator[None]:
    """The budget of lmms-eval's `--max_tokens` is kept by `spending` meanwhile, of which nothing is
    spent yet; lmms-eval is told at the end whether it stopped the run.
    """
    from lmms_eval.models.model_utils import usage_metrics

    budget = spending.budget = usage_metrics._BUDGET
    spending.spent, spending.ended = 0, None
    usage_metrics.set_budget(None)
    try:
        yield
    finally:
        usage_metrics.set_budget(budget)
        if spending.ended is not None:
            usage_metrics._BUDGET_EXCEEDED = True
