"""Roles: which outputs there are, which are closed to a mention, and that the mask is what tells roles apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.mean import Mean
from harness.directions import HEADS, RoleMask, outputs
from harness.testing import toys
from harness.testing.toys import Roles, learn

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

labelled = st.lists(st.tuples(st.integers(-1, 4), st.integers(1, 2)), min_size=1, max_size=30)


def arrays(mentions: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, heads = np.array(mentions, np.int64).T
    return labels, heads


def test_without_roles_an_output_is_a_class() -> None:
    labels = np.array([2, 0, -1, 1])
    found = outputs(labels, np.zeros(4, np.int64), 3, 0)
    assert found.gold.tolist() == labels.tolist()
    assert found.scored.tolist() == [0, 1, 2]
    assert found.closed is None
    assert found.mask(torch.device("cpu")) is None


def test_a_class_is_an_output_for_each_direction_and_the_negative_one_has_none() -> None:
    first, second = 1, 2
    labels = np.array([0, 0, 1, 2, 2, -1])
    heads = np.array([first, second, first, second, first, first])
    found = outputs(labels, heads, 3, 2)
    assert found.scored.tolist() == [0, 0, 1, 1, 2]
    assert found.gold.tolist() == [0, 1, 2, 4, 4, -1]
    assert found.closed is not None
    assert found.closed.tolist() == [
        [True, True, True, True, False],
        [False, True, False, True, False],
        [True, False, True, False, False],
    ]


@given(labelled, labelled)
def test_no_label_decides_what_is_closed(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    found, same = (outputs(*arrays(mentions), 5, 3) for mentions in (one, other))
    assert found.scored.tolist() == same.scored.tolist()
    np.testing.assert_array_equal(found.closed, same.closed)


@given(labelled, st.none() | st.integers(0, 4))
def test_what_a_mention_has_is_open_to_it_and_scored_as_its_class(
    mentions: list[tuple[int, int]], negative: int | None
) -> None:
    labels, heads = arrays(mentions)
    found = outputs(labels, heads, 5, negative)
    assert found.closed is not None
    for label, head, gold in zip(labels, heads, found.gold, strict=True):
        if label < 0:
            assert gold == -1
            continue
        assert found.scored[gold] == label
        assert not found.closed[head, gold]
        classes = found.scored[~found.closed[head]].tolist()
        assert classes == list(range(5)), "a mention has one output of each class"


def test_a_mask_closes_the_other_direction_alone() -> None:
    closed = np.array([[False, False, False], [False, True, False], [True, False, False]])
    mask = RoleMask(np.array([1, 2, 2]), closed, torch.device("cpu"))
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert mask.close(scores, np.array([2, 0])).tolist() == [[-np.inf, 2.0, 3.0], [4.0, -np.inf, 6.0]]
    assert scores.isfinite().all()


def test_without_the_mask_roles_are_not_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mean() -> Mean:
        return Mean(toys.WIDTH, Mean.Parameters(), torch.Generator())

    assert learn(mean(), tmp_path, 150, Roles)[1] == 1
    monkeypatch.setattr(RoleMask, "close", lambda self, scores, mentions: scores)
    assert learn(mean(), tmp_path, 150, Roles)[1] == 0.5


def test_heads_are_numbered() -> None:
    assert HEADS == (None, "first", "second")
