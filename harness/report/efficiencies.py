"""Label efficiency within a grid: what is compared with what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from harness.analysis import LabelEfficiency, best_baseline, label_efficiency
from harness.report.arms import Arm
from harness.report.groups import Group


@cache
def baseline() -> str:
    """The strategy against which a leaderboard tells label efficiency."""
    text = (resources.files("benchmarks") / "leaderboard.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["baseline"])


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

    Where the group has pre-trained arms these are compared, and the baseline is the best on dev, at each size, of the
    encoder's others and of those of features alone. Elsewhere the encoder's first arm in the grid is the baseline of
    its others. An arm with an incomplete cell is no baseline: between the sizes left, its curve would be another.
    """
    arms = group.arms_beside(encoder)
    if any(arm.is_pretrained for arm in group.arms):
        baselines = [arm for arm in arms if not arm.is_pretrained]
        compared = [arm for arm in arms if arm.is_pretrained]
    else:
        own = [arm for arm in arms if arm.curve.encoder == encoder]
        baselines, compared = own[:1], own[1:]
    return _against(group, baselines, compared, metric)


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
