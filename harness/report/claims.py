"""Claims judged by the scores of a grid: supported, not supported (at which sizes) or not measured (why).

It reads the resolved grid, the records and the claims. A claim is supported where every comparison that it is made of
holds; one that fails outweighs those that could not be judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.claim_rules import Finding, Place, judge
from harness.report.claim_settings import Chosen, Setting, Unmeasured, settings_of
from harness.report.claim_vocabulary import Claim, Claims
from harness.report.curves import missing_cells
from harness.report.markdown import escape, table
from harness.report.rows import DECIMALS, Grid, Records, full_metric

SUPPORTED, NOT_SUPPORTED, NOT_MEASURED = "supported", "not supported", "not measured"

LEGEND = (
    "A claim is supported where every comparison that it is made of holds, at every size that it names; where it "
    "names none, at every size of the grid. `S1` to `S10` are counted from the training labels, and a size of the "
    "grid stands for one that differs by 1 % or less. Of several arms that a name stands for, such as the best "
    "pre-training or the best baseline, the one with the best mean dev score counts, at each size by itself; where "
    "one of them is not here and not refused by the grid, a claim may fail without it and is not supported. "
    "Differences are paired by replicate, in points, with their 95 % interval: `beats` asks for an interval above 0, "
    "`is about` for one within the points that it names, `is not worse by more than` so many points (this is what `at "
    "least` asks for) for one that does not go further below 0, `adds at most` for one that does not go above the "
    "points. `On average` is the mean over log2 of the labels: each doubling counts alike. A gain narrows where it "
    "`is less than on average` up to the labels that are named: the interval of the difference lies below 0; it is "
    "largest where it `is more than at any size` up to them: above 0 against each. A label efficiency must be reached "
    "by the low end of its interval; where the baseline's sizes end before so many labels it is not measured, unless "
    "even the high end falls short. Deviations are in points and without an interval: scores vary little where their "
    "deviation over text samples, initialisation kept, is at most a share of the second side's over initialisations, "
    "text kept (`varies at most 0.5 times as much as`); `varies more than` compares deviations over initialisations. "
    "What is measured of hidden vectors is in no points: k-NN agreement is a share, from 0 to 1, and the silhouette "
    "lies between -1 and 1. Bold: it holds there."
)
INITIALISATIONS = "An initialisation of this grid moves the {} with the initial weights."
DEVIATIONS = {"varies_little", "highest_variance"}
MOVED = {"subset": "labelled subset", "order": "order of the mentions"}
MOST_REASONS = 6
"""Things that a reason names; of more it tells how many."""


@dataclass(frozen=True)
class Judgement:
    """A claim with what was found of it in a setting."""

    claim: Claim
    findings: Sequence[Finding]

    @property
    def verdict(self) -> str:
        """One of `SUPPORTED`, `NOT_SUPPORTED` and `NOT_MEASURED`."""
        if any(finding.holds is False for finding in self.findings):
            return NOT_SUPPORTED
        return SUPPORTED if self.findings and all(finding.holds for finding in self.findings) else NOT_MEASURED

    @property
    def is_judged(self) -> bool:
        """Whether any comparison could be judged."""
        return any(finding.holds is not None for finding in self.findings)

    @property
    def places(self) -> list[Place]:
        """Where a comparison fails."""
        return list(dict.fromkeys(finding.place for finding in self.findings if finding.holds is False))

    @property
    def reasons(self) -> list[str]:
        """Why what is not measured is not."""
        if self.claim.not_measured:
            return [self.claim.not_measured]
        by_form: dict[str, list[str]] = {}
        for why in _whys(self.findings):
            things = by_form.setdefault(why.form, [])
            things += [why.thing] if why.thing not in things else []
        for things in by_form.values():
            things[MOST_REASONS:] = [f"{len(things) - MOST_REASONS:,} more"] * (len(things) > MOST_REASONS)
        return [form.format(_listed(things)) for form, things in by_form.items()]

    @property
    def told(self) -> str:
        """The verdict in a line: where it fails, how many comparisons hold, why some are not measured."""
        judged = [finding for finding in self.findings if finding.holds is not None]
        held = f"{sum(finding.holds is True for finding in judged)} of {len(judged)} comparisons hold"
        reasons = "; ".join(self.reasons)
        if self.verdict == SUPPORTED:
            return f"{SUPPORTED}: {held}"
        if self.verdict == NOT_SUPPORTED:
            also = f"; {NOT_MEASURED}: {reasons}" if reasons else ""
            return f"{NOT_SUPPORTED} {_places_in_words(self.places)}: {held}{also}"
        return f"{NOT_MEASURED}: {reasons}" + (f"; of the rest {held}" if judged else "")


Judged = tuple[Setting, Sequence[Judgement]]
"""A setting with what was found of every claim there."""


def judgements(claims: Claims, grid: Grid, records: Records, metric: str | None = None) -> list[Judged]:
    """Every claim judged in every setting of a grid: the arms that may be compared; see `settings_of`."""
    found: list[Judged] = []
    for setting in settings_of(grid, records, metric):
        judged = [
            Judgement(claim, [finding for part in claim.parts for finding in judge(setting, part)])
            for claim in claims.claims
        ]
        found.append((setting, judged))
    return found


def render_claims(claims: Claims, grid: Grid, records: Records, format: str, metric: str | None = None) -> str:
    """The claims with their verdicts and numbers as text in one of `FORMATS`."""
    return FORMATS[format](claims, grid, judgements(claims, grid, records, metric))


def told_apart(found: Sequence[Judged]) -> tuple[list[Judged], str]:
    """The settings in which a claim could be judged, and what is said of the others, if there are any."""
    can = [(setting, judged) for setting, judged in found if any(one.is_judged for one in judged)]
    others = [setting.name for setting, judged in found if not any(one.is_judged for one in judged)]
    return can, f"No claim can be judged in: {'; '.join(others)}. `claims --format json` says why." if others else ""


def _markdown(claims: Claims, grid: Grid, found: Sequence[Judged]) -> str:
    parts = [f"# Claims: {grid['name']}", f"{claims.title}.", LEGEND]
    can, others = told_apart(found)
    for setting, judged in can:
        metric = full_metric(setting.metric, setting.corpus)
        lines = [[str(one.claim.number), escape(one.claim.says), escape(one.told)] for one in judged]
        notice = setting.corpus["notice"]
        chosen = chosen_on_dev(setting)
        parts += [
            f"## {setting.name}",
            f"> **Notice: {notice}**" if notice else "",
            f"{metric}, of the test part; {setting.full:,} training labels are all.",
            table(["", "claim", "verdict"], [], lines),
            "\n".join(f"- {note}" for note in notes(setting, judged)),
            _numbers(judged),
            "\n".join(["### Chosen on dev\n", *(f"- {line}" for line in chosen)]) if chosen else "",
        ]
    parts.append(others)
    return "\n\n".join(part for part in parts if part) + "\n"


def notes(setting: Setting, judged: Sequence[Judgement]) -> list[str]:
    """What is to be known of single claims, and the cells that are not complete."""
    moved = [told for name, told in MOVED.items() if setting.crossed or name in setting.vary]
    found = []
    for one in judged:
        rules = {part.rule for part in one.claim.parts if one.is_judged}
        told = [one.claim.note] if one.claim.note and one.is_judged else []
        told += [INITIALISATIONS.format(" and the ".join(moved))] if moved and not rules.isdisjoint(DEVIATIONS) else []
        found += [f"Claim {one.claim.number}: {note}" for note in told]
    return found + [f"Not complete: {line}" for line in missing_cells(setting.curves)]


def _numbers(judged: Sequence[Judgement]) -> str:
    """A line for each comparison, a column for each place."""
    places = {finding.place: finding.where for one in judged for finding in one.findings if finding.holds is not None}
    ordered = sorted(places, key=lambda place: (place is None, place and (place[0] != place[1], place)))
    lines = []
    for one in judged:
        by_comparison: dict[str, dict[Place, str]] = {}
        for finding in one.findings:
            if finding.holds is not None:
                shown = f"**{finding.told}**" if finding.holds else finding.told
                by_comparison.setdefault(finding.comparison, {})[finding.place] = shown
        for comparison, cells in by_comparison.items():
            line = [cells.get(place, "") for place in ordered]
            lines.append([str(one.claim.number), escape(comparison), *line])
    if not lines:
        return ""
    return "### The numbers\n\n" + table(["claim", "comparison"], [places[place] for place in ordered], lines)


def chosen_on_dev(setting: Setting) -> list[str]:
    """Which arms dev has chosen: `pre-training of bilstm: seq-unshared at 50 and 200; seq-shared at 800`."""
    lines = []
    for names, (words, by_size) in setting.chosen.items():
        sizes = {name: [f"{size:,}" for size in sorted(by_size) if by_size[size] == name] for name in names}
        told = [f"{_short(name, names)} at {_listed(own)}" for name, own in sizes.items() if own]
        lines.append(f"{words}: {'; '.join(told)}")
    return lines


def _short(name: str, names: Sequence[str]) -> str:
    """The name of an arm without what all the names have in common."""
    common = set.intersection(*(set(one.split(", ")) for one in names))
    return ", ".join(part for part in name.split(", ") if part not in common) or name


def _json(claims: Claims, grid: Grid, found: Sequence[Judged]) -> str:
    plain = [
        {
            "setting": setting.name,
            "metric": full_metric(setting.metric, setting.corpus),
            "notice": setting.corpus["notice"],
            "claims": [_plain(one) for one in judged],
            "chosen_on_dev": _chosen(setting.chosen),
        }
        for setting, judged in found
    ]
    told = {"grid": grid["name"], "title": claims.title, "settings": plain}
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(one: Judgement) -> dict[str, Any]:
    return {
        "number": one.claim.number,
        "says": one.claim.says,
        "note": one.claim.note,
        "verdict": one.verdict,
        "told": one.told,
        "not_measured": one.reasons,
        "findings": [
            {
                "comparison": finding.comparison,
                "where": finding.where,
                "holds": finding.holds,
                "told": finding.told,
                "numbers": _rounded(finding.numbers),
                "chosen_on_dev": _chosen(finding.chosen),
            }
            for finding in one.findings
        ],
    }


def _chosen(chosen: Chosen) -> list[dict[str, Any]]:
    return [{"name": words, "by_size": dict(sorted(by_size.items()))} for words, by_size in chosen.values()]


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, DECIMALS) if isinstance(value, float) else value


def _whys(findings: Iterable[Finding]) -> list[Unmeasured]:
    return [finding.unmeasured for finding in findings if finding.unmeasured is not None]


def _places_in_words(places: Sequence[Place]) -> str:
    """`at 50 and 200 labels, at 801 against 3,202 labels, on average over sizes`."""
    alike = sorted(place[0] for place in places if place and place[0] == place[1])
    words = [f"at {_listed([f'{size:,}' for size in alike])} labels"] if alike else []
    words += [f"at {place[0]:,} against {place[1]:,} labels" for place in places if place and place[0] != place[1]]
    return ", ".join(words + ["on average over sizes"] * (None in places))


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


FORMATS: Mapping[str, Callable[[Claims, Grid, Sequence[Judged]], str]] = {
    "md": _markdown,
    "json": _json,
}
