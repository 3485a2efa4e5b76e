"""What scores say: summaries, paired differences, label efficiency, areas under curves, and beyond the test set.

Plain numbers in, frozen dataclasses out; no records, no torch. docs/statistics.md defines each with its source and its
measured coverage.
"""

from harness.analysis.curves import area_under_curve, areas_under_curves
from harness.analysis.efficiency import Censored, LabelEfficiency, best_baseline, label_efficiency
from harness.analysis.paired import (
    Difference,
    Probability,
    holm,
    paired_difference,
    probability_of_improvement,
    tied_with_best,
    ties,
)
from harness.analysis.replicates import Curve
from harness.analysis.resampling import Metric, ResampledScore, resampled_score
from harness.analysis.summaries import Components, Summary, components, summarise

__all__ = [
    "Censored",
    "Components",
    "Curve",
    "Difference",
    "LabelEfficiency",
    "Metric",
    "Probability",
    "ResampledScore",
    "Summary",
    "area_under_curve",
    "areas_under_curves",
    "best_baseline",
    "components",
    "holm",
    "label_efficiency",
    "paired_difference",
    "probability_of_improvement",
    "resampled_score",
    "summarise",
    "tied_with_best",
    "ties",
]
