"""Which sentences of a text are read: a random sample, those with the target's pairs, all, or the target's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from harness.contracts import LinkedMention, LinkedSentence, RelationMention
from harness.datasets.texts import SourceText
from harness.errors import DataError
from harness.readings import entities
from harness.seeding import numpy_stream
from harness.specs import TextSpec

SAMPLES = 5
"""Disjoint random samples that a text is cut into where the grid does not say how large one is (Li et al. 2016)."""


def check_sample(spec: TextSpec, sentences: int, samples: int) -> str:
    """What keeps `samples` disjoint samples from being drawn from a text of so many sentences; empty where nothing."""
    if spec.sentences is None or samples * spec.sentences <= sentences:
        return ""
    apart = f", {samples} of which are to be disjoint," if samples > 1 else ""
    return (
        f"asks for random samples of {spec.sentences:,} sentences{apart} and there are {sentences:,}; take smaller "
        "ones, sentences = N" + ("" if samples == 1 else ", or fewer replicates, or vary without 'sample'")
    )


def selected(
    spec: TextSpec, source: SourceText | None, sample: int, target: Sequence[LinkedSentence]
) -> list[LinkedSentence]:
    """The sentences that a text spec asks for; `target` are the target's own, as `target_sentences` gives them.

    Raises DataError where the text holds no pair of the target.
    """
    if source is None:
        return list(target)
    if spec.selection == "random":
        assert spec.sentences is not None
        order = numpy_stream("text sample").permutation(source.counts["sentences"])
        chosen = np.zeros(len(order), bool)
        chosen[order[sample * spec.sentences : (sample + 1) * spec.sentences]] = True
        return [sentence for sentence, kept in zip(source.sentences(), chosen, strict=True) if kept]
    if spec.selection == "whole":
        return list(source.sentences())
    wanted = {pair for sentence in target for pair in _pairs(sentence)}
    found = [sentence for sentence in source.sentences() if not wanted.isdisjoint(_pairs(sentence))]
    if not found:
        raise DataError(
            f"texts.{spec.name}: expected sentences with an entity pair that the target has too, found none among "
            f"{source.counts['sentences']:,}; the target has {len(wanted):,} pairs. Take another selection, random "
            "say, or link more names, names = 'table.tsv'"
        )
    return [*found, *target]


def target_sentences(
    mentions: Sequence[RelationMention], chosen: Iterable[int], links: Mapping[str, str]
) -> list[LinkedSentence]:
    """The sentences of the chosen mentions of a target, each once, with all entity mentions that they have there.

    Entities that `links` has are called as they are in the text. Of mentions that overlap the earlier one stays. No
    label is in them.
    """
    gathered: dict[tuple[str, ...], RelationMention] = {}
    spans: dict[tuple[str, ...], dict[LinkedMention, None]] = {}
    for at in chosen:
        mention = mentions[at]
        gathered.setdefault(mention.tokens, mention)
        one, two = entities(mention)
        own = (LinkedMention(*mention.first, one), LinkedMention(*mention.second, two), *mention.others)
        spans.setdefault(mention.tokens, {}).update(dict.fromkeys(own))
    return [
        LinkedSentence(f"target-{mention.identifier}", tokens, tuple(_linked(spans[tokens], links)), mention.parse)
        for tokens, mention in gathered.items()
    ]


def _linked(spans: Mapping[LinkedMention, None], links: Mapping[str, str]) -> Iterator[LinkedMention]:
    end = 0
    for mention in sorted(spans, key=lambda one: (one.start, -one.end)):
        if mention.start >= end:
            end = mention.end
            yield mention._replace(entity=links.get(mention.entity, mention.entity))


def _pairs(sentence: LinkedSentence) -> Iterator[frozenset[str]]:
    for one, two in combinations(dict.fromkeys(mention.entity for mention in sentence.mentions), 2):
        yield frozenset((one, two))
