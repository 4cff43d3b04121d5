"""Re-scoring: whether each answer has the verdict that follows from its text, or from the choices'
scores, by the rules of `resolution_eval.host.tasks`, on the pinned samples, at the resolution that
was asked for. Every fault names the sample and the resolution.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from resolution_eval.answers import AnswerMark, judge
from resolution_eval.board.pins import Pin, PinnedSample
from resolution_eval.ground.errors import UsageError
from resolution_eval.ground.likeness import hostile
from resolution_eval.records import Record
from resolution_eval.records.answer_table import CellKey
from resolution_eval.resolution import Size, budget_size, is_capped, parse_resolution

DRIFT = 1e-3
"""How far a recomputed score may lie from the stated one."""
MAX_ANSWER = 20_000
"""Longest answer in characters."""
MAX_NAME = 500
"""Longest text of an answer's row, the answer itself excepted."""
LARGEST = 2**20
"""Largest side of an image or grid in pixels, and most visual tokens."""
MOST_BYTES = 2**40
UNIT = 64
"""Largest edge in pixels of what a model cuts an image into."""
AROUND = 8
"""Most tokens that stand around an image in a prompt."""
TEXTS = ("rule", "counted_by", "server_model", "server_fingerprint", "sent_format", "sent_sha256")
SIZES = (
    *("sent_width", "sent_height", "predicted_width", "predicted_height"),
    *("predicted_least", "predicted_most", "counted_tokens"),
)
SAID = (*TEXTS[:4], *SIZES[2:], "attempts")
"""What is there only of a sample that a server answered."""
UNSEEN = ("counted", "predicted", "unattested")

Row = Mapping[str, Any]


def sample_faults(record: Record, pin: Pin) -> Iterator[str]:
    """What is wrong with the record's answers, in order of resolution and sample."""
    yield from _coverage(record, pin)
    for row in record.answers.each():
        where = f"sample {row['sample'][:MAX_NAME]!r} at {row['resolution']}"
        for fault in _row_faults(row, pin.by_id.get(row["sample"])):
            yield f"{where}: {fault}"


def _coverage(record: Record, pin: Pin) -> Iterator[str]:
    """Whether every cell holds the pinned samples of its form, and each at every resolution."""
    at = record.answers.samples()
    foreign = sorted(set().union(*at.values()) - set(pin.by_id))
    if foreign:
        yield (
            f"sample {foreign[0]!r}: not among the {len(pin.by_id)} pinned samples of "
            f"{pin.dataset} ({len(foreign)} such)"
        )
    for key, samples in at.items():
        form = "open" if key.answer_mode == "open" else "closed"
        modes = {each.answer_mode for each in at if each.setting[:2] == key.setting[:2]}
        wanted = _wanted(key, modes, pin)
        elsewhere = set().union(*(at[other] for other in at if other.setting == key.setting))
        lacking = sorted(wanted - samples)
        if lacking and set(lacking) <= elsewhere:
            yield (
                f"sample {lacking[0]!r} is absent at {key.resolution} and there at another "
                f"resolution ({len(lacking)} such): every resolution needs the same samples"
            )
        elif lacking:
            yield (
                f"sample {lacking[0]!r} at {key.resolution}: absent; {pin.dataset} has "
                f"{len(wanted)} pinned {form} samples, here are {len(samples & wanted)}: run "
                "without a limit"
            )


def _wanted(key: CellKey, modes: Set[str], pin: Pin) -> set[str]:
    """The pinned samples that the cell `key` must hold. Where options are ranked, closed questions
    without options are answered by generation, and are the other cell's.
    """
    if key.answer_mode == "open":
        return {name for name, pinned in pin.by_id.items() if pinned.form == "open"}
    closed = {name: pinned for name, pinned in pin.by_id.items() if pinned.form == "closed"}
    if not {"rank", "generate"} <= modes:
        return set(closed)
    ranked = key.answer_mode == "rank"
    return {name for name, pinned in closed.items() if bool(pinned.choices) is ranked}


def _row_faults(row: Row, pinned: PinnedSample | None) -> Iterator[str]:
    yield from _text_faults(row)
    yield from _resolution_faults(row)
    if pinned is None:
        return
    for name in ("target", "cluster", "form"):
        if row[name] != getattr(pinned, name):
            yield f"{name} {row[name]!r}, but the pin has {getattr(pinned, name)!r}"
    yield from _verdict_faults(row, pinned)


def _text_faults(row: Row) -> Iterator[str]:
    for name in ("sample", "cluster", "target", "prediction", "scheme", "filter", "evidence"):
        fault = hostile(row[name] or "", MAX_NAME)
        if fault:
            yield f"{name}: {fault}"
    for name in ("answer", "failure_message", "failure_kind"):
        text = row[name] or ""
        if len(text) > MAX_ANSWER or "\0" in text:
            yield f"{name}: longer than {MAX_ANSWER} characters, or holds a NUL"
    notes = row["notes"]
    if len(notes) > 100 or any(note is None or hostile(note, MAX_NAME) for note in notes):
        yield "notes: more than 100, too long, or with characters that are not shown"


def _resolution_faults(row: Row) -> Iterator[str]:
    """Whether what was shown is what was asked for; of `attested` rows the reader made sure."""
    status, grid = row["status"], (row["grid_height"], row["grid_width"])
    expected = (row["expected_height"], row["expected_width"])
    if status == "mismatched":
        yield (
            f"mismatched, not accepted: {_size(expected)} was asked and the encoder received "
            f"{_size(grid)}{_counted(row)}"
        )
    if status in UNSEEN and grid != (None, None):
        yield f"{status}, yet with a grid of {_size(grid)}: a grid was read or it was not"
    yield from _count_faults(row)
    names = ("source", "information", "expected", "grid")
    sizes = [row[f"{name}_{side}"] for name in names for side in ("width", "height")]
    each = [value for one in row["images"] or () for value in one.values()]
    sizes += [value for value in each if type(value) is int]
    known = [size for size in (*sizes, row["visual_tokens"]) if size is not None]
    if any(not 0 <= size <= LARGEST for size in known):
        yield f"a size or a number of tokens is outside 0 to {LARGEST}: {known}"
        return
    for one in row["images"] or [row]:
        yield from _budget_faults({**one, "resolution": row["resolution"]})


def _count_faults(row: Row) -> Iterator[str]:
    """What contradicts itself in what is said of a server, the rule taken at its widest."""
    yield from _server_text_faults(row)
    outside = [row[name] for name in SIZES if row[name] is not None]
    if any(not 0 <= size <= LARGEST for size in outside):
        yield f"a size sent or predicted, or a count, is outside 0 to {LARGEST}: {outside}"
        return
    if not 0 <= (row["sent_bytes"] or 0) <= MOST_BYTES:
        yield f"{row['sent_bytes']} bytes sent, outside 0 to {MOST_BYTES}"
    yield from _told_faults(row)
    if row["status"] in UNSEEN:
        yield from _step_faults(row)


def _server_text_faults(row: Row) -> Iterator[str]:
    for name in TEXTS:
        if fault := hostile(row[name] or "", MAX_NAME):
            yield f"{name}: {fault}"
    if row["sent_sha256"] is not None and not re.fullmatch("[0-9a-f]{64}", row["sent_sha256"]):
        yield f"sent_sha256: {row['sent_sha256']!r:.100} is no SHA-256"


def _told_faults(row: Row) -> Iterator[str]:
    """Whether a server's word is there where it answered, and nowhere else."""
    told = [name for name in SAID if row[name] is not None]
    if told and row["status"] == "attested":
        yield f"attested, yet answered by a server ({', '.join(told)}): nobody sees a tensor there"
    elif told and (row["attempts"] is None or row["attempts"] < 1):
        yield f"{row['attempts']} requests, yet {', '.join(told)}: no answer comes without one"


def _step_faults(row: Row) -> Iterator[str]:
    """Whether a row that nobody saw is of the step that it says."""
    status = row["status"]
    predicted = row["predicted_width"] is not None or row["predicted_most"] is not None
    if status == "unattested":
        if predicted:
            yield f"unattested, yet {row['rule']!r} predicts: it is predicted, or mismatched"
        return
    if row["rule"] is None or not predicted:
        yield f"{status}, and no rule is named that tells a size or tokens"
    if row["sent_width"] is None:
        yield f"{status}, and nothing was sent"
        return
    if status == "counted" and (row["counted_by"] is None or row["predicted_most"] is None):
        yield "counted, and not by whom, or not against which number of tokens"
    yield from _size_faults(row)
    yield from _token_faults(row)


def _size_faults(row: Row) -> Iterator[str]:
    sent, asked, ruled = (
        (row[f"{of}_width"], row[f"{of}_height"]) for of in ("sent", "expected", "predicted")
    )
    if sent != asked:
        yield f"sent at {sent[0]}x{sent[1]} px, and {asked[0]}x{asked[1]} px was asked"
    if None in ruled:
        return
    unit = min(math.gcd(*ruled), UNIT)
    if any(2 * abs(a - b) > max(2, unit) for a, b in zip(ruled, sent, strict=True)):
        yield (
            f"{row['rule']} makes {ruled[0]}x{ruled[1]} px of {sent[0]}x{sent[1]} px: mismatched"
        )


def _token_faults(row: Row) -> Iterator[str]:
    least, most, counted = (
        row[name] for name in ("predicted_least", "predicted_most", "counted_tokens")
    )
    if (least is None) != (most is None) or (least is not None and least > most):
        yield f"{row['rule']} makes {least} to {most} tokens"
    elif counted is not None and least is not None and not least <= counted <= most + AROUND:
        due = least if least == most else f"{least} to {most}"
        yield f"{counted} image tokens were counted, {due} were due by {row['rule']}: mismatched"


def _size(size: Sequence[int | None]) -> str:
    return "no grid that anyone saw" if None in size else f"{size[0]}x{size[1]} px"


def _counted(row: Row) -> str:
    """What a server counted, against what was due; nothing where none did."""
    if row["counted_tokens"] is None:
        return ""
    due = f"{row['predicted_least']} to {row['predicted_most']}"
    return f"; {row['counted_tokens']} tokens were counted and {due} were due"


def _budget_faults(row: Row) -> Iterator[str]:
    source = (row["source_width"], row["source_height"])
    shown = (row["information_width"], row["information_height"])
    if None in source or 0 in source or None in shown:
        return
    try:
        asked = parse_resolution(row["resolution"])
    except UsageError as error:
        yield str(error)
        return
    wanted = budget_size(Size(*source), asked)
    if shown != (wanted.width, wanted.height):
        yield (
            f"information of {shown[0]}x{shown[1]} px; a source of {source[0]}x{source[1]} at "
            f"{row['resolution']} gives {wanted.width}x{wanted.height}"
        )
    if row["capped"] != is_capped(Size(*source), asked):
        yield f"capped is {row['capped']}, which the source of {source[0]}x{source[1]} contradicts"


def _verdict_faults(row: Row, pinned: PinnedSample) -> Iterator[str]:
    hidden = row["failure_kind"] is not None or row["status"] == "failed"
    if hidden != (row["correct"] is None):
        yield (
            f"correct is {row['correct']}, failure {row['failure_kind']!r}, status "
            f"{row['status']!r}: a failed sample has no verdict, and any other has one"
        )
    if row["correct"] is None:
        return
    if row["answer"] is None and row["choice_scores"] is None:
        yield "a verdict without an answer; it cannot be re-scored"
        return
    scores = row["choice_scores"]
    if scores is not None and not all(s is not None and math.isfinite(s) for s in scores):
        yield f"choice_scores {scores} are not all finite numbers"
        return
    if row["options"] is not None and tuple(row["options"]) != pinned.choices:
        yield f"options {row['options']!r:.200}, but the pin has {list(pinned.choices)!r:.200}"
        return
    if row["answer_mode"] == "rank" and len(scores or ()) != len(pinned.choices):
        yield f"ranks {len(scores or ())} choices; the sample has {len(pinned.choices)}"
        return
    ranked = scores if row["answer_mode"] == "rank" else None
    mark = judge(row["answer"], ranked, pinned.choices, pinned.target, pinned.form)
    yield from _differences(row, mark)


def _differences(row: Row, mark: AnswerMark) -> Iterator[str]:
    said = row["answer"] if row["answer_mode"] != "rank" else row["choice_scores"]
    if row["prediction"] != mark.prediction:
        yield (
            f"prediction {row['prediction']!r}, but the answer {said!r:.200} says "
            f"{mark.prediction!r}"
        )
    if row["correct"] != mark.correct:
        yield (
            f"counted as {row['correct']}, but the answer {said!r:.200} to target "
            f"{row['target']!r} is {mark.correct}"
        )
    if (row["f1"] is None) != (mark.f1 is None) or abs((row["f1"] or 0) - (mark.f1 or 0)) > DRIFT:
        yield f"f1 {row['f1']}, but the answer {said!r:.200} gives {mark.f1}"
