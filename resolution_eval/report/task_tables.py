"""The tables of one task: accuracy, grids, cost, figures, cells, classes, changing samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from resolution_eval.records import Cell
from resolution_eval.report.blind import Look
from resolution_eval.report.changes import change_table
from resolution_eval.report.content import Estimated, asked_grid, mark, received_grid, status
from resolution_eval.report.cost import cost_table, resolution_entry, tokens_text
from resolution_eval.report.estimates import FIGURES, Estimates, Figure
from resolution_eval.report.sweeps import Sweep, TaskSweeps
from resolution_eval.report.tables import Column, Entry, Table, entry, shorten
from resolution_eval.statistics.curves import Withheld
from resolution_eval.statistics.intervals import Interval

MAX_UNFOLDED = 40
"""Rows above which a table of details is shown only on demand."""

DOES_NOT_LOOK = "does not look"
"""Mark of an accuracy that is not shown to differ from that without the image."""

FAR_END = "Accuracy at training (else the last), less that at the sweep's end farther from it"

FIGURE_NAMES = {
    "worst_drop": (
        "worst drop",
        "Largest fall of the accuracy below that at the training resolution",
    ),
    "retention": (
        "retention at far end",
        "Score above chance at the end of the sweep farther from training, over that at training",
    ),
    "area": ("area", "Mean accuracy over the resolutions, trapezoid in log2 of the edge"),
    "rho": ("rho", "Spearman's rank correlation of accuracy with resolution"),
    "ace": ("ACE", "Sum of the curve's absolute steps"),
    "rce": ("RCE", "ACE over the mean accuracy"),
    "excess_ace": (
        "excess ACE",
        "The part of ACE that goes back and forth; 0 for a monotone curve",
    ),
}


def tables(task: TaskSweeps, estimated: Estimated) -> tuple[Table, ...]:
    """All tables of one task; empty ones are left out."""
    made = (
        accuracy_table(task, estimated),
        blind_table(task, estimated),
        grid_table(task, estimated),
        cost_table(task, estimated),
        figure_table(task, estimated),
        class_table(task, estimated),
        cell_table(task, estimated),
        change_table(task, estimated),
    )
    return tuple(table for table in made if table.rows)


def interval_text(interval: Interval | None, digits: int = 3) -> str:
    """Both ends in brackets; nothing where there is no interval."""
    if interval is None:
        return ""
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]".replace("-", "−")


def accuracy_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """Accuracy of every checkpoint at every resolution, and below it that without the image."""
    heads = [Column(name, numeric=True) for name in task.resolutions]
    rows = [row for sweep, estimates in estimated for row in _accuracies(task, sweep, estimates)]
    chance = "" if task.chance is None else f" Chance {task.chance:.3f}."
    blind = any(look for _, estimates in estimated for look in estimates.looks)
    return Table(
        name=f"{task.task}-accuracy",
        caption="Accuracy by inference resolution",
        subject=task.title,
        columns=(Column("checkpoint"), Column("trained at"), *heads),
        rows=tuple(rows),
        remark=f"95 % intervals in brackets, clusters resampled.{chance}{LOOKS if blind else ''}",
    )


LOOKS = " Without the image: the same checkpoint and samples in a blind run."


def _accuracies(
    task: TaskSweeps, sweep: Sweep, estimates: Estimates
) -> Iterator[tuple[Entry, ...]]:
    found = {
        cell.resolution: _accuracy(cell, interval, look, trained=index == sweep.reference)
        for index, (cell, interval, look) in enumerate(
            zip(sweep.cells, estimates.accuracy, estimates.looks, strict=True)
        )
    }
    training = entry(sweep.record.checkpoint.training)
    shown = (found.get(name, entry(None)) for name in task.resolutions)
    yield (entry(sweep.name), training, *shown)
    looks = dict(zip(sweep.resolutions, estimates.looks, strict=True))
    if any(looks.values()):
        unseen = (_unseen(looks.get(name)) for name in task.resolutions)
        yield (entry(sweep.name, note="without the image"), entry(None), *unseen)


def _accuracy(cell: Cell, interval: Interval | None, look: Look | None, *, trained: bool) -> Entry:
    note = interval_text(interval)
    on_blind = DOES_NOT_LOOK if look is not None and look.place == "on" else ""
    return entry(
        cell.accuracy,
        digits=3,
        mark=mark(cell) or on_blind,
        note=f"{note} r*" if trained else note,
        shade=cell.status != "mismatched",
    )


def _unseen(look: Look | None) -> Entry:
    if look is None:
        return entry(None)
    return entry(look.accuracy, digits=3, note=f"[{look.low:.3f}, {look.high:.3f}]")


def blind_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """What the image adds to each checkpoint's accuracy; no rows without a blind run."""
    rows = [
        (entry(sweep.name), entry(_kinds(looks)), *(_gain(found.get(n)) for n in task.resolutions))
        for sweep, estimates in estimated
        for looks in [estimates.looks]
        for found in [dict(zip(sweep.resolutions, looks, strict=True))]
        if any(looks)
    ]
    return Table(
        name=f"{task.task}-blind",
        caption="What the image adds: accuracy with it, less that without",
        subject=task.title,
        columns=(
            Column("checkpoint"),
            Column("shown instead"),
            *(Column(name, True) for name in task.resolutions),
        ),
        rows=tuple(rows),
        remark="95 % intervals of the paired difference in brackets. “Does not look”: it holds 0, "
        "so that these samples do not show that the answer depends on the image.",
    )


def _kinds(looks: Sequence[Look | None]) -> str:
    return ", ".join(sorted({look.kind for look in looks if look is not None}))


def _gain(look: Look | None) -> Entry:
    if look is None:
        return entry(None)
    verdict = DOES_NOT_LOOK if look.place == "on" else ""
    if look.difference is None:
        return Entry("–", mark=verdict, note="blind answers not at hand")
    found = look.difference
    note = interval_text(found)
    return entry(found.estimate, digits=3, sign=True, mark=verdict, note=note)


def grid_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """What every encoder received at every resolution, and whether that was what was asked for."""
    rows = [
        (
            entry(sweep.name),
            *(_grid(cells.get(name)) for name in task.resolutions),
        )
        for sweep, _ in estimated
        for cells in [{cell.resolution: cell for cell in sweep.cells}]
    ]
    return Table(
        name=f"{task.task}-grids",
        caption="Asked for and received, by resolution",
        subject=task.title,
        columns=(Column("checkpoint"), *(Column(name, True) for name in task.resolutions)),
        rows=tuple(rows),
        remark="Height x width in pixels of the tensor that entered the encoder, the most frequent "
        "first, and in how many samples it was the one asked for.",
    )


def _grid(cell: Cell | None) -> Entry:
    if cell is None:
        return entry(None)
    sound = cell.scored - cell.mismatched - cell.unattested
    asked = f", asked for {asked_grid(cell)}" if cell.mismatched and asked_grid(cell) else ""
    note = f"as asked in {sound} of {cell.n}{asked}"
    return Entry(received_grid(cell), mark=mark(cell), note=note)


def figure_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """Figures of whole curves: one row per checkpoint."""
    heads = [Column(*_heading(name)) for name in FIGURES]
    rows = [
        (
            entry(sweep.name),
            *(figure_entry(estimates.figures[name]) for name in FIGURES),
            *_noise(estimates),
            _knee(estimates),
            entry(estimates.cheapest)
            if isinstance(estimates.cheapest, str)
            else _withheld(estimates.cheapest),
        )
        for sweep, estimates in estimated
    ]
    reasons = [reason for sweep, estimates in estimated for reason in _reasons(sweep, estimates)]
    return Table(
        name=f"{task.task}-figures",
        caption="Robustness figures",
        subject=task.title,
        columns=(
            Column("checkpoint"),
            *heads,
            Column("ACE by noise alone", True, "Mean ACE if accuracy did not depend on resolution"),
            Column("ACE without noise", True, "ACE less the part that sampling noise adds"),
            Column("knee", True, "Edge in pixels above which more resolution stops paying"),
            Column("cheapest", True, "Lowest resolution that the best one is not shown to beat"),
        ),
        rows=tuple(rows),
        remark=f"Withheld: {'; '.join(reasons)}." if reasons else "",
    )


def _heading(name: str) -> tuple[str, bool, str]:
    short, meaning = FIGURE_NAMES[name]
    return short, True, meaning


def figure_entry(figure: Figure, *, sign: bool = False) -> Entry:
    """A figure with its interval, or a mark that it is withheld."""
    if isinstance(figure, Withheld):
        return _withheld(figure)
    if figure.estimate != figure.estimate:
        return Entry("–", note="undefined for a constant curve")
    return entry(figure.estimate, digits=3, sign=sign, note=interval_text(figure))


def _withheld(_: Withheld) -> Entry:
    return Entry("–", mark="withheld")


def _noise(estimates: Estimates) -> tuple[Entry, Entry]:
    floor = estimates.floors.get("ace")
    if floor is None:
        return Entry("–", mark="withheld"), Entry("–", mark="withheld")
    note = f"in 95 % up to {floor.ceiling:.3f}"
    return entry(floor.floor, digits=3, note=note), entry(floor.debiased, digits=3)


def _knee(estimates: Estimates) -> Entry:
    knee = estimates.knee
    if isinstance(knee, Withheld):
        return _withheld(knee)
    unseen = "" if knee.reached else ", plateau not seen"
    return entry(
        knee.resolution.estimate, digits=0, note=interval_text(knee.resolution, 0) + unseen
    )


def _reasons(sweep: Sweep, estimates: Estimates) -> Iterator[str]:
    named: Mapping[str, object] = {
        **{FIGURE_NAMES[name][0]: figure for name, figure in estimates.figures.items()},
        "knee": estimates.knee,
        "cheapest": estimates.cheapest,
    }
    withheld = {name: value.reason for name, value in named.items() if isinstance(value, Withheld)}
    if len(withheld) == len(named):
        yield f"all of {shorten(sweep.name)} ({next(iter(withheld.values()))})"
        return
    for name, reason in withheld.items():
        yield f"{name} of {shorten(sweep.name)} ({reason})"


OPEN = "Answers by open are free text: their accuracy is exact match after normalising."
FREE = {
    "F1": "Mean token F1 of answers in free text",
    "judged": "Share of answers in free text that the run's judge called right; failed judgements "
    "are in neither part of it",
}
"""Scores that only answers in free text have, beside exact match and never mixed with it."""
CUT = (
    "Answers that are cut are those of the unparseable whose thinking the limit of tokens cut: "
    "raise --gen_kwargs max_new_tokens."
)
COUNTS = ("n", "failed", "mismatched", "unparseable", "cut", "missing", "unattested", "capped")
ALWAYS = ("n", "failed", "mismatched", "unparseable")
"""Counts that have a column even where they are all 0."""


def cell_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """Every cell: what was asked, what the encoder received, and what was counted."""
    cells = [cell for sweep, _ in estimated for cell in sweep.cells]
    names = [name for name in COUNTS if name in ALWAYS or any(getattr(c, name) for c in cells)]
    settings = {_setting(cell) for cell in cells}
    free = {name: title for name, title in FREE.items() if any(_free(c, name) for c in cells)}
    rows = [
        (
            entry(sweep.name),
            resolution_entry(cell),
            Entry(status(cell), mark="!" if mark(cell) else ""),
            entry(cell.accuracy),
            entry(None if interval is None else interval.low),
            entry(None if interval is None else interval.high),
            entry(asked_grid(cell)),
            Entry(received_grid(cell), mark="mismatched" if cell.mismatched else ""),
            entry(tokens_text(cell)),
            *(_count(cell, name) for name in names),
            *(_free(cell, name) or entry(None) for name in free),
            *([entry(_setting(cell))] if len(settings) > 1 else []),
        )
        for sweep, estimates in estimated
        for cell, interval in zip(sweep.cells, estimates.accuracy, strict=True)
    ]
    cut = f" {CUT}" if any(cell.cut for cell in cells) else ""
    phrases = f" {OPEN}" if any(cell.answer_mode == "open" for cell in cells) else ""
    shared = f" All cells: {', '.join(settings)}." if len(settings) == 1 else ""
    return Table(
        name=f"{task.task}-cells",
        caption="Every cell: status, grid, tokens and counts",
        subject=task.title,
        folded=True,
        columns=(
            *_cell_columns(names),
            *(Column(name, True, title) for name, title in free.items()),
            *([Column("setting")] if len(settings) > 1 else []),
        ),
        rows=tuple(rows),
        remark="Grids are height x width in pixels, the most frequent first. Failed samples are "
        f"neither right nor wrong; unparseable answers are wrong.{cut}{shared}{phrases}",
    )


def _cell_columns(counts: Sequence[str]) -> tuple[Column, ...]:
    return (
        Column("checkpoint"),
        Column("r", True, "Inference resolution asked for"),
        Column("status"),
        Column("accuracy", numeric=True),
        Column("low", True, "Lower end of the 95 % interval"),
        Column("high", True, "Upper end of the 95 % interval"),
        Column("grid asked", title="Height x width in pixels that the encoder should receive"),
        Column("grid received", title="Height x width of the tensor that entered the encoder"),
        Column("visual tokens", title="Per sample: the mean, or least to most"),
        *(Column(name, numeric=True) for name in counts),
    )


def _setting(cell: Cell) -> str:
    return f"scheme {cell.scheme}, filter {cell.filter}, answers by {cell.answer_mode}"


def _free(cell: Cell, name: str) -> Entry | None:
    """A score that only free text has; None where the cell has none."""
    if name == "F1":
        return None if cell.f1 is None else entry(cell.f1)
    said = cell.judged
    if said is None:
        return None
    failed = f", {said.failed} failed" if said.failed else ""
    return entry(said.accuracy, note=f"{said.asked} asked{failed}", mark="!" if failed else "")


def _count(cell: Cell, name: str) -> Entry:
    value = int(getattr(cell, name))
    wrong = name in ("failed", "missing", "mismatched", "unattested") and value > 0
    return entry(value, mark="!" if wrong else "")


def class_table(task: TaskSweeps, estimated: Estimated) -> Table:
    """Accuracy of each class by resolution; of each checkpoint, the class that loses most first."""
    heads = [Column(name, numeric=True) for name in task.resolutions]
    rows = [
        (
            entry(sweep.name),
            entry(found.target),
            entry(found.n),
            *(entry(accuracy.get(name), digits=3, shade=True) for name in task.resolutions),
            figure_entry(found.loss, sign=True),
        )
        for sweep, estimates in estimated
        for found in estimates.classes
        for accuracy in [dict(zip(sweep.resolutions, found.accuracy, strict=True))]
    ]
    return Table(
        name=f"{task.task}-classes",
        caption="Which classes lose most",
        subject=task.title,
        folded=len(rows) > MAX_UNFOLDED,
        columns=(
            Column("checkpoint"),
            Column("class"),
            Column("n", numeric=True),
            *heads,
            Column("lost at far end", True, FAR_END),
        ),
        rows=tuple(rows),
    )
