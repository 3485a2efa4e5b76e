"""Encoders against slow references that are written out token by token, in both precisions, in batches of all kinds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders._lstm import LSTMEncoder
from encoders.bilstm import BiLSTM
from encoders.deptree_lstm import DependencyTreeLSTM
from encoders.handcrafted import Handcrafted
from encoders.mean import Mean
from encoders.pcnn import PositionCNN
from harness.batching import FeatureBatch
from harness.contracts import Batch, Encoder, Reading
from harness.testing import EncoderContract
from harness.training import Model

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

Floats = npt.NDArray[np.float64]
Cell = Literal["torch", "vinyals"]

WIDTH, HIDDEN, ROWS, CLASSES = 7, 5, 30, 3
POSITION_SIZE, CLIP = 4, 3
LENGTHS = (2, 9, 3, 5, 2, 4)
PATH_LENGTHS = ((1, 3, 2, 6, 1, 2), (4, 1, 1, 2, 3, 9))
VECTORS = np.random.default_rng(0).standard_normal((ROWS, WIDTH))
MENTIONS = [np.random.default_rng(length).integers(0, ROWS, length) for length in LENGTHS]
PATHS = [
    [np.random.default_rng((which, length)).integers(0, ROWS, length) for length in lengths]
    for which, lengths in enumerate(PATH_LENGTHS)
]
PRECISIONS = {torch.float64: 1e-10, torch.float32: 1e-5}


def positions(length: int) -> npt.NDArray[np.int64]:
    """Of each token, how far it stands after mention 1, the first token, and after mention 2, the last one."""
    return np.array([(place, place - (length - 1)) for place in range(length)])


def readings(kind: type[Encoder], number: int) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Both readings of a mention, tokens and positions."""
    if kind.reads == "paths":
        return [(paths[number], np.zeros((len(paths[number]), 2), np.int64)) for paths in PATHS]
    mention = MENTIONS[number]
    return [(mention, positions(len(mention))), (mention[::-1], positions(len(mention))[::-1])]


def batch(
    kind: type[Encoder],
    precision: torch.dtype,
    numbers: Sequence[int] = range(len(MENTIONS)),
    longer: Sequence[int] = (0, 0),
    seed: int | None = None,
) -> Batch:
    """The numbered mentions; the readings have `longer` more places; empty ones hold 0, or what a seed draws."""
    vectors = torch.tensor(VECTORS, dtype=precision)
    noise = np.random.default_rng(seed)
    made = []
    for which in range(2):
        found = [readings(kind, number)[which] for number in numbers]
        lengths = [len(tokens) for tokens, _ in found]
        width = max(lengths) + longer[which]
        rows, places = np.zeros((len(found), width), np.int64), np.zeros((len(found), width, 2), np.int64)
        if seed is not None:
            rows, places = noise.integers(0, ROWS, rows.shape), noise.integers(-9, 9, places.shape)
        for at, (tokens, pairs) in enumerate(found):
            rows[at, : len(tokens)], places[at, : len(tokens)] = tokens, pairs
        given = torch.from_numpy(places) if kind.positions else None
        made.append(Reading(torch.from_numpy(rows), torch.tensor(lengths), vectors, given))
    return Batch(len(numbers), tuple(made))


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def weights_of(module: torch.nn.Module) -> list[Floats]:
    return [weight.detach().double().numpy() for weight in module.parameters()]


def read_slowly(tokens: npt.NDArray[np.int64], lstm: torch.nn.Module, cell: str) -> Floats:
    """The state after every token, (T, H): the equations of either paper, one token at a time."""
    weight_ih, weight_hh, *biases = weights_of(lstm)
    hidden = memory = np.zeros(HIDDEN)
    states = []
    for token in tokens:
        gates = weight_ih @ VECTORS[token] + weight_hh @ hidden + sum(biases)
        gate_in, gate_forget, candidate, gate_out = np.split(gates, 4)
        memory = sigmoid(gate_forget) * memory + sigmoid(gate_in) * np.tanh(candidate)
        hidden = sigmoid(gate_out) * (np.tanh(memory) if cell == "torch" else memory)
        states.append(hidden)
    return np.array(states)


def convolve_slowly(tokens: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64], encoder: PositionCNN) -> Floats:
    """Every filter's answer to every window, one product at a time; tanh of each, and then the greatest."""
    word_filters, position_filters, bias, tables = weights_of(encoder)
    window = word_filters.shape[2]
    by_tap = position_filters.reshape(2, POSITION_SIZE, window, HIDDEN)
    answers = np.zeros((len(tokens), HIDDEN))
    for place in range(len(tokens)):
        for unit in range(HIDDEN):
            answer = bias[unit]
            for tap in range(window):
                at = place + tap - window // 2
                if 0 <= at < len(tokens):
                    answer += VECTORS[tokens[at]] @ word_filters[unit, :, tap]
                    for mention in range(2):
                        distance = max(-CLIP, min(CLIP, pairs[at, mention]))
                        answer += tables[mention, CLIP + distance] @ by_tap[mention, :, tap, unit]
            answers[place, unit] = np.tanh(answer)
    return np.asarray(answers.max(0))


@pytest.fixture(params=["torch", "vinyals"])
def cell(request: pytest.FixtureRequest) -> Any:
    return request.param


def lstm(kind: type[LSTMEncoder], cell: Cell, hidden: int = HIDDEN, seed: int = 0) -> LSTMEncoder:
    return kind(WIDTH, kind.Parameters(hidden=hidden, cell=cell), torch.Generator().manual_seed(seed))


def bilstm(cell: Cell, hidden: int = HIDDEN, seed: int = 0) -> LSTMEncoder:
    return lstm(BiLSTM, cell, hidden, seed)


def pcnn(**changed: Any) -> PositionCNN:
    parameters = PositionCNN.Parameters(**{"hidden": HIDDEN, "position_size": POSITION_SIZE, "clip": CLIP} | changed)
    return PositionCNN(WIDTH, parameters, torch.Generator().manual_seed(0))


def slow_lstm(encoder: Any, number: int, cell: Cell) -> Floats:
    return np.concatenate(
        [read_slowly(tokens, encoder.lstm, cell)[-1] for tokens, _ in readings(type(encoder), number)]
    )


def slow_pcnn(encoder: Any, number: int) -> Floats:
    both = [convolve_slowly(tokens, pairs, encoder) for tokens, pairs in readings(PositionCNN, number)]
    return np.concatenate(both)


def slow_mean(encoder: Any, number: int) -> Floats:
    first, *between, second = MENTIONS[number]
    middle = sum((VECTORS[token] for token in between), np.zeros(WIDTH)) / max(1, len(between))
    return np.concatenate([VECTORS[first], VECTORS[second], middle])


Slow = Callable[[Any, int], Floats]
ENCODERS: dict[str, tuple[Callable[[], Encoder], Slow]] = {
    "mean": (lambda: Mean(WIDTH, Mean.Parameters(), torch.Generator()), slow_mean),
    "bilstm torch": (lambda: bilstm("torch"), lambda encoder, number: slow_lstm(encoder, number, "torch")),
    "bilstm vinyals": (lambda: bilstm("vinyals"), lambda encoder, number: slow_lstm(encoder, number, "vinyals")),
    "deptree-lstm torch": (
        lambda: lstm(DependencyTreeLSTM, "torch"),
        lambda encoder, number: slow_lstm(encoder, number, "torch"),
    ),
    "deptree-lstm vinyals": (
        lambda: lstm(DependencyTreeLSTM, "vinyals"),
        lambda encoder, number: slow_lstm(encoder, number, "vinyals"),
    ),
    "pcnn": (pcnn, slow_pcnn),
    "pcnn window 1": (lambda: pcnn(window=1), slow_pcnn),
    "pcnn window 2": (lambda: pcnn(window=2), slow_pcnn),
    "pcnn window 5": (lambda: pcnn(window=5), slow_pcnn),
    "pcnn window 12": (lambda: pcnn(window=12), slow_pcnn),
    "pcnn forward": (
        lambda: pcnn(directions="forward"),
        lambda encoder, number: slow_pcnn(encoder, number)[:HIDDEN],
    ),
}
"""How each encoder is made, and what a mention's vector must be."""

named = pytest.mark.parametrize("name", ENCODERS)


# Every encoder


@named
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_a_mention_is_what_it_is_token_by_token(name: str, precision: torch.dtype) -> None:
    make, slowly = ENCODERS[name]
    encoder = make().to(precision)
    hidden = encoder.represent(batch(type(encoder), precision)).detach().numpy()
    assert hidden.shape == (len(MENTIONS), encoder.size)
    assert hidden.dtype == torch.empty(0, dtype=precision).numpy().dtype
    for row, found in enumerate(hidden):
        np.testing.assert_allclose(found, slowly(encoder, row), rtol=0, atol=PRECISIONS[precision])


@named
@given(
    numbers=st.lists(st.integers(0, len(MENTIONS) - 1), min_size=1, max_size=8),
    longer=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    seed=st.integers(0, 99),
)
def test_scores_depend_on_neither_the_batch_nor_its_empty_places(
    name: str, numbers: list[int], longer: tuple[int, int], seed: int
) -> None:
    encoder = ENCODERS[name][0]()
    model = Model(encoder, 0, CLASSES, torch.Generator().manual_seed(1)).double()
    none = torch.empty(0, CLASSES, dtype=torch.float64)
    features = FeatureBatch(none, none, none)

    def scores(given: Batch) -> torch.Tensor:
        found: torch.Tensor = model(given, features, none)
        return found.detach()

    together = scores(batch(type(encoder), torch.float64, numbers, longer, seed))
    alone = torch.cat([scores(batch(type(encoder), torch.float64, [number])) for number in numbers])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)


# LSTMs


def test_bilstm_has_the_state_after_every_token(cell: Cell) -> None:
    encoder = bilstm(cell)
    for reading, backward in zip(batch(BiLSTM, torch.float32).readings, (False, True), strict=True):
        states = encoder.states(reading).detach().numpy()
        for row, mention in enumerate(MENTIONS):
            expected = read_slowly(mention[::-1] if backward else mention, encoder.lstm, cell)
            np.testing.assert_allclose(states[row, : len(mention)], expected, rtol=0, atol=1e-6)


def test_bilstm_weights_are_drawn_as_torch_draws_them(cell: Cell) -> None:
    encoder = bilstm(cell, hidden=200)
    biases = 2 if cell == "torch" else 0
    assert sum(weight.numel() for weight in encoder.parameters()) == 4 * 200 * (WIDTH + 200 + biases)
    for weight in encoder.parameters():
        assert_uniform(weight, 1 / math.sqrt(200))


def test_one_seed_draws_the_same_lstm_for_either_encoder(cell: Cell) -> None:
    one, other = (lstm(kind, cell).state_dict() for kind in (BiLSTM, DependencyTreeLSTM))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("kind", "reads"), [(BiLSTM, "between"), (DependencyTreeLSTM, "paths")])
def test_the_lstms_differ_in_what_they_read(kind: type[LSTMEncoder], reads: str) -> None:
    assert kind.reads == reads
    assert not kind.positions
    assert kind.Parameters() == kind.Parameters(hidden=200, cell="torch")


# The CNN


def test_pcnn_defaults_are_the_papers() -> None:
    expected = PositionCNN.Parameters(hidden=200, position_size=70, window=3, clip=50, directions="both")
    assert PositionCNN.Parameters() == expected
    assert PositionCNN.positions
    assert PositionCNN.reads == "between"


def test_pcnn_weights_are_drawn_within_their_bounds() -> None:
    encoder = PositionCNN(WIDTH, PositionCNN.Parameters(), torch.Generator().manual_seed(0))
    fan_in = 3 * (WIDTH + 2 * 70)
    filters = (encoder.word_filters, encoder.position_filters, encoder.bias)
    assert sum(weight.numel() for weight in filters) == 200 * (fan_in + 1)
    for weight in filters:
        assert_uniform(weight, 1 / math.sqrt(fan_in))
    assert encoder.position_vectors.shape == (2, 101, 70)
    assert_uniform(encoder.position_vectors, 1 / math.sqrt(70))


def test_pcnn_hands_on_the_forward_reading_alone_and_still_encodes_either() -> None:
    both, forward = pcnn(), pcnn(directions="forward")
    assert (both.size, forward.size) == (2 * HIDDEN, HIDDEN)
    given = batch(PositionCNN, torch.float32)
    first, second = (forward.encode(reading) for reading in given.readings)
    assert torch.equal(forward.represent(given), first)
    torch.testing.assert_close(both.represent(given), torch.cat([first, second], 1))


def test_pcnn_clips_distances() -> None:
    encoder = pcnn()
    length = CLIP + 61 + 1  # no distance is as long as the reading
    tokens, lengths = torch.tensor([[1, 2, 3] + [1] * (length - 3)]), torch.tensor([length])

    def at(first: int, second: int) -> torch.Tensor:
        pairs = torch.tensor([[[first, second]] * length])
        return encoder.encode(Reading(tokens, lengths, torch.tensor(VECTORS).float(), pairs))

    edge = at(CLIP, -CLIP)
    torch.testing.assert_close(at(CLIP + 1, -CLIP), edge)
    torch.testing.assert_close(at(CLIP, -CLIP - 60), edge)
    assert not torch.allclose(at(CLIP - 1, -CLIP), edge)
    assert not torch.allclose(at(CLIP, 1 - CLIP), edge)
    assert not torch.allclose(at(-CLIP, CLIP), edge)


@pytest.mark.parametrize("length", [1, 2])
def test_pcnn_reads_what_is_shorter_than_its_window(length: int) -> None:
    encoder = pcnn(window=5).double()
    tokens, pairs = MENTIONS[0][:length], positions(length)
    reading = Reading(
        torch.from_numpy(tokens)[None], torch.tensor([length]), torch.tensor(VECTORS), torch.from_numpy(pairs)[None]
    )
    expected = convolve_slowly(tokens, pairs, encoder)
    np.testing.assert_allclose(encoder.encode(reading)[0].detach().numpy(), expected, rtol=0, atol=1e-10)


def test_pcnn_takes_no_notice_of_vectors_that_are_no_numbers_after_the_end() -> None:
    encoder, given = pcnn(), batch(PositionCNN, torch.float32)
    reading = given.readings[0]
    vectors = torch.cat([reading.vectors, torch.full((1, WIDTH), math.nan)])
    tokens = reading.tokens.masked_fill(~reading.mask(), ROWS)
    same = encoder.encode(dataclasses.replace(reading, tokens=tokens, vectors=vectors))
    assert torch.equal(same, encoder.encode(reading))


def test_pcnn_learns_as_if_tanh_came_before_the_maximum() -> None:
    """One reading, written out in torch with tanh of every window: the weights' gradients are the same."""
    encoder = pcnn().double()
    tokens, pairs = torch.from_numpy(MENTIONS[1]), torch.from_numpy(positions(LENGTHS[1]))
    vectors = torch.tensor(VECTORS)
    near = pairs.clamp(-CLIP, CLIP) + CLIP
    tables = encoder.position_vectors
    inputs = torch.cat([vectors[tokens], tables[0][near[:, 0]], tables[1][near[:, 1]]], 1)  # (T, D + 2P)
    by_tap = encoder.position_filters.view(2 * POSITION_SIZE, 3, HIDDEN).permute(2, 0, 1)
    filters = torch.cat([encoder.word_filters, by_tap], 1)  # (H, D + 2P, window)
    zero = inputs.new_zeros(1, inputs.shape[1])
    padded = torch.cat([zero, inputs, zero])
    windows = torch.stack([padded[at : at + 3].T for at in range(len(tokens))])  # (T, D + 2P, window)
    expected = torch.einsum("tdw,hdw->th", windows, filters).add(encoder.bias).tanh().amax(0)
    found = encoder.encode(Reading(tokens[None], torch.tensor([len(tokens)]), vectors, pairs[None]))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    direction = torch.linspace(-1, 1, HIDDEN, dtype=torch.float64)
    weights = list(encoder.parameters())
    ours, slow = (torch.autograd.grad((hidden * direction).sum(), weights) for hidden in (found, expected))
    for one, other in zip(ours, slow, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_pcnn_needs_positions() -> None:
    reading = dataclasses.replace(batch(PositionCNN, torch.float32).readings[0], positions=None)
    with pytest.raises(AssertionError, match=r"^expected a reading with positions, which this encoder asks for$"):
        pcnn().encode(reading)


def assert_uniform(weight: torch.Tensor, bound: float) -> None:
    assert weight.abs().max() <= bound
    assert weight.detach().std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert weight.detach().mean() == pytest.approx(0, abs=0.1 * bound)


# Controls


def test_mean_is_zero_where_no_words_stand_between() -> None:
    encoder = Mean(WIDTH, Mean.Parameters(), torch.Generator())
    assert encoder.size == 3 * WIDTH
    adjacent = encoder.represent(batch(Mean, torch.float64, [0])).numpy()[0]
    assert not adjacent[2 * WIDTH :].any()


def test_mean_is_standardised_unless_told_otherwise() -> None:
    assert Mean.standardise
    assert not BiLSTM.standardise


def test_handcrafted_has_no_dimensions() -> None:
    encoder = Handcrafted(0, Handcrafted.Parameters(), torch.Generator())
    assert encoder.size == 0
    assert encoder.represent(Batch(3)).shape == (3, 0)


# What the contract asks of encoders that read paths or positions, or hand on one reading


class Repeating(BiLSTM):
    """Hands on the first reading twice."""

    def represent(self, batch: Batch) -> torch.Tensor:
        return self.encode(batch.readings[0]).repeat(1, 2)


class Measuring(BiLSTM):
    """Is moved by how wide a reading is."""

    def encode(self, reading: Reading) -> torch.Tensor:
        return super().encode(reading) * reading.tokens.shape[1]


class Unplaced(BiLSTM):
    """Asks for positions and uses none."""

    positions = True


class Lost(DependencyTreeLSTM):
    """Asks for the positions of paths."""

    positions = True


class Halved(BiLSTM):
    """Says that it hands on one reading, and hands on something else."""

    @property
    def size(self) -> int:
        return self.hidden

    def represent(self, batch: Batch) -> torch.Tensor:
        return self.encode(batch.readings[1])


class Trebled(BiLSTM):
    """Hands on one reading too many."""

    @property
    def size(self) -> int:
        return 3 * self.hidden

    def represent(self, batch: Batch) -> torch.Tensor:
        return torch.cat([super().represent(batch), self.encode(batch.readings[0])], 1)


@pytest.mark.parametrize(
    ("plugin", "promise", "told"),
    [
        (Repeating, "both_readings_have_an_influence", "^mention 0: reading 2 has no influence"),
        (Measuring, "readings_may_differ_in_width", "^the width of a reading has an influence"),
        (Unplaced, "positions_have_an_influence", "^mention 0: positions have no influence"),
        (Lost, "positions_have_an_influence", "^positions: only readings of 'between' have them, not of 'paths'"),
        (Halved, "offers_are_kept", r"^ENCODE: represent is not encode\(one\), as its size says"),
        (Trebled, "offers_are_kept", "^ENCODE: expected size 2H = 400, or H = 200, found 600"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_told(plugin: type[Encoder], promise: str, told: str) -> None:
    contract = type("TestPlugin", (EncoderContract,), {"plugin": plugin})()
    with pytest.raises(AssertionError, match=told):
        getattr(contract, f"test_{promise}")({})
