"""Prefill on a GPU: samples per second, and the share of the card's own bf16 matrix rate.

The model is a Qwen2-VL of the sizes of the 2B checkpoint with random weights: as fast as trained
ones. The matrix and copy rates are measured on the same card in the same run: no prefill can be
faster than its operations at the one, or than its weights read once at the other. Attention is
counted whole, as it is computed in the vision encoder; in the language model, where half of it is
masked, it is a few per cent.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.device import wait
from benchmarks.host import timed
from benchmarks.operations import counted
from benchmarks.result import Result
from benchmarks.time_shares import time_shares
from resolution_eval.models.families import segments

TARGET = 0.40
SIZES: dict[str, dict[str, Any]] = {
    "2b": {
        "vision": {"embed_dim": 1280, "hidden_size": 1536, "depth": 32, "num_heads": 16},
        "text": {
            "vocab_size": 151_936,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
        },
        "sections": [16, 24, 24],
    },
    "rehearsal": {
        "vision": {"embed_dim": 64, "hidden_size": 64, "depth": 2, "num_heads": 2},
        "text": {
            "vocab_size": 1024,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
        },
        "sections": [4, 6, 6],
    },
}
"""`2b`: the sizes in the configuration of Qwen/Qwen2-VL-2B-Instruct. `rehearsal`: runs anywhere,
to see that the measurement works; its rates mean nothing.
"""
IMAGE_TOKEN, TEXT_TOKENS = 7, 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes of the measurement."""
    parser.add_argument("--resolutions", default="224,448,672,1008")
    parser.add_argument("--batches", default="8,16,32,64", help="the fastest is reported")
    parser.add_argument("--attention", default="sdpa", help="or flash_attention_2")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--size", choices=sorted(SIZES), default="2b")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="also with torch.compile, its own time beside it (reported, not in the ratio)",
    )


def measure(given: argparse.Namespace) -> Result:
    """Nothing is claimed where there is no GPU."""
    import torch

    if not torch.cuda.is_available() and given.size != "rehearsal":
        return _result(given, [], [], "No GPU here; run this command on a machine with one.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    edge = 8192 if device == "cuda" else 256
    matrix = _matrix_rate(device, edge)
    copy = _copy_rate(device, edge)
    model = _model(SIZES[given.size], device, given.attention)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    rows, rounds = [], []
    for side in map(int, given.resolutions.split(",")):
        looped = _best_of(_prefills(model, side, given, device))
        segments.install(model.model.visual)
        best = _best_of(_prefills(model, side, given, device))
        rounds.append([best.operations / seconds / matrix for seconds in best.times])
        limit = max(best.operations / matrix, weights / copy)
        rows.append(
            {
                "r": side,
                "visual tokens": best.tokens,
                "batch": best.batch,
                "samples/s": best.batch / best.seconds,
                "image by image": looped.batch / looped.seconds,
                "TFLOP/s": best.operations / best.seconds / 1e12,
                "of matrix rate": best.operations / best.seconds / matrix,
                "of the limit": limit / best.seconds,
                **time_shares(_forward(model, side, best.batch, device)[0], device),
            }
        )
        _loop_again(model.model.visual)
        if given.compile:
            rows[-1] |= _compiled(model, side, best, given, device)
    note = f"bf16 matrix rate {matrix / 1e12:.1f} TFLOP/s, copy rate {copy / 1e9:.0f} GB/s."
    note += " The ratio is the lowest share."
    if device == "cpu":
        note = f"A rehearsal, a tiny model on a processor. {note}"
    return _result(given, min(rounds, key=median), rows, note)


def _result(given: argparse.Namespace, rounds: Sequence[float], rows: Any, note: str) -> Result:
    import torch

    share = median(rounds) if rounds else None
    card = torch.cuda.is_available()
    return Result(
        name="gpu",
        ratio=share if card else None,
        rehearsed=None if card else share,
        rounds=rounds,
        target=TARGET,
        sense="at least",
        rows=rows,
        sizes=vars(given) | {"json": None},
        note=note,
    )


def _loop_again(tower: Any) -> None:
    """The tower as transformers has it, its attention looping over the images."""
    for module in tower.modules():
        if getattr(module, "config", None) is not None and hasattr(module, "scaling"):
            module._forward_pre_hooks.clear()
            module._forward_pre_hooks_with_kwargs.clear()
    tower.config._attn_implementation = segments.PLAIN


def _compiled(
    model: Any, side: int, plain: _Prefill, given: argparse.Namespace, device: str
) -> dict[str, Any]:
    """Samples per second of the language model's layers compiled into CUDA graphs, and after how
    many images that has paid for its own time; the vision tower stays as it is.
    """
    import torch

    layers = model.model.language_model.layers
    forwards = [layer.forward for layer in layers]
    began = time.perf_counter()
    try:
        for layer in layers:
            layer.forward = torch.compile(layer.forward, dynamic=False)
        first = _prefill(model, side, plain.batch, given, device, counting=False)
    except Exception as error:  # noqa: BLE001  (a compiler raises what it likes; the row says it)
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return {"compiled": said, "pays after images": None}
    finally:
        for layer, forward in zip(layers, forwards, strict=True):
            layer.forward = forward
    spent = time.perf_counter() - began - first.seconds * (given.repetitions + 3)
    saved = (plain.seconds - first.seconds) / plain.batch
    return {
        "compiled": first.batch / first.seconds,
        "pays after images": int(spent / saved) if saved > 0 else None,
    }


def _best_of(found: Sequence[_Prefill]) -> _Prefill:
    return max(found, key=lambda one: one.batch / one.seconds)


@dataclass(frozen=True)
class _Prefill:
    """One prefill: batch, seconds each time, floating-point operations, visual tokens an image."""

    batch: int
    times: tuple[float, ...]
    operations: float
    tokens: int

    @property
    def seconds(self) -> float:
        return median(self.times)


def _prefills(model: Any, side: int, given: argparse.Namespace, device: str) -> list[_Prefill]:
    """One for each batch size that the memory holds, the smallest first."""
    import torch

    found = []
    for size in map(int, given.batches.split(",")):
        try:
            found.append(_prefill(model, side, size, given, device))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
    return found


def _model(sizes: dict[str, Any], device: str, attention: str) -> Any:
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    rope = {"rope_type": "default", "mrope_section": sizes["sections"], "rope_theta": 1_000_000.0}
    config = Qwen2VLConfig(
        vision_config=sizes["vision"],
        text_config={
            **sizes["text"],
            "rope_parameters": rope,
            "bos_token_id": 0,
            "pad_token_id": 0,
        },
        image_token_id=IMAGE_TOKEN,
        video_token_id=IMAGE_TOKEN + 1,
        vision_start_token_id=IMAGE_TOKEN + 2,
        vision_end_token_id=IMAGE_TOKEN + 3,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2VLForConditionalGeneration(config)
    model.set_attn_implementation(attention)
    # without gradients, which the counter of operations would ask for
    return model.to(torch.bfloat16).eval().requires_grad_(False)


def _prefill(
    model: Any,
    side: int,
    size: int,
    given: argparse.Namespace,
    device: str,
    *,
    counting: bool = True,
) -> _Prefill:
    forward, tokens = _forward(model, side, size, device)
    operations = counted(forward) if counting else 0
    times = [timed(forward) for _ in range(given.repetitions + 3)][3:]
    return _Prefill(size, tuple(times), operations, tokens)


def _forward(model: Any, side: int, size: int, device: str) -> tuple[Callable[[], None], int]:
    """The prefill of so many images of an edge, and the visual tokens of each."""
    import torch

    patches = side // 14
    tokens = (patches // 2) ** 2
    pixels = torch.randn(size * patches * patches, 3 * 2 * 14 * 14, device=device)
    ids = torch.full((size, tokens + TEXT_TOKENS), 11, device=device)
    ids[:, :tokens] = IMAGE_TOKEN
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == IMAGE_TOKEN).long(),
        "pixel_values": pixels.to(torch.bfloat16),
        "image_grid_thw": torch.tensor([[1, patches, patches]] * size, device=device),
    }

    def forward() -> None:
        with torch.inference_mode():
            model(**batch, use_cache=True, logits_to_keep=1)
        wait(device)

    return forward, tokens


def _matrix_rate(device: str, edge: int) -> float:
    """bf16 floating-point operations per second of a large square product."""
    import torch

    a = torch.randn(edge, edge, device=device, dtype=torch.bfloat16)
    return 2 * edge**3 / _best(lambda: torch.mm(a, a), device)


def _copy_rate(device: str, edge: int) -> float:
    """Bytes read and written per second by a copy on the device."""
    import torch

    a = torch.empty(edge * edge * 2, device=device, dtype=torch.bfloat16)
    b = torch.empty_like(a)
    return 2 * a.nbytes / _best(lambda: b.copy_(a), device)


def _best(function: Callable[[], object], device: str) -> float:
    def once() -> None:
        function()
        wait(device)

    return min([timed(once) for _ in range(20)][5:])
