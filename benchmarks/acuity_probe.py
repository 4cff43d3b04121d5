"""The probe on a small trained Flamingo, as it is and with a hidden reduction in front.

    python -m benchmarks.acuity_probe --checkpoint embedded/acuity [--promised 64] [--images 96]

keeps in benchmarks/acuity.json what the probe says of the checkpoint as it is, and of the same one
behind a reduction.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.acuity import reduced
from benchmarks.acuity_results import keep
from resolution_eval.answers.prompts import flamingo_prompt, question_text
from resolution_eval.data.acuity import ProbeQuestion, probe
from resolution_eval.models.flamingo import FlamingoBundle, encode, load_pretrained, rank
from resolution_eval.models.flamingo.vision import normalise

HIDDEN = (1.0, 2.0)


def answers(bundle: FlamingoBundle, questions: Sequence[ProbeQuestion], hidden: float) -> list[str]:
    """What the checkpoint ranks first, its images made `hidden` times coarser before it."""
    seen = []
    for question in questions:
        edge = round(question.image.width / hidden)
        seen.append(reduced(np.asarray(question.image), edge))
    said: list[str] = []
    for start in range(0, len(questions), 24):
        part = questions[start : start + 24]
        pixels = torch.from_numpy(np.stack(seen[start : start + 24]))
        with torch.inference_mode():
            encoded = encode(bundle, normalise(pixels.permute(0, 3, 1, 2), bundle.config))
        prompts = [flamingo_prompt(question_text(one.question, one.choices)) for one in part]
        scores = rank(bundle, encoded, prompts, [[f" {c}" for c in one.choices] for one in part])
        said += [one.choices[i] for one, i in zip(part, scores.argmax(1).tolist(), strict=True)]
    return said


def main() -> None:
    """Probe one checkpoint and keep what is found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", default="embedded/acuity")
    parser.add_argument("--promised", type=int, default=64)
    parser.add_argument("--images", type=int, default=96)
    given = parser.parse_args()
    loaded, rows = load_pretrained(given.checkpoint), []
    for factor in HIDDEN:
        found = probe(
            lambda asked, factor=factor: answers(loaded, asked, factor),
            promised=given.promised,
            images=given.images,
        )
        arms = {name: getattr(found, name) for name in ("fine", "reduced", "coarse")}
        rows.append(
            {
                "hidden": factor,
                **{name: [arm.right, arm.n] for name, arm in arms.items()},
                "outcome": found.outcome,
                "sentence": found.sentence,
            }
        )
        print(f"hidden reduction {factor:g}: {found.sentence}", flush=True)
    keep("probe", given.checkpoint, {"promised": given.promised, "seed": 0, "rows": rows})


if __name__ == "__main__":
    main()
