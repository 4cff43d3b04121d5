"""Encoding, ranking and generating agree with open_flamingo's own forward, run the slow way."""

from __future__ import annotations

import inspect
import math

import pytest
import tiny_flamingo
import torch
from tiny_flamingo import LANGUAGES, config, pixels, tiny
from transformers import AutoConfig, AutoModelForCausalLM

from resolution_eval.ground.errors import ModelError
from resolution_eval.models import flamingo
from resolution_eval.models.flamingo import likelihood
from resolution_eval.models.flamingo import text as texts_of
from resolution_eval.models.flamingo.upstream import PerceiverResampler

torch.set_num_threads(1)

FAMILIES = sorted(LANGUAGES)
PROMPTS = [
    "<image>Which tissue is this? Answer:",
    "<image>Question: is the heart enlarged? It was not so last year, the report says. Answer: ",
    "<image>yes",
]
CHOICES = [
    [" adipose tissue", " lymphocytes", " mucus or debris."],
    ["yes", "no"],
    ["terday", ", it is enlarged", "!", " "],
]


@pytest.fixture(scope="module", params=FAMILIES)
def bundle(request):
    return tiny(request.param)


@pytest.fixture(scope="module")
def llama():
    return tiny("llama")


def upstream_logits(bundle, image, ids):
    """Logits of one sequence by open_flamingo's `Flamingo.forward`, at the training grid."""
    with torch.no_grad():
        outputs = bundle.model(
            image[None, None, None], torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))
        )
    return outputs.logits[0].float()


def by_hand(bundle, image, prompt, choice):
    """Log-likelihood of `choice`: the whole sequence once, no cache, no batch, no padding."""
    encoding = bundle.tokenizer(prompt + choice, return_offsets_mapping=True)
    ids = encoding["input_ids"]
    rows = upstream_logits(bundle, image, ids).log_softmax(-1)
    own = [i for i, (_, end) in enumerate(encoding["offset_mapping"]) if end > len(prompt)]
    greedy = all(rows[i - 1].argmax() == ids[i] for i in own)
    return sum(float(rows[i - 1, ids[i]]) for i in own), greedy, len(own)


class TestParity:
    def test_logits_at_the_training_grid_are_open_flamingos(self, bundle):
        images = pixels(3)
        sequences = [flamingo.tokenise(bundle, prompt)[0] for prompt in PROMPTS]
        batch = flamingo.pad(bundle, sequences, "right")
        with torch.no_grad():
            found = flamingo.logits(bundle, flamingo.encode(bundle, images), batch)
        for image, ids, row in zip(images, sequences, found, strict=True):
            expected = upstream_logits(bundle, image, ids)
            assert (row[: len(ids)] - expected).abs().max() <= 1e-5

    def test_the_comparison_can_see_the_image_and_the_prompt(self, bundle):
        ids = flamingo.tokenise(bundle, PROMPTS[0])[0]
        ours = upstream_logits(bundle, pixels(1)[0], ids)
        assert (ours - upstream_logits(bundle, pixels(1, seed=9)[0], ids)).abs().max() > 1e-2

    def test_left_padding_changes_nothing(self, bundle):
        encoded = flamingo.encode(bundle, pixels(3))
        sequences = [flamingo.tokenise(bundle, prompt)[0] for prompt in PROMPTS]
        with torch.no_grad():
            right = flamingo.logits(bundle, encoded, flamingo.pad(bundle, sequences, "right"))
            left = flamingo.logits(bundle, encoded, flamingo.pad(bundle, sequences, "left"))
        for ids, a, b in zip(sequences, right, left, strict=True):
            assert (a[: len(ids)] - b[-len(ids) :]).abs().max() <= 1e-5


class TestEncode:
    @pytest.mark.parametrize("size", [(32, 32), (16, 48), (8, 8), (64, 40)])
    def test_grid_and_tokens_are_what_entered(self, llama, size):
        encoded = flamingo.encode(llama, pixels(2, *size))
        assert encoded.grid == size
        assert encoded.visual_tokens == size[0] * size[1] // 64
        assert encoded.latents.shape == (2, 1, 5, 24)

    def test_the_grid_is_read_where_pixels_enter_and_not_from_the_argument(self, llama):
        def turn(module, inputs):
            return (inputs[0].transpose(-1, -2),)

        hook = llama.model.vision_encoder.register_forward_pre_hook(turn)
        try:
            assert flamingo.encode(llama, pixels(1, 16, 48)).grid == (48, 16)
        finally:
            hook.remove()

    def test_the_tokens_are_read_where_they_enter_the_perceiver(self, llama):
        def halve(module, inputs):
            return (inputs[0][..., ::2, :],)

        hook = llama.model.perceiver.register_forward_pre_hook(halve)
        try:
            assert flamingo.encode(llama, pixels(1)).visual_tokens == 8
        finally:
            hook.remove()

    def test_a_part_of_a_patch_is_refused(self, llama):
        with pytest.raises(ValueError, match="30x32, which is no whole number of 8 px patches"):
            flamingo.encode(llama, pixels(1, 30, 32))

    def test_position_embeddings_move_with_the_grid(self, llama):
        vision = llama.model.vision_encoder
        table = vision.positional_embedding.detach()
        image = pixels(1, 16, 48)
        found = flamingo.encode(llama, image).latents
        larger = tiny_flamingo.build(
            config().model_copy(
                update={"vision": {**tiny_flamingo.VISION, "image_size": [16, 48]}}
            ),
            tiny_flamingo.byte_tokenizer(),
        )
        weights = {**vision.state_dict()}
        weights["positional_embedding"] = flamingo_resampled(table)
        larger.model.vision_encoder.load_state_dict(weights)
        larger.model.perceiver.load_state_dict(llama.model.perceiver.state_dict())
        with torch.no_grad():
            tokens = larger.model.vision_encoder(image)[1]
            expected = larger.model.perceiver(tokens[:, None, None])
        assert torch.allclose(found, expected, atol=1e-6)

    def test_a_table_is_resampled_once_for_many_batches(self, llama, monkeypatch):
        from resolution_eval.models import positions

        calls = []
        real = positions.resample
        monkeypatch.setattr(
            positions, "resample", lambda *a, **k: calls.append(a[2]) or real(*a, **k)
        )
        for _ in range(3):
            flamingo.encode(llama, pixels(1, 40, 24))
            flamingo.encode(llama, pixels(1, 24, 40))
        assert calls == [(5, 3), (3, 5)]

    def test_training_reaches_the_position_table_through_its_resampling(self):
        bundle = tiny("opt")
        flamingo.encode(bundle, pixels(1, 16, 48), train=True).latents.square().sum().backward()
        vision = bundle.model.vision_encoder
        assert (vision.positional_embedding.grad.abs().sum(1) > 0).all()
        assert vision.conv1.weight.grad.abs().sum() > 0

    def test_without_train_only_the_perceiver_learns(self):
        bundle = tiny("opt")
        flamingo.encode(bundle, pixels(1)).latents.square().sum().backward()
        assert all(p.grad is None for p in bundle.model.vision_encoder.parameters())
        assert bundle.model.perceiver.latents.grad.abs().sum() > 0


def flamingo_resampled(table):
    """A 4x4 table at 2x6, by Pillow."""
    from test_positions import pillow

    patches = pillow(table[1:].reshape(4, 4, -1).numpy(), (2, 6))
    return torch.cat([table[:1], torch.from_numpy(patches).reshape(12, -1)])


class TestRank:
    def test_agrees_with_one_whole_sequence_per_choice(self, bundle):
        images = pixels(3)
        found = flamingo.rank(bundle, flamingo.encode(bundle, images), PROMPTS, CHOICES)
        assert found.shape == (3, 4)
        for image, prompt, choices, row in zip(images, PROMPTS, CHOICES, found, strict=True):
            expected = [by_hand(bundle, image, prompt, choice)[0] for choice in choices]
            assert row[: len(choices)].tolist() == pytest.approx(expected, abs=1e-5, rel=1e-6)
            assert row[len(choices) :].tolist() == [-math.inf] * (4 - len(choices))

    def test_joining_changed_the_tokens_of_these_prompts(self, llama):
        """Else the comparison above would not have tried it."""
        prompt = PROMPTS[1]
        apart = llama.tokenizer(prompt)["input_ids"] + llama.tokenizer("yes")["input_ids"]
        joined = flamingo.join(llama, prompt, "yes")
        assert list(joined.ids) != apart
        assert joined.start < len(llama.tokenizer(prompt)["input_ids"])

    def test_whole_words_are_ranked_too(self):
        bundle = tiny("gpt_neox", words=True)
        images = pixels(2)
        prompts = ["<image>Which tissue is this? Answer:", "<image>which cell is it?"]
        choices = [["adipose tissue", "mucus"], [" monocyte", " platelet or basophil"]]
        found = flamingo.rank(bundle, flamingo.encode(bundle, images), prompts, choices)
        for image, prompt, texts, row in zip(images, prompts, choices, found, strict=True):
            expected = [by_hand(bundle, image, prompt, text)[0] for text in texts]
            assert row.tolist() == pytest.approx(expected, abs=1e-5)

    def test_choices_share_one_encoding_and_one_pass_over_the_prompt(self, llama):
        images, prompts = [], []
        hooks = [
            llama.model.vision_encoder.register_forward_pre_hook(
                lambda module, inputs: images.append(len(inputs[0]))
            ),
            llama.model.lang_encoder.model.register_forward_pre_hook(
                lambda module, args, kwargs: prompts.append(tuple(kwargs["input_ids"].shape)),
                with_kwargs=True,
            ),
        ]
        try:
            encoded = flamingo.encode(llama, pixels(3))
            flamingo.rank(llama, encoded, PROMPTS, CHOICES)
        finally:
            for hook in hooks:
                hook.remove()
        assert images == [3]
        assert [rows for rows, _ in prompts] == [3, 3], "a prompt a row, then its choices in one"

    def test_choices_in_one_sequence_score_as_in_one_each(self, bundle, monkeypatch):
        encoded = flamingo.encode(bundle, pixels(3))
        packed = flamingo.rank(bundle, encoded, PROMPTS, CHOICES)
        rows = []
        hook = bundle.model.lang_encoder.register_forward_pre_hook(
            lambda module, args: rows.append(len(args[0]))
        )
        monkeypatch.setattr(likelihood, "_takes_packed", lambda language_model: False)
        try:
            apart = flamingo.rank(bundle, encoded, PROMPTS, CHOICES)
        finally:
            hook.remove()
        assert rows == [3, 9]
        assert torch.allclose(packed, apart, atol=1e-5)

    def test_a_text_that_comes_again_is_not_tokenised_again(self, monkeypatch):
        bundle = tiny("opt")
        encoded = flamingo.encode(bundle, pixels(3))
        first = flamingo.rank(bundle, encoded, PROMPTS, CHOICES)
        monkeypatch.setattr(texts_of, "tokenise", lambda *_: pytest.fail("tokenised again"))
        assert torch.equal(flamingo.rank(bundle, encoded, PROMPTS, CHOICES), first)

    def test_texts_remembered_are_bounded(self, monkeypatch):
        bundle = tiny("opt")
        monkeypatch.setattr("resolution_eval.models.flamingo.text.KEPT", 5)
        for number in range(12):
            found = texts_of.joins(bundle)("<image>Which?", f" the {number}th")
            assert texts_of.joins(bundle).cache_info().currsize <= 5
        assert found.ids == tuple(flamingo.tokenise(bundle, "<image>Which? the 11th")[0])

    def test_an_answer_does_not_depend_on_its_batch(self, bundle):
        images = pixels(3)
        together = flamingo.rank(bundle, flamingo.encode(bundle, images), PROMPTS, CHOICES)
        for row, image, prompt, choices in zip(together, images, PROMPTS, CHOICES, strict=True):
            alone = flamingo.rank(bundle, flamingo.encode(bundle, image[None]), [prompt], [choices])
            assert torch.allclose(row[: len(choices)], alone[0], atol=1e-5)

    @pytest.mark.parametrize("family", ["llama", "mpt"])
    def test_a_model_without_cache_ranks_the_same(self, family):
        bundle = tiny(family)
        encoded = flamingo.encode(bundle, pixels(3))
        expected = flamingo.rank(bundle, encoded, PROMPTS, CHOICES)
        lengths = []

        def forget(module, inputs, output):
            lengths.append(output.logits.shape[1])
            output.past_key_values = None

        bundle.model.lang_encoder.register_forward_hook(forget)
        found = flamingo.rank(bundle, encoded, PROMPTS, CHOICES)
        assert torch.allclose(found, expected, atol=1e-5)
        assert lengths[-1] > max(len(flamingo.tokenise(bundle, p)[0]) for p in PROMPTS)

    def test_per_token_divides_by_the_choices_own_tokens(self, llama):
        images = pixels(3)
        encoded = flamingo.encode(llama, images)
        found = flamingo.rank(llama, encoded, PROMPTS, CHOICES, per_token=True)
        total, _, tokens = by_hand(llama, images[0], PROMPTS[0], CHOICES[0][2])
        assert tokens > 1
        assert found[0, 2].item() == pytest.approx(total / tokens, abs=1e-5)

    def test_a_prompt_without_image_is_blind(self, bundle):
        blind = [prompt.removeprefix("<image>") for prompt in PROMPTS[:2]]
        a, b = (
            flamingo.rank(bundle, flamingo.encode(bundle, pixels(2, seed=s)), blind, CHOICES[:2])
            for s in (1, 2)
        )
        assert torch.equal(a, b)

    def test_loglikelihood_says_whether_greedy_decoding_gives_the_text(self, bundle):
        images = pixels(2)
        encoded = flamingo.encode(bundle, images)
        ids = flamingo.tokenise(bundle, PROMPTS[0])[0]
        likeliest = bundle.tokenizer.decode(upstream_logits(bundle, images[0], ids)[-1].argmax())
        texts = [likeliest, " debris"]
        found = flamingo.loglikelihood(bundle, encoded, PROMPTS[:2], texts)
        for (value, greedy), image, prompt, text in zip(
            found, images, PROMPTS, texts, strict=False
        ):
            expected = by_hand(bundle, image, prompt, text)
            assert value == pytest.approx(expected[0], abs=1e-5)
            assert greedy == expected[1]
        assert not found[1][1]

    @pytest.mark.parametrize(
        ("prompts", "choices", "message"),
        [
            (["<image>a", "<image>b"], [["x"]], "2 prompts for 1 lists of choices"),
            (["<image>a"] * 2, [["x"], ["y"]], "2 prompts for 1 encoded images"),
            (["<image>a"], [[]], "needs a list of one choice or more"),
            (["<image>a"], ["xy"], "needs a list of one choice or more, received 'xy'"),
            (["<image>a"], [["x", ""]], "has no tokens of its own"),
            ([""], [["x"]], "begin the prompt with <image>"),
            (["<image>a<image>b"], [["x"]], "2 <image> tokens, for 1 image"),
            (["<image>a"], [["<image>x"]], "<image> belongs into the prompt"),
        ],
    )
    def test_what_cannot_be_ranked_is_refused(self, llama, prompts, choices, message):
        with pytest.raises(ValueError, match=message):
            flamingo.rank(llama, flamingo.encode(llama, pixels(1)), prompts, choices)

    def test_no_image_stays_behind(self, llama):
        encoded = flamingo.encode(llama, pixels(1))
        flamingo.rank(llama, encoded, PROMPTS[:1], CHOICES[:1])
        flamingo.generate(llama, encoded, PROMPTS[:1], max_new_tokens=2)
        assert not llama.model.lang_encoder.is_conditioned()
        assert not llama.model.lang_encoder._use_cached_vision_x


def greedy_by_hand(bundle, image, prompt, steps):
    """Token by token, the whole sequence each time, by open_flamingo's forward."""
    ids = bundle.tokenizer(prompt)["input_ids"]
    start = len(ids)
    for _ in range(steps):
        row = upstream_logits(bundle, image, ids)[-1]
        row[bundle.model.media_token_id] = -math.inf
        token = int(row.argmax())
        if token in (bundle.model.eoc_token_id, bundle.tokenizer.eos_token_id):
            break
        ids = [*ids, token]
    return bundle.tokenizer.decode(ids[start:])


def forced(bundle, token, *, after=0):
    """Hook that has the language model prefer `token` from its call number `after` on."""
    calls = []

    def prefer(module, inputs, output):
        calls.append(output.shape)
        if len(calls) > after:
            output[..., token] += 1e4
        return output

    return bundle.model.lang_encoder.lm_head.register_forward_hook(prefer), calls


class TestGenerate:
    STEPS = 7

    def test_cached_generation_is_recomputation_in_a_batch_and_alone(self, bundle):
        images = pixels(3)
        encoded = flamingo.encode(bundle, images)
        expected = [
            greedy_by_hand(bundle, image, prompt, self.STEPS)
            for image, prompt in zip(images, PROMPTS, strict=True)
        ]
        assert len(set(expected)) > 1
        together = flamingo.generate(bundle, encoded, PROMPTS, max_new_tokens=self.STEPS)
        assert together == expected
        for image, prompt, text in zip(images, PROMPTS, expected, strict=True):
            alone = flamingo.encode(bundle, image[None])
            assert flamingo.generate(bundle, alone, [prompt], max_new_tokens=self.STEPS) == [text]

    def test_the_image_token_is_never_written(self, llama):
        encoded = flamingo.encode(llama, pixels(1))
        expected = flamingo.generate(llama, encoded, PROMPTS[:1], max_new_tokens=4)
        hook, _ = forced(llama, llama.model.media_token_id)
        try:
            assert flamingo.generate(llama, encoded, PROMPTS[:1], max_new_tokens=4) == expected
        finally:
            hook.remove()

    def test_the_end_of_a_chunk_ends_the_answer(self, llama):
        encoded = flamingo.encode(llama, pixels(1))
        full = flamingo.generate(llama, encoded, PROMPTS[:1], max_new_tokens=3)
        hook, calls = forced(llama, llama.model.eoc_token_id, after=3)
        try:
            assert flamingo.generate(llama, encoded, PROMPTS[:1], max_new_tokens=40) == full
        finally:
            hook.remove()
        assert len(calls) == 4

    def test_until_cuts_the_answer_and_stops_the_work(self, llama):
        encoded = flamingo.encode(llama, pixels(1))
        (full,) = flamingo.generate(llama, encoded, PROMPTS[:1], max_new_tokens=30)
        end = full[3:5]
        hook, calls = forced(llama, 0, after=10**6)
        try:
            found = flamingo.generate(
                llama, encoded, PROMPTS[:1], max_new_tokens=30, until=["never", end]
            )
        finally:
            hook.remove()
        assert found == [full[: full.index(end)]]
        assert len(calls) < 30

    def test_sampling_and_beams_run(self, llama):
        encoded = flamingo.encode(llama, pixels(3))
        torch.manual_seed(0)
        sampled = [
            flamingo.generate(
                llama, encoded, PROMPTS, max_new_tokens=5, do_sample=True, temperature=5.0
            )
            for _ in range(2)
        ]
        assert sampled[0] != sampled[1]
        assert len(flamingo.generate(llama, encoded, PROMPTS, max_new_tokens=5, num_beams=2)) == 3

    def test_a_second_image_token_is_refused(self, llama):
        with pytest.raises(ValueError, match="2 <image> tokens"):
            flamingo.generate(llama, flamingo.encode(llama, pixels(1)), ["<image><image>a"])


class TestLanguageModel:
    def test_its_signature_is_the_base_models(self, bundle):
        language_model = bundle.model.lang_encoder
        base = type(language_model).__mro__[2]
        assert base.__module__.endswith(bundle.config.language["model_type"])
        expected = list(inspect.signature(base.forward).parameters)[1:]
        assert list(inspect.signature(language_model.forward).parameters) == expected

    def test_generate_passes_positions_that_skip_the_padding(self, llama):
        seen = []
        hook = llama.model.lang_encoder.model.register_forward_pre_hook(
            lambda module, args, kwargs: seen.append(kwargs.get("position_ids")), with_kwargs=True
        )
        try:
            encoded = flamingo.encode(llama, pixels(3))
            flamingo.generate(llama, encoded, PROMPTS, max_new_tokens=2)
        finally:
            hook.remove()
        lengths = [len(flamingo.tokenise(llama, prompt)[0]) for prompt in PROMPTS]
        assert seen[0][:, -1].tolist() == [length - 1 for length in lengths]
        assert seen[1][:, -1].tolist() == lengths

    @pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
    def test_a_kind_that_open_flamingo_does_not_know_is_refused(self, kind):
        options = {"model_type": kind, "hidden_size": 16, "num_attention_heads": 2}
        options |= {"num_hidden_layers": 1, "intermediate_size": 16, "num_key_value_heads": 2}
        unknown = config().model_copy(update={"language": options})
        with pytest.raises(ModelError, match="does not know where the decoder layers"):
            flamingo.build(unknown, tiny_flamingo.byte_tokenizer())

    def test_a_model_type_that_does_not_exist_is_refused(self):
        unknown = config().model_copy(update={"language": {"model_type": "lama"}})
        with pytest.raises(ModelError, match="model_type 'lama'"):
            flamingo.build(unknown, tiny_flamingo.byte_tokenizer())

    def test_a_vision_encoder_that_cannot_be_is_refused(self):
        wrong = config().model_copy(update={"vision": {**tiny_flamingo.VISION, "depth": 3}})
        with pytest.raises(ModelError, match=r"no vision encoder can be built.*depth"):
            flamingo.build(wrong, tiny_flamingo.byte_tokenizer())


class TestBuild:
    def test_the_seed_decides_the_weights_and_leaves_the_callers_alone(self):
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        a, b, c = (
            flamingo.build(config(), tiny_flamingo.byte_tokenizer(), seed=seed)
            for seed in (1, 1, 2)
        )
        assert torch.equal(torch.rand(1), expected)
        weights = [x.model.perceiver.latents for x in (a, b, c)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    def test_the_callers_tokenizer_is_left_alone(self):
        before = len(tiny_flamingo.byte_tokenizer())
        bundle = flamingo.build(config(), tiny_flamingo.byte_tokenizer())
        assert len(tiny_flamingo.byte_tokenizer()) == before
        added = bundle.tokenizer.convert_ids_to_tokens([before, before + 1, before + 2])
        assert added == ["<|endofchunk|>", "<image>", "<PAD>"]

    def test_the_perceiver_is_open_flamingos(self, llama):
        assert type(llama.model.perceiver) is PerceiverResampler
        assert llama.model.perceiver.latents.shape == (5, 24)

    def test_an_embedding_belongs_to_every_token(self, bundle):
        embeddings = bundle.model.lang_encoder.get_input_embeddings()
        assert embeddings.num_embeddings == len(bundle.tokenizer)


def test_base_signature_of_every_family_is_known():
    """The families whose base takes no position ids are found by signature, not by name."""
    takes = {}
    for family, options in LANGUAGES.items():
        rest = {k: v for k, v in options.items() if k != "model_type"}
        cfg = AutoConfig.for_model(options["model_type"], **rest, vocab_size=8)
        base = type(AutoModelForCausalLM.from_config(cfg))
        takes[family] = "position_ids" in inspect.signature(base.forward).parameters
    assert takes == {"llama": True, "gpt_neox": True, "opt": True, "mpt": False}
