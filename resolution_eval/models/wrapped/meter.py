"""The meter: what a server counted of each image, beside what was predicted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from loguru import logger

from resolution_eval.evidence.attestation import Sent, ServerFacts
from resolution_eval.evidence.ladder import DIFFERENCE, due, spelled, was_dropped
from resolution_eval.evidence.verdict import Failure
from resolution_eval.models.arguments import flag
from resolution_eval.models.providers.forecast import Forecast
from resolution_eval.models.providers.usage import (
    fingerprint_of,
    model_of,
    read_usage,
    refusal_of,
    related,
    says_something,
    words_beside,
)
from resolution_eval.models.wrapped.baselines import Baselines
from resolution_eval.models.wrapped.engine_inputs import PLACEHOLDERS, EngineInput
from resolution_eval.models.wrapped.exchange import Exchange
from resolution_eval.models.wrapped.predictors import LONE, Predictor, Turns, predictor
from resolution_eval.models.wrapped.traffic import Channel
from resolution_eval.resolution import Size

NOTHING = Forecast()
BASELINES = "resolution_eval_baselines.json"
"""Name of the file of counts without images in the folder of `--use_cache`."""
WHOLE = "all prompt tokens, of which the image's are a part"
"""`ServerFacts.counted_by` where no more is known, and even all of them are too few."""


class TokenMeter:
    """Reads what a server says of each answer, over one run."""

    def __init__(
        self,
        model: str,
        predictor: Predictor | None,
        *,
        counts_by_difference: bool = True,
        baselines: Path | None = None,
        channel: Channel | None = None,
        trust_environment: bool = True,
    ) -> None:
        self._model, self.predictor = model, predictor
        self._by_difference = counts_by_difference
        self._channel, self._trusts, self._own_file = channel, trust_environment, baselines
        self.baselines = Baselines(baselines, channel, trust_environment=trust_environment)
        self._seen: dict[str, str] = {}
        """Model name and fingerprint that answered first."""
        self._lock = Lock()

    def begin(self, folder: Path | None) -> None:
        """A run begins: no name has answered yet, and counts of prompts without images are kept in
        `folder`, where no file was named for them; without either, for this run alone.
        """
        self._seen.clear()
        if self._own_file is None:
            kept = None if folder is None else folder / BASELINES
            self.baselines = Baselines(kept, self._channel, trust_environment=self._trusts)

    def failure(self, exchanges: list[Exchange], said: Failure | None) -> Failure | None:
        """Why there is no answer, in the server's words where there are any."""
        last = exchanges[-1] if exchanges else None
        if last is not None and last.answer is not None:
            refused = refusal_of(last.answer)
            if refused is not None:
                return Failure(kind="refusal", message=f"the model refused to answer: {refused}")
            named = model_of(last.answer)
            if said is None and named is not None and not related(self._model, named):
                return Failure(
                    kind="another model",
                    message=f"{self._model!r} was asked and {named!r} answered; where that is the "
                    "same model, give model_version= the name that answers",
                )
        if last is not None and last.fault is not None and (said is None or said.kind != "budget"):
            again = len(exchanges) > 1 and last.kind != "budget"
            tried = f" ({len(exchanges)} requests)" if again else ""
            return Failure(kind=last.kind, message=last.fault + tried)
        if last is not None and last.answer is not None and said is not None:
            return _without_text(last, said)
        return said

    def served(
        self,
        exchanges: list[Exchange],
        sent: Sequence[Sent | None],
        engine: EngineInput | None = None,
    ) -> ServerFacts:
        """What is known of the answer that the last of `exchanges` brought to a question whose
        images were `sent` so: the size is the first's, the tokens are those of all together.

        Of an `engine` in this process, its own size and placeholders take the place of both.
        """
        last = exchanges[-1] if exchanges else None
        answer = {} if last is None or last.answer is None else last.answer
        forecast = summed(self.forecasts(exchanges, sent, engine))
        least = None if forecast.tokens is None else forecast.tokens[0]
        counted, by = (None, None) if last is None else self._count(last, answer, least)
        if engine is not None:
            counted, by = sum(engine.tokens), PLACEHOLDERS
        return ServerFacts(
            rule=forecast.rule or None,
            predicted_size=None
            if forecast.size is None
            else (forecast.size.width, forecast.size.height),
            predicted_tokens=forecast.tokens,
            unit=forecast.unit,
            by_size=forecast.by_size,
            wrapping=forecast.wrapping,
            counted_tokens=counted,
            counted_by=by,
            model=model_of(answer),
            fingerprint=fingerprint_of(answer),
            attempts=max(1, len(exchanges)),
        )

    def forecasts(
        self,
        exchanges: list[Exchange],
        sent: Sequence[Sent | None],
        engine: EngineInput | None = None,
    ) -> list[Forecast]:
        """What is foretold of each image of a question, at the size that an `engine` made of it."""
        turns = turns_of(exchanges[-1].body) if exchanges else LONE
        first = turns if len(sent) == 1 else alone(turns)
        forecasts = [self._forecast(first, one) for one in sent]
        if engine is None or len(engine.sizes) != len(forecasts):
            return forecasts
        return [
            one if size is None else replace(one, size=Size(*size), rule=one.rule or PLACEHOLDERS)
            for one, size in zip(forecasts, engine.sizes, strict=True)
        ]

    def most(self, exchange: Exchange) -> int | None:
        """Most tokens of a question's images and what is around them; None if no rule tells."""
        forecasts = self.forecasts([exchange], exchange.images)
        known = [one.tokens[1] + one.wrapping for one in forecasts if one.tokens is not None]
        return sum(known) if len(known) == len(forecasts) else None

    def _forecast(self, turns: Turns, sent: Sent | None) -> Forecast:
        if self.predictor is None or sent is None or not sent.width or not sent.height:
            return NOTHING
        return self.predictor.forecast(Size(sent.width, sent.height), turns)

    def _count(
        self, exchange: Exchange, answer: Mapping[str, Any], least: int | None
    ) -> tuple[int | None, str | None]:
        """Image tokens by the server's word, and where it said so; at `least` so many are due.

        A field that says 0 may be one that is not filled: it is believed where nothing else tells.
        """
        if not answer or not exchange.images:
            return None, None
        usage = read_usage(answer)
        if usage.image:
            return usage.image, usage.image_field
        if exchange.url.partition("?")[0].endswith("/v1/messages"):
            free = self.baselines.count(exchange)
            if free is not None:
                return free, "count_tokens"
        if usage.prompt is None:
            return usage.image, usage.image_field
        bare = self.baselines.tokens(exchange) if self._by_difference else None
        if bare is not None:
            return max(0, usage.prompt - bare), DIFFERENCE
        if least is None:
            return usage.image, usage.image_field
        return (usage.prompt, WHOLE) if usage.prompt < least else (None, None)

    def changes(self, served: ServerFacts) -> tuple[str, ...]:
        """A note for each name that differs from that of the run's first answer; a warning once."""
        notes = []
        for what, value in (("model", served.model), ("fingerprint", served.fingerprint)):
            if value is None:
                continue
            with self._lock:
                first = self._seen.setdefault(what, value)
                new = value != first and f"{what} {value}" not in self._seen
                self._seen.setdefault(f"{what} {value}", value)
            if value != first:
                notes.append(f"the server's {what} changed within the run: {first}, then {value}")
            if new:
                logger.warning(notes[-1])
        return tuple(notes)


def _without_text(last: Exchange, said: Failure) -> Failure:
    """What the base said of an answer that it could not use, in the words of what came."""
    if last.answer is None or says_something(last.answer):
        return said
    if said.kind == "empty":
        shown = f"the server's answer has no text{words_beside(last.answer)}"
        return Failure(kind="empty", message=shown)
    if said.kind != "request":
        return said
    shown = f"an answer without a text (status {last.status}): {str(last.answer)[:160]}"
    return Failure(kind="unreadable", message=shown)


def token_meter(
    model: str, told: Mapping[str, Any], channel: Channel, *, trusts: bool
) -> TokenMeter:
    """The meter of a run that asks the served `model` through `channel`, by reswrap's arguments
    `told`; a budget is kept by what it foretells.

    Raises:
        UsageError: an argument names no rule, is no number, or does not fit.
        ModelError: the processor cannot be loaded.
    """
    differs, kept = told["count_difference"], told["baselines"]
    meter = TokenMeter(
        model,
        predictor(model, told),
        counts_by_difference=flag("count_difference", True if differs is None else differs),
        baselines=None if kept is None else Path(kept),
        channel=channel,
        trust_environment=trusts,
    )
    channel.spending.images = meter.most
    return meter


def dropped(served: ServerFacts) -> Failure | None:
    """A failure where the count says that no image reached the model."""
    if not was_dropped(served):
        return None
    bounds = due(served)
    wanted = "more" if bounds is None else spelled(bounds)
    return Failure(
        kind="dropped",
        message=f"{served.counted_tokens} image tokens were counted by {served.counted_by} where "
        f"{wanted} were due: the image did not reach the model",
    )


def summed(forecasts: Sequence[Forecast]) -> Forecast:
    """The first image's forecast, with the tokens of all images where all are known."""
    tokens = [one.tokens for one in forecasts if one.tokens is not None]
    both = sum(least for least, _ in tokens), sum(most for _, most in tokens)
    return replace(
        forecasts[0],
        tokens=both if len(tokens) == len(forecasts) else None,
        by_size=all(one.by_size for one in forecasts),
        wrapping=sum(one.wrapping for one in forecasts),
    )


def alone(turns: Turns) -> Turns:
    """The conversation with its first image alone: what one becomes depends on no other."""
    numbers = count()
    return [
        {
            **turn,
            "content": [
                part for part in turn["content"] if part["type"] != "image" or next(numbers) == 0
            ],
        }
        for turn in turns
    ]


def turns_of(body: Mapping[str, Any]) -> Turns:
    """The request's conversation, in the form of transformers' chat templates."""
    turns: list[dict[str, Any]] = []
    for turn in body.get("messages") or body.get("contents") or ():
        content = turn.get("content", turn.get("parts"))
        parts = content if isinstance(content, list) else [{"type": "text", "text": str(content)}]
        told = [
            {"type": "text", "text": str(part.get("text", ""))}
            if "text" in part
            else {"type": "image"}
            for part in parts
            if isinstance(part, dict)
        ]
        turns.append({"role": str(turn.get("role", "user")), "content": told})
    return turns


def contradictions(answer: Mapping[str, Any], served: ServerFacts) -> list[str]:
    """Why fields of the usage were not believed."""
    usage = read_usage(answer)
    reasons = [f"{each}: they contradict each other, and none counts" for each in usage.conflicts]
    if usage.image == 0 and served.counted_tokens:
        reasons.append(
            f"the usage says 0 image tokens, which {served.counted_tokens} by {served.counted_by} "
            "contradict: the field is not filled"
        )
    return reasons


def told_of(sent: Sequence[Sent | None]) -> str:
    """How the images of a question went to where nobody can look.

    Example:
        >>> told_of([None])
        'the image was handed over'
    """
    known = [one for one in sent if one is not None]
    if len(known) < len(sent):
        return "the image was handed over" if len(sent) == 1 else "the images were handed over"
    if len(known) == 1:
        return f"an image of {known[0].width}x{known[0].height} px was sent as {known[0].format}"
    sizes = " and ".join(f"{one.width}x{one.height}" for one in known)
    formats = " and ".join(dict.fromkeys(one.format for one in known))
    return f"{len(known)} images of {sizes} px were sent as {formats}"


def evidence_of(served: ServerFacts, sent: Sequence[Sent | None]) -> str:
    """What is known of the grid, in place of evidence from a tensor."""
    said = []
    if served.counted_tokens is not None:
        said.append(f"{served.counted_tokens} image tokens counted by {served.counted_by}")
    bounds = due(served)
    if bounds is not None:
        said.append(f"{spelled(bounds)} due by {served.rule}")
    if not said and served.rule is not None:
        said.append(f"{served.rule} tells no tokens")
    shown = told_of(sent)
    return "; ".join([*said, shown] if said else [f"none: {shown}"])
