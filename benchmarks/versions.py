"""Grids under two versions of transformers: the families' control, and processors left alone.

    python -m benchmarks.versions [--old 4.57.6] [--new 5.23.0]

Makes an environment of its own for each version (with uv, in a temporary folder, Torch as it is
installed here), measures every tiny checkpoint there, and writes `benchmarks/versions.json`
and `docs/versions.md`. Run it in a clone: the tiny checkpoints are made in `tests/families`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "benchmarks" / "versions.json"
PAGE = ROOT / "docs" / "versions.md"
SIZES = (28, 64, 112, 224, 448)
ASPECTS = ((1, 1), (3, 2), (1, 2))
TOGETHER = ("torch", "torchvision", "numpy", "pillow", "num2words", "pydantic", "loguru", "pyyaml")
"""Packages that both environments take in the version that is installed here."""

QWEN3_VL = {
    "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}
"""The preprocessor_config.json that Qwen/Qwen3-VL-* are released with."""
LOADINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "use_fast=False": {"use_fast": False},
    "min_pixels=784": {"min_pixels": 784},
    "min_pixels=784, max_pixels=12845056": {"min_pixels": 784, "max_pixels": 12845056},
}
"""Ways in which that configuration is loaded."""

Figures = dict[str, Any]


def measure() -> Figures:
    """Grids and visual tokens under the transformers that is installed here."""
    sys.path.insert(0, str(ROOT / "tests" / "families"))
    import tiny_families
    import transformers

    families = {}
    for name, build in tiny_families.BUILDERS.items():
        with suppress(ImportError):  # a version that lacks the type's classes has no row of it
            families[name] = _family(*build())
    return {
        "transformers": transformers.__version__,
        "families": families,
        "qwen3_vl": {name: _qwen3_vl(told) for name, told in LOADINGS.items()},
    }


def _family(config: Any, processor: Any) -> dict[str, dict[str, str]]:
    """Per image, grid and tokens under the family's control, and of its processor alone."""
    from PIL import Image

    from resolution_eval.models.families import Parts, ProcessorSettings, family_of, intended_grid
    from resolution_eval.models.families.inputs import prepare
    from resolution_eval.resolution import Size, restored_size

    parts = Parts(config, processor)
    family = family_of(config)
    scheme = "match" if family.refusal(parts) is None else "restore"
    training, prompt = family.training(parts), family.prompt(parts, "Which?", image=True)
    controlled, alone = {}, {}
    for aspect in ASPECTS:
        for edge in SIZES:
            information = restored_size(Size(*aspect), edge)
            grid = intended_grid(family, parts, training, scheme, information, information)
            name = f"{edge} at {aspect[0]}:{aspect[1]}"
            inputs = prepare(family, parts, prompt, Image.new("RGB", (grid.width, grid.height)))
            (seen,) = family.received(parts, grid, family.entering(inputs), 1)
            tokens = family.counted_tokens(parts, inputs)[0]
            controlled[name] = f"{seen.grid[0]}x{seen.grid[1]}: {tokens}"
            image = Image.new("RGB", (information.width, information.height))
            inputs = prepare(family, parts, prompt, image, ProcessorSettings())
            alone[name] = str(family.counted_tokens(parts, inputs)[0])
    return {"controlled": controlled, "alone": alone}


def _qwen3_vl(told: Mapping[str, Any]) -> dict[str, str]:
    """Grid of a square image under the released configuration, its processor left alone."""
    from PIL import Image
    from transformers import AutoImageProcessor

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(QWEN3_VL))
        processor = AutoImageProcessor.from_pretrained(folder, **told)
    found = {}
    for edge in SIZES:
        inputs = processor(images=[Image.new("RGB", (edge, edge))], return_tensors="pt")
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        found[str(edge)] = f"{16 * rows}x{16 * columns}"
    return found


def measure_under(transformers: str, folder: Path) -> Figures:
    """The same in an environment of its own, with that version of transformers.

    Raises:
        subprocess.CalledProcessError: the environment cannot be made, or the measurement fails.
    """
    uv = [shutil.which("uv") or "uv"]
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = [f"transformers=={transformers}", *(f"{name}=={version(name)}" for name in TOGETHER)]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(python), *packages]
    subprocess.run(install, check=True)
    command = [str(python), "-m", "benchmarks.versions", "--measure"]
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


HEAD = """\
<!-- Made by `python -m benchmarks.versions`; change that, not this page. -->

Whether a sweep means the same under two versions of transformers: what enters the encoder with our
control, and what the checkpoints' own processors do without it.
"""


def page(old: Figures, new: Figures) -> str:
    """The page in Markdown; of families that the old version lacks, their names alone."""
    lacking = sorted(new["families"].keys() - old["families"].keys())
    shared = {name: new["families"][name] for name in new["families"] if name not in lacking}
    lines = "\n".join(_lines(old, new | {"families": shared})) + "\n"
    if lacking:
        names = ", ".join(lacking)
        lines += f"\nWithout a processor of this form in {old['transformers']}: {names}.\n"
    return lines


def _lines(old: Figures, new: Figures) -> Iterator[str]:
    before, after = old["transformers"], new["transformers"]
    yield f"# Grids under transformers {before} and {after}\n"
    yield HEAD
    yield "## Under the families' control\n"
    differing = list(_differing(old, new, "controlled"))
    cells = sum(len(found["controlled"]) for found in new["families"].values())
    yield (
        f"Every family's tiny checkpoint, {len(SIZES)} sizes at {len(ASPECTS)} aspect ratios: the "
        f"grid that enters (height x width) and\nits visual tokens are the same in "
        f"{cells - len(differing)} of {cells} cells.\n"
    )
    yield from _differences(differing, before, after)
    yield "## Processors left alone\n"
    differing = list(_differing(old, new, "alone"))
    yield (
        "Visual tokens that the same checkpoints' processors make of an image if nobody sets them, "
        "as a harness without\ncontrol of the grid has it. The same in "
        f"{cells - len(differing)} of {cells} cells; square images:\n"
    )
    yield from _table(old, new)
    yield from _differences(differing, before, after)
    yield "## The released configuration of Qwen3-VL\n"
    yield (
        "Its `preprocessor_config.json` asks for 65,536 to 16,777,216 pixels. What enters for a "
        "square image depends on how\nthe processor is loaded and by which version; where they "
        "differ, both are shown.\n"
    )
    yield from _loadings(old, new)


def _differing(old: Figures, new: Figures, kind: str) -> Iterator[tuple[str, str, str, str]]:
    """Family, image, and what the two versions make of it."""
    for family, found in new["families"].items():
        for image, here in found[kind].items():
            there = old["families"][family][kind][image]
            if there != here:
                yield family, image, there, here


def _differences(rows: list[tuple[str, str, str, str]], before: str, after: str) -> Iterator[str]:
    if not rows:
        return
    yield f"| family | image | {before} | {after} |\n| --- | --- | --- | --- |"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _both(there: str, here: str) -> str:
    return here if there == here else f"**{there} -> {here}**"


def _table(old: Figures, new: Figures) -> Iterator[str]:
    yield f"| family | {' | '.join(f'{size} px' for size in SIZES)} |"
    yield "|" + " --- |" * (1 + len(SIZES))
    for family, found in new["families"].items():
        names = [f"{size} at 1:1" for size in SIZES]
        there = old["families"][family]["alone"]
        cells = [_both(there[name], found["alone"][name]) for name in names]
        yield f"| {family} | {' | '.join(cells)} |"
    yield ""


def _loadings(old: Figures, new: Figures) -> Iterator[str]:
    yield f"| loaded | {' | '.join(f'{size} px' for size in SIZES)} |"
    yield "|" + " --- |" * (1 + len(SIZES))
    for loading, found in new["qwen3_vl"].items():
        there = old["qwen3_vl"][loading]
        cells = [_both(there[str(size)], found[str(size)]) for size in SIZES]
        yield f"| {loading} | {' | '.join(cells)} |"


def main() -> None:
    """Measure under both versions and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--old", default="4.57.6")
    parser.add_argument("--new", default=version("transformers"))
    parser.add_argument("--measure", action="store_true", help="print this environment's figures")
    known = parser.parse_args()
    if known.measure:
        print(json.dumps(measure()))
        return
    figures = {}
    for name, wanted in (("old", known.old), ("new", known.new)):
        with tempfile.TemporaryDirectory(prefix="transformers-") as folder:
            figures[name] = measure_under(wanted, Path(folder) / "environment")
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(figures["old"], figures["new"]), encoding="utf-8")


if __name__ == "__main__":
    main()
