"""Building a family by trying: the processor alone, then a random model of two layers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import torch
from loguru import logger
from torch import Tensor

from resolution_eval.errors import ModelError
from resolution_eval.families.base import Parts
from resolution_eval.families.chat import NO_TEMPLATE, template_of
from resolution_eval.families.engine import Engine, Question, steered
from resolution_eval.families.generic.controls import Control, controls
from resolution_eval.families.generic.family import GenericFamily, Placeholders
from resolution_eval.families.generic.reading import Reading, by_volume, found
from resolution_eval.families.generic.tower import entrances, noted_calls, pixel_tensors
from resolution_eval.families.inputs import prepare
from resolution_eval.families.miniature import miniature
from resolution_eval.families.spelling import spelling
from resolution_eval.resolution import Size

GRIDS = (
    *((2, 2), (3, 3), (4, 4), (7, 7)),
    *((2, 1), (4, 2), (6, 3), (10, 5)),
    *((1, 3), (2, 6), (3, 9), (4, 12)),
)
"""Columns and rows of the grids that must come out exactly, in units: three aspects."""
MODEL_EDGE = 1024
"""Largest edge in pixels of a tower's own grid beyond which a grid is tried through the model."""
LARGE = 1280
"""Edge in pixels, about, of a square grid that must come out of the processor alone."""
OWN = (Size(336, 224), Size(224, 224), Size(150, 300))
"""Sizes of images that the processor is left to."""
QUESTION = "Which of these does the image show?"
IMAGE_IDS = ("image_token_id", "image_token_index", "image_patch_id")
"""Names that configurations give to the token in an image's place."""
SHORT_AND_LONG = ("Why?", f"{QUESTION} Say which, and nothing else.")
COUNTS = (
    "image_seq_length",
    "image_seq_len",
    "num_image_tokens",
    "image_processor.image_seq_length",
    "num_additional_image_tokens",
)
"""Settings of processors that say how many tokens stand for an image."""
SIDES: tuple[tuple[str, Literal["edge", "side"]], ...] = (
    ("img_size", "edge"),
    ("image_size", "edge"),
    ("patch_size", "side"),
)
"""Settings of processors that hold the edge of a square tile, in pixels or in tokens."""
_FAMILIES: dict[str, GenericFamily] = {}


def generic_family(parts: Parts) -> GenericFamily:
    """The family of a checkpoint of an unknown type, probed once per configuration and processor.

    Raises:
        ModelError: no question with an image gets through processor and model, or nobody can read
            the grid that enters.
    """
    told = json.dumps(parts.config.to_dict(), sort_keys=True, default=str)
    digest = sha256(f"{told}{spelling(parts.processor)}{parts.plain}".encode()).hexdigest()
    if digest not in _FAMILIES:
        logger.info(f"no family is written for {parts.config.model_type}: probing its processor")
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            _FAMILIES[digest] = _Probe(parts).family()
    return _FAMILIES[digest]


def noise(size: Size) -> Any:
    """An image of random pixels, always the same."""
    from PIL import Image

    generator = torch.Generator().manual_seed(size.width * 7919 + size.height)
    pixels = torch.randint(0, 256, (size.height, size.width, 3), generator=generator)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


def _says(error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:160]}"


@dataclass(frozen=True)
class _Run:
    """One image through processor and model."""

    size: Size
    inputs: Mapping[str, Any]
    arguments: Mapping[str, Sequence[Mapping[str, Any]]]
    """By path of a module where the pixels enter, the arguments of its calls."""
    output: Tensor
    lengths: Mapping[str, int]
    """By path of a module, the tokens that it makes of one image."""

    def entered(self, path: str) -> dict[str, Any]:
        """The arguments of one call, or those of several, their tensors behind each other."""
        calls = self.arguments.get(path, ())
        if len(calls) == 1:
            return dict(calls[0])
        return joined_calls(calls)


def joined_calls(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Arguments of several calls as of one: tensors of equal shape one behind another."""
    if not calls:
        return {}
    together = {}
    for name, value in calls[0].items():
        values: list[Any] = [call.get(name) for call in calls]
        if isinstance(value, Tensor) and value.ndim:
            rest = {each.shape[1:] for each in values if isinstance(each, Tensor)}
            if len(rest) == 1:
                together[name] = torch.cat(values)
        elif value is not None:
            together[name] = value
    return together


class _Probe:
    """The trials of one checkpoint, in the order in which they build on each other."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._name = str(parts.config.model_type)
        self._failures: set[tuple[Size, str]] = set()
        """Sizes, and the arguments with which they did not come out."""

    @cached_property
    def _patch(self) -> int:
        """Edge in pixels of a patch, as configuration or processor say; 14 where neither does."""
        config = self._parts.config
        places = (
            getattr(config, "vision_config", None),
            config,
            getattr(config, "vq_config", None),
            self._parts.processor.image_processor,
        )
        for owner in places:
            value: Any = getattr(owner, "patch_size", None)
            if isinstance(value, Mapping) or hasattr(value, "height"):
                value = value["height"]
            if isinstance(value, list | tuple) and value:
                value = value[0]
            if isinstance(value, int) and value > 1:
                return value
        return 14

    @cached_property
    def _model(self) -> Any:
        """The type's model with two layers of random weights."""
        from transformers import AutoModelForImageTextToText

        torch.manual_seed(0)
        small = miniature(self._parts.config)
        model = AutoModelForImageTextToText.from_config(small)
        return model.float().eval()

    def family(self) -> GenericFamily:
        """What the trials found."""
        spoken = self._spoken()
        try:
            model = self._model
        except Exception as error:
            why = f"its model cannot be made from its configuration ({_says(error)})"
            raise self._refusal(why) from error
        watched, runs = self._own_runs(spoken)
        watched = self._batched(replace(watched, tower=watched.tower), runs)
        restoring, reason = self._restoring(watched, runs)
        matching = self._matching(watched, runs)
        if matching is not None:
            return self._finished(matching, model)
        if restoring is None:
            raise self._refusal(f"{reason}; under match, {self._why}")
        return self._finished(replace(restoring, reason=self._why, own=True), model)

    _why = ""

    def _refusal(self, reason: str) -> ModelError:
        return ModelError(
            f"no family is written for model_type {self._name!r}, and probing it found no way: "
            f"{reason}. lmms-eval's own models run without attestation"
        )

    # The prompt and the processor alone.

    def _spoken(self) -> GenericFamily:
        """The forms of prompt, list and call with which the processor takes one image."""
        if template_of(self._parts.processor) is None and not self._parts.plain:
            raise ModelError(NO_TEMPLATE)
        first = GenericFamily(name=self._name, model_types=(self._name,), own=True)
        errors: list[str] = []
        for family in self._forms(first):
            try:
                inputs = self._process(family, OWN[0])
            except Exception as error:  # noqa: BLE001  (as above)
                errors.append(_says(error))
                continue
            if pixel_tensors(inputs):
                return replace(family, token=self._token(family, inputs))
        if not errors:
            raise self._refusal("its processor makes no pixels of an image")
        raise self._refusal(f"its processor takes no question with an image ({errors[0]})")

    def _forms(self, first: GenericFamily) -> Iterator[GenericFamily]:
        processor = self._parts.processor
        marks = [""]
        for owner in (processor, processor.tokenizer):
            for name in ("boi_token", "image_token"):
                mark = getattr(owner, name, None)
                if isinstance(mark, str) and mark:
                    marks.append(mark)
        marks = [*marks[1:], "", "<image>"]
        types: Mapping[str, Any] = {"return_mm_token_type_ids": True}
        for more in ({}, types):
            for mark in dict.fromkeys(marks):
                for nested in (True, False):
                    yield replace(first, mark=mark, nested=nested, more=more)

    def _process(
        self, family: GenericFamily, size: Size, call: Control | None = None
    ) -> dict[str, Any]:
        family = replace(family, control=call, own=call is None)
        prompt = family.prompt(self._parts, QUESTION, image=True)
        settings = family.used_settings(self._parts, size)
        return prepare(family, self._parts, prompt, noise(size), settings)

    def _token(self, family: GenericFamily, inputs: Mapping[str, Any]) -> int | None:
        """The token whose number follows the image, the configuration's own where it has one."""
        ids = inputs.get("input_ids")
        if ids is None:
            return None
        flat = ids[0].tolist()
        told = [getattr(self._parts.config, name, None) for name in IMAGE_IDS]
        told += [getattr(self._parts.processor, "image_token_id", None)]
        for number in told:
            if isinstance(number, int) and flat.count(number) > 0:
                return number
        prompt = family.prompt(self._parts, QUESTION, image=False)
        plain = self._parts.processor.tokenizer(prompt)["input_ids"]
        counts = {number: flat.count(number) - plain.count(number) for number in set(flat)}
        most = max(counts, key=counts.__getitem__)
        return most if counts[most] > 1 else None

    # The model.

    def _run(self, family: GenericFamily, size: Size, call: Control | None = None) -> _Run:
        inputs = self._process(family, size, call)
        return self._through(family, size, inputs)

    def _through(self, family: GenericFamily, size: Size, inputs: Mapping[str, Any]) -> _Run:
        with noted_calls(self._model) as (calls, lengths), steered(family, self._model):
            output = self._model.generate(**as_entering(inputs), max_new_tokens=1, do_sample=False)
        output = getattr(output, "sequences", output)
        paths = entrances(calls, inputs)
        arguments = {
            path: [arguments for name, arguments in calls if name == path] for path in paths
        }
        return _Run(size, inputs, arguments, output, lengths)

    def _own_runs(self, spoken: GenericFamily) -> tuple[GenericFamily, list[_Run]]:
        """Images through the processor as it is, and where they enter the model."""
        errors: list[str] = []
        for more in (spoken.more, {"return_mm_token_type_ids": True}):
            family = replace(spoken, more=more)
            try:
                runs = [self._run(family, size) for size in OWN]
            except Exception as error:  # noqa: BLE001  (as above)
                errors.append(_says(error))
                continue
            if not runs[0].arguments:
                errors.append("no module of its model was seen to get the pixels")
                continue
            ids = runs[0].inputs.get("input_ids")
            begins = ids is not None and _begins(runs[0].output, ids)
            return replace(family, tower=next(iter(runs[0].arguments)), begins=begins), runs
        raise self._refusal(f"its model does not answer with an image ({errors[0]})")

    def _batched(self, family: GenericFamily, runs: Sequence[_Run]) -> GenericFamily:
        """The family with the ways in which a batch's tensors are joined."""
        parts, size = self._parts, OWN[0]
        one = runs[0].inputs
        prompt = family.prompt(parts, QUESTION, image=True)
        ids = one.get("input_ids")
        columns = tuple(
            name
            for name, value in one.items()
            if ids is not None and value.ndim >= 2 and value.shape[:2] == ids.shape
        )
        image = noise(size)
        images = [[image], [image]] if family.nested else [image, image]
        try:
            with family.used_settings(parts, size).applied(parts):
                two = parts.processor(
                    text=[prompt, prompt], images=images, return_tensors="pt", **family.more
                )
        except Exception:  # noqa: BLE001  (it takes one question at a time: the first dimension)
            return replace(family, columns=columns)
        joins = {}
        for name, value in one.items():
            other = two.get(name)
            if name in columns or not isinstance(other, Tensor) or other.ndim != value.ndim:
                continue
            twice = [
                place for place in range(value.ndim) if other.shape[place] == 2 * value.shape[place]
            ]
            if len(twice) == 1:
                joins[name] = twice[0]
        return replace(family, columns=columns, joins=joins)

    def _readings(self, runs: Sequence[_Run]) -> tuple[str, Reading] | None:
        """The outermost module among whose arguments every size stands, and where."""
        for path in runs[0].arguments:
            reading = found([(run.size, run.entered(path)) for run in runs])
            if reading is not None:
                return path, reading
        return None

    # The processor's own grid.

    def _restoring(
        self, family: GenericFamily, runs: Sequence[_Run]
    ) -> tuple[GenericFamily | None, str]:
        """The family with the reading of grids whose size nobody set, or why there is none."""
        run = runs[0]
        if family.token is None:
            lengths = {each.lengths.get(family.tower, 0) for each in runs}
            if len(lengths) > 1 or 0 in lengths:
                return None, "nobody can count the visual tokens that its tower makes"
            family = replace(family, unwritten=Placeholders("", 0, lengths.pop()))
        values = sum(tensor.numel() for tensor in pixel_tensors(run.inputs).values())
        for patch in dict.fromkeys((self._patch, *(14, 16, 32, 28))):
            for path in run.arguments:
                entered = by_volume(run.entered(path), _volume(run.entered(path)), patch)
                made = by_volume(run.inputs, values, patch)
                if entered is not None and made is not None:
                    return replace(family, tower=path, entered=entered, made=made), ""
        for path in run.arguments:
            made = by_volume(run.inputs, values, self._patch)
            if made is not None:
                return replace(family, tower=path, entered=made, made=made), ""
        return None, "nobody can read the grid from its tensors"

    # The grid that follows the resolution.

    def _matching(self, family: GenericFamily, runs: Sequence[_Run]) -> GenericFamily | None:
        """The family with a control, where every grid comes out exactly; else `_why` says why."""
        self._why = "no argument of its processor's call leaves an image at its size"
        patch = self._patch
        units = dict.fromkeys(patch * factor for factor in (1, 2, 3, 4))
        for square in (False, True):
            for unit in units:
                for control in controls(self._parts.processor.image_processor, patch):
                    tried = replace(family, unit=unit, square=square, control=control, own=False)
                    made = self._made(tried)
                    if made is None:
                        continue
                    through = self._adapted(replace(tried, made=made))
                    if through is not None:
                        return self._smallest(through)
                    break  # the same image at the same grid, however the processor was told
        return None

    def _grids(self, family: GenericFamily) -> Iterator[Size]:
        for columns, rows in GRIDS:
            if not family.square or columns == rows:
                yield Size(columns * family.unit, rows * family.unit)

    def _made(self, family: GenericFamily) -> Reading | None:
        """Where the processor's tensors hold every grid; None where one is not there."""
        reading: Reading | None = None
        sightings: list[tuple[Size, Mapping[str, Any]]] = []
        edge = LARGE // family.unit * family.unit
        large = Size(edge, edge)
        for size in (*self._grids(family), large):
            key = size, repr(family.control.call(size)) if family.control else ""
            if key in self._failures:
                return None
            try:
                sightings.append((size, self._process(family, size, family.control)))
            except Exception:  # noqa: BLE001  (this way is none; the next is tried)
                self._failures.add(key)
                return None
            if len(sightings) in (1, 3) or size == large:
                reading = found(sightings)
            if reading is None:
                if len(sightings) == 1:
                    self._failures.add(key)
                return None
        return reading

    def _adapted(self, family: GenericFamily) -> GenericFamily | None:
        """The family with what lets the model take every grid; None where it does not, for the
        reason that it gave when nothing was adapted.
        """
        reasons: list[str] = []
        for adapted in self._adaptations(family):
            runs: list[_Run] = []
            try:
                for size in (*self._grids(adapted), *self._beyond(adapted)):
                    runs.append(self._run_adapted(adapted, size))
            except Exception as error:  # noqa: BLE001  (the model refuses this grid)
                reasons.append(
                    f"its model refuses a grid of {runs[-1].size if runs else 'another size'} "
                    f"or the next ({_says(error)})"
                )
                continue
            where = self._readings(runs)
            if where is None:
                reasons.append("the tensors that enter its tower do not hold the grid")
                continue
            path, entered = where
            adapted = replace(adapted, tower=path, entered=entered)
            if adapted.token is not None:
                return adapted
            rule = self._unwritten(runs, path)
            if rule is not None:
                return replace(adapted, unwritten=rule)
            reasons.append("nobody can count the visual tokens that its tower makes")
        self._why = reasons[0]
        return None

    def _unwritten(self, runs: Sequence[_Run], path: str) -> Placeholders | None:
        """The rule by which the tower makes tokens of a grid; None where none fits all of them."""
        told = [(run.size, run.lengths.get(path, 0)) for run in runs]
        rules = [
            Placeholders("", self._patch * factor, extra)
            for factor in (1, 2, 4)
            for extra in (0, 1)
        ]
        rules.append(Placeholders("", 0, told[0][1]))
        for rule in rules:
            if all(count and rule.count(size) == count for size, count in told):
                return rule
        return None

    def _run_adapted(self, family: GenericFamily, size: Size) -> _Run:
        prompt = family.prompt(self._parts, QUESTION, image=True)
        settings = family.settings(self._parts, size)
        inputs = prepare(family, self._parts, prompt, noise(size), settings)
        with settings.applied(Parts(self._model.config, self._parts.processor)):
            return self._through(family, size, inputs)

    def _beyond(self, family: GenericFamily) -> Iterator[Size]:
        """A square grid larger than the tower's own, where it names one: a table of positions that
        is cut off for smaller grids, rather than resampled, has none for it.
        """
        vision = getattr(self._parts.config, "vision_config", self._parts.config)
        edge = getattr(vision, "image_size", None)
        edge = edge[0] if isinstance(edge, list | tuple) else edge
        if isinstance(edge, int) and edge <= MODEL_EDGE:
            side = (edge // family.unit + 1) * family.unit
            yield Size(side, side)

    def _adaptations(self, family: GenericFamily) -> Iterator[GenericFamily]:
        """The family as it is, then with interpolation, then with other numbers of tokens."""
        forms = [family, replace(family, interpolates=True)]
        tower = self._model.get_submodule(family.tower)
        if "interpolate_pos_encoding" in inspect.signature(tower.forward).parameters:
            forms.reverse()  # without it, some towers take the first of their positions, unseen
        yield from forms
        owners = [path for path in COUNTS if _held(self._parts.processor, path)]
        if family.square:
            for path, value in SIDES:
                if _held(self._parts.processor, path):
                    for form in forms:
                        yield replace(
                            form, placeholders=Placeholders(path, family.unit, form=value)
                        )
        for form in forms:
            for path in owners:
                for factor in (1, 2, 3, 4):
                    for extra in (0, 1):
                        rule = Placeholders(path, self._patch * factor, extra)
                        if self._patch * factor <= family.unit:
                            yield replace(form, placeholders=rule)

    def _smallest(self, family: GenericFamily) -> GenericFamily:
        """The family with the fewest units that a side can have."""
        for least in (1, 2):
            size = Size(least * family.unit, least * family.unit)
            try:
                run = self._run_adapted(family, size)
            except Exception:  # noqa: BLE001  (too small for it)
                continue
            entered = family.entered
            seen = [] if entered is None else entered.read(run.entered(family.tower))
            if [one.grid for one in seen] == [(size.height, size.width)]:
                return replace(family, least=least)
        return replace(family, least=2)

    def _finished(self, family: GenericFamily, model: Any) -> GenericFamily:
        """The family, and whether its model answers without an image."""
        prompt = family.prompt(self._parts, QUESTION, image=False)
        try:
            inputs = prepare(family, self._parts, prompt, None)
            model.generate(**inputs, max_new_tokens=1, do_sample=False)
        except Exception:  # noqa: BLE001  (it needs an image; a blind run shows a mean one)
            family = replace(family, needs_image=True)
        family = replace(family, batches=self._batches(family))
        return replace(family, ranks=self._ranks(family))

    def _batches(self, family: GenericFamily) -> bool:
        """Whether a short and a long question get together what each gets alone, as the logits of
        their first words tell.
        """
        size = self._shown(family)
        settings = family.used_settings(self._parts, size)
        samples = [
            prepare(
                family, self._parts, family.prompt(self._parts, text, image=True), image, settings
            )
            for text, image in zip(
                SHORT_AND_LONG, (noise(size), noise(size).rotate(180)), strict=True
            )
        ]
        told = {"return_dict_in_generate": True, "output_logits": True, "do_sample": False}
        pad = int(self._parts.processor.tokenizer.pad_token_id or 0)

        def first(batch: Mapping[str, Any]) -> Tensor:
            with settings.applied(self._parts._replace(config=self._model.config)):
                found = self._model.generate(**as_entering(batch), max_new_tokens=3, **told)
            return torch.stack(list(found.logits), dim=1)

        try:
            with steered(family, self._model):
                together = first(family.collated(samples, pad))
                alone = torch.cat([first(sample) for sample in samples])
        except Exception:  # noqa: BLE001  (what cannot be batched goes one by one)
            return False
        spread = float(alone.float().std())
        return float((together - alone).abs().max()) <= 1e-3 * spread

    def _shown(self, family: GenericFamily) -> Size:
        return OWN[0] if family.own else Size(2 * family.unit, 2 * family.unit)

    def _ranks(self, family: GenericFamily) -> bool:
        """Whether the model continues a prompt with a choice, whose likelihood can then be read."""
        if not family.continues_prompt(self._parts):
            return False
        parts = self._parts._replace(config=self._model.config)
        size = self._shown(family)
        prompt = family.prompt(parts, QUESTION, image=True)
        choices = tuple(family.continuation(parts, prompt, text) for text in ("ring", "a disc"))
        try:
            Engine(family, parts, self._model).rank([Question(prompt, noise(size), choices)])
        except Exception:  # noqa: BLE001  (then text is generated, and nothing ranked)
            return False
        return True


def as_entering(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A processor's tensors in the miniature's precision, as a loaded model gets them in its own:
    some processors make halves, whatever the model is.
    """
    return {
        name: value.float() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }


def _volume(arguments: Mapping[str, Any]) -> int:
    """Values of the largest floating tensor."""
    return max(
        (
            value.numel()
            for value in arguments.values()
            if isinstance(value, Tensor) and value.is_floating_point()
        ),
        default=0,
    )


def _begins(output: Tensor, ids: Tensor) -> bool:
    return output.shape[1] > ids.shape[1] and bool((output[:, : ids.shape[1]] == ids).all())


def _held(processor: Any, path: str) -> bool:
    owner = processor
    for name in path.split("."):
        owner = getattr(owner, name, None)
    return isinstance(owner, int)
