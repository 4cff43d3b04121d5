"""Figures of a resolution sweep, each with its interval: pure functions over NumPy and SciPy.

| module | noun |
| --- | --- |
| `curves` | figures of one accuracy curve: area, drops, rho, ACE, RCE, excess ACE |
| `resampling` | paired answers, failed ones with their worst cases, resampled by cluster |
| `proportions` | score intervals in closed form: Wilson, Tango, sums and ratios |
| `intervals` | the interval of every figure, by the method that simulation chose |
| `floors` | the floor (chance, constant, blind); gain, its area, retention, worst drop above it |
| `margin` | what is shown to lose no more than delta: the choice of r, robustness |
| `discrimination` | balanced accuracy, AUROC, average precision |
| `calibration` | Brier score, calibration error |
| `replicates` | runs that differ in seed or prompt alone, as one figure |
| `noise` | the noise floor of figures that noise can only raise |
| `paired_tests` | paired tests, Holm |
| `planning` | what drop samples can show, by the test that is really made |
| `fits` | the knee, where a smooth curve is rejected |
| `hierarchy` | means over data sets and modalities; ranks |
| `bysize`, `psychometric`, `thresholds`, `inversion` | how small a thing is still seen |
| `strategy_gaps` | gaps of the train by infer matrix |
| `published_curves` | published tables: the commands `metrics` and `gaps` |
| `agreement` | whether what was repeated disagrees to one side alone |
| `promises` | every figure that is printed with an interval, and where its coverage is measured |

Typical use, for one curve (columns) of one record::

    answers = align([*columns, blind, *constants(targets).values()], clusters)  # None: failed
    if answers.withheld is not None: ...           # more than 5 % failed: no figure
    drawn = resample(answers, seed=seed, resamples=2_000)
    floor = Floor(chance, {"blind": k, "always A": k + 1, ...})     # their columns
    intervals.figure("area", drawn, grid)          # first len(grid.resolutions) columns
    floors.gain_area(drawn, grid, floor)           # Interval | Withheld
    floors.retention(drawn, column, reference, floor)
    floors.above(drawn, column, floor)
    margin.choose(drawn, grid, delta=0.02, costs=tokens)            # Choice | Unshown
    margin.robust(drawn, grid, delta=0.02)         # Robustness
    paired_tests.compare(answers, 0, 1, seed=seed)   # Comparison | Withheld

Only ACE, RCE, excess ACE, the drops, ranks, average precision and calibration error use draws; all
else is in closed form, the same for every seed.
"""

from resolution_eval.statistics.curves import Curve, Withheld, balanced_accuracy
from resolution_eval.statistics.intervals import Interval

__all__ = ["Curve", "Interval", "Withheld", "balanced_accuracy"]
