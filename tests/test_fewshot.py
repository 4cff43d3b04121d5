"""Few-shot: what is drawn, what the model is shown, and that its grids are attested."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_flamingo import LANGUAGES, tiny

from resolution_eval.adapters.adapter import ResolutionAdapter
from resolution_eval.answers.prompts import flamingo_prompt
from resolution_eval.data.sources.source import Sample, of_split
from resolution_eval.evidence.run_ledger import LEDGER
from resolution_eval.ground.errors import DataError, UsageError
from resolution_eval.host import fewshot, runs, tasks
from resolution_eval.host.fewshot import Demonstrations, context, draw, split_prompt
from resolution_eval.models import flamingo

sys.path.insert(0, str(Path(__file__).parent / "families"))
import tiny_families

pytestmark = pytest.mark.filterwarnings("ignore")
YES_NO = ("yes", "no")


def sample(number: int, split: str, image: str, cluster: str, form: str = "closed") -> Sample:
    options = YES_NO if form == "closed" else ()
    answer = "yes" if form == "closed" else "a ring"
    return Sample(f"{split}{number}", image, f"Q{number}?", answer, options, cluster, split, form)


class Source:
    """Train and test share image 0 and cluster A, and train is mostly of one image."""

    name = revision = "toy"
    excluded: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, fingerprint: str, train: list[Sample]) -> None:
        self.fingerprint = fingerprint
        self._samples = [sample(0, "test", "0.png", "A"), sample(1, "test", "9.png", "Z", "open")]
        self._samples += train

    def samples(self, split: str = "test") -> tuple[Sample, ...]:
        return of_split(self._samples, split, "the toy")


TRAIN = [
    sample(0, "train", "0.png", "other name of the test image"),
    sample(1, "train", "1.png", "A"),
    *(sample(n, "train", "2.png", "B") for n in range(2, 30)),
    sample(30, "train", "3.png", "C"),
    sample(31, "train", "4.png", "D"),
    sample(32, "train", "5.png", "E", "open"),
]


@pytest.fixture(autouse=True)
def _one_thread_and_no_toy() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    tasks._SOURCES.pop("toy", None)


def toy(fingerprint: str = "toy", train: list[Sample] | None = None) -> list[dict[str, Any]]:
    """The documents of the toy's two test samples at 28 and 56 pixels."""
    source = Source(fingerprint, TRAIN if train is None else train)
    tasks._SOURCES["toy"] = source
    shared = {
        "dataset": "toy",
        "filter": "bicubic",
        "scheme": "match",
        "option_order": "fixed",
        "fingerprint": fingerprint,
    }
    return [
        {**shared, **tasks._of_sample(one, one.choices), "resolution": resolution}
        for one in source.samples()
        for resolution in ("28", "56")
    ]


@pytest.mark.parametrize("seed", range(30))
def test_no_demonstration_shares_image_or_cluster_with_the_question(seed: int) -> None:
    doc = toy()[0]
    examples = draw(doc, 3, seed)
    assert {one["image"] for one in examples} == {"2.png", "3.png", "4.png"}
    assert all(one["cluster"] != "A" and one["form"] == "closed" for one in examples)
    assert all(one["sample"].startswith("train") for one in examples)
    assert {one["resolution"] for one in examples} == {"28"}


def test_a_question_has_the_same_demonstrations_at_every_resolution_and_its_own_form() -> None:
    low, high, open_low, _ = toy()
    names = [[one["sample"] for one in draw(doc, 2, 5)] for doc in (low, high)]
    assert names[0] == names[1]
    assert names[0] != [one["sample"] for one in draw(low, 2, 6)] or names[0] != [
        one["sample"] for one in draw(low, 2, 7)
    ]
    assert [one["sample"] for one in draw(open_low, 1, 5)] == ["train32"]


def test_too_few_that_fit_are_an_error_that_counts_them() -> None:
    doc = toy()[0]
    with pytest.raises(DataError, match=r"--num_fewshot 4: only 3 train samples of toy fit"):
        draw(doc, 4, 0)


def test_a_data_set_without_train_ends_in_one_sentence() -> None:
    doc = toy("no train", [])[0]
    with pytest.raises(SystemExit, match=r"resolution-eval: the toy has no sample in its train"):
        Demonstrations([], None).get_context(doc, 1)


def test_a_rare_fit_is_found_behind_many_that_do_not_fit() -> None:
    many = [sample(n, "train", f"x{n}.png", "A") for n in range(3000)]
    doc = toy("many", [*many, sample(3000, "train", "fits.png", "B")])[0]
    assert [one["image"] for one in draw(doc, 1, 0)] == ["fits.png"]


def test_the_hosts_seed_decides_and_not_how_often_it_was_asked() -> None:
    doc = toy()[0]
    one, two = Demonstrations([], None), Demonstrations([], None)
    one.rnd, two.rnd = random.Random(11), random.Random(11)
    two.rnd.random()
    assert one.get_context(doc, 3) == two.get_context(doc, 3)
    texts = set()
    for seed in range(8):
        two.rnd = random.Random(seed)
        texts.add(two.get_context(doc, 3))
    assert len(texts) > 1


def test_the_prompt_tells_the_demonstrations_and_is_parted_again() -> None:
    doc = toy()[0]
    text = Demonstrations([], None).get_context(doc, 2)
    assert text.count("<image train") == 2 and text.count("\nAnswer: yes\n\n") == 2
    own, examples = split_prompt(doc, "Be brief. " + text + tasks.doc_to_text(doc))
    assert own == "Be brief. " + tasks.doc_to_text(doc)
    assert context(examples) == text


def test_demonstrations_of_another_process_are_refused() -> None:
    doc = toy()[0]
    prompt = Demonstrations([], None).get_context(doc, 2) + tasks.doc_to_text(doc)
    LEDGER.demonstrated.clear()
    with pytest.raises(UsageError, match="without --cache_requests"):
        split_prompt(doc, prompt)
    assert split_prompt(doc, tasks.doc_to_text(doc)) == (tasks.doc_to_text(doc), ())


def test_a_model_that_is_handed_one_image_is_refused_demonstrations() -> None:
    doc = toy()[0]
    Demonstrations([], None).get_context(doc, 1)
    with pytest.raises(SystemExit, match="read demonstrations without seeing them"):
        tasks.doc_to_visual(doc)


def test_an_adapter_of_one_image_says_so() -> None:
    adapter = SimpleNamespace(name="other", no_demonstrations=lambda: "other takes one image")
    job = SimpleNamespace(demonstrations=(1,))
    with pytest.raises(SystemExit, match="--num_fewshot: other takes one image; run without it"):
        ResolutionAdapter._check_demonstrations(adapter, job)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["llama", "opt"])
def test_ranking_behind_demonstrations_equals_a_plain_forward(language: str) -> None:
    """The reference runs images, demonstrations, question and choice through the model at once."""
    bundle = tiny(language)
    generator = torch.Generator().manual_seed(3)
    sizes = ((16, 24), (32, 8), (24, 24))
    images = [
        flamingo.encode(bundle, torch.randn((2, 3, *size), generator=generator)) for size in sizes
    ]
    encoded = flamingo.joined(images)
    assert encoded.grid == (24, 24) and encoded.latents.shape[:2] == (2, 3)
    shown = [("Which?", "a ring"), ("Is it a disc?", "no")]
    prompts = [flamingo_prompt(text, demonstrations=shown) for text in ("Which cell?", "And this?")]
    choices = [[" mucus", " adipose tissue"]] * 2
    ranked = flamingo.rank(bundle, encoded, prompts, choices)
    for row, prompt in enumerate(prompts):
        own = flamingo.EncodedImages(
            encoded.latents[row : row + 1], encoded.grid, encoded.visual_tokens
        )
        for column, choice in enumerate(choices[row]):
            joined = flamingo.join(bundle, prompt, choice)
            batch = flamingo.pad(bundle, [joined.ids], "right")
            with torch.inference_mode():
                logits = flamingo.logits(bundle, own, batch)[0]
            said = logits.float().log_softmax(-1)[joined.start - 1 : len(joined.ids) - 1]
            score = said.gather(1, torch.tensor(joined.ids[joined.start :])[:, None]).sum()
            assert ranked[row, column] == pytest.approx(float(score), abs=1e-4)
    swapped = flamingo.joined([images[1], images[0], images[2]])
    assert not torch.allclose(flamingo.rank(bundle, swapped, prompts, choices), ranked, atol=1e-4)


def _run(output: Path, *more: str) -> list[dict[str, Any]]:
    """The samples of one run of phantom_res, by sample and resolution."""
    command = ["--tasks", "phantom_res", "--output_path", str(output), "--log_samples"]
    assert runs.lmms_eval([*command, "--limit", "10", "--verbosity", "WARNING", *more]) == 0
    (path,) = output.rglob("*_samples_*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(lines, key=lambda line: (line["verdict"]["sample"], line["doc_id"]))


def _model(name: str, qwen: Path) -> list[str]:
    own = ["--model_args", f"pretrained={qwen},answer_mode=rank"] if name == "reshf" else []
    return ["--model", name, *own]


def _said(lines: list[dict[str, Any]]) -> list[Any]:
    return [
        (
            line["verdict"]["prediction"],
            line["attestation"],
        )
        for line in lines
    ]


def _scores(lines: list[dict[str, Any]]) -> list[list[float]]:
    return [line["verdict"]["choice_scores"] for line in lines]


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_families.save("qwen2_vl", tmp_path_factory.mktemp("qwen"))


@pytest.mark.parametrize("model", ["resflamingo", pytest.param("reshf", marks=pytest.mark.slow)])
@pytest.mark.whole
def test_a_whole_run_shows_demonstrations_at_the_questions_resolution(
    model: str, qwen: Path, tmp_path: Path
) -> None:
    chosen = _model(model, qwen)
    two = _run(tmp_path / "two", *chosen, "--num_fewshot", "2")
    eight = _run(tmp_path / "eight", *chosen, "--num_fewshot", "2", "--batch_size", "8")
    assert _said(eight) == _said(two)
    rounded = 2e-5  # batches of other sizes round otherwise
    assert np.abs(np.array(_scores(eight)) - np.array(_scores(two))).max() < rounded
    by_sample: dict[str, set[tuple[str, ...]]] = {}
    for line in two:
        attestation = line["attestation"]
        assert attestation["status"] == "attested"
        shown = attestation["demonstrations"]
        names = tuple(one["sample"] for one in shown)
        by_sample.setdefault(line["verdict"]["sample"], set()).add(names)
        for one in shown:
            assert one["sample"].startswith("train/")
            assert one["grid"] == one["expected_grid"] == attestation["grid"]
            assert one["visual_tokens"] == attestation["visual_tokens"] > 0
            assert f"<image {one['sample']}>" in line["input"]
    assert all(len(names) == 1 for names in by_sample.values())
    assert len(set.union(*by_sample.values())) == len(by_sample) == 2


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resflamingo", "reshf"])
def test_no_demonstrations_is_what_it_was_and_two_matter(
    model: str, qwen: Path, tmp_path: Path
) -> None:
    chosen = _model(model, qwen)
    none = _run(tmp_path / "none", *chosen)
    assert all(line["attestation"]["demonstrations"] == [] for line in none)
    zero = _run(tmp_path / "zero", *chosen, "--num_fewshot", "0")
    assert _said(zero) == _said(none) and _scores(zero) == _scores(none)
    two = _run(tmp_path / "two", *chosen, "--num_fewshot", "2")
    assert _scores(two) != _scores(none)


@pytest.mark.whole
def test_a_family_of_one_image_refuses_in_one_sentence(tmp_path: Path) -> None:
    folder = tiny_families.save("paligemma", tmp_path / "paligemma")
    arguments = ["--model", "reshf", "--model_args", f"pretrained={folder}"]
    with pytest.raises(SystemExit, match=r"family paligemma take one image per question here"):
        _run(tmp_path / "out", *arguments, "--num_fewshot", "1")


def test_every_language_kind_is_among_the_tiny_ones() -> None:
    assert {"llama", "opt"} <= set(LANGUAGES)
    assert fewshot.MARK not in tasks.doc_to_text(toy()[0])


def test_a_prompt_that_is_not_the_documents_own_is_refused() -> None:
    one, other = toy()[0], {**toy()[0], "question": "Is it another question?"}
    with pytest.raises(UsageError, match=r"is not its own question.*without --cache_requests"):
        split_prompt(one, tasks.doc_to_text(other))
    assert split_prompt(one, "Be brief. " + tasks.doc_to_text(one))[1] == ()
