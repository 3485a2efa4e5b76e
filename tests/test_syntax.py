"""Head words, nodes and paths: by hand where trees are odd, and random forests against networkx."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collection import tree_fault
from harness.contracts import Parse, RelationMention, Span
from harness.syntax import TreePath, head_word, node, tree_path


def tree(*heads: int) -> Parse:
    """A parse of which only the heads matter."""
    parse = Parse(("NN",) * len(heads), heads, ("dep",) * len(heads))
    assert not tree_fault(parse, len(heads))
    return parse


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
        parse = Parse(tuple(tags.split()), (-1,) * len(tokens), ("dep",) * len(tokens))
        assert not tree_fault(parse, len(tokens))
    return RelationMention("1", tuple(tokens), Span(*edges[:2]), Span(*edges[2:]), "x", "train", parse=parse)


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


@given(st.lists(st.sampled_from(["Ann", "of", "the"]), min_size=2, max_size=8), st.data())
def test_a_head_word_lies_in_its_mention(words: list[str], data: st.DataObject) -> None:
    edges = sorted(data.draw(st.sets(st.integers(0, len(words)), min_size=3, max_size=3)))
    made = RelationMention("1", tuple(words), Span(*edges[:2]), Span(*edges[1:]), "x", "train")
    assert made.first.start <= head_word(made, made.first) < made.first.end
    assert made.second.start <= head_word(made, made.second) < made.second.end


# Nodes


@pytest.mark.parametrize(
    ("heads", "span", "expected"),
    [
        ((-1, 2, 0), (1, 3), 2),  # the one whose head lies outside
        ((-1, 0, 0), (1, 3), 2),  # two of them, as near to the root: the last
        ((-1, 3, 1, 0), (1, 3), 1),  # 1 is two steps from the root, 2 within the span
        ((-1, 0, 3, 1), (1, 3), 1),  # 1 is one step from the root, 2 three: the nearest
        ((3, 0, 3, -1), (1, 3), 2),  # and where the last is the nearest
        ((1, -1, 1), (0, 3), 1),  # the whole sentence: its root
        ((-1, -1, 0), (0, 3), 1),  # two roots: the last
        ((-1, 0, 1), (0, 2), 0),  # a root and what hangs on it
        ((-1, 2, -1, 0), (2, 4), 2),  # each one's own root counts: 2 is a root, 3 is a step from another
        ((-1, 0, 1), (2, 3), 2),  # one token
    ],
)
def test_a_mentions_node(heads: tuple[int, ...], span: tuple[int, int], expected: int) -> None:
    assert node(tree(*heads), Span(*span)) == expected


# Paths


@pytest.mark.parametrize(
    ("name", "heads", "first", "second", "expected"),
    [
        ("through a verb", (1, -1, 1), (0, 1), (2, 3), ((0, 1), (2, 1))),
        ("the first above the second", (-1, 2, 0), (0, 1), (1, 2), ((0,), (1, 2, 0))),
        ("the second above the first", (1, 2, -1), (0, 1), (2, 3), ((0, 1, 2), (2,))),
        ("adjacent, one the other's head", (1, -1), (0, 1), (1, 2), ((0, 1), (1,))),
        ("adjacent, with a common head", (2, 2, -1), (0, 1), (1, 2), ((0, 2), (1, 2))),
        ("a span that holds the root", (2, 2, -1, 2), (0, 1), (1, 3), ((0, 2), (2,))),
        ("below the root", (2, 2, 3, -1), (0, 1), (1, 2), ((0, 2), (1, 2))),
        ("different roots", (-1, 0, 3, -1), (1, 2), (2, 3), None),
        ("two roots themselves", (-1, -1), (0, 1), (1, 2), None),
        ("another root that is in nobody's way", (1, -1, 1, -1), (0, 1), (2, 3), ((0, 1), (2, 1))),
        ("the same node", (-1, 0), (1, 2), (1, 2), ((1,), (1,))),
    ],
)
def test_a_path_by_hand(
    name: str,
    heads: tuple[int, ...],
    first: tuple[int, int],
    second: tuple[int, int],
    expected: tuple[tuple[int, ...], tuple[int, ...]] | None,
) -> None:
    assert tree_path(tree(*heads), Span(*first), Span(*second)) == expected, name


def test_a_path_has_its_ancestor_once() -> None:
    assert TreePath((0, 1), (3, 2, 1)).tokens == (0, 1, 2, 3)
    assert TreePath((0, 1), (3, 2, 1)).ancestor == 1
    assert TreePath((0,), (2, 0)).tokens == (0, 2)
    assert TreePath((0, 2), (2,)).tokens == (0, 2)
    assert TreePath((1,), (1,)).tokens == (1,)


def test_a_very_deep_tree_is_no_trouble() -> None:
    size = 200_000
    path = tree_path(tree(*range(1, size), -1), Span(0, 1), Span(size - 2, size))
    assert path == (tuple(range(size)), (size - 1,))
    both = tree_path(tree(-1, *range(size - 1)), Span(size - 3, size - 2), Span(size - 2, size))
    assert both == ((size - 3,), (size - 2, size - 3))
    fan = tree_path(tree(-1, *range(size - 2), 0), Span(size - 3, size - 2), Span(size - 2, size))
    assert fan == (tuple(range(size - 3, -1, -1)), (size - 1, 0))  # of two candidates the near one, after a long search


# Random forests against networkx


@st.composite
def forests(draw: st.DrawFn) -> tuple[Parse, Span, Span]:
    """A forest over a few tokens, and two spans of it that do not overlap."""
    size = draw(st.integers(2, 12))
    order = draw(st.permutations(range(size)))
    heads = [-1] * size
    for at, token in enumerate(order[1:], 1):
        heads[token] = draw(st.sampled_from([-1, *order[:at], *order[:at], *order[:at]]))
    inner = draw(st.lists(st.integers(0, size), min_size=4, max_size=4).map(sorted))
    if inner[0] == inner[1] or inner[2] == inner[3]:
        inner = [0, 1, 1, 2]
    return tree(*heads), Span(*inner[:2]), Span(*inner[2:])


def graph(parse: Parse) -> nx.DiGraph:
    """An arrow from each head to its dependent."""
    made = nx.DiGraph()
    made.add_nodes_from(range(len(parse.heads)))
    made.add_edges_from((head, token) for token, head in enumerate(parse.heads) if head >= 0)
    return made


@given(forests())
def test_a_node_is_the_best_of_the_tokens_with_a_head_outside(forest: tuple[Parse, Span, Span]) -> None:
    parse, *spans = forest
    arrows = graph(parse)
    for span in spans:
        within = set(range(*span))
        steps = {token: len(nx.ancestors(arrows, token)) for token in within if not within & set(arrows.pred[token])}
        nearest = [token for token in steps if steps[token] == min(steps.values())]
        assert node(parse, span) == max(nearest)


@given(forests())
def test_paths_are_those_of_networkx(forest: tuple[Parse, Span, Span]) -> None:
    parse, first, second = forest
    arrows = graph(parse)
    one, two = node(parse, first), node(parse, second)
    path = tree_path(parse, first, second)
    if not nx.has_path(arrows.to_undirected(), one, two):
        assert path is None
        return
    assert path is not None
    ancestor = nx.lowest_common_ancestor(arrows, one, two)
    assert path.ancestor == path.second[-1] == ancestor
    assert list(path.tokens) == nx.shortest_path(arrows.to_undirected(), one, two)
    assert list(path.first[::-1]) == nx.shortest_path(arrows, ancestor, one)
    assert list(path.second[::-1]) == nx.shortest_path(arrows, ancestor, two)


@given(forests())
def test_a_path_the_other_way_is_the_same_path(forest: tuple[Parse, Span, Span]) -> None:
    parse, first, second = forest
    path = tree_path(parse, first, second)
    assert tree_path(parse, second, first) == (path and (path.second, path.first))
