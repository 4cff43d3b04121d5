"""The loss covers the answer's tokens, tokenised together with the prompt, and no others."""

from __future__ import annotations

import pytest
import torch
from halves import Halves
from learners import TRAINABLE, learner
from torch.nn import functional

from resolution_eval.answers.prompts import question_text
from resolution_eval.data.sources import Sample
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families.token_places import place_arguments, token_places
from resolution_eval.models.flamingo import loglikelihood
from resolution_eval.models.flamingo.vision import encode
from resolution_eval.resolution import Size
from resolution_eval.training.flamingo_learner import prompt
from resolution_eval.training.hf_learner import HFLearner, ending
from resolution_eval.training.learner import IGNORED, answer_loss, written_exactly
from resolution_eval.training.pool import ImageBatch

LONG = ("left bright, and the other dark", "right")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def drawn(owner, edge=56):
    grid = owner.grid(Size(edge, edge))
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (2, 3, grid.height, grid.width), generator=random)
    samples = tuple(
        Sample(answer, answer, "Which half?", answer, LONG, answer, "train") for answer in LONG
    )
    return ImageBatch(edge, grid, samples, pixels.to(torch.uint8))


@pytest.fixture(scope="module", params=TRAINABLE)
def owner(request):
    found = learner(request.param)
    found.eval()
    return found


class TestFamilies:
    def test_the_marked_tokens_spell_the_answer_and_its_end(self, owner: HFLearner):
        batch = owner.batch(drawn(owner))
        tokenizer = owner.parts.processor.tokenizer
        for row, answer in zip(batch.labels, LONG, strict=True):
            text = tokenizer.decode(row[row != IGNORED])
            assert text.lstrip() == f"{answer}{ending(owner.parts)}"

    def test_the_marked_tokens_end_the_sequence_and_the_prompt_comes_before(self, owner):
        batch = owner.batch(drawn(owner))
        tokenizer = owner.parts.processor.tokenizer
        for place in range(len(LONG)):
            told = batch.labels[place][batch.labels[place] != IGNORED]
            ids = batch.inputs["input_ids"][place]
            assert ids[-len(told) :].tolist() == told.tolist()
            before = tokenizer.decode(ids[: -len(told)])
            assert before.endswith("one option.assistant:")

    def test_the_loss_is_that_of_a_plain_forward_over_the_whole_sequence(self, owner):
        """One sample at a time, unpadded, all logits, the span found in the text itself."""
        both = drawn(owner)
        batch = owner.batch(both)
        with torch.no_grad(), owner.prepared(both):
            logits, _ = owner(batch.inputs, batch.labels.shape[1])
        found = float(answer_loss(logits, batch.labels))
        expected, exact = 0.0, []
        for place in range(2):
            one = ImageBatch(
                both.resolution, both.grid, both.samples[place : place + 1], both.pixels[[place]]
            )
            inputs, answer = owner.sequence(one.samples[0], one.pixels[0])
            ids = inputs["input_ids"]
            places = place_arguments(owner.model, inputs, token_places(owner.family, inputs))
            with torch.no_grad(), owner.prepared(one):
                whole = owner.model(**inputs, **places).logits[0]
            start = ids.shape[1] - len(answer)
            rows = whole[start - 1 : -1].float()
            expected += float(functional.cross_entropy(rows, ids[0, start:], reduction="sum"))
            exact.append(bool((rows.argmax(-1) == ids[0, start:]).all()))
        assert found == pytest.approx(expected, rel=1e-4)
        assert written_exactly(logits, batch.labels).tolist() == exact

    def test_the_images_of_a_batch_are_those_of_the_processor_one_by_one(self, owner):
        both = drawn(owner)
        batch = owner.batch(both)
        single = [owner.sequence(s, p)[0] for s, p in zip(both.samples, both.pixels, strict=True)]
        for name in set(single[0]) - {"input_ids", "attention_mask"}:
            if name in ("mm_token_type_ids", "token_type_ids", "cross_attention_mask"):
                continue
            assert torch.equal(batch.inputs[name], torch.cat([one[name] for one in single])), name


def test_a_processor_that_ends_the_text_otherwise_is_refused():
    with pytest.raises(ModelError, match="the loss would cover other tokens"):
        owner = learner("paligemma")
        owner.batch(drawn(owner))


class TestFlamingo:
    def test_the_marked_tokens_spell_the_answer_and_its_end(self):
        owner = learner("resflamingo")
        batch = owner.batch(drawn(owner))
        for row, answer in zip(batch.labels, LONG, strict=True):
            told = owner.bundle.tokenizer.decode(row[row != IGNORED])
            assert told == f" {answer}<|endofchunk|>"

    def test_the_loss_is_the_log_likelihood_that_the_adapter_ranks_by(self):
        owner = learner("resflamingo")
        both = drawn(owner)
        batch = owner.batch(both)
        with torch.no_grad():
            logits, _ = owner(batch.inputs, batch.labels.shape[1])
            encoded = encode(owner.bundle, batch.inputs["pixels"])
            scores = loglikelihood(
                owner.bundle,
                encoded,
                [prompt(sample) for sample in both.samples],
                [f" {sample.answer}<|endofchunk|>" for sample in both.samples],
            )
        expected = -sum(score for score, _ in scores)
        assert float(answer_loss(logits, batch.labels)) == pytest.approx(expected, rel=1e-4)
        assert written_exactly(logits, batch.labels).tolist() == [greedy for _, greedy in scores]


def test_the_prompt_is_the_one_of_the_adapter():
    owner = learner("llava")
    sample = Halves().samples("train")[0]
    pixels = torch.zeros(3, 28, 28, dtype=torch.uint8)
    ids = owner.sequence(sample, pixels)[0]["input_ids"][0]
    text = owner.parts.processor.tokenizer.decode(ids)
    assert question_text(sample.question, sample.choices) in text
