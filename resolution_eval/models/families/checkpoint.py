"""A Hugging Face checkpoint, loaded whole or not at all, and what is known of its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from resolution_eval.data.cards import model_cards
from resolution_eval.declaration import KnownTraining, read_declaration
from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.notation import NotationError, json_value
from resolution_eval.models.arguments import declared_training
from resolution_eval.models.families import integrity
from resolution_eval.models.families.advice import advice, quantised
from resolution_eval.models.families.family_base import Family
from resolution_eval.models.families.parts import Parts
from resolution_eval.models.families.tokens import plain_tokenizers
from resolution_eval.models.families.traces import traced
from resolution_eval.models.families.tuned import adapter_of, without_adapter
from resolution_eval.models.families.tuned import apply as tune
from resolution_eval.resolution import TrainingResolution

INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
PLAIN = "plain"
"""Value of `chat_template` that asks plainly."""


def load_parts(
    pretrained: str,
    *,
    base: str | None = None,
    processor: str | None = None,
    chat_template: str | None = None,
    **arguments: Any,
) -> Parts:
    """Configuration and processor of a checkpoint, no weights.

    Those of an adapter are its base's, unless its folder has its own. The processor can be that of
    another checkpoint, `processor`; the chat template that in a file, or none ("plain").

    Raises:
        ModelError: they are absent or cannot be read.
    """
    tuned = adapter_of(pretrained, base, arguments.get("revision"))
    whole = pretrained if tuned is None else tuned.base
    elsewhere = {name: value for name, value in arguments.items() if name != "revision"}
    config = _configuration(whole, arguments if tuned is None else elsewhere)
    parts = Parts(
        config,
        _processor(pretrained, whole, processor, arguments, elsewhere),
        chat_template == PLAIN,
    )
    plain_tokenizers(parts.processor)
    _complete(parts.processor, config)
    if chat_template not in (None, PLAIN):
        parts.processor.chat_template = _template(str(chat_template))
    return parts


def _configuration(pretrained: str, arguments: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(pretrained, **arguments)
    except Exception as error:
        raise _refusal(f"the configuration of {pretrained!r}", pretrained, error) from error


def _processor(
    pretrained: str,
    whole: str,
    named: str | None,
    arguments: Mapping[str, Any],
    elsewhere: Mapping[str, Any],
) -> Any:
    """The processor named, otherwise the checkpoint's own, otherwise its base's.

    Of another checkpoint's, the tokenizer must be the checkpoint's own, if it has one; so is the
    chat template.
    """
    from transformers import AutoProcessor

    faults: list[Exception] = []
    sources = [named] if named else list(dict.fromkeys((pretrained, whole)))
    for source in sources:
        try:
            processor = AutoProcessor.from_pretrained(
                source, **(arguments if source == pretrained else elsewhere)
            )
        except Exception as error:  # noqa: BLE001  (the base's is tried; the first error is told)
            faults.append(error)
            continue
        if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
            continue
        if source != pretrained:
            _as_trained(processor, pretrained, source)
        return processor
    first = faults[0] if faults else None
    if first is not None and (named or not Path(pretrained).is_dir()):
        asked = named or pretrained
        raise _refusal(f"the processor of {asked!r}", asked, first) from first
    said = "" if first is None else f" ({_first_sentence(first)})"
    raise ModelError(
        f"{pretrained!r} has no processor of images and text{said}; give processor=ID or "
        "processor=FOLDER of the checkpoint that it was trained from"
    ) from first


def _as_trained(processor: Any, pretrained: str, source: str) -> None:
    """Holds another checkpoint's processor against the tokenizer in the checkpoint's own folder.

    Raises:
        ModelError: they know different tokens, so that a text would be another to the model.
    """
    from transformers import AutoTokenizer

    folder = Path(pretrained)
    if not (folder / "tokenizer_config.json").is_file():
        return
    own = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    mine, theirs = own.get_vocab(), processor.tokenizer.get_vocab()
    other = [token for token in mine.keys() | theirs if mine.get(token) != theirs.get(token)]
    if other:
        raise ModelError(
            f"the tokenizer of {source!r} differs from that in {pretrained!r} in {len(other)} "
            f"tokens ({', '.join(map(repr, sorted(other)[:3]))}); give processor= the checkpoint "
            "that it was trained from, or save its own processor beside it"
        )
    template = folder / "chat_template.jinja"
    if template.is_file():
        processor.chat_template = template.read_text(encoding="utf-8")
    elif own.chat_template:
        processor.chat_template = own.chat_template


def _template(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"chat_template={path!r} is no file of text that can be read ({error}); give a file "
            "with a jinja template, or chat_template=plain"
        ) from error


def _complete(processor: Any, config: Any) -> None:
    """Tells an older LLaVA folder's bare processor what it counts by: patches and class token."""
    if getattr(processor, "patch_size", 0) is not None:
        return
    vision = config.vision_config
    processor.patch_size = vision.patch_size
    processor.vision_feature_select_strategy = config.vision_feature_select_strategy
    if hasattr(processor, "num_additional_image_tokens"):
        processor.num_additional_image_tokens = int("clip_vision" in vision.model_type)


def load_model(pretrained: str, *, base: str | None = None, **arguments: Any) -> Any:
    """The checkpoint's model, every weight of which is the checkpoint's; of an adapter's folder,
    its base's, with the adapter in it.

    Raises:
        ModelError: it cannot be loaded, is cut short, holds code, or is not whole.
    """
    tuned = adapter_of(pretrained, base, arguments.get("revision"))
    if tuned is None:
        return _whole(pretrained, arguments)
    elsewhere = {name: value for name, value in arguments.items() if name != "revision"}
    with without_adapter(tuned) as folder:
        model = _whole(folder, elsewhere)
    return tune(model, tuned)


def _whole(pretrained: str, arguments: Mapping[str, Any]) -> Any:
    """The model of a checkpoint that is no adapter."""
    _check_shards(pretrained)
    model, told = _loaded(pretrained, _attending(pretrained, arguments))
    integrity.check(pretrained, model, told)
    folder = Path(pretrained)
    if folder.is_dir():
        files = sorted(folder.glob("model*.safetensors"))
        integrity.check_ties(pretrained, model, files)
        method = quantised(read_configuration(pretrained))
        if method is not None:
            integrity.check_scales(pretrained, method, files)
    return model


def _attending(pretrained: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments, in which the attention that was asked for stands in the configuration itself:
    one that config.json names would be used in its place.
    """
    if arguments.get("attn_implementation") is None:
        return arguments
    rest = {name: value for name, value in arguments.items() if name != "attn_implementation"}
    sources = ("revision", "trust_remote_code")
    config = _configuration(pretrained, {name: rest[name] for name in sources if name in rest})
    config._attn_implementation = arguments["attn_implementation"]  # and in all its parts
    return {**rest, "config": config}


def _loaded(pretrained: str, arguments: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The model, and what transformers says of its loading."""
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText as Loader

    try:
        return Loader.from_pretrained(pretrained, output_loading_info=True, **arguments)  # type: ignore[no-any-return]
    except UnpicklingError as error:
        raise ModelError(
            f"{pretrained!r} has weights that are no table of tensors, and code in a checkpoint is "
            "not run; get its weights as safetensors"
        ) from error
    except (EOFError, SafetensorError, MemoryError) as error:
        raise ModelError(
            f"{pretrained!r} cannot be loaded: {error}; its weights are cut short or damaged, get "
            "them again"
        ) from error
    except RuntimeError as error:
        _name_shapes(pretrained, arguments)
        raise _refusal(repr(pretrained), pretrained, error) from error
    except Exception as error:
        raise _refusal(repr(pretrained), pretrained, error) from error


def _name_shapes(pretrained: str, arguments: Mapping[str, Any]) -> None:
    """Names the weights of another shape, which transformers tells only who would pass over them.

    The model that comes of it is thrown away.

    Raises:
        ModelError: there are such weights.
    """
    from transformers import AutoModelForImageTextToText as Loader

    try:
        model, told = Loader.from_pretrained(
            pretrained, output_loading_info=True, ignore_mismatched_sizes=True, **arguments
        )
    except Exception:  # noqa: BLE001  (the first error is told)
        return
    integrity.check(pretrained, model, told)


def _check_shards(pretrained: str) -> None:
    """Refuse an index that names a shard which is not there.

    Raises:
        ModelError: it does, or is no index.
    """
    folder = Path(pretrained)
    for index in map(folder.joinpath, INDICES):
        if not index.is_file() or (folder / "model.safetensors").is_file():
            continue
        try:
            named = set(json_value(index.read_bytes())["weight_map"].values())
        except (NotationError, KeyError, AttributeError, TypeError) as error:
            raise ModelError(f"{index} is no index of shards; get it again") from error
        absent = sorted(name for name in named if not (folder / name).is_file())
        if absent:
            raise ModelError(
                f"{pretrained!r} is not whole: its index names {len(named)} shards, and "
                f"{len(absent)} are absent ({', '.join(absent[:3])}); get them again"
            )


def read_configuration(pretrained: str) -> dict[str, Any] | None:
    """The checkpoint's config.json as it stands, none of its code run; None where there is none."""
    from transformers import PretrainedConfig

    try:
        configuration, _ = PretrainedConfig.get_config_dict(pretrained)
    except (OSError, ValueError):
        return None
    return dict(configuration) or None


def _refusal(what: str, pretrained: str, error: Exception) -> ModelError:
    hint = advice(error, pretrained, read_configuration(pretrained))
    return ModelError(f"{what} cannot be loaded: {_first_sentence(error)}; {hint}")


def _first_sentence(error: Exception) -> str:
    """The first sentence of what transformers says."""
    said = " ".join(str(error).split()).partition(". ")[0].rstrip(".")[:400]
    plain = isinstance(error, OSError | ValueError | ImportError) and said
    return said if plain else f"{type(error).__name__}: {said}"


def known_of(
    pretrained: str, family: Family | None = None, parts: Parts | None = None
) -> KnownTraining:
    """What is known of a checkpoint's training: as our own training declared it in the checkpoint's
    folder, otherwise as the tool that trained it left it there, otherwise by its card, otherwise
    inferred from its configuration, if its family is known.

    Raises:
        ModelError: the folder's declaration is damaged.
    """
    told, card = read_declaration(pretrained), model_cards().get(pretrained)
    if told is not None:
        return told.known
    trace = traced(pretrained)
    if trace is not None:
        return trace
    if card is not None:
        return KnownTraining(
            training=TrainingResolution.parse(card.training), evidence=card.evidence
        )
    if family is None or parts is None:
        return KnownTraining(training=TrainingResolution("unknown"))
    evidence = "inferred: configuration and processor of the checkpoint"
    return KnownTraining(training=family.training(parts), evidence=evidence)


def known_training(
    pretrained: str, family: Family | None, parts: Parts | None, given: str | int | None
) -> TrainingResolution:
    """The training resolution: as given, otherwise as `known_of` says.

    Raises:
        UsageError: what is given is no training resolution.
        ModelError: as `known_of`.
    """
    return declared_training(given, known_of(pretrained, family, parts).training)
