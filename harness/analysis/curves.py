"""The area under a learning curve: one number for the scores at all sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.analysis.replicates import Curve, Values, align


def area_under_curve(curve: Curve) -> Values:
    """The mean score over log2 n between the smallest and the largest size, (R,): one a replicate, in its unit.

    By the trapezoid rule: linear between neighbouring sizes, so that each doubling counts alike. Fewer than two sizes,
    one below 1, and sizes of unequal replicates are a ValueError.
    """
    sizes = sorted(curve)
    if len(sizes) < 2 or sizes[0] < 1:
        raise ValueError(f"an area needs at least 2 sizes of at least 1, but got {sizes}")
    scores, _ = align([curve[size] for size in sizes], None)
    logarithms = np.log2(sizes)
    area: Values = np.trapezoid(scores, logarithms, axis=0) / (logarithms[-1] - logarithms[0])
    return area


def areas_under_curves(curves: Mapping[str, Curve]) -> dict[str, Values]:
    """The same of several arms, to be compared: other sizes than the first one's are a ValueError.

    >>> areas_under_curves({"none": {50: [10.0], 200: [20.0], 800: [50.0]}})
    {'none': array([25.])}
    """
    expected: Sequence[int] = sorted(next(iter(curves.values()), {}))
    for name, curve in curves.items():
        if sorted(curve) != expected:
            raise ValueError(
                f"areas are comparable over equal sizes alone, but {next(iter(curves))} has {expected} and {name} has "
                f"{sorted(curve)}"
            )
    return {name: area_under_curve(curve) for name, curve in curves.items()}
