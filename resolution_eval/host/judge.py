"""Judge: a language model's word on open answers, through lmms-eval's own judge interface.

Off unless a run asks for it. A judgement stands beside exact match and token F1, in rows and fields
of its own; a judge that fails gives no verdict, not a wrong answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from loguru import logger

from resolution_eval.evidence.verdict import Judgement, Verdict
from resolution_eval.ground.errors import UsageError, suggest

PROVIDERS = ("openai", "azure", "bedrock")
"""Of lmms-eval's providers, those that answer one question at a time and come from a model."""
ATTEMPTS = 3
PAUSE = 2.0
"""Seconds between attempts."""
TIMEOUT = 60
"""Seconds that one answer may take."""
GIVEN_UP = 5
"""Failed judgements in a row after which the judge is not asked again in this run."""
VERDICTS = {"yes": 1, "no": 0}


class Judge:
    """One judge, `PROVIDER:MODEL`, and what it said of each answer."""

    def __init__(self, name: str, server: Any) -> None:
        self.name = name
        self._server = server
        self._known: dict[tuple[str, str, str], Judgement] = {}
        self._failed = 0

    def judgement(self, question: str, target: str, answer: str) -> Judgement:
        """Whether `answer` says what `target` says, by the judge's word; nothing is asked twice."""
        triple = (question, target, answer)
        if triple not in self._known:
            judgement = self._asked(*triple)
            if judgement.failure is not None:
                return judgement
            self._known[triple] = judgement
        return self._known[triple]

    def _asked(self, question: str, target: str, answer: str) -> Judgement:
        if self._failed >= GIVEN_UP:
            return self._failure(f"not asked, after {GIVEN_UP} failures in a row")
        try:
            said = self._server.evaluate_binary(question, target, answer, output_format="yes/no")
        except Exception as error:  # noqa: BLE001  (whatever a provider raises, its judgement fails)
            return self._failure(f"{type(error).__name__}: {error}")
        text = str(said["raw_response"])
        correct = VERDICTS.get(text.strip().strip("`'\"*.").lower())
        if not said["success"] or correct is None:
            return self._failure(f"neither yes nor no: {text[:200]!r}")
        self._failed = 0
        return Judgement(judge=self.name, model=said["model"], correct=correct, failure=None)

    def _failure(self, reason: str) -> Judgement:
        self._failed += 1
        if self._failed == GIVEN_UP:
            logger.warning(
                f"the judge {self.name} failed {GIVEN_UP} times in a row; not asked again"
            )
        return Judgement(judge=self.name, model=None, correct=None, failure=reason)


def judgement_of(doc: Mapping[str, Any], answer: str | None) -> Judgement | None:
    """What the run's judge says of an open answer; None without a judge, or without an answer."""
    if answer is None or doc["form"] != "open" or not doc.get("judge"):
        return None
    return open_judge(doc["judge"]).judgement(doc["question"], doc["answer"], answer)


def judgement_rows(verdict: Verdict, cell: Mapping[str, Any]) -> dict[str, Any]:
    """An open question's rows of a run with a judge, apart from all others.

    A failed judgement has no score, so that its cell is incomplete, and is counted.
    """
    said = verdict.judgement
    scored = {} if said is None or said.correct is None else {"score": said.correct}
    return {
        f"judged@{verdict.resolution}": {**cell, **scored},
        "judge_failed": {"count": int(said is not None and said.correct is None)},
    }


@cache
def open_judge(name: str) -> Judge:
    """The judge `PROVIDER:MODEL`, one per process.

    Raises:
        UsageError: the provider is none of `PROVIDERS`, or has no key, or lacks a package.
    """
    from lmms_eval.llm_judge import ServerConfig, get_server

    provider, _, model = name.partition(":")
    if provider not in PROVIDERS:
        raise UsageError(f"no judge of the kind {provider!r}; {suggest(provider, PROVIDERS)}")
    configuration = ServerConfig(
        model_name=model,
        temperature=0.0,
        max_tokens=16,
        timeout=TIMEOUT,
        num_retries=ATTEMPTS,
        retry_delay=PAUSE,
        judge_type="binary",
    )
    try:
        server = get_server(provider, configuration)
        available = server.is_available()
    except Exception as error:
        raise UsageError(f"the judge {name!r} cannot be set up: {error}") from error
    if not available:
        raise UsageError(
            f"the judge {name!r} has no key; set what lmms-eval's {provider} provider reads "
            "(OPENAI_API_KEY, and OPENAI_API_URL for a server of your own)"
        )
    client = getattr(server, "client", None)
    if provider == "openai" and client is not None:  # its own limits: 600 s, and retries on retries
        server.client = client.with_options(timeout=float(TIMEOUT), max_retries=0)
    return Judge(name, server)
