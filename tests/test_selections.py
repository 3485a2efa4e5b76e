"""Which sentences of a text are read: samples that share none, the target's pairs, the target's own, and no label."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import MakePlugin
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import LinkedMention, LinkedSentence, Parse, RelationMention, Span
from harness.datasets.selections import SAMPLES, check_sample, selected, target_sentences
from harness.datasets.sources import Request
from harness.datasets.texts import SourceText, read_text
from harness.errors import DataError
from harness.specs import TextSpec

READER = """
    from harness.contracts import *

    class Mine(TextReader):
        '''Sentence i, of 103, is on the entities i and i + 1, named by numbers.'''

        about = About()

        def text(self, path, notes):
            for at in range(103):
                mentions = (LinkedMention(0, 1, str(at)), LinkedMention(2, 3, str(at + 1)))
                yield LinkedSentence(f"s{at}", (f"w{at}", "and", f"w{at + 1}"), mentions)
"""
TREE = Parse(("NN", "CC", "NN"), (-1, 0, 0), ("root", "cc", "conj"))


@pytest.fixture
def text(make_plugin: MakePlugin, tmp_path: Path) -> SourceText:
    make_plugin("corpus", "mine", READER)
    return read_text(Request("mine"), tmp_path, None, lambda line: None)


def spec(selection: str, sentences: int | None = None) -> TextSpec:
    return TextSpec("mine", "0", selection, 20, sentences)


def mention(
    tokens: str, first: tuple[int, int], second: tuple[int, int], *others: tuple[int, int, str], label: str = "secret"
) -> RelationMention:
    words = tuple(tokens.split())
    return RelationMention(
        f"m-{tokens}-{first}", words, Span(*first), Span(*second), label, "train",
        others=tuple(LinkedMention(*one) for one in others),
    )  # fmt: skip


# Samples


def test_samples_share_no_sentence_and_stand_in_the_order_of_the_text(text: SourceText) -> None:
    size = 103 // SAMPLES
    samples = [selected(spec("random", size), text, sample, []) for sample in range(SAMPLES)]
    numbers = [[int(sentence.identifier[1:]) for sentence in sample] for sample in samples]
    assert [len(sample) for sample in numbers] == [size] * SAMPLES
    assert all(sample == sorted(sample) for sample in numbers)
    assert len({at for sample in numbers for at in sample}) == SAMPLES * size
    assert numbers[0] != list(range(size))
    assert all(sentence in list(text.sentences()) for sentence in samples[0])


def test_samples_that_use_the_text_up_are_a_partition_of_it(text: SourceText) -> None:
    numbers = sorted(
        int(sentence.identifier[1:])
        for sample in range(103)
        for sentence in selected(spec("random", 1), text, sample, [])
    )
    assert numbers == list(range(103))


def test_a_smaller_sample_is_no_other_text(text: SourceText) -> None:
    again = selected(spec("random", 20), text, 3, [])
    assert again == selected(spec("random", 20), text, 3, [])
    small = {sentence.identifier for sentence in selected(spec("random", 7), text, 0, [])}
    assert small < {sentence.identifier for sentence in selected(spec("random", 20), text, 0, [])}


def test_samples_that_can_not_be_drawn_are_told() -> None:
    assert check_sample(spec("random", 20), 100, 5) == ""
    assert check_sample(spec("whole"), 1, 5) == ""
    assert check_sample(spec("random", 21), 1000, 50) == (
        "asks for random samples of 21 sentences, 50 of which are to be disjoint, and there are 1,000; take smaller "
        "ones, sentences = N, or fewer replicates, or vary without 'sample'"
    )
    assert check_sample(spec("random", 2000), 1000, 1) == (
        "asks for random samples of 2,000 sentences and there are 1,000; take smaller ones, sentences = N"
    )


def test_the_whole_text_is_all_of_it(text: SourceText) -> None:
    assert selected(spec("whole"), text, 3, []) == list(text.sentences())


# The target's pairs


def sentence(identifier: str, *entities: str) -> LinkedSentence:
    tokens = tuple(f"w{at}" for at in range(len(entities)))
    return LinkedSentence(identifier, tokens, tuple(LinkedMention(at, at + 1, one) for at, one in enumerate(entities)))


def test_sentences_with_a_pair_of_the_target_and_then_the_targets_own(text: SourceText) -> None:
    target = [
        sentence("t0", "8", "7", "x"),
        sentence("t1", "50", "50"),
        sentence("t2", "60", "62"),
        sentence("t3", "99", "100"),
    ]
    found = selected(spec("target-pairs"), text, 0, target)
    assert [one.identifier for one in found] == ["s7", "s99", "t0", "t1", "t2", "t3"]


def test_a_text_without_a_pair_of_the_target_is_told(text: SourceText) -> None:
    with pytest.raises(DataError) as error:
        selected(spec("target-pairs"), text, 0, [sentence("t0", "8", "70"), sentence("t1", "a", "b", "c")])
    assert str(error.value) == (
        "texts.mine: expected sentences with an entity pair that the target has too, found none among 103; the target "
        "has 4 pairs. Take another selection, random say, or link more names, names = 'table.tsv'"
    )


# The target's own sentences


def test_a_sentence_of_several_mentions_stands_once_with_all_their_spans() -> None:
    mentions = [
        mention("Ada and Bob met Eve", (0, 1), (2, 3)),
        mention("Ada slept", (0, 1), (1, 2)),
        mention("Ada and Bob met Eve", (2, 3), (4, 5), (0, 1, "ada")),
    ]
    found = target_sentences(mentions, [2, 0], {"bob": "Q7"})
    (only,) = found
    assert only.tokens == mentions[0].tokens
    assert only.mentions == (LinkedMention(0, 1, "ada"), LinkedMention(2, 3, "Q7"), LinkedMention(4, 5, "eve"))
    assert only.identifier == f"target-{mentions[2].identifier}"
    assert len(target_sentences(mentions, [0, 1, 2], {})) == 2


def test_of_spans_that_overlap_the_earlier_and_longer_stays() -> None:
    mentions = [
        mention("New York City Hall is in New York", (0, 2), (6, 8), (2, 4, "hall")),
        mention("New York City Hall is in New York", (0, 4), (7, 8)),
    ]
    (found,) = target_sentences(mentions, [0, 1], {})
    assert [tuple(one) for one in found.mentions] == [(0, 4, "new york city hall"), (6, 8, "new york")]


def test_parses_of_the_target_stay_with_its_sentences() -> None:
    parsed = dataclasses.replace(mention("Ada and Bob", (0, 1), (2, 3)), parse=TREE)
    assert target_sentences([parsed], [0], {})[0].parse == TREE


@st.composite
def targets(draw: st.DrawFn) -> list[RelationMention]:
    """Mentions of a few sentences, with spans of one to three tokens."""
    mentions = []
    for _ in range(draw(st.integers(1, 8))):
        size = draw(st.integers(4, 8))
        cuts = sorted(draw(st.sets(st.integers(0, size), min_size=4, max_size=4)))
        words = " ".join(draw(st.sampled_from("ab")) for _ in range(size))
        mentions.append(mention(words, (cuts[0], cuts[1]), (cuts[2], cuts[3])))
    return mentions


@given(targets(), st.data())
def test_the_targets_sentences_are_those_of_the_chosen_mentions_linked_in_order(
    mentions: list[RelationMention], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(mentions))), unique=True))
    found = target_sentences(mentions, chosen, {})
    assert [one.tokens for one in found] == list(dict.fromkeys(mentions[at].tokens for at in chosen))
    for one in found:
        own = [mentions[at] for at in chosen if mentions[at].tokens == one.tokens]
        spans = {(span.start, span.end) for m in own for span in (m.first, m.second)}
        kept = [(start, end) for start, end, _ in one.mentions]
        assert set(kept) <= spans
        assert all(before[1] <= after[0] for before, after in pairwise(kept))
        for start, end in spans - set(kept):  # what is left out overlaps what stays
            assert any(start < other_end and other_start < end for other_start, other_end in kept)


def test_no_label_is_in_what_is_read_of_a_target() -> None:
    one, two = (
        [mention(text, (0, 1), (2, 3), label=label) for text, label in zip(("a b c", "a b d"), labels, strict=True)]
        for labels in (("born", "died"), ("died", "none"))
    )
    assert target_sentences(one, [0, 1], {}) == target_sentences(two, [0, 1], {})
    assert "label" not in LinkedSentence.__slots__
