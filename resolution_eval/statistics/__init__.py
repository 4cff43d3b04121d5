"""Figures of a resolution sweep, each with its interval: pure functions over NumPy and SciPy.

| module | noun |
| --- | --- |
| `curves` | figures of one accuracy curve: area, worst drop, retention, rho, ACE, RCE, excess ACE |
| `resampling` | paired answers, and their accuracies resampled by cluster |
| `intervals` | the interval of every figure, by the method that simulation chose |
| `noise` | the noise floor of figures that noise can only raise |
| `comparison` | paired tests, Holm, detectable drops |
| `fits` | the knee, and the cheapest resolution that reaches the best one |
| `hierarchy` | means over data sets and modalities; ranks |
| `gaps` | gaps of the train by infer matrix |
| `tables` | published tables: the commands `metrics` and `gaps` |
"""

from resolution_eval.statistics.curves import Curve, Withheld, balanced_accuracy
from resolution_eval.statistics.intervals import Interval

__all__ = ["Curve", "Interval", "Withheld", "balanced_accuracy"]
