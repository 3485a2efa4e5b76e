"""Splits leave nothing out and nothing twice; subsets are nested; sizes are the protocol's."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import RelationMention, Span
from harness.datasets.splits import Split, groups, size_of, split, subset
from harness.seeding import numpy_stream

Indices = npt.NDArray[np.int64]

corpora = st.lists(st.sampled_from(["train", "dev", "test"]), min_size=10, max_size=300)
seeds = st.integers(0, 10_000)


def everything(parts: list[Any]) -> Indices:
    return np.arange(len(parts))


def parts_of(made: Split) -> list[list[int]]:
    return [made.train.tolist(), made.dev.tolist(), made.test.tolist()]


# Splits


@given(corpora, st.sampled_from(["official", "paper"]), seeds, st.data())
def test_parts_are_disjoint_and_exhaustive(parts: list[str], kind: str, seed: int, data: st.DataObject) -> None:
    among = np.array(data.draw(st.sets(st.integers(0, len(parts) - 1), min_size=1).map(sorted)))
    sample = data.draw(st.none() | st.integers(1, len(among)))
    made = parts_of(split(parts, kind, seed, sample, among))
    assert made == [sorted(part) for part in made]
    together = [index for part in made for index in part]
    assert len(together) == len(set(together)) == (sample or len(among))
    assert set(together) <= set(among.tolist())


@given(corpora, seeds, st.data())
def test_the_papers_split_is_70_10_20_percent(parts: list[str], seed: int, data: st.DataObject) -> None:
    sample = data.draw(st.none() | st.integers(1, len(parts)))
    train, dev, test = map(len, parts_of(split(parts, "paper", seed, sample, everything(parts))))
    size = sample or len(parts)
    assert test == round(size / 5)
    assert dev == round(size / 10)
    assert train == size - test - dev


@given(corpora, seeds, st.data())
def test_the_official_split_keeps_the_published_parts(parts: list[str], seed: int, data: st.DataObject) -> None:
    sample = data.draw(st.none() | st.integers(1, len(parts)))
    parts = [*parts, "dev"]
    made = split(parts, "official", seed, sample, everything(parts))
    for name in ("train", "dev", "test"):
        assert {parts[index] for index in getattr(made, name)} <= {name}
    if sample is None:
        assert made.train.tolist() == [index for index, part in enumerate(parts) if part == "train"]


def test_the_papers_split_of_the_papers_sample() -> None:
    made = split(["train"] * 18_743, "paper", 0, 9150, np.arange(18_743))
    assert list(map(len, parts_of(made))) == [6405, 915, 1830]


def test_nothing_but_the_seed_decides() -> None:
    parts = ["train", "dev"] * 100
    one, same, other = (parts_of(split(parts, "paper", seed, 150, everything(parts))) for seed in (1, 1, 2))
    assert one == same
    assert [set(part) for part in one] != [set(part) for part in other]
    assert one == parts_of(split(["test"] * 200, "paper", 1, 150, everything(parts)))


def test_one_permutation_gives_sample_test_dev_and_train_in_this_order() -> None:
    among = np.arange(100, 200)
    order = among[numpy_stream("split", 7).permutation(100)].tolist()
    made = split(["train"] * 200, "paper", 7, 50, among)
    assert parts_of(made) == [sorted(order[15:50]), sorted(order[10:15]), sorted(order[:10])]


def test_a_sample_is_part_of_every_larger_one() -> None:
    parts = ["train", "dev", "test"] * 50
    samples = []
    for size in (10, 40, 150):
        train, dev, test = parts_of(split(parts, "official", 3, size, everything(parts)))
        samples.append({*train, *dev, *test})
    assert samples[0] < samples[1] < samples[2]


# Splits that keep groups together


groups_of = st.lists(st.integers(0, 12), min_size=10, max_size=300)


@given(groups_of, seeds, st.data())
def test_no_group_is_in_two_parts(group: list[int], seed: int, data: st.DataObject) -> None:
    sample = data.draw(st.none() | st.integers(1, len(group)))
    among = np.array(data.draw(st.sets(st.integers(0, len(group) - 1), min_size=sample or 1).map(sorted)))
    made = parts_of(split(["train"] * len(group), "by-pair", seed, sample, among, np.array(group)))
    held = [{group[index] for index in part} for part in made]
    assert not held[0] & held[1] | held[0] & held[2] | held[1] & held[2]
    together = [index for part in made for index in part]
    assert len(together) == len(set(together)) == (sample or len(among))
    assert made == [sorted(part) for part in made]


@given(groups_of, seeds)
def test_parts_of_groups_are_as_large_as_their_shares_but_for_half_a_group(group: list[int], seed: int) -> None:
    _, dev, test = parts_of(
        split(["train"] * len(group), "by-sentence", seed, None, everything(group), np.array(group))
    )
    half = max(group.count(number) for number in group) / 2
    size = len(group)
    assert abs(len(test) - round(size / 5)) <= half
    assert abs(len(test) + len(dev) - round(size / 5) - round(size / 10)) <= half


@given(st.integers(10, 200), seeds)
def test_groups_of_one_split_as_mentions_do(size: int, seed: int) -> None:
    made = parts_of(split(["train"] * size, "by-pair", seed, None, np.arange(size), np.arange(size)))
    assert [len(part) for part in made] == [
        size - round(size / 5) - round(size / 10),
        round(size / 10),
        round(size / 5),
    ]


def test_a_large_group_is_in_test_where_its_middle_is() -> None:
    group = np.repeat([0, *range(1, 81)], [20, *[1] * 80])  # one group of 20 beside 80 of one
    among = np.arange(100)
    held = sum(0 in split(["train"] * 100, "by-pair", seed, None, among, group).test for seed in range(400))
    assert 0.07 < held / 400 < 0.18  # in 10 of 81 places the middle of the large group lies among the first 20 mentions


def mention(first: str, second: str, **changed: Any) -> RelationMention:
    return RelationMention("m", (first, "met", second), Span(0, 1), Span(2, 3), "x", "train", **changed)


def test_a_pair_is_that_of_its_entities_in_any_order() -> None:
    one = mention("Ann", "Acme")
    same = [mention("ACME", "ann"), mention("Globex", "Bob", first_entity="ann", second_entity="acme")]
    others = [mention("Ann", "Bob"), mention("Ann", "Acme", first_entity="Q1"), mention("Ann", "Ann")]
    assert groups([one, *same, *others], "by-pair").tolist() == [0, 0, 0, 1, 2, 3]


def test_a_sentence_is_its_tokens() -> None:
    one = mention("Ann", "Acme")
    turned = dataclasses.replace(one, first=Span(0, 2), label="y")
    assert groups([one, mention("Bob", "Acme"), turned], "by-sentence").tolist() == [0, 1, 0]


@given(st.integers(4, 300), seeds)
def test_dev_is_drawn_from_train_where_none_is_published(size: int, seed: int) -> None:
    parts = ["train"] * size + ["test"] * 5
    made = split(parts, "official", seed, None, everything(parts))
    assert len(made.dev) == round(size / 10)
    assert sorted([*made.train, *made.dev]) == list(range(size))
    assert made.test.tolist() == list(range(size, size + 5))


# Subsets


@given(st.sets(st.integers(0, 10**6), min_size=10, max_size=200), st.integers(0, 50))
def test_subsets_of_one_replicate_are_nested(train: set[int], replicate: int) -> None:
    full = np.array(sorted(train))
    sizes = [size_of(f"S{step}", len(full)) for step in range(1, 11)]
    subsets = [subset(full, size, replicate).tolist() for size in sizes]
    assert [len(chosen) for chosen in subsets] == sizes
    for smaller, larger in pairwise(subsets):
        assert larger[: len(smaller)] == smaller
    assert set(subsets[-1]) == train
    assert len(subsets[-1]) == len(train)


def test_replicates_move_the_subset() -> None:
    full = np.arange(100)
    first = [subset(full, 20, replicate).tolist() for replicate in range(5)]
    assert len(set(map(tuple, first))) == 5
    assert first[3] == numpy_stream("subset", 3).permutation(100)[:20].tolist()


# Sizes


def test_the_protocols_sizes() -> None:
    sizes = [size_of(f"S{step}", 6405) for step in range(1, 11)]
    assert sizes == [13, 25, 50, 100, 200, 400, 801, 1601, 3202, 6405]


@given(st.integers(1, 10**6))
def test_sizes_double_up_to_the_full_set(full: int) -> None:
    sizes = [size_of(f"S{step}", full) for step in range(1, 11)]
    assert sizes[-1] == size_of("full", full) == size_of(full, full) == full
    assert all(1 <= size <= full for size in sizes)
    for smaller, larger in pairwise(sizes):
        assert abs(larger - 2 * smaller) <= 1 or smaller == larger == 1


@pytest.mark.parametrize("written", ["S0", "S11", "S01", "s3", "S3 ", "FULL", "50", "", 2.0, None, True, [50]])
def test_what_is_no_size_is_told(written: object) -> None:
    with pytest.raises(ValueError, match="expected a count, S1 to S10, or full, found") as raised:
        size_of(written, 100)  # type: ignore[arg-type]
    assert str(raised.value).endswith(f"found {written!r}")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (0, "must be at least 1, found 0"),
        (-5, "must be at least 1, found -5"),
        (6406, "asks for 6,406 training mentions, but the split has 6,405"),
    ],
)
def test_a_count_out_of_range_is_told(written: int, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}$"):
        size_of(written, 6405)
