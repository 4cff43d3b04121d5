"""The session: doctor, sweep, control without the image, records, page, and the next step."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from resolution_eval.ground.errors import output_folder
from resolution_eval.ground.files import refuse_stranger
from resolution_eval.resolution import NATIVE, PixelResolution, label
from resolution_eval.score.material import Name, ScoreMaterial, material
from resolution_eval.score.pace import pace
from resolution_eval.score.reach import ResolutionScope, reachable, scope, words
from resolution_eval.score.subject import Subject
from resolution_eval.score.wishes import Wishes

if TYPE_CHECKING:
    from resolution_eval.analysis import CurveFigures
    from resolution_eval.diagnosis.diagnosis_rows import Diagnosis, DiagnosisRow


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a session says next."""

    text: str
    status: int = 0
    """Exit status if it were the last: 3 where the sweep is not worth its time."""


def score(subject: Subject, name: Name, output: Path, wishes: Wishes) -> Iterator[Step]:
    """Score `subject` on `name` into `output`, telling each step; the verdict comes last.

    Raises:
        UsageError, DataError, ModelError: as the parts.
    """
    output_folder(output)
    refuse_stranger(output / "index.html")
    yield Step(text="looking at the images, and at what the model would be shown ...")
    with redirect_stdout(sys.stderr):
        data = material(name)
        examination = _Examination(subject, data, wishes)
    refusal = examination.refusal
    if refusal is not None and not wishes.anyway:
        yield Step(text=refusal, status=3)
        return
    yield Step(text=examination.announcement)
    with redirect_stdout(sys.stderr):
        _run(subject, data, examination, output, wishes)
        last = _told(subject, output, name)
    yield Step(text=last)


class _Examination:
    """What the doctor says of the sweep, and what of it is run."""

    def __init__(self, subject: Subject, data: ScoreMaterial, wishes: Wishes) -> None:
        from resolution_eval.diagnosis.examination import diagnose
        from resolution_eval.resolution import TrainingResolution

        self._subject, self._data, self._wishes = subject, data, wishes
        training = diagnose(subject.model, subject.arguments, [224]).training
        within, beyond = reachable(data.edges, TrainingResolution.parse(training))
        if wishes.resolutions is not None:
            within, beyond = list(wishes.resolutions), []
        numbers = sorted({self._edge(each) for each in within})
        self.diagnosis: Diagnosis = diagnose(subject.model, subject.arguments, numbers)
        self._known = {row.requested: row for row in self.diagnosis.rows if row.aspect == "1.00"}
        sound = self._apart([each for each in within if self._sound(each)]) or within
        self.impossible = [each for each in within if each not in sound]
        self._pace = pace(subject)
        self.scope: ResolutionScope = scope(
            within if wishes.anyway else sound,
            beyond,
            data.samples,
            self._seconds,
            budget=wishes.budget,
            quick=wishes.quick,
            wanted=wishes.samples,
            told=wishes.resolutions is not None,
        )

    def _edge(self, each: PixelResolution) -> int:
        return self._data.typical if each == NATIVE or not isinstance(each, int) else each

    def _row(self, each: PixelResolution) -> DiagnosisRow | None:
        return self._known.get(label(self._edge(each)))

    def _apart(self, each: Sequence[PixelResolution]) -> list[PixelResolution]:
        """Without those that enter as the next larger one does: of such, the larger is kept."""
        if self.diagnosis.scheme == "restore":
            return list(each)
        seen = [getattr(self._row(one), "seen", None) for one in each]
        return [
            one
            for place, one in enumerate(each)
            if seen[place] is None or seen[place] not in seen[place + 1 :]
        ]

    def _sound(self, each: PixelResolution) -> bool:
        row = self._row(each)
        return row is None or (row.agrees and row.counts)

    def _seconds(self, resolutions: Sequence[PixelResolution], samples: int) -> float:
        per_sample = 0.0
        for each in resolutions:
            row = self._row(each)
            grid = (self._edge(each),) * 2 if row is None or row.grid is None else row.grid
            pixels = grid[0] * grid[1]
            tokens = pixels / 28**2 if row is None or not row.visual_tokens else row.visual_tokens
            per_sample += self._pace.seconds(tokens, pixels)
        return self._pace.sweep(per_sample, samples, blind=self._wishes.blind)

    @property
    def refusal(self) -> str | None:
        """Why the sweep is not worth its time; None where it is."""
        diagnosis, arguments = self.diagnosis, self._subject.written()
        doctor = f"resolution-eval doctor --model {diagnosis.model} --model_args {arguments}"
        advice = f"Next: {doctor}. Nothing was run; --anyway runs it."
        grids = {row.seen for row in self._known.values()}
        if diagnosis.flat and len(grids) == 1:
            first = diagnosis.flat[0]
            return f"{self._subject.name}: Flat by its processor: {first}.\n{advice}"
        if len(self.impossible) == len(self._known) and self.impossible:
            row = next(iter(self._known.values()))
            return (
                f"{self._subject.name}: Do not trust this: mismatched at every resolution (asked "
                f"for {row.expected_grid}, {row.seen} would enter).\n{advice}"
            )
        return None

    @property
    def announcement(self) -> str:
        """One line: what is run, about how long it takes, and what is left out."""
        plan, held = self.scope, self.diagnosis.refusal
        names = ", ".join(map(label, plan.resolutions))
        control = "with and" if self._wishes.blind else "no control"
        left = [
            *plan.left_out,
            *(f"{label(e)}, which would not enter as itself" for e in self.impossible),
        ]
        if not self._wishes.blind:
            left.append("the control (leave --no-blind out)")
        left_out = f". Left out: {'; '.join(left)}" if left else ""
        restored = f" The grid cannot follow ({held}): scheme=restore, content alone varies."
        return (
            f"{plan.samples:,} of {self._data.samples:,} samples at {names} px, {control} without "
            f"the image: {words(plan.seconds)}{left_out}.{restored if held else ''}"
        )


def _run(
    subject: Subject, data: ScoreMaterial, examination: _Examination, output: Path, wishes: Wishes
) -> None:
    """Both runs through lmms-eval, into one folder."""
    from loguru import logger

    from resolution_eval.host.runs import evaluate

    logger.remove()
    logger.add(sys.stderr, level="WARNING", colorize=False)
    chosen = examination.scope
    most = chosen.samples * len(chosen.resolutions) if chosen.samples < data.samples else None
    more = {"scheme": "restore"} if examination.diagnosis.scheme == "restore" else {}
    answer = partial(
        evaluate,
        subject.model,
        task=data.task,
        output=output / "results",
        batch_size=wishes.batch,
        resolutions=chosen.resolutions,
        limit=most,
        card=data.card,
    )
    probe = {} if wishes.probe is None else {"probe": wishes.probe}
    answer(subject.written(**more, **probe))
    if wishes.blind:
        answer(subject.written(**more, blind="true"))


def _told(subject: Subject, output: Path, name: Name) -> str:
    """Records and page written; the sentence, the table, the next step."""
    from resolution_eval.analysis.headline import headline
    from resolution_eval.records import write_record
    from resolution_eval.report import load, studies, write_page
    from resolution_eval.report.curve_summary import compact, next_step

    records = load([output / "results"])
    for record in records:
        write_record(record, output / "records")
    page = write_page(records, output, data=name.folder)
    curves: list[CurveFigures] = [curve for _, mine in studies(records) for curve in mine]
    parts = [compact(curve) for curve in curves]
    steps = [next_step(curve, headline(curve), str(output)) for curve in curves]
    return "\n\n".join((*parts, "\n".join((*dict.fromkeys(steps), f"Page: {page}"))))
