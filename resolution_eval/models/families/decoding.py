"""How a checkpoint's text is written: its end marks kept, its own preferences set aside.

A checkpoint's generation_config.json holds two kinds of things. Ids of tokens that begin, end and
pad a text belong to the model; penalties, beams, samplers and stop strings are how its makers like
to talk. lmms-eval says how an answer is written, greedily by default: with the latter, "greedy"
would be another search for every checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resolution_eval.answers.generation import Generation
from resolution_eval.ground.errors import ModelError

KEPT = ("bos_token_id", "eos_token_id", "pad_token_id")
"""Settings that belong to the model."""
KEPT_OF_ENCODERS = ("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id")
"""Those of a model with an encoder and a decoder besides."""
SILENT = ("transformers_version", "use_cache", "output_attentions", "output_hidden_states")
"""Settings that change no text, of which nothing needs to be said."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What of a checkpoint's generation settings is used, and what is not."""

    kept: Mapping[str, Any] = field(default_factory=dict)
    dropped: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> Decoding:
        """That of a loaded model; a text ends as its tokenizer says where the model does not.

        Raises:
            ModelError: the model writes in a way of its own, of which greedy is no setting.
        """
        _refuse_own_way(model)
        told = _settings(model)
        encoder = bool(getattr(model.config, "is_encoder_decoder", False))
        names = (*KEPT, *(KEPT_OF_ENCODERS if encoder else ()))
        kept = {name: told[name] for name in names if told.get(name) is not None}
        ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
        kept |= {name: own for name, own in ends.items() if name not in kept and own is not None}
        if "pad_token_id" not in kept and "eos_token_id" in kept:
            end = kept["eos_token_id"]
            kept["pad_token_id"] = end[0] if isinstance(end, list | tuple) else end
        return cls(kept=kept, dropped={k: v for k, v in told.items() if k not in (*names, *SILENT)})

    def asked(self, generation: Generation) -> Any:
        """transformers' configuration for one call, in which nothing else is set."""
        from transformers import GenerationConfig

        return GenerationConfig(
            **self.kept,
            max_new_tokens=generation.max_new_tokens,
            num_beams=generation.num_beams,
            do_sample=generation.do_sample,
            use_cache=True,
            **generation.sampling,
        )

    def install(self, model: Any) -> None:
        """Takes the dropped settings out of `model` and of every part of it, since `generate` fills
        what a call leaves open from there.
        """
        from transformers import GenerationConfig

        for part in model.modules():
            if getattr(part, "generation_config", None) is not None:
                part.generation_config = GenerationConfig(**self.kept)

    def ends(self, row: Sequence[int]) -> bool:
        """Whether the tokens that were written hold one that ends a text."""
        end = self.kept.get("eos_token_id")
        ends = set(end) if isinstance(end, list | tuple) else {end}
        return any(token in ends for token in row)

    @property
    def summary(self) -> str:
        """Both in one line, for the record.

        Example:
            >>> Decoding(kept={"eos_token_id": 2}, dropped={"repetition_penalty": 1.3}).summary
            'kept of the checkpoint: eos_token_id=2; set aside: repetition_penalty=1.3'
        """
        kept = ", ".join(f"{name}={value}" for name, value in self.kept.items()) or "nothing"
        dropped = ", ".join(f"{name}={value}" for name, value in sorted(self.dropped.items()))
        return f"kept of the checkpoint: {kept}" + (f"; set aside: {dropped}" if dropped else "")


def _refuse_own_way(model: Any) -> None:
    from transformers import GenerationConfig

    own = type(getattr(model, "generation_config", None))
    if issubclass(own, GenerationConfig) and own is not GenerationConfig:
        raise ModelError(
            f"{type(model).__name__} writes by settings of its own ({own.__name__}), not token by "
            "token: what lmms-eval asks for, greedy search, is none of its modes, and no answer of "
            "its could be repeated"
        )


def _settings(model: Any) -> dict[str, Any]:
    """What the checkpoint's generation settings say otherwise than transformers does."""
    settings: dict[str, Any] = {}
    for part in reversed(list(model.modules())):
        own = getattr(part, "generation_config", None)
        if own is not None:
            settings |= {k: v for k, v in own.to_diff_dict().items() if not k.startswith("_")}
    return {name: value for name, value in settings.items() if value is not None}
