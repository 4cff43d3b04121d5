"""Flamingos small enough for tests, on each kind of language model that open_flamingo knows."""

from __future__ import annotations

import functools

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from resolution_eval.models.flamingo import FlamingoBundle, FlamingoConfig, build

TEXTS = (
    "Which tissue is this? Answer: adipose tissue.",
    "Which tissue is this? Answer: lymphocytes, mucus or debris.",
    "Question: is the heart enlarged? Answer: yes, it is enlarged.",
    "Question: which cell is it? Answer: monocyte, platelet or basophil.",
)

VISION = {
    "image_size": 32,
    "patch_size": 8,
    "width": 24,
    "layers": 2,
    "heads": 3,
    "output_dim": 16,
}

LANGUAGES = {
    "llama": {
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "tie_word_embeddings": False,
    },
    "gpt_neox": {
        "model_type": "gpt_neox",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "tie_word_embeddings": False,
    },
    "opt": {
        "model_type": "opt",
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
    },
    "mpt": {
        "model_type": "mpt",
        "d_model": 32,
        "n_heads": 4,
        "n_layers": 3,
        "max_seq_len": 128,
    },
}


@functools.cache
def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, in which a space belongs to the word behind it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")


@functools.cache
def word_tokenizer() -> PreTrainedTokenizerFast:
    """Whole words and signs, spaces lost."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["<unk>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


def config(family: str = "llama", every: int = 2) -> FlamingoConfig:
    return FlamingoConfig(
        vision=VISION,
        language=LANGUAGES[family],
        cross_attn_every_n_layers=every,
        perceiver={"depth": 1, "num_latents": 5, "dim_head": 8, "heads": 2},
    )


def loud(bundle: FlamingoBundle) -> FlamingoBundle:
    """The bundle with gates open and weights large, so that image, place and prompt all matter."""
    with torch.no_grad():
        for name, parameter in bundle.model.named_parameters():
            if name.endswith("_gate"):
                parameter.fill_(0.8)
            elif name.startswith("lang_encoder") and parameter.ndim == 2:
                parameter.mul_(5)
    return bundle


def tiny(family: str = "llama", *, seed: int = 0, words: bool = False) -> FlamingoBundle:
    tokenizer = word_tokenizer() if words else byte_tokenizer()
    return loud(build(config(family), tokenizer, seed=seed))


def pixels(batch: int, height: int = 32, width: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, height, width, generator=generator)
