"""One type before the census: its tiny checkpoint through the real engine, at every size."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.census.checkpoints import save
from benchmarks.census.kinds import KINDS, Kind

SIZES = (56, 112, 168, 224, 336, 448)
FEW = (112, 336)
"""Sizes of a quick look."""
ASPECTS = ((1, 1), (2, 1), (1, 3))
EDGE = 448
"""Edge in pixels of the square budget of the images that are shown."""
TEXTS = ("Why?", "Which phantom does this image show?", "Which of these, of all, is it?")
CHOICES = ("striped disc", "ring", "checked cross pair")
MEMORY = 12 * 2**30
TOLERANCE = 2e-3


class DisagreementError(Exception):
    """What was expected is not what was found."""


def look(model_type: str, *, quick: bool = False) -> dict[str, Any]:
    """What one type does: attested under which schemes, or why not; at `FEW` sizes if `quick`."""
    kind = KINDS.get(model_type, Kind())
    began = time.perf_counter()
    if kind.left_out:
        return {"state": "left out", "reason": kind.left_out}
    with tempfile.TemporaryDirectory() as folder:
        try:
            save(model_type, Path(folder))
        except Exception as error:  # noqa: BLE001  (a foreign class raises what it likes)
            return {"state": "not built", "reason": says(error)}
        try:
            told = {"chat_template": "plain"} if kind.plain else {}
            found = _looked(Path(folder), told, FEW if quick else SIZES)
        except Exception as error:  # noqa: BLE001  (as above)
            return {"state": "refused", "reason": says(error)}
    found |= {"quick": True} if quick else {}
    return {**found, "seconds": round(time.perf_counter() - began, 1)}


def says(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _looked(folder: Path, told: dict[str, str], sizes: Sequence[int]) -> dict[str, Any]:
    from resolution_eval.models.families import family_for
    from resolution_eval.models.families.checkpoint import load_model, load_parts
    from resolution_eval.models.families.engine import Engine

    parts = load_parts(str(folder), **told)
    family = family_for(parts)
    model = load_model(str(folder), dtype=torch.float32).eval()
    engine = Engine(family, parts, model)
    refusal = family.refusal(parts)
    found: dict[str, Any] = {
        "state": "restore" if refusal else "match",
        "reason": refusal or "",
        "family": type(family).__name__.removesuffix("Family").lower(),
        "training": str(family.training(parts)),
        "lacks": dict(family.limits(parts)),
    }
    schemes = ("restore",) if refusal else ("match", "restore")
    for scheme in schemes:
        found[scheme] = _grids(engine, scheme, sizes)
    scheme = schemes[0]
    found["batch"] = _batches(engine, scheme)
    found["blind"] = _blind(engine, scheme)
    found["rank"] = _rank(engine, scheme)
    found["doctor"] = _doctor({"pretrained": str(folder), **told}, engine, scheme)
    return found


def _cases(sizes: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    from resolution_eval.resolution import Size, budget_size, restored_size

    for aspect in ASPECTS:
        source = restored_size(Size(*aspect), EDGE)
        for r in sizes:
            yield source, budget_size(source, r)


def _under(engine: Any, scheme: str) -> Any:
    training = engine.family.training(engine.parts)
    return engine.of_family(engine.family.under(scheme, engine.parts, training))


def _drawn(engine: Any, scheme: str, information: Any, source: Any) -> Any:
    from resolution_eval.models.families import intended_grid

    training = engine.family.training(engine.parts)
    return intended_grid(engine.family, engine.parts, training, scheme, information, source)


def question(engine: Any, size: Any, row: int = 0) -> Any:
    """A question with an image of random pixels of this size."""
    from PIL import Image

    from resolution_eval.models.families.engine import Question

    generator = torch.Generator().manual_seed(row)
    pixels = torch.randint(0, 256, (size.height, size.width, 3), generator=generator)
    prompt = engine.family.prompt(engine.parts, TEXTS[row % 3], image=True)
    choices = tuple(engine.family.continuation(engine.parts, prompt, each) for each in CHOICES)
    return Question(prompt, Image.fromarray(pixels.to(torch.uint8).numpy()), choices)


def _grids(engine: Any, scheme: str, sizes: Sequence[int]) -> list[list[Any]]:
    """Grid, visual tokens and images at every size; each is compared with what was foretold."""
    from resolution_eval.answers.generation import Generation
    from resolution_eval.models.families import own_processor

    under = _under(engine, scheme)
    rows = []
    known: dict[Any, Any] = {}
    for source, information in _cases(sizes):
        drawn = _drawn(under, scheme, information, source)
        if drawn not in known:
            foretold = own_processor.foretold(under.family, under.parts, drawn)
            (spoken,) = under.generate([question(under, drawn)], Generation(max_new_tokens=1))
            if spoken.received is None:
                raise DisagreementError(f"{scheme}: no image entered at {drawn}")
            if spoken.received.grid != foretold.grid:
                raise DisagreementError(
                    f"{scheme}: {foretold.grid} expected of {drawn}, {spoken.received.grid} entered"
                )
            if spoken.visual_tokens != foretold.tokens:
                raise DisagreementError(
                    f"{scheme}: {foretold.tokens} tokens expected of {drawn}, "
                    f"{spoken.visual_tokens} entered"
                )
            known[drawn] = [*spoken.received.grid, spoken.visual_tokens, spoken.received.images]
        rows.append(known[drawn])
    return rows


def _one(engine: Any, scheme: str) -> tuple[Any, Any]:
    from resolution_eval.resolution import Size, budget_size

    under = _under(engine, scheme)
    source = Size(300, 200)
    return under, _drawn(under, scheme, budget_size(source, 112), source)


def _batches(engine: Any, scheme: str) -> str:
    """Eight questions together and each alone: the same grids, and the same texts."""
    from resolution_eval.answers.generation import Generation

    under, drawn = _one(engine, scheme)
    questions = [question(under, drawn, row) for row in range(8)]
    asked = Generation(max_new_tokens=3)
    together = under.generate(questions, asked)
    alone = [under.generate([each], asked)[0] for each in questions]
    for one, other in zip(together, alone, strict=True):
        if (one.received, one.visual_tokens) != (other.received, other.visual_tokens):
            raise DisagreementError(f"batch: {one.received} together, {other.received} alone")
        if one.text != other.text:
            raise DisagreementError(f"batch: {one.text!r} together, {other.text!r} alone")
    return "yes"


def _blind(engine: Any, scheme: str) -> str:
    from PIL import Image

    from resolution_eval.answers.generation import Generation
    from resolution_eval.models.families.engine import Question
    from resolution_eval.models.families.family_base import mean_colour

    under, drawn = _one(engine, scheme)
    if under.family.needs_image:
        colour = mean_colour(under.parts)
        prompt = under.family.prompt(under.parts, TEXTS[0], image=True)
        blank = Image.new("RGB", (drawn.width, drawn.height), colour)
        (spoken,) = under.generate([Question(prompt, blank)], Generation(max_new_tokens=1))
        if spoken.received is None:
            raise DisagreementError("blind: no mean image entered")
        return "mean image"
    prompt = under.family.prompt(under.parts, TEXTS[0], image=False)
    (spoken,) = under.generate([Question(prompt, None)], Generation(max_new_tokens=1))
    if (spoken.received, spoken.visual_tokens) != (None, 0):
        raise DisagreementError(f"blind: {spoken.received} entered")
    return "no image"


def _rank(engine: Any, scheme: str) -> str:
    """The choices' likelihoods, together and alone, and that the image matters."""
    under, drawn = _one(engine, scheme)
    if not under.family.continues_prompt(under.parts):
        return "no"
    questions = [question(under, drawn, row) for row in (0, 3, 1)]
    together = under.rank(questions)
    alone = [under.rank([each])[0] for each in questions]
    for one, other in zip(together, alone, strict=True):
        differences = [abs(a - b) for a, b in zip(one.scores, other.scores, strict=True)]
        if max(differences) > TOLERANCE:
            raise DisagreementError(f"rank: scores differ by {max(differences):.1e} in a batch")
    if together[0].scores == together[1].scores:
        raise DisagreementError("rank: two images give the same scores")
    return "yes"


def _doctor(told: dict[str, str], engine: Any, scheme: str) -> str:
    """What the doctor foretells against what enters."""
    from resolution_eval.answers.generation import Generation
    from resolution_eval.diagnosis.examination import diagnose
    from resolution_eval.resolution import Size

    found = diagnose("reshf", told, [112, 224])
    under = _under(engine, scheme)
    for row in found.rows:
        drawn = _drawn(under, scheme, Size(*row.information), Size(*row.source))
        (spoken,) = under.generate([question(under, drawn)], Generation(max_new_tokens=1))
        entered = (spoken.received.grid, spoken.visual_tokens)
        if entered != (row.grid, row.visual_tokens):
            raise DisagreementError(f"doctor: {(row.grid, row.visual_tokens)} foretold, {entered}")
        if row.grid != row.expected_grid:
            raise DisagreementError(f"doctor: {row.expected_grid} expected, {row.grid}")
    return "yes"


def limited() -> None:
    """Keep this process from taking the machine's memory."""
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
