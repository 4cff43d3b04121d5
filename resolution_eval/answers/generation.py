"""Generation: how an answer is written, as `generation_kwargs` and `--gen_kwargs` ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.ground.refusals import told as faults


class Generation(BaseModel):
    """How an answer is written: greedily, unless it says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    until: tuple[str, ...] = ()
    """Strings that end an answer, of which they are no part."""
    num_beams: Annotated[int, Field(ge=1)] = 1
    do_sample: bool = False
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Of sampling alone, as is `top_p`."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def sampling(self) -> dict[str, float]:
        """What `generate` is told of sampling; a checkpoint's own top_k would narrow it unseen."""
        told = {"temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return told if self.do_sample else {}


def generation(given: Mapping[str, Any], *, ours: bool) -> Generation:
    """What `given` asks for; temperature or top_p 0 without sampling is greedy, as is saying none.

    What would do nothing is refused in one of our tasks, since it would stand in the record as if
    it had; a task of lmms-eval's own has arguments for other models, which are passed over.

    Example:
        >>> generation({"max_new_tokens": 8, "temperature": 0, "until": "\\n"}, ours=True).until
        ('\\n',)

    Raises:
        UsageError: a value is impossible, or an argument would do nothing.
    """
    known = tuple(Generation.model_fields)
    told = {name: value for name, value in given.items() if value is not None}
    for name in [name for name in told if name not in known]:
        if ours:
            raise UsageError(f"--gen_kwargs: no argument {name!r}; {suggest(name, known)}")
        del told[name]
    idle = {name for name in ("temperature", "top_p") if not told.get("do_sample", False)}
    for name in idle & set(told):
        value = told.pop(name)
        if ours and value not in (0, 1):
            raise UsageError(
                f"--gen_kwargs: {name}={value} does nothing without sampling; give do_sample=true"
            )
    if isinstance(told.get("until"), str):
        told["until"] = (told["until"],)
    try:
        return Generation.model_validate(told)
    except ValidationError as error:
        raise UsageError(f"--gen_kwargs: {'; '.join(faults(error, known))}") from error


def cut(text: str, until: Sequence[str]) -> str:
    """`text` before the earliest of the strings `until`.

    Example:
        >>> cut("a ring. Or a disc?", ["?", "."])
        'a ring'
    """
    places = [text.find(string) for string in until if string]
    return text[: min((place for place in places if place >= 0), default=len(text))]
