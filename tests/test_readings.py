"""What encoders read of a mention: the words between, and the paths up the tree, each by hand."""

from __future__ import annotations

import dataclasses
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collection import tree_fault
from harness.contracts import LinkedMention, Parse, RelationMention, Span
from harness.readings import Paths, Token, paths, reading
from harness.syntax import tree_path

TEXT = "the University of Oslo bought Acme Inc owned by Ann Lee"
HEADS = (1, 4, 3, 1, -1, 6, 4, 6, 10, 10, 7)
"""University <- bought -> Inc -> owned -> Lee, and the rest on the words beside them."""

OSLO = Token(("the", "University", "of", "Oslo"), "Q1")
ACME = Token(("Acme", "Inc"), "Q3")
LEE = Token(("Ann", "Lee"), "Q2")


def made(
    text: str = TEXT,
    heads: tuple[int, ...] | None = HEADS,
    first: tuple[int, int] = (0, 4),
    second: tuple[int, int] = (9, 11),
    *others: tuple[int, int, str],
) -> RelationMention:
    tokens = tuple(text.split())
    parse = None
    if heads is not None:
        parse = Parse(("NN",) * len(tokens), heads, ("dep",) * len(tokens))
        assert not tree_fault(parse, len(tokens))
    return RelationMention(
        "m7", tokens, Span(*first), Span(*second), "x", "train", None, "Q1", "Q2",
        tuple(LinkedMention(*other) for other in others), parse,
    )  # fmt: skip


def word(text: str) -> Token:
    return Token((text,))


def shown(path: tuple[Token, ...]) -> str:
    return " ".join(f"<{token.entity}>" if token.entity is not None else token.words[0] for token in path)


def told(mention: RelationMention) -> tuple[str, str]:
    """Both paths in words; there is no fallback."""
    found = paths(mention)
    assert not found.fallback
    return shown(found.first), shown(found.second)


# The words between


def test_the_words_between_with_third_mentions_as_one_token() -> None:
    mention = made(TEXT, None, (0, 4), (9, 11), (5, 7, "Q3"))
    assert list(reading(mention)) == [OSLO, word("bought"), ACME, word("owned"), word("by"), LEE]


def test_mentions_without_a_linked_entity_are_called_by_their_name() -> None:
    mention = dataclasses.replace(made("ANN met Bob", None, (0, 1), (2, 3)), first_entity=None, second_entity=None)
    assert list(reading(mention)) == [Token(("ANN",), "ann"), word("met"), Token(("Bob",), "bob")]


def test_adjacent_mentions_have_nothing_between() -> None:
    assert shown(tuple(reading(made("Ann Lee", None, (0, 1), (1, 2))))) == "<Q1> <Q2>"


# Paths


def test_paths_lead_from_each_mention_up_to_the_common_ancestor() -> None:
    assert paths(made()) == Paths(
        (OSLO, word("bought")), (LEE, word("owned"), word("Inc"), word("bought")), fallback=False
    )


def test_a_third_mention_on_a_path_is_one_token() -> None:
    mention = made(TEXT, HEADS, (0, 4), (9, 11), (5, 7, "Q3"))
    assert paths(mention) == Paths((OSLO, word("bought")), (LEE, word("owned"), ACME, word("bought")), fallback=False)


def test_a_third_mention_off_the_paths_is_not_read() -> None:
    plain = made()
    assert paths(made(TEXT, HEADS, (0, 4), (9, 11), (8, 9, "Q3"))) == paths(plain)


def test_tokens_of_one_mention_that_follow_each_other_are_one() -> None:
    # a -> x -> y -> ran <- b, and x and y are one mention
    mention = made("a x y ran b", (1, 2, 3, -1, 3), (0, 1), (4, 5), (1, 3, "Q3"))
    assert told(mention) == ("<Q1> <Q3> ran", "<Q2> ran")


def test_two_mentions_of_one_entity_that_follow_each_other_are_two() -> None:
    mention = made("a x x ran b", (1, 2, 3, -1, 3), (0, 1), (4, 5), (1, 2, "Q3"), (2, 3, "Q3"))
    assert told(mention) == ("<Q1> <Q3> <Q3> ran", "<Q2> ran")


def test_a_mention_that_a_path_leaves_and_enters_again_is_read_twice() -> None:
    # a -> x -> of -> y -> ran, and x and y are one mention: of stands before it
    mention = made("a of x y ran b", (2, 3, 1, 4, -1, 4), (0, 1), (5, 6), (2, 4, "Q3"))
    assert told(mention) == ("<Q1> <Q3> of <Q3> ran", "<Q2> ran")


def test_a_mention_above_the_other_is_its_own_sub_path() -> None:
    assert told(made("Ann heads Acme", (-1, 0, 1), (0, 1), (2, 3))) == ("<Q1>", "<Q2> heads <Q1>")
    assert told(made("Ann of Acme", (1, 2, -1), (0, 1), (2, 3))) == ("<Q1> of <Q2>", "<Q2>")


def test_a_common_ancestor_within_a_mention_is_that_mention() -> None:
    # Ann -> heads -> Inc; "Acme Inc" is the second mention, and Inc its node
    assert told(made("Ann heads Acme Inc", (1, 3, 3, -1), (0, 1), (2, 4))) == ("<Q1> heads <Q2>", "<Q2>")
    # the same within the first
    assert told(made("Acme Inc has Ann", (1, -1, 1, 2), (0, 2), (3, 4))) == ("<Q1>", "<Q2> has <Q1>")
    # and within a third
    assert told(made("Ann Acme Inc Bob", (2, 2, -1, 2), (0, 1), (3, 4), (1, 3, "Q3"))) == ("<Q1> <Q3>", "<Q2> <Q3>")


def test_a_path_may_pass_through_the_other_mention_beside_its_node() -> None:
    # Both words of "x y" hang on ran; y, the last, is the node; a hangs on x
    assert told(made("a x y ran", (1, 3, 3, -1), (0, 1), (1, 3))) == ("<Q1> <Q2> ran", "<Q2> ran")


def test_adjacent_mentions_have_paths_too() -> None:
    assert told(made("Acme boss Ann", (1, -1, 1), (0, 1), (1, 2))) == ("<Q1> <Q2>", "<Q2>")
    assert told(made("Acme Ann ran", (2, 2, -1), (0, 1), (1, 2))) == ("<Q1> ran", "<Q2> ran")


def test_without_a_path_the_words_between_are_read_instead() -> None:
    mention = made("Ann met so Acme Inc Bob", (-1, 0, 5, 4, 5, -1), (0, 1), (5, 6), (3, 5, "Q3"))
    forward = (Token(("Ann",), "Q1"), word("met"), word("so"), ACME, Token(("Bob",), "Q2"))
    assert paths(mention) == Paths(forward, forward[::-1], fallback=True)
    assert paths(mention).first == tuple(reading(mention))


def test_another_root_elsewhere_is_no_hindrance() -> None:
    assert told(made("Ann met Bob . Oh", (1, -1, 1, 1, -1), (0, 1), (2, 3))) == ("<Q1> met", "<Q2> met")


def test_a_further_mention_that_overlaps_one_of_the_pair_is_not_used() -> None:
    plain = made()
    for other in ((3, 5, "Q3"), (0, 2, "Q3"), (7, 10, "Q3")):
        assert paths(made(TEXT, HEADS, (0, 4), (9, 11), other)) == paths(plain)


def test_a_mention_without_parse_has_no_paths() -> None:
    with pytest.raises(ValueError, match=r"^mention 'm7' has no parse; expected one, for paths run through the tree$"):
        paths(made(heads=None))


@st.composite
def parsed(draw: st.DrawFn) -> RelationMention:
    """A mention with a random forest and random further mentions, which do not overlap."""
    size = draw(st.integers(2, 10))
    order = draw(st.permutations(range(size)))
    heads = [-1] * size
    for at, token in enumerate(order[1:], 1):
        heads[token] = draw(st.sampled_from([-1, *order[:at], *order[:at], *order[:at]]))
    cuts = [0, *sorted(draw(st.sets(st.integers(1, size - 1), min_size=1))), size]
    spans = list(pairwise(cuts))
    one, two = sorted(draw(st.permutations(range(len(spans))))[:2])
    others = tuple((*span, f"O{at}") for at, span in enumerate(spans) if at not in (one, two) and draw(st.booleans()))
    text = " ".join(f"w{at}" for at in range(size))
    return made(text, tuple(heads), spans[one], spans[two], *others)


@given(parsed())
def test_paths_are_the_trees_with_each_run_of_tokens_in_one_mention_as_its_entity(mention: RelationMention) -> None:
    assert mention.parse is not None
    found = paths(mention)
    assert found.first[0] == Token(mention.tokens[slice(*mention.first)], "Q1")
    assert found.second[0] == Token(mention.tokens[slice(*mention.second)], "Q2")
    names = list(mention.tokens)
    for start, end, entity in ((*mention.first, "Q1"), (*mention.second, "Q2"), *mention.others):
        names[start:end] = [f"<{entity}>"] * (end - start)
    path = tree_path(mention.parse, mention.first, mention.second)
    assert found.fallback == (path is None)
    ways = path or (
        range(mention.first.start, mention.second.end),
        range(mention.second.end - 1, mention.first.start - 1, -1),
    )
    for way, tokens in zip(ways, (found.first, found.second), strict=True):
        assert shown(tokens).split() == [name for name, _ in groupby(names[at] for at in way)]
