"""A checkpoint is loaded whole or refused; its text and its settings are those that were meant."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
import tiny_families

from resolution_eval.answers import thinking
from resolution_eval.answers.generation import Generation
from resolution_eval.ground.errors import ModelError
from resolution_eval.models.families import family_of
from resolution_eval.models.families.checkpoint import load_model, load_parts
from resolution_eval.models.families.engine import Engine, Question, Utterance
from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.inputs import prepare
from resolution_eval.models.families.integrity import watched_loading
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.tokens import check_text, written

pytestmark = pytest.mark.filterwarnings("ignore")
GREEDY = Generation(max_new_tokens=12)
QUESTION = "Which phantom does this image show? striped disc, checked disc, striped ring"
Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A family's tiny checkpoint in a folder, written once."""
    made: dict[str, Path] = {}

    def base(name: str) -> Path:
        if name not in made:
            made[name] = tiny_families.save(name, tmp_path_factory.mktemp(name))
        return made[name]

    return base


@pytest.fixture
def copy(bases: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a family's tiny checkpoint, to be spoilt."""
    return lambda name: shutil.copytree(bases(name), tmp_path / name)


def _rewrite(folder: Path, change: Callable[[Weights], Weights]) -> Path:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    return folder


def _edit(file: Path, **changes: Any) -> None:
    told = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**told, **changes}))


def _engine(folder: Path) -> Engine:
    parts = load_parts(str(folder))
    return Engine(family_of(parts.config), parts, load_model(str(folder)).eval())


def _answer(engine: Engine, size: tuple[int, int] = (56, 84)) -> Utterance:
    prompt = engine.family.prompt(engine.parts, QUESTION, image=True)
    image = Image.effect_noise(size, 60).convert("RGB")
    torch.manual_seed(0)
    image = Image.fromarray(torch.randint(0, 256, (size[1], size[0], 3), dtype=torch.uint8).numpy())
    (spoken,) = engine.generate([Question(prompt, image)], GREEDY)
    return spoken


# Weights


def _without(*parts: str) -> Callable[[Weights], Weights]:
    return lambda found: {n: t for n, t in found.items() if not any(part in n for part in parts)}


def _prefixed(prefix: str) -> Callable[[Weights], Weights]:
    return lambda found: {prefix + name: tensor for name, tensor in found.items()}


def _with(name: str, shape: tuple[int, ...]) -> Callable[[Weights], Weights]:
    return lambda found: {**found, name: torch.zeros(shape)}


def _reshaped(part: str, shape: tuple[int, ...]) -> Callable[[Weights], Weights]:
    return lambda found: {
        name: torch.zeros(shape) if name.endswith(part) else tensor
        for name, tensor in found.items()
    }


SPOILT: dict[str, tuple[str, Callable[[Weights], Weights], tuple[str, ...]]] = {
    "no tower": ("llava", _without("vision_tower"), ("vision tower was left out", "39 weights")),
    "no projector": ("llava", _without("multi_modal_projector"), ("projector was left out",)),
    "half a projector": (
        "llava",
        _without("multi_modal_projector.linear_2.bias"),
        ("1 weight without", "linear_2.bias"),
    ),
    "no merger": ("qwen2_5_vl", _without("merger"), ("projector was left out", "merger")),
    "no head": ("llava", _without("lm_head"), ("lm_head.weight", "tie_word_embeddings")),
    "no embeddings": ("llava", _without("embed_tokens"), ("embed_tokens",)),
    "a layer's weight": (
        "qwen2_5_vl",
        _without("layers.1.mlp.up_proj"),
        ("1 weight without", "layers.1.mlp.up_proj"),
    ),
    "no language": ("llava", _without("language_model", "lm_head"), ("language_model",)),
    "wrapped": ("qwen2_5_vl", _prefixed("module."), ("'module.'", "wrapped")),
    "of PEFT": ("llava", _prefixed("base_model.model."), ("PEFT", "merge_and_unload")),
    "compiled": ("llava", _prefixed("_orig_mod."), ("compiled",)),
    "an adapter among them": (
        "llava",
        _with("model.language_model.layers.0.self_attn.q_proj.lora_A.weight", (4, 32)),
        ("adapter", "lora_A"),
    ),
    "another layer": (
        "llava",
        _with("model.language_model.layers.7.mlp.up_proj.weight", (48, 32)),
        ("has no place for", "layers.7"),
    ),
    "another width": (
        "llava",
        _reshaped("multi_modal_projector.linear_1.weight", (32, 16)),
        ("of another shape", "(32, 16)", "(32, 32)"),
    ),
    "another position table": (
        "llava",
        _reshaped("embeddings.position_embedding.weight", (26, 32)),
        ("of another shape", "position_embedding"),
    ),
    "a resized vocabulary": (
        "llava",
        _reshaped("lm_head.weight", (520, 32)),
        ("(520, 32)", "vocabulary"),
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_checkpoint_that_is_not_whole_is_refused_with_names_and_cause(
    what: str, copy: Callable[[str], Path]
) -> None:
    name, change, said = SPOILT[what]
    folder = _rewrite(copy(name), change)
    with pytest.raises(ModelError) as refused:
        load_model(str(folder))
    shapes = int(transformers.__version__.partition(".")[0]) >= 5  # an older one tells none
    for words in said:
        assert words in str(refused.value) or (words.startswith("(") and not shapes)


@pytest.mark.parametrize("name", tiny_families.BUILDERS)
def test_every_family_loads_whole(name: str, bases: Callable[[str], Path]) -> None:
    model = load_model(str(bases(name)))
    own, _ = tiny_families.built(name)
    for key, tensor in own.state_dict().items():
        assert torch.equal(model.state_dict()[key], tensor), key


def test_old_names_of_weights_are_still_those_of_the_model(copy: Callable[[str], Path]) -> None:
    """As llava-hf/llava-1.5-7b-hf has them, from before transformers 4.52."""

    own, _ = tiny_families.built("llava")
    names: Weights = {}
    for name, tensor in own.state_dict().items():
        name = name.replace("model.language_model.", "language_model.model.")
        name = name.replace("vision_tower.vision_model.", "vision_tower.")
        name = name.replace("model.vision_tower.", "vision_tower.vision_model.")
        name = name.replace("model.multi_modal_projector", "multi_modal_projector")
        names[name.replace("lm_head", "language_model.lm_head")] = tensor.contiguous()
    positions = torch.arange(17)[None]
    names["vision_tower.vision_model.embeddings.position_ids"] = positions
    model = load_model(str(_rewrite(copy("llava"), lambda _: names)))
    for key, tensor in own.state_dict().items():
        assert torch.equal(model.state_dict()[key], tensor), key


def test_an_output_layer_that_is_tied_needs_no_weight_of_its_own(tmp_path: Path) -> None:
    config, processor = tiny_families.llava()
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = True
    from transformers import AutoModelForImageTextToText

    AutoModelForImageTextToText.from_config(config).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    _rewrite(tmp_path, _without("lm_head"))
    model = load_model(str(tmp_path))
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_an_index_that_names_an_absent_shard_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("llava")
    names = list(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    table = {name: shards[place % 2] for place, name in enumerate(names)}
    index = {"metadata": {}, "weight_map": table}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"2 shards, and 1 are absent \(model-00002"):
        load_model(str(folder))


def test_what_another_loads_is_watched_as_well(copy: Callable[[str], Path]) -> None:
    from transformers import LlavaForConditionalGeneration

    folder = _rewrite(copy("llava"), _without("vision_tower"))
    with watched_loading(), pytest.raises(ModelError, match="vision tower was left out"):
        LlavaForConditionalGeneration.from_pretrained(folder)
    assert LlavaForConditionalGeneration.from_pretrained(folder) is not None


# What an error says to do


@pytest.mark.parametrize(
    ("method", "package"),
    [
        ("gptq", "gptqmodel"),
        ("awq", "gptqmodel"),
        ("compressed-tensors", "compressed-tensors"),
        ("hqq", "hqq"),
        ("aqlm", "aqlm"),
        ("quark", "amd-quark"),
    ],
)
def test_weights_quantised_by_an_absent_package_name_it(
    method: str, package: str, copy: Callable[[str], Path]
) -> None:
    module = {"gptq": "gptqmodel", "awq": "gptqmodel"}.get(method, method.replace("-", "_"))
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{package} is installed")
    folder = copy("llava")
    _edit(folder / "config.json", quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(ModelError, match=f"quantised with {method}: install {package}"):
        load_model(str(folder))


def test_a_quantised_checkpoint_is_loaded_whole_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    model, _ = tiny_families.built("llava")
    model.save_pretrained(tmp_path / "plain")
    eight = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "plain", quantization_config=BitsAndBytesConfig(load_in_8bit=True)
    )
    eight.save_pretrained(tmp_path / "eight")
    again = load_model(str(tmp_path / "eight"), device_map={"": "cpu"})
    assert again.is_quantized
    weights = load_file(tmp_path / "eight" / "model.safetensors")
    scale = next(name for name in weights if name.endswith("SCB"))
    for absent in (scale, scale.replace("SCB", "weight")):
        _rewrite(
            tmp_path / "eight",
            lambda found, absent=absent: {  # type: ignore[misc]
                name: tensor for name, tensor in weights.items() if name != absent
            },
        )
        with pytest.raises(ModelError):
            load_model(str(tmp_path / "eight"), device_map={"": "cpu"})


def test_every_error_says_what_helps_and_none_names_what_was_given(
    copy: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy("llava")
    with pytest.raises(ModelError, match="give attn_implementation=sdpa"):
        load_model(str(folder), attn_implementation="flash_attention_2")
    (folder / "model.safetensors").rename(folder / "model.gguf")
    with pytest.raises(ModelError, match="reads GGUF for language models alone"):
        load_model(str(folder))
    (folder / "model.gguf").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        load_model(str(folder))
    (folder / "config.json").write_text('{"model_type": "no_such_type"}')
    with pytest.raises(ModelError, match="no model of image and text of type 'no_such_type'"):
        load_parts(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        load_parts(str(folder))
    with pytest.raises(ModelError, match="pretrained= a folder here"):
        load_parts(str(tmp_path / "nowhere"))


# Tokens


def _cut_json(direction: str, length: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        _edit(
            folder / "tokenizer.json",
            truncation={
                "direction": direction,
                "max_length": length,
                "strategy": "LongestFirst",
                "stride": 0,
            },
        )

    return change


def _padded_json(folder: Path) -> None:
    _edit(
        folder / "tokenizer.json",
        padding={
            "strategy": {"Fixed": 300},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<pad>",
        },
    )


def _short_config(folder: Path) -> None:
    told = {"model_max_length": 20, "truncation": True, "max_length": 20, "padding": "max_length"}
    _edit(folder / "tokenizer_config.json", **told, truncation_side="left", padding_side="right")


@pytest.mark.parametrize(
    "change", [_cut_json("Right", 40), _cut_json("Left", 30), _padded_json, _short_config]
)
@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_what_a_tokenizer_cuts_or_pads_by_itself_is_switched_off(
    name: str,
    change: Callable[[Path], None],
    bases: Callable[[str], Path],
    copy: Callable[[str], Path],
) -> None:
    folder = copy(name)
    change(folder)
    assert _answer(_engine(folder)) == _answer(_engine(bases(name)))


def test_a_prompt_that_a_processor_cuts_all_the_same_is_refused(
    bases: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = load_parts(str(bases("llava")))
    family = family_of(parts.config)
    prompt = family.prompt(parts, QUESTION, image=True)
    image = Image.new("RGB", (56, 56))
    make = type(parts.processor).__call__
    whole = make(parts.processor, text=[prompt], images=[[image]])["input_ids"][0]

    def cutting(rows: slice) -> Callable[..., Any]:
        def call(self: Any, *positional: Any, **named: Any) -> Any:
            found = make(self, *positional, **named)
            found["input_ids"] = found["input_ids"][:, rows]
            return found

        return call

    for rows in (slice(0, -1), slice(1, None), slice(0, len(whole) - 20)):
        monkeypatch.setattr(type(parts.processor), "__call__", cutting(rows))
        with pytest.raises(ModelError, match="of the prompt's"):
            prepare(family, parts, prompt, image)


def test_another_number_of_image_tokens_than_the_grid_makes_is_refused(
    copy: Callable[[str], Path],
) -> None:
    folder = copy("llava")
    _edit(folder / "processor_config.json", num_additional_image_tokens=0)
    with pytest.raises(ModelError, match="23 image tokens into the prompt where the grid makes 24"):
        _answer(_engine(folder))


def test_a_processor_without_configuration_counts_as_the_model_does(
    bases: Callable[[str], Path], copy: Callable[[str], Path]
) -> None:
    folder = copy("llava")
    told = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").unlink()
    if "image_processor" in told:  # as transformers 5 keeps it
        (folder / "preprocessor_config.json").write_text(json.dumps(told["image_processor"]))
    assert _answer(_engine(folder)) == _answer(_engine(bases("llava")))


MEANT = [1, 10, 11, 9, 12, 13, 14, 15, 16, 17]
"""A prompt's tokens, 9 in the place of its image."""


@pytest.mark.parametrize(
    ("found", "sound"),
    [
        ([1, 10, 11, 9, 9, 9, 9, 12, 13, 14, 15, 16, 17], True),
        ([1, 10, 11, 70, 9, 71, 9, 72, 12, 13, 14, 15, 16, 17, 80], True),
        ([1, 10, 99, 9, 9, 98, 13, 14, 15, 16, 17], True),
        ([1, 10, 11, 9, 9, 9, 9, 12, 13, 14, 15, 16], False),
        ([10, 11, 9, 9, 9, 9, 12, 13, 14, 15, 16, 17], False),
        ([1, 10, 11, 9, 9, 16, 17], False),
        ([1, 10, 11, 9, 9, 12, 17, 16, 15, 14, 13], False),
        ([1, 10, 11, 9, 9, 12, 13, 14, 15, 16, 17], True),
    ],
)
def test_a_prompt_is_found_again_whole_and_in_order(found: list[int], sound: bool) -> None:
    if sound:
        check_text(MEANT, found, 9, 1)
        return
    with pytest.raises(ModelError, match="of the prompt's 9 tokens"):
        check_text(MEANT, found, 9, 1)


# Generation


@pytest.mark.parametrize(
    "preferred",
    [
        {"repetition_penalty": 1.3, "do_sample": True, "temperature": 1e-6},
        {"no_repeat_ngram_size": 1},
        {"min_p": 0.9, "do_sample": True},
        {"typical_p": 0.2, "do_sample": True},
        {"penalty_alpha": 0.6, "top_k": 4},
        {"stop_strings": ["e", "a", "i"]},
        {"return_dict_in_generate": True, "output_scores": True, "output_logits": True},
        {"num_beams": 3, "num_return_sequences": 3},
        {"num_beams": 4, "length_penalty": -5.0, "early_stopping": True},
        {"suppress_tokens": list(range(40, 200))},
        {"begin_suppress_tokens": list(range(40, 200))},
        {"bad_words_ids": [[token] for token in range(40, 200)]},
        {"forced_eos_token_id": 2, "max_length": 3},
        {"max_new_tokens": 1, "min_new_tokens": 1},
        {"min_length": 4000},
        {"prompt_lookup_num_tokens": 3},
        {"guidance_scale": 2.0},
        {"exponential_decay_length_penalty": [1, 8.0]},
        {"sequence_bias": [[[50], 100.0]]},
        {"encoder_repetition_penalty": 1.8},
        {"cache_implementation": "static", "use_cache": False},
        {"watermarking_config": {"bias": 20.0}},
    ],
    ids=lambda told: "+".join(told),
)
def test_greedy_is_greedy_whatever_the_checkpoint_prefers(
    preferred: dict[str, Any], bases: Callable[[str], Path], copy: Callable[[str], Path]
) -> None:
    folder = copy("qwen2_5_vl")
    _edit(folder / "generation_config.json", **preferred)
    engine = _engine(folder)
    assert _answer(engine) == _answer(_engine(bases("qwen2_5_vl")))
    silent = {"use_cache"}
    for name in preferred.keys() - silent:
        assert name in engine.decoding.dropped and name in engine.decoding.summary


def test_a_text_ends_where_the_checkpoint_says(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen2_5_vl")
    engine = _engine(folder)
    whole = _answer(engine)
    prompt = engine.family.prompt(engine.parts, QUESTION, image=True)
    assert not whole.ended and prompt
    tokenizer = engine.parts.processor.tokenizer
    third = tokenizer(whole.text, add_special_tokens=False)["input_ids"][2]
    _edit(folder / "generation_config.json", eos_token_id=[2, third])
    shorter = _answer(_engine(folder))
    assert shorter.ended and whole.text.startswith(shorter.text.rstrip("�"))
    assert len(shorter.text) < len(whole.text)


# Chat templates

MARK = "<image>"
TEMPLATES: dict[str, tuple[Any, str | None]] = {
    "strings, the mark put in": (
        "{% for m in messages %}{{ '<image>' if loop.first }}{{ m.role }}: {{ m.content }}\n"
        "{% endfor %}assistant:",
        "<image>user: QUESTION\nassistant:",
    ),
    "strings of a language model": (
        "{% for m in messages %}{{ '[' + m['role'] + '] ' + m['content'] + '\n' }}{% endfor %}",
        "[user] <image>\nQUESTION\n",
    ),
    "refuses lists": (
        "{% for m in messages %}{% if m.content is not string %}"
        "{{ raise_exception('strings only') }}{% endif %}{{ m.role }}: {{ m.content }}\n"
        "{% endfor %}",
        "user: <image>\nQUESTION\n",
    ),
    "several, one called default": (
        {"default": "{{ messages[0].content[1].text }}<image>", "tool_use": "tools"},
        "QUESTION<image>",
    ),
    "no place for an image": (
        "{% for m in messages %}{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}"
        "{% endif %}{% endfor %}{% endfor %}",
        None,
    ),
    "parts of another kind": (
        "{% for c in messages[0].content %}{% if c.type == 'image_url' %}<image>{% endif %}"
        "{{ c.text }}{% endfor %}",
        None,
    ),
    "the first part's text": ("user: {{ messages[0].content[0]['text'] }}", None),
    "two places": (
        "{% for c in messages[0].content %}<image>{{ c.text }}{% endfor %}",
        None,
    ),
    "no question": ("{{ '<image>' }} Describe.", None),
    "capitals": ("<image>{{ messages[0].content[1].text | upper }}", None),
    "broken": ("{% for m in messages %}", None),
    "raises": ("{{ raise_exception('never') }}", None),
    "several, none called default": ({"one": "<image>", "two": "<image>"}, None),
}


@pytest.mark.parametrize("what", TEMPLATES)
def test_a_chat_template_is_used_rightly_or_refused(
    what: str, bases: Callable[[str], Path]
) -> None:
    template, expected = TEMPLATES[what]
    parts = load_parts(str(bases("llava")))
    parts.processor.chat_template = template
    family = family_of(parts.config)
    if expected is None:
        with pytest.raises(ModelError, match="chat_template=FILE"):
            family.prompt(parts, QUESTION, image=True)
        return
    assert family.prompt(parts, QUESTION, image=True) == expected.replace("QUESTION", QUESTION)


def test_no_template_is_no_plain_prompt_unless_it_is_asked_for(
    bases: Callable[[str], Path],
) -> None:
    parts = load_parts(str(bases("llava")))
    parts.processor.chat_template = parts.processor.tokenizer.chat_template = None
    family: Family = family_of(parts.config)
    with pytest.raises(ModelError, match="chat_template=plain"):
        family.prompt(parts, QUESTION, image=True)
    plain = Parts(parts.config, parts.processor, plain=True)
    assert family.prompt(plain, QUESTION, image=True) == f"<image>\n{QUESTION}\nAnswer:"


def test_a_template_of_the_tokenizer_serves_where_the_processor_has_none(
    bases: Callable[[str], Path],
) -> None:
    parts = load_parts(str(bases("llava")))
    family = family_of(parts.config)
    before = family.prompt(parts, QUESTION, image=True)
    parts.processor.tokenizer.chat_template = parts.processor.chat_template
    parts.processor.chat_template = None
    assert family.prompt(parts, QUESTION, image=True) == before


# Thinking


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("assistant:<think>\n", "<think>"),
        ("assistant:<think>\n\n</think>\n\n", None),
        ("user: x </think> y assistant: [THINK]", "[THINK]"),
        ("assistant:", None),
    ],
)
def test_a_thinking_that_a_prompt_opens_is_seen_and_can_be_closed(
    prompt: str, tag: str | None
) -> None:
    found = thinking.opened(prompt)
    assert (found[0] if found else None) == tag
    assert thinking.opened(thinking.closed(prompt)) is None
    assert thinking.closed(prompt).startswith(prompt)


def test_only_a_task_s_own_limit_gives_way_to_thinking() -> None:
    own = Generation(max_new_tokens=thinking.TASK_TOKENS)
    assert thinking.allowed(own, thinking=True).max_new_tokens == thinking.TOKENS
    assert thinking.allowed(own, thinking=False) == own
    asked = Generation(max_new_tokens=100)
    assert thinking.allowed(asked, thinking=True) == asked


def test_tags_of_a_thinking_stay_in_the_text_where_they_are_special_tokens() -> None:
    tokens = tiny_families.tokenizer("<think>", "</think>", "<|im_end|>")
    ids = tokens("<think>which disc</think> ring<|im_end|>", add_special_tokens=False)["input_ids"]
    assert tokens.decode(ids, skip_special_tokens=True) == "which disc ring"
    assert written(tokens, ids) == "<think>which disc</think> ring"
