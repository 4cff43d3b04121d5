"""The train x inference matrix: checkpoints by training strategy, scored and written.

| module | holds |
| --- | --- |
| `strategy_checkpoints` | which checkpoints stand for which strategy, one per seed |
| `folder_declarations` | what low and native mean |
| `checkpoint_scoring` | each of them scored once through lmms-eval, kept as a record |
| `heatmap` | the heat map |
| `output` | matrix.json, the table and the heat map, written |
| `matrix_command` | the command line's job |

Its figures are those of `resolution_eval.analysis.strategies`.
"""

from resolution_eval.matrix.checkpoint_scoring import CheckpointSweep, score
from resolution_eval.matrix.output import write_matrix
from resolution_eval.matrix.strategy_checkpoints import StrategyCheckpoints, parse_checkpoints

__all__ = ["CheckpointSweep", "StrategyCheckpoints", "parse_checkpoints", "score", "write_matrix"]
