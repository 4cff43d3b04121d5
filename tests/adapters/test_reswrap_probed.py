"""A base of lmms-eval's whose checkpoint nobody wrote a family for: attested at what entered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from test_reswrap import ASPECTS, _documents, _judged, _Source

from resolution_eval.adapters.reswrap import ResWrap
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.host import tasks

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.census.checkpoints import save

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.whole]
TABLES = {
    "video_llama_3": "image_grid_thw",
    "paddleocr_vl": "image_grid_thw",
    "gemma4": "image_position_ids",
    "minicpmv4_6": "target_sizes",
}
"""Where the processor's own tensors say the grid, in its patches."""


@pytest.fixture(autouse=True)
def _source(monkeypatch: pytest.MonkeyPatch) -> Any:
    torch.set_num_threads(1)
    monkeypatch.setitem(tasks._SOURCES, "fake", _Source())  # type: ignore[arg-type]
    yield
    LEDGER.adapter = None
    LEDGER.failures.clear()


def _by_hand(processor: Any, kind: str, grid: tuple[int, int]) -> tuple[int, int]:
    """The grid that a processor makes of an image of this height and width: an independent reading,
    of its own tensors.
    """
    name, patch = TABLES[kind], int(processor.image_processor.patch_size)
    image = Image.new("RGB", (grid[1], grid[0]), "gray")
    found = processor.image_processor(images=[image], return_tensors="pt")[name]
    if name.endswith("position_ids"):
        columns, rows = (found[0].amax(0) + 1).tolist()
        return rows * patch, columns * patch
    rows, columns = found.reshape(-1)[-2:].tolist()
    return int(rows) * patch, int(columns) * patch


@pytest.mark.parametrize("kind", TABLES)
def test_a_packed_tensor_is_never_taken_for_the_image(kind: str, tmp_path: Path) -> None:
    adapter = ResWrap("huggingface", pretrained=str(save(kind, tmp_path)), batch_size=1)
    judged = _judged(adapter, _documents("match", (28, 112)))
    assert not LEDGER.failures
    assert len(judged) == 2 * len(ASPECTS)
    assert adapter.sight.parts is not None
    for _, found in judged.values():
        wanted = found.expected_grid
        entered = _by_hand(adapter.sight.parts.processor, kind, wanted)
        assert found.grid == entered, "what the base's own processor makes of it"
        assert found.status == ("attested" if entered == wanted else "mismatched")


def test_tiles_and_a_thumbnail_are_no_single_image(tmp_path: Path) -> None:
    """PerceptionLM's processor cuts every image into tiles of 112 px, a thumbnail beside them."""
    adapter = ResWrap("huggingface", pretrained=str(save("perception_lm", tmp_path)), batch_size=1)
    judged = _judged(adapter, _documents("restore", (112,)))
    assert not LEDGER.failures
    for _, found in judged.values():
        assert found.status == "attested"
        assert found.tiles is not None and found.tiles > 1
        height, width = found.grid
        assert (height // 112) * (width // 112) == found.tiles - 1
