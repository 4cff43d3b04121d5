"""The probe's hook: a server is asked before the run and after it, and the facts say so."""

from __future__ import annotations

import base64
import io
import random
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from asking import adapter, documents, judged
from PIL import Image
from stand_in import Received, qwen, running

from resolution_eval.data.acuity.chart_book import STRIPES
from resolution_eval.host.cache_folder import keeping
from resolution_eval.models.wrapped.fidelity import encoded, fidelity

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A probe of three questions in place of the real one; what it was answered."""
    said: list[Any] = []

    def ask_three(ask: Any, *, promised: int) -> Any:
        items = [
            SimpleNamespace(
                image=Image.new("RGB", (promised, promised), (shade, 0, 0)),
                question=f"How do the stripes run in {shade}?",
                choices=("upright", "lying"),
            )
            for shade in (10, 20, 30)
        ]
        said.append(ask(items))
        return SimpleNamespace(sentence=f"{len(said)} probes were made")

    module = ModuleType("resolution_eval.data.acuity.probe")
    module.probe = ask_three  # type: ignore[attr-defined]
    package = ModuleType("resolution_eval.data.acuity")
    monkeypatch.setitem(sys.modules, "resolution_eval.data.acuity", package)
    monkeypatch.setitem(sys.modules, "resolution_eval.data.acuity.probe", module)
    return said


def shade(asked: Received) -> str:
    return next((word for word in asked.text.split() if word.strip("?").isdecimal()), "A")


def test_a_server_is_probed_before_and_after_and_the_facts_say_so(probe: list[Any]) -> None:
    with running(qwen, reply=shade) as server:
        made = adapter(server, probe=96, num_concurrent=2)
        found = judged(made, documents(["140x140"]))
        assert len(server.questions) == 1 + 2 * (3 + 48)
    assert probe == [["10?", "20?", "30?"]] * 2, "each question has its own answer, in order"
    facts = made.checkpoint_facts()
    assert [said.partition(";")[0] for said in facts.probes] == [
        "96 px: 1 probes were made",
        "96 px: 2 probes were made",
    ]
    assert all("re-encoded with loss on the way" in said for said in facts.probes), "it sees none"
    assert [attested.status for _, attested in found] == ["counted"]


@pytest.mark.parametrize("fault", ["empty", "another model", "cached"])
def test_what_a_server_does_not_answer_is_no_answer_to_the_probe(
    fault: str, probe: list[Any]
) -> None:
    """Nor what another model said, or a cache; whose first answer was the server's own."""
    with running(qwen, faults=[fault]) as server:
        made = adapter(server, probe=96)
        judged(made, documents(["140x140"]))
    own = ["A"] if fault == "cached" else []
    for said in probe:
        assert sorted(said, key=str) == [*own, *[None] * (3 - len(own))]


def test_the_state_of_replies_does_not_follow_the_probe(probe: list[Any]) -> None:
    with running(qwen, reply=shade) as server:
        plain, probed = adapter(server), adapter(server, probe=96)
        probed.probes = ("said",)
        assert plain.state == probed.state


def test_an_image_re_encoded_as_jpeg_is_named_by_the_probe_alone() -> None:
    outcomes = {}
    for quality in (None, 30, 10):
        found = fidelity(lambda items, q=quality: [_faint_eye(i, q) for i in items], edge=112)
        outcomes[quality] = found.kept
        assert found.lossy < found.images, "JPEG wipes the stripes out"
    assert outcomes == {None: True, 30: False, 10: False}
    assert "re-encoded with loss" in found.sentence


def test_a_guessing_model_is_said_to_see_fidelity_in_at_most_five_of_a_hundred_probes() -> None:
    chance = random.Random(3)
    seen = [
        fidelity(lambda items: [chance.choice(STRIPES) for _ in items], edge=16).kept
        for _ in range(200)
    ]
    assert sum(seen) <= 20  # binom.sf(20, 200, 0.05) is 0.0006


def _faint_eye(item: Any, quality: int | None) -> str:
    """Which way faint differences run, after what a server may do to the image."""
    image = item.image if quality is None else encoded(item.image, quality)
    return _eye(SimpleNamespace(image=image, choices=item.choices), halved=False)


@pytest.mark.whole
def test_answers_swapped_between_two_questions_are_named_by_the_probe_alone() -> None:
    """Questions that are under way together have images of one size: no count tells them apart."""

    def eye(asked: Any) -> str:
        (part,) = (p for p in asked.body["messages"][0]["content"] if p["type"] == "image_url")
        data = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return _eye(SimpleNamespace(image=image, choices=STRIPES), halved=False)

    sentences = {}
    for faults in ((), ("swapped",)):
        with running(qwen, reply=eye, faults=faults) as server:
            made = adapter(server, probe=128, num_concurrent=2)
            answers = judged(made, documents(["140x140#1", "140x140#2"], (140,)))
            sentences[faults] = made.checkpoint_facts().probes[0]
        assert [attested.status for _, attested in answers] == ["counted"] * 2
    assert "sees detail that 64 px cannot hold" in sentences[()]
    assert "sees detail" not in sentences["swapped",]
    assert "re-encoded with loss on the way" in sentences["swapped",]


def test_the_largest_size_of_the_sweep_is_probed_unless_one_is_named(probe: list[Any]) -> None:
    with running(qwen, reply=shade) as server:
        made = adapter(server, probe="auto", num_concurrent=4)
        judged(made, documents(["140x140"], (84, 112, "native")))
        assert {asked.size for asked in server.questions[:48]} == {(112, 112)}
        assert made.checkpoint_facts().probes[0].startswith("112 px: ")
    with running(qwen) as server, pytest.raises(SystemExit, match="in pixels; give probe=EDGE"):
        judged(adapter(server, probe="auto"), documents(["140x140"]))


@pytest.mark.parametrize("edge", ["0", "-4", "big", "1.5"])
def test_a_probe_of_no_size_is_refused(edge: str) -> None:
    with running(qwen) as server, pytest.raises(SystemExit, match="or auto for the largest"):
        adapter(server, probe=edge)
    assert server.received == []


def test_a_resumed_run_is_probed_anew_and_asks_nothing_else(
    probe: list[Any], tmp_path: Any
) -> None:
    """A probe says what the server does now: its answers are never those of an earlier day."""
    asked = []
    with running(qwen, reply=shade) as server, keeping(tmp_path):
        for _ in range(2):
            judged(adapter(server, probe=96, num_concurrent=2), documents(["140x140"]))
            asked.append(len(server.questions))
    assert asked == [1 + 2 * (3 + 48), 1 + 4 * (3 + 48)]


def test_a_model_that_sees_is_told_from_a_server_that_halves() -> None:
    """The real probe, where this version has it: nothing else sees an image re-encoded or halved
    behind an honest count.
    """
    module = pytest.importorskip("resolution_eval.data.acuity.probe")
    outcomes = {}
    for halved in (False, True):
        finding = module.probe(lambda items, h=halved: [_eye(i, h) for i in items], promised=128)
        outcomes[halved] = finding.outcome
    assert outcomes == {False: "finer", True: "coarser"}


def _eye(item: Any, halved: bool) -> str:
    """Which way an image's differences run, after what a server may do to it."""
    import numpy as np

    image = item.image.convert("L")
    if halved:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    grey = np.asarray(image, dtype=float)
    across, down = np.abs(np.diff(grey, axis=1)).sum(), np.abs(np.diff(grey, axis=0)).sum()
    return str(item.choices[0] if across > down else item.choices[1])


# `--probe` on the commands.


def test_run_hands_the_probe_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from resolution_eval import cli
    from resolution_eval.host import runs

    said: list[Any] = []
    monkeypatch.setattr(runs, "run", lambda tasks, rest, **_: said.append(list(rest)) or 0)
    told = ["--model", "reswrap", "--model_args=base=openai,model=gpt-4o", "--limit", "4"]
    for more, edge in ((["--probe"], "auto"), (["--probe", "224"], "224"), (["--probe=64"], "64")):
        assert cli.main(["run", "--tasks", "phantom_res", *told, *more]) == 0
        given = said.pop()
        assert given[:2] == ["--model", "reswrap"] and given[4:] == ["--limit", "4"]
        assert given[3] == f"base=openai,model=gpt-4o,probe={edge}"
    assert cli.main(["run", "--tasks", "phantom_res", *told]) == 0
    assert "probe" not in str(said.pop())


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["run", "--tasks", "phantom_res", "--model", "reshf", "--probe"], "--model is reshf"),
        (["run", "--tasks", "phantom_res", "--probe"], "--model is not given"),
        (["score", "embedded/low", "phantom_res", "--probe"], "runs here"),
        (["run", "--probe", "0", "--tasks", "phantom_res"], "is no edge in pixels"),
    ],
)
def test_a_probe_of_what_is_no_server_is_refused(
    command: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from resolution_eval import cli

    try:
        status = cli.main(command)
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    assert status != 0 and word in capsys.readouterr().err


def test_a_sweep_probes_its_servers_and_a_probed_job_is_another(tmp_path: Any) -> None:
    from resolution_eval.ground.errors import UsageError
    from resolution_eval.jobs.sweep_plan import read_plan

    plan = tmp_path / "plan.yaml"
    served = "{name: s, model: reswrap, model_args: 'base=openai,model=gpt-4o'}"
    here = "{name: h, model: resflamingo, model_args: 'pretrained=embedded/low'}"
    plan.write_text(f"output: out\nmodels: [{served}, {here}]\ntasks: [phantom_res]\n")
    plain, probed = list(read_plan(plan).jobs()), list(read_plan(plan, probe="auto").jobs())
    assert probed[0].settings.model_args == "base=openai,model=gpt-4o,probe=auto"
    assert probed[0].folder != plain[0].folder and probed[1].settings == plain[1].settings
    for job in probed:
        rebuild, kept = _reduced(job)
        assert rebuild(*kept).settings == job.settings
    plan.write_text(plan.read_text() + "probe: 224\n")
    assert "probe=224" in next(read_plan(plan).jobs()).settings.model_args
    plan.write_text(f"output: out\nmodels: [{here}]\ntasks: [phantom_res]\n")
    with pytest.raises(UsageError, match="no model of the plan is a reswrap"):
        read_plan(plan, probe="auto")


def _reduced(job: Any) -> Any:
    import copyreg

    return copyreg.dispatch_table[type(job)](job)
