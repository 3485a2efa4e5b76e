"""What runs read: a hand-made corpus as token rows, feature rows and vectors in use; made once, found again."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors

from harness.artifacts import Artifact, ArtifactStore
from harness.contracts import About, Corpus, CorpusReader, LinkedMention, RelationMention, Span
from harness.datasets.prepared import ensure, inputs_key, is_there, mentions_key, names, ragged
from harness.datasets.sources import SourceCorpus
from harness.features import GROUPS, features
from harness.specs import CorpusSpec, VectorsSpec

CORPUS = CorpusSpec("toy", "digest", "paper", 0, None)
VECTORS = VectorsSpec("toy.txt", "digest", "hash")


class Toy(CorpusReader):
    """What stands behind the hand-made mentions."""

    about = About(headline="accuracy")

    def read(self, folder: Path | None) -> Corpus:
        raise AssertionError("a corpus is read before it is prepared")


MENTIONS = (
    RelationMention(
        "linked",
        tuple("Ann Lee met Bob of Acme Inc in the Oslo office today".split()),
        first=Span(0, 2),
        second=Span(9, 10),
        label="works-in",
        part="train",
        first_entity="Q1",
        second_entity="Q2",
        others=(LinkedMention(5, 7, "Q3"), LinkedMention(10, 11, "Q4"), LinkedMention(3, 4, "Q5")),
    ),
    RelationMention(
        "unlinked",
        tuple("ANN  Lee , Oslo".split()),
        first=Span(0, 2),
        second=Span(3, 4),
        label="born-in",
        part="test",
    ),
    RelationMention(
        "adjacent",
        tuple("Oslo Lee smiled".split()),
        first=Span(0, 1),
        second=Span(1, 2),
        label="works-in",
        part="train",
        second_entity="Q1",
    ),
)
WORDS = ("ann", "lee", "met", "of", "acme", "oslo", ",", "unused")


def vectors() -> KeyedVectors:
    made = KeyedVectors(3)
    made.add_vectors(list(WORDS), np.arange(3 * len(WORDS), dtype=np.float32).reshape(-1, 3))
    return made


def prepared(folder: Path, *mentions: RelationMention) -> tuple[Artifact, Artifact]:
    """The two artifacts of the mentions."""
    store = ArtifactStore(folder)
    source = SourceCorpus("toy", Toy(), Corpus(mentions), Toy.about, "digest")
    ensure(store, CORPUS, VECTORS, source, vectors)
    made = store.read("mentions", mentions_key(CORPUS)), store.read("inputs", inputs_key(CORPUS, VECTORS))
    assert made[0] is not None
    assert made[1] is not None
    return made[0], made[1]


def rows(artifact: Artifact, name: str) -> list[list[int]]:
    """Rows of unequal length, one a mention or entity."""
    values, start = artifact.tensors[name].tolist(), artifact.tensors[f"{name}.start"].tolist()
    return [values[low:high] for low, high in pairwise(start)]


# Readings


def test_readings_are_mention_words_mention_with_every_entity_as_one_token(tmp_path: Path) -> None:
    _, inputs = prepared(tmp_path, *MENTIONS)
    known = ["ann", "lee", "met", "bob", "of", "acme", "inc", "in", "the", "oslo", ","]  # in order of first reading
    row = {word: number for number, word in enumerate(known)}
    entity = {name: len(known) + number for number, name in enumerate(["Q1", "Q5", "Q3", "Q2", "ann lee", "oslo"])}
    assert rows(inputs, "tokens") == [
        [entity["Q1"], row["met"], entity["Q5"], row["of"], entity["Q3"], row["in"], row["the"], entity["Q2"]],
        [entity["ann lee"], row[","], entity["oslo"]],
        [entity["oslo"], entity["Q1"]],
    ]
    assert rows(inputs, "entity_words") == [
        [row["ann"], row["lee"]],  # "Ann Lee" of the first mention, "Lee" of the last
        [row["bob"]],
        [row["acme"], row["inc"]],
        [row["oslo"]],
        [row["ann"], row["lee"]],
        [row["oslo"]],
    ]
    assert inputs.tensors["words"].shape == (len(known), 3)
    assert inputs.tensors["has_vector"].tolist() == [word in WORDS for word in known]
    for word in set(known) & set(WORDS):
        assert inputs.tensors["words"][row[word]].tolist() == vectors()[word].tolist()


def test_an_entitys_words_are_those_of_all_its_mentions_once(tmp_path: Path) -> None:
    tokens = tuple("Ann met A. Ann Lee".split())
    mention = RelationMention(
        "1", tokens, Span(0, 1), Span(2, 5), "x", "train", first_entity="Q1", second_entity="Q1"
    )  # fmt: skip
    _, inputs = prepared(tmp_path, mention)
    assert rows(inputs, "tokens") == [[4, 1, 4]]  # words: ann, met, a., lee
    assert rows(inputs, "entity_words") == [[0, 2, 3]]


def test_a_further_mention_counts_only_where_it_lies_between(tmp_path: Path) -> None:
    tokens = tuple("of Ann of Lee of met of".split())
    mention = RelationMention("1", tokens, Span(1, 2), Span(4, 5), "x", "train")
    others = {
        "before": LinkedMention(0, 1, "Q"),
        "over the first": LinkedMention(1, 3, "Q"),
        "over the second": LinkedMention(3, 5, "Q"),
        "after": LinkedMention(5, 6, "Q"),
    }
    plain = rows(prepared(tmp_path / "plain", mention)[1], "tokens")
    for name, other in others.items():
        _, inputs = prepared(tmp_path / name, dataclasses.replace(mention, others=(other,)))
        assert rows(inputs, "tokens") == plain, name


def test_coverage_is_of_the_words_that_are_read(tmp_path: Path) -> None:
    _, inputs = prepared(tmp_path, MENTIONS[0])
    # Ann Lee, met, Bob, of, Acme Inc, in, the, Oslo: of ten words met and of as written, Ann, Lee, Acme, Oslo not.
    assert inputs.meta["coverage"] == pytest.approx(
        {"as written": 0.2, "lower-cased": 0.4, "stripped of punctuation": 0, "as a number": 0, "unknown": 0.4}
    )


# Labels and features


def test_labels_and_parts_are_indices_in_sorted_names(tmp_path: Path) -> None:
    mentions, _ = prepared(tmp_path, *MENTIONS)
    assert mentions.meta["classes"] == ["born-in", "works-in"]
    assert mentions.tensors["label"].tolist() == [1, 0, 1]
    assert mentions.meta["parts"] == ["test", "train"]
    assert mentions.tensors["part"].tolist() == [1, 0, 1]


def test_feature_rows_stand_for_the_features(tmp_path: Path) -> None:
    mentions, _ = prepared(tmp_path, *MENTIONS)
    names: dict[int, str] = {}
    for group in GROUPS:
        for mention, numbers in zip(MENTIONS, rows(mentions, f"features.{group}"), strict=True):
            found = features(mention, group)
            assert len(numbers) == len(found)
            for number, feature in zip(numbers, found, strict=True):
                assert names.setdefault(number, feature) == feature
    assert len(set(names.values())) == len(names) == mentions.meta["features"]
    assert set(names) == set(range(len(names)))


# Made once


def never() -> KeyedVectors:
    raise AssertionError("the vectors were read again")


def test_artifacts_are_made_once_and_vectors_are_read_only_for_them(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    source = SourceCorpus("toy", Toy(), Corpus(MENTIONS), Toy.about, "digest")
    assert not is_there(store, CORPUS, None)
    ensure(store, CORPUS, None, source, None)
    assert is_there(store, CORPUS, None)
    assert not is_there(store, CORPUS, VECTORS)
    ensure(store, CORPUS, VECTORS, source, vectors)
    assert is_there(store, CORPUS, VECTORS)
    ensure(store, CORPUS, VECTORS, source, never)


@pytest.mark.parametrize(
    ("corpus", "vectors", "mentions_differ", "inputs_differ"),
    [
        ({"digest": "other"}, {}, True, True),
        ({"parses": "parses"}, {}, True, False),
        ({}, {"digest": "other"}, False, True),
        ({}, {"unknown": "zero"}, False, True),
        ({"split": "official", "split_seed": 3, "negative": "drop", "sample": 5, "name": "x"}, {"name": "x"}, False, False),
    ],
)  # fmt: skip
def test_keys_hold_what_the_artifacts_depend_on(
    corpus: dict[str, object], vectors: dict[str, object], mentions_differ: bool, inputs_differ: bool
) -> None:
    changed = dataclasses.replace(CORPUS, **corpus), dataclasses.replace(VECTORS, **vectors)  # type: ignore[arg-type]
    assert (mentions_key(changed[0]) != mentions_key(CORPUS)) == mentions_differ
    assert (inputs_key(*changed) != inputs_key(CORPUS, VECTORS)) == inputs_differ


def test_unknown_words_may_be_zero(tmp_path: Path) -> None:
    store, zero = ArtifactStore(tmp_path), dataclasses.replace(VECTORS, unknown="zero")
    ensure(store, CORPUS, zero, SourceCorpus("toy", Toy(), Corpus(MENTIONS), Toy.about, "digest"), vectors)
    inputs = store.read("inputs", inputs_key(CORPUS, zero))
    assert inputs is not None
    drawn = inputs.tensors["words"][~inputs.tensors["has_vector"]]
    assert len(drawn) > 0
    assert not drawn.any()


def test_ragged_rows_may_be_empty() -> None:
    values, start = ragged([[1, 2], [], [3]])
    assert (values.tolist(), start.tolist()) == ([1, 2, 3], [0, 2, 2, 3])
    assert (values.dtype, start.dtype) == (torch.int32, torch.int64)
    assert [tensor.tolist() for tensor in ragged([])] == [[], [0]]


def test_the_words_of_an_entity_are_those_of_all_its_mentions_each_once(tmp_path: Path) -> None:
    """'Acme' and 'Acme Inc' name one entity: {Acme, Inc}, however often either occurs."""
    spans = Span(0, 1), Span(2, 3)
    mentions = (
        RelationMention("1", ("Ann", "of", "Acme"), *spans, "a", "train", second_entity="Q1"),
        RelationMention("2", ("Ann", "of", "Acme", "Inc"), Span(0, 1), Span(2, 4), "b", "train", second_entity="Q1"),
        RelationMention("3", ("Ann", "of", "Acme"), *spans, "a", "dev", second_entity="Q1"),
    )
    _, inputs = prepared(tmp_path, *mentions)
    found = names(inputs)
    assert inputs.meta["entities"] == ["ann", "Q1"]
    ann, of, acme, inc = range(4)  # in order of first reading
    assert [words.tolist() for words in found.entity_words] == [[ann], [acme, inc]]
    assert all(words.dtype == torch.int64 for words in found.entity_words)
    assert found.has_vector.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(found.word_vectors[of], vectors()["of"])
    assert torch.equal(found.word_vectors, inputs.tensors["words"])
