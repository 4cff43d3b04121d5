"""The judge of open answers, asked over HTTP as an OpenAI-compatible server is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from resolution_eval.data.cards import task_cards
from resolution_eval.evidence.run_ledger import LEDGER, SampleKey
from resolution_eval.evidence.verdict import Failure
from resolution_eval.ground.errors import CardError, UsageError
from resolution_eval.host import judge, task_metrics, tasks
from resolution_eval.host.judge import open_judge
from resolution_eval.host.taskfiles import Variation, task_yaml

pytestmark = pytest.mark.filterwarnings("ignore")
NAME = "openai:a-judge"


class Served:
    """What the server was asked, and what it shall say: a text, or a status to fail with."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.says: str | int = "Yes"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    script = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            script.asked.append(
                json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                | {"path": self.path, "key": self.headers["Authorization"]}
            )
            fails = isinstance(script.says, int)
            message = {"role": "assistant", "content": str(script.says)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {"id": "1", "object": "chat.completion", "created": 0, "model": "judge-2026"}
            data = json.dumps({} if fails else {**body, "choices": [choice]}).encode()
            self.send_response(int(script.says) if fails else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    monkeypatch.setenv("OPENAI_API_URL", f"http://127.0.0.1:{server.server_port}/v1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(judge, "PAUSE", 0.0)
    open_judge.cache_clear()
    yield script
    server.shutdown()
    server.server_close()
    open_judge.cache_clear()


def document(number: int = 1, form: str = "open", name: str = NAME) -> dict[str, Any]:
    return {
        "dataset": "toy",
        "sample": f"q{number}",
        "image": "1.png",
        "resolution": "28",
        "filter": "bicubic",
        "scheme": "match",
        "question": "Where is the mass?" if form == "open" else "Is there a mass?",
        "choices": [] if form == "open" else ["yes", "no"],
        "form": form,
        "answer": "right lower lobe" if form == "open" else "yes",
        "cluster": "1.png",
        "fingerprint": "f",
        "data": "1 samples, 0 excluded",
        "judge": name,
    }


@pytest.mark.parametrize(("says", "correct"), [("Yes", 1), ("no.", 0), ("**No**", 0), ("YES\n", 1)])
def test_a_judgement_stands_beside_exact_match(served: Served, says: str, correct: int) -> None:
    served.says = says
    result = tasks.process_results(document(), ["the lower lobe on the right"])
    assert result["judged@28"]["score"] == correct
    assert result["em@28"]["score"] == 0, "exact match has its own mind"
    said = result["verdict"]["judgement"]
    assert (said["judge"], said["model"], said["correct"]) == (NAME, "judge-2026", correct)
    assert result["judge_failed"] == {"count": 0}
    (asked,) = served.asked
    assert asked["path"] == "/v1/chat/completions" and asked["key"] == "Bearer a key"
    assert (asked["model"], asked["temperature"]) == ("a-judge", 0.0)
    text = asked["messages"][0]["content"]
    for part in ("Where is the mass?", "right lower lobe", "the lower lobe on the right"):
        assert part in text


@pytest.mark.parametrize(
    "says", ["1", "0 out of 1", "Yes and no", "yesterday", "", "I cannot tell.", 500, 401]
)
def test_no_plain_yes_or_no_is_a_failed_judgement_and_no_zero(
    served: Served, says: str | int
) -> None:
    served.says = says
    result = tasks.process_results(document(), ["the right lower lobe"])
    assert "score" not in result["judged@28"]
    assert result["judge_failed"] == {"count": 1}
    assert result["verdict"]["judgement"]["correct"] is None
    assert result["verdict"]["judgement"]["failure"]
    assert result["verdict"]["correct"] is not None, "exact match does not need the judge"
    good = {"score": 1, "status": "unattested"}
    assert task_metrics.accuracy([result["judged@28"], good]) == "1.0000 incomplete (1 of 2 failed)"
    assert len(served.asked) == (3 if isinstance(says, int) else 1)


def test_a_failure_is_asked_again_and_an_answer_never_twice(served: Served) -> None:
    served.says = "perhaps"
    assert tasks.process_results(document(), ["lobe"])["judge_failed"] == {"count": 1}
    served.says = "Yes"
    for _ in range(3):
        assert tasks.process_results(document(), ["lobe"])["judged@28"]["score"] == 1
    assert len(served.asked) == 2


def test_a_dead_judge_is_given_up(served: Served) -> None:
    served.says = 503
    for number in range(8):
        result = tasks.process_results(document(number), [f"answer {number}"])
        assert "score" not in result["judged@28"]
    assert len(served.asked) == 3 * judge.GIVEN_UP
    assert "after 5 failures in a row" in result["verdict"]["judgement"]["failure"]


def test_closed_questions_and_failed_samples_are_not_judged(served: Served) -> None:
    closed = tasks.process_results(document(form="closed"), ["yes"])
    assert closed["verdict"]["judgement"] is None
    assert not {"judged@28", "judge_failed"} & set(closed)
    LEDGER.adapter = "toy"
    doc = document()
    LEDGER.failures[SampleKey.of(doc)] = Failure(kind="image", message="gone")
    failed = tasks.process_results(doc, [""])
    assert failed["verdict"]["judgement"] is None and "score" not in failed["judged@28"]
    assert failed["judge_failed"] == {"count": 0}
    assert served.asked == []


def test_without_a_judge_nothing_is_asked_and_no_row_is_added(served: Served) -> None:
    result = tasks.process_results(document(name=""), ["lobe"])
    assert result["verdict"]["judgement"] is None
    assert not {"judged@28", "judge_failed"} & set(result)
    assert served.asked == []
    assert all(card.judge is None for card in task_cards().values()), "off unless asked for"


def test_the_rows_of_a_judged_run_are_those_of_its_yaml(served: Served) -> None:
    card = Variation(judge=NAME, resolutions=[28]).applied(task_cards()["vqa_rad"])
    named = {
        line.partition("metric: ")[2]
        for line in task_yaml(card).splitlines()
        if "- metric: " in line
    }
    given = set(tasks.process_results(document(), ["lobe"]))
    given |= set(tasks.process_results(document(form="closed"), ["yes"]))
    assert named == given - {"bacc@train"}
    assert f'judge: "{NAME}"' in task_yaml(card)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("opnai:x", "did you mean 'openai'"), ("dummy:x", "no judge of the kind 'dummy'")],
)
def test_another_provider_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_judge(name)


def test_a_judge_without_a_key_is_refused_before_the_run(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(UsageError, match=r"'openai:a-judge' .*(key|set up)"):
        open_judge(NAME)


@pytest.mark.parametrize("judged", ["openai", "openai:", 'x:"', "openai:a b"])
def test_a_judges_name_is_provider_and_model(judged: str) -> None:
    with pytest.raises(CardError, match="judge"):
        Variation(judge=judged).applied(task_cards()["vqa_rad"])


def test_a_task_without_open_questions_has_no_judge() -> None:
    with pytest.raises(CardError, match="a judge is for open questions"):
        Variation(judge=NAME).applied(task_cards()["pbc"])
