"""Every published benchmark's task, on files in their published form, swept by the host's line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from resolution_eval.data.cards import task_cards
from resolution_eval.data.sources import open_source
from resolution_eval.data.sources.published import SETS
from resolution_eval.host import runs
from resolution_eval.resolution import label

sys.path.insert(0, str(Path(__file__).parent))
from test_published_benchmarks import BUILD, picture, put

pytestmark = [pytest.mark.whole, pytest.mark.filterwarnings("ignore")]
LARGE = sorted(name for name, form in SETS.items() if form.least_edge)
"""Sets whose images are too large for the embedded model's own grid: swept at its training grid."""


def jsrt(root: Path) -> None:
    """JSRT has no published table: the user's own is in the local layout."""
    names = task_cards()["jsrt"].classes
    rows = [f"images/{n}.png,{names[n % len(names)]},test" for n in range(4)]
    put(root / "labels.csv", "\n".join(["file,label,split", *rows]))
    for n in range(4):
        put(root / "images" / f"{n}.png", picture(n, 40))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESOLUTION_EVAL_CACHE", str(root / "cache"))
        patch.setenv("RESOLUTION_EVAL_DATA", str(root / "data"))
        for name in SETS:
            BUILD[name](root / "data" / task_cards()[name].folder)
        jsrt(root / "data" / task_cards()["jsrt"].folder)
        yield root


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (["jsrt", *sorted(set(SETS) - set(LARGE))], []),
        (LARGE, ["--model_args", "scheme=restore"]),
    ],
    ids=["match", "restore"],
)
def test_four_samples_of_every_task_are_swept_at_every_resolution(
    names: list[str], more: list[str], data: Path, tmp_path: Path
) -> None:
    tasks = ",".join(f"{name}_res" for name in names)
    arguments = ["--model", "resflamingo", "--tasks", tasks, "--output_path", str(tmp_path), *more]
    most = max(len(task_cards()[name].resolutions) for name in names)
    limit = ["--limit", str(4 * most), "--log_samples", "--verbosity", "WARNING"]
    assert runs.lmms_eval([*arguments, *limit]) == 0
    for name in names:
        card = task_cards()[name]
        wanted = {
            (sample.id, label(resolution))
            for sample in open_source(card).samples()[:4]
            for resolution in card.resolutions
        }
        (path,) = tmp_path.rglob(f"*_samples_{name}_res.jsonl")
        found = [json.loads(line) for line in path.read_text().splitlines()]
        swept = {(one["verdict"]["sample"], one["verdict"]["resolution"]): one for one in found}
        assert wanted <= set(swept), name
        images = {sample.id: len(sample.images) for sample in open_source(card).samples()}
        for (sample, _), one in swept.items():
            if one["verdict"]["failure"] is not None:
                missing = "not found" in one["verdict"]["failure"]["message"]
                assert missing and name == "pathmmu", one["verdict"]["failure"]
                continue
            assert one["attestation"]["status"] == "attested", (name, sample)
            attested = one["attestation"]["images"]
            assert len(attested) == (images[sample] if images[sample] > 1 else 0)
