"""The handcrafted features: of one sentence with a parse all of them, by hand, and what each group does at its edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collection import tree_fault
from harness.contracts import LinkedMention, Parse, RelationMention, Span
from harness.features import BOUNDARY, DEFAULT_GROUPS, GROUPS, NEEDS_SYNTAX, features
from harness.syntax import tree_path


def mention(marked: str) -> RelationMention:
    """A mention from words in which square brackets stand around each of the two arguments."""
    tokens: list[str] = []
    edges: list[int] = []
    for word in marked.split():
        if word in "[]":
            edges.append(len(tokens))
        else:
            tokens.append(word)
    return RelationMention("1", tuple(tokens), Span(*edges[:2]), Span(*edges[2:]), "x", "train")


def parsed(rows: str, first: tuple[int, int], second: tuple[int, int], *others: LinkedMention) -> RelationMention:
    """A mention from a line a token: its number, the word, tag, number of its head (-1: root), dependency label."""
    numbers, tokens, tags, heads, labels = zip(*(row.split() for row in rows.strip().splitlines()), strict=True)
    assert list(map(int, numbers)) == list(range(len(tokens)))
    parse = Parse(tags, tuple(map(int, heads)), labels)
    assert not tree_fault(parse, len(tokens))
    return RelationMention("1", tokens, Span(*first), Span(*second), "x", "train", others=others, parse=parse)


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


# One sentence with a parse, by hand

# Then [the University of Oslo] bought Acme Inc owned by the very rich [Ann Lee] on Monday .
#
# The nodes are University and Lee. University -nsubj- bought -obj- Inc -acl- owned -obl- Lee.
# Chunks: [NP the University] [PP of] [NP Oslo] [VP bought] [NP Acme Inc] [VP owned] [PP by] [NP the very rich Ann Lee]
# [PP on] [NP Monday]. The NP of Lee begins before the mention, and so stands neither between nor after.
PARSED = parsed(
    """
     0  Then        RB    5  advmod
     1  the         DT    2  det
     2  University  NNP   5  nsubj
     3  of          IN    4  case
     4  Oslo        NNP   2  nmod
     5  bought      VBD  -1  root
     6  Acme        NNP   7  compound
     7  Inc         NNP   5  obj
     8  owned       VBN   7  acl
     9  by          IN   14  case
    10  the         DT   14  det
    11  very        RB   12  advmod
    12  rich        JJ   14  amod
    13  Ann         NNP  14  compound
    14  Lee         NNP   8  obl
    15  on          IN   16  case
    16  Monday      NNP   5  obl
    17  .           .     5  punct
    """,
    (1, 5),
    (13, 15),
    LinkedMention(6, 8, "Q3"),
)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (
            "lexical",
            [
                "hw1=University",
                "hw2=Lee",
                "hw12=University Lee",
                "m1=the",
                "m1=University",
                "m1=of",
                "m1=Oslo",
                "m2=Ann",
                "m2=Lee",
                "between=bought",
                "between=Acme",
                "between=Inc",
                "between=owned",
                "between=by",
                "between=the",
                "between=very",
                "between=rich",
                "bigram=bought Acme",
                "bigram=Acme Inc",
                "bigram=Inc owned",
                "bigram=owned by",
                "bigram=by the",
                "bigram=the very",
                "bigram=very rich",
                "first=bought",
                "last=rich",
            ],
        ),
        (
            "collocations",
            [
                "c1(-1,-1)=the",
                "c1(1,1)=of",
                "c1(-2,-1)=Then the",
                "c1(-1,1)=the University of",
                "c1(1,2)=of Oslo",
                "c2(-1,-1)=Ann",
                "c2(1,1)=on",
                "c2(-2,-1)=rich Ann",
                "c2(-1,1)=Ann Lee on",
                "c2(1,2)=on Monday",
            ],
        ),
        (
            "dependency",
            [
                "path=↑nsubj ↓obj ↓acl ↓obl",
                "dependency=nsubj",
                "dependency=obj",
                "dependency=acl",
                "dependency=obl",
                "hw1+parent=University bought",
                "hw2+parent=Lee owned",
            ],
        ),
        (
            "pos",
            [
                "p1(-1,-1)=University DT",
                "p1(1,1)=University IN",
                "p1(-2,-1)=University RB DT",
                "p1(-1,1)=University DT IN",
                "p1(1,2)=University IN NNP",
                "p2(-1,-1)=Lee NNP",
                "p2(1,1)=Lee IN",
                "p2(-2,-1)=Lee JJ NNP",
                "p2(-1,1)=Lee NNP IN",
                "p2(1,2)=Lee IN NNP",
            ],
        ),
        ("chunks", ["chunk=between"]),
        (
            "phrases",
            [
                "CPHBF=bought",
                "CPHBL=by",
                "CPHBO=Inc",
                "CPHBO=owned",
                "CPHAM2F=on",
                "CPHAM2L=Monday",
                "CPP=VP NP VP PP",
            ],
        ),
    ],
)
def test_all_features_of_a_sentence_with_a_parse(group: str, expected: list[str]) -> None:
    assert features(PARSED, group) == expected


def test_the_sentence_has_features_of_every_group() -> None:
    assert all(features(PARSED, group) for group in GROUPS)


# Dependency

APART = """
    0  Ann    NNP  1  nsubj
    1  left   VBD -1  root
    2  Bob    NNP  1  obj
    3  Lee    NNP  2  flat
    4  ;      :    1  punct
    5  Acme   NNP -1  root
    6  Corp   NNP  5  flat
    7  too    RB   5  advmod
"""


def test_without_a_path_head_words_still_have_parents() -> None:
    assert features(parsed(APART, (0, 1), (6, 7)), "dependency") == ["hw1+parent=Ann left", "hw2+parent=Corp Acme"]


def test_a_root_has_no_parent() -> None:
    assert features(parsed(APART, (0, 1), (5, 6)), "dependency") == ["hw1+parent=Ann left"]


def test_a_path_may_only_go_up_or_only_down() -> None:
    rows = """
        0  Ann    NNP  2  nmod:poss
        1  's     POS  0  case
        2  dog    NN   3  nsubj:pass
        3  owned  VBN -1  root
        4  Bob    NNP  3  obl
    """
    assert features(parsed(rows, (0, 1), (3, 4)), "dependency") == [
        "path=↑nmod:poss ↑nsubj:pass",
        "dependency=nmod:poss",
        "dependency=nsubj:pass",
        "hw1+parent=Ann dog",
    ]
    assert some(parsed(rows, (3, 4), (4, 5)), "dependency", "path", "dependency") == ["path=↓obl", "dependency=obl"]
    assert some(parsed(rows, (0, 1), (4, 5)), "dependency", "path") == ["path=↑nmod:poss ↑nsubj:pass ↓obl"]


def test_a_label_on_both_sides_of_a_path_is_in_the_bag_once() -> None:
    rows = """
        0  Ann   NNP  1  conj
        1  Bob   NNP -1  root
        2  Eve   NNP  1  conj
    """
    assert features(parsed(rows, (0, 1), (2, 3)), "dependency") == [
        "path=↑conj ↓conj",
        "dependency=conj",
        "hw1+parent=Ann Bob",
        "hw2+parent=Eve Bob",
    ]


def test_the_path_is_that_of_the_nodes_and_parents_are_those_of_the_head_words() -> None:
    # Of "Bob Lee" Bob is the node, and Lee, the last noun, the head word.
    assert features(parsed(APART, (0, 1), (2, 4)), "dependency") == [
        "path=↑nsubj ↓obj",
        "dependency=nsubj",
        "dependency=obj",
        "hw1+parent=Ann left",
        "hw2+parent=Lee Bob",
    ]


# Parts of speech


def test_the_tag_of_a_single_word_between() -> None:
    found = features(parsed(APART, (0, 1), (2, 4)), "pos")
    assert found[0] == "pos-single=VBD"
    assert some(parsed(APART, (0, 1), (3, 4)), "pos", "pos-single") == []
    assert some(parsed(APART, (2, 3), (3, 4)), "pos", "pos-single") == []


def test_tags_beyond_the_sentence_are_marked() -> None:
    assert features(parsed(APART, (0, 1), (7, 8)), "pos") == [
        "p1(-1,-1)=Ann <boundary>",
        "p1(1,1)=Ann VBD",
        "p1(-2,-1)=Ann <boundary> <boundary>",
        "p1(-1,1)=Ann <boundary> VBD",
        "p1(1,2)=Ann VBD NNP",
        "p2(-1,-1)=too NNP",
        "p2(1,1)=too <boundary>",
        "p2(-2,-1)=too NNP NNP",
        "p2(-1,1)=too NNP <boundary>",
        "p2(1,2)=too <boundary> <boundary>",
    ]


# Chunks: [NP A] [VP saw] [NP the old B] [PP of] [NP C] , [NP D] [VP ran]

CHUNKED = """
     0  A     NNP  1  dep
     1  saw   VBD -1  root
     2  the   DT   4  dep
     3  old   JJ   4  dep
     4  B     NNP  1  dep
     5  of    IN   6  dep
     6  C     NNP  4  dep
     7  ,     ,    1  dep
     8  D     NNP  9  dep
     9  ran   VBD  1  dep
"""


@pytest.mark.parametrize(
    ("first", "second", "indicator", "phrases"),
    [
        # adjacent; a comma between; words of a mention's own chunk between, before the mention and after it
        ((0, 1), (1, 2), [], ["CPHBNULL", "CPHAM2F=B", "CPHAM2L=of"]),
        ((6, 7), (8, 9), [], ["CPHBNULL", "CPHBM1F=of", "CPHBM1L=B", "CPHAM2F=ran"]),
        ((1, 2), (3, 4), [], ["CPHBNULL", "CPHBM1F=A", "CPHAM2F=of", "CPHAM2L=C"]),
        ((2, 3), (5, 6), [], ["CPHBNULL", "CPHBM1F=saw", "CPHBM1L=A", "CPHAM2F=C", "CPHAM2L=D"]),
        # one phrase
        (
            (0, 1),
            (2, 5),
            ["chunk=between"],
            ["CPHBFL=saw", "CPHAM2F=of", "CPHAM2L=C", "CPP=VP", "CPPH=VP:saw"],
        ),
        # two
        (
            (1, 2),
            (6, 7),
            ["chunk=between"],
            [
                "CPHBF=B",
                "CPHBL=of",
                "CPHBM1F=A",
                "CPHAM2F=D",
                "CPHAM2L=ran",
                "CPP=NP PP",
                "CPPH=NP:B PP:of",
            ],
        ),
        # three: no heads on the path
        (
            (0, 1),
            (6, 7),
            ["chunk=between"],
            ["CPHBF=saw", "CPHBL=of", "CPHBO=B", "CPHAM2F=D", "CPHAM2L=ran", "CPP=VP NP PP"],
        ),
        # many
        (
            (0, 1),
            (9, 10),
            ["chunk=between"],
            ["CPHBF=saw", "CPHBL=D", "CPHBO=B", "CPHBO=of", "CPHBO=C", "CPP=VP NP PP NP NP"],
        ),
    ],
)
def test_phrases(first: tuple[int, int], second: tuple[int, int], indicator: list[str], phrases: list[str]) -> None:
    made = parsed(CHUNKED, first, second)
    assert features(made, "chunks") == indicator
    assert features(made, "phrases") == phrases


# All groups


@st.composite
def mentions(draw: st.DrawFn) -> RelationMention:
    tokens = draw(st.lists(st.sampled_from(["Ann", "of", "the", "x", "x=y"]), min_size=2, max_size=8))
    size = len(tokens)
    edges = draw(st.lists(st.integers(0, size), min_size=4, max_size=4).map(sorted))
    if edges[0] == edges[1] or edges[2] == edges[3]:
        edges = [0, 1, size - 1, size]
    parse = None
    if draw(st.booleans()):
        tags = draw(st.lists(st.sampled_from(["NNP", "VBD", "IN", "DT", "."]), min_size=size, max_size=size))
        heads = [draw(st.integers(-1, at - 1)) for at in range(size)]
        labels = draw(st.lists(st.sampled_from(["obj", "nsubj"]), min_size=size, max_size=size))
        parse = Parse(tuple(tags), tuple(heads), tuple(labels))
    return RelationMention("1", tuple(tokens), Span(*edges[:2]), Span(*edges[2:]), "x", "train", parse=parse)


@given(mentions())
def test_features_are_distinct_within_a_group_and_over_all(mention: RelationMention) -> None:
    found = [feature for group in GROUPS for feature in features(mention, group)]
    assert len(found) == len(set(found))


@given(mentions(), mentions())
def test_no_two_groups_share_the_name_of_a_feature(one: RelationMention, two: RelationMention) -> None:
    names = {
        group: {feature.partition("=")[0] for made in (one, two, PARSED) for feature in features(made, group)}
        for group in GROUPS
    }
    assert sum(map(len, names.values())) == len(set().union(*names.values()))


@given(mentions())
def test_groups_that_need_syntax_are_empty_without_and_the_others_are_not(mention: RelationMention) -> None:
    for group in GROUPS:
        if mention.parse is None:
            assert bool(features(mention, group)) == (group not in NEEDS_SYNTAX)
        elif group != "chunks" and (group != "dependency" or tree_path(mention.parse, mention.first, mention.second)):
            assert features(mention, group)


def test_the_groups() -> None:
    assert tuple(GROUPS) == ("lexical", "collocations", "dependency", "pos", "chunks", "phrases")
    assert DEFAULT_GROUPS == ("lexical", "collocations", "dependency", "pos", "chunks")
    assert sorted(NEEDS_SYNTAX) == ["chunks", "dependency", "phrases", "pos"]
