"""Fine-tuning against AdaGrad by hand, torch's own and scikit-learn; what dev decides; what diverges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.nn import functional

from encoders.bilstm import BiLSTM
from encoders.handcrafted import Handcrafted
from encoders.mean import Mean
from harness.artifacts import Artifact
from harness.batching import Features, Indices, Inputs
from harness.contracts import Batch, Encoder
from harness.datasets.prepared import ragged
from harness.specs import Training
from harness.training import Curve, DivergedError, Examples, FineTuning, Model, SparseAdagrad

torch.set_num_threads(1)  # on a busy machine, two take ten times as long

CPU = torch.device("cpu")
WIDTH, CLASSES = 3, 3
READINGS = [[7, 8], [7, 0, 9], [9, 1, 2, 8], [8, 3, 7], [9, 4, 5, 6, 7], [8, 9]]
"""Token rows of six mentions; rows from 7 on are entities."""
FEATURES = [[0, 1], [1, 2, 3], [], [0, 3], [4], [2, 4]]
LABELS = np.array([0, 1, 2, 0, 1, 2])
VECTORS = np.random.default_rng(0).standard_normal((10, WIDTH)).astype(np.float32)
HIDDEN = np.array(
    [np.concatenate([VECTORS[f], VECTORS[s], VECTORS[b].mean(0) if b else np.zeros(WIDTH)]) for f, *b, s in READINGS]
)
"""What the encoder `mean` makes of the readings, (N, 3D)."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def inputs_of(readings: Sequence[Sequence[int]] = READINGS, vectors: npt.NDArray[np.float32] = VECTORS) -> Inputs:
    tokens, start = ragged(readings)
    words, entities = torch.from_numpy(vectors).split([7, len(vectors) - 7])
    return Inputs(Artifact({"tokens": tokens, "tokens.start": start, "words": words}, {}), entities, CPU)


def features_of(rows: Sequence[Sequence[int]], *groups: str) -> Features:
    values, start = ragged(rows)
    prepared = Artifact({"features.all": values, "features.all.start": start}, {"features": 5})
    return Features(prepared, groups, np.arange(len(rows)), CPU)


def examples_of(readings: Sequence[Sequence[int]] = READINGS, labels: Indices = LABELS) -> Examples:
    return Examples(np.arange(len(readings)), labels, np.array([len(reading) for reading in readings]))


def mean_encoder(width: int = WIDTH) -> Mean:
    return Mean(width, Mean.Parameters(), generator())


def tuning_of(encoder: Encoder, training: Training, features: Features | None = None) -> tuple[Model, FineTuning]:
    features = features or features_of(FEATURES, "all")
    model = Model(encoder, features.size, CLASSES, generator())
    return model, FineTuning(model, inputs_of(), features, training)


def endless(*batches: Sequence[int]) -> Iterator[Indices]:
    while True:
        yield from map(np.array, batches)


def run(tuning: FineTuning, *batches: Sequence[int], scores: Sequence[float] = ()) -> Curve:
    """Fine-tune on these batches, over and over; dev scores are dictated, or all the same."""
    dictated = iter(scores)
    return tuning.run(examples_of(), endless(*batches), examples_of(), lambda predicted: next(dictated, 0.5))


# Optimisation


@pytest.mark.parametrize("initial", [0.0, 0.1])
def test_sparse_adagrad_is_torchs_over_one_hot_rows(initial: float) -> None:
    training = Training(l2=0.0, learning_rate=0.3, initial_accumulator=initial)
    table = torch.randn(6, 4, dtype=torch.float64, generator=generator())
    dense = table.clone().requires_grad_()
    theirs = torch.optim.Adagrad([dense], lr=0.3, eps=training.epsilon, initial_accumulator_value=initial)
    ours = SparseAdagrad(table, training)
    pull = torch.randn(6, 4, dtype=torch.float64, generator=generator(1))
    for touched in (torch.tensor(rows) for rows in ([0, 1], [1, 2, 5], [0], [5, 1], [2, 5, 0, 1]) * 5):
        one_hot = functional.one_hot(touched, 6).double()
        theirs.zero_grad()
        (one_hot @ dense - pull[touched]).pow(2).sum().backward()  # type: ignore[no-untyped-call]
        theirs.step()
        ours.step(touched, 2 * (table[touched] - pull[touched]))
    torch.testing.assert_close(table, dense.detach(), rtol=0, atol=1e-12)


def test_l2_pulls_at_touched_rows_alone() -> None:
    training = Training(l2=0.5, learning_rate=0.1)
    table = torch.randn(4, 2, generator=generator())
    before, gradient = table.clone(), torch.randn(2, 2, generator=generator(1))
    SparseAdagrad(table, training).step(torch.tensor([1, 3]), gradient)
    pulled = gradient + 0.5 * before[[1, 3]]
    expected = before[[1, 3]] - 0.1 * pulled / (pulled.abs() + training.epsilon)
    torch.testing.assert_close(table[[1, 3]], expected)
    assert torch.equal(table[[0, 2]], before[[0, 2]])


def by_hand(model: Model, training: Training, batches: Sequence[Sequence[int]], decayed_first: bool = True) -> Any:
    """Weights, biases and table after AdaGrad over the batches, and the loss of each; all in double precision."""
    weights = [getattr(model, name).detach().double().numpy().copy() for name in ("weight", "bias", "table")]
    accumulators = [np.full_like(weight, training.initial_accumulator) for weight in weights]
    hot = np.array([[feature in row for feature in range(5)] for row in FEATURES], float)  # (N, F)
    losses = []
    for batch in batches:
        h, x, y = HIDDEN[batch], hot[batch], LABELS[batch]
        scores = h @ weights[0].T + weights[1] + x @ weights[2]
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        losses.append(-np.log(shares[range(len(y)), y]).mean())
        error = (shares - np.eye(CLASSES)[y]) / len(y)
        touched = x.any(0)[:, None]
        for weight, total, gradient, moved in zip(
            weights, accumulators, (error.T @ h, error.sum(0), x.T @ error), (True, True, touched), strict=True
        ):
            decay = training.l2 * weight
            seen = gradient + decay if decayed_first else gradient
            total += np.where(moved, seen**2, 0)
            step = seen / (np.sqrt(total) + training.epsilon) + (0 if decayed_first else decay)
            weight -= np.where(moved, training.learning_rate * step, 0)
    return *weights, losses


@pytest.mark.parametrize("l2", [0.0, 0.2])
@pytest.mark.parametrize("initial", [0.0, 0.1])
def test_the_classifier_learns_by_adagrad(l2: float, initial: float) -> None:
    batches = ([0, 1, 2], [3, 4], [5, 0, 1])
    training = Training(l2=l2, initial_accumulator=initial, min_updates=6, max_updates=6, dev_points=2)
    model, tuning = tuning_of(mean_encoder(), training)
    weight, bias, table, losses = by_hand(model, training, batches * 2)
    curve = run(tuning, *batches, scores=(0.1, 0.2))
    np.testing.assert_allclose(model.weight.detach(), weight, rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.bias.detach(), bias, rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.table, table, rtol=0, atol=1e-5)
    assert curve.update == [3, 6]
    assert curve.loss == pytest.approx([np.mean(losses[:3]), np.mean(losses[3:])], rel=1e-5)


def test_weight_decay_joins_the_gradient_before_the_accumulator() -> None:
    """The other way round, decoupled from it, would end elsewhere: the test above can tell."""
    training = Training(l2=0.2)
    model, _ = tuning_of(mean_encoder(), training)
    first, after = (by_hand(model, training, [[0, 1], [2, 3]], decayed_first=order)[0] for order in (True, False))
    assert np.abs(first - after).max() > 1e-3


def test_the_encoder_learns_with_the_classifier() -> None:
    training = Training(min_updates=3, max_updates=3)
    encoder = BiLSTM(WIDTH, BiLSTM.Parameters(hidden=4), generator())
    _, tuning = tuning_of(encoder, training)
    before = [weight.clone() for weight in encoder.parameters()]
    run(tuning, [0, 1, 2, 3, 4, 5])
    assert not any(torch.equal(old, new) for old, new in zip(before, encoder.parameters(), strict=True))


@given(size=st.integers(1, 10**6), batch=st.integers(1, 512), low=st.integers(1, 500), high=st.integers(1, 9000))
def test_updates_lie_within_their_bounds(size: int, batch: int, low: int, high: int) -> None:
    updates = Training(batch_size=batch, min_updates=low, max_updates=high).updates(size)
    assert updates == min(high, max(low, round(12 * size / batch)))


@pytest.mark.parametrize(("size", "updates"), [(13, 150), (400, 150), (801, 300), (6405, 2402), (15917, 4000)])
def test_updates_are_the_protocols(size: int, updates: int) -> None:
    assert Training().updates(size) == updates


# What dev decides


def states_at_dev_points(scores: Sequence[float], training: Training) -> tuple[Curve, Model, list[dict[str, Any]]]:
    """The curve, the model as it is left, and its state each time that dev was scored."""
    model, tuning = tuning_of(BiLSTM(WIDTH, BiLSTM.Parameters(hidden=4), generator()), training)
    dictated, seen = iter(scores), []

    def dev_score(predicted: Indices) -> float:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(dictated)

    curve = tuning.run(examples_of(), endless([0, 1, 2], [3, 4, 5]), examples_of(), dev_score)
    return curve, model, seen


@pytest.mark.parametrize(
    ("scores", "best"),
    [((0.1, 0.9, 0.3, 0.2), 1), ((0.1, 0.9, 0.9, 0.9), 1), ((0.5, 0.5, 0.5, 0.5), 0), ((0.1, 0.2, 0.3, 0.4), 3)],
    ids=["in the middle", "the earliest of equals", "all equal", "the last"],
)
def test_the_weights_that_scored_best_on_dev_are_left(scores: Sequence[float], best: int) -> None:
    training = Training(min_updates=8, max_updates=8, dev_points=4)
    curve, model, seen = states_at_dev_points(scores, training)
    assert curve.dev == list(scores)
    assert curve.best == best
    assert curve.update == [2, 4, 6, 8]
    for name, value in model.state_dict().items():
        assert torch.equal(value, seen[best][name]), name
    others = [state for place, state in enumerate(seen) if place != best]
    assert not any(torch.equal(model.table, state["table"]) for state in others)


@pytest.mark.parametrize(
    ("updates", "points", "at"),
    [(10, 5, [2, 4, 6, 8, 10]), (10, 1, [10]), (7, 3, [2, 5, 7]), (3, 10, [1, 2, 3]), (1, 10, [1])],
)
def test_dev_points_are_even_and_the_last_update_is_one(updates: int, points: int, at: list[int]) -> None:
    training = Training(min_updates=updates, max_updates=updates, dev_points=points)
    curve, *_ = states_at_dev_points([0.5] * 10, training)
    assert curve.update == at


def test_scores_and_predictions_stand_in_the_order_of_the_examples() -> None:
    model, tuning = tuning_of(mean_encoder(), Training())
    order = np.array([4, 0, 2, 5, 1, 3, 4])
    examples = Examples(order, LABELS[order], np.array([len(READINGS[place]) for place in order]))
    hot = np.array([[feature in row for feature in range(5)] for row in FEATURES], float)
    scores = HIDDEN @ model.weight.detach().numpy().T + model.bias.detach().numpy() + hot @ model.table.numpy()
    np.testing.assert_allclose(tuning.scores(order), scores[order], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(tuning.predict(examples), scores.argmax(1)[order])


# What goes wrong


def test_a_loss_that_is_no_number_names_the_updates() -> None:
    spoilt = VECTORS.copy()
    spoilt[9] = np.nan  # an entity of the mentions 1, 2, 4 and 5
    training = Training(min_updates=20, max_updates=20, dev_points=5)
    features = features_of(FEATURES)
    model = Model(mean_encoder(), features.size, CLASSES, generator())
    tuning = FineTuning(model, inputs_of(vectors=spoilt), features, training)
    batches = iter([np.array([0, 3])] * 9 + [np.array([1])] * 11)
    message = (
        r"^the loss became nan between update 8 and 12 of 20; expected a finite loss\. "
        r"Lower training\.learning_rate \(now 0\.05\) or check the vectors' scale$"
    )
    with pytest.raises(DivergedError, match=message):
        tuning.run(examples_of(), batches, examples_of(), lambda predicted: 0.5)


# Standardised vectors


def seen_by_the_classifier(tuning: FineTuning, model: Model) -> npt.NDArray[np.float32]:
    """h as it enters the classifier: the scores of one that passes it on."""
    with torch.no_grad():
        model.weight.copy_(torch.eye(*model.weight.shape))
        model.bias.zero_()
        batch, features = inputs_of().batch(np.arange(len(READINGS))), features_of(FEATURES).batch(np.arange(6))
        return model(batch, features, model.table[features.touched]).numpy()


def test_standardised_vectors_have_mean_0_and_deviation_1() -> None:
    features = features_of(FEATURES)
    model = Model(mean_encoder(), features.size, 3 * WIDTH, generator())
    tuning = FineTuning(model, inputs_of(), features, Training())
    np.testing.assert_allclose(seen_by_the_classifier(tuning, model), HIDDEN, rtol=0, atol=1e-6)
    tuning.standardise(np.arange(len(READINGS)), examples_of().lengths)
    seen = seen_by_the_classifier(tuning, model)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-6)


def test_a_dimension_that_never_varies_is_only_shifted() -> None:
    constant = VECTORS.copy()
    constant[7:] = constant[7]  # one vector for all entities, as the strategy `none` makes
    features = features_of(FEATURES)
    model = Model(mean_encoder(), features.size, 3 * WIDTH, generator())
    tuning = FineTuning(model, inputs_of(vectors=constant), features, Training())
    tuning.standardise(np.arange(len(READINGS)), examples_of().lengths)
    assert torch.equal(model.shift[: 2 * WIDTH], torch.tensor([*constant[7], *constant[7]]))
    assert torch.equal(model.scale[: 2 * WIDTH], torch.ones(2 * WIDTH))
    assert (model.scale[2 * WIDTH :] != 1).all()


def test_an_encoder_without_vectors_has_nothing_to_standardise() -> None:
    features = features_of(FEATURES, "all")
    model = Model(Handcrafted(0, Handcrafted.Parameters(), generator()), features.size, CLASSES, generator())
    FineTuning(model, None, features, Training()).standardise(np.arange(6), np.ones(6, np.int64))
    assert model.shift.shape == (0,)


# Against another implementation


def test_it_comes_near_to_scikit_learns_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    chance, train, test = np.random.default_rng(3), np.arange(200), np.arange(200, 400)
    vectors = chance.standard_normal((7 + 400, WIDTH)).astype(np.float32)
    readings = [[7 + chance.integers(400), chance.integers(7), 7 + chance.integers(400)] for _ in range(400)]
    hidden = np.array(
        [np.concatenate([vectors[first], vectors[second], vectors[word]]) for first, word, second in readings]
    )
    labels = (hidden @ chance.standard_normal((3 * WIDTH, CLASSES))).argmax(1)
    everything = examples_of(readings, labels)

    features = features_of([[]] * 400)
    training = Training(min_updates=1000, max_updates=1000)
    model = Model(mean_encoder(), features.size, CLASSES, generator())
    tuning = FineTuning(model, inputs_of(readings, vectors), features, training)
    tuning.standardise(train, everything.lengths[train])
    order = np.random.default_rng(0)
    batches = (order.choice(train, 32, replace=False) for _ in range(1000))
    tuning.run(everything, batches, everything, lambda predicted: float(np.mean(predicted[train] == labels[train])))
    ours = tuning.predict(everything)

    theirs = linear_model.LogisticRegression(C=100, max_iter=1000).fit(hidden[train], labels[train]).predict(hidden)
    assert np.mean(ours[train] == labels[train]) > 0.95
    assert np.mean(ours[test] == labels[test]) == pytest.approx(np.mean(theirs[test] == labels[test]), abs=0.03)
    assert np.mean(ours[test] == theirs[test]) > 0.95


# Dropout


def dropped(dropout: float | None, seed: int = 0, encoder: Encoder | None = None) -> tuple[Model, Curve]:
    """The model after 20 updates with dropout, whose draws have this seed, and what it went through."""
    training = Training(dropout=dropout, min_updates=20, max_updates=20, dev_points=2)
    model, _ = tuning_of(encoder or mean_encoder(), training)
    tuning = FineTuning(model, inputs_of(), features_of(FEATURES, "all"), training, None, generator(seed))
    return model, run(tuning, [0, 1, 2], [3, 4, 5])


def weights(model: Model) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def test_dropout_of_0_and_none_train_to_the_same_bits() -> None:
    (one, curve), (other, others) = dropped(None), dropped(0.0)
    assert curve == others
    assert all(map(torch.equal, weights(one), weights(other)))


def test_dropout_is_drawn_from_its_generator_alone() -> None:
    one, same, other, none = (dropped(*asked)[0] for asked in ((0.5, 1), (0.5, 1), (0.5, 2), (None, 1)))
    assert all(map(torch.equal, weights(one), weights(same)))
    assert not torch.equal(one.weight, other.weight)
    assert not torch.equal(one.weight, none.weight)


def test_an_encoder_without_a_hidden_vector_drops_nothing() -> None:
    (one, _), (other, _) = (dropped(dropout, encoder=Handcrafted(0, None, generator())) for dropout in (None, 0.5))
    assert all(map(torch.equal, weights(one), weights(other)))


class Watched(Mean):
    """The encoder `mean` whose h is 1 everywhere, so that scores tell what was dropped."""

    def represent(self, batch: Batch) -> torch.Tensor:
        return torch.ones(batch.size, self.size, requires_grad=True)


@pytest.mark.parametrize("dropout", [0.2, 0.5, 0.9])
def test_as_much_is_dropped_as_asked_and_the_expectation_stays(dropout: float) -> None:
    training = Training(dropout=dropout, l2=0.0, learning_rate=1e-9, min_updates=3000, max_updates=3000, dev_points=1)
    model, _ = tuning_of(Watched(WIDTH, Watched.Parameters(), generator()), training)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
        model.weight[0] = 1.0  # the score of class 0 is the sum of what is kept
    seen: list[float] = []
    tuning = FineTuning(model, inputs_of(), features_of(FEATURES), training, None, generator(3))
    model.register_forward_hook(lambda module, given, scores: seen.extend(scores.detach()[:, 0].tolist()))
    tuning.run(examples_of(), endless([0, 1, 2, 3, 4, 5]), examples_of(), lambda predicted: 0.5)
    trained = np.array(seen[: 6 * 3000]) * (1 - dropout)  # how many numbers of each h were kept
    width = model.encoder.size
    np.testing.assert_allclose(trained, trained.round(), atol=1e-3)
    assert trained.mean() == pytest.approx(width * (1 - dropout), rel=0.02)
    counts = np.bincount(trained.round().astype(int), minlength=width + 1) / len(trained)
    np.testing.assert_allclose(counts, stats.binom.pmf(range(width + 1), width, 1 - dropout), atol=0.015)
    np.testing.assert_allclose(seen[6 * 3000 :], width, rtol=1e-4)  # what dev is scored by


def test_nothing_is_dropped_where_scores_are_told() -> None:
    training = Training(dropout=0.5, min_updates=2, max_updates=2, dev_points=1)
    model, tuning = tuning_of(mean_encoder(), training)
    tuning.generator = generator()
    run(tuning, [0, 1, 2], [3, 4, 5])
    once, twice = (tuning.scores(np.arange(6)) for _ in range(2))
    assert torch.equal(once, twice)
    expected = HIDDEN @ model.weight.detach().numpy().T + model.bias.detach().numpy()
    hot = np.array([[feature in row for feature in range(5)] for row in FEATURES], float)
    np.testing.assert_allclose(once.numpy(), expected + hot @ model.table.numpy(), rtol=1e-4, atol=1e-5)


def test_what_is_dropped_of_h_teaches_no_weight() -> None:
    """The first step with AdaGrad moves every weight of h that has a gradient: those of dropped numbers have none."""
    training = Training(dropout=0.5, l2=0.0, min_updates=1, max_updates=1, dev_points=1, learning_rate=0.1)
    model, _ = tuning_of(mean_encoder(), training)
    before = model.weight.detach().clone()
    keep = (torch.rand(1, model.encoder.size, generator=generator(5)) >= 0.5)[0]  # as dropout draws for one mention
    tuning = FineTuning(model, inputs_of(), features_of(FEATURES), training, None, generator(5))
    run(tuning, [1])
    moved = (model.weight.detach() != before).any(0)
    assert torch.equal(moved, keep & torch.from_numpy(HIDDEN[1] != 0))
    assert 0 < int(moved.sum()) < len(moved)
