"""Measurements of accuracy, speed and memory, each runnable as a module."""

NAMES = {
    "sweep": "one run over all resolutions, against a run per resolution at batch 1",
    "rank": "ranking nine choices, against open_flamingo's class-by-class evaluation",
    "overhead": "an adapter's wall time over a sweep, against its bare forward passes",
    "render": "decoding and resizing for all resolutions, against one decode per resolution",
    "memory": "peak resident memory of many images, against that of few",
    "soak": "memory and open descriptors over a long sweep, against those at a tenth of it",
    "generate": "reshf's short answers, against lmms-eval's own adapter at its best batch",
    "ranks": "wall time of two processes that share a sweep, the slower against the faster",
    "growth": "wall time against visual tokens",
    "compile": "the vision encoder as it is, against `torch.compile` with its own cost",
    "gpu": "share of a GPU's bf16 matrix rate in prefill",
    "gpu-overhead": "a warm reshf sweep, against the model's own time for the same batches",
    "gpu-overhead-flamingo": "the same for resflamingo at OpenFlamingo-3B's sizes",
    "gpu-rank": "eight choices ranked, against one bare prefill of prompt and image",
    "gpu-generate": "reshf's short answers on a GPU, against lmms-eval's own at its best batch",
    "gpu-batch": "the batch that is found, against the largest that fits the memory",
}
"""The measurements that `python -m benchmarks` knows by name, and what each compares."""
