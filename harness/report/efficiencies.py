"""Label efficiency within a grid: what is compared with what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from harness.analysis import LabelEfficiency, best_baseline, label_efficiency
from harness.report.arms import Arm
from harness.report.groups import Group


def baseline() -> str:
    """The strategy against which a leaderboard tells label efficiency."""
    return str(_told()["baseline"])


def is_baseline(arm: Arm, encoder: str) -> bool:
    """Whether it is one of those of which, for the arms of an encoder, the best on dev counts."""
    own = arm.curve.encoder == encoder
    name = arm.curve.strategy if own else f"{arm.curve.encoder}/{arm.curve.strategy}"
    return name in _told()["baselines"]


@cache
def _told() -> dict[str, Any]:
    text = (resources.files("benchmarks") / "leaderboard.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@dataclass(frozen=True)
class Compared:
    """The label efficiencies of an encoder's arms by their names in the group, and against what: the baseline's name at
    each size, and in words.
    """

    baseline: Mapping[int, str]
    named: str
    arms: Mapping[str, Mapping[int, LabelEfficiency]]


def compare(group: Group, encoder: str, metric: str | None = None) -> Compared | str:
    """The label efficiencies of an encoder's arms, or why there are none; `metric` in place of the headline metric.

    The baseline is the best on dev, at each size, of those that `is_baseline` tells; all others of the encoder are
    compared. In a group that has nothing but baselines, the encoder's first arm in the grid is the baseline of its
    others. An arm with an incomplete cell is no baseline: between the sizes left, its curve would be another.
    """
    arms = group.arms_beside(encoder)
    own = [arm for arm in arms if arm.curve.encoder == encoder]
    if has_others(group):
        compared = [arm for arm in own if not is_baseline(arm, encoder)]
        return _against(group, [arm for arm in arms if is_baseline(arm, encoder)], compared, metric)
    return _against(group, own[:1], own[1:], metric)


def has_others(group: Group) -> bool:
    """Whether a group has arms that are no baselines: those are compared with the best of these."""
    return not all(is_baseline(arm, encoder) for encoder in group.encoders for arm in group.arms_beside(encoder))


def compare_with(strategy: str, group: Group, encoder: str, metric: str | None = None) -> Compared | str:
    """The same with one strategy of the encoder as the baseline of all its others."""
    own = [arm for arm in group.arms if arm.curve.encoder == encoder]
    baselines = [arm for arm in own if arm.curve.strategy == strategy]
    return _against(group, baselines, [arm for arm in own if arm not in baselines], metric)


def _against(group: Group, baselines: Sequence[Arm], compared: Sequence[Arm], metric: str | None) -> Compared | str:
    metric = metric or group.metric_name
    baselines = [arm for arm in baselines if arm.complete and len(arm.complete) == len(arm.cells)]
    compared = [arm for arm in compared if arm.complete]
    if not baselines:
        return "no baseline is complete"
    if not compared:
        return "there is nothing to compare with the baseline"
    test = {group.name(arm): arm.curve.test[metric] for arm in baselines}
    dev = {group.name(arm): arm.curve.dev[metric] for arm in baselines} if len(test) > 1 else test
    if not set.intersection(*(set(curve) for curve in dev.values())):
        return "the baselines have no size in common"
    best = best_baseline(dev)
    curve = {size: test[name][size] for size, name in best.items()}
    crossed = next((arm.curve.crossed for arm in (*baselines, *compared) if arm.curve.crossed), None)
    told = {group.name(arm): label_efficiency(arm.curve.test[metric], curve, crossed=crossed) for arm in compared}
    return Compared(best, _named(best, len(dev)), told)


def _named(best: Mapping[int, str], baselines: int) -> str:
    """A baseline in words: `none`, or at which sizes it is which."""
    if baselines == 1:
        return next(iter(best.values()))
    sizes: dict[str, list[str]] = {}
    for size, name in best.items():
        sizes.setdefault(name, []).append(f"{size:,}")
    if len(sizes) == 1:
        return f"the best on dev, {next(iter(sizes))}"
    return "the best on dev: " + "; ".join(f"{name} at {', '.join(at)}" for name, at in sizes.items())
