"""The language model's loss against plain numpy, and what it learns; the control of an encoder at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from encoders.bilstm import BiLSTM
from encoders.mean import Mean
from encoders.pcnn import PositionCNN
from harness.contracts import Batch, Capability, Objective, Reading, UnlabelledMentions, lacking
from strategies.frozen_random import FrozenRandom
from strategies.lm import LanguageModel
from strategies.scaled_random import ScaledRandom
from strategies.stepwise import Stepwise

WIDTH, WORDS, ROWS = 4, 5, 8

Rows = Sequence[Sequence[int]]
Floats = npt.NDArray[np.float64]

BETWEEN = ((5, 0, 1, 6), (7, 5), (6, 2, 7, 3, 3, 5)), ((6, 1, 0, 5), (5, 7), (5, 3, 3, 7, 2, 6))
PATHS = ((5, 0, 1), (7,), (6,)), ((6, 1), (5, 3, 7), (6,))  # of the last mention, either path is one token


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def text(readings: tuple[Rows, Rows], types: Sequence[int] = range(ROWS)) -> UnlabelledMentions:
    vectors = torch.randn(ROWS, WIDTH, generator=stream(1), dtype=torch.float64)

    def read(rows: Rows) -> Reading:
        tokens = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        return Reading(tokens, torch.tensor([len(row) for row in rows]), vectors)

    def batch(numbers: Tensor) -> Batch:
        one, two = (read([rows[number] for number in numbers.tolist()]) for rows in readings)
        return Batch(len(numbers), (one, two))

    pairs = torch.tensor([[one[0] - WORDS, two[0] - WORDS] for one, two in zip(*readings, strict=True)])
    lengths = torch.tensor([max(len(one), len(two)) for one, two in zip(*readings, strict=True)])
    return UnlabelledMentions(batch, pairs, lengths, vectors, WORDS, torch.tensor(list(types)))


def objective(
    mentions: UnlabelledMentions, hidden: int, negatives: int = 3, cell: Literal["torch", "vinyals"] = "torch"
) -> Objective:
    encoder = BiLSTM(WIDTH, BiLSTM.Parameters(hidden=hidden, cell=cell), stream(2))
    made = LanguageModel(LanguageModel.Parameters(negatives=negatives)).objective(encoder, mentions, stream(3))
    return made.double()


def sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-value))


def states(inputs: Floats, lstm: Any) -> list[Floats]:
    """The hidden vector after every input, by torch's LSTM or that of Vinyals et al. 2014, gate by gate."""
    weights = {name: weight.detach().numpy() for name, weight in lstm.named_parameters()}
    vinyals = "weight_ih" in weights
    into, again = (weights[name if vinyals else f"{name}_l0"] for name in ("weight_ih", "weight_hh"))
    bias = 0 if vinyals else weights["bias_ih_l0"] + weights["bias_hh_l0"]
    hidden = memory = np.zeros(again.shape[1])
    found = []
    for vector in inputs:
        gate_in, gate_forget, candidate, gate_out = np.split(into @ vector + again @ hidden + bias, 4)
        memory = sigmoid(gate_forget) * memory + sigmoid(gate_in) * np.tanh(candidate)
        hidden = sigmoid(gate_out) * (memory if vinyals else np.tanh(memory))
        found.append(hidden)
    return found


def loss_by_hand(readings: tuple[Rows, Rows], model: Any, vectors: Floats, types: Sequence[int], draws: int) -> float:
    """The loss where each of the types is drawn as often, `draws` times in all."""
    total = 0.0
    for row in (*readings[0], *readings[1]):
        for state, target in zip(states(vectors[list(row)], model.encoder.lstm), row[1:], strict=False):
            output = state if model.projection is None else model.projection.weight.detach().numpy() @ state
            total -= np.log(sigmoid(vectors[target] @ output))
            wrong = [np.log(sigmoid(-vectors[noise] @ output)) for noise in types if noise != target]
            total -= draws / len(types) * sum(wrong)
    return total / len(readings[0])


@pytest.mark.parametrize("cell", ["torch", "vinyals"])
@pytest.mark.parametrize("hidden", [WIDTH, 3], ids=["H = D", "projected"])
@pytest.mark.parametrize("readings", [BETWEEN, PATHS], ids=["between", "paths"])
def test_the_loss_by_hand(readings: tuple[Rows, Rows], hidden: int, cell: Literal["torch", "vinyals"]) -> None:
    """With one type in the text, the draws are known: it, and nothing where it is the target."""
    mentions = text(readings, types=[3])
    model = objective(mentions, hidden, cell=cell)
    expected = loss_by_hand(readings, model, mentions.vectors.numpy(), [3], draws=3)
    assert model.loss(torch.arange(3), stream()).item() == pytest.approx(expected, rel=1e-12)


def test_noise_is_drawn_evenly_from_the_types_of_the_text() -> None:
    mentions, draws, types = text(BETWEEN, types=(0, 3, 5, 7)), 40_000, (0, 3, 5, 7)
    model = objective(mentions, 3, draws)
    expected = loss_by_hand(BETWEEN, model, mentions.vectors.numpy(), types, draws)
    assert model.loss(torch.arange(3), stream()).item() == pytest.approx(expected, rel=2e-3)


def test_readings_of_one_token_alone_have_no_loss() -> None:
    model = objective(text(PATHS), 3)
    loss = model.loss(torch.tensor([2]), stream())
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert all(weight.grad is None or not weight.grad.any() for weight in model.parameters())


def test_what_else_is_in_the_batch_has_no_influence() -> None:
    model = objective(text(BETWEEN, types=[3]), 3)
    together = model.loss(torch.arange(3), stream()).item()
    alone = [model.loss(torch.tensor([number]), stream()).item() for number in range(3)]
    assert together == pytest.approx(np.mean(alone), rel=1e-12)


def test_one_generator_gives_one_loss_and_nothing_else_is_drawn() -> None:
    model = objective(text(BETWEEN), 3)
    before = torch.get_rng_state()
    one, same, other = (model.loss(torch.arange(3), stream(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_projection_is_drawn_from_the_generator() -> None:
    one, same = (objective(text(BETWEEN), 3).state_dict()["projection.weight"] for _ in range(2))
    assert torch.equal(one, same)
    assert one.shape == (WIDTH, 3)
    assert one.abs().max() <= 3**-0.5


def test_it_learns_what_comes_next_and_leaves_the_vectors() -> None:
    mentions = text(BETWEEN)
    before = mentions.vectors.clone()
    model = objective(mentions, 16, negatives=10)
    optimiser = torch.optim.Adagrad(model.parameters(), lr=0.1)
    losses = []
    for number in range(150):
        optimiser.zero_grad()
        loss = model.loss(torch.arange(3), stream(number))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:3])
    assert torch.equal(mentions.vectors, before)


@pytest.mark.parametrize(
    ("encoder", "refused"),
    [(BiLSTM, []), (PositionCNN, [Capability.STATES]), (Mean, [Capability.WEIGHTS, Capability.STATES])],
)
def test_it_needs_an_encoder_that_reads_from_left_to_right(encoder: Any, refused: list[Capability]) -> None:
    assert lacking(encoder, LanguageModel) == refused


# The encoder at random


def test_frozen_random_is_stepwise_under_an_encoder_that_fine_tuning_leaves_as_it_is() -> None:
    frozen, stepwise = FrozenRandom(FrozenRandom.Parameters()), Stepwise(Stepwise.Parameters())
    assert not frozen.trainable
    assert stepwise.trainable
    assert not frozen.pretrains()
    assert frozen.entity_vectors() == stepwise.entity_vectors()


@pytest.mark.parametrize("strategy", [FrozenRandom, ScaledRandom])
@pytest.mark.parametrize(("encoder", "refused"), [(BiLSTM, []), (PositionCNN, []), (Mean, [Capability.WEIGHTS])])
def test_what_is_about_weights_needs_an_encoder_with_weights(
    encoder: Any, refused: list[Capability], strategy: Any
) -> None:
    assert lacking(encoder, strategy) == refused


def test_scaled_random_is_stepwise_under_an_encoder_whose_every_weight_is_larger() -> None:
    scaled, stepwise = ScaledRandom(ScaledRandom.Parameters(scale=2.5)), Stepwise(Stepwise.Parameters())
    assert scaled.trainable
    assert not scaled.pretrains()
    assert scaled.entity_vectors() == stepwise.entity_vectors()
    for kind in (BiLSTM, PositionCNN):
        fresh, encoder = (kind(3, kind.Parameters(hidden=4), torch.Generator().manual_seed(0)) for _ in range(2))
        scaled.first_weights(encoder)
        stepwise.first_weights(fresh)
        for before, after in zip(fresh.parameters(), encoder.parameters(), strict=True):
            assert after.requires_grad
            assert torch.equal(after, 2.5 * before)
