"""Encoders against slow references that are written out token by token."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch

from encoders.bilstm import BiLSTM
from encoders.handcrafted import Handcrafted
from encoders.mean import Mean
from harness.contracts import Batch, Reading

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

Floats = npt.NDArray[np.float64]

WIDTH, HIDDEN, ROWS = 7, 5, 30
LENGTHS = (2, 9, 3, 5, 2, 4)
VECTORS = np.random.default_rng(0).standard_normal((ROWS, WIDTH))
MENTIONS = [np.random.default_rng(length).integers(0, ROWS, length) for length in LENGTHS]


def batch(precision: torch.dtype) -> Batch:
    """The mentions as a batch; empty places hold 0, as the harness fills them."""
    vectors, lengths = torch.tensor(VECTORS, dtype=precision), torch.tensor(LENGTHS)
    readings = []
    for rows in (MENTIONS, [mention[::-1] for mention in MENTIONS]):
        tokens = np.zeros((len(rows), max(LENGTHS)), np.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
        readings.append(Reading(torch.from_numpy(tokens), lengths, vectors))
    return Batch(len(MENTIONS), tuple(readings))


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def read_slowly(tokens: npt.NDArray[np.int64], lstm: torch.nn.Module, cell: str) -> Floats:
    """The state after every token, (T, H): the equations of either paper, one token at a time."""
    weight_ih, weight_hh, *biases = (weight.detach().double().numpy() for weight in lstm.parameters())
    hidden = memory = np.zeros(HIDDEN)
    states = []
    for token in tokens:
        gates = weight_ih @ VECTORS[token] + weight_hh @ hidden + sum(biases)
        gate_in, gate_forget, candidate, gate_out = np.split(gates, 4)
        memory = sigmoid(gate_forget) * memory + sigmoid(gate_in) * np.tanh(candidate)
        hidden = sigmoid(gate_out) * (np.tanh(memory) if cell == "torch" else memory)
        states.append(hidden)
    return np.array(states)


@pytest.fixture(params=["torch", "vinyals"])
def cell(request: pytest.FixtureRequest) -> Any:
    return request.param


def bilstm(cell: Literal["torch", "vinyals"], hidden: int = HIDDEN, seed: int = 0) -> BiLSTM:
    return BiLSTM(WIDTH, BiLSTM.Parameters(hidden=hidden, cell=cell), torch.Generator().manual_seed(seed))


def test_bilstm_reads_forward_and_reversed_with_one_lstm(cell: Literal["torch", "vinyals"]) -> None:
    encoder = bilstm(cell).double()
    hidden = encoder.represent(batch(torch.float64)).detach().numpy()
    assert hidden.shape == (len(MENTIONS), 2 * HIDDEN)
    for row, mention in enumerate(MENTIONS):
        both = [read_slowly(tokens, encoder.lstm, cell)[-1] for tokens in (mention, mention[::-1])]
        np.testing.assert_allclose(hidden[row], np.concatenate(both), rtol=0, atol=1e-12)


def test_bilstm_has_the_state_after_every_token(cell: Literal["torch", "vinyals"]) -> None:
    encoder = bilstm(cell)
    for reading, backward in zip(batch(torch.float32).readings, (False, True), strict=True):
        states = encoder.states(reading).detach().numpy()
        for row, mention in enumerate(MENTIONS):
            expected = read_slowly(mention[::-1] if backward else mention, encoder.lstm, cell)
            np.testing.assert_allclose(states[row, : len(mention)], expected, rtol=0, atol=1e-6)


def test_bilstm_weights_are_drawn_as_torch_draws_them(cell: Literal["torch", "vinyals"]) -> None:
    encoder = bilstm(cell, hidden=200)
    biases = 2 if cell == "torch" else 0
    assert sum(weight.numel() for weight in encoder.parameters()) == 4 * 200 * (WIDTH + 200 + biases)
    bound = 1 / math.sqrt(200)
    for weight in encoder.parameters():
        assert weight.abs().max() <= bound
        assert weight.detach().std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert weight.detach().mean() == pytest.approx(0, abs=0.1 * bound)


def test_bilstm_defaults_are_the_papers() -> None:
    assert BiLSTM.Parameters() == BiLSTM.Parameters(hidden=200, cell="torch")


def test_mean_is_both_entities_and_the_mean_of_the_words_between() -> None:
    encoder = Mean(WIDTH, Mean.Parameters(), torch.Generator())
    hidden = encoder.represent(batch(torch.float64)).numpy()
    assert encoder.size == 3 * WIDTH
    for row, (first, *between, second) in enumerate(MENTIONS):
        middle = VECTORS[between].mean(0) if between else np.zeros(WIDTH)
        expected = np.concatenate([VECTORS[first], VECTORS[second], middle])
        np.testing.assert_allclose(hidden[row], expected, rtol=0, atol=1e-12)


def test_mean_is_standardised_unless_told_otherwise() -> None:
    assert Mean.standardise
    assert not BiLSTM.standardise


def test_handcrafted_has_no_dimensions() -> None:
    encoder = Handcrafted(0, Handcrafted.Parameters(), torch.Generator())
    assert encoder.size == 0
    assert encoder.represent(Batch(3)).shape == (3, 0)
