"""Budgets: what a run may spend, told before, kept within, and gone on from; none asked twice."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from stand_in import Received, StandIn, running
from test_server_runs import QWEN, counted, small

from resolution_eval.evidence.attestation import Sent
from resolution_eval.models.wrapped import traffic
from resolution_eval.models.wrapped.exchange import Exchange
from resolution_eval.models.wrapped.spending import AROUND, Spending
from resolution_eval.records import make_records, read_record

pytestmark = pytest.mark.filterwarnings("ignore")
DOCUMENTS = 20


# The arithmetic.


def question(edge: int = 140, text: str = "Which?", longest: int | None = 5) -> Exchange:
    sent = Sent(width=edge, height=edge, format="PNG", bytes=9)
    body = {"messages": []} if longest is None else {"messages": [], "max_tokens": longest}
    return Exchange("http://x/v1/chat/completions", {}, body, [sent], text)


def answered(exchange: Exchange, prompt: int, written: int) -> Exchange:
    exchange.status = 200
    exchange.answer = {"usage": {"prompt_tokens": prompt, "completion_tokens": written}}
    return exchange


def test_the_most_a_question_takes_is_its_image_its_bytes_the_template_and_its_limit() -> None:
    spending = Spending(lambda exchange: exchange.images[0].width // 28)
    assert spending.most(question(text="Wäs?")) == 5 + 5 + AROUND + 5
    for more in ({"max_completion_tokens": 7}, {"generationConfig": {"maxOutputTokens": 7}}):
        told = question(longest=None)
        told.body |= more
        assert spending.most(told) == 5 + 6 + AROUND + 7


def test_what_was_set_aside_is_given_back_and_the_template_is_learned() -> None:
    spending = Spending(lambda _: 25)
    spending.budget = 1000
    held = spending.reserve(question())
    assert held == 25 + 6 + AROUND + 5
    spending.settle(held, answered(question(), prompt=331, written=2))
    assert spending.spent == 333
    assert spending.most(question()) == 25 + 6 + 300 + 5, "a long prompt of the server's own"


def test_of_images_without_a_rule_the_largest_prompt_so_far_is_taken() -> None:
    spending = Spending()
    spending.budget = 10_000
    first = spending.most(question(edge=140, longest=None))
    assert first == 100 + 6 + AROUND
    spending.settle(spending.reserve(question()) or 0, answered(question(), 900, 40))
    assert spending.most(question(longest=None)) == 900 + 6 + AROUND + 40


@pytest.mark.parametrize(
    ("status", "fault", "unsent", "spent"),
    [
        (429, "status 429", False, 0),
        (504, "status 504", False, 100),
        (None, "ConnectError", True, 0),
        (None, "ReadTimeout", False, 100),
        (200, "truncated", False, 100),
    ],
)
def test_what_may_have_been_billed_is_counted_whole(
    status: int | None, fault: str, unsent: bool, spent: int
) -> None:
    spending, lost = Spending(lambda _: 25), question()
    spending.reserve(question(longest=5))
    lost.status, lost.fault, lost.unsent = status, fault, unsent
    spending.settle(100, lost)
    assert spending.spent == spent


def test_a_question_that_may_not_fit_waits_for_those_under_way() -> None:
    spending = Spending(lambda _: 25)
    spending.budget = 150
    held = spending.reserve(question())
    found: list[int | None] = []
    waiting = threading.Thread(target=lambda: found.append(spending.reserve(question())))
    waiting.start()
    waiting.join(0.2)
    assert found == [] and spending.ended is None
    spending.settle(held or 0, answered(question(), 33, 1))
    waiting.join(10)
    assert found == [100]
    spending.settle(100, answered(question(), 33, 1))
    assert spending.reserve(question()) is None and "68 are spent" in str(spending.ended)


def test_a_client_of_one_thread_waits_without_holding_it() -> None:
    spending = Spending(lambda _: 25)
    spending.budget = 150

    async def one() -> int | None:
        held = await spending.reserve_async(question())
        await asyncio.sleep(0.01)
        if held is not None:
            spending.settle(held, answered(question(), 33, 1))
        return held

    async def three() -> list[int | None]:
        return list(await asyncio.gather(one(), one(), one()))

    assert asyncio.run(three()) == [100, 100, None]
    assert spending.spent == 68


# Through the real command line.


def plan(folder: Path, url: str) -> Path:
    told = f"base=openai,base_url={url},api_key=sk-secretsecretsecret,{QWEN},num_concurrent=4"
    model = {"name": "m", "model": "reswrap", "model_args": f"{told},httpx_trust_env=False"}
    document = {
        "output": "out",
        "models": [model],
        "tasks": ["phantom_res"],
        "arguments": ["--limit", DOCUMENTS],
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(document))
    return folder / "plan.yaml"


def sweep(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "resolution_eval", "sweep", str(path), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def spent(server: StandIn) -> int:
    """All that the server billed."""
    return sum((server.usage(asked) or {})["total_tokens"] for asked in server.received)


def told_apart(asked: Received) -> str:
    return json.dumps(asked.body, sort_keys=True)


def without_host_cache(kept: Path) -> None:
    """Takes away what lmms-eval keeps by itself, so that the journal alone is left."""
    for each in kept.iterdir():
        if not each.name.startswith("resolution_eval"):
            shutil.rmtree(each) if each.is_dir() else each.unlink()


@pytest.mark.whole
def test_a_dry_run_says_tokens_and_money_of_every_cell_and_asks_nothing(tmp_path: Path) -> None:
    with running(small) as server:
        dry = sweep(plan(tmp_path, server.url), "--dry-run", "--price", "2.5")
        assert dry.returncode == 0, dry.stderr[-2000:]
        assert "secretsecret" not in dry.stdout and server.received == []
    cells = re.findall(r"#   (\S+): (\d+) samples, ([\d,]+) image tokens, (\S+) by", dry.stdout)
    assert [size for size, *_ in cells] == ["16", "24", "32", "48", "64"]
    for size, samples, tokens, money in cells:
        due = int(samples) * small(int(size), int(size))
        assert int(samples) == DOCUMENTS // 5 and int(tokens.replace(",", "")) == due
        assert float(money) == pytest.approx(due * 2.5e-6, rel=0.05)
    assert "sizes are those of the first 200 samples on this machine" in dry.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_stops_within_its_budget_and_goes_on_without_asking_twice(tmp_path: Path) -> None:
    with running(small, wrapping=2, details=False) as server:
        path, budget = plan(tmp_path, server.url), 900
        stopped = sweep(path, "--budget", str(budget))
        first = len(server.questions)
        assert stopped.returncode == 1 and "(budget)" in stopped.stdout, stopped.stdout
        assert 0 < first < DOCUMENTS
        assert budget // 2 < spent(server) <= budget
        (record,) = (tmp_path / "out" / "records").glob("*.record.json")
        failed = [failure.kind for failure in read_record(record).failures]
        assert set(failed) == {"budget"} and len(failed) == DOCUMENTS - first
        (kept,) = (tmp_path / "out" / "jobs").rglob("cache")
        assert (kept / "resolution_eval_answers.jsonl").read_bytes().count(b"\n") == first
        without_host_cache(kept)
        before = spent(server)
        done = sweep(path, "--budget", str(DOCUMENTS * budget))
        assert done.returncode == 0, done.stdout[-2000:]
        assert len(server.questions) == DOCUMENTS and spent(server) > before
        assert len(set(map(told_apart, server.received))) == len(server.received), "none twice"
    (state,) = (tmp_path / "out" / "jobs").rglob("finished.json")
    assert json.loads(state.read_text())["cells"] == 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_runs_of_one_configuration_file_keep_each_its_own_journal(tmp_path: Path) -> None:
    """`--config` with a list: the folder of `use_cache` is that of the run under way."""
    with running(small, wrapping=2) as server:
        told = f"base=openai,base_url={server.url},api_key=sk-secretsecretsecret,{QWEN}"
        common: dict[str, Any] = {
            "model": "reswrap",
            "model_args": f"{told},httpx_trust_env=False,num_concurrent=2",
            "tasks": "phantom_res",
            "log_samples": True,
            "verbosity": "WARNING",
        }
        runs = [
            common | {"limit": 5, "use_cache": str(tmp_path / "a"), "output_path": "oa"},
            common
            | {"limit": 10, "use_cache": str(tmp_path / "b" / "cache.db"), "output_path": "ob"},
        ]
        runs[0]["max_tokens"] = 450
        (tmp_path / "runs.yaml").write_text(yaml.safe_dump(runs))
        _configured(tmp_path)
        kept = {name: tmp_path / name / "resolution_eval_answers.jsonl" for name in "ab"}
        lines = {name: path.read_bytes().count(b"\n") for name, path in kept.items()}
        assert 0 < lines["a"] < 5 and lines["b"] == 10
        assert len(server.questions) == sum(lines.values())
        for name in "ab":
            without_host_cache(tmp_path / name)
        for run in runs:
            run.pop("max_tokens", None)
            run["output_path"] += "2"
        (tmp_path / "runs.yaml").write_text(yaml.safe_dump(runs))
        _configured(tmp_path)
        assert len(server.questions) == 5 + 10, "nothing was asked twice"
    assert b"secret" not in kept["a"].read_bytes()
    counted(tmp_path / "ob2")
    (record,) = make_records(tmp_path / "oa2")
    assert {cell.status for cell in record.cells} == {"counted"}


def _configured(folder: Path) -> None:
    command = [sys.executable, "-m", "lmms_eval", "--config", str(folder / "runs.yaml")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_was_held_is_settled_also_where_a_question_is_closed_elsewhere() -> None:
    """An abandoned coroutine is closed in another context, where its mark cannot be taken back."""
    settled: list[Any] = []
    spending: Any = SimpleNamespace(settle=lambda held, exchange: settled.append(held))
    under_way = traffic._under_way(SimpleNamespace(), 75, spending)
    contextvars.copy_context().run(under_way.__enter__)
    with pytest.raises(ValueError, match="different Context"):
        under_way.__exit__(None, None, None)
    assert settled == [75]
