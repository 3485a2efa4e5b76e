"""Which arms of a grid belong together: what figures show in one panel, and what is a baseline of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.report.arms import Arm
from harness.report.rows import Grid, full_metric


@dataclass(frozen=True)
class Group:
    """The arms of one corpus entry and of one variant.

    `place` is the entry's in the grid, `metric_name` the name of its headline metric and `metric` what that says. An
    arm whose variant names fewer parameters than the group's belongs to it too: the others are none of its own.
    """

    place: int
    corpus: str
    metric_name: str
    metric: str
    variant: str
    arms: Sequence[Arm]

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return f"{self.corpus}; {self.variant}" if self.variant else self.corpus

    @property
    def encoders(self) -> list[str]:
        """In the grid's order; those of features alone only where there is no other."""
        with_vectors = [arm.curve.encoder for arm in self.arms if not arm.reads_features_alone]
        return list(dict.fromkeys(with_vectors or [arm.curve.encoder for arm in self.arms]))

    def arms_beside(self, encoder: str) -> list[Arm]:
        """The arms of an encoder, and those of features alone, which stand beside every one."""
        return [arm for arm in self.arms if arm.curve.encoder == encoder or arm.reads_features_alone]

    def name(self, arm: Arm) -> str:
        """What tells an arm from the others of its panel: its strategy, with its text and its variant where there are
        several of it; its encoder, with its strategy where there are several of it, where it reads features alone.
        """
        curve = arm.curve
        curves = [other.curve for other in self.arms if other.reads_features_alone == arm.reads_features_alone]
        if arm.reads_features_alone:
            strategies = {other.strategy for other in curves if other.encoder == curve.encoder}
            return f"{curve.encoder}, {curve.strategy}" if len(strategies) > 1 else curve.encoder
        same = [other for other in curves if other.strategy == curve.strategy]
        text = curve.text if len({other.text for other in same}) > 1 else None
        variants = {other.variant for other in same if other.encoder == curve.encoder}
        return ", ".join(filter(None, (curve.strategy, text, curve.variant if len(variants) > 1 else None)))


def groups_of(grid: Grid, arms: Sequence[Arm]) -> list[Group]:
    """The groups of a grid, by corpus entry and by variant; a variant that another one contains has none of its own."""
    groups = []
    for place, corpus in enumerate(grid["corpora"]):
        own = [arm for arm in arms if arm.curve.corpus == place]
        variants = list(dict.fromkeys(arm.curve.variant for arm in own))
        widest = [one for one in variants if not any(_parts(one) < _parts(other) for other in variants)]
        for variant in widest:
            together = [arm for arm in own if _parts(arm.curve.variant) <= _parts(variant)]
            metric = full_metric(corpus["metric"], corpus)
            groups.append(Group(place, corpus["label"], corpus["metric"], metric, variant, together))
    return groups


def joined(groups: Sequence[Group]) -> list[tuple[Group, list[Arm]]]:
    """Arms with all that they may be compared with: the groups that they are in, as one.

    Most arms are in one group. Where a baseline alone has an axis (`scaled-random` with several scales), an arm without
    it is in the group of each value, and all of them are baselines of it.
    """
    of_arm: dict[Arm, list[int]] = {}
    for place, group in enumerate(groups):
        for arm in group.arms:
            of_arm.setdefault(arm, []).append(place)
    found = []
    for own in dict.fromkeys(map(tuple, of_arm.values())):
        arms = [arm for arm, theirs in of_arm.items() if not set(own).isdisjoint(theirs)]
        variant = "; ".join(groups[place].variant for place in own)
        compared = [arm for arm, theirs in of_arm.items() if tuple(theirs) == own]
        found.append((replace(groups[own[0]], variant=variant, arms=arms), compared))
    return found


def _parts(variant: str) -> set[str]:
    return set(filter(None, variant.split(", ")))
