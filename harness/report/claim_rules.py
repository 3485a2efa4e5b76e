"""The rules by which the parts of a claim are judged: what each finds at a size, and whether the part holds there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from harness.analysis import Censored, Difference, label_efficiency, paired_difference
from harness.analysis.replicates import ROUNDING, Values
from harness.report.claim_settings import Chosen, Setting, Unmeasured
from harness.report.claim_vocabulary import Choice, Part, Side

Place = tuple[int, ...] | None
"""The sizes at which the first and the second side are looked at; None where they are averaged over all sizes, and
nothing where a part names no size that the grid has.
"""


@dataclass(frozen=True)
class Finding:
    """What was found of a comparison at a place: whether it holds, in words, and the numbers.

    `holds` is None where it could not be judged; `unmeasured` says why then. `chosen` are the arms that dev chose for
    it, as in `Setting`.
    """

    comparison: str
    place: Place
    holds: bool | None
    told: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    unmeasured: Unmeasured | None = None
    chosen: Chosen = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The place in a table's words: `50`, `801 against 3,202`, `on average`."""
        return (
            "on average" if self.place is None else " against ".join(f"{size:,}" for size in dict.fromkeys(self.place))
        )


@dataclass(frozen=True)
class _Asked:
    """A part of a claim, with one second side and one encoder in turn, at a place of a setting."""

    setting: Setting
    part: Part
    second: Side | None
    encoder: str | None
    place: Place

    def scores(self, side: Side, end: int) -> Values:
        """Test scores or gains, (R,), at the place of the first side, `end` 0, or of the second, 1."""
        if self.place is None:
            return self.setting.average(side, self.encoder, self.setting.sizes)
        return self.setting.scores(side, self.encoder, self.place[end])

    def gain(self, size: int) -> Values:
        """Those of the first side at another size."""
        return self.setting.scores(self.part.first, self.encoder, size)

    @property
    def other(self) -> Side:
        """The second side, of a rule that has one."""
        assert self.second is not None
        return self.second

    @property
    def size(self) -> int:
        """The size, of a rule that looks at one."""
        assert self.place is not None
        return self.place[0]


Found = tuple[bool, str, Mapping[str, Any]]


def judge(setting: Setting, part: Part) -> Iterator[Finding]:
    """What is found of a part, for every encoder and second side, at every place.

    Where any could be judged, a further finding tells of each arm that a side names and that is not here: the others of
    its side can fail a claim without it, but not support one.
    """
    for encoder, second in product(part.encoders, part.seconds):
        comparison = part.words(second, encoder)
        try:
            places = _places(setting, part, second)
        except Unmeasured as why:
            yield Finding(comparison, (), None, str(why), unmeasured=why)
            continue
        is_judged = False
        for place in places:
            own = dataclasses.replace(setting, by=part.by, chosen={})
            try:
                holds, told, numbers = _RULES[part.rule](_Asked(own, part, second, encoder, place))
                is_judged = True
                yield Finding(comparison, place, holds, told, numbers, chosen=own.chosen)
            except Unmeasured as why:
                yield Finding(comparison, place, None, str(why), unmeasured=why)
            for names, (words, by_size) in own.chosen.items():
                setting.chosen.setdefault(names, (words, {}))[1].update(by_size)
        if is_judged:
            yield from _absent(setting, part, second, encoder)


def _absent(setting: Setting, part: Part, second: Side | None, encoder: str | None) -> Iterator[Finding]:
    """A finding of each arm that a side names beside others and that is not here."""
    for choice in (choice for side in (part.first, second) if side for choice in side.choices):
        for name in setting.absent(choice, encoder):
            why = Unmeasured(f"{choice.name.rpartition('/')[2]}: here there is no {{}}", name)
            yield Finding(part.words(second, encoder), (), None, str(why), unmeasured=why)


def _places(setting: Setting, part: Part, second: Side | None) -> list[Place]:
    if "above" in part.bounds:
        return [(size, size) for size in setting.sizes_of(f"above {part.bounds['above']}")]
    if part.sizes == ("on average",):
        if len(setting.sizes) < 2:
            raise Unmeasured("{}", "an average needs at least 2 sizes")
        return [None]
    if part.first.first.size is not None:
        assert second is not None
        assert second.first.size is not None
        return [(setting.size_of(part.first.first.size), setting.size_of(second.first.size))]
    sizes = sorted({size for written in part.sizes for size in setting.sizes_of(written)})
    return [(size, size) for size in sizes]


def _difference(first: Values, second: Values, setting: Setting) -> Difference:
    """The paired difference; Unmeasured where it has no interval."""
    found = paired_difference(first, second, crossed=setting.crossed)
    if found.p is None:
        raise Unmeasured("{}", "one replicate has no interval")
    return found


def _told(difference: Difference, digits: int = 1) -> str:
    return f"{difference.mean:+.{digits}f} [{difference.low:+.{digits}f}, {difference.high:+.{digits}f}]"


def _by_difference(holds: Callable[[Difference, Mapping[str, Any]], bool]) -> Callable[[_Asked], Found]:
    def rule(asked: _Asked) -> Found:
        found = _difference(asked.scores(asked.part.first, 0), asked.scores(asked.other, 1), asked.setting)
        digits = 3 if asked.part.by else 1  # no points: what is measured of hidden vectors lies between -1 and 1
        return holds(found, asked.part.bounds), _told(found, digits), dataclasses.asdict(found)

    return rule


def _efficiency(asked: _Asked) -> Found:
    """Surely at least so many times: the low end of its interval is.

    Where the baseline's sizes end before so many times as many labels, no score could reach that: there it fails only
    if even the high end, known as a number, falls short. Where they begin after so many, it may be less or more.
    """
    setting, size = asked.setting, asked.size
    least, most = (asked.part.bounds["times"] * (1 + sign * ROUNDING) for sign in (-1, 1))
    first = {size: setting.scores(asked.part.first, asked.encoder, size)}
    baseline = {known: setting.scores(asked.other, asked.encoder, known) for known in setting.sizes}
    found = label_efficiency(first, baseline, crossed=setting.crossed)[size]  # type: ignore[arg-type]
    if found.low is None or found.high is None:
        raise Unmeasured("{}", "one replicate has no interval")
    last = Censored(setting.sizes[-1] / size)
    if last.value < least <= found.high.most:
        form = f"the baseline ends at {setting.sizes[-1]:,} labels: at most {{}} can be told"
        raise Unmeasured(form, f"{last.told()}x at {size:,}")
    if found.low.side == "<" and found.low.value > most:
        form = f"the baseline starts at {setting.sizes[0]:,} labels: no less than {{}} can be told"
        raise Unmeasured(form, f"{found.low.value:.1f}x at {size:,}")
    return found.low.least >= least, found.told(), dataclasses.asdict(found)


def _varies_little(asked: _Asked) -> Found:
    setting, crossed = asked.setting, asked.setting.crossed
    if crossed is None:
        raise Unmeasured("{}", "replicates move the text sample with the rest, or not at all; `crossed` separates it")
    scores = setting.scores(asked.part.first, asked.encoder, asked.size)
    if len(scores) == crossed:
        raise Unmeasured("no text is read by {}", asked.part.first.name)
    own = math.sqrt(_variance(scores, crossed, of_samples=True))
    others = _deviation(setting, asked.other.first, asked.encoder, asked.size)
    told = f"{own:.1f} against {others:.1f}"
    return (
        own <= asked.part.bounds["share"] * others + ROUNDING,
        told,
        {"sd_samples": own, "sd_initialisations": others},
    )


def _highest_variance(asked: _Asked) -> Found:
    choices = (asked.part.first.first, asked.other.first)
    own, other = (_deviation(asked.setting, choice, asked.encoder, asked.size) for choice in choices)
    return own > other + ROUNDING, f"{own:.1f} against {other:.1f}", {"sd": own, "sd_second": other}


def _deviation(setting: Setting, choice: Choice, encoder: str | None, size: int) -> float:
    """The deviation over initialisations, pooled over all arms of a choice: the root of their mean variance."""
    squares = []
    for arm in setting.arms(choice, encoder):
        scores = np.asarray(setting.scores_of(arm, size))
        if "sample" in setting.vary and not setting.crossed and arm.text:
            raise Unmeasured("{}", "replicates move the text sample with the initialisation; `crossed` separates them")
        if "initialisation" not in setting.vary and not setting.crossed:
            raise Unmeasured("{}", "replicates do not move the initialisation")
        if len(scores) < 2:
            raise Unmeasured("{}", "one replicate has no deviation")
        squares.append(_variance(scores, setting.crossed or len(scores)))
    return math.sqrt(float(np.mean(squares)))


def _variance(scores: Values, initialisations: int, of_samples: bool = False) -> float:
    """The variance over initialisations within a text sample, or the other way, mean over the other.

    So either holds all that makes single scores differ while the other is kept, both's interaction included. Of one
    sample, or of an arm without text, it is that of its scores.
    """
    table = scores.reshape(-1, initialisations)  # (S, I)
    return float(table.var(axis=0 if of_samples else 1, ddof=1).mean())


def _narrows(asked: _Asked) -> Found:
    """Less than on average over the sizes up to the bound, as `on average` has it: the mean over log2 n."""
    below, _ = asked.setting.parted(str(asked.part.bounds["above"]))
    if not below:
        raise Unmeasured("here there is no size up to {} labels", str(asked.part.bounds["above"]))
    before = asked.setting.average(asked.part.first, asked.encoder, below)
    found = _difference(asked.gain(asked.size), before, asked.setting)
    return found.high < 0, _told(found), dataclasses.asdict(found)


def _largest(asked: _Asked) -> Found:
    """More than at each size up to the bound; told is the lead whose interval begins lowest."""
    below, _ = asked.setting.parted(str(asked.part.bounds["above"]))
    if not below:
        raise Unmeasured("here there is no size up to {} labels", str(asked.part.bounds["above"]))
    own = asked.gain(asked.size)
    leads = {size: _difference(own, asked.gain(size), asked.setting) for size in below}
    size, least = min(leads.items(), key=lambda lead: lead[1].low)
    return least.low > 0, f"{_told(least)} over that at {size:,}", {**dataclasses.asdict(least), "over": size}


_RULES: Mapping[str, Callable[[_Asked], Found]] = {
    "beats": _by_difference(lambda found, _: found.low > 0),
    "about": _by_difference(lambda found, bounds: -bounds["within"] <= found.low and found.high <= bounds["within"]),
    "at_least": _by_difference(lambda found, bounds: found.low >= -bounds["within"]),
    "at_most": _by_difference(lambda found, bounds: found.high <= bounds["points"]),
    "efficiency_at_least": _efficiency,
    "varies_little": _varies_little,
    "highest_variance": _highest_variance,
    "narrows": _narrows,
    "largest": _largest,
}
