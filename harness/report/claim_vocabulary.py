"""What a claim is made of: parts, each of which compares two sides by a rule.

docs/statistics.md says what each rule asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SELECTIONS = ("random", "whole", "target-pairs", "target-train")
"""Which sentences of a text are read."""

SIZE = r"S(?:10|[1-9])|full|[1-9]\d*"
"""A number of training labels: a count, S1 to S10, or all."""


@dataclass(frozen=True)
class Rule:
    """What a part of this rule says, and what it takes besides a first side and encoders.

    `bounds` are the numbers that it takes, each with its default; `has_second` is whether it takes second sides,
    `has_sizes` whether it takes sizes, `takes_gains` whether a side may be a gain, and `takes_measures` whether it may
    look at one of `MEASURES` in place of scores.
    """

    words: str
    bounds: Mapping[str, float | None]
    has_second: bool = True
    has_sizes: bool = True
    takes_gains: bool = True
    takes_measures: bool = False


RULES = {
    "beats": Rule("beats", {}, takes_measures=True),
    "about": Rule("is about (within {within} points)", {"within": 2}),
    "at_least": Rule("is not worse by more than {within} points than", {"within": 2}),
    "at_most": Rule("adds at most {points} points to", {"points": None}),
    "efficiency_at_least": Rule(
        "has a label efficiency of at least {times} against", {"times": None}, takes_gains=False
    ),
    "varies_little": Rule("varies at most {share} times as much as", {"share": 0.5}, takes_gains=False),
    "highest_variance": Rule("varies more than", {}, takes_gains=False),
    "narrows": Rule("is less than on average up to {above} labels", {"above": None}, has_second=False, has_sizes=False),
    "largest": Rule(
        "is more than at any size up to {above} labels", {"above": None}, has_second=False, has_sizes=False
    ),
}
"""The rules by their names in a file."""

MEASURES = {
    "knn before": "k-NN agreement of hidden vectors before fine-tuning",
    "silhouette before": "silhouette of hidden vectors before fine-tuning",
    "knn after": "k-NN agreement of hidden vectors after fine-tuning",
    "silhouette after": "silhouette of hidden vectors after fine-tuning",
}
"""What may be compared in place of test scores, by its name in a file: measure and time as records have them."""


@dataclass(frozen=True)
class Choice:
    """The arms of some strategies, of which at each size the one with the best mean dev score counts.

    `name` is what is written. `members` are encoders and strategies; an encoder that is None is the one in turn.
    `selection` is that of the text which an arm reads if it reads one; `size` is where it is looked at, in place of the
    part's sizes.
    """

    name: str
    members: tuple[tuple[str | None, str], ...]
    selection: str | None = None
    size: str | None = None

    @property
    def names(self) -> str:
        """What is written, without the text."""
        return self.name.partition(" on ")[0]

    @property
    def is_open(self) -> bool:
        """Whether it takes the encoder in turn."""
        return any(encoder is None for encoder, _ in self.members)

    def of(self, encoder: str | None) -> list[tuple[str, str]]:
        """Its members, with an encoder in turn."""
        return [(own or str(encoder), strategy) for own, strategy in self.members]


@dataclass(frozen=True)
class Side:
    """What a part looks at: the scores of a choice, or what it gains over another."""

    first: Choice
    over: Choice | None = None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Both, or the one."""
        return (self.first,) if self.over is None else (self.first, self.over)

    @property
    def name(self) -> str:
        """What is written."""
        return " over ".join(choice.name for choice in self.choices)


@dataclass(frozen=True)
class Part:
    """One comparison of a claim, made for every encoder, against every second side, at every size.

    `bounds` are the rule's numbers; `above` is a size as written. `by` is one of `MEASURES`; None: test scores.
    """

    rule: str
    first: Side
    seconds: tuple[Side | None, ...]
    encoders: tuple[str | None, ...]
    sizes: tuple[str, ...]
    bounds: Mapping[str, Any]
    by: str | None = None

    def words(self, second: Side | None, encoder: str | None) -> str:
        """The comparison in a table's words: `bilstm: stepwise beats avg-embed`."""
        bounds = {key: f"{value:,}" if isinstance(value, int) else value for key, value in self.bounds.items()}
        rule = RULES[self.rule].words.format(**bounds)
        words = [f"{encoder}:" if encoder else "", self.first.name, rule, second.name if second else ""]
        words.append(f"by {MEASURES[self.by]}" if self.by else "")
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Claim:
    """What is claimed, true where all its parts are. Of one that scores can't judge, `not_measured` says why."""

    number: int
    says: str
    parts: tuple[Part, ...]
    note: str = ""
    not_measured: str = ""


@dataclass(frozen=True)
class Claims:
    """A file of claims."""

    title: str
    claims: tuple[Claim, ...]
