"""Batches: readings forward and reversed, feature rows against a dense matrix, orders that leave no mention out."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.artifacts import Artifact
from harness.batching import (
    WINDOW,
    WINDOWS_A_PASS,
    FeatureBatch,
    Features,
    Inputs,
    evaluation_batches,
    reading_lengths,
    training_batches,
)
from harness.datasets.prepared import ragged

CPU = torch.device("cpu")

Rows = list[list[int]]


def reading_artifact(rows: Rows, words: int = 3) -> Artifact:
    """Prepared token rows over `words` word vectors."""
    tokens, start = ragged(rows)
    return Artifact({"tokens": tokens, "tokens.start": start, "words": torch.arange(2.0 * words).view(words, 2)}, {})


def path_artifact(first: Rows, second: Rows, words: int = 3) -> Artifact:
    """Prepared token rows of both paths of each mention."""
    tokens, start = ragged(second)
    artifact = reading_artifact(first, words)
    return Artifact({**artifact.tensors, "tokens_2": tokens, "tokens_2.start": start}, {})


def feature_artifact(groups: dict[str, Rows]) -> Artifact:
    """Prepared feature rows of each group, one list a mention."""
    tensors = {}
    for group, rows in groups.items():
        tensors[f"features.{group}"], tensors[f"features.{group}.start"] = ragged(rows)
    count = 1 + max((number for rows in groups.values() for row in rows for number in row), default=-1)
    return Artifact(tensors, {"features": count})


def indices(*numbers: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, np.int64)


# Readings


def test_a_batch_holds_two_readings_of_each_mention() -> None:
    prepared = reading_artifact([[3, 0, 1, 4], [4, 3], [3, 2, 4]])
    entity_vectors = torch.tensor([[10.0, 11.0], [12.0, 13.0]])
    batch = Inputs(prepared, entity_vectors, CPU).batch(indices(2, 0))
    assert batch.size == 2
    forward, backward = batch.readings
    assert forward.tokens.tolist() == [[3, 2, 4, 0], [3, 0, 1, 4]]
    assert backward.tokens.tolist() == [[4, 2, 3, 0], [4, 1, 0, 3]]
    assert forward.lengths.tolist() == backward.lengths.tolist() == [3, 4]
    assert forward.tokens.dtype == forward.lengths.dtype == torch.int64
    assert forward.mask().tolist() == [[True, True, True, False], [True] * 4]
    table = [[0, 1], [2, 3], [4, 5], [10, 11], [12, 13]]  # words first
    assert forward.vectors.tolist() == backward.vectors.tolist() == table
    assert forward.inputs()[0, :3].tolist() == [table[3], table[2], table[4]]


@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=6), min_size=1, max_size=5), st.data())
def test_readings_are_the_mentions_rows_padded_with_zeros(rows: Rows, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6))
    forward, backward = Inputs(reading_artifact(rows), torch.zeros(7, 2), CPU).batch(indices(*chosen)).readings
    longest = max(len(rows[number]) for number in chosen)
    padded = [rows[number] + [0] * (longest - len(rows[number])) for number in chosen]
    reversed_ = [rows[number][::-1] + [0] * (longest - len(rows[number])) for number in chosen]
    assert forward.tokens.tolist() == padded
    assert backward.tokens.tolist() == reversed_


def test_positions_are_distances_in_the_text_and_turn_with_the_tokens() -> None:
    prepared = reading_artifact([[3, 0, 1, 4], [4, 3]])
    forward, backward = Inputs(prepared, torch.zeros(2, 2), CPU, positions=True).batch(indices(0, 1)).readings
    assert forward.positions is not None
    assert backward.positions is not None
    assert forward.positions.tolist() == [
        [[0, -3], [1, -2], [2, -1], [3, 0]],
        [[0, -1], [1, 0], [0, 0], [0, 0]],
    ]
    assert backward.positions.tolist() == [
        [[3, 0], [2, -1], [1, -2], [0, -3]],
        [[1, 0], [0, -1], [0, 0], [0, 0]],
    ]
    assert forward.positions.dtype == backward.positions.dtype == torch.int64


some_rows = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=5)


@given(some_rows, st.data())
def test_a_token_has_the_same_positions_in_either_reading(rows: Rows, data: st.DataObject) -> None:
    chosen = indices(*data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6)))
    given_, plain = (
        Inputs(reading_artifact(rows), torch.zeros(7, 2), CPU, positions).batch(chosen).readings
        for positions in (True, False)
    )
    for with_positions, without in zip(given_, plain, strict=True):
        assert without.positions is None
        assert torch.equal(with_positions.tokens, without.tokens)
        assert torch.equal(with_positions.lengths, without.lengths)
    forward, backward = (reading.positions for reading in given_)
    assert forward is not None
    assert backward is not None
    for row, number in enumerate(chosen):
        length = len(rows[number])
        assert forward[row, :length].tolist() == [[at, at - (length - 1)] for at in range(length)]
        assert backward[row, :length].tolist() == forward[row, :length].tolist()[::-1]
        assert not forward[row, length:].any()
        assert not backward[row, length:].any()


def test_a_batch_of_paths_holds_both_as_wide_as_the_longest() -> None:
    prepared = path_artifact([[3, 1], [4], [3, 0]], [[4, 0, 2, 1], [3, 0], [4]])
    entity_vectors = torch.tensor([[10.0, 11.0], [12.0, 13.0]])
    inputs = Inputs(prepared, entity_vectors, CPU)
    first, second = inputs.batch(indices(1, 0)).readings
    assert first.tokens.tolist() == [[4, 0, 0, 0], [3, 1, 0, 0]]
    assert second.tokens.tolist() == [[3, 0, 0, 0], [4, 0, 2, 1]]
    assert first.lengths.tolist() == [1, 2]
    assert second.lengths.tolist() == [2, 4]
    assert {tensor.dtype for reading in (first, second) for tensor in (reading.tokens, reading.lengths)} == {
        torch.int64
    }
    assert first.inputs()[0, 0].tolist() == second.inputs()[1, 0].tolist() == [12, 13]
    first, second = inputs.batch(indices(2, 1)).readings
    assert (first.tokens.tolist(), second.tokens.tolist()) == ([[3, 0], [4, 0]], [[4, 0], [3, 0]])


@given(some_rows, st.data())
def test_paths_are_the_mentions_rows_padded_with_zeros(first: Rows, data: st.DataObject) -> None:
    size = len(first)
    second = data.draw(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=size, max_size=size))
    chosen = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=6))
    positions = data.draw(st.booleans())
    prepared = path_artifact(first, second)
    readings = Inputs(prepared, torch.zeros(7, 2), CPU, positions).batch(indices(*chosen)).readings
    longest = reading_lengths(prepared, indices(*chosen)).max()
    for rows, reading in zip((first, second), readings, strict=True):
        assert reading.tokens.tolist() == [rows[number] + [0] * (longest - len(rows[number])) for number in chosen]
        assert reading.lengths.tolist() == [len(rows[number]) for number in chosen]
        assert reading.positions is None, "paths have none, whatever is asked"


def test_the_length_of_paths_is_that_of_the_longer() -> None:
    prepared = path_artifact([[3, 1], [4], [3, 0]], [[4, 0, 2, 1], [3, 0], [4]])
    lengths = reading_lengths(prepared, indices(2, 1, 0))
    assert lengths.tolist() == [2, 2, 4]
    assert lengths.dtype == np.int64


def test_lengths_are_those_of_the_readings() -> None:
    prepared = reading_artifact([[3, 0, 1, 4], [4, 3], [3, 2, 4]])
    assert reading_lengths(prepared, indices(2, 1, 0)).tolist() == [3, 2, 4]
    assert reading_lengths(None, indices(7, 8)).tolist() == [1, 1]


# Features


def dense(batch: FeatureBatch, size: int) -> npt.NDArray[np.int64]:
    """The batch as a matrix of counts: mentions by rows of the classifier's table."""
    table = np.zeros((len(batch.offsets), size), np.int64)
    ends = [*batch.offsets.tolist()[1:], len(batch.rows)]
    for mention, (start, end) in enumerate(zip(batch.offsets.tolist(), ends, strict=True)):
        for place in batch.rows[start:end].tolist():
            table[mention, batch.touched[place]] += 1
    return table


group = st.lists(st.sets(st.integers(0, 12), max_size=5).map(list), min_size=6, max_size=6)
some_mentions = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(group, group, some_mentions, some_mentions)
def test_feature_batches_are_a_one_hot_matrix_over_what_the_subset_has(
    one: Rows, two: Rows, subset: list[int], asked: list[int]
) -> None:
    two = [[number + 13 for number in row] for row in two]  # groups share no feature
    features = Features(feature_artifact({"one": one, "two": two}), ("one", "two"), indices(*subset), CPU)
    seen = sorted({number for mention in subset for number in one[mention] + two[mention]})
    assert features.size == len(seen)
    expected = [[int(number in one[mention] + two[mention]) for number in seen] for mention in asked]
    batch = features.batch(indices(*asked))
    assert dense(batch, features.size).tolist() == expected
    assert batch.touched.tolist() == sorted(set(batch.touched.tolist()))
    if len(batch.touched):
        assert set(batch.rows.tolist()) == set(range(len(batch.touched)))


def test_features_that_the_subset_lacks_are_dropped() -> None:
    prepared = feature_artifact({"one": [[0, 1], [2], [1, 2, 3]]})
    features = Features(prepared, ("one",), indices(0), CPU)
    assert features.size == 2
    batch = features.batch(indices(2, 1, 0))
    assert dense(batch, 2).tolist() == [[0, 1], [0, 0], [1, 1]]
    assert features.batch(indices(1)).touched.tolist() == []


def test_groups_that_are_off_have_no_rows() -> None:
    prepared = feature_artifact({"one": [[0], [1]], "two": [[2], [3]]})
    assert Features(prepared, ("two",), indices(0, 1), CPU).size == 2
    none = Features(prepared, (), indices(0, 1), CPU)
    assert none.size == 0
    assert none.batch(indices(0, 1)).offsets.tolist() == [0, 0]


def test_a_feature_batch_sums_rows_as_the_dense_product_does() -> None:
    prepared = feature_artifact({"one": [[0, 1, 2], [], [1, 4]]})
    features = Features(prepared, ("one",), indices(0, 1, 2), CPU)
    batch = features.batch(indices(2, 1, 0))
    table = torch.randn(features.size, 3, generator=torch.Generator().manual_seed(0))
    summed = torch.nn.functional.embedding_bag(batch.rows, table[batch.touched], batch.offsets, mode="sum")
    torch.testing.assert_close(summed, torch.tensor(dense(batch, features.size), dtype=torch.float32) @ table)


# Orders

lengths = st.lists(st.integers(1, 30), min_size=1, max_size=120).map(np.array)


def batches_a_window(count: int, size: int) -> int:
    """How many batches are drawn and sorted together: never more than a share of a pass, and at least one."""
    return max(1, min(WINDOW, count // size // WINDOWS_A_PASS))


@given(lengths, st.integers(1, 20), st.integers(0, 5))
def test_training_batches_are_full_and_none_is_a_pass_ahead_of_another(
    lengths: npt.NDArray[np.int64], size: int, seed: int
) -> None:
    size = min(size, len(lengths))
    batches = training_batches(lengths, size, np.random.default_rng(seed))
    counts = Counter(dict.fromkeys(range(len(lengths)), 0))
    for _ in range(8):
        drawn = list(islice(batches, batches_a_window(len(lengths), size)))
        assert all(len(batch) == size for batch in drawn)
        counts.update(place for batch in drawn for place in batch.tolist())
        assert max(counts.values()) - min(counts.values()) <= 1
    assert set(counts) == set(range(len(lengths)))


@given(lengths, st.integers(1, 20))
def test_no_window_reaches_beyond_the_first_pass(lengths: npt.NDArray[np.int64], size: int) -> None:
    size = min(size, len(lengths))
    window = batches_a_window(len(lengths), size)
    whole = len(lengths) // (size * window) * window  # batches of the windows that a pass holds
    batches = training_batches(lengths, size, np.random.default_rng(0))
    drawn = np.concatenate(list(islice(batches, whole)))
    assert len(set(drawn.tolist())) == whole * size


@pytest.mark.parametrize(("count", "size"), [(64, 8), (4 * WINDOW * WINDOWS_A_PASS, 4), (5, 5), (3, 8)])
def test_where_windows_fill_a_pass_each_pass_has_every_mention_once(count: int, size: int) -> None:
    batches = training_batches(np.arange(1, count + 1), size, np.random.default_rng(0))
    for _ in range(3):
        drawn = np.concatenate(list(islice(batches, max(1, count // size))))
        assert sorted(drawn.tolist()) == list(range(count))


def test_batches_of_a_window_are_of_like_length_in_random_order() -> None:
    count, size = 10 * 16 * WINDOWS_A_PASS, 10
    lengths = np.random.default_rng(0).permutation(count)
    batches = list(islice(training_batches(lengths, size, np.random.default_rng(1)), 16))
    spans = [(lengths[batch].min(), lengths[batch].max()) for batch in batches]
    assert spans != sorted(spans)
    assert all(before < after for (_, before), (after, _) in pairwise(sorted(spans)))


def test_the_generator_alone_decides_the_order() -> None:
    def order(seed: int) -> list[list[int]]:
        batches = training_batches(np.arange(100) % 7, 8, np.random.default_rng(seed))
        return [batch.tolist() for batch in islice(batches, 30)]

    assert order(1) == order(1)
    assert order(1) != order(2)


@given(lengths, st.integers(1, 130))
def test_evaluation_batches_cover_every_mention_once_by_length(lengths: npt.NDArray[np.int64], size: int) -> None:
    batches = evaluation_batches(lengths, size)
    together = np.concatenate(batches)
    assert sorted(together.tolist()) == list(range(len(lengths)))
    assert lengths[together].tolist() == sorted(lengths.tolist())
    assert {len(batch) for batch in batches[:-1]} <= {size}
    assert 1 <= len(batches[-1]) <= size


def test_no_mentions_make_no_evaluation_batch() -> None:
    assert evaluation_batches(np.zeros(0, np.int64)) == []
