"""What the page of a grid says of claims: a verdict on each, and the comparisons that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.report.claim_vocabulary import Claims
from harness.report.claims import Judgement, judgements
from harness.report.rows import Grid, Records, full_metric
from harness.report.tables import Entry, Listing


class Verdicts(NamedTuple):
    """The claims in a setting of the grid."""

    setting: str
    verdicts: Listing
    comparisons: Listing


def claims_section(claims: Claims, grid: Grid, records: Records) -> list[Verdicts]:
    """The verdicts in each setting in which a claim can be judged; none where there is no such."""
    return [
        Verdicts(setting.name, _verdicts(judged, full_metric(setting.metric, setting.corpus)), _comparisons(judged))
        for setting, judged in judgements(claims, grid, records)
        if any(one.is_judged for one in judged)
    ]


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
                Entry(finding.where),
                Entry(finding.told, best=finding.holds),
            ]
            for one in judged
            for finding in one.findings
            if finding.holds is not None
        ],
        numbers=False,
    )
