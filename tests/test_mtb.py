"""Matching the blanks: which mentions are drawn, what is blanked, and the loss, by hand."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from encoders.bilstm import BiLSTM
from encoders.deptree_lstm import DependencyTreeLSTM
from encoders.pcnn import PositionCNN
from harness.contracts import Batch, Encoder, Objective, Reading, UnlabelledMentions
from harness.errors import DataError
from strategies._matching import PairIndex, blanked, contrastive_loss, with_blank
from strategies.mtb import MatchingTheBlanks

WORDS, WIDTH = 6, 4  # entity e is row WORDS + e of the vectors

Rows = Sequence[Sequence[int]]

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reading(rows: Rows, vectors: Tensor, positions: bool = False) -> Reading:
    lengths = torch.tensor([len(row) for row in rows])
    tokens = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    places = None
    if positions:
        each = [torch.tensor([(at, at - len(row) + 1) for at in range(len(row))]) for row in rows]
        places = pad_sequence(each, batch_first=True)
    return Reading(tokens, lengths, vectors, places)


def between(rows: Rows, vectors: Tensor, positions: bool = False) -> UnlabelledMentions:
    """Mentions by the tokens of their forward readings."""

    def batch(numbers: Tensor) -> Batch:
        chosen = [list(rows[number]) for number in numbers.tolist()]
        readings = (chosen, [row[::-1] for row in chosen])
        return Batch(len(chosen), (reading(readings[0], vectors, positions), reading(readings[1], vectors, positions)))

    pairs = torch.tensor([[row[0] - WORDS, row[-1] - WORDS] for row in rows])
    types = torch.tensor(sorted({token for row in rows for token in row}))
    return UnlabelledMentions(batch, pairs, torch.tensor([len(row) for row in rows]), vectors, WORDS, types)


def vectors_of(entities: int, seed: int = 0) -> Tensor:
    return torch.randn(WORDS + entities, WIDTH, generator=stream(seed))


def encoder_of(kind: type[Encoder] = BiLSTM, **changed: Any) -> Encoder:
    return kind(WIDTH, kind.Parameters(**{"hidden": 5} | changed), stream())


def objective(mentions: UnlabelledMentions, encoder: Encoder | None = None, **changed: Any) -> Objective:
    strategy = MatchingTheBlanks(MatchingTheBlanks.Parameters(**changed))
    return strategy.objective(encoder or encoder_of(), mentions, stream(9))


# Which mentions are drawn


@given(PAIRS)
def test_it_learns_from_mentions_whose_pair_another_mention_has(pairs: list[tuple[int, int]]) -> None:
    rows = [(WORDS + one, 0, WORDS + two) for one, two in pairs]
    expected = [number for number, pair in enumerate(pairs) if pairs.count(pair) > 1]
    if expected:
        assert objective(between(rows, vectors_of(5))).mentions().tolist() == expected  # type: ignore[union-attr]
    else:
        with pytest.raises(DataError):
            objective(between(rows, vectors_of(5)))


@given(PAIRS, st.integers(0, 2**32))
def test_a_partner_is_another_mention_of_the_ordered_pair(pairs: list[tuple[int, int]], seed: int) -> None:
    index = PairIndex(torch.tensor(pairs))
    anchors = index.repeated()
    partners = index.partners(anchors, stream(seed))
    for anchor, partner in zip(anchors.tolist(), partners.tolist(), strict=True):
        assert pairs[anchor] == pairs[partner]
        assert anchor != partner


@given(PAIRS, st.integers(0, 3), st.integers(0, 2**32))
def test_a_hard_negative_shares_just_one_entity(pairs: list[tuple[int, int]], number: int, seed: int) -> None:
    everything = torch.arange(len(pairs))
    drawn = PairIndex(torch.tensor(pairs)).sharing_one(everything, number, stream(seed))
    assert drawn.shape == (len(pairs), number)
    for anchor, negatives in enumerate(drawn.tolist()):
        sharing = sharing_one(pairs, anchor)
        assert set(negatives) <= (sharing or {-1})


def sharing_one(pairs: list[tuple[int, int]], anchor: int) -> set[int]:
    return {other for other, pair in enumerate(pairs) if len(set(pair) & set(pairs[anchor])) == 1} - (
        {other for other, pair in enumerate(pairs) if set(pair) == set(pairs[anchor])}
    )


def test_partners_and_hard_negatives_are_drawn_with_equal_chance() -> None:
    pairs = [(0, 1), (0, 1), (2, 2), (0, 1), (1, 0), (0, 0), (0, 2), (3, 0), (1, 4), (3, 4), (1, 1), (0, 1), (1, 5)]
    index = PairIndex(torch.tensor(pairs))
    anchors = torch.full((4000,), 3)
    drawn = (
        (index.partners(anchors, stream()), {0, 1, 11}),
        (index.sharing_one(anchors, 2, stream()).flatten(), {5, 6, 7, 8, 10, 12}),
    )
    for found, possible in drawn:
        counts = Counter(found.tolist())
        assert counts.keys() == possible
        assert stats.chisquare(list(counts.values())).pvalue > 0.001


@given(PAIRS, st.integers(0, 2**32))
def test_the_candidates_are_the_partners_and_the_hard_negatives_that_there_are(
    pairs: list[tuple[int, int]], seed: int
) -> None:
    pairs = [*pairs, pairs[0]]
    mentions = between([(WORDS + one, 0, WORDS + two) for one, two in pairs], vectors_of(5))
    matching: Any = objective(mentions, hard_negatives=3)
    anchors = matching.mentions()
    drawn = matching.draw(anchors, stream(seed))
    hard = sum(3 for anchor in anchors.tolist() if sharing_one(pairs, anchor))
    assert drawn.anchors.tolist() == anchors.tolist()
    assert drawn.candidates.shape == (len(anchors) + hard,)
    assert drawn.blanks.shape == (2 * len(anchors) + hard, 2)
    assert all(pairs[one] == pairs[two] for one, two in zip(anchors, drawn.candidates, strict=False))


def test_a_text_whose_pairs_are_all_different_is_refused() -> None:
    rows = [(WORDS, 0, WORDS + 1), (WORDS + 1, 1, WORDS), (WORDS, 2, WORDS + 2)]  # the first two are not one pair
    expected = (
        "expected entity pairs with two relation mentions or more, found 3 mentions, each of a pair of its own. Take a "
        "larger sample of the text, sentences = N, or another selection, whole say"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        objective(between(rows, vectors_of(3)))


# What is blanked


FORWARD = [(6, 0, 1, 7), (8, 6), (6, 6, 7, 7), (9, 3, 9)]  # the third has third mentions of its own entities
BLANK = WORDS + 4


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_the_pair_s_own_mentions_are_blanked_in_both_readings_and_no_others(first: bool, second: bool) -> None:
    vectors = with_blank(vectors_of(4))
    batch = between(FORWARD, vectors[:-1], positions=True).batch(torch.arange(4))
    blanks = torch.tensor([[first, second]] * 4)
    one, two = blanked(batch, blanks, vectors).readings
    expected = [(BLANK if first else row[0], *row[1:-1], BLANK if second else row[-1]) for row in FORWARD]
    assert rows_of(one) == expected
    assert rows_of(two) == [row[::-1] for row in expected]
    assert torch.equal(one.inputs()[one.tokens == BLANK], torch.zeros(4 * (first + second), WIDTH))
    for before, after in zip(batch.readings, (one, two), strict=True):
        assert after.lengths is before.lengths
        assert after.positions is before.positions
        assert torch.equal(after.tokens[~after.mask()], before.tokens[~before.mask()])
    assert rows_of(batch.readings[0]) == FORWARD


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (((6, 0, 1), (7, 2, 1)), ((-1, 0, 1), (-2, 2, 1))),
        (((6, 0, 7), (7,)), ((-1, 0, -2), (-2,))),
        (((6,), (7, 0, 6)), ((-1,), (-2, 0, -1))),
        (((6, 0, 6), (6,)), ((-1, 0, -2), (-2,))),
        (((6, 8, 1), (7, 9, 1)), ((-1, 8, 1), (-2, 9, 1))),
        (((6, 8, 7), (7, 8, 6)), ((-1, 8, -2), (-2, 8, -1))),
    ],
    ids=["a verb above both", "mention 2 above", "mention 1 above", "one entity twice", "third mentions", "no path"],
)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_a_mention_is_blanked_wherever_it_is_on_the_paths(
    paths: Rows, expected: Rows, first: bool, second: bool
) -> None:
    """`expected` has -1 for mention 1 and -2 for mention 2."""
    vectors = with_blank(vectors_of(4))
    batch = Batch(1, (reading(paths[:1], vectors), reading(paths[1:], vectors)))
    found = blanked(batch, torch.tensor([[first, second]]), vectors).readings
    mentions = {-1: BLANK if first else paths[0][0], -2: BLANK if second else paths[1][0]}
    assert [rows_of(each)[0] for each in found] == [
        tuple(mentions.get(token, token) for token in row) for row in expected
    ]


def rows_of(given: Reading) -> list[tuple[int, ...]]:
    return [tuple(row[:length].tolist()) for row, length in zip(given.tokens, given.lengths, strict=True)]


@pytest.mark.parametrize("chance", [0.7, 0.2])
def test_each_of_both_entities_is_blanked_by_chance(chance: float) -> None:
    rows = [(WORDS, 0, WORDS + 1)] * 3000
    matching: Any = objective(between(rows, vectors_of(2)), blank=chance)
    blanks = matching.draw(matching.mentions(), stream()).blanks
    expected = np.outer([1 - chance, chance], [1 - chance, chance]).flatten() * len(blanks)
    counts = np.bincount(2 * blanks[:, 0].long() + blanks[:, 1], minlength=4)
    assert stats.chisquare(counts, expected).pvalue > 0.001


# The loss


def loss_by_hand(hidden: Any, drawn: Any, pairs: Tensor, temperature: float) -> float:
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    count, losses = len(drawn.anchors), []
    for anchor in range(count):
        scores = {}
        for candidate, mention in enumerate(drawn.candidates.tolist()):
            if candidate == anchor or pairs[mention].tolist() != pairs[drawn.anchors[anchor]].tolist():
                scores[candidate] = unit[anchor] @ unit[count + candidate] / temperature
        losses.append(-np.log(np.exp(scores[anchor]) / sum(map(np.exp, scores.values()))))
    return float(np.mean(losses))


TEXT = [(6, 0, 7), (6, 1, 2, 7), (7, 3, 6), (7, 6), (6, 4, 8), (6, 5, 9, 0, 7), (6, 0, 8), (9, 0, 9), (8, 1, 10)]


@pytest.mark.parametrize("kind", [BiLSTM, PositionCNN])
@pytest.mark.parametrize("chosen", [(0, 1, 2, 3, 4, 5, 6), (5, 2), (6,)], ids=["all", "two", "one"])
def test_the_loss_by_hand(kind: type[Encoder], chosen: tuple[int, ...]) -> None:
    vectors = vectors_of(5).double()
    encoder = encoder_of(kind).double()
    mentions = between(TEXT, vectors, kind.positions)
    matching: Any = objective(mentions, encoder, temperature=0.3)
    drawn = matching.draw(torch.tensor(chosen), stream(4))

    hidden = []
    with_zero = torch.cat([vectors, torch.zeros(1, WIDTH)])
    for number, (first, second) in zip(
        [*drawn.anchors.tolist(), *drawn.candidates.tolist()], drawn.blanks, strict=True
    ):
        row = [*TEXT[number]]
        row[0], row[-1] = (BLANK + 1 if first else row[0]), (BLANK + 1 if second else row[-1])
        batch = between([row], with_zero, kind.positions).batch(torch.tensor([0]))
        hidden.append(encoder.represent(batch)[0].detach().numpy())
    expected = loss_by_hand(np.array(hidden), drawn, mentions.pairs, 0.3)
    assert matching.loss(torch.tensor(chosen), stream(4)).item() == pytest.approx(expected, rel=1e-10)


def test_a_candidate_of_the_anchor_s_pair_does_not_count() -> None:
    anchors, candidates = torch.randn(2, 2, 3, generator=stream(), dtype=torch.float64)
    same_pair = torch.tensor([[True, True], [False, True]])
    one, two = (torch.nn.functional.normalize(each, dim=1) for each in (anchors, candidates))
    against = torch.exp((one[1] @ two[0] - one[1] @ two[1]) / 0.5)
    expected = (0 + torch.log(1 + against).item()) / 2  # the first anchor has nothing but its partner
    assert contrastive_loss(anchors, candidates, same_pair, 0.5).item() == pytest.approx(expected, rel=1e-12)


def test_entities_that_are_always_blanked_have_no_influence() -> None:
    rows = [row for row in TEXT if 9 not in row[1:-1]]  # without third mentions
    other = vectors_of(5).clone()
    other[WORDS:] += 1
    one, two = (
        objective(between(rows, given), blank=1.0).loss(torch.arange(2), stream()) for given in (vectors_of(5), other)
    )
    never = objective(between(rows, other), blank=0.0).loss(torch.arange(2), stream())
    assert one == two
    assert never != one


def test_an_anchor_that_shares_no_entity_with_others_has_its_loss() -> None:
    matching = objective(between([(6, 0, 7), (6, 1, 7), (8, 2, 9), (8, 3, 9)], vectors_of(4)))
    loss = matching.loss(torch.tensor([0, 2]), stream())
    assert loss > 0
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in matching.parameters())


@pytest.mark.parametrize("kind", [BiLSTM, DependencyTreeLSTM, PositionCNN])
def test_one_generator_gives_one_loss_and_nothing_else_is_drawn(kind: type[Encoder]) -> None:
    matching = objective(between(TEXT, vectors_of(5), kind.positions), encoder_of(kind))
    before = torch.get_rng_state()
    one, same, other = (matching.loss(torch.arange(6), stream(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == ()


def test_the_text_and_its_vectors_stay_as_they_are() -> None:
    mentions = between(TEXT, vectors_of(5))
    before = copy.deepcopy((mentions.pairs, mentions.vectors))
    matching = objective(mentions)
    matching.loss(torch.arange(6), stream()).backward()  # type: ignore[no-untyped-call]
    assert torch.equal(mentions.pairs, before[0])
    assert torch.equal(mentions.vectors, before[1])
    assert dict(matching.named_parameters()).keys() == {
        f"encoder.{name}" for name, _ in matching.encoder.named_parameters()
    }


def test_training_brings_mentions_of_one_pair_together() -> None:
    """A pair's mentions share a word out of two; the entities of all pairs overlap."""
    pairs = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)]
    rows = [(WORDS + one, word, extra, WORDS + two) for word, (one, two) in enumerate(pairs) for extra in range(WORDS)]
    mentions = between(rows, vectors_of(4))
    matching = objective(mentions, encoder_of(hidden=20))
    everything = torch.arange(len(rows))

    def margin() -> float:
        with torch.no_grad():
            hidden = torch.nn.functional.normalize(matching.encoder.represent(mentions.batch(everything)), dim=1)
        similarity = (hidden @ hidden.T).numpy()
        pair = np.repeat(np.arange(len(pairs)), WORDS)
        same, itself = pair[:, None] == pair, np.eye(len(rows), dtype=bool)
        return float(similarity[same & ~itself].mean() - similarity[~same].mean())

    before, generator = margin(), stream(3)
    optimiser = torch.optim.Adagrad(matching.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        loss = matching.loss(everything[torch.randperm(len(rows), generator=generator)[:16]], generator)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert margin() > max(0.2, 2 * before)
