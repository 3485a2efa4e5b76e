"""Reconstruction against a decoder that is written out in numpy token by token; what is corrupted; what is learned."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from encoders.bilstm import BiLSTM
from encoders.deptree_lstm import DependencyTreeLSTM
from encoders.pcnn import PositionCNN
from harness.contracts import Batch, Capability, Reading, SequenceEncoder, Strategy, UnlabelledMentions, lacking
from harness.pretraining import Pretraining
from strategies._reconstruction import Reconstruction, sampled_losses
from strategies.denoise import Denoise
from strategies.random_tokens import RandomTokens
from strategies.seq_shared import SeqShared
from strategies.seq_unshared import SeqUnshared
from strategies.shuffled import Shuffled

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

Floats = npt.NDArray[np.float64]

WIDTH, WORDS, ROWS, NEGATIVES = 4, 9, 14, 3
VECTORS = np.random.default_rng(0).standard_normal((ROWS, WIDTH))
BETWEEN = [[9, 10], [10, 1, 2, 3, 4, 5, 11], [9, 6, 12], [13, 7, 12, 8, 13], [11, 1, 12], [12, 2, 4, 9]]
"""Rows of each mention's tokens; those from 9 on are entities."""
PATHS = [([9, 1], [10, 2, 1]), ([10], [11, 6, 10]), ([9, 4, 5, 3], [12, 3]), ([13, 7], [13, 8, 7])]

ALL = (SeqUnshared, SeqShared, Denoise, Shuffled, RandomTokens)


class Case(NamedTuple):
    """An encoder and the cell that it has."""

    kind: type[SequenceEncoder]
    cell: str = ""

    def encoder(self, hidden: int, width: int = WIDTH, seed: int = 0) -> SequenceEncoder:
        own: dict[str, Any] = {"cell": self.cell} if self.cell else {"position_size": 2, "clip": 3}
        return self.kind(width, self.kind.Parameters(hidden=hidden, **own), generator(seed))  # type: ignore[call-arg]


CASES = {
    "bilstm torch": Case(BiLSTM, "torch"),
    "bilstm vinyals": Case(BiLSTM, "vinyals"),
    "deptree-lstm torch": Case(DependencyTreeLSTM, "torch"),
    "deptree-lstm vinyals": Case(DependencyTreeLSTM, "vinyals"),
    "pcnn": Case(PositionCNN),
}
MET = [
    pytest.param(CASES[name], strategy, id=f"{strategy.__name__}, {name}")
    for strategy in (SeqUnshared, SeqShared)
    for name in CASES
    if not lacking(CASES[name].kind, strategy)
]
"""Each encoder with each of the strategies that it can be met by."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens_of(kind: type[SequenceEncoder]) -> list[tuple[list[int], list[int]]]:
    """Both readings of every mention."""
    return PATHS if kind.reads == "paths" else [(tokens, tokens[::-1]) for tokens in BETWEEN]


def reading_of(rows: Sequence[Sequence[int]], vectors: torch.Tensor, backward: bool | None, longer: int = 0) -> Reading:
    """Readings padded with zeros; `backward` says in which direction positions run, None that there are none."""
    lengths = [len(tokens) for tokens in rows]
    width = max(lengths) + longer
    tokens = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    if backward is None:
        return Reading(tokens, torch.tensor(lengths), vectors)
    positions = torch.zeros(len(rows), width, 2, dtype=torch.int64)
    for at, length in enumerate(lengths):
        own = torch.tensor([(place, place - (length - 1)) for place in range(length)])
        positions[at, :length] = own.flip(0) if backward else own
    return Reading(tokens, torch.tensor(lengths), vectors, positions)


def mentions_of(
    kind: type[SequenceEncoder],
    types: Sequence[int] = range(1, ROWS),
    vectors: npt.NDArray[Any] = VECTORS,
    precision: torch.dtype = torch.float64,
    longer: int = 0,
) -> UnlabelledMentions:
    both, table = tokens_of(kind), torch.tensor(vectors, dtype=precision)

    def batch(numbers: torch.Tensor) -> Batch:
        one, two = ([both[number][which] for number in numbers.tolist()] for which in range(2))
        forward, backward = (False, True) if kind.positions else (None, None)
        return Batch(len(numbers), (reading_of(one, table, forward), reading_of(two, table, backward, longer)))

    lengths = torch.tensor([max(map(len, readings)) for readings in both])
    pairs = torch.tensor([(one[0] - WORDS, two[0] - WORDS) for one, two in both])
    return UnlabelledMentions(batch, pairs, lengths, table, WORDS, torch.tensor(types))


def objective_of(
    strategy: type[Strategy], encoder: SequenceEncoder, mentions: UnlabelledMentions, seed: int = 1, **changed: Any
) -> Reconstruction:
    parameters: Any = strategy.Parameters
    made = strategy(parameters(**{"negatives": NEGATIVES} | changed)).objective(encoder, mentions, generator(seed))
    assert isinstance(made, Reconstruction)
    return made.to(mentions.vectors.dtype)


def numbers_of(mentions: UnlabelledMentions) -> torch.Tensor:
    return torch.arange(len(mentions))


@torch.no_grad()
def loss_of(objective: Reconstruction, numbers: torch.Tensor, draws: int = 0) -> float:
    loss = objective.loss(numbers, generator(draws))
    assert loss.shape == ()
    return float(loss)


def weights_of(module: Any) -> list[Floats]:
    return [weight.detach().double().numpy() for weight in module.parameters()]


# The loss


def log_sigmoid(x: Any) -> Any:
    return -np.log1p(np.exp(-x))


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def run_slowly(inputs: Sequence[Floats], hidden: Floats, lstm: Any) -> list[Floats]:
    """The hidden vector after every input, from `hidden` and memory 0; without biases, the cell of Vinyals et al."""
    weight_ih, weight_hh, *biases = weights_of(lstm)
    memory, states = np.zeros_like(hidden), []
    for vector in inputs:
        gate_in, gate_forget, candidate, gate_out = np.split(weight_ih @ vector + weight_hh @ hidden + sum(biases), 4)
        memory = sigmoid(gate_forget) * memory + sigmoid(gate_in) * np.tanh(candidate)
        hidden = sigmoid(gate_out) * (np.tanh(memory) if biases else memory)
        states.append(hidden)
    return states


def encode_slowly(encoder: Any, tokens: list[int], backward: bool) -> Floats:
    """An LSTM by hand; the convolution, which has a reference elsewhere, over one reading alone."""
    if isinstance(encoder, PositionCNN):
        encoded = encoder.encode(reading_of([tokens], torch.tensor(VECTORS), backward))
        return np.asarray(encoded[0].detach().numpy())
    return run_slowly([VECTORS[token] for token in tokens], np.zeros(encoder.hidden), encoder.lstm)[-1]


def slow_loss(objective: Reconstruction, readings: Sequence[tuple[list[int], list[int]]], noise: int) -> float:
    """Where every draw of noise is the one type that there is."""
    lstm = objective.encoder.lstm if objective.decoder is None else objective.decoder.lstm
    projection = np.eye(WIDTH) if objective.projection is None else weights_of(objective.projection)[0]
    loss = 0.0
    for both in readings:
        for tokens, backward in zip(both, (False, True), strict=True):
            hidden = encode_slowly(objective.encoder, tokens, backward)
            inputs = [np.zeros(WIDTH), *(VECTORS[token] for token in tokens[:-1])]
            for target, state in zip(tokens, run_slowly(inputs, hidden, lstm), strict=True):
                output = projection @ state
                loss -= log_sigmoid(VECTORS[target] @ output)
                if noise != target:
                    loss -= NEGATIVES * log_sigmoid(-VECTORS[noise] @ output)
    return loss / len(readings)


@pytest.mark.parametrize("longer", [0, 3])
@pytest.mark.parametrize("hidden", [WIDTH, 3])
@pytest.mark.parametrize(("case", "strategy"), MET)
def test_the_loss_is_what_it_is_token_by_token(case: Case, strategy: type[Strategy], hidden: int, longer: int) -> None:
    for noise in (1, 12):
        mentions = mentions_of(case.kind, [noise], longer=longer)
        objective = objective_of(strategy, case.encoder(hidden), mentions)
        chosen = torch.tensor([3, 0, 2, 1])
        readings = [tokens_of(case.kind)[number] for number in chosen]
        assert loss_of(objective, chosen) == pytest.approx(slow_loss(objective, readings, noise), rel=1e-10)


def test_single_precision_comes_close() -> None:
    case = CASES["bilstm torch"]
    mentions = mentions_of(case.kind, [1], precision=torch.float32)
    objective = objective_of(SeqUnshared, case.encoder(3), mentions)
    expected = slow_loss(objective, tokens_of(case.kind), 1)
    assert loss_of(objective, numbers_of(mentions)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("case", "strategy"), MET)
def test_the_projection_is_there_only_where_the_widths_differ(case: Case, strategy: type[Strategy]) -> None:
    for hidden in (WIDTH, 3):
        objective = objective_of(strategy, case.encoder(hidden), mentions_of(case.kind))
        shapes = {name: tuple(weight.shape) for name, weight in objective.named_parameters()}
        expected = {} if hidden == WIDTH else {"projection.weight": (WIDTH, hidden)}
        assert {name: shape for name, shape in shapes.items() if "projection" in name} == expected
        assert any(name.startswith("decoder.") for name in shapes) == (strategy is SeqUnshared)
        assert all(name.startswith(("encoder.", "decoder.", "projection.")) for name in shapes)
        assert objective.state_dict().keys() == shapes.keys()  # no weight is stored twice, and no table of vectors


def test_noise_that_is_the_target_is_dropped() -> None:
    vectors, outputs = torch.tensor(VECTORS), torch.tensor(VECTORS[:2] * 2)
    losses = sampled_losses(outputs, torch.tensor([5, 6]), torch.tensor([[5, 5, 7], [5, 5, 7]]), vectors)
    scores = VECTORS @ outputs.numpy().T
    expected = [
        -log_sigmoid(scores[5, 0]) - log_sigmoid(-scores[7, 0]),
        -log_sigmoid(scores[6, 1]) - 2 * log_sigmoid(-scores[5, 1]) - log_sigmoid(-scores[7, 1]),
    ]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=0, atol=1e-12)


def test_with_every_word_as_noise_the_losses_of_all_targets_make_up_the_full_softmax() -> None:
    vectors, output = torch.tensor(VECTORS), torch.tensor(VECTORS[3] - VECTORS[2])
    every = torch.arange(ROWS)
    losses = sampled_losses(output.expand(ROWS, -1), every, every.expand(ROWS, -1), vectors)
    scores = VECTORS @ output.numpy()
    by_hand = [-log_sigmoid(scores[target]) - log_sigmoid(-np.delete(scores, target)).sum() for target in every]
    np.testing.assert_allclose(losses.numpy(), by_hand, rtol=0, atol=1e-12)
    softmax = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(functional.softmax(-losses, 0).numpy(), softmax, rtol=0, atol=1e-12)


def test_with_every_word_as_noise_the_optimum_is_that_of_the_full_softmax() -> None:
    """Of a state whose targets are distributed: where sigmoid(e . u) is each one's share, this convex loss is flat."""
    shares = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
    every, vectors = torch.arange(4), torch.eye(4, dtype=torch.float64)  # so that an output is its own scores
    output = shares.logit().requires_grad_()
    losses = sampled_losses(output.expand(4, -1), every, every.expand(4, -1), vectors)
    (slope,) = torch.autograd.grad((shares * losses).sum(), output)
    np.testing.assert_allclose(slope.numpy(), 0, rtol=0, atol=1e-12)
    (of_one,) = torch.autograd.grad(sampled_losses(output[None], every[:1], every[None], vectors).sum(), output)
    assert float(of_one.abs().min()) > 0.05


@pytest.mark.parametrize("chosen", [range(1, ROWS), [1, 2, 12]])
def test_noise_is_drawn_evenly_from_the_types(chosen: Sequence[int]) -> None:
    """The loss is linear in the noise: its expectation is the mean over texts with one type each."""
    case = CASES["bilstm torch"]
    encoder = case.encoder(3)
    alone = [objective_of(SeqUnshared, encoder, mentions_of(case.kind, [one])) for one in chosen]
    objective = objective_of(SeqUnshared, encoder, mentions_of(case.kind, chosen))
    numbers = torch.arange(len(BETWEEN))
    expected = np.mean([loss_of(one, numbers) for one in alone])
    drawn = [loss_of(objective, numbers, draws) for draws in range(400)]
    assert np.std(drawn) > 0
    assert abs(np.mean(drawn) - expected) < 4 * np.std(drawn, ddof=1) / np.sqrt(len(drawn))


# Gradients


@pytest.mark.parametrize(("case", "strategy"), MET)
def test_gradients_are_those_of_the_loss(case: Case, strategy: type[Strategy]) -> None:
    mentions = mentions_of(case.kind)
    objective = objective_of(strategy, case.encoder(3), mentions)
    chosen = torch.tensor([2, 0])

    def loss(*weights: torch.Tensor) -> torch.Tensor:
        return objective.loss(chosen, generator())

    assert torch.autograd.gradcheck(loss, tuple(objective.parameters()), fast_mode=True)
    assert all(weight.grad is None for weight in objective.parameters())
    objective.loss(chosen, generator()).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in objective.parameters())


def test_the_shared_lstm_learns_from_reading_and_from_saying() -> None:
    case = CASES["bilstm torch"]
    mentions = mentions_of(case.kind)
    shared = objective_of(SeqShared, case.encoder(3), mentions)
    apart = objective_of(SeqUnshared, case.encoder(3), mentions)
    assert apart.decoder is not None
    weights = shared.state_dict()
    for name in [name for name in weights if name.startswith("encoder.")]:
        weights[name.replace("encoder.", "decoder.")] = weights[name]
    apart.load_state_dict(weights)
    assert loss_of(shared, numbers_of(mentions)) == pytest.approx(loss_of(apart, numbers_of(mentions)), rel=1e-12)
    for objective in (shared, apart):
        objective.loss(numbers_of(mentions), generator()).backward()  # type: ignore[no-untyped-call]
    said = dict(apart.decoder.named_parameters())
    read = dict(apart.encoder.named_parameters())
    for name, weight in shared.encoder.named_parameters():
        parts = read[name].grad, said[name].grad
        assert weight.grad is not None and parts[0] is not None and parts[1] is not None
        assert float(parts[0].norm()) > 0 and float(parts[1].norm()) > 0
        torch.testing.assert_close(weight.grad, parts[0] + parts[1])


@pytest.mark.parametrize("name", ["bilstm torch", "bilstm vinyals"])
def test_unrolled_from_zero_an_lstm_has_the_states_that_it_reads_with(name: str) -> None:
    encoder: Any = CASES[name].encoder(3)
    reading = reading_of(BETWEEN, torch.tensor(VECTORS).float(), None)
    torch.testing.assert_close(encoder.unroll(reading.inputs(), torch.zeros(len(BETWEEN), 3)), encoder.states(reading))


# What is corrupted

ROWS_OF = st.lists(st.lists(st.integers(1, ROWS - 1), min_size=1, max_size=9), min_size=1, max_size=6)


def visit(
    strategy: type[Strategy], rows: list[list[int]], seed: int, **changed: Any
) -> tuple[Reading, Reading, Reading]:
    """Readings with positions, what is encoded of them, and what is to be said."""
    case = CASES["pcnn"]
    objective = objective_of(strategy, case.encoder(3), mentions_of(case.kind), **changed)
    reading = reading_of(rows, torch.tensor(VECTORS), backward=False)
    return reading, *objective.visit(reading, generator(seed))


def placed(reading: Reading) -> list[list[tuple[int, ...]]]:
    """Each reading's tokens with their positions; nothing but zeros stands after the end."""
    assert reading.positions is not None
    after = ~reading.mask()
    assert not reading.tokens[after].any() and not reading.positions[after].any()
    found = torch.cat([reading.tokens[..., None], reading.positions], 2)
    return [list(map(tuple, row[:length].tolist())) for row, length in zip(found, reading.lengths, strict=True)]


def same(one: Reading, other: Reading) -> bool:
    return placed(one) == placed(other) and torch.equal(one.inputs(), other.inputs())


@given(rows=ROWS_OF, seed=st.integers(0, 999))
def test_denoise_drops_tokens_between_the_ends(rows: list[list[int]], seed: int) -> None:
    reading, encoded, said = visit(Denoise, rows, seed, word_dropout=0.5, shuffle_distance=0, entity_blank=0.0)
    assert same(said, reading)
    for before, after in zip(placed(reading), placed(encoded), strict=True):
        assert (after[0], after[-1], min(len(after), 2)) == (before[0], before[-1], min(len(before), 2))
        remaining = iter(before)
        assert all(token in remaining for token in after)  # in their order, positions with them


@given(rows=ROWS_OF, seed=st.integers(0, 999), distance=st.integers(0, 4))
def test_denoise_moves_tokens_no_further_than_its_distance(rows: list[list[int]], seed: int, distance: int) -> None:
    reading, encoded, said = visit(Denoise, rows, seed, word_dropout=0.0, shuffle_distance=distance, entity_blank=0.0)
    assert same(said, reading)
    for before, after in zip(placed(reading), placed(encoded), strict=True):
        assert sorted(before) == sorted(after)
        assert (after[0], after[-1]) == (before[0], before[-1])
        assert all(abs(before.index(token) - place) <= distance for place, token in enumerate(after))  # each is unique


@given(rows=ROWS_OF, seed=st.integers(0, 999))
def test_denoise_blanks_entities_and_nothing_else(rows: list[list[int]], seed: int) -> None:
    reading, encoded, said = visit(Denoise, rows, seed, word_dropout=0.0, shuffle_distance=0, entity_blank=1.0)
    assert same(said, reading)
    entities = reading.tokens >= WORDS
    expected = reading.inputs().masked_fill(entities[..., None], 0)
    assert torch.equal(encoded.inputs(), expected)
    assert torch.equal(encoded.lengths, reading.lengths)
    assert encoded.positions is not None and reading.positions is not None
    assert torch.equal(encoded.positions, reading.positions)


@given(rows=ROWS_OF, seed=st.integers(0, 999))
def test_denoise_corrupts_all_at_once(rows: list[list[int]], seed: int) -> None:
    reading, encoded, said = visit(Denoise, rows, seed, word_dropout=0.3, shuffle_distance=3, entity_blank=0.5)
    assert same(said, reading)
    for before, after in zip(placed(reading), placed(encoded), strict=True):
        tokens = {tuple(position): token for token, *position in before}
        remaining = [tuple(position) for _, *position in after]
        assert len(remaining) == len(set(remaining))
        assert (remaining[0], remaining[-1]) == (tuple(before[0][1:]), tuple(before[-1][1:]))
        blanks = [token == ROWS for token, *_ in after]
        assert [ROWS if blank else tokens[at] for at, blank in zip(remaining, blanks, strict=True)] == [
            token for token, *_ in after
        ]
        assert all(tokens[at] >= WORDS for at, blank in zip(remaining, blanks, strict=True) if blank)


def test_denoise_corrupts_as_often_as_it_is_told() -> None:
    rows = [[9, *range(1, 9), 10]] * 2000
    _, encoded, _ = visit(Denoise, rows, 0)
    dropped = 1 - (float(encoded.lengths.double().mean()) - 2) / 8
    assert dropped == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 16000))
    blanked = float((encoded.tokens == ROWS).sum() / 4000)
    assert blanked == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 4000))
    _, moved, _ = visit(Denoise, rows, 0, word_dropout=0.0, entity_blank=0.0)
    assert set((moved.tokens[:, 1:9] - torch.arange(1, 9)).flatten().tolist()) == {-3, -2, -1, 0, 1, 2, 3}


def test_denoise_that_corrupts_nothing_is_seq_unshared() -> None:
    case = CASES["pcnn"]
    mentions = mentions_of(case.kind, [1])
    corrupted = objective_of(Denoise, case.encoder(3), mentions, word_dropout=0.0, shuffle_distance=0, entity_blank=0.0)
    plain = objective_of(SeqUnshared, case.encoder(3), mentions)
    assert loss_of(corrupted, numbers_of(mentions)) == loss_of(plain, numbers_of(mentions))


@given(rows=ROWS_OF, seed=st.integers(0, 999))
def test_shuffled_permutes_what_is_between_the_ends(rows: list[list[int]], seed: int) -> None:
    reading, encoded, said = visit(Shuffled, rows, seed)
    assert same(encoded, said)
    assert said.positions is not None and reading.positions is not None
    assert torch.equal(said.positions, reading.positions)
    for before, after in zip(rows, placed(said), strict=True):
        tokens = [token for token, *_ in after]
        assert Counter(tokens) == Counter(before)
        assert (tokens[0], tokens[-1]) == (before[0], before[-1])


def test_shuffled_takes_every_order_as_often() -> None:
    count = 3000
    _, _, said = visit(Shuffled, [[9, 1, 2, 3, 10]] * count, 0)
    orders = Counter(map(tuple, said.tokens[:, 1:4].tolist()))
    assert len(orders) == 6
    assert all(abs(number - count / 6) < 4 * np.sqrt(count * 5 / 36) for number in orders.values())


@given(rows=ROWS_OF, seed=st.integers(0, 999))
def test_random_tokens_keep_nothing_of_a_reading_but_its_places(rows: list[list[int]], seed: int) -> None:
    reading, encoded, said = visit(RandomTokens, rows, seed)
    assert same(encoded, said)
    assert torch.equal(said.lengths, reading.lengths)
    assert said.positions is not None and reading.positions is not None
    assert torch.equal(said.positions, reading.positions)
    others = [[token % (ROWS - 1) + 1 for token in row] for row in rows]
    assert placed(visit(RandomTokens, others, seed)[1]) == placed(encoded)


def test_random_tokens_are_the_texts_types_each_as_often() -> None:
    count, case, types = 4000, CASES["bilstm torch"], [1, 2, 5, 12]
    objective = objective_of(RandomTokens, case.encoder(3), mentions_of(case.kind, types))
    said, _ = objective.visit(reading_of([[9, 3, 10]] * count, torch.tensor(VECTORS), None), generator())
    for place in said.tokens.T.tolist():
        seen = Counter(place)
        assert sorted(seen) == types
        assert all(abs(number - count / 4) < 4 * np.sqrt(count * 3 / 16) for number in seen.values())


@pytest.mark.parametrize("strategy", [Denoise, Shuffled, RandomTokens])
def test_a_reading_is_corrupted_anew_at_every_visit(strategy: type[Strategy]) -> None:
    case = CASES["bilstm torch"]
    objective = objective_of(strategy, case.encoder(3), mentions_of(case.kind))
    reading, stream = reading_of([[9, *range(1, 9), 10]] * 3, torch.tensor(VECTORS), None), generator()
    seen = [row for _ in range(3) for row in objective.visit(reading, stream)[0].tokens.tolist()]
    assert len(set(map(tuple, seen))) > 6


# Streams of random numbers


@pytest.mark.parametrize("strategy", ALL)
def test_all_that_is_drawn_comes_from_the_generators(strategy: type[Strategy]) -> None:
    case = CASES["bilstm torch"]
    mentions = mentions_of(case.kind)

    def loss(everywhere: int, weights: int, draws: int) -> float:
        torch.manual_seed(everywhere)
        return loss_of(objective_of(strategy, case.encoder(3), mentions, weights), numbers_of(mentions), draws)

    assert loss(0, 1, 2) == loss(5, 1, 2)
    assert len({loss(0, 1, 2), loss(0, 3, 2), loss(0, 1, 3)}) == 3


def test_decoder_and_projection_are_drawn_as_torch_draws_them() -> None:
    objective = objective_of(SeqUnshared, CASES["bilstm torch"].encoder(100), mentions_of(BiLSTM))
    assert objective.decoder is not None and objective.projection is not None
    for weight in (*objective.decoder.parameters(), objective.projection.weight):
        assert float(weight.detach().abs().max()) <= 0.1
        assert float(weight.detach().std()) == pytest.approx(0.1 / np.sqrt(3), rel=0.2)


# What is learned


@pytest.mark.parametrize(
    ("case", "strategy"), [*MET, *(pytest.param(CASES[name], Denoise, id=f"Denoise, {name}") for name in CASES)]
)
def test_a_few_readings_are_learned_by_heart(case: Case, strategy: type[Strategy]) -> None:
    vectors = np.random.default_rng(1).standard_normal((ROWS, 16))
    mentions = mentions_of(case.kind, vectors=vectors, precision=torch.float32)
    own = {"shuffle_distance": 0} if strategy is Denoise else {}  # shuffled, two of them are one
    objective = objective_of(strategy, case.encoder(24, width=16), mentions, **own)
    optimizer = torch.optim.Adagrad(objective.parameters(), lr=0.1)
    stream, numbers = generator(), numbers_of(mentions)
    for _ in range(400):
        optimizer.zero_grad()
        objective.loss(numbers, stream).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    said = objective.reconstruct(numbers)
    width = int(mentions.lengths.max())
    assert [tuple(one.shape) for one in said] == [(len(mentions), width)] * 2
    for which, one in enumerate(said):
        readings = [both[which] for both in tokens_of(case.kind)]
        assert [row[: len(tokens)] for row, tokens in zip(one.tolist(), readings, strict=True)] == readings


def test_what_is_said_is_what_is_likeliest_after_what_was_said() -> None:
    case = CASES["bilstm torch"]
    types = [2, 5, 11]
    mentions = mentions_of(case.kind, types)
    objective = objective_of(SeqUnshared, case.encoder(3), mentions)
    assert objective.decoder is not None and objective.projection is not None
    said = objective.reconstruct(torch.tensor([1]))
    for which, tokens in enumerate(tokens_of(case.kind)[1]):
        hidden = encode_slowly(objective.encoder, tokens, backward=False)
        expected: list[int] = []
        for _ in tokens:
            inputs = [np.zeros(WIDTH), *(VECTORS[token] for token in expected)]
            output = weights_of(objective.projection)[0] @ run_slowly(inputs, hidden, objective.decoder.lstm)[-1]
            expected.append(types[int(np.argmax(VECTORS[types] @ output))])
        assert said[which].tolist() == [expected]


# Who meets whom


def test_pcnn_has_no_lstm_to_share() -> None:
    assert lacking(PositionCNN, SeqShared) == [Capability.CELL]
    assert not any(lacking(PositionCNN, strategy) for strategy in (SeqUnshared, Denoise, Shuffled, RandomTokens))
    assert not any(lacking(kind, strategy) for kind in (BiLSTM, DependencyTreeLSTM) for strategy in ALL)
    assert (BiLSTM.learning_rate, DependencyTreeLSTM.learning_rate, PositionCNN.learning_rate) == (0.1, 0.1, 0.05)


def test_pcnn_of_one_direction_still_has_both_reconstructed() -> None:
    mentions, losses = mentions_of(PositionCNN), set[float]()
    directions: Literal["both", "forward"]
    for directions in ("both", "forward"):
        parameters = PositionCNN.Parameters(hidden=3, position_size=2, directions=directions)
        encoder = PositionCNN(WIDTH, parameters, generator())
        losses.add(loss_of(objective_of(SeqUnshared, encoder, mentions), numbers_of(mentions)))
    assert len(losses) == 1


@pytest.mark.parametrize("strategy", ALL)
def test_parameters_are_the_papers(strategy: type[Strategy]) -> None:
    parameters: Any = strategy.Parameters()
    assert parameters.negatives == 10
    assert isinstance(parameters, Pretraining)
    assert strategy.text == "required"
    assert strategy.pretrains()
    own = {"word_dropout": 0.1, "shuffle_distance": 3, "entity_blank": 0.1} if strategy is Denoise else {}
    inherited = {field.name for field in dataclasses.fields(SeqUnshared.Parameters)}
    assert {name: value for name, value in vars(parameters).items() if name not in inherited} == own
