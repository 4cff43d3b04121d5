"""The rules of a provider's file: whom each is of, where it was read, and how it computes."""

from __future__ import annotations

import datetime
import re
from abc import abstractmethod
from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from resolution_eval.data.cards.card_base import CardBase, Count, Text, Url
from resolution_eval.ground.errors import UsageError, suggest
from resolution_eval.models.providers.arithmetic import (
    aligned,
    around,
    multiples,
    nearby,
    patch_scale,
    pieces,
    scaled,
    shrunk,
    tile_scale,
)
from resolution_eval.models.providers.forecast import Forecast
from resolution_eval.resolution import Size

Member = TypeVar("Member")
Listed = Annotated[
    tuple[Member, ...],
    BeforeValidator(lambda given: tuple(given) if isinstance(given, list) else given),
]
"""A list, as TOML has it."""


class RuleBase(CardBase):
    """What all rules say of themselves."""

    name: Text
    """Of this rule within its provider's file; a later entry of the same name takes its place."""
    words: Text
    """What the page says, for people."""
    models: Text
    """Regular expression of the whole names, in lower case, that it holds for."""
    read: datetime.date
    """When the page was read: what a provider changed after that is not known here."""
    url: Url
    notes: Listed[Text] = ()

    @field_validator("models")
    @classmethod
    def _compiles(cls, given: str) -> str:
        re.compile(given)
        return given

    def holds_for(self, model: str) -> bool:
        """Whether the rule names `model`."""
        return re.fullmatch(self.models, model.strip().lower()) is not None

    def title(self, provider: str) -> str:
        """Provider, name and date: what a record keeps."""
        return f"{provider}/{self.name}@{self.read.isoformat()}"

    @property
    def levels_known(self) -> tuple[str, ...]:
        """Details that a request may name, `auto` first."""
        return ("auto",)

    def forecast(
        self, title: str, size: Size, *, detail: str = "auto", per_patch: float | None = None
    ) -> Forecast:
        """What an image of `size` becomes, of which a request asks `detail`; `title` names the
        rule in it.

        `per_patch` is the user's word for tokens per patch, where the rule leaves it open.

        Raises:
            UsageError: the rule has no level of the name `detail`.
        """
        if detail not in self.levels_known:
            raise UsageError(
                f"the rule {self.name} has no detail {detail!r}; "
                f"{suggest(detail, self.levels_known)}"
            )
        return replace(self._forecast(size, detail, per_patch), rule=title)

    @abstractmethod
    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """The same, without the rule's title."""


class Shrink(RuleBase):
    """Shrunk until the long edge and the number of patches are in bounds; a token a patch."""

    kind: Literal["shrink"]
    patch: Count
    long_edge: Count
    tokens_at_most: Count

    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """The largest size in bounds; where it was resized, a pixel more or less is allowed for."""
        left = shrunk(size, patch=self.patch, long_edge=self.long_edge, tokens=self.tokens_at_most)
        tokens = [pieces(left, self.patch)]
        if left != size:
            others = (pieces(near, self.patch) for near in nearby(left))
            tokens += [count for count in others if count <= self.tokens_at_most]
        return Forecast(
            size=left,
            unit=self.patch,
            pieces=tokens[0],
            tokens=(min(tokens), max(tokens)),
        )


class TileRule(RuleBase):
    """Fitted into a box, the short side shrunk, then covered by tiles."""

    kind: Literal["tiles"]
    box: Count
    short_side: Count
    tile: Count
    base: Count | None = None
    """Tokens of the image beside its tiles; None where the page does not say, as `per_tile`."""
    per_tile: Count | None = None
    low: Count | None = None
    """Tokens at the detail low."""

    @property
    def levels_known(self) -> tuple[str, ...]:
        """`low` where its tokens are stated."""
        return ("auto", "high", "low") if self.low else ("auto", "high")

    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """The size after both steps, and the tiles that cover it."""
        if level == "low":
            assert self.low is not None
            return Forecast(tokens=(self.low, self.low), by_size=False)
        scale = tile_scale(size, box=self.box, short_side=self.short_side)
        low, high = (pieces(near, self.tile) for near in around(size, scale))
        left = scaled(size, scale)
        return Forecast(
            size=left,
            unit=1,
            pieces=pieces(left, self.tile),
            tokens=None
            if self.base is None or self.per_tile is None
            else (self.base + self.per_tile * low, self.base + self.per_tile * high),
        )


class Bounds(CardBase):
    """What one detail allows; what is not named is not bounded."""

    long_edge: Count | None = None
    patches_at_most: Count | None = None
    refused_above: Count | None = None
    """Patches above which an image is refused, in place of being resized."""


class PatchRule(RuleBase):
    """Fitted to a long edge, then shrunk to a number of patches."""

    kind: Literal["patches"]
    patch: Count
    auto: Text = "high"
    """Detail of a request that names none."""
    details: dict[Text, Bounds]
    tokens_per_patch: Annotated[float, Field(gt=0)] | None = None
    """None where the page does not say, or contradicts what was measured."""

    @model_validator(mode="after")
    def _auto_is_known(self) -> PatchRule:
        if self.auto not in self.details:
            raise ValueError(f"auto is {self.auto!r}, of which `details` says nothing")
        return self

    @property
    def levels_known(self) -> tuple[str, ...]:
        """As the file lists them."""
        return ("auto", *self.details)

    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """The size after both steps, and the patches that cover it."""
        bounds = self.details[self.auto if level == "auto" else level]
        scale = patch_scale(
            size, patch=self.patch, patches=bounds.patches_at_most, long_edge=bounds.long_edge
        )
        left = scaled(size, scale)
        count = pieces(left, self.patch)
        return Forecast(
            size=left,
            unit=self.patch,
            pieces=count,
            tokens=self._tokens(size, scale, per_patch or self.tokens_per_patch),
            refused=_refusal(count, bounds.refused_above),
        )

    def _tokens(self, size: Size, scale: Fraction, each: float | None) -> tuple[int, int] | None:
        """Fewest and most; the rounding of a fraction of a token is not stated either."""
        if each is None:
            return None
        low, high = (pieces(near, self.patch) for near in around(size, scale))
        exact = Fraction(str(each))
        return int(low * exact), -int(-high * exact // 1)


def _refusal(count: int, most: int | None) -> str | None:
    if most is None or count <= most:
        return None
    return f"{count} patches, and more than {most} are refused"


class BudgetRule(RuleBase):
    """A number of tokens by setting, whatever the image's size."""

    kind: Literal["budget"]
    levels: dict[Text, Count]
    usual: Text
    """Level of a request that names none."""

    @property
    def levels_known(self) -> tuple[str, ...]:
        """As the file lists them."""
        return ("auto", *self.levels)

    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """The budget; of pixels nothing is known."""
        tokens = self.levels[self.usual if level == "auto" else level]
        return Forecast(tokens=(tokens, tokens), by_size=False)


class Multiples(RuleBase):
    """Each side to a multiple of a factor within bounds of pixels; a token a square of it."""

    kind: Literal["multiples"]
    factor: Count
    least_pixels: Count
    most_pixels: Count
    wrapping: Annotated[int, Field(ge=0)] = 0
    """Tokens around the image in a prompt."""
    computed: Literal["python", "c"] = "python"
    """In double precision, half to even, and refused where one side is over 200 of the other; or in
    single precision, half away from zero, and never refused."""

    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """The multiples in bounds."""
        compute = multiples if self.computed == "python" else aligned
        left = compute(size, factor=self.factor, least=self.least_pixels, most=self.most_pixels)
        if left is None:
            return Forecast(refused=f"{size} px: one side is over 200 of the other")
        count = pieces(left, self.factor)
        return Forecast(
            size=left,
            unit=self.factor,
            pieces=count,
            tokens=(count, count),
            wrapping=self.wrapping,
        )


class UnstatedRule(RuleBase):
    """A model whose page says too little to compute anything."""

    kind: Literal["unstated"]

    def _forecast(self, size: Size, level: str, per_patch: float | None) -> Forecast:
        """Nothing but the rule's name."""
        return Forecast(by_size=False)


Rule = Annotated[
    Shrink | TileRule | PatchRule | BudgetRule | Multiples | UnstatedRule,
    Field(discriminator="kind"),
]
