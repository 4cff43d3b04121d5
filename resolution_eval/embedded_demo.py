"""The main job on what the package brings along: three small checkpoints, swept over phantoms, and
an eye chart for a fourth, and real tissue for a fifth.
"""

from __future__ import annotations

import sys
from pathlib import Path

from loguru import logger
from tqdm import tqdm

from resolution_eval.data.cards import task_cards
from resolution_eval.ground.errors import output_folder
from resolution_eval.ground.files import refuse_stranger
from resolution_eval.host.runs import evaluate
from resolution_eval.records import make_records
from resolution_eval.report import PAGE, demo_page, write_page

STRATEGIES = ("low", "native", "mixed")
TASK = "phantom_res"
BATCH = 64
CHART = "acuity"
"""Name of the embedded checkpoint that reads the eye chart, and of its folder."""
PLATES = 480
"""Plates of the eye chart that it is shown, at every resolution: ten of its blocks."""
TISSUE = "embedded/tissue"
TISSUE_TASK = "pathmnist_sample_res"
TISSUE_BATCH = 8
"""At 224 px a tile has 3,136 patches of 4 px, whose attention takes memory."""


def demo(output: Path) -> Path:
    """Sweep the embedded checkpoints over `phantom_res` and write `output`/index.html; its path.

    Each is run twice, the second time blind, as a control. lmms-eval's results of a checkpoint lie
    in `output`/STRATEGY. The last run is on real tissue: `output`/tissue/index.html tells it.
    """
    output_folder(output)
    refuse_stranger(output / PAGE)
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    runs = [(strategy, blind) for strategy in STRATEGIES for blind in ("false", "true")]
    for strategy, blind in tqdm(runs, desc="runs"):
        arguments = f"pretrained=embedded/{strategy},blind={blind}"
        evaluate("resflamingo", arguments, TASK, output / strategy, batch_size=BATCH)
    records = [record for strategy in STRATEGIES for record in make_records(output / strategy)]
    tissue(output / "tissue")
    return demo_page(records, output)


def eye_chart(output: Path) -> Path:
    """Show the embedded reader the eye chart and write `output`/acuity/index.html; its path."""
    folder = output / CHART
    output_folder(folder)
    arguments = f"pretrained=embedded/{CHART}"
    limit = PLATES * len(task_cards()["acuity"].resolutions)
    evaluate("resflamingo", arguments, "acuity_res", folder, batch_size=BATCH, limit=limit)
    return write_page(make_records(folder), folder, images=False)


def tissue(output: Path) -> Path:
    """Sweep the tissue checkpoint over the tiles of this package and write `output`/index.html; its
    path.
    """
    evaluate("resflamingo", f"pretrained={TISSUE}", TISSUE_TASK, output, batch_size=TISSUE_BATCH)
    return write_page(make_records(output), output)
