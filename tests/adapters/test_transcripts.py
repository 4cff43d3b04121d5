"""What a wrapped base's model read is held against what was asked, and a cut thinking is noted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "families"))
import tiny_families

from resolution_eval.answers import thinking
from resolution_eval.evidence.model_answer import Answer
from resolution_eval.evidence.verdict import Failure
from resolution_eval.models.families import Parts, family_of
from resolution_eval.models.wrapped.transcript import UNSEEN, Transcript, checked, transcripts

pytestmark = pytest.mark.filterwarnings("ignore")
QUESTION = "Which phantom does this image show?\nstriped disc or checked ring"


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts(*tiny_families.BUILDERS["qwen2_vl"]())


def _answer(**more: Any) -> Answer:
    known = {"text": "ring", "choice": None, "choice_scores": None, "evidence": "tensors"}
    return Answer(**{**known, "grid": (56, 84), "visual_tokens": 6, **more})


def _transcript(parts: Parts, text: str, written: str = "", *, ends: bool = True) -> Transcript:
    tokenizer = parts.processor.tokenizer
    image = [family_of(parts.config).image_token(parts)] * 6
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    rest = tokenizer(written, add_special_tokens=False)["input_ids"]
    return Transcript((*image, *ids), (*rest, *([tokenizer.eos_token_id] if ends else [])))


def _checked(parts: Parts, answer: Answer, transcript: Transcript) -> Answer | Failure:
    family = family_of(parts.config)
    (found,) = checked(family, parts, [answer], [transcript], [QUESTION], [12])
    return found


def test_a_question_that_arrived_whole_is_an_answer(parts: Parts) -> None:
    asked = _transcript(parts, f"user: \n {QUESTION}\nassistant:")
    assert _checked(parts, _answer(), asked) == _answer()


@pytest.mark.parametrize("kept", [len(QUESTION) - 1, 40, 0])
def test_a_question_that_was_cut_is_a_failure(parts: Parts, kept: int) -> None:
    found = _checked(parts, _answer(), _transcript(parts, f"user: {QUESTION[:kept]}\n"))
    assert isinstance(found, Failure) and found.kind == "prompt"
    assert "does not hold the question whole" in found.message


def test_another_number_of_placeholders_than_the_grid_makes_is_a_failure(parts: Parts) -> None:
    asked = _transcript(parts, QUESTION)
    found = _checked(parts, _answer(visual_tokens=7), asked)
    assert isinstance(found, Failure)
    assert "7 image tokens into the prompt where the grid 56x84 makes 6" in found.message


@pytest.mark.parametrize("ends", [True, False])
def test_a_thinking_that_the_limit_cut_is_noted_and_no_word_of_it_an_answer(
    parts: Parts, *, ends: bool
) -> None:
    asked = _transcript(parts, f"{QUESTION}\nassistant\n<think>\n", "a ring, or", ends=ends)
    found = _checked(parts, _answer(text="a ring, or"), asked)
    assert isinstance(found, Answer)
    assert found.text == "<think>a ring, or"
    assert any(map(thinking.is_cut, found.notes)) is not ends


def test_what_nobody_saw_is_said(parts: Parts) -> None:
    family = family_of(parts.config)
    (found,) = checked(family, parts, [_answer()], [], [QUESTION], [12])
    assert isinstance(found, Answer) and found.notes == (UNSEEN,)
    (server,) = checked(None, None, [_answer()], [], [QUESTION], [12])
    assert server == _answer(), "of a server its own evidence says so"


def test_padding_is_no_part_of_a_row_and_what_was_written_is_behind_it() -> None:
    ids = torch.tensor([[0, 0, 5, 6], [7, 8, 9, 10]])
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    output = torch.cat([ids, torch.tensor([[1, 2], [3, 4]])], dim=1)
    found = transcripts({"input_ids": ids, "attention_mask": mask}, output)
    assert found == [Transcript((5, 6), (1, 2)), Transcript((7, 8, 9, 10), (3, 4))]
    alone = transcripts({"input_ids": ids, "attention_mask": mask}, torch.tensor([[1], [2]]))
    assert [one.written for one in alone] == [None, None]
    assert transcripts({"inputs_embeds": torch.zeros(1, 2, 3)}, output) == []
    assert replace(found[0], written=None) == alone[0]
