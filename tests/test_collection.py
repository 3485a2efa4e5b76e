"""What a corpus is made of: which examples are left out, why, where they stand, and that none is lost."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collection import PARTS, Collection, in_text_order, part_of, tree_fault
from harness.contracts import About, Corpus, Fault, LinkedMention, Parse, Part, Place, RelationMention, Span
from harness.datasets.sources import content_digest
from harness.fields import UnusableError

FILE = Path("train.json")
PARSE = Parse(tags=("NN", "VB", "DT", "NN"), heads=(1, -1, 3, 1), labels=("nsubj", "root", "det", "obj"))


def mention(identifier: str = "m", **changes: Any) -> RelationMention:
    tokens = ("Ann", "runs", "the", "firm")
    return RelationMention(**{
        "identifier": identifier, "tokens": tokens, "first": Span(0, 1), "second": Span(3, 4), "label": "runs",
        "part": "train", **changes,
    })  # fmt: skip


def collect(*mentions: RelationMention) -> Corpus:
    """The corpus of these mentions, which stand in the lines from 1."""
    collection = Collection()
    for line, each in enumerate(mentions, 1):
        with collection.example(Place(FILE, line)):
            collection.add(each)
    return collection.corpus()


# What is kept


def test_what_is_whole_is_kept_as_it_is_in_order() -> None:
    others = (LinkedMention(1, 2, "Q1"), LinkedMention(2, 3, "Q2"))
    three = (
        mention("1", parse=PARSE, others=others, first_entity="Q3", agreement=0.5),
        mention("2", first=Span(0, 3)),
        mention("3", tokens=("a", " ", "b"), first=Span(0, 1), second=Span(1, 3), head="second", part="test"),
    )
    assert collect(*three) == Corpus(three)


def test_a_corpus_takes_what_is_declared_and_remarked() -> None:
    about = About(headline="accuracy")
    assert Collection().corpus(about, ["one", "two"]) == Corpus((), remarks=("one", "two"), about=about)


def test_what_is_not_wanted_is_counted_and_no_fault() -> None:
    collection = Collection()
    collection.pass_over("sentences of one token")
    collection.pass_over("sentences of one token")
    assert collection.corpus() == Corpus((), {"sentences of one token": 2})


def test_remarks_are_counted_and_tell_the_first_place() -> None:
    collection = Collection()
    for line, about in enumerate(["odd", "odd", "strange", "odd"], 5):
        with collection.example(Place(FILE, line, 2)):
            collection.remark(about)
    assert collection.corpus(remarks=("before",)).remarks == (
        "before",
        "odd: 3 (the first: train.json, line 5, example 2)",
        "strange: 1 (the first: train.json, line 7, example 2)",
    )


# What is left out

CONTROL = "a label with a line's end or another control character"
HALF = "half a pair of surrogates, which is no text"
OUTSIDE = "a span outside the sentence"
UNUSABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "a reversed span": ({"first": Span(2, 1)}, "a reversed span", "(2, 1) of 4 tokens"),
    "a span before the sentence": ({"first": Span(-1, 1)}, OUTSIDE, "(-1, 1) of 4 tokens"),
    "a span after the sentence": ({"second": Span(3, 5)}, OUTSIDE, "(3, 5) of 4 tokens"),
    "a sentence without tokens": ({"tokens": ()}, OUTSIDE, "(0, 1) of 0 tokens"),
    "a span far outside": ({"second": Span(3, 10**4300)}, OUTSIDE, "a value too large to show of 4 tokens"),
    "an empty span": ({"second": Span(2, 2)}, "an empty argument", "(2, 2) of 4 tokens"),
    "an argument of blanks": (
        {"tokens": ("a", "\u00a0", "\t", "b"), "first": Span(1, 3)}, "an empty argument", "(1, 3) of 4 tokens",
    ),
    "spans that overlap": ({"first": Span(0, 2), "second": Span(1, 4)}, "spans that overlap", "(0, 2) and (1, 4)"),
    "one span within the other": ({"first": Span(0, 4), "second": Span(1, 2)}, "spans that overlap", "(0, 4) and (1, 2)"),
    "the same span twice": ({"first": Span(3, 4)}, "spans that overlap", "(3, 4) and (3, 4)"),
    "an empty token": ({"tokens": ("a", "b", "", "c")}, "an empty token", "token 2 of 4"),
    "an empty label": ({"label": ""}, "an empty label", ""),
    "a label of blanks": ({"label": " \n"}, "an empty label", ""),
    "a label of two lines": ({"label": "runs\nowns"}, CONTROL, r"'runs\nowns'"),
    "a label with a tab": ({"label": "runs\t"}, CONTROL, r"'runs\t'"),
    "a label that colours": ({"label": "\x1b[31mruns"}, CONTROL, r"'\x1b[31mruns'"),
    "a label with a line separator": ({"label": "runs\u2028owns"}, CONTROL, r"'runs\u2028owns'"),
    "a label with a paragraph separator": ({"label": "runs\u2029"}, CONTROL, r"'runs\u2029'"),
    "half a pair in a token": ({"tokens": ("a", "b", "x\ud83d", "\ude00")}, HALF, r"'\ud83d'"),
    "half a pair in the label": ({"label": "\ude00"}, HALF, r"'\ude00'"),
    "half a pair in the identifier": ({"identifier": "\ud83d"}, HALF, r"'\ud83d'"),
    "half a pair in an entity": ({"second_entity": "\ud83d"}, HALF, r"'\ud83d'"),
    "half a pair in a further mention": ({"others": (LinkedMention(1, 2, "Q\ud83d"),)}, HALF, r"'\ud83d'"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_example_that_cant_be_used_is_left_out_with_its_place(case: str) -> None:
    changes, reason, found = UNUSABLE[case]
    good = mention("good", label="other")
    corpus = collect(good, mention(**changes))
    assert corpus == Corpus((good,), {reason: 1}, (), (Fault(Place(FILE, 2), reason, found),))


def test_a_fault_is_told_in_one_line() -> None:
    assert str(Fault(Place(FILE, 3, 7), "an empty label")) == "train.json, line 3, example 7: an empty label"
    assert str(Fault(Place(FILE, 3), "a span", "(1, 0)")) == "train.json, line 3: a span: (1, 0)"


def test_other_errors_are_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError), Collection().example(Place(FILE, 1)):
        _ = 1 / 0


# Identifiers

MADE = "an identifier that is another example's, and was made another one"


def test_an_identifier_that_is_taken_is_made_another_one() -> None:
    spans = [{"first": Span(0, at)} for at in (1, 2, 3)] + [{"first": Span(1, at)} for at in (2, 3)]
    parts: tuple[Part, ...] = ("train", "train", "test", "train", "test")
    corpus = collect(*(mention("x", part=part, **span) for part, span in zip(parts, spans, strict=True)))
    assert [m.identifier for m in corpus.mentions] == ["x", "train/x", "test/x", "train/x (2)", "test/x (2)"]
    assert [m.part for m in corpus.mentions] == list(parts), "nothing else is changed"
    assert (corpus.left_out, corpus.faults) == ({}, ())
    assert corpus.remarks[0] == f"{MADE}: 4 (the first: train.json, line 2)"


def test_an_identifier_that_was_made_may_be_taken_too() -> None:
    corpus = collect(*(mention(name, first=Span(at, at + 1)) for at, name in enumerate(["train/x", "x", "x"])))
    assert [m.identifier for m in corpus.mentions] == ["train/x", "x", "train/x (2)"]
    corpus = collect(*(mention(name, first=Span(at, at + 1)) for at, name in enumerate(["x", "x", "train/x"])))
    assert [m.identifier for m in corpus.mentions] == ["x", "train/x", "train/train/x"]


def test_two_examples_at_one_place_have_two_identifiers() -> None:
    collection = Collection()
    with collection.example(Place(FILE, 1)):
        collection.add(mention("x"))
        collection.add(mention("x", first=Span(1, 2)))
    corpus = collection.corpus()
    assert [m.identifier for m in corpus.mentions] == ["x", "train/x"]
    assert corpus.remarks == (f"{MADE}: 1 (the first: train.json, line 1)",)


def test_an_example_that_was_replaced_by_its_double_frees_its_identifier() -> None:
    corpus = collect(mention("x"), mention("x", part="test"), mention("y", first=Span(1, 2)))
    assert [(m.identifier, m.part) for m in corpus.mentions] == [("x", "test"), ("y", "train")]
    assert corpus.faults[0].found == "'runs'; 'x' in test has 'runs'"
    assert MADE not in "".join(corpus.remarks)


def test_a_double_is_told_with_the_identifier_that_was_made() -> None:
    corpus = collect(mention("x", first=Span(1, 2)), mention("y"), mention("x", part="test"))
    assert [(m.identifier, m.part) for m in corpus.mentions] == [("x", "train"), ("test/x", "test")]
    found = "'runs'; 'test/x' in test has 'runs'"
    assert corpus.faults == (Fault(Place(FILE, 2), f"{AGAIN}the same label", found),)
    corpus = collect(mention("x", first=Span(1, 2)), mention("x", part="test"), mention("y"))
    assert corpus.faults == (Fault(Place(FILE, 3), f"{AGAIN}the same label", found),)


def test_a_double_is_left_out_whatever_its_identifier() -> None:
    corpus = collect(mention("x"), mention("x"), mention("x", label="owns"))
    assert corpus.mentions == (mention("x"),)
    assert corpus.left_out == {f"{AGAIN}the same label": 1, f"{AGAIN}another label": 1}
    assert corpus.remarks == ()


def test_many_equal_identifiers_take_no_long_time() -> None:
    count = 20_000
    began = time.perf_counter()
    corpus = collect(*(mention("x", tokens=("Ann", f"runs{at}", "the", "firm")) for at in range(count)))
    assert time.perf_counter() - began < 20, "trying every number anew takes minutes"
    assert [m.identifier for m in corpus.mentions[:3]] == ["x", "train/x", "train/x (2)"]
    assert len({m.identifier for m in corpus.mentions}) == count


@given(
    st.lists(
        st.tuples(st.sampled_from(["x", "train/x", "x (2)", "train/x (2)", "y"]), st.sampled_from(sorted(PARTS))),
        max_size=30,
    )
)
def test_identifiers_are_all_different_whatever_they_were(named: list[tuple[str, Part]]) -> None:
    corpus = collect(*(
        mention(name, part=part, tokens=("Ann", str(at), "the", "firm")) for at, (name, part) in enumerate(named)
    ))  # fmt: skip
    assert len({m.identifier for m in corpus.mentions}) == len(corpus.mentions) == len(named)
    first = {name: at for at, (name, _) in reversed(list(enumerate(named)))}
    made = {m.identifier for m in corpus.mentions} - first.keys()
    assert bool(made) == (len(first) < len(named)), "of equal ones all but one are made others"


def test_an_example_that_is_left_out_takes_no_identifier() -> None:
    corpus = collect(mention("x", label=""), mention("x"))
    assert corpus.mentions == (mention("x"),)
    assert corpus.left_out == {"an empty label": 1}


# Doubles

AGAIN = "the same sentence and arguments again, with "


@pytest.mark.parametrize("label", ["runs", "owns"])
@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        (("train", "train"), 1),
        (("test", "test"), 1),
        (("train", "dev"), 2),
        (("dev", "train"), 1),
        (("dev", "test"), 2),
        (("test", "dev"), 1),
        (("test", "train"), 1),
        (("train", "test"), 2),
    ],
)
def test_of_doubles_the_one_scored_last_stays_and_the_place_of_the_other_is_told(
    parts: tuple[Part, Part], stays: int, label: str
) -> None:
    doubles = mention("1", part=parts[0]), mention("2", part=parts[1], label=label)
    kept, left_out = doubles[stays - 1], doubles[2 - stays]
    between = mention("between", first=Span(1, 2))
    corpus = collect(doubles[0], between, doubles[1])
    assert corpus.mentions == ((kept, between) if stays == 1 else (between, kept))
    reason = AGAIN + ("the same label" if label == "runs" else "another label")
    assert corpus.left_out == {reason: 1}
    found = f"{left_out.label!r}; {kept.identifier!r} in {kept.part} has {kept.label!r}"
    assert corpus.faults == (Fault(Place(FILE, 3 if stays == 1 else 1), reason, found),)


def test_of_three_doubles_one_stays() -> None:
    corpus = collect(*(mention(part, part=part) for part in ("train", "test", "dev")))
    assert corpus.mentions == (mention("test", part="test"),)
    assert [fault.place.line for fault in corpus.faults] == [1, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"head": "first"},
        {"head": "second"},
        {"first": Span(0, 2)},
        {"second": Span(2, 4)},
        {"tokens": ("Ann", "runs", "a", "firm")},
    ],
)
def test_another_subject_span_or_sentence_is_another_example(changes: dict[str, Any]) -> None:
    corpus = collect(mention("1"), mention("2", **changes))
    assert len(corpus.mentions) == 2
    assert corpus.left_out == {}


def test_the_two_directions_of_a_pair_are_two_examples() -> None:
    corpus = collect(mention("1", head="first"), mention("2", head="second"), mention("3", head="second"))
    assert [m.identifier for m in corpus.mentions] == ["1", "2"]
    assert corpus.left_out == {f"{AGAIN}the same label": 1}


def test_what_else_differs_makes_no_other_example() -> None:
    other = mention("2", first_entity="Q1", others=(LinkedMention(1, 2, "Q2"),), parse=PARSE, agreement=1.0)
    assert collect(mention("1"), other).mentions == (mention("1"),)


def test_sentences_in_more_than_one_part_are_remarked() -> None:
    corpus = collect(
        mention("1"), mention("2", first=Span(1, 2), part="dev"), mention("3", first=Span(2, 3), part="dev")
    )
    assert corpus.remarks == ("sentences in more than one official part, with other arguments, and kept: 1",)
    assert collect(mention("1"), mention("2", first=Span(1, 2))).remarks == ()


# Labels

DIFFER = "labels that differ in case or blanks alone, and count as different: "


def test_labels_that_differ_in_case_or_blanks_alone_are_remarked() -> None:
    labels = ["a", "b", "A", "b ", "a", "c d", "c\u00a0 d", "C D", "cd"]
    corpus = collect(*(mention(str(at), label=label, tokens=(*"xyz", str(at))) for at, label in enumerate(labels)))
    assert [m.label for m in corpus.mentions] == labels
    assert corpus.remarks == (
        f"{DIFFER}'a', 'A'",
        f"{DIFFER}'b', 'b '",
        f"{DIFFER}'c d', 'c\\xa0 d', 'C D'",
    )
    assert corpus.left_out == {}


def test_labels_that_differ_otherwise_are_not_remarked() -> None:
    assert collect(mention("1"), mention("2", label="runs2", first=Span(1, 2))).remarks == ()


# Further mentions and parses

APART = "a further mention that is not used, for it is not apart from all others in the sentence"


@pytest.mark.parametrize(
    ("others", "kept"),
    [
        ([(2, 3, "B"), (1, 2, "A")], [(1, 2, "A"), (2, 3, "B")]),
        ([(1, 3, "A"), (2, 3, "B")], [(1, 3, "A")]),
        ([(1, 2, "A"), (1, 2, "A")], [(1, 2, "A")]),
        ([(0, 1, "A"), (0, 2, "B"), (2, 4, "C"), (3, 4, "D")], []),
        ([(-1, 1, "A"), (3, 5, "B"), (2, 1, "C"), (2, 2, "D"), (1, 2, ""), (1, 2, " ")], []),
    ],
)
def test_further_mentions_that_are_not_apart_are_remarked_and_dropped(
    others: list[tuple[int, int, str]], kept: list[tuple[int, int, str]]
) -> None:
    corpus = collect(mention(others=tuple(LinkedMention(*other) for other in others)))
    assert [tuple(other) for other in corpus.mentions[0].others] == kept
    dropped = len(others) - len(kept)
    assert corpus.remarks == ((f"{APART}: {dropped} (the first: train.json, line 1)",) if dropped else ())
    assert corpus.left_out == {}


LENGTH, HEAD = "it is not as long as its sentence", "it has a head outside the sentence"
EMPTY, CYCLE = "it has an empty tag or label", "it has a cycle"
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "tags are missing": ({"tags": PARSE.tags[1:]}, LENGTH),
    "heads are missing": ({"heads": PARSE.heads[:-1]}, LENGTH),
    "a label too many": ({"labels": (*PARSE.labels, "dep")}, LENGTH),
    "no entries": ({"tags": (), "heads": (), "labels": ()}, LENGTH),
    "a head before the root": ({"heads": (1, -2, 3, 1)}, HEAD),
    "a head after the sentence": ({"heads": (1, -1, 4, 1)}, HEAD),
    "an empty tag": ({"tags": ("NN", "", "DT", "NN")}, EMPTY),
    "an empty label": ({"labels": ("nsubj", "root", "det", "")}, EMPTY),
    "its own head": ({"heads": (1, -1, 2, 1)}, CYCLE),
    "a circle": ({"heads": (1, 3, 3, 0)}, CYCLE),
    "half a pair in a tag": ({"tags": ("NN", "VB\ud83d", "DT", "NN")}, f"it has {HALF}"),
    "half a pair in a label": ({"labels": ("\ude00", "root", "det", "obj")}, f"it has {HALF}"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_parse_that_cant_be_used_is_remarked_and_dropped(case: str) -> None:
    changes, fault = BROKEN[case]
    corpus = collect(mention("1"), mention("2", first=Span(1, 2), parse=dataclasses.replace(PARSE, **changes)))
    assert corpus.mentions == (mention("1"), mention("2", first=Span(1, 2)))
    assert corpus.remarks == (f"a parse that is not used, for {fault}: 1 (the first: train.json, line 2)",)
    assert corpus.left_out == {}


@pytest.mark.parametrize("heads", [(-1, -1, -1, -1), (-1, 0, -1, 2), (3, 0, 1, -1)])
def test_a_parse_may_have_several_roots(heads: tuple[int, ...]) -> None:
    parsed = mention(parse=dataclasses.replace(PARSE, heads=heads))
    assert collect(parsed) == Corpus((parsed,))


def test_what_is_left_out_is_not_remarked() -> None:
    bad = {"others": (LinkedMention(0, 1, "A"),), "parse": dataclasses.replace(PARSE, heads=())}
    corpus = collect(mention("1"), mention("2", **bad), mention("3", label="", **bad))
    assert corpus.mentions == (mention("1"),)
    assert corpus.left_out == {f"{AGAIN}the same label": 1, "an empty label": 1}
    assert corpus.remarks == ()


@given(st.integers(0, 8).flatmap(lambda size: st.tuples(*[st.integers(-1, max(size, 1) - 1)] * size)))
def test_cycles_are_those_that_networkx_finds(heads: tuple[int, ...]) -> None:
    graph = networkx.DiGraph((token, head) for token, head in enumerate(heads) if head >= 0)
    columns = ("x",) * len(heads)
    expected = "" if networkx.is_directed_acyclic_graph(graph) else CYCLE
    assert tree_fault(Parse(columns, heads, columns), len(heads)) == expected


def test_a_long_way_to_the_root_is_no_cycle() -> None:
    heads, columns = tuple(range(1, 50_000)), ("x",) * 50_000
    assert tree_fault(Parse(columns, (*heads, -1), columns), 50_000) == ""
    assert tree_fault(Parse(columns, (*heads, 0), columns), 50_000) == CYCLE


# Arguments and parts


@given(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_spans_in_text_order(one: tuple[int, int], two: tuple[int, int]) -> None:
    first, second, head = in_text_order(Span(*one), Span(*two))
    assert [first, second] == sorted([one, two])
    assert (first if head == "first" else second) == one


def test_parts_have_three_names() -> None:
    assert [part_of(name) for name in ("train", "dev", "test")] == ["train", "dev", "test"]
    with pytest.raises(UnusableError) as raised:
        part_of("valid")
    assert (raised.value.reason, raised.value.found) == ("an unknown part", "'valid'; expected train, dev, test")


# None is lost

SPANS = st.tuples(st.integers(-1, 4), st.integers(-1, 4)).map(lambda ends: Span(*ends))
HEADS: st.SearchStrategy[Literal["first", "second"] | None] = st.sampled_from([None, "first", "second"])
MENTIONS = st.builds(
    RelationMention,
    identifier=st.sampled_from("abcdefghij"),
    tokens=st.lists(st.sampled_from(["x", "x", "y", "", " ", "\ud800"]), max_size=4).map(tuple),
    first=SPANS | st.just(Span(0, 1)),
    second=SPANS | st.just(Span(1, 2)),
    label=st.sampled_from(["r", "s", ""]),
    part=st.sampled_from(["train", "dev", "test"]),
    head=HEADS,
    others=st.lists(st.builds(LinkedMention, st.integers(-1, 4), st.integers(-1, 4), st.sampled_from("A "))).map(tuple),
    parse=st.none() | st.builds(Parse, st.just(("T",) * 3), st.tuples(*[st.integers(-2, 3)] * 3), st.just(("l",) * 3)),
)


@given(st.lists(MENTIONS | st.none() | st.just("unusable"), max_size=12))
def test_every_example_is_kept_or_counted_with_its_place(examples: list[RelationMention | str | None]) -> None:
    collection = Collection()
    for line, example in enumerate(examples, 1):
        with collection.example(Place(FILE, line)):
            if isinstance(example, RelationMention):
                collection.add(example)
            elif example is None:
                collection.pass_over("not wanted")
            else:
                raise UnusableError(example)
    corpus = collection.corpus()
    assert len(corpus.mentions) + sum(corpus.left_out.values()) == len(examples)
    faults = Counter(fault.reason for fault in corpus.faults)
    assert faults == Counter({reason: count for reason, count in corpus.left_out.items() if reason != "not wanted"})
    lines = [fault.place.line for fault in corpus.faults]
    assert len(set(lines)) == len(lines)
    stays = [example for line, example in enumerate(examples, 1) if example and line not in lines]
    assert sorted(map(repr, (m.identifier for m in corpus.mentions))) == sorted(repr(m.identifier) for m in stays)  # type: ignore[union-attr]
    for kept in corpus.mentions:
        _keeps_its_promise(kept)
    keys = [(m.tokens, m.first, m.second, m.head) for m in corpus.mentions]
    assert len(set(keys)) == len({m.identifier for m in corpus.mentions}) == len(keys)
    assert content_digest(corpus)


def _keeps_its_promise(kept: RelationMention) -> None:
    size = len(kept.tokens)
    spans = sorted([kept.first, kept.second, *(Span(other.start, other.end) for other in kept.others)])
    edges = [0, *(edge for span in spans for edge in span), size]
    assert edges == sorted(edges)
    assert all(span.start < span.end for span in spans)
    assert all(kept.tokens)
    assert kept.parse is None or (tree_fault(kept.parse, size) == "" and len(kept.parse.heads) == size)
