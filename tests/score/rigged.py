"""Tiny Qwen2.5-VL checkpoints that are good, untrained, or blind, and the images they are asked of.

They prove that `score` says the right sentence, and nothing of any real model.
"""

from __future__ import annotations

import copy
import csv
import os
import sys
from pathlib import Path

import torch
from PIL import Image
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

from resolution_eval.data.sources import Sample
from resolution_eval.models.families import Parts, family_of
from resolution_eval.resolution import Size
from resolution_eval.training.hf_learner import HFLearner
from resolution_eval.training.learner import IGNORED
from resolution_eval.training.pool import ImageBatch

FAMILY = "qwen2_5_vl"
CLASSES = ("bright", "dark")
QUESTION = "Which of these does the image show?"
EDGE = 84


def shade(number: int) -> int:
    """The grey level of an image: far apart for the two classes."""
    return 30 + number % 40 if number % 2 else 190 + number % 40


def colour(number: int) -> tuple[int, int, int]:
    """Nearly grey, and another one for each image: equal files are one cluster of samples."""
    grey = shade(number)
    return grey, grey, grey + number // 40


def images(folder: Path, samples: int) -> Path:
    """A folder of class folders: bright and dark squares, as many of each."""
    for number in range(samples):
        place = folder / CLASSES[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (EDGE, EDGE), colour(number)).save(place / f"{number}.png")
    return folder


def cells(folder: Path, samples: int) -> Path:
    """As `images`, of blood cells where the real ones are at hand: every second one darkened."""
    home = os.environ.get("RESOLUTION_EVAL_DATA")
    found = sorted(Path(home, "pbc_blood", "images").rglob("*.jpg"))[::11][:samples] if home else []
    if len(found) < samples:
        return images(folder, samples)
    for number, each in enumerate(found):
        place = folder / CLASSES[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shown = Image.open(each).convert("RGB").resize((EDGE, EDGE))
        if number % 2:
            shown = shown.point(lambda value: value // 4)
        shown.save(place / f"{number}.png")
    return folder


def questions(folder: Path, samples: int) -> Path:
    """Questions whose right answer always holds the word `striped`: no image is needed."""
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "question", "label", "choices"))
        for number in range(samples):
            name = f"{number}.png"
            Image.new("RGB", (EDGE, EDGE), colour(number)).save(folder / "images" / name)
            right, wrong = f"striped {number}", f"checked {number}"
            shown = f"{right}|{wrong}" if number % 2 else f"{wrong}|{right}"
            writer.writerow(
                (f"images/{name}", "test", "Which phantom does this image show?", right, shown)
            )
    return folder


def untrained(folder: Path) -> Path:
    """Random weights: noise for answers."""
    return tiny_families.save(FAMILY, folder)


def good(folder: Path, steps: int = 120) -> Path:
    """Trained to tell bright from dark at every size from 28 to 84 px."""
    model, processor = copy.deepcopy(tiny_families.built(FAMILY))
    learner = HFLearner(family_of(model.config), Parts(model.config, processor), model)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for step in range(steps):
        batch = learner.batch(_drawn((28, 56, 84)[step % 3], step))
        logits, _ = learner(batch.inputs, batch.labels.shape[1])
        loss = cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05, loss.item()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _drawn(edge: int, step: int, count: int = 8) -> ImageBatch:
    numbers = [step * count + i for i in range(count)]
    pixels = torch.stack(
        [torch.full((3, edge, edge), shade(n), dtype=torch.uint8) for n in numbers]
    )
    samples = tuple(
        Sample(str(n), "", QUESTION, CLASSES[n % 2], CLASSES, str(n), "train") for n in numbers
    )
    return ImageBatch(edge, Size(edge, edge), samples, pixels)


def blind(folder: Path) -> Path:
    """Writes nothing of what it sees: the word `striped` is the likeliest next one, always."""
    model, processor = copy.deepcopy(tiny_families.built(FAMILY))
    spelt = ("striped", " striped")
    ids = [processor.tokenizer(word, add_special_tokens=False)["input_ids"] for word in spelt]
    word = [token for tokens in ids for token in tokens]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("lm_head.weight", "embed_tokens.weight")):
                parameter[:, 0] = 0.0
            if name.endswith("embed_tokens.weight"):
                parameter[:, 0] = 40.0
        model.lm_head.weight[word, 0] = 30.0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
