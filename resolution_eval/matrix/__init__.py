"""The train x inference matrix: checkpoints by training strategy, scored, compared, written.

| module | holds |
| --- | --- |
| `checkpoints` | which checkpoints stand for which strategy, one per seed |
| `named` | what low and native mean |
| `scoring` | each of them scored once through lmms-eval, kept as a record |
| `cells` | accuracy of every cell over samples and seeds, mixed inference among them |
| `gaps` | the differences between cells that the paper argues with |
| `heatmap` | the heat map |
| `output` | matrix.json, the table and the heat map, written |
| `command` | the command line's job |
"""

from resolution_eval.matrix.cells import Matrix, mixture_half
from resolution_eval.matrix.checkpoints import Entry, parse_checkpoints
from resolution_eval.matrix.gaps import GapFigure, gap_figures
from resolution_eval.matrix.output import matrix_tables, write_matrix
from resolution_eval.matrix.scoring import Sweep, score

__all__ = [
    "Entry",
    "GapFigure",
    "Matrix",
    "Sweep",
    "gap_figures",
    "matrix_tables",
    "mixture_half",
    "parse_checkpoints",
    "score",
    "write_matrix",
]
