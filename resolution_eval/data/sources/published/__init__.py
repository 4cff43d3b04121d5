"""Published: benchmarks in the form of their own files, which the user puts into one folder.

Each has one function, from a folder to its items; `SETS` names them by card. What an item lacks is
its reason to be excluded; an image that is missing keeps its sample, which fails by name: a
smaller denominator would change the score in silence.
"""

from resolution_eval.data.sources.published.benchmark_folder import SETS, BenchmarkFolder

__all__ = ["SETS", "BenchmarkFolder"]
