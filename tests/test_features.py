"""The handcrafted features, one sentence of them written out by hand, and the rules for head words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import Parse, RelationMention, Span
from harness.features import BOUNDARY, DEFAULT_GROUPS, GROUPS, features, head_word


def mention(marked: str, tags: str | None = None) -> RelationMention:
    """A mention from words in which square brackets stand around each of the two arguments."""
    tokens: list[str] = []
    edges: list[int] = []
    for word in marked.split():
        if word in "[]":
            edges.append(len(tokens))
        else:
            tokens.append(word)
    parse = None
    if tags is not None:
        size = len(tokens)
        parse = Parse(tuple(tags.split()), (-1,) * size, ("dep",) * size)
        assert len(parse.tags) == size
    return RelationMention("1", tuple(tokens), Span(*edges[:2]), Span(*edges[2:]), "x", "train", parse=parse)


def some(mention: RelationMention, group: str, *names: str) -> list[str]:
    """Those features of a group whose name is one of `names`."""
    return [feature for feature in features(mention, group) if feature.partition("=")[0] in names]


# One sentence, by hand

SENTENCE = "Yesterday [ the University of Oslo ] hired the famous the [ Ann Lee ] ."


def test_the_lexical_features_of_a_sentence() -> None:
    assert features(mention(SENTENCE), "lexical") == [
        "hw1=University",
        "hw2=Lee",
        "hw12=University Lee",
        "m1=the",
        "m1=University",
        "m1=of",
        "m1=Oslo",
        "m2=Ann",
        "m2=Lee",
        "between=hired",
        "between=the",
        "between=famous",
        "bigram=hired the",
        "bigram=the famous",
        "bigram=famous the",
        "first=hired",
        "last=the",
    ]


def test_the_collocations_of_a_sentence() -> None:
    assert features(mention(SENTENCE), "collocations") == [
        "c1(-1,-1)=the",
        "c1(1,1)=of",
        "c1(-2,-1)=Yesterday the",
        "c1(-1,1)=the University of",
        "c1(1,2)=of Oslo",
        "c2(-1,-1)=Ann",
        "c2(1,1)=.",
        "c2(-2,-1)=the Ann",
        "c2(-1,1)=Ann Lee .",
        f"c2(1,2)=. {BOUNDARY}",
    ]


def test_a_sentences_edges_are_marked() -> None:
    assert BOUNDARY == "<boundary>"
    assert features(mention("[ Ann ] [ Bob ]"), "collocations") == [
        "c1(-1,-1)=<boundary>",
        "c1(1,1)=Bob",
        "c1(-2,-1)=<boundary> <boundary>",
        "c1(-1,1)=<boundary> Ann Bob",
        "c1(1,2)=Bob <boundary>",
        "c2(-1,-1)=Ann",
        "c2(1,1)=<boundary>",
        "c2(-2,-1)=<boundary> Ann",
        "c2(-1,1)=Ann Bob <boundary>",
        "c2(1,2)=<boundary> <boundary>",
    ]


def test_a_single_word_between_is_a_feature_of_its_own() -> None:
    found = some(mention("[ Ann ] founded [ Acme ]"), "lexical", "single", "between", "bigram", "first", "last")
    assert found == ["single=founded", "between=founded", "first=founded", "last=founded"]
    assert some(mention("[ Ann ] has founded [ Acme ]"), "lexical", "single") == []


def test_adjacent_mentions_have_no_features_of_words_between() -> None:
    found = features(mention("so [ Acme 's ] [ boss ] said"), "lexical")
    assert found == ["hw1='s", "hw2=boss", "hw12='s boss", "m1=Acme", "m1='s", "m2=boss"]


def test_words_count_as_written_and_once() -> None:
    found = some(mention("[ Ann ] The the The [ Acme ]"), "lexical", "between", "bigram")
    assert found == ["between=The", "between=the", "bigram=The the", "bigram=the The"]


# Head words


@pytest.mark.parametrize(
    ("argument", "head"),
    [
        ("Oslo", "Oslo"),
        ("the old Oslo", "Oslo"),
        ("University of Oslo", "University"),
        ("University OF Oslo", "University"),
        ("the University of Oslo in Norway", "University"),
        ("of Oslo", "Oslo"),
        ("of Oslo in Norway", "Oslo"),
        ("Oslo of", "Oslo"),
        ("of", "of"),
        ("in of", "of"),
    ],
)
def test_without_tags_listed_words_are_prepositions_and_all_others_nouns(argument: str, head: str) -> None:
    made = mention(f"[ {argument} ] x [ y ]")
    assert made.tokens[head_word(made, made.first)] == head


@pytest.mark.parametrize(
    ("argument", "tags", "head"),
    [
        ("Acme Inc so", "NNP NNP RB", "Inc"),
        ("dean emeritus of law", "NN JJ IN NN", "dean"),
        ("heir to Acme", "NN TO NNP", "heir"),
        ("born in Oslo", "VBN IN NNP", "Oslo"),
        ("born in Oslo under Acme", "VBN IN NNP IN NNP", "Oslo"),
        ("of Acme", "NNP NNP", "Acme"),  # tags outweigh the list
        ("run by", "VB IN", "by"),
        ("very rich", "RB JJ", "rich"),
    ],
)
def test_with_tags_they_decide(argument: str, tags: str, head: str) -> None:
    made = mention(f"[ {argument} ] x [ y ]", f"{tags} VB NN")
    assert made.tokens[head_word(made, made.first)] == head


def test_a_head_word_depends_on_its_own_mention_alone() -> None:
    made = mention("University of [ Oslo of ] x [ Bergen ] of Norway")
    assert made.tokens[head_word(made, made.first)] == "Oslo"
    assert made.tokens[head_word(made, made.second)] == "Bergen"


# All groups


@st.composite
def mentions(draw: st.DrawFn) -> RelationMention:
    tokens = draw(st.lists(st.sampled_from(["Ann", "of", "the", "x"]), min_size=2, max_size=8))
    edges = draw(st.lists(st.integers(0, len(tokens)), min_size=4, max_size=4).map(sorted))
    if edges[0] == edges[1] or edges[2] == edges[3]:
        edges = [0, 1, len(tokens) - 1, len(tokens)]
    return RelationMention("1", tuple(tokens), Span(*edges[:2]), Span(*edges[2:]), "x", "train")


@given(mentions())
def test_features_are_distinct_and_a_head_word_lies_in_its_mention(mention: RelationMention) -> None:
    for group in GROUPS:
        found = features(mention, group)
        assert len(found) == len(set(found))
    for span in (mention.first, mention.second):
        assert span.start <= head_word(mention, span) < span.end


def test_the_default_groups_are_groups() -> None:
    assert set(DEFAULT_GROUPS) <= set(GROUPS)
