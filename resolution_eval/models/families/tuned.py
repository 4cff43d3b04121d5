"""Adapters of PEFT: a folder that holds what training added to a base, put into that base.

The adapter's weights are put where their names say, and each must have a place and fill it: PEFT by
itself leaves what it cannot place at zero, which answers as the base does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from resolution_eval.ground.errors import ModelError
from resolution_eval.ground.notation import NotationError, json_value

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTED = re.compile(r"\.(?:lora_|hada_|lokr_|ia3_|oft_|boft_|vera_)")
"""Where a weight's name goes on, behind its module's, if it is an adapter's."""
PREFIX = "base_model.model."
RENAMED = (
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head", "lm_head"),
    (r"^language_model\.", "model.language_model."),
    (r"^model\.(?=layers\.|embed_tokens|norm)", "model.language_model."),
    (r"^(?=visual\.|vision_model\.|multi_modal_projector\.|connector\.)", "model."),
    (r"^(?=vision_tower\.|mm_projector\.|aligner\.)", "model."),
    (r"^vision_tower\.vision_model\.", "model.vision_tower."),
    (r"^model\.vision_tower\.vision_model\.", "model.vision_tower."),
    (r"^model\.vision_tower\.(?!vision_model)", "model.vision_tower.vision_model."),
)
"""How modules were called by older versions of transformers, and how newer ones call them."""


@dataclass(frozen=True, kw_only=True)
class TunedFolder:
    """An adapter's folder and the base that it belongs to."""

    folder: Path
    base: str
    settings: Mapping[str, Any]

    def misfit(self, why: str) -> ModelError:
        """The error of an adapter that is not its base's."""
        return ModelError(
            f"the adapter {str(self.folder)!r} does not fit its base {self.base!r}: {why}"
        )


def adapter_of(
    pretrained: str, base: str | None = None, revision: str | None = None
) -> TunedFolder | None:
    """The adapter in the folder or repository `pretrained`; None where there is none.

    Its base is `base`, or as its configuration names it.

    Raises:
        ModelError: the configuration is damaged or names no base, or a base was named for a
            checkpoint that is no adapter; or whole weights lie beside it that are not its base's.
    """
    folder = _folder(pretrained, revision)
    if not (folder / CONFIG).is_file():
        if base is not None:
            raise ModelError(
                f"base={base!r} was given, and {pretrained!r} is no adapter: it has no {CONFIG}"
            )
        return None
    try:
        settings = json_value((folder / CONFIG).read_bytes())
        named = base or settings.get("base_model_name_or_path")
    except (NotationError, AttributeError) as error:
        raise ModelError(f"{folder / CONFIG} is no adapter's configuration: {error}") from error
    if not named:
        raise ModelError(f"{folder / CONFIG} names no base; give base=ID or base=FOLDER")
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise ModelError(f"{pretrained!r} has {CONFIG} and no {WEIGHTS[0]}; get it again")
    if base is None:
        _refuse_two(folder, str(named))
    return TunedFolder(folder=folder, base=str(named), settings=settings)


def _folder(pretrained: str, revision: str | None) -> Path:
    """The checkpoint's folder; of a repository of the hub that holds an adapter, its copy here."""
    from huggingface_hub import snapshot_download

    if Path(pretrained).is_dir():
        return Path(pretrained)
    try:
        wanted = [CONFIG, *WEIGHTS]
        return Path(snapshot_download(pretrained, revision=revision, allow_patterns=wanted))
    except (OSError, ValueError):  # what is wrong with it is said where its configuration is read
        return Path(pretrained)


def _refuse_two(folder: Path, base: str) -> None:
    """Refuse whole weights beside an adapter, unless they are its base's: it may be in them.

    Raises:
        ModelError: they differ from the base's, or the base is not here to compare with.
    """
    own = sorted(folder.glob("model*.safetensors"))
    if not own or (Path(base).is_dir() and Path(base).resolve() == folder.resolve()):
        return
    theirs = sorted(Path(base).glob("model*.safetensors")) if Path(base).is_dir() else []
    if [path.name for path in own] == [path.name for path in theirs] and all(
        mine.read_bytes() == other.read_bytes() for mine, other in zip(own, theirs, strict=True)
    ):
        return
    raise ModelError(
        f"{str(folder)!r} holds whole weights and an adapter of {base!r}, and the adapter may be "
        f"in the weights already: give base={folder} to put it on them, base={base} to put it on "
        f"that base, or take {CONFIG} away if it was merged"
    )


@contextmanager
def without_adapter(tuned: TunedFolder) -> Iterator[str]:
    """The base to load; where its weights lie beside the adapter, a view of the folder without it,
    since transformers would load the adapter's base in their place.
    """
    if not (Path(tuned.base) / CONFIG).is_file():
        yield tuned.base
        return
    with TemporaryDirectory(prefix="resolution-eval-") as name:
        for path in Path(tuned.base).iterdir():
            if path.is_file() and not path.name.startswith("adapter_"):
                (Path(name) / path.name).symlink_to(path.resolve())
        yield name


def apply(model: Any, tuned: TunedFolder) -> Any:
    """`model`, the base, with the adapter in it: merged, or beside its weights where those are
    quantised.

    Raises:
        ModelError: a weight of the adapter has no place in the model or does not fit it, or one
            that its configuration asks for is absent.
    """
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

    try:
        config = PeftConfig.from_pretrained(str(tuned.folder))
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(
            f"{tuned.folder / CONFIG} is no adapter's configuration: {error}"
        ) from error
    if getattr(config, "target_modules", None) is None and not hasattr(config, "target_parameters"):
        raise ModelError(
            f"{str(tuned.folder)!r} is an adapter of the kind {config.peft_type}, which changes "
            "prompts and no weights; only adapters of weights, as LoRA, are put into their base"
        )
    stored = _placed(model, _stored(tuned.folder), tuned)
    wanted = set(_targets(model, config))
    held = {_module(name) for name in stored if ADAPTED.search(name)}
    absent = sorted(wanted - held) if isinstance(config.target_modules, set | list) else []
    if absent:
        raise ModelError(
            f"{str(tuned.folder)!r} is not whole: its configuration adapts {len(wanted)} modules, "
            f"and {len(absent)} are not in its weights ({', '.join(absent[:3])})"
        )
    saved = sorted({_module(name) for name in stored if not ADAPTED.search(name)})
    config.target_modules = held
    config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    config.modules_to_save = saved or None
    config.inference_mode = True
    try:
        tuned_model = get_peft_model(model, config)
        told = set_peft_model_state_dict(
            tuned_model, {f"{PREFIX}{name}": tensor for name, tensor in stored.items()}
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise tuned.misfit(" ".join(str(error).split())[:300]) from error
    _refuse_left(tuned, told)
    if getattr(model, "is_quantized", False):
        return tuned_model.base_model.model.eval()
    return tuned_model.merge_and_unload(safe_merge=True)


def _refuse_left(tuned: TunedFolder, told: Any) -> None:
    """Refuse weights that PEFT did not put anywhere, and places that it did not fill."""
    own = [name for name in told.missing_keys if re.search(r"lora_|modules_to_save", name)]
    left = [*told.unexpected_keys, *own]
    if left:
        shown = ", ".join(left[:3])
        raise tuned.misfit(f"{len(left)} weights have no place or no value ({shown})")


def _stored(folder: Path) -> dict[str, Tensor]:
    """The adapter's tensors, without PEFT's prefix.

    Raises:
        ModelError: the file is damaged, or holds more than tensors.
    """
    import torch
    from safetensors.torch import load_file

    path = next(folder / name for name in WEIGHTS if (folder / name).is_file())
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__}: {str(error)[:120]}); it is cut short, "
            "damaged, or holds code, which is not run"
        ) from error
    if not tensors:
        raise ModelError(f"{path} holds no weights")
    return {_plain(name): tensor for name, tensor in tensors.items()}


def _plain(name: str) -> str:
    for prefix in ("module.", PREFIX):
        name = name.removeprefix(prefix)
    return name.replace(".default.", ".").replace(".modules_to_save.", ".")


def _placed(model: Any, stored: Mapping[str, Tensor], tuned: TunedFolder) -> dict[str, Tensor]:
    """The tensors by the names that the model's modules have today.

    Raises:
        ModelError: one is of no module of the model.
    """
    modules = dict(model.named_modules())
    tensors, strange = {}, []
    for name, tensor in stored.items():
        placed = next((name for name in _names(name) if _module(name) in modules), None)
        if placed is None:
            strange.append(name)
        else:
            tensors[placed] = tensor
    if strange:
        raise tuned.misfit(
            f"{len(strange)} of its {len(stored)} weights are of modules that the base has not "
            f"({', '.join(sorted(strange)[:3])}); give base= the checkpoint that it was trained on"
        )
    return tensors


def _names(name: str) -> Iterator[str]:
    """What a weight may be called today: as it is stored, then by each renaming."""
    yield name
    for pattern, today in RENAMED:
        renamed, count = re.subn(pattern, today, name)
        if count:
            yield renamed
            yield from (re.sub(p, t, renamed) for p, t in RENAMED[-2:])


def _module(name: str) -> str:
    """The module of the model that a weight of an adapter belongs to."""
    module, *adapter = ADAPTED.split(name)
    return module if adapter else name.rpartition(".")[0]


def _targets(model: Any, config: Any) -> Iterator[str]:
    """Modules that the adapter's configuration would adapt in this model."""
    from peft.tuners.tuners_utils import check_target_module_exists
    from torch import nn

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and check_target_module_exists(config, name):
            yield name
