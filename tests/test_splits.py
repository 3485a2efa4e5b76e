"""Splits leave nothing out and nothing twice; subsets are nested; sizes are the protocol's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.splits import Split, size_of, split, subset
from harness.seeding import numpy_stream

Indices = npt.NDArray[np.int64]

corpora = st.lists(st.sampled_from(["train", "dev", "test"]), min_size=10, max_size=300)
seeds = st.integers(0, 10_000)


def everything(parts: list[str]) -> Indices:
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
