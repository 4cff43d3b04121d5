"""Guards: each is taken out of a copy of this package in turn, and its test is seen to fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("tasks", "models", "leaderboard", "docs", "tools", "benchmarks", "studies")
"""Beside the package and its tests, what a test reads."""


@dataclass(frozen=True)
class Guard:
    """One guard: the lines that are it, those without it, and the test that misses it."""

    file: str
    """Below the package, or from the repository's root where it begins with `/`."""
    text: str
    """Stands once in the file."""
    without: str
    test: str
    """Below `tests/`; `::` a name, or `-k` words, after a blank."""


FORGED, BOMBS, CACHES = "board/test_forgeries.py", "test_bombs.py", "test_caches.py"
GUARDS: dict[int, dict[str, Guard]] = {
    1: {
        "a request is held against its base": Guard(
            "board/checks.py",
            "changed = () if base is None else tuple(changes_to(base, folder))",
            "changed = ()",
            f"{FORGED} -k published",
        ),
        "the base's ledger counts": Guard(
            "board/checks.py",
            "    if not same:\n        yield Fault(path, f",
            "    if False:\n        yield Fault(path, f",
            f"{FORGED} -k ledger",
        ),
        "a re-run is one that the ledger names": Guard(
            "board/ledger.py",
            "if path.is_file() and file_digest(path) != named:",
            "if False:",
            f"{FORGED} -k beside or smuggled",
        ),
        "accepting enters no re-run": Guard(
            "board/ledger.py",
            "file_digest(rerun) if repeated else None",
            "file_digest(rerun) if rerun.is_file() else None",
            f"{FORGED} -k accepting",
        ),
        "the pins are the base's": Guard(
            "board/checks.py",
            "trusted = folder if base is None else base",
            "trusted = folder",
            f"{FORGED} -k base_s_pins",
        ),
        "links are no pins": Guard(
            "board/watched.py",
            "if path.is_symlink() or not path.is_file() or path.suffix",
            "if not path.is_file() or path.suffix",
            f"{FORGED} -k link",
        ),
        "nothing hidden is new": Guard(
            "board/watched.py",
            'and not any(part.startswith(".") for part in parts)',
            "",
            f"{FORGED} -k hidden",
        ),
    },
    2: {
        "the name is what ran": Guard(
            "board/row_identity.py",
            "if facts.model != facts.pretrained:",
            "if False:",
            f"{FORGED} -k famous",
        ),
        "what was repeated decides who it is": Guard(
            "board/rerun.py",
            "return revision == facts.revision and self.pretrained == facts.model",
            "return True",
            f"{FORGED} -k decides_who_it_is",
        ),
        "the record is of that revision": Guard(
            "board/checks.py",
            'elif said.revision.replace("sha256:", "sha256-") != facts.revision:',
            "elif False:",
            f"{FORGED} -k revision",
        ),
        "the prompt is the task's": Guard(
            "board/row_identity.py",
            "if card.question is not None and prompt != question_text(card.question, pin.choices):",
            "if False:",
            f"{FORGED} -k helps",
        ),
        "generation is the task's": Guard(
            "board/row_identity.py",
            "if generation != own:",
            "if False:",
            f"{FORGED} -k several or room",
        ),
    },
    3: {
        "the direction of disagreements": Guard(
            "board/rerun.py",
            "all(cell.agrees for cell in self.cells) and not self.leans",
            "all(cell.agrees for cell in self.cells)",
            "board/test_agreement.py",
        ),
        "a control's direction is the other": Guard(
            "board/rerun.py",
            "Flips(flips.n, flips.gained, flips.lost) if blind else flips",
            "flips",
            "board/test_agreement.py",
        ),
        "all cells together": Guard(
            "statistics/agreement.py",
            "    if mcnemar(lost, gained) < LEVEL / 2:\n        return True\n",
            "",
            "board/test_agreement.py",
        ),
        "the size follows from the power": Guard(
            "statistics/agreement.py",
            "power(n, cells) >= POWER",
            "power(n, cells) >= 0.1",
            "board/test_agreement.py",
        ),
        "a full re-run's figure is ranked": Guard(
            "board/rerun.py",
            "if verdicts is None or len(verdicts) != len(numbers):",
            "if True:",
            "board/test_agreement.py",
        ),
        "another grid is no repetition": Guard(
            "board/rerun.py",
            "self.agreeing >= AGREEMENT * self.n and self.same_grid == self.n",
            "self.agreeing >= AGREEMENT * self.n",
            "board/test_rerun.py",
        ),
    },
    4: {
        "a key twice in JSON": Guard(
            "ground/notation.py",
            "if len(table) < len(pairs):",
            "if False:",
            "test_notation.py",
        ),
        "a key twice in YAML": Guard(
            "ground/notation.py", "if key.value in seen:", "if False:", "test_notation.py"
        ),
        "a column twice": Guard(
            "data/sources/delimited.py",
            "    if twice:\n        places",
            "    if False:\n        places",
            "test_layouts.py",
        ),
        "a column twice in a TSV": Guard(
            "data/sources/published/table_benchmarks.py",
            "if twice:",
            "if False:",
            "test_notation.py",
        ),
        "a sign within a text ends no line": Guard(
            "ground/notation.py",
            'return text.split("\\n")',
            "return text.splitlines()",
            "servers/test_journal.py",
        ),
        "a number that is not finite": Guard(
            "ground/notation.py",
            "if not math.isfinite(number):",
            "if False:",
            "test_notation.py",
        ),
    },
    5: {
        "elements of lists": Guard(
            "records/store.py",
            "        _check_lists(file, data, path)\n",
            "",
            f"{BOMBS} -k fill_the_memory or footer",
        ),
        "the pages beside the footer": Guard(
            "records/store.py",
            "values = max(column.num_values, sum(page.values for page in column_pages))",
            "values = column.num_values",
            f"{BOMBS} -k footer",
        ),
        "bytes of text": Guard(
            "records/store.py",
            "    if size > most:\n",
            "    if False:\n",
            f"{BOMBS} -k fill_the_memory",
        ),
        "answers of a board": Guard(
            "records/store.py", "if file.rows > most:", "if False:", f"{BOMBS} -k pins"
        ),
        "a child reads first": Guard(
            "board/first_reading.py",
            'waiting = list(places) if sys.platform == "linux" else []',
            "waiting = []",
            "board/test_first_reading.py",
        ),
        "a bound of memory": Guard(
            "board/checks.py",
            "with first_reading.bounded():\n",
            "if True:\n",
            "board/test_first_reading.py -k header",
        ),
        "cells of a table": Guard(
            "data/sources/delimited.py", "if total > MAX_CELLS:", "if False:", f"{BOMBS} -k cells"
        ),
        "aliases": Guard(
            "ground/notation.py", "if total > MAX_NODES:", "if False:", "test_notation.py"
        ),
        "an archive's content": Guard(
            "data/sources/containers.py",
            "if plain.tell() + len(block) > most:",
            "if False:",
            f"{BOMBS} -k archive",
        ),
        "a mask's pixels, by its header": Guard(
            "images.py", "if pixels > pixel_limit():", "if False:", "test_targets.py -k gigapixels"
        ),
        "pages of a TIFF that never end": Guard(
            "pixels/tiff.py", "if page.offset in seen:", "if False:", "pixels/test_tiff.py -k lead"
        ),
        "one long text in every row": Guard(
            "data/sources/published/item.py",
            "return max(1, min(ROWS, BATCH // max([1, *sizes])))",
            "return ROWS",
            f"{BOMBS} -k long_text",
        ),
        "what a table unpacks to": Guard(
            "data/sources/published/item.py",
            "    if sum(sizes) > most:\n",
            "    if False:\n",
            f"{BOMBS} -k far_more_than",
        ),
        "a deflated scan": Guard(
            "pixels/dicom.py",
            "    if inflated > MAX_INFLATED:\n",
            "    if False:\n",
            "pixels/test_dicom.py -k deflated",
        ),
        "a mask is no program": Guard(
            "images.py",
            "opened = Image.open(source, formats=FORMATS)",
            "opened = Image.open(source)",
            "test_targets.py -k program",
        ),
    },
    6: {
        "a file's checksum": Guard(
            "data/sources/checksum.py", "if digest != known:", "if False:", CACHES
        ),
        "an unpacked archive is its file's": Guard(
            "data/sources/containers.py",
            "if target.exists() and _ending(target) == _told_ending(file):\n        return",
            "if target.exists():\n        return",
            CACHES,
        ),
        "a cache of requests": Guard(
            "plugin.py",
            'if ours and options.get("cache_requests"):',
            "if False:",
            f"{CACHES} -k requests",
        ),
        "a cache of responses knows the data": Guard(
            "plugin.py", "    _tell_data_apart()\n", "", f"{CACHES} -k responses"
        ),
        "a reply is this document's": Guard(
            "host/cached_replies.py",
            "if given != wanted:",
            "if False:",
            "faults/test_model_faults.py -k cache",
        ),
        "a reply is this run's": Guard(
            "host/cached_replies.py",
            "if reply.state != state_of(doc):",
            "if False:",
            "faults/test_model_faults.py -k cache or answers",
        ),
    },
    7: {
        "only what was written is deleted": Guard(
            "ground/files.py",
            "    refuse_foreign(output)\n    write_manifest",
            "    write_manifest",
            "test_files.py",
        ),
        "content, not the name, is known": Guard(
            "ground/files.py",
            "ours = name in written and file_digest(path) == written[name]",
            "ours = name in written",
            "test_files.py",
        ),
        "nothing half is left": Guard(
            "ground/files.py",
            "        temporary.unlink(missing_ok=True)\n        raise",
            "        raise",
            "test_files.py",
        ),
        "beside, and renamed": Guard(
            "ground/files.py",
            'temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")',
            "temporary = path; path.unlink(missing_ok=True)",
            "test_files.py",
        ),
        "a folder appears once it is whole": Guard(
            "ground/files.py",
            "        shutil.rmtree(aside, ignore_errors=True)\n        raise",
            "        raise",
            "test_files.py -k nothing",
        ),
        "somebody else's page": Guard(
            "ground/files.py", "    if not ours:\n", "    if False:\n", "test_foreign_files.py"
        ),
        "results are whole on the disk": Guard(
            "host/saving.py",
            "    if LEDGER.unsaved is not None or not whole:\n",
            "    if False:\n",
            "adapters/test_lost_runs.py -k whole_on",
        ),
        "a half line stays alone": Guard(
            "models/wrapped/journal.py",
            'b"" if _ends(file) else b"\\n"',
            'b""',
            "servers/test_journal.py",
        ),
        "the mask": Guard(
            "ground/files.py",
            "handle = os.open(temporary,",
            "os.umask(0o022); handle = os.open(temporary,",
            "test_files.py",
        ),
    },
    8: {
        "a child ends with its parent": Guard(
            "jobs/process.py",
            'preexec_fn=(lambda: die_with(parent)) if sys.platform == "linux" else None,',
            "",
            "jobs/test_process.py -k killed_sweep",
        ),
        "a child holds the lock": Guard(
            "jobs/process.py",
            "pass_fds=() if lock is None else (lock,),",
            "",
            "jobs/test_process.py -k outlives",
        ),
        "finished, by the outputs' digests": Guard(
            "jobs/job.py",
            "same = all(_digest(self.records / str(name)) == told "
            "for name, told in outputs.items())",
            "same = True",
            "jobs/test_process.py -k outputs",
        ),
        "one process a job": Guard(
            "jobs/process.py",
            "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
            "pass",
            "jobs/test_process.py -k started_again",
        ),
    },
    9: {
        "users and passwords of a URL": Guard(
            "ground/redaction.py",
            '    struck = _PASSWORD.sub(rf"\\g<name>{STRUCK}@", struck)\n',
            "",
            "test_secrets.py",
        ),
        "values behind a name": Guard(
            "ground/redaction.py",
            "_XML, _NAMED, _OPTION,",
            "_XML, _OPTION,",
            "test_secrets.py",
        ),
        "tokens by their form": Guard(
            "ground/redaction.py",
            "    struck = _FORMS.sub(STRUCK, struck)\n",
            "",
            "test_secrets.py",
        ),
        "keys of their own lines": Guard(
            "ground/redaction.py", "_PEM.sub(STRUCK, text)", "text", "test_secrets.py"
        ),
        "a library's detectors": Guard(
            "ground/redaction.py",
            "for secret in _detected(struck):",
            "for secret in ():",
            "test_secrets.py",
        ),
        "a cluster's job file": Guard(
            "jobs/sweep_plan.py",
            "copyreg.pickle(Job, _kept)",
            "",
            "jobs/test_process.py -k cluster",
        ),
        "a job's log": Guard(
            "jobs/job.py",
            "        _without_secrets(job.log)\n",
            "        pass\n",
            "jobs/test_jobs.py -k secret",
        ),
    },
    10: {
        "printing": Guard(
            "ground/errors.py",
            'reconfigure(errors="backslashreplace")',
            "pass",
            "test_printing.py -k sign",
        ),
        "a cache that cannot be written": Guard(
            "installation.py",
            "    if not writable:\n",
            "    if False:\n",
            "test_printing.py -k one_sentence",
        ),
        "the line at every start is silent": Guard(
            "/resolution_eval.pth",
            "except Exception:\\n    pass",
            "finally:\\n    pass",
            "test_startup.py",
        ),
        "its switch": Guard(
            "startup.py",
            'if os.environ.get(SWITCH) != "off" and',
            "if",
            "test_startup.py",
        ),
        "it loads next to nothing": Guard(
            "startup.py",
            'HOST_TASKS = "lmms_eval.tasks"',
            'import json\n\nHOST_TASKS = "lmms_eval.tasks"',
            "test_startup.py",
        ),
    },
    11: {
        "links out of a site": Guard(
            "board/site/serve.py",
            "inside = asked.resolve().is_relative_to(Path(self.directory).resolve())",
            "inside = True",
            "board/test_site.py -k serving",
        ),
        "a name that goes on in the next line": Guard(
            "board/submission_files.py",
            """return visible(said).replace("\\n", "\\\\n")""",
            "return visible(said)",
            f"{FORGED} -k next",
        ),
        "a stranger's Host": Guard(
            "board/site/serve.py", "if host not in HOSTS:", "if False:", "board/test_site.py"
        ),
        "letters that nobody sees": Guard(
            "board/submission.py",
            "if blank or unseen(character):",
            "if False:",
            f"{FORGED} -k title",
        ),
        "names of two scripts": Guard(
            "board/submission.py", "if word is not None:", "if False:", f"{FORGED} -k alike"
        ),
        "this project's own name": Guard(
            "board/row_identity.py",
            "if _holds(name, PROJECT):",
            "if False:",
            f"{FORGED} -k project",
        ),
        "a part of the data, from the middle": Guard(
            "board/checks.py",
            "if record.environment.offset is not None:",
            "if False:",
            f"{FORGED} -k middle",
        ),
        "the offset is in the record": Guard(
            "records/make.py",
            'offset=int(_number(host, "offset") or 0) or None,',
            "offset=None,",
            "test_record_facts.py -k begins",
        ),
        "tools of the release by hash": Guard(
            "/.github/workflows/release.yml",
            "uv build --build-constraints .ci/build.txt --require-hashes",
            "uv build",
            "test_supply.py",
        ),
        "an audit without an answer": Guard(
            "/.github/workflows/audit.yml", "pip-audit --strict", "pip-audit", "test_supply.py"
        ),
        "a request brings its submission and nothing else": Guard(
            "/.github/workflows/leaderboard.yml",
            "-- . ':(top,exclude)leaderboard/'",
            "-- . ':(exclude,glob)**/leaderboard/**'",
            "test_supply.py",
        ),
    },
}
"""Guards by kind: what is believed of a file beside the records, identity, checks too weak,
ambiguous documents, bombs, caches, losing things, orphans, secrets, hosts and encodings, small
ones.
"""
CASES = [(kind, name) for kind, guards in GUARDS.items() for name in guards]


SERVER = """
import importlib, json, os, sys

for name in sys.argv[1:]:
    importlib.import_module(name)
import pytest

for line in sys.stdin:
    arguments, output = json.loads(line)
    child = os.fork()
    if child == 0:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        status = pytest.main(arguments)
        sys.stdout.flush()
        os._exit(int(status))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Forks a process for each test, in which what takes long to import is there already."""
HEAVY = ("numpy", "pandas", "pyarrow.parquet", "scipy.stats", "pydantic", "yaml", "torch", "altair")


class Copy:
    """A copy of this repository, one guard of which may be taken out, and its tests be run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        without = shutil.ignore_patterns("__pycache__")
        for name in ("resolution_eval", "tests", ".github", ".ci"):
            shutil.copytree(ROOT / name, home / name, ignore=without)
        for name in LINKED:
            (home / name).symlink_to(ROOT / name)
        for path in (*ROOT.glob("*.*"), ROOT / "LICENSE"):
            if path.is_file():
                shutil.copyfile(path, home / path.name)
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, *HEAVY],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ran(self, test: str) -> tuple[int, str]:
        """How a test of the copy ended, upon the copy's package, and what it printed."""
        assert self._server.stdin is not None and self._server.stdout is not None
        file, _, words = test.partition(" -k ")
        chosen = ["-k", words] if words else []
        command = ["-n", "0", "-q", "-x", "-m", "not slow and not gpu", "-p", "no:cacheprovider"]
        output = self.home / "output.txt"
        line = json.dumps([[*command, f"tests/{file}", *chosen], str(output)])
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        return status, output.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("copy"))
    yield made
    made.close()


def place_of(guard: Guard) -> str:
    return guard.file[1:] if guard.file[0] == "/" else f"resolution_eval/{guard.file}"


def test_every_kind_has_three_guards() -> None:
    assert {*GUARDS} == {*range(1, 12)} and all(len(each) >= 3 for each in GUARDS.values())


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_guard_stands_once_where_the_table_says(kind: int, name: str) -> None:
    guard = GUARDS[kind][name]
    assert (ROOT / place_of(guard)).read_text(encoding="utf-8").count(guard.text) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_guard_that_is_taken_out_is_missed(copy: Copy, kind: int, name: str) -> None:
    guard = GUARDS[kind][name]
    file = copy.home / place_of(guard)
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace(guard.text, guard.without), encoding="utf-8")
    try:
        status, said = copy.ran(guard.test)
    finally:
        file.write_text(whole, encoding="utf-8")
    assert status == 1 and " failed" in said, said[-3000:]
    assert not any(word in said for word in ("SyntaxError", "NameError", "IndentationError"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_copy_is_sound_with_all_its_guards(copy: Copy) -> None:
    """What fails above fails for the guard, not for the copy: the same tests, unchanged."""
    for test in sorted({guard.test for each in GUARDS.values() for guard in each.values()}):
        status, said = copy.ran(test)
        assert status == 0, (test, said[-3000:])
