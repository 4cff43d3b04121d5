"""The train x inference matrix: checkpoints by training strategy, scored and written.

| module | holds |
| --- | --- |
| `checkpoints` | which checkpoints stand for which strategy, one per seed |
| `named` | what low and native mean |
| `scoring` | each of them scored once through lmms-eval, kept as a record |
| `heatmap` | the heat map |
| `output` | matrix.json, the table and the heat map, written |
| `command` | the command line's job |

Its figures are those of `resolution_eval.analysis.strategies`.
"""

from resolution_eval.matrix.checkpoints import Entry, parse_checkpoints
from resolution_eval.matrix.output import write_matrix
from resolution_eval.matrix.scoring import Scoring, score

__all__ = ["Entry", "Scoring", "parse_checkpoints", "score", "write_matrix"]
