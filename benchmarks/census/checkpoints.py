"""A tiny checkpoint of any image-text-to-text type: real classes, random weights, no download."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.census import version4
from benchmarks.census.kinds import KINDS, Kind
from resolution_eval.models.families.miniature import miniature

TEXTS = (
    "Which phantom does this image show? striped disc, checked disc, striped ring, checked ring",
    "striped cross, checked cross, striped pair, checked pair",
    "Answer with the letter or the name of one option. Answer:",
)
CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ message.role }}: "
    "{% for part in message.content %}{% if part.type == 'image' %}IMAGE{% else %}"
    "{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
VOCABULARY = 2048
"""Tokens of every tiny checkpoint; PaliGemma's processor adds 1,152 of its own."""
LITERAL = re.compile(r"[\"'](<[^\"' \n{}()]+>|\[[A-Z_]+\])[\"']")
ATTRIBUTE = re.compile(r"tokenizer(?:\.|, \")(\w+_token)\b")
ID = re.compile(r"token_(id|index)$|_id$")
UNSET = ("eos_token_id", "bos_token_id", "pad_token_id", "image_token_id", "video_token_id")
"""Ids that are set also where a configuration's class has none."""
OWN = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SPELLED = {"image_token": "<image>", "video_token": "<video>", "audio_token": "<audio>"}


def mapped(model_type: str) -> tuple[str | None, str | None]:
    """The names of the processor and of the image processor that transformers has for a type."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    found: Any = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type)
    if isinstance(found, Mapping):
        found = found.get("torchvision") or found.get("pil")
    elif isinstance(found, tuple):
        found = found[1] or found[0]
    return PROCESSOR_MAPPING_NAMES.get(model_type), found


def tokenizer(special: Sequence[str], named: Mapping[str, str]) -> Any:
    """Byte-level BPE with the given special tokens; `named` become attributes."""
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    tokens = [*OWN.values(), *special, *named.values()]
    trainer = trainers.BpeTrainer(
        vocab_size=360 + len(tokens),
        special_tokens=list(dict.fromkeys(tokens)),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, **OWN, extra_special_tokens=dict(named), model_max_length=100_000
    )


def processor_of(model_type: str, config: Any) -> Any:
    """The type's processor, with a tokenizer that has every special token it asks for."""
    import transformers

    kind = KINDS.get(model_type, Kind())
    own, images = mapped(model_type)
    maker = getattr(transformers, kind.processor or own or "")
    source = Path(inspect.getfile(maker)).read_text(encoding="utf-8")
    named = {
        name: kind.tokens.get(name) or SPELLED.get(name) or f"<{name}>"
        for name in {*ATTRIBUTE.findall(source), *kind.tokens}
        - set(OWN)
        - {"add_bos_token", "add_eos_token", *kind.unnamed}
    }
    named |= version4.tokens(model_type)
    tokens = tokenizer([*sorted(set(LITERAL.findall(source))), *kind.special], named)
    for name, token in named.items():
        setattr(tokens, name, token)
    parameters = inspect.signature(maker.__init__).parameters
    given: dict[str, Any] = {"tokenizer": tokens}
    image_class = version4.image_processor(model_type) or kind.image_processor or images
    if image_class and "image_processor" in parameters:
        maker_of_images = getattr(transformers, image_class)
        given["image_processor"] = maker_of_images(
            **(_images(maker_of_images, config) | dict(kind.images))
        )
        for name, value in kind.image_attributes.items():
            setattr(given["image_processor"], name, value)
    if "video_processor" in parameters:
        given["video_processor"] = _video_processor(model_type, kind)
    if "feature_extractor" in parameters:
        given["feature_extractor"] = _feature_extractor(kind)
    if "qformer_tokenizer" in parameters:
        given["qformer_tokenizer"] = _letters()
    if "patch_size" in parameters and "patch_size" not in kind.processing:
        given["patch_size"] = _patch(config)
    given |= kind.processing
    with version4.any_parts():
        made = maker(**given)
    made.chat_template = CHAT.replace("IMAGE", kind.marker or _marker(made, tokens))
    if kind.plain:
        made.chat_template = None
    return made


def _patch(config: Any) -> int:
    patch = getattr(getattr(config, "vision_config", None), "patch_size", None) or 14
    return int(patch if isinstance(patch, int) else patch[0])


def _images(maker: Any, config: Any) -> dict[str, Any]:
    """The tower's image and patch size, as published preprocessor files hold them."""
    vision = getattr(config, "vision_config", None)
    edge, patch = getattr(vision, "image_size", None), getattr(vision, "patch_size", None)
    edge = edge[0] if isinstance(edge, list | tuple) else edge
    patch = patch[0] if isinstance(patch, list | tuple) else patch
    size, own_patch = getattr(maker, "size", None), getattr(maker, "patch_size", None)
    found: dict[str, Any] = {}
    if isinstance(edge, int) and isinstance(size, dict):
        if set(size) == {"height", "width"}:
            found["size"] = {"height": edge, "width": edge}
        elif set(size) == {"shortest_edge"}:
            found["size"] = {"shortest_edge": edge}
        if found and getattr(maker, "crop_size", None):
            found["crop_size"] = {"height": edge, "width": edge}
    if isinstance(patch, int) and own_patch is not None:
        found["patch_size"] = (
            {"height": patch, "width": patch} if isinstance(own_patch, dict) else patch
        )
    return found


def _marker(processor: Any, tokens: Any) -> str:
    found = getattr(processor, "image_token", None) or getattr(tokens, "image_token", "<image>")
    return str(found)


def _video_processor(model_type: str, kind: Kind) -> Any:
    import transformers
    from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

    name = kind.video_processor or VIDEO_PROCESSOR_MAPPING_NAMES.get(model_type)
    if isinstance(name, Mapping):
        name = next(iter(name.values()))
    return getattr(transformers, name or "Qwen2VLVideoProcessor")(**kind.videos)


def _feature_extractor(kind: Kind) -> Any:
    import transformers

    return getattr(transformers, kind.feature_extractor)()


def _letters() -> Any:
    """A tokenizer of single letters, as the queries' own text encoder has one."""
    from tokenizers import normalizers
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz:.?,"]
    pieces = Tokenizer(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return BertTokenizerFast(tokenizer_object=pieces)


def config_of(model_type: str) -> Any:
    """The type's configuration, small, by its class's defaults and the table."""
    from transformers import AutoConfig

    kind = KINDS.get(model_type, Kind())
    given = {**kind.config, **version4.configuration(model_type)}
    whole = AutoConfig.for_model(model_type, **given)
    return miniature(whole, version4.spelled(kind.small, whole.to_dict()))


def fitted(config: Any, processor: Any) -> Any:
    """`config` with the tokenizer's ids and vocabulary in all its parts."""
    told = config.to_dict()
    _fit(told, processor)
    return type(config).from_dict(told)


def _fit(told: dict[str, Any], processor: Any) -> None:
    tokens = processor.tokenizer
    for name, value in told.items():
        if isinstance(value, dict) and (name.endswith("config") or "model_type" in value):
            _fit(value, processor)
        elif value is None and name in ("image_token_id", "video_token_id"):
            told[name] = _id(name, processor, tokens)
        elif name in ("vocab_size", "unpadded_vocab_size", "vocab_size_per_layer_input"):
            told[name] = VOCABULARY
        elif name in UNSET or (isinstance(value, int) and ID.search(name)):
            told[name] = _id(name, processor, tokens)


def _id(name: str, processor: Any, tokens: Any) -> int:
    """The id of what a configuration calls `name`: the processor's, or the tokenizer's."""
    base = re.sub(r"_(id|index)$", "", name)
    for owner in (processor, tokens):
        found = getattr(owner, f"{base}_id", None)
        if isinstance(found, int):
            return found
    for owner in (processor, tokens):
        found = getattr(owner, base, None)
        if isinstance(found, str):
            return int(tokens.convert_tokens_to_ids(found))
    words = base.removesuffix("_token").replace("_", "")
    for token, number in tokens.get_vocab().items():
        if re.sub(r"\W|_", "", token) == words:
            return int(number)
    return int(tokens.eos_token_id if base.startswith("eo") else tokens.pad_token_id)


def parts_of(model_type: str) -> tuple[Any, Any]:
    """A tiny checkpoint's configuration and processor."""
    kind = KINDS.get(model_type, Kind())
    config = config_of(model_type)
    processor = processor_of(model_type, config)
    config = fitted(config, processor)
    for path, token in kind.ids.items():
        owner = config
        *names, last = path.split(".")
        for name in names:
            owner = getattr(owner, name)
        found = processor.tokenizer.convert_tokens_to_ids(token)
        setattr(owner, last, found if isinstance(found, list) else int(found))
    return config, processor


def model_of(config: Any) -> Any:
    """The type's model with random weights, large enough that image and prompt matter."""
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).float()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point():
                continue
            if parameter.ndim >= 2:
                width = parameter[0].numel() if parameter.ndim > 2 else parameter.shape[-1]
                parameter.copy_(torch.randn_like(parameter) * (1.5 / max(1, width)) ** 0.5)
            elif parameter.numel() == 1:
                parameter.fill_(0.8)
    return model.eval()


def save(model_type: str, folder: Path) -> Path:
    """Write a tiny checkpoint of the type into `folder`, which `from_pretrained` reads."""
    config, processor = parts_of(model_type)
    model_of(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
