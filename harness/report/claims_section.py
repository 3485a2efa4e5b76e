"""What the page of a grid says of claims: a verdict on each, what is to be known of them, and their comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.report.claim_vocabulary import Claims
from harness.report.claims import Judgement, chosen_on_dev, judgements, notes, told_apart
from harness.report.rows import Grid, Records, full_metric
from harness.report.tables import Entry, Listing


class Verdicts(NamedTuple):
    """The claims in a setting of the grid, with what is to be known of them and the arms that dev has chosen."""

    setting: str
    verdicts: Listing
    notes: Sequence[str]
    comparisons: Listing
    chosen: Sequence[str]


class Section(NamedTuple):
    """The settings in which a claim can be judged, and what is said of the others; empty where there are none."""

    settings: Sequence[Verdicts]
    others: str


def claims_section(claims: Claims, grid: Grid, records: Records) -> Section:
    """The verdicts in each setting in which a claim can be judged."""
    can, others = told_apart(judgements(claims, grid, records))
    settings = [
        Verdicts(
            setting.name,
            _verdicts(judged, full_metric(setting.metric, setting.corpus)),
            notes(setting, judged),
            _comparisons(judged),
            chosen_on_dev(setting),
        )
        for setting, judged in can
    ]
    return Section(settings, others)


def _verdicts(judged: Sequence[Judgement], metric: str) -> Listing:
    return Listing(
        f"Verdicts by {metric}, of the test part",
        ["number", "claim", "verdict", "in detail"],
        1,
        [
            [
                Entry(str(one.claim.number), one.claim.number),
                Entry(one.claim.says),
                Entry(one.verdict),
                Entry(one.told.removeprefix(one.verdict).strip(" :")),
            ]
            for one in judged
        ],
        numbers=False,
    )


def _comparisons(judged: Sequence[Judgement]) -> Listing:
    return Listing(
        "Every comparison that could be judged, by claim",
        ["claim", "comparison", "where", "found"],
        1,
        [
            [
                Entry(str(one.claim.number), one.claim.number),
                Entry(finding.comparison),
                Entry(finding.where, finding.place[0] if finding.place else None),
                Entry(finding.told, best=finding.holds),
            ]
            for one in judged
            for finding in one.findings
            if finding.holds is not None
        ],
        numbers=False,
    )
