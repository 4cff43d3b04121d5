"""Hostile texts in a real browser, over every kind of report: none acts, and nothing is fetched."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "plates"))
from plate_runs import plate_lines
from synthetic_runs import (
    behind_server,
    facts,
    failed_at,
    phantom_lines,
    phantom_source,
    sweep,
    write_run,
)

from resolution_eval.data.acuity import AcuityBook
from resolution_eval.data.lesions import LesionBook
from resolution_eval.report import load, write_page
from resolution_eval.statistics.psychometric import Weibull

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]
ACTS = (
    '<script>window.owned=1</script><img src=x onerror="window.owned=1">'
    "<svg onload=window.owned=1>'\"`--></script></style></title></template>"
    '<a href="javascript:window.owned=1">x</a>${window.owned=1}{{7*7}}\u202e\x1b[31m]'
)
SHORT = "<img src=x onerror=window.owned=1>{{7*7}}['\\\"`]"
"""At most 100 characters, for what is bounded; in it what an address of a field reads."""
Lines = list[dict[str, Any]]


def hostile(lines: Lines) -> Lines:
    """The lines with a text that acts in every field that is free, and in a process's facts."""
    for each in lines:
        each["attestation"] |= {"notes": [ACTS], "evidence": ACTS}
        each["input"] = ACTS
        if each["attestation"]["checkpoint"]:
            each["attestation"]["checkpoint"] = f"a/{SHORT.replace('/', '')}"
        verdict, served = each["verdict"], each["attestation"].get("served")
        verdict["cluster"] = f"{ACTS}{verdict['cluster']}"
        if verdict["failure"]:
            verdict["failure"]["message"] = ACTS
        if verdict.get("detail"):
            verdict["detail"] |= {"kind": f"{SHORT} {verdict['detail']['kind']}"[:100]}
            verdict["detail"] |= {"ground": SHORT}
        if served:
            served |= {"rule": ACTS, "model": ACTS, "fingerprint": ACTS}
    told = facts(evidence=ACTS, training_data=ACTS, writing=ACTS, probes=[ACTS], dtype=ACTS)
    told["hardware"] |= {"cpu": ACTS}
    told["data"] |= {"notes": [ACTS], "excluded": [{"item": ACTS, "reason": ACTS}]}
    told["data"]["revision"] = ACTS
    told |= {"platform": ACTS, "versions": {ACTS: ACTS, "python": ACTS}}
    lines[0]["run"] = told
    return lines


def named(lines: Lines) -> Lines:
    """Hostile, their samples, classes and answers too."""
    for each in hostile(lines):
        verdict = each["verdict"]
        same = {name: f"{ACTS}{verdict[name]}" for name in ("sample", "target", "prediction")}
        verdict |= {k: v for k, v in same.items() if verdict[k] is not None}
        verdict["answer"] = verdict["prediction"]
    return lines


def acting(results: dict[str, Any]) -> None:
    """What lmms-eval tells of a run, and a folder of its own data."""
    results["config"] |= dict.fromkeys(("model", "model_args", "device", "gen_kwargs"), ACTS)
    results |= {"lmms_eval_version": ACTS, "git_hash": ACTS, "model_name": ACTS}
    for configuration in results["configs"].values():
        own = {"title": ACTS, "modality": ACTS, "kind": ACTS, "classes": [ACTS, SHORT]}
        configuration["metadata"] |= {"version": ACTS, "own": own}
        configuration["generation_kwargs"] = {"until": [ACTS]}


CURVE = {"28": 0.3, "64": 0.6, "native": 0.9}
GRIDS = {"64": 64, "128": 128}


def plain(folder: Path) -> None:
    lines = named(failed_at(sweep(CURVE, samples=24), {"tile-3"}, "28"))
    write_run(folder / "a", lines, task="a<b>_res", change=acting)
    other = named(behind_server(sweep(CURVE, samples=24, seed=3)))
    write_run(folder / "b", other, task="a<b>_res", date="20260105_000000", change=acting)


def acuity(folder: Path) -> None:
    lines = plate_lines(AcuityBook(128), GRIDS, Weibull(1.1, 4.0, 0.0), images=96)
    write_run(folder, hostile(lines), task="acuity_res", change=acting)


def lesions(folder: Path) -> None:
    lines = plate_lines(LesionBook(128), {"128": 128}, Weibull(2.0, 2.0, 0.0), images=96)
    write_run(folder, hostile(lines), task="lesion_res", change=acting)


def pictured(folder: Path) -> None:
    """Two strategies on generated images: a gallery, and the gaps between them."""
    source, curve = phantom_source(), {"16": 0.3, "32": 0.5, "64": 0.9}
    for number, training in enumerate(("fixed:16", "native")):
        lines = hostile(phantom_lines(source, curve, training=training))
        date = f"2026010{number + 1}_000000"
        write_run(folder / str(number), lines, task="phantom_res", date=date, change=acting)


PAGES = {"plain": plain, "acuity": acuity, "lesions": lesions, "pictured": pictured}


@pytest.mark.parametrize("name", PAGES)
def test_no_text_of_a_run_acts_on_its_page(browser: Any, tmp_path: Path, name: str) -> None:
    PAGES[name](tmp_path / "runs")
    page = write_page(load([tmp_path / "runs"]), tmp_path / "site")
    said, asked, asks = [], [], []
    context = browser.new_context()
    context.add_init_script("window.owned = undefined")
    opened = context.new_page()
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("dialog", lambda dialog: asks.append(dialog.message))
    opened.goto(page.as_uri())
    opened.locator("details").evaluate_all("(all) => all.forEach((each) => { each.open = true; })")
    for chart in opened.locator(".chart").all():
        chart.scroll_into_view_if_needed()
    opened.locator(".chart:not([data-drawn])").first.wait_for(state="detached")
    for head in opened.locator("thead th button").all()[:8]:
        head.click()
    assert opened.locator(".chart").count() >= 1
    assert opened.evaluate("() => window.owned") is None
    text = opened.locator("body").inner_text()
    assert "<img src=x onerror=" in text and not re.search("[\u202a-\u202e\x1b]", text)
    assert "49" not in re.findall(r"\{\{7\*7\}\}|>49\[", opened.content())
    bad = "[onerror], [onload], a[href^=javascript], iframe, object, embed, svg script"
    assert opened.locator(bad).count() == 0
    assert opened.locator('script:not([type="application/json"])').count() == 2, "the page's own"
    assert (said, asks) == ([], [])
    assert not [url for url in asked if not re.match(r"(file|data|blob):", url)]
    context.close()
