"""Folders come back as they were; released checkpoints fit, or are refused with every name."""

from __future__ import annotations

import importlib.metadata
import json
from collections import OrderedDict

import open_clip
import pytest
import tiny_flamingo
import torch
from loguru import logger
from safetensors import safe_open
from tiny_flamingo import LANGUAGES, config, pixels, tiny
from transformers import AutoConfig, AutoModelForCausalLM

from resolution_eval.data.cards import FlamingoCard, ModelCard, model_cards
from resolution_eval.ground import paths
from resolution_eval.ground.errors import ModelError
from resolution_eval.models import flamingo
from resolution_eval.models.flamingo import released, upstream
from resolution_eval.models.flamingo.upstream_checkpoint import read_checkpoint

torch.set_num_threads(1)

PROMPTS = ["<image>Which tissue is this? Answer:", "<image>which cell is it?"]
CHOICES = [[" adipose tissue", " mucus"], [" monocyte", " platelet"]]
IMAGES = pixels(2)


def scores(bundle):
    return flamingo.rank(bundle, flamingo.encode(bundle, IMAGES), PROMPTS, CHOICES)


class TestFolder:
    @pytest.mark.parametrize("tied", [True, False])
    @pytest.mark.parametrize("family", sorted(LANGUAGES))
    def test_a_bundle_comes_back_as_it_was(self, tmp_path, family, tied):
        language = {**LANGUAGES[family], "tie_word_embeddings": tied}
        bundle = tiny_flamingo.loud(
            flamingo.build(
                config().model_copy(update={"language": language}), tiny_flamingo.byte_tokenizer()
            )
        )
        extra = {"seed": 7, "accuracy": {"train": 0.95}, "recipe": ["phantoms", 500]}
        folder = flamingo.save_folder(
            bundle, tmp_path / "a", training="mixed:[16,32]", strategy="mixed", extra=extra
        )
        back = flamingo.load_folder(folder)
        assert torch.equal(scores(back), scores(bundle))
        assert str(back.training) == "mixed:[16,32]"
        assert (back.strategy, back.extra, back.identity) == ("mixed", extra, "a")
        assert back.config == bundle.config
        assert not back.model.training
        again = flamingo.load_folder(flamingo.save_folder(back, tmp_path / "b"))
        assert (again.training, again.strategy, again.extra) == (back.training, "mixed", extra)

    @pytest.mark.parametrize("tied", [True, False])
    def test_every_weight_is_stored_once(self, tmp_path, tied):
        language = {**LANGUAGES["llama"], "tie_word_embeddings": tied}
        bundle = flamingo.build(
            config().model_copy(update={"language": language}), tiny_flamingo.byte_tokenizer()
        )
        folder = flamingo.save_folder(bundle, tmp_path)
        with safe_open(folder / "model.safetensors", "pt") as file:
            stored = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        expected = {name: list(p.shape) for name, p in bundle.model.named_parameters()}
        assert stored == expected
        assert ("lang_encoder.lm_head.weight" in stored) is not tied

    def test_half_precision_storage_halves_the_file_and_loads_as_asked(self, tmp_path):
        bundle = tiny()
        whole = flamingo.save_folder(bundle, tmp_path / "whole")
        half = flamingo.save_folder(bundle, tmp_path / "half", dtype=torch.float16)
        sizes = [(folder / "model.safetensors").stat().st_size for folder in (half, whole)]
        assert sizes[0] < 0.6 * sizes[1]
        assert flamingo.load_folder(half).dtype == torch.float32
        assert flamingo.load_folder(half, dtype=torch.bfloat16).dtype == torch.bfloat16
        assert torch.allclose(scores(flamingo.load_folder(half)), scores(bundle), atol=0.1)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
    def test_a_missing_file_is_named(self, tmp_path, name):
        folder = flamingo.save_folder(tiny(), tmp_path)
        (folder / name).unlink()
        with pytest.raises(ModelError, match=f"has no {name}"):
            flamingo.load_folder(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": 2}, "has format 2, not 1"),
            ({"training": "fixed:many"}, "fixed:many"),
            ({"surprise": 1}, "surprise"),
            ({"flamingo": {"vision": {}}}, "language"),
        ],
    )
    def test_a_configuration_that_is_not_ours_is_refused(self, tmp_path, change, message):
        folder = flamingo.save_folder(tiny(), tmp_path)
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        with pytest.raises(ModelError, match=message):
            flamingo.load_folder(folder)

    def test_weights_of_another_model_are_refused_by_name(self, tmp_path):
        folder = flamingo.save_folder(tiny(), tmp_path / "a")
        other = flamingo.save_folder(
            tiny_flamingo.build(config(every=1), tiny_flamingo.byte_tokenizer()), tmp_path / "b"
        )
        (other / "model.safetensors").replace(folder / "model.safetensors")
        with pytest.raises(ModelError, match=r"unknown: lang_encoder.model.layers.0.gated_cross"):
            flamingo.load_folder(folder)

    def test_truncated_weights_are_refused(self, tmp_path):
        folder = flamingo.save_folder(tiny(), tmp_path)
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ModelError, match="not a whole safetensors file"):
            flamingo.load_folder(folder)

    def test_a_broken_off_write_does_not_leave_the_old_words_on_new_weights(
        self, tmp_path, monkeypatch
    ):
        folder = flamingo.save_folder(tiny(), tmp_path, training="fixed:32")

        def full(*_, **__):
            raise OSError("no space left")

        monkeypatch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(OSError, match="no space left"):
            flamingo.save_folder(tiny(seed=1), tmp_path, training="fixed:64")
        with pytest.raises(ModelError, match=r"has no config\.json"):
            flamingo.load_folder(folder)


LANGUAGE_OF = {"mpt": "transformer.blocks", "gpt_neox": "gpt_neox.layers", "llama": "model.layers"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A small CLIP that open_clip knows by name, with weights in a file."""
    folder = tmp_path_factory.mktemp("clip")
    vision = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8}
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    shape = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (folder / "tiny-clip-for-tests.json").write_text(json.dumps(shape))
    open_clip.add_model_config(folder)
    torch.manual_seed(3)
    model = open_clip.create_model("tiny-clip-for-tests")
    torch.save(model.state_dict(), folder / "clip.pt")
    return str(folder / "clip.pt")


@pytest.fixture(scope="module")
def languages(tmp_path_factory):
    """Language model and tokenizer folders as on the hub, by family."""
    folders = {}
    for family in LANGUAGE_OF:
        folder = tmp_path_factory.mktemp(family)
        tokenizer = tiny_flamingo.byte_tokenizer()
        options = {**LANGUAGES[family], "vocab_size": len(tokenizer) + 20}
        kind = options.pop("model_type")
        torch.manual_seed(4)
        AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **options)).save_pretrained(
            folder
        )
        tokenizer.save_pretrained(folder)
        folders[family] = str(folder)
    return folders


@pytest.fixture(scope="module")
def reference(clip, languages):
    """By family: open_flamingo's own model from its own factory, as trained, and what it saves."""
    pytest.importorskip("wandb")
    from open_flamingo import create_model_and_transforms
    from open_flamingo.train.train_utils import filter_state_dict_to_trainable

    made = {}
    for family, language in languages.items():
        torch.manual_seed(5)
        model, _, tokenizer = create_model_and_transforms(
            "tiny-clip-for-tests", clip, language, language, cross_attn_every_n_layers=2
        )
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.3)
        state = filter_state_dict_to_trainable(model, model.state_dict())
        made[family] = (model.eval(), tokenizer, {k: v.clone() for k, v in state.items()})
    return made


@pytest.fixture
def load(clip, languages, tmp_path, monkeypatch):
    """Save a state as the released file of a card, and load it."""

    def load(family, state, **options):
        torch.save(state, tmp_path / "checkpoint.pt")
        monkeypatch.setattr(released, "_download", lambda *_: str(tmp_path / "checkpoint.pt"))
        return released.load_released(
            card(family, clip, languages), dtype=torch.float32, device="cpu", **options
        )

    return load


def card(family, clip, languages, **more):
    parts = {
        "vision": "tiny-clip-for-tests",
        "vision_pretrained": clip,
        "language": languages[family],
        "cross_attn_every_n_layers": 2,
        **more,
    }
    return ModelCard(
        name="Tiny",
        pretrained="somebody/tiny",
        family="openflamingo",
        adapter="resflamingo",
        training="fixed:32",
        evidence="made here",
        licence="none",
        flamingo=FlamingoCard(**parts),
    )


def expected_logits(model, tokenizer):
    ids = tokenizer("<image>Which tissue is this?", return_tensors="pt")
    with torch.no_grad():
        return model(
            IMAGES[:1, None, None], ids["input_ids"], attention_mask=ids["attention_mask"]
        ).logits[0]


def found_logits(bundle):
    ids = flamingo.tokenise(bundle, "<image>Which tissue is this?")[0]
    batch = flamingo.pad(bundle, [ids], "right")
    with torch.no_grad():
        return flamingo.logits(bundle, flamingo.encode(bundle, IMAGES[:1]), batch)[0]


FORMS = {
    "as saved": lambda state, layers: state,
    "training checkpoint": lambda state, layers: {"epoch": 1, "model_state_dict": state},
    "data parallel": lambda state, layers: {f"module.{name}": t for name, t in state.items()},
    "checkpointed activations": lambda state, layers: {
        name.replace(
            "gated_cross_attn_layer.", "gated_cross_attn_layer._checkpoint_wrapped_module."
        ): t
        for name, t in state.items()
    },
    "aliases": lambda state, layers: {
        name.replace(f"lang_encoder.{layers}.", "lang_encoder.gated_cross_attn_layers.").replace(
            ".gated_cross_attn_layer.", "."
        ): t
        for name, t in state.items()
    },
    "buffers of older transformers": lambda state, layers: {
        **state,
        f"lang_encoder.{layers}.0.decoder_layer.attention.bias": torch.ones(1, 1, 4, 4).bool(),
        f"lang_encoder.{layers}.0.decoder_layer.attention.masked_bias": torch.tensor(-1e9),
        f"lang_encoder.{layers}.0.decoder_layer.self_attn.rotary_emb.inv_freq": torch.ones(4),
    },
}


class TestReleased:
    @pytest.mark.parametrize("family", sorted(LANGUAGE_OF))
    def test_names_are_those_of_the_released_files(self, reference, family):
        """What open_flamingo saves: the perceiver, gates under their layer, embeddings; no more."""
        names = set(reference[family][2])
        layers = f"lang_encoder.{LANGUAGE_OF[family]}"
        assert "perceiver.latents" in names
        assert f"{layers}.1.gated_cross_attn_layer.attn_gate" in names
        assert not any("vision_encoder" in n or "gated_cross_attn_layers" in n for n in names)
        assert not any(".decoder_layer." in n for n in names)

    @pytest.mark.parametrize("form", sorted(FORMS))
    @pytest.mark.parametrize("family", sorted(LANGUAGE_OF))
    def test_logits_are_those_of_open_flamingos_own_loading(self, reference, load, family, form):
        model, tokenizer, state = reference[family]
        bundle = load(family, FORMS[form](state, LANGUAGE_OF[family]))
        ours, theirs = found_logits(bundle), expected_logits(model, tokenizer)
        # LLaMA's output rows of the new tokens are neither trained nor saved: all draw them anew
        same = len(tiny_flamingo.byte_tokenizer()) if family == "llama" else ours.shape[1]
        # theirs multiplies and sums by itself, ours by PyTorch's fused attention: 2e-15 apart in
        # float64, and in float32 as far as this MPT's large activations carry the last digits
        assert (ours - theirs)[:, :same].abs().max() <= 1e-4
        assert bundle.identity == "somebody/tiny"
        assert str(bundle.training) == "fixed:32"
        assert len(bundle.model.lang_encoder.gated_cross_attn_layers) == 3
        assert bundle.model.lang_encoder.gated_cross_attn_layers[0] is None

    def test_the_vision_encoder_is_described_as_it_is(self, reference, load, tmp_path):
        bundle = load("gpt_neox", reference["gpt_neox"][2])
        assert bundle.patch == 8
        back = flamingo.load_folder(flamingo.save_folder(bundle, tmp_path / "folder"))
        assert torch.equal(scores(back), scores(bundle))
        assert back.config.vision["heads"] == 1

    def test_every_fault_is_listed(self, reference, load):
        state = dict(reference["mpt"][2])
        del state["perceiver.norm.weight"]
        del state["lang_encoder.transformer.wte.weight"], state["lang_encoder.lm_head.weight"]
        state["perceiver.latents"] = torch.zeros(3, 64)
        state["perceiver.time"] = torch.zeros(1)
        with pytest.raises(ModelError) as caught:
            load("mpt", state)
        for fault in (
            "somebody/tiny/checkpoint.pt does not fit",
            "missing: perceiver.norm.weight",
            "missing: lang_encoder.transformer.wte.weight",
            "unknown: perceiver.time",
            "shape of perceiver.latents: (3, 64), expected (64, 64)",
        ):
            assert fault in str(caught.value)

    def test_a_gate_that_is_missing_is_not_left_closed(self, reference, load):
        gate = "lang_encoder.transformer.blocks.1.gated_cross_attn_layer.attn_gate"
        state = {n: t for n, t in reference["mpt"][2].items() if n != gate}
        with pytest.raises(ModelError, match=f"missing: {gate}"):
            load("mpt", state)

    def test_more_embeddings_than_tokens_are_taken_and_kept(self, reference, load, tmp_path):
        state = dict(reference["mpt"][2])
        name = "lang_encoder.transformer.wte.weight"
        state = {n: t for n, t in state.items() if "lm_head" not in n}
        state[name] = torch.cat([state[name], torch.zeros(2, 32)])
        bundle = load("mpt", state)
        embeddings = bundle.model.lang_encoder.get_input_embeddings()
        assert embeddings.num_embeddings == len(bundle.tokenizer) + 2
        assert bundle.config.language["vocab_size"] == len(bundle.tokenizer) + 2
        back = flamingo.load_folder(flamingo.save_folder(bundle, tmp_path / "folder"))
        assert torch.equal(scores(back), scores(bundle))

    def test_fewer_embeddings_than_tokens_are_refused(self, reference, load):
        state = dict(reference["gpt_neox"][2])
        name = "lang_encoder.gpt_neox.embed_in.weight"
        state[name] = state[name][:-1]
        with pytest.raises(ModelError, match=f"shape of {name}"):
            load("gpt_neox", state)

    def test_remote_code_is_refused_before_anything_is_downloaded(self, clip, languages):
        needs = card("mpt", "no weights", {"mpt": "somebody/mpt-1b"}, remote_code=True)
        with pytest.raises(ModelError, match=r"somebody/mpt-1b, runs code .*trust_remote_code"):
            released.load_released(needs, dtype=torch.float32, device="cpu")

    def test_remote_code_that_the_card_does_not_know_of_is_not_run(self, tmp_path, clip):
        """Even where the user trusts, code runs only if the card says that the model needs it."""
        (tmp_path / "config.json").write_text(
            json.dumps(
                {
                    "model_type": "evil",
                    "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"},
                }
            )
        )
        (tmp_path / "evil.py").write_text("raise SystemExit('code has run')")
        with pytest.raises(ModelError, match="no language model"):
            released.load_released(
                card("mpt", clip, {"mpt": str(tmp_path)}),
                dtype=torch.float32,
                device="cpu",
                trust_remote_code=True,
            )

    def test_a_language_model_without_embedding_accessors_is_given_them(self):
        """As MPT-1B's remote code is."""
        options = {k: v for k, v in LANGUAGES["mpt"].items() if k != "model_type"}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("mpt", **options))

        def nothing(self):
            raise NotImplementedError

        base = type(model)
        model.__class__ = type(base.__name__, (base,), {"get_input_embeddings": nothing})
        released._give_embeddings(model)
        assert model.get_input_embeddings() is model.transformer.wte
        model.set_input_embeddings(replacement := torch.nn.Embedding(3, 2))
        assert model.transformer.wte is replacement

    @pytest.mark.parametrize("part", ["language", "vision_pretrained", "vision"])
    def test_a_part_that_cannot_be_had_is_named(self, clip, languages, part, tmp_path):
        absent = str(tmp_path / "absent")
        incomplete = card("mpt", clip, languages, **{part: absent})
        with pytest.raises(ModelError, match="absent"):
            released.load_released(incomplete, dtype=torch.float32, device="cpu")

    def test_a_checkpoint_that_cannot_be_downloaded_is_named(self, clip, languages, monkeypatch):
        import huggingface_hub
        from huggingface_hub.errors import LocalEntryNotFoundError

        def offline(*_, **__):
            raise LocalEntryNotFoundError("no connection")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
        with pytest.raises(ModelError, match=r"somebody/tiny/checkpoint.pt cannot be had"):
            released.load_released(card("mpt", clip, languages), dtype=torch.float32, device="cpu")


class Code:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


class TestCheckpointFile:
    def test_pickled_code_is_refused_and_not_run(self, tmp_path):
        torch.save({"perceiver.latents": Code(tmp_path / "ran")}, tmp_path / "bad.pt")
        with pytest.raises(ModelError, match="code in a checkpoint is not run"):
            read_checkpoint(tmp_path / "bad.pt")
        assert not (tmp_path / "ran").exists()
        torch.load(tmp_path / "bad.pt", weights_only=False)["perceiver.latents"].close()
        assert (tmp_path / "ran").exists()

    @pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
    def test_what_is_no_checkpoint_is_refused(self, tmp_path, content):
        (tmp_path / "bad.pt").write_bytes(content)
        with pytest.raises(ModelError, match="is not a checkpoint"):
            read_checkpoint(tmp_path / "bad.pt")

    @pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, torch.zeros(2)])
    def test_what_is_no_state_is_refused(self, tmp_path, content):
        torch.save(content, tmp_path / "bad.pt")
        with pytest.raises(ModelError, match="no table of tensors"):
            read_checkpoint(tmp_path / "bad.pt")

    def test_an_ordered_dictionary_is_read(self, tmp_path):
        torch.save(OrderedDict(a=torch.ones(2)), tmp_path / "good.pt")
        assert list(read_checkpoint(tmp_path / "good.pt")) == ["a"]


class TestByName:
    @pytest.fixture
    def embedded(self, tmp_path, monkeypatch):
        monkeypatch.setattr(paths, "models", lambda: tmp_path)
        for seed, name in enumerate(("native", "low")):
            flamingo.save_folder(
                tiny(seed=seed), tmp_path / "embedded" / name, training=f"fixed:{32 + seed}"
            )

    def test_nothing_asked_for_is_the_embedded_default_and_is_said(self, embedded):
        lines = []
        sink = logger.add(lines.append, format="{message}")
        try:
            bundle = flamingo.load_pretrained(None)
        finally:
            logger.remove(sink)
        assert bundle.identity == "embedded/native"
        assert "using embedded/native" in lines[0]

    def test_an_embedded_checkpoint_is_had_by_name(self, embedded):
        assert str(flamingo.load_pretrained("embedded/low").training) == "fixed:33"

    def test_a_local_folder_does_not_take_its_place_in_silence(
        self, embedded, tmp_path, monkeypatch
    ):
        flamingo.save_folder(tiny(), tmp_path / "here" / "embedded" / "low", training="native")
        monkeypatch.chdir(tmp_path / "here")
        assert str(flamingo.load_pretrained("embedded/low").training) == "fixed:33"
        assert str(flamingo.load_pretrained("./embedded/low").training) == "native"

    def test_a_folder_is_had_by_its_path(self, tmp_path):
        folder = flamingo.save_folder(tiny(), tmp_path / "mine", training="native")
        bundle = flamingo.load_pretrained(str(folder), dtype=torch.bfloat16)
        assert (bundle.identity, bundle.dtype) == ("mine", torch.bfloat16)

    def test_a_card_is_had_by_its_checkpoint(self, monkeypatch):
        seen = {}
        from resolution_eval.models.flamingo import pretrained

        monkeypatch.setattr(
            pretrained, "load_released", lambda card, **rest: seen.update(rest, card=card)
        )
        flamingo.load_pretrained(
            "med-flamingo/med-flamingo", trust_remote_code=True, revision="abc", device="cpu"
        )
        assert seen["card"].flamingo.weights == "model.pt"
        assert (seen["revision"], seen["trust_remote_code"]) == ("abc", True)

    def test_an_unknown_name_gets_a_suggestion(self):
        with pytest.raises(
            ModelError, match="did you mean 'openflamingo/OpenFlamingo-9B-vitl-mpt7b'"
        ):
            flamingo.load_pretrained("openflamingo/OpenFlamingo-9B-vitl-mpt7")


RELEASED = [
    "med-flamingo/med-flamingo",
    "openflamingo/OpenFlamingo-3B-vitl-mpt1b",
    "openflamingo/OpenFlamingo-3B-vitl-mpt1b-langinstruct",
    "openflamingo/OpenFlamingo-4B-vitl-rpj3b",
    "openflamingo/OpenFlamingo-4B-vitl-rpj3b-langinstruct",
    "openflamingo/OpenFlamingo-9B-vitl-mpt7b",
]


class TestCards:
    def test_the_released_checkpoints_have_cards(self):
        cards = model_cards()
        assert [name for name in sorted(cards) if cards[name].flamingo] == RELEASED

    @pytest.mark.parametrize("name", RELEASED)
    def test_a_card_agrees_with_open_clip(self, name):
        found = model_cards()[name]
        parts = found.flamingo
        size = open_clip.get_model_config(parts.vision)["vision_cfg"]["image_size"]
        assert found.training == f"fixed:{size}"
        assert parts.vision_pretrained in open_clip.list_pretrained_tags_by_model(parts.vision)

    @pytest.mark.parametrize(("tag", "quick"), [("openai", True), ("laion2b_s32b_b82k", False)])
    def test_the_activation_is_that_of_the_weights(self, tag, quick):
        """open_clip 3 builds ViT-L-14 with plain GELU also for OpenAI's weights, and only warns."""
        parts = FlamingoCard(
            vision="ViT-L-14", vision_pretrained=tag, language="x", cross_attn_every_n_layers=1
        )
        assert released._quick_gelu(parts) is quick

    def test_the_activation_reaches_the_vision_encoder(self, clip, languages, monkeypatch):
        for quick in (True, False):
            monkeypatch.setattr(released, "_quick_gelu", lambda parts, quick=quick: quick)
            vision = released._vision(card("mpt", clip, languages).flamingo)
            kinds = {type(module).__name__ for module in vision.modules()}
            assert ("QuickGELU" in kinds) is quick

    @pytest.mark.parametrize("quick", [True, False])
    def test_quick_gelu_is_built_where_asked_for(self, quick):
        bundle = tiny_flamingo.build(
            config().model_copy(update={"quick_gelu": quick}), tiny_flamingo.byte_tokenizer()
        )
        kinds = {type(module).__name__ for module in bundle.model.vision_encoder.modules()}
        assert ("QuickGELU" in kinds) is quick


class TestUpstream:
    def test_a_missing_open_flamingo_says_how_to_get_it(self, monkeypatch):
        def absent(name):
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(upstream, "version", absent)
        with pytest.raises(ModelError, match=r"pip install --no-deps open_flamingo==2\.0\.1"):
            upstream._require()

    def test_another_open_flamingo_is_refused(self, monkeypatch):
        monkeypatch.setattr(upstream, "version", lambda name: "0.0.2")
        with pytest.raises(ModelError, match=r"open_flamingo 0\.0\.2 is installed, 2\.0\.1"):
            upstream._require()
