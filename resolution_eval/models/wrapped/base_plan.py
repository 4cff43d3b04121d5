"""Building one of lmms-eval's own models: its class, its arguments, its floors and ceilings."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from resolution_eval.ground.errors import ModelError, UsageError, suggest
from resolution_eval.ground.redaction import redacted_value
from resolution_eval.ground.registry import ADAPTERS
from resolution_eval.models.arguments import flag
from resolution_eval.models.families.integrity import watched_loading
from resolution_eval.models.wrapped.repairs import DISTRUSTED, mend, repaired, video_reader
from resolution_eval.models.wrapped.services import refuse_unready

LIMITS: dict[str, int] = {"min_pixels": 28 * 28, "max_pixels": 16384 * 28 * 28}
"""Floor and ceiling, in pixels, that a base is given instead of its own: one visual token of
28 x 28 pixels, and the 16,384 that Qwen-VL's processors allow. With lmms-eval's own, 256 and 2,048
tokens, every image below 448 x 448 pixels enters at 448 x 448.
"""


@dataclass(frozen=True)
class BasePlan:
    """A base's class and the arguments to build it with."""

    name: str
    maker: type
    arguments: Mapping[str, Any]
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Floors and ceilings that were set: the base's own, and ours in its place."""
    unknown: tuple[str, ...] = ()
    """Arguments that the base's signature does not name, though it takes any."""

    @property
    def chat(self) -> bool:
        """Whether the base takes messages rather than text and images apart."""
        return not bool(getattr(self.maker, "is_simple", True))

    @property
    def title(self) -> str:
        """Name and form, as in `qwen3_vl (chat)`."""
        return f"{self.name} ({'chat' if self.chat else 'simple'})"

    @property
    def checkpoint(self) -> str:
        """What the base calls its checkpoint, given or its own default."""
        own = accepted(self.maker)[0]
        for name in ("pretrained", "model", "model_version"):
            value = self.arguments.get(name, own.get(name))
            if isinstance(value, str) and value:
                return value
        return self.name

    @property
    def defaults(self) -> dict[str, str]:
        """The base's arguments that are left as they are; those that hold a secret without it."""
        own = accepted(self.maker)[0]
        left = {name: value for name, value in own.items() if name not in self.arguments}
        return {
            name: redacted_value(name, value)
            for name, value in sorted(left.items())
            if isinstance(value, bool | int | float | str | None)
        }

    def build(self) -> Any:
        """The model, with what is broken in it mended.

        Raises:
            ModelError: it raised while it was built, its weights are not whole, or the package that
                it asks its provider with is absent.
            UsageError: it has no key for its provider.
        """
        refuse_unready(self.name, self.arguments)
        try:
            with repaired(self.maker), watched_loading():
                base = self.maker(**self.arguments)
            mend(base)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"base={self.name} cannot be built ({type(error).__name__}: {error})"
            ) from error
        return base


def plan(
    name: str | None, given: Mapping[str, Any], *, force_simple: bool, **usual: Any
) -> BasePlan:
    """How to build the base `name` with the arguments `given` by the user.

    `usual` are values for arguments that were not given, where the base has them.

    Raises:
        UsageError: there is no such base, or it has no such argument.
        ModelError: the base's packages are absent.
    """
    maker = find(name, force_simple=force_simple)
    own, takes_any = accepted(maker)
    given = _trusted(str(name), maker, given, own)
    strange = tuple(argument for argument in given if argument not in own)
    for argument in () if takes_any else strange:
        raise UsageError(
            f"base={name} has no argument {argument!r}; {suggest(argument, own)}. "
            f"Its arguments: {', '.join(sorted(own))}"
        )
    arguments = {key: value for key, value in usual.items() if key in own and value is not None}
    limits = {
        key: (own[key], limit)
        for key, limit in LIMITS.items()
        if isinstance(own.get(key), int) and key not in given
    }
    arguments |= {key: limit for key, (_, limit) in limits.items()}
    return BasePlan(str(name), maker, {**arguments, **given}, limits, strange)


def _trusted(
    name: str, maker: type, given: Mapping[str, Any], own: Mapping[str, Any]
) -> Mapping[str, Any]:
    """`given`, code from a checkpoint's repository off unless it was asked for.

    Raises:
        UsageError: the base runs such code whatever it is told, and nobody allowed it.
    """
    trusted = flag("trust_remote_code", given.get("trust_remote_code", False))
    if not trusted and trusts_always(maker):
        raise UsageError(
            f"base={name} runs code that it downloads with the checkpoint; "
            "give trust_remote_code=true to allow it"
        )
    rest = {key: value for key, value in given.items() if key != "trust_remote_code"}
    return {**rest, "trust_remote_code": trusted} if "trust_remote_code" in own else rest


def trusts_always(maker: type) -> bool:
    """Whether the base's modules allow a checkpoint's own code without being told to.

    `qwen3_vl` does (0.7.3), for the configuration alone, which needs none: it is not let.
    """
    modules = {parent.__module__ for parent in maker.__mro__} - DISTRUSTED
    return any(
        trusting(inspect.getsource(sys.modules[module]))
        for module in modules
        if module.startswith("lmms_eval.models")
    )


def trusting(source: str) -> bool:
    """Whether Python code sets `trust_remote_code` to true, in a call or in a table of arguments.

    Example:
        >>> trusting("load(trust_remote_code=True)"), trusting("load(trust_remote_code=given)")
        (True, False)
        >>> trusting("load(**{'trust_remote_code': True})")
        True
    """
    return any(
        name == "trust_remote_code" and isinstance(value, ast.Constant) and value.value is True
        for node in ast.walk(ast.parse(source))
        for name, value in _named_values(node)
    )


def _named_values(node: ast.AST) -> Iterator[tuple[Any, ast.expr]]:
    """The names and values that a call or a table of arguments gives."""
    if isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield getattr(key, "value", None), value


def find(name: str | None, *, force_simple: bool) -> type:
    """The class of lmms-eval's model `name`, which is a chat model where it has that form.

    Raises:
        UsageError: lmms-eval has no such model, or it is one of ours.
        ModelError: a package that it needs is absent.
    """
    from lmms_eval import models

    registry = models.MODEL_REGISTRY_V2
    names = [known for known in registry.list_model_names() if known not in ADAPTERS]
    if not name:
        raise UsageError("reswrap needs one of lmms-eval's models; give base=NAME, as base=vllm")
    if name in ADAPTERS:
        raise UsageError(f"base={name} needs no wrapping; give --model {name}")
    if name not in names:
        raise UsageError(f"lmms-eval has no model {name!r}; {suggest(name, names)}")
    try:
        with video_reader():
            model_class: type = registry.get_model_class(name, force_simple=force_simple)
    except Exception as error:
        raise ModelError(
            f"base={name} cannot be imported ({type(error).__name__}: {error}); "
            "install what it needs"
        ) from error
    return model_class


def accepted(maker: type) -> tuple[dict[str, Any], bool]:
    """The arguments that `maker` names, with their defaults, and whether it takes any others.

    A class that hands `**kwargs` on is asked for its parent's as well.
    """
    own: dict[str, Any] = {}
    for parent in maker.__mro__:
        if "__init__" not in vars(parent):
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]  # type: ignore[misc]
        named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        own = {p.name: p.default for p in named} | own
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return own, False
        source = inspect.getsource(parent.__init__)  # type: ignore[misc]
        if "super().__init__(*args, " not in source:
            return own, "assert kwargs == {}" not in source  # as most of lmms-eval's refuse them
    return own, True


@dataclass(frozen=True)
class Reason:
    """Why a base takes one image per question, and the words of its code (lmms-eval 0.7)."""

    told: str
    shown: str


SINGLE: Mapping[str, Reason] = {
    "cogvlm2": Reason("stops at several", "assert len(visuals) == 1"),
    "minicpm_v": Reason("stops at several", "assert len(visuals) == 1"),
    "fuyu": Reason("takes the first alone", "only_get_first=True"),
    "internvl": Reason("takes the first alone", "flattened_visuals[0]"),
    "instructblip": Reason("joins several into one picture", "Concat it into one image"),
}
"""Simple forms of lmms-eval's models, by name."""


def single_image(plan: BasePlan) -> str | None:
    """Why the base takes one image per question; None where nothing in its code says so."""
    reason = None if plan.chat else SINGLE.get(plan.name)
    return None if reason is None else f"base={plan.name} {reason.told}"
