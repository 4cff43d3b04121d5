"""LLaVA's own form of a checkpoint, written anew in transformers': the same weights by other names.

The form is that of github.com/haotian-liu/LLaVA, which LLaVA-Med and others keep: a language model
with a projector and a CLIP tower inside it. What it says in `mm_...` settings, transformers says in
configurations of their own.

Source of the names: convert_llava_weights_to_hf.py of transformers 4.57 (models/llava).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from resolution_eval.ground.errors import ModelError, UsageError
from resolution_eval.ground.files import whole_folder
from resolution_eval.models.families.checkpoint import load_model, read_configuration
from resolution_eval.models.families.integrity import CONSTANTS, watched_loading

IMAGE = "<image>"

LANGUAGES = {
    "llava_mistral": "mistral",
    "llava_llama": "llama",
    "llava": "llama",
    "llava_qwen2": "qwen2",
}
"""Type of the language model, by the type of the whole."""
RENAMED = (
    (r"^model\.vision_tower\.vision_tower\.(vision_model\.)?", "vision_tower.vision_model."),
    (r"^model\.mm_projector\.0\.", "multi_modal_projector.linear_1."),
    (r"^model\.mm_projector\.2\.", "multi_modal_projector.linear_2."),
    (r"^model\.(?=layers\.|embed_tokens\.|norm\.)", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
)
"""Names, and those that transformers reads: the first that fits."""
CLIP = {
    "openai/clip-vit-large-patch14-336": {"image_size": 336},
    "openai/clip-vit-large-patch14": {"image_size": 224},
}
"""Towers whose configuration is known though their files are absent: CLIP's large ones."""
LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "projection_dim": 768,
}
WHOLE = ("mm_", "vision_", "image_", "tune_", "freeze_", "use_mm", "tokenizer_", "unfreeze_")
"""How settings begin that are not the language model's."""
TEMPLATES = {
    "llava_mistral": (
        "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}[INST] "
        "PARTS [/INST]{% else %} PARTS{{ eos_token }}{% endif %}{% endfor %}"
    ),
    "llava_llama": (
        "{{ bos_token }}A chat between a curious human and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the human's questions. "
        "{% for message in messages %}{% if message.role == 'user' %}USER: PARTS "
        "{% else %}ASSISTANT: PARTS{{ eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    ),
    "llava_qwen2": (
        "{% for message in messages %}<|im_start|>{{ message.role }}\nPARTS<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
}
"""Conversations as LLaVA's own code asks them (mistral_instruct, vicuna_v1, chatml)."""
PARTS = (
    "{% for part in message.content %}{% if part.type == 'image' %}<image>\n"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}"
)


def convert(folder: Path, output: Path, *, tower: str | None = None) -> Path:
    """Write the checkpoint in `folder` into `output` in transformers' form; returns `output`.

    `tower` is a checkpoint of CLIP's vision tower, for a folder whose own is named and not there.

    Raises:
        UsageError: `output` is not empty.
        ModelError: the folder is in another form, or lacks a part.
    """
    from safetensors.torch import save_file

    if output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{output} is not empty; name another folder")
    told = _told(folder)
    state = dict(_renamed(folder))
    named = tower or str(told["mm_vision_tower"])
    vision = _vision_config(named)
    if not any(name.startswith("vision_tower.") for name in state):
        state |= _tower(named)
    tokenizer = _tokenizer(folder)
    rows = len(state["language_model.model.embed_tokens.weight"])
    with whole_folder(output) as aside:
        _config(told, vision, tokenizer, rows).save_pretrained(aside)
        save_file(
            {n: t.contiguous() for n, t in state.items()},
            aside / "model.safetensors",
            {"format": "pt"},
        )
        _processor(told, vision, tokenizer).save_pretrained(aside)
        _finish(aside, tokenizer, next(iter(state.values())).dtype)
    return output


def _told(folder: Path) -> dict[str, Any]:
    """The configuration in LLaVA's own form.

    Raises:
        ModelError: it is absent, or of another form.
    """
    told = read_configuration(str(folder)) if folder.is_dir() else None
    kind = (told or {}).get("model_type")
    if told is None or kind not in LANGUAGES or "mm_vision_tower" not in told:
        raise ModelError(
            f"{folder} holds no checkpoint in LLaVA's own form: its model_type is {kind!r}, and "
            f"{', '.join(LANGUAGES)} with mm_vision_tower can be converted"
        )
    projector = told.get("mm_projector_type", "linear")
    if projector != "mlp2x_gelu" or told.get("mm_use_im_start_end"):
        raise ModelError(
            f"{folder} has a projector of the type {projector!r} and mm_use_im_start_end="
            f"{told.get('mm_use_im_start_end', False)}; transformers' LLaVA has mlp2x_gelu and "
            "false, so that it cannot be converted"
        )
    return told


def _renamed(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """The folder's weights by the names that transformers reads.

    Raises:
        ModelError: there are none, or one has a name that LLaVA does not give.
    """
    import torch
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise ModelError(f"{folder} holds no weights (*.safetensors or pytorch_model*.bin)")
    strange = []
    for path in files:
        safe = path.suffix == ".safetensors"
        weights = (
            load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        )
        for name, tensor in weights.items():
            new = next((re.sub(p, n, name) for p, n in RENAMED if re.search(p, name)), None)
            if new is not None:
                yield new, tensor
            elif CONSTANTS.search(name) is None:
                strange.append(name)
    if strange:
        raise ModelError(
            f"{folder} has {len(strange)} weights by names that are not LLaVA's "
            f"({', '.join(sorted(strange)[:3])}); it is in another form, or converted already"
        )


def _vision_config(tower: str) -> Any:
    """The tower's configuration.

    Raises:
        ModelError: it is not here, and is none that is known.
    """
    from transformers import CLIPVisionConfig

    if tower in CLIP:
        return CLIPVisionConfig(**LARGE, **CLIP[tower])
    try:
        return CLIPVisionConfig.from_pretrained(tower)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the vision tower {tower!r} is not here; give --tower FOLDER with a CLIP tower"
        ) from error


def _tower(tower: str) -> dict[str, Tensor]:
    """The weights of a CLIP tower by itself.

    Raises:
        ModelError: they are not here.
    """
    from transformers import CLIPVisionModel

    try:
        with watched_loading():
            model = CLIPVisionModel.from_pretrained(tower)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the folder holds no vision tower, and {tower!r} is not here; give --tower FOLDER "
            "with a CLIP tower"
        ) from error
    return {
        f"vision_tower.vision_model.{name.removeprefix('vision_model.')}": tensor
        for name, tensor in model.state_dict().items()
        if CONSTANTS.search(name) is None
    }


def _tokenizer(folder: Path) -> Any:
    """The folder's tokenizer with a token in an image's place.

    Raises:
        ModelError: it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no tokenizer that can be read: {error}") from error
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]})
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def _config(told: Mapping[str, Any], vision: Any, tokenizer: Any, rows: int) -> Any:
    from transformers import AutoConfig, LlavaConfig

    own = {
        name: value
        for name, value in told.items()
        if not name.startswith(WHOLE) and name not in ("model_type", "architectures", "auto_map")
    }
    text = AutoConfig.for_model(LANGUAGES[told["model_type"]], **{**own, "vocab_size": rows})
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        projector_hidden_act="gelu",
        vision_feature_layer=told.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy=_selected(told),
        tie_word_embeddings=bool(told.get("tie_word_embeddings", False)),
    )


def _selected(told: Mapping[str, Any]) -> str:
    """Whether the tower's class token is cut off ("default") or kept."""
    return "default" if told.get("mm_vision_select_feature", "patch") == "patch" else "full"


def _processor(told: Mapping[str, Any], vision: Any, tokenizer: Any) -> Any:
    from transformers import CLIPImageProcessor, LlavaProcessor

    edge, kind = vision.image_size, told["model_type"]
    template = tokenizer.chat_template
    if template is None or kind != "llava_qwen2":
        template = TEMPLATES.get(kind, TEMPLATES["llava_llama"]).replace("PARTS", PARTS)
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge}
        ),
        tokenizer=tokenizer,
        patch_size=vision.patch_size,
        vision_feature_select_strategy=_selected(told),
        num_additional_image_tokens=1,
        chat_template=template,
    )


def _finish(output: Path, tokenizer: Any, dtype: Any) -> None:
    """Loads what was written, whole, and gives the image's token a row where it has none.

    No text holds that row, and it must not be written: its output is that of a token that no
    model writes, the unknown one or the beginning.

    Raises:
        ModelError: the weights are not those of the configuration.
    """
    import torch

    model = load_model(str(output), dtype=dtype)
    rows = len(model.get_input_embeddings().weight)
    if rows < len(tokenizer):
        silent = tokenizer.unk_token_id
        silent = tokenizer.bos_token_id if silent is None else silent
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        with torch.no_grad():
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                layer.weight[rows:] = layer.weight[silent or 0]
    model.save_pretrained(output)
