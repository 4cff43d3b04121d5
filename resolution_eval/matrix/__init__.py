"""The train x inference matrix: a sweep whose models carry a training strategy, and what it says.

| module | holds |
| --- | --- |
| `strategy_checkpoints` | checkpoints by strategy, and what low and native mean |
| `strategy_plan` | the sweep over them, and its records by strategy |
| `heatmap` | the heat map |
| `output` | matrix.json, the table and the heat map, written |
| `matrix_command` | the command line's job |

Its figures are those of `resolution_eval.analysis.strategies`.
"""

from resolution_eval.matrix.output import write_matrix
from resolution_eval.matrix.strategy_checkpoints import StrategyCheckpoints, parse_checkpoints
from resolution_eval.matrix.strategy_plan import strategy_plan, strategy_records

__all__ = [
    "StrategyCheckpoints",
    "parse_checkpoints",
    "strategy_plan",
    "strategy_records",
    "write_matrix",
]
