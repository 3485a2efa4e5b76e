"""Scores by pre-training text: kinds of it, and how much of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.report.arms import Arm
from harness.report.drawing import Drawn, Skipped, legend, panels, styles
from harness.report.figures_curves import draw_curves, intervals, no_curves, not_drawn, seen

KIND, TITLE = "texts", "Pre-training texts"


def text_curves(corpus: str, metric: str, arms: Sequence[Arm]) -> list[Drawn | Skipped]:
    """A panel for each encoder and strategy that reads several texts, in it a line for each, as in Figure 5.

    `arms` are all of a corpus entry. Texts differ in what they are, or in how much is taken of one; what else a variant
    says makes a figure of its own.
    """
    by_variant: defaultdict[str, defaultdict[str, dict[str, Arm]]] = defaultdict(lambda: defaultdict(dict))
    for arm in arms:
        if arm.curve.text:
            of_text, other = _parts(arm)
            pairs = by_variant[", ".join(other)]
            pairs[f"{arm.curve.encoder}, {arm.curve.strategy}"][", ".join([arm.curve.text, *of_text])] = arm
    several = {
        variant: {pair: texts for pair, texts in pairs.items() if len(texts) > 1}
        for variant, pairs in by_variant.items()
    }
    made = [
        _figure(f"{corpus}; {other}" if other else corpus, metric, pairs) for other, pairs in several.items() if pairs
    ]
    return made or [Skipped(TITLE, corpus, "no strategy reads more than one text")]


def _figure(where: str, metric: str, pairs: dict[str, dict[str, Arm]]) -> Drawn | Skipped:
    everyone = [arm for texts in pairs.values() for arm in texts.values()]
    if why := no_curves(everyone):
        return Skipped(TITLE, where, why)
    complete = {pair: {name: arm for name, arm in texts.items() if arm.complete} for pair, texts in pairs.items()}
    complete = {pair: texts for pair, texts in complete.items() if texts}
    looks = styles([name for texts in complete.values() for name in texts])
    figure, axes = panels(list(complete), where, metric)
    for pair, axis in axes.items():
        draw_curves(axis, complete[pair], looks)
    legend(figure, list(axes.values()), columns=2)
    said = " ".join(f"{pair}: {seen(texts)}." for pair, texts in complete.items())
    return Drawn(
        kind=KIND,
        title=TITLE,
        where=where,
        said=f"{metric} by the number of training labels, a line for each text. {said}",
        notes=[intervals(everyone), *not_drawn(everyone)],
        table=None,
        figure=figure,
    )


def _parts(arm: Arm) -> tuple[list[str], list[str]]:
    """What the variant of an arm says of its text, such as `sentences=1000`, and what else it says."""
    text = arm.curve.spec.get("text") or {}
    known = {f"{name}={value}" for name, value in (text | (text.get("parameters") or {})).items()}
    parts = [part for part in arm.curve.variant.split(", ") if part]
    return [part for part in parts if part in known], [part for part in parts if part not in known]
