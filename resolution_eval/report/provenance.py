"""Provenance: where a record comes from, as names and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from resolution_eval.ground.tables import shorten
from resolution_eval.records import Record

Facts = Iterator[tuple[str, object]]
GIBIBYTE = 2**30
LONGEST = 1000
"""Characters of one fact."""


def facts(record: Record) -> list[tuple[str, str]]:
    """All that the record knows of itself; what it does not know is named in the last row."""
    unknown = ("not known", ", ".join(record.unknown))
    known = (*_checkpoint(record), *_data(record), *_run(record), unknown)
    return [(name, shorten(str(it), LONGEST)) for name, it in known if it not in (None, "")]


def _checkpoint(record: Record) -> Facts:
    checkpoint = record.checkpoint
    yield "checkpoint", checkpoint.name
    yield "its revision", checkpoint.revision
    yield "adapter", checkpoint.adapter
    yield "number type", checkpoint.dtype
    yield "shown", record.shown
    yield "trained at", checkpoint.training
    if checkpoint.training_overridden:
        yield "declared instead", checkpoint.training_declared
    yield "known from", checkpoint.training_evidence
    yield "evidence at", checkpoint.training_evidence_url
    yield "strategy", checkpoint.strategy
    yield "training data", checkpoint.training_data


def _data(record: Record) -> Facts:
    data = record.dataset
    yield "data set", data.name
    yield "read from", data.source
    yield "revision", data.revision
    yield "revision found", data.revision_found
    yield "fingerprint", data.fingerprint
    yield "samples loaded", data.loaded
    yield "samples excluded", data.excluded_total
    yield "excluded", "; ".join(f"{each.item}: {each.reason}" for each in data.excluded[:5])
    yield "notes", "; ".join(data.notes)
    yield "licence", data.licence
    yield "citation", data.citation
    yield "resampled by", data.cluster
    yield "prompt", None if record.prompt is None else record.prompt.replace("\n", " / ")


def _run(record: Record) -> Facts:
    run = record.environment
    yield "run", run.date
    yield "model", run.model
    yield "model arguments", run.model_args
    yield "generation", run.generation
    yield "demonstrations", run.fewshot
    yield "order of options", run.option_order
    yield "batch size", run.batch_size
    yield "limit", None if run.limit is None else f"{run.limit:g}"
    yield "device", run.device
    yield "hardware", None if run.hardware is None else run.hardware.summary
    yield "GPU driver", None if run.hardware is None else run.hardware.driver
    yield "arithmetic", None if run.arithmetic is None else run.arithmetic.summary
    yield "platform", run.platform
    yield "processes", run.processes
    yield "versions", _pairs(run.versions)
    yield "seeds", _pairs(run.seeds)
    yield "wall time", None if run.wall_time is None else f"{run.wall_time:.1f} s"
    speed = run.samples_per_second
    yield "samples per second", None if speed is None else f"{speed:.3g}"
    if run.peak_memory is not None:
        yield "peak memory", f"{run.peak_memory / GIBIBYTE:.2f} GiB of the {run.peak_memory_of}"
    yield "results file", run.results_file
    yield "its SHA-256", run.results_sha256
    yield from _server(record)
    yield "evidence of grids", "; ".join(sorted({e for c in record.cells for e in c.evidence}))


def _server(record: Record) -> Facts:
    """What a server that answered said of itself, and what predicted its images."""
    said = [cell.serving for cell in record.cells if cell.serving is not None]
    yield "predicted by", _names(each.rules for each in said)
    yield "counted by", _names(each.counted_by for each in said)
    yield "model, by the server's word", _names(each.models for each in said)
    yield "fingerprint, by the server's word", _names(each.fingerprints for each in said)
    yield "probed", "; ".join(record.checkpoint.probes)


def _names(lists: Iterable[Sequence[str]]) -> str:
    return ", ".join(sorted({name for names in lists for name in names}))


def _pairs(values: Mapping[str, str] | Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
