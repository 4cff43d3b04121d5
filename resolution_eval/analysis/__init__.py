"""The analysis: every figure and verdict of records, computed once, below all that shows them.

| module | noun |
| --- | --- |
| `sweeps` | the cells of one record that make one curve |
| `soundness` | what a cell must be for its accuracy to enter a figure: one table |
| `sampling` | scores by sample, the seed and the draws |
| `floor` | what a checkpoint that does not look would score |
| `blind_control` | whether it looks: one rule |
| `ranked` | probabilities of ranked choices: AUROC, average precision, Brier, calibration |
| `confusion` | how each class is told from the others |
| `curve` | all of that for one record and setting |
| `record_comparison` | two records |
| `series` | curves that differ in seed or prompt alone, as one |
| `sizes` | how small a thing is still seen, by what the samples say had to be seen |
| `strategies` | train x inference |
| `ranking` | models over tasks |
| `probes` | what behavioural probes say of each cell |
| `changing_samples` | samples whose verdict changes with the resolution |
| `plans` | what comparisons of a curve's resolutions can show |
| `headline` | the one sentence that a curve says |
"""

from resolution_eval.analysis.curve import CurveFigures, curve, figures
from resolution_eval.analysis.sampling import DRAWS, Figure
from resolution_eval.analysis.sweeps import Sweep, TaskSweeps, by_task

__all__ = [
    "DRAWS",
    "CurveFigures",
    "Figure",
    "Sweep",
    "TaskSweeps",
    "by_task",
    "curve",
    "figures",
]
